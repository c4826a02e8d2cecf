/* op: a long-running operation as a table of states. Each state is one short function; it runs
 * only from the loop, when the state was just entered, a child ended, or a deadline passed. An
 * operation stays on its reactor and is freed in one place: after STEP_DONE and its last child. */
#ifndef LIB_OP_OP_H
#define LIB_OP_OP_H

#include "lib/reactor/reactor.h"

struct op;

enum step {
	STEP_WAIT, /* stay: op_wake or a deadline runs the state again */
	STEP_NEXT, /* op_go has set another state: run it now */
	STEP_DONE, /* finished */
};

struct op_state {
	const char *name;
	enum step (*run)(struct op *op);
	uint32_t next;        /* TO() of the states it may go to */
	uint32_t deadline_ms; /* time in this state until `expired`; 0: none */
};
#define TO(state) (1u << (state))

struct op {
	const struct op_state *states;
	struct reactor *reactor;
	void (*release)(struct op *op); /* frees; called once, from the loop */
	void (*ended)(struct op *op);   /* finished, children may be open; NULL: nothing to do */
	struct timer timer;
	struct task task;
	unsigned children;
	uint8_t state;
	bool cancelled; /* somebody lost interest: states check it on entry */
	bool expired;   /* this state's deadline passed */
	bool queued, started, finished;
};

/* Fills the caller's storage; nothing runs before op_start. The first state is 0. */
void op_init(struct op *op, struct reactor *reactor, const struct op_state *states,
        void (*release)(struct op *op));
void op_start(struct op *op);

/* For a state function: `return op_go(op, NEXT);` */
enum step op_go(struct op *op, unsigned state);

/* The same, to the first state of another table. */
enum step op_restart(struct op *op, const struct op_state *states);

/* Runs the current state from the loop; several wakes before that are one. */
void op_wake(struct op *op);
void op_cancel(struct op *op);

/* Something outstanding that refers to the op; it is not freed until each has ended. Ending one
 * wakes the op. */
void op_child_begin(struct op *op);
void op_child_end(struct op *op);

#endif
