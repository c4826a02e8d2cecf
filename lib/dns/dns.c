#include "lib/dns/dns.h"

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <netdb.h>
#include <resolv.h>
#include <stdlib.h>
#include <string.h>

#define ANSWER_BYTES 65536
#define TRY_S        3 /* of one server */
#define TRIES        2

/* --- servers --- */

static bool parse_port(const char *text, in_port_t *ret_port)
{
	char *end;
	unsigned long port = strtoul(text, &end, 10);

	*ret_port = htons((uint16_t)port);
	return *text >= '0' && *text <= '9' && !*end && port > 0 && port < 65536;
}

static bool parse_server(char *text, struct sockaddr_in6 *ret)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)ret;
	in_port_t number = htons(53);
	char *port = NULL;

	memset(ret, 0, sizeof(*ret));
	if (*text == '[') {
		char *end = strchr(++text, ']');
		if (!end || (end[1] && end[1] != ':'))
			return false;
		port = end[1] ? end + 2 : NULL;
		*end = 0;
		if (!strchr(text, ':'))
			return false;
	} else if (strchr(text, ':') == strrchr(text, ':') && strchr(text, ':')) {
		port = strchr(text, ':') + 1;
		port[-1] = 0;
	}
	if (port && !parse_port(port, &number))
		return false;
	if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = number;
		return true;
	}
	ret->sin6_family = AF_INET6;
	ret->sin6_port = number;
	return inet_pton(AF_INET6, text, &ret->sin6_addr) == 1;
}

bool dns_servers_parse(const char *text, struct dns_servers *ret_servers)
{
	struct dns_servers servers = {0};
	char one[80];

	for (text += strspn(text, ", "); *text; text += strspn(text, ", ")) {
		size_t len = strcspn(text, ", ");
		if (len >= sizeof(one) || servers.count == DNS_SERVERS_MAX)
			return false;
		memcpy(one, text, len);
		one[len] = 0;
		if (!parse_server(one, &servers.servers[servers.count++]))
			return false;
		text += len;
	}
	*ret_servers = servers;
	return true;
}

/* An address of IPv6 goes into the place that libc keeps for itself, marked by a family of 0. */
static enum err use_servers(struct __res_state *state, const struct dns_servers *servers)
{
	for (unsigned i = 0; i < servers->count; i++) {
		const struct sockaddr_in6 *server = &servers->servers[i];
		if (server->sin6_family == AF_INET) {
			memcpy(&state->nsaddr_list[i], server, sizeof(state->nsaddr_list[i]));
			continue;
		}
		struct sockaddr_in6 *own = state->_u._ext.nsaddrs[i];
		if (!own && !(own = malloc(sizeof(*own))))
			return ERR_NO_MEMORY;
		*own = *server;
		state->_u._ext.nsaddrs[i] = own;
		state->_u._ext.nssocks[i] = -1;
		memset(&state->nsaddr_list[i], 0, sizeof(state->nsaddr_list[i]));
	}
	if (servers->count) {
		state->nscount = (int)servers->count;
		state->_u._ext.nscount = 0;
	}
	return ERR_OK;
}

/* --- questions --- */

enum err dns_cname_read(
        const uint8_t *answer, size_t len, char ret_name[DNS_NAME_SIZE], uint32_t *ret_ttl_s)
{
	char name[NS_MAXDNAME];
	ns_msg message;
	ns_rr record;

	if (len > ANSWER_BYTES || ns_initparse(answer, (int)len, &message))
		return ERR_FORMAT;
	for (int i = 0; i < ns_msg_count(message, ns_s_an); i++) {
		if (ns_parserr(&message, ns_s_an, i, &record))
			return ERR_FORMAT;
		if (ns_rr_type(record) != ns_t_cname || ns_rr_class(record) != ns_c_in)
			continue;
		if (ns_name_uncompress(ns_msg_base(message), ns_msg_end(message),
		            ns_rr_rdata(record), name, sizeof(name)) < 0)
			return ERR_FORMAT;
		size_t n = strlen(name);
		while (n && name[n - 1] == '.')
			name[--n] = 0;
		if (!n || n >= DNS_NAME_SIZE)
			return ERR_FORMAT;
		memcpy(ret_name, name, n + 1);
		*ret_ttl_s = ns_rr_ttl(record);
		return ERR_OK;
	}
	return ERR_NOT_FOUND;
}

static enum err ask(struct __res_state *state, const char *name, char ret_name[DNS_NAME_SIZE],
        uint32_t *ret_ttl_s)
{
	uint8_t *answer = malloc(ANSWER_BYTES);
	enum err err = ERR_NO_MEMORY;

	if (!answer)
		return err;
	int len = res_nquery(state, name, ns_c_in, ns_t_cname, answer, ANSWER_BYTES);
	if (len >= 0)
		err = dns_cname_read(answer, len < ANSWER_BYTES ? (size_t)len : ANSWER_BYTES,
		        ret_name, ret_ttl_s);
	else
		err = state->res_h_errno == HOST_NOT_FOUND || state->res_h_errno == NO_DATA
		              ? ERR_NOT_FOUND
		              : ERR_UNAVAILABLE;
	free(answer);
	return err == ERR_FORMAT ? ERR_UNAVAILABLE : err;
}

enum err dns_cname(const struct dns_servers *servers, const char *name,
        char ret_name[DNS_NAME_SIZE], uint32_t *ret_ttl_s)
{
	struct __res_state state = {0};

	if (!*name || strlen(name) >= DNS_NAME_SIZE)
		return ERR_BAD_REQUEST;
	if (res_ninit(&state))
		return ERR_UNAVAILABLE;
	state.retrans = TRY_S;
	state.retry = TRIES;
	enum err err = use_servers(&state, servers);
	if (!err)
		err = ask(&state, name, ret_name, ret_ttl_s);
	res_nclose(&state);
	return err;
}
