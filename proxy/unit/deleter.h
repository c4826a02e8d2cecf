/* deleter: many objects and containers deleted by requests of their own, several at a time, each
 * with the rights of the client; the report counts what became of them. */
#ifndef PROXY_UNIT_DELETER_H
#define PROXY_UNIT_DELETER_H

#include "proxy/sub.h"
#include "proxy/unit/report.h"

struct deletion {
	const char *name;    /* "/container/object" or "container", decoded; need not live on */
	const char *version; /* version-id, or NULL */
	int status;          /* not 0: it is not tried, but told as this one ... */
	const char *fault;   /* ... with this text */
};

struct deleter_slot;

struct deleter {
	struct request *request; /* borrowed, as are these */
	struct report *report;
	const struct unit *maker;
	/* Which is next? STEP_NEXT: *ret_next; STEP_WAIT: called again later; STEP_DONE: none. */
	enum step (*next)(struct deleter *deleter, struct deletion *ret_next);
	unsigned at_once, failures_max;
	unsigned retries;           /* of what is answered with a conflict */
	struct deleter_slot *slots; /* owned */
	unsigned open;
	uint64_t deleted, missing;
	int failed_status; /* what the whole is answered with when something failed */
	bool ended;
};

/* Call from a state until it returns true. */
bool deleter_run(struct deleter *deleter);
/* The lines of the report that tell of it; status 0, or that of a request that cannot be worked on,
 * with its text. Then sends it. */
enum step deleter_answer(struct deleter *deleter, int status, const char *text);
void deleter_done(struct deleter *deleter);

/* Texts that stay for as long as one of them is needed. */
bool deleter_cut(
        struct arena *arena, const char *name, const char **ret_container, const char **ret_object);

#endif
