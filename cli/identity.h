/* identity: the identity service of a one-machine cloud: its configuration, its first user, openrc.
 */
#ifndef CLI_IDENTITY_H
#define CLI_IDENTITY_H

#include "cli/state.h"

/* What DIR/identity.conf says; none, no error. */
enum err identity_read_conf(struct state *state, struct buf *error);

/* With state->identity, and unless there is one: makes identity.conf and tells the node of it.
 * While nothing runs. */
enum err identity_create(struct state *state, struct buf *error);

/* Where there is no DIR/admin.password: what every cloud begins with (`cairn identity bootstrap`,
 * run from `program`), with the password of ADMIN_PASSWORD in the environment or a new one, kept
 * there. While nothing runs. */
enum err identity_bootstrap(const struct state *state, const char *program, struct buf *error);

/* For the address, the first account and the identity service of the configuration. */
enum err identity_write_openrc(const struct state *state, struct buf *error);

#endif
