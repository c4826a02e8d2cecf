#include "tests/lib/test.h"

#include "lib/base/auto.h"
#include "lib/op/op.h"

static struct reactor *reactor;

struct walk {
	struct op op;
	char trail[16];
	bool released;
};

static struct walk *walk_of(struct op *op)
{
	return CONTAINER_OF(op, struct walk, op);
}

enum { FIRST, WAITING, LAST };

static enum step first(struct op *op)
{
	strcat(walk_of(op)->trail, "f");
	return op_go(op, WAITING);
}

static enum step waiting(struct op *op)
{
	strcat(walk_of(op)->trail, op->expired ? "x" : "w");
	return op->expired || op->cancelled ? op_go(op, LAST) : STEP_WAIT;
}

static enum step last(struct op *op)
{
	strcat(walk_of(op)->trail, "l");
	return STEP_DONE;
}

static const struct op_state states[] = {
        [FIRST] = {"first", first, TO(WAITING), 0},
        [WAITING] = {"waiting", waiting, TO(LAST), 5},
        [LAST] = {"last", last, 0, 0},
};

static void release(struct op *op)
{
	walk_of(op)->released = true;
	reactor_stop(reactor);
}

static void deadline_moves_a_waiting_op(void **state)
{
	struct walk walk = {.trail = ""};

	(void)state;
	op_init(&walk.op, reactor, states, release);
	op_start(&walk.op);
	reactor_run(reactor);
	assert_string_equal(walk.trail, "fwxl");
	assert_true(walk.released);
}

static void op_outlives_its_children(void **state)
{
	struct walk walk = {.trail = ""};

	(void)state;
	op_init(&walk.op, reactor, states, release);
	op_child_begin(&walk.op);
	op_start(&walk.op);
	op_cancel(&walk.op);
	while (!walk.op.finished)
		reactor_turn(reactor, true);
	assert_false(walk.released);
	op_child_end(&walk.op);
	reactor_run(reactor);
	assert_true(walk.released);
	assert_string_equal(walk.trail, "fwl");
}

static int setup(void **state)
{
	(void)state;
	return reactor_new(env_real(), 64, &reactor);
}

static int teardown(void **state)
{
	(void)state;
	reactor_free(reactor);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(deadline_moves_a_waiting_op),
	        cmocka_unit_test(op_outlives_its_children),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
