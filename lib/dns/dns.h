/* dns: which name a name stands for (its CNAME record), by the system's resolver or by servers that
 * are named. Blocks; any thread. Hides libc's resolver. */
#ifndef LIB_DNS_DNS_H
#define LIB_DNS_DNS_H

#include "lib/err/err.h"
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DNS_NAME_SIZE   256 /* with its NUL */
#define DNS_SERVERS_MAX 3   /* libc asks no more */

struct dns_servers {
	struct sockaddr_in6 servers[DNS_SERVERS_MAX]; /* or a sockaddr_in in its place */
	unsigned count;                               /* 0: those of /etc/resolv.conf */
};

/* "192.0.2.1, 192.0.2.2:5353, 2001:db8::1, [2001:db8::1]:5353". False: one of them is none, or
 * there are too many. */
bool dns_servers_parse(const char *text, struct dns_servers *ret_servers);

/* ERR_OK: the name it stands for, without a dot at its end, and for how many seconds that is known.
 * ERR_NOT_FOUND: there is no such name, or it stands for itself. Else (ERR_UNAVAILABLE,
 * ERR_BAD_REQUEST: not a name) nobody knows. Gives up after some seconds. */
enum err dns_cname(const struct dns_servers *servers, const char *name,
        char ret_name[DNS_NAME_SIZE], uint32_t *ret_ttl_s);

/* The record in an answer of `len` bytes. ERR_NOT_FOUND: there is none; ERR_FORMAT: no answer. */
enum err dns_cname_read(
        const uint8_t *answer, size_t len, char ret_name[DNS_NAME_SIZE], uint32_t *ret_ttl_s);

#endif
