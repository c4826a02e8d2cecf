#include "lib/op/op.h"

#include "lib/base/auto.h"
#include "lib/log/log.h"
#include <assert.h>

static void enter(struct op *op)
{
	uint32_t ms = op->states[op->state].deadline_ms;

	op->expired = false;
	if (ms)
		timer_set(op->reactor, &op->timer, (uint64_t)ms * 1000);
	else
		timer_cancel(op->reactor, &op->timer);
}

static void queue(struct op *op)
{
	if (!op->queued) {
		op->queued = true;
		reactor_post(op->reactor, &op->task);
	}
}

static void on_deadline(struct timer *timer)
{
	struct op *op = CONTAINER_OF(timer, struct op, timer);

	op->expired = true;
	queue(op);
}

static void on_task(struct task *task)
{
	struct op *op = CONTAINER_OF(task, struct op, task);
	enum step step = STEP_WAIT;

	op->queued = false;
	if (!op->finished) {
		do {
			step = op->states[op->state].run(op);
		} while (step == STEP_NEXT);
	}
	if (step == STEP_DONE) {
		op->finished = true;
		timer_cancel(op->reactor, &op->timer);
		if (op->ended)
			op->ended(op);
	}
	if (op->finished && op->children == 0 && !op->queued)
		op->release(op);
}

void op_init(struct op *op, struct reactor *reactor, const struct op_state *states,
        void (*release)(struct op *op))
{
	*op = (struct op){
	        .states = states,
	        .reactor = reactor,
	        .release = release,
	        .timer.fire = on_deadline,
	        .task.run = on_task,
	};
}

void op_start(struct op *op)
{
	assert(!op->started);
	op->started = true;
	enter(op);
	queue(op);
}

enum step op_restart(struct op *op, const struct op_state *states)
{
	op->states = states;
	op->state = 0;
	enter(op);
	return STEP_NEXT;
}

enum step op_go(struct op *op, unsigned state)
{
	assert(op->states[op->state].next & TO(state));
	log_debug("op", "id=%p from=%s to=%s", (void *)op, op->states[op->state].name,
	        op->states[state].name);
	op->state = (uint8_t)state;
	enter(op);
	return STEP_NEXT;
}

void op_wake(struct op *op)
{
	queue(op);
}

void op_cancel(struct op *op)
{
	op->cancelled = true;
	queue(op);
}

void op_child_begin(struct op *op)
{
	op->children++;
}

void op_child_end(struct op *op)
{
	assert(op->children > 0);
	op->children--;
	queue(op);
}
