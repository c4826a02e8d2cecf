/* server: takes calls from other nodes for the devices of this one: a listener per reactor, all on
 * one port. Who handles a call answers it with backend_finish, from any thread; answers go back as
 * they come. All calls here on the reactor's thread. */
#ifndef LIB_WIRE_SERVER_H
#define LIB_WIRE_SERVER_H

#include "lib/wire/wire.h"

struct tls_context;

struct wire_server_options {
	struct wire_loop *loop;               /* borrowed, outlives the server */
	const struct wire_identity *identity; /* borrowed */
	struct tls_context *tls;              /* borrowed; NULL: plain */
	const char *ip;
	unsigned port;              /* 0: any, for tests */
	const char *const *devices; /* borrowed; their names */
	unsigned device_count;
	size_t credit_bytes;      /* of calls a connection may have open */
	unsigned connections_max; /* beyond, new ones are closed */
	/* call->device is an index of devices. The call is the server's; its done comes back to
	 * this reactor. */
	void (*handle)(void *owner, struct backend_call *call);
	/* A node's question; appends the answer. NULL: none are known. */
	enum err (*control)(
	        void *owner, uint32_t kind, const void *data, size_t len, struct buf *ret_answer);
	void *owner;
};

struct wire_server_stats {
	uint64_t accepted, refused, calls, bytes_in, bytes_out;
	unsigned connections;
};

struct wire_server;

/* ERR_BUSY: another program listens there; ERR_NOT_FOUND: no such address here; ERR_CONFIG. */
enum err wire_server_open(const struct wire_server_options *options, uint16_t *ret_port,
        struct wire_server **ret_server);
/* Takes no more connections and closes those there are; it goes when the last call is answered, as
 * the loop runs. */
void wire_server_close(struct wire_server *server);
void wire_server_stats(const struct wire_server *server, struct wire_server_stats *ret_stats);

/* Can the port be had? As edge_try. */
enum err wire_server_try(const char *ip, unsigned port);

#endif
