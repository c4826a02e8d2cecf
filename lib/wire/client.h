/* client: one peer as one reactor sees it. Calls to its devices share a connection, which is made
 * when the first is sent, and made again, ever less often, when it is lost. While there is none,
 * calls fail at once (ERR_UNAVAILABLE), but for those that wait for the very first.
 *
 * All calls on the reactor's thread; `done` of calls runs from its loop. */
#ifndef LIB_WIRE_CLIENT_H
#define LIB_WIRE_CLIENT_H

#include "lib/wire/wire.h"

#define WIRE_CALLS_MAX 16384 /* sent or waiting; beyond: ERR_BUSY */

struct tls_context;

struct wire_client_options {
	struct wire_loop *loop;               /* borrowed, outlives the client */
	const struct wire_identity *identity; /* borrowed */
	struct tls_context *tls;              /* borrowed; NULL: plain */
	const char *ip;
	unsigned port;
	/* The connection is there (ERR_OK) or not any more; NULL: nobody wants to know. */
	void (*changed)(void *owner, enum err err);
	/* How a call to a device ended, also when nobody waits for it any more; NULL likewise. */
	void (*answered)(void *owner, uint32_t device, enum err err);
	void *owner;
};

struct wire_client_stats {
	uint64_t calls, bytes_in, bytes_out, connects, losses, refused, late;
	unsigned open;    /* calls sent and not answered */
	unsigned version; /* of the protocol, on the last connection; 0: there was none */
	bool up;
};

struct wire_client;

/* ERR_CONFIG: the address is none. */
enum err wire_client_new(
        const struct wire_client_options *options, struct wire_client **ret_client);
/* No call is open. From the loop, or when it does not run any more. */
void wire_client_free(struct wire_client *client);

/* A number for a device by the name its server calls it; stays while the client lives. */
uint32_t wire_client_device(struct wire_client *client, const char *name);

/* As backend.h says. ERR_UNAVAILABLE: no connection, or no such device there; ERR_BUSY: too many
 * wait. call->device is not looked at. */
void wire_client_send(struct wire_client *client, uint32_t device, struct backend_call *call);

/* A question of node to node, beside the calls. */
struct wire_ask {
	/* The answer's outcome and bytes (borrowed); also when there is none, as with calls. */
	void (*done)(struct wire_ask *ask, enum err err, const void *data, size_t len);
	/* private */
	struct task task;
	enum err err;
};
void wire_ask(struct wire_client *client, struct wire_ask *ask, uint32_t kind, const void *data,
        size_t len, uint64_t timeout_us);

void wire_client_stats(const struct wire_client *client, struct wire_client_stats *ret_stats);

#endif
