/* The simulation's checker: it finds an order where there is one, none where there is none, and
 * does not try for ever. */
#include "tests/lib/test.h"

#include "tests/sim/history.c"

struct sim_world world;
static uint64_t now;

uint64_t sim_now(void)
{
	return now;
}

/* end 0: what happened is not known. */
static struct sim_record *did(enum sim_op op, uint64_t value, uint64_t begin, uint64_t end)
{
	now = begin;
	bool body = value < 1ull << 32 && op != SIM_LIST && op != SIM_POST;
	struct sim_record *r = history_begin(op, 0, 0, body ? sim_value(value, value) : value);

	r->sure = end != 0;
	if (end)
		r->end = end;
	return r;
}

static void refused(uint64_t begin, uint64_t end)
{
	did(SIM_CREATE, 0, begin, end)->failed = true;
}

static void replaced(uint64_t value, uint64_t instead, uint64_t begin, uint64_t end)
{
	did(SIM_REPLACE, value, begin, end)->instead = instead;
}

static void removed(uint64_t instead, uint64_t begin, uint64_t end)
{
	did(SIM_REMOVE, 0, begin, end)->instead = instead;
}

static bool has_order(void)
{
	bool ok = history_check(true);

	history_reset();
	return ok;
}

static void test_histories_with_an_order(void **state)
{
	(void)state;
	assert_true(has_order());
	did(SIM_PUT, 1, 0, 10);
	did(SIM_PUT, 2, 5, 15); /* at the same time */
	did(SIM_GET, 2, 20, 21);
	assert_true(has_order());
	did(SIM_PUT, 1, 0, 10);
	did(SIM_PUT, 2, 5, 15);
	did(SIM_GET, 1, 20, 21);
	assert_true(has_order());
	did(SIM_PUT, 1, 0, 0); /* comes late, but comes */
	did(SIM_GET, 0, 5, 6);
	did(SIM_GET, 1, 100, 101);
	assert_true(has_order());
	did(SIM_PUT, 1, 0, 0); /* nobody read it, one met it */
	refused(5, 6);
	did(SIM_DELETE, 0, 7, 0);
	did(SIM_CREATE, 2, 8, 9);
	did(SIM_GET, 2, 10, 11);
	assert_true(has_order());
	did(SIM_PUT, 1, 0, 1); /* a delete that nobody saw, but a create that nobody was told of */
	did(SIM_DELETE, 0, 2, 0);
	did(SIM_CREATE, 2, 3, 0);
	did(SIM_GET, 2, 10, 11);
	did(SIM_LIST, 1, 12, 13);
	assert_true(has_order());
	did(SIM_PUT, 1, 0, 1);
	did(SIM_PUT, 2, 2, 0); /* it comes to light after the metadata */
	did(SIM_POST, 3, 3, 4);
	did(SIM_GET, sim_value(1, 3), 5, 6);
	did(SIM_GET, sim_value(2, 3), 7, 8);
	assert_true(has_order());
	did(SIM_PUT, 1, 0, 1); /* there and not, twice */
	did(SIM_DELETE, 0, 2, 0);
	did(SIM_PUT, 2, 3, 0);
	did(SIM_LIST, 1, 4, 5);
	did(SIM_LIST, 0, 6, 7);
	did(SIM_LIST, 1, 8, 9);
	assert_true(has_order());
	did(SIM_PUT, 1, 0, 1);
	did(SIM_GET, 1, 2, 3);
	did(SIM_POST, 2, 4, 5); /* the body is what it was */
	replaced(3, 1, 6, 9);
	did(SIM_DELETE, 0, 7, 10);
	did(SIM_PUT, 4, 8, 0);
	did(SIM_GET, 4, 11, 12);
	assert_true(has_order());
	did(SIM_PUT, 1, 0, 1);
	did(SIM_GET, 1, 2, 3);
	did(SIM_PUT, 2, 4, 0); /* nobody read either: in one order only */
	replaced(3, 1, 4, 0);
	refused(5, 6);
	did(SIM_GET, 1, 7, 8);
	assert_true(has_order());
	did(SIM_PUT, 1, 0, 1);
	did(SIM_GET, 1, 2, 3);
	removed(1, 4, 9); /* one of them finds nothing */
	removed(1, 4, 9);
	did(SIM_PUT, 2, 5, 10);
	did(SIM_GET, 2, 11, 12);
	assert_true(has_order());
	did(SIM_PUT, 1, 0, 1);
	did(SIM_GET, 1, 2, 3);
	did(SIM_DELETE, 0, 4, 0); /* died before its row */
	removed(1, 5, 6);
	did(SIM_LIST, 1, 7, 8);
	assert_true(has_order());
}

static void test_histories_without(void **state)
{
	(void)state;
	did(SIM_PUT, 1, 0, 10);
	did(SIM_GET, 0, 20, 21);
	assert_false(has_order());
	did(SIM_PUT, 1, 0, 1);
	did(SIM_PUT, 2, 2, 3);
	did(SIM_GET, 1, 4, 5);
	assert_false(has_order());
	did(SIM_PUT, 1, 0, 0); /* what was read stays */
	did(SIM_GET, 1, 4, 5);
	did(SIM_GET, 0, 6, 7);
	assert_false(has_order());
	did(SIM_CREATE, 1, 0, 5);
	did(SIM_CREATE, 2, 0, 5);
	assert_false(has_order());
	refused(0, 5);
	assert_false(has_order());
	did(SIM_PUT, 1, 0, 1);
	did(SIM_DELETE, 0, 2, 0); /* can only have happened once */
	did(SIM_GET, 0, 3, 4);
	did(SIM_PUT, 2, 5, 6);
	did(SIM_GET, 0, 7, 8);
	assert_false(has_order());
	did(SIM_PUT, 1, 0, 1);
	did(SIM_LIST, 0, 2, 3);
	assert_false(has_order());
	did(SIM_PUT, 1, 0, 1);
	did(SIM_POST, 2, 2, 3); /* what was told to be posted is read */
	did(SIM_GET, 1, 4, 5);
	assert_false(has_order());
	did(SIM_PUT, 1, 0, 1);
	did(SIM_POST, 2, 2, 3)->failed = true; /* nothing was there */
	assert_false(has_order());
	did(SIM_PUT, 1, 0, 1);
	did(SIM_GET, 1, 2, 3);
	did(SIM_DELETE, 0, 4, 5);
	replaced(2, 1, 6, 7);
	assert_false(has_order());
	did(SIM_PUT, 1, 0, 1);
	did(SIM_GET, 1, 2, 3);
	replaced(2, 1, 4, 8);
	did(SIM_DELETE, 0, 5, 9); /* before it, or after: it is gone then */
	did(SIM_GET, 2, 10, 11);
	assert_false(has_order());
	did(SIM_PUT, 1, 0, 1);
	did(SIM_GET, 1, 2, 3);
	replaced(2, 1, 4, 8); /* one of two */
	replaced(3, 1, 4, 8);
	assert_false(has_order());
	did(SIM_PUT, 1, 0, 1);
	did(SIM_GET, 1, 2, 3);
	did(SIM_PUT, 2, 4, 5);
	removed(1, 6, 7);
	assert_false(has_order());
}

/* Writes of which nothing is known could be tried in 2^n ways. */
static void test_many_unknown_writes_are_no_matter(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 28; i++)
		did(i % 3 ? SIM_PUT : SIM_DELETE, i % 3 ? i + 1 : 0, i, 0);
	did(SIM_PUT, 100, 30, 31);
	did(SIM_PUT, 101, 32, 33);
	for (unsigned i = 0; i < 10; i++)
		refused(34, 35 + i);
	did(SIM_GET, 100, 50, 51);
	assert_false(has_order());
}

static uint64_t chance = 1;

static uint64_t draw(uint64_t below)
{
	chance = chance * 6364136223846793005u + 1442695040888963407u;
	return (chance >> 33) % below;
}

/* Every order of every choice of those that may have happened. */
static bool any_order(const struct search *s, uint64_t done, uint64_t value)
{
	if ((done & s->must) == s->must)
		return true;
	for (unsigned i = 0; i < s->count; i++) {
		uint64_t then = value;
		bool now_possible = !(done >> i & 1);
		for (unsigned k = 0; k < s->count; k++)
			now_possible &= (done >> k & 1) || s->ops[k]->end >= s->ops[i]->begin;
		if (now_possible && apply(s, i, &then) && any_order(s, done | 1ull << i, then))
			return true;
	}
	return false;
}

static void test_it_agrees_with_trying_everything(void **state)
{
	static const enum sim_op mix[] = {
	        SIM_PUT, SIM_PUT, SIM_CREATE, SIM_DELETE, SIM_GET, SIM_GET, SIM_LIST, SIM_LIST};
	unsigned with = 0;

	(void)state;
	for (unsigned n = 0; n < 20000; n++) {
		unsigned ops = 3 + (unsigned)draw(5);
		uint64_t values = 0;
		for (unsigned i = 0; i < ops; i++) {
			enum sim_op op = mix[draw(COUNT_OF(mix))];
			bool writes = op != SIM_GET && op != SIM_LIST, sure = !writes || draw(2);
			uint64_t begin = draw(20), end = sure ? begin + 1 + draw(12) : 0;
			uint64_t value = op == SIM_DELETE ? 0
			                 : op == SIM_LIST ? draw(2)
			                 : writes         ? ++values
			                                  : draw(values + 1);
			if (op == SIM_CREATE && sure && draw(2))
				refused(begin, end);
			else if (op == SIM_POST && sure && draw(2))
				did(op, value, begin, end)->failed = true;
			else
				did(op, value, begin, end);
		}
		for (enum aspect of = BODY; of <= LISTED; of++) {
			struct search s;
			collect(&s, 0, of);
			bool wanted = any_order(&s, 0, 0);
			assert_int_equal(explain(&s, 0, 0, false), wanted);
			with += wanted;
			free(s.seen);
		}
		history_reset();
	}
	assert_in_range(with, 10000, 50000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_histories_with_an_order),
	        cmocka_unit_test(test_histories_without),
	        cmocka_unit_test(test_many_unknown_writes_are_no_matter),
	        cmocka_unit_test(test_it_agrees_with_trying_everything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
