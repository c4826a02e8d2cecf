/* state: the folder of a one-machine cloud: configuration, secrets, pid files, openrc. */
#ifndef CLI_STATE_H
#define CLI_STATE_H

#include "lib/base/buf.h"
#include <stdio.h>
#include <sys/types.h>

struct state {
	const char *dir; /* absolute after state_create's caller resolved it */
	int port, devices, replicas;
	int wire;      /* port; 0: none */
	unsigned k, m; /* of the policy "ec"; 0: there is none */
	/* Of its configuration: */
	char address[64];       /* to reach the API at from here */
	bool tls;               /* the API speaks HTTPS */
	bool elsewhere;         /* its state_dir is another folder: this one was moved or copied */
	char user[64], key[64]; /* the first account; empty: none */
};

/* Makes what is missing; what is there stays, and its port and devices hold. openrc is written
 * anew, for the address and the first account of the configuration. */
enum err state_create(struct state *state, struct buf *error);
/* Of a folder that is there: ERR_NOT_FOUND when it is none; *error says so, or what is wrong. */
enum err state_read_conf(struct state *state, struct buf *error);

/* The file is locked for as long as the caller keeps *lock open, or lives: a file that was left
 * behind names nobody, whoever has its pid today. *lock, -1 at first, is closed or replaced. */
void state_write_pid(const struct state *state, const char *name, pid_t pid, int *lock);
void state_remove_pid(const struct state *state, const char *name);
/* 0 when there is none, nobody holds its lock, or no such process runs. */
pid_t state_read_pid(const struct state *state, const char *name);

/* Does /healthcheck answer? With TLS: does the port? */
bool state_healthy(const struct state *state);
/* A small GET to the node, with header lines or "", not over TLS; false unless it is answered with
 * 200 in time. The answer with its head is added to *body. */
bool state_get(const struct state *state, const char *path, const char *headers, struct buf *body);
/* What the node says of an account, container or object; quoted for a URL. 0 when it answered. */
int state_print_audit(const struct state *state, const char *path);
void state_print_log_tail(const struct state *state, FILE *out);

#endif
