/* status: how a node, its devices and the nodes it knows are, for people. */
#ifndef CLI_STATUS_H
#define CLI_STATUS_H

#include "cli/state.h"

/* What /metrics says of devices, space, other nodes and rings (with TLS: where to ask). False when
 * it does not answer. */
bool status_print(const struct state *state);

#endif
