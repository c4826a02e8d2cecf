/* state: the folder of a one-machine cloud: configuration, secrets, pid files, openrc. */
#ifndef CLI_STATE_H
#define CLI_STATE_H

#include "lib/base/buf.h"
#include <limits.h>
#include <stdio.h>
#include <sys/types.h>

struct state {
	const char *dir; /* absolute after state_create's caller resolved it */
	int port, devices, replicas;
	int wire;      /* port; 0: none */
	int identity;  /* port of an identity service to make; 0: none */
	unsigned k, m; /* of the policy "ec"; 0: there is none */
	/* Of its configuration: */
	char address[64], bind_ip[64]; /* to reach the API at from here; where it listens */
	bool tls;                      /* the API speaks HTTPS */
	const char *elsewhere; /* whose state_dir is another folder: this one was moved or copied */
	char user[64], key[64]; /* the first account; empty: none */
	/* Of identity.conf, when there is one: */
	int identity_port; /* 0: none */
	char identity_address[64];
};

/* Makes what is missing; what is there stays, and its port and devices hold. */
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
bool state_identity_healthy(const struct state *state);
/* A small GET to the node, with header lines or "", not over TLS; false unless it is answered with
 * 200 in time. The answer with its head is added to *body. */
bool state_get(const struct state *state, const char *path, const char *headers, struct buf *body);
/* What shows the node that its operator asks for that (proxy/operator.h). False, and said why, for
 * who cannot read its secret. */
bool state_sign(const struct state *state, const char *what, const char *target, char ret_time[24],
        char ret_sign[65]);
/* What the node says of an account, container or object; quoted for a URL. 0 when it answered. */
int state_print_audit(const struct state *state, const char *path);
void state_print_log_tail(const struct state *state, const char *name, FILE *out);

/* --- for the other files of this folder --- */

void state_path(const struct state *state, const char *name, char ret_path[PATH_MAX]);
/* Whole or not at all, 0600. */
enum err state_write_file(
        const struct state *state, const char *name, const struct buf *text, struct buf *error);
void state_random_hex(char *ret_text, unsigned bytes); /* at most 32 */
/* Where to reach from here what listens there. */
void state_reach(const char *bind_ip, char ret_address[64]);
/* "http://127.0.0.1:8080" */
void state_url(const struct state *state, struct buf *out);

#endif
