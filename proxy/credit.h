/* credit: what the bodies under way may take of memory. Who is about to receive or read a piece
 * asks for its bytes first, and waits when they are beyond the budget. Once somebody has waited for
 * HURRY_S this is no mere peak: connections that make no progress for that long are closed, and who
 * came last is served first, as the one most likely still there. One budget per proxy; its
 * thread. */
#ifndef PROXY_CREDIT_H
#define PROXY_CREDIT_H

#include "lib/base/list.h"
#include "lib/op/op.h"

struct edge;

#define CREDIT_SMALL (64u << 10) /* such a body still fits when large ones fill the rest */
#define HURRY_S      5

struct budget {
	struct reactor *reactor;  /* borrowed */
	struct edge *edge;        /* borrowed; NULL: none. Answers it still sends count, too */
	size_t used, max;         /* bytes */
	struct list small, large; /* struct credit that wait, the latest first */
	struct timer timer;
	uint64_t refused;
};

void budget_init(struct budget *budget, struct reactor *reactor, size_t max);
/* Is there less than `bytes` left? */
bool budget_tight(const struct budget *budget, size_t bytes);

/* Zeroed by its owner before the first use. */
struct credit {
	struct list link;
	struct budget *budget; /* NULL: idle */
	struct op *op;
	size_t bytes;
	uint64_t since_us;
	bool waits, refused;
};

/* True when the bytes are granted. Else the op is woken then; call again. ERR_BUSY in *ret_err when
 * it took too long. */
bool credit_take(struct credit *credit, struct budget *budget, struct op *op, size_t bytes,
        enum err *ret_err);
/* Gives back what was granted, or waits no longer. Harmless when idle. */
void credit_give(struct credit *credit);
/* The grant changes its owner: *credit is idle afterwards. */
struct credit credit_move(struct credit *credit);

#endif
