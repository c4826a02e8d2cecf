/* supervise: the process that starts the daemons of a one-machine cloud, and again what dies. */
#ifndef CLI_SUPERVISE_H
#define CLI_SUPERVISE_H

#include "cli/state.h"

/* Until SIGTERM or SIGINT, or until the node refuses its configuration. Returns the exit code.
 * Call from a process of its own: it blocks signals and waits for children. */
int supervise(const struct state *state, const char *program);

#endif
