/* wire: how nodes reach each other's devices: frames over TCP, many calls at once on a connection
 * (docs/formats/wire.md). client.h asks, server.h is asked; this is what both need. */
#ifndef LIB_WIRE_WIRE_H
#define LIB_WIRE_WIRE_H

#include "lib/wire/hello.h"
#include "lib/wire/message.h"

/* What the connections of one reactor share; on its thread. */
struct wire_loop;

struct wire_loop *wire_loop_new(struct reactor *reactor);
/* All clients and servers of it are gone. */
void wire_loop_free(struct wire_loop *loop);

#endif
