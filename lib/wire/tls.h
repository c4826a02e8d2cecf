/* tls: OpenSSL under the wire, over bytes in memory: the reactor moves them. With a CA both sides
 * show a certificate that it signed. */
#ifndef LIB_WIRE_TLS_H
#define LIB_WIRE_TLS_H

#include "lib/err/err.h"
#include <stdbool.h>
#include <stddef.h>

struct tls_context;
struct tls_session;

/* PEM files; ca NULL: the peer is not asked for a certificate (the hello alone says who it is).
 * ERR_CONFIG: one of them is not what it should be. Any thread may make sessions of it. */
enum err tls_context_new(
        const char *cert, const char *key, const char *ca, struct tls_context **ret_context);
void tls_context_free(struct tls_context *context); /* NULL is fine */

struct tls_session *tls_session_new(struct tls_context *context, bool server);
void tls_session_free(struct tls_session *session); /* NULL is fine */

/* Bytes that arrived. ERR_NO_MEMORY. */
enum err tls_session_feed(struct tls_session *session, const void *data, size_t len);
/* Up to len plain bytes. ERR_BUSY: more must arrive; ERR_UNAUTHORIZED: the peer's certificate, or
 * what it speaks, is not accepted; ERR_CLOSED: it said goodbye. */
enum err tls_session_read(struct tls_session *session, void *data, size_t len, size_t *ret_len);
/* Ciphers up to len bytes. ERR_BUSY: not before the peer has answered. */
enum err tls_session_write(
        struct tls_session *session, const void *data, size_t len, size_t *ret_len);
/* Is there something to drain? */
bool tls_session_speaks(const struct tls_session *session);
/* Gives all ciphered bytes to put, which says whether it could take them. */
enum err tls_session_drain(struct tls_session *session,
        bool (*put)(void *owner, const void *data, size_t len), void *owner);

#endif
