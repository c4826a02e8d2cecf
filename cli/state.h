/* state: the folder of a one-machine cloud: configuration, secrets, pid files, openrc. */
#ifndef CLI_STATE_H
#define CLI_STATE_H

#include "lib/base/buf.h"
#include <stdio.h>
#include <sys/types.h>

struct state {
	const char *dir; /* absolute after state_create's caller resolved it */
	int port, devices, replicas;
};

/* Makes what is missing; what is there stays, and its port and devices hold. */
enum err state_create(struct state *state, struct buf *error);

/* The file is locked for as long as the caller keeps *lock open, or lives: a file that was left
 * behind names nobody, whoever has its pid today. *lock, -1 at first, is closed or replaced. */
void state_write_pid(const struct state *state, const char *name, pid_t pid, int *lock);
void state_remove_pid(const struct state *state, const char *name);
/* 0 when there is none, nobody holds its lock, or no such process runs. */
pid_t state_read_pid(const struct state *state, const char *name);

/* Does /healthcheck answer? */
bool state_healthy(const struct state *state);
/* What /metrics says of devices and space, for people. 0 when it answered. */
int state_print_metrics(const struct state *state);
void state_print_log_tail(const struct state *state, FILE *out);

#endif
