/* sender_internal: what the files of the sender share: sender.c goes through the queue,
 * sender_job.c brings one row. All of it on one reactor. */
#ifndef NODE_SENDER_INTERNAL_H
#define NODE_SENDER_INTERNAL_H

#include "node/sender.h"

#include "lib/http/caller.h"
#include "proxy/ranged.h"
#include "proxy/sync_queue.h"
#include "proxy/unit/sync_realms.h"

/* A container that rows are being brought of, or that failed; by its path. */
struct sender_container {
	struct hash_node node;
	unsigned open, failures; /* jobs under way; in a row */
	uint64_t until_us;       /* not tried before */
	char path[];             /* "account/container" */
};

/* A row that the other cluster has refused, and not the container; by its name and time. */
struct sender_refused {
	struct hash_node node;
	uint64_t until_us;
};

struct sender {
	struct op op;
	struct node *node;
	struct proxy *proxy;
	struct caller *caller; /* owned */
	struct hash containers, refused;
	struct list jobs; /* struct sender_job */
	unsigned open;    /* of them */
	/* The pass through the queue. */
	struct fan fan;
	unsigned made;
	struct ranged list;
	struct buf marker, page, skip_to; /* skip_to: rows up to that name are passed over */
	size_t page_at;
	unsigned page_rows;
	bool listing, busy;
	struct backend_row row;
	char *name; /* owned: the row's */
	struct sync_row parts;
	struct info_fetch facts;
	struct sender_container *container;
	/* All objects of a container, a page of them. */
	struct buf objects, names, walked, last; /* names: of `parts` */
	struct row_put *puts;                    /* owned */
	unsigned put_count, puts_done;
	bool queuing, put_failed;
	struct {
		atomic_uint_least64_t puts, deletes, bytes, present, failures, refused, pending,
		        failing;
	} seen;
};

/* --- sender.c --- */

/* A job has ended: it worked, or why its container cannot be brought for now. */
void sender_worked(struct sender *sender, struct sender_container *container);
void sender_failed(
        struct sender *sender, struct sender_container *container, const char *to, const char *why);
void sender_left(struct sender *sender, struct sender_container *container);
/* The row alone is not wanted there. */
void sender_refused(struct sender *sender, const char *name, uint64_t ts, int status);

/* --- sender_job.c --- */

/* Brings the row, and removes it; or only removes it. `target` NULL: that. Everything is copied. */
void sender_job_start(struct sender *sender, struct sender_container *container,
        const struct backend_row *row, const struct info *info, const struct sync_target *target);
bool sender_job_runs(const struct sender *sender, const char *name);

#endif
