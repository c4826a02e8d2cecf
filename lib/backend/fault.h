/* fault: a backend around another that loses, delays, reorders and fails what passes through it:
 * for tests and simulation. What happens to a call is decided when it is sent, by the caller's
 * function or by a generator that repeats from its seed; when it happens, by the reactor's timers.
 * So the same calls over the same clock meet the same faults. One reactor. */
#ifndef LIB_BACKEND_FAULT_H
#define LIB_BACKEND_FAULT_H

#include "lib/backend/backend.h"

/* What one call meets. All zero: nothing. */
struct fault_plan {
	uint64_t delay_us;       /* before the device hears of it */
	uint64_t reply_delay_us; /* after it answered */
	bool behind_next;        /* not before the device's next call was passed on, or 100 ms */
	bool lose_request;       /* the device never hears of it; the caller, at its deadline */
	bool lose_reply;         /* the device does it; the caller hears at its deadline */
	enum err err;            /* answered so in the device's stead */
};

struct fault_options {
	struct reactor *reactor; /* borrowed */
	struct backend *inner;   /* borrowed */
	/* Fills in what is to happen; *plan is all zero. */
	void (*decide)(void *owner, const struct backend_call *call, struct fault_plan *plan);
	void *owner;
};

struct fault;

struct fault *fault_new(const struct fault_options *options);
/* No call is under way. */
void fault_free(struct fault *fault);
struct backend *fault_backend(struct fault *fault);

struct fault_stats {
	uint64_t calls, delayed, reordered, lost_requests, lost_replies, failed;
};
void fault_stats(const struct fault *fault, struct fault_stats *ret_stats);

/* The generator: chances in a thousand, each drawn for itself. Use as owner of fault_random. */
struct fault_odds {
	unsigned delay, reply_delay, reorder, lose_request, lose_reply, fail;
	uint64_t delay_max_us; /* delays are 1 to this many */
	enum err err;          /* of those that fail */
};
struct fault_random {
	uint64_t seed;
	struct fault_odds odds;
	uint32_t only_device; /* UINT32_MAX: all */
};
void fault_random(void *random, const struct backend_call *call, struct fault_plan *plan);

#endif
