/* edge: listens on a port for one reactor and turns bytes into http_req (http.h). One edge per
 * reactor; several share a port by SO_REUSEPORT. Today's edge is libmicrohttpd under the
 * reactor's io_uring (edge_mhd.c). */
#ifndef LIB_HTTP_EDGE_H
#define LIB_HTTP_EDGE_H

#include "lib/http/http.h"

struct edge;

struct edge_options {
	const char *bind_ip; /* "127.0.0.1", "::" */
	uint16_t port;
	unsigned connections_max;       /* of this edge */
	unsigned idle_timeout_s;        /* a connection that says nothing is closed */
	unsigned drain_bytes_max;       /* of a refused upload before it is answered */
	const char *tls_cert, *tls_key; /* PEM texts; NULL: plain */
	const struct http_handler *handler;
	void *owner;
};

/* Is the port free? ERR_BUSY: somebody listens there, be it with edges: those share a port with
 * any of the same user, so this is asked before the first of a process opens.
 * ERR_NOT_FOUND: this machine has no such address. */
enum err edge_try(const char *bind_ip, uint16_t port);

/* ERR_BUSY: the port is taken. *ret_port tells the port when options->port was 0 (may be NULL). */
enum err edge_open(struct reactor *reactor, const struct edge_options *options, uint16_t *ret_port,
        struct edge **ret_edge);

/* Accepts no more; requests under way go on. */
void edge_quiesce(struct edge *edge);

/* Ends all connections. Handlers are told that their clients are gone; the edge's memory lives on
 * until the last of them and the loop have let go of it. */
void edge_close(struct edge *edge);

unsigned edge_connections(const struct edge *edge);

/* Bytes of answers that were handed over and not sent yet. */
size_t edge_held(const struct edge *edge);

/* Closes the connections of requests under way that make no progress for so many seconds, for as
 * long as each request lasts. */
void edge_hurry(struct edge *edge, unsigned seconds);

#endif
