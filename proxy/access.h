/* access: one line a request, in the fields of Swift's proxy-logging, and metrics for statsd. What
 * a loop hands over is written by a thread of its own: no request waits for a disk or a socket;
 * what there is no room for is dropped and counted. */
#ifndef PROXY_ACCESS_H
#define PROXY_ACCESS_H

#include "lib/err/err.h"
#include "proxy/unit/options.h"

struct access_log;
struct request;
struct buf;

/* ERR_CONFIG; *ret_why: the option that is wrong. *ret_access is NULL when nobody wants it. */
enum err access_new(
        const struct unit_options *options, struct access_log **ret_access, const char **ret_why);
/* Both take NULL. After stop, all that was handed over is written. */
void access_start(struct access_log *access);
void access_stop(struct access_log *access);

/* A client's request is over: its answer is sent, or the client has left. On its loop. */
void access_note(struct request *request);

/* Appends a request's target as it may be logged: of what is signed or a secret, only so many
 * characters. */
void access_target(struct buf *out, const char *target, unsigned reveal);

#endif
