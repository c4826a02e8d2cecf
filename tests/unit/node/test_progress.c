#include "tests/lib/test.h"

#include "node/pace.c"
#include "node/progress.c"

/* A device that ends a piece in so long when nobody else is at work with its machine; others come
 * and go. */
struct machine {
	struct progress progress;
	struct progress_left left;
	uint64_t now_us, free_us; /* free: from then on the device has rested */
	unsigned push_us, forget_us;
	unsigned others_every_s,
	        others; /* for half of the time pieces take so many times as long */
	bool moves;
};

static unsigned work(struct machine *m, double most, unsigned took_us)
{
	uint64_t end = m->now_us + 1000000;
	unsigned count = 0;

	if (m->others && m->now_us / 1000000 % m->others_every_s < m->others_every_s / 2)
		took_us *= m->others;
	if (m->free_us < m->now_us)
		m->free_us = m->now_us;
	for (; m->free_us < end && count < most; count++)
		m->free_us += took_us + pace_rest_us(took_us);
	return count;
}

/* A second of pushes; when none are left the older rings go, and what was there for them. */
static void second(struct machine *m)
{
	unsigned done = 0;

	if (m->left.pushes > 0) {
		m->left.pushes -= done = work(m, m->left.pushes, m->push_us);
	} else if (m->left.later > 0) {
		m->left.forgets = m->left.later;
		m->left.later = 0;
		m->moves = false;
	} else if (m->left.forgets > 0) {
		m->left.forgets -= done = work(m, m->left.forgets, m->forget_us);
	}
	m->now_us += 1000000;
	progress_tick(&m->progress, done, &m->left, m->moves);
}

static double seconds(const struct machine *m)
{
	return progress_seconds(&m->progress, &m->left);
}

static double part(const struct machine *m)
{
	return m->progress.done / (m->progress.done + progress_weight(&m->left));
}

#define SECONDS_MAX 4000

/* Runs it to its end; the share of what was told after a tenth, and when anything can be known,
 * that was within 0.5 and 2 of the truth. */
static double told_right(unsigned objects, struct machine m)
{
	static double told[SECONDS_MAX];
	unsigned end = 0, right = 0, first;
	double before = 0;

	m.left = (struct progress_left){.pushes = objects, .later = objects};
	m.moves = true;
	for (; progress_weight(&m.left) > 0; end++) {
		assert_true(end < SECONDS_MAX);
		second(&m);
		told[end] = seconds(&m);
		assert_true(part(&m) >= before);
		before = part(&m);
	}
	assert_true(before == 1);
	first = end / 10 > SURE_S ? end / 10 : SURE_S;
	for (unsigned i = first; i + 1 < end; i++) {
		double ratio = told[i] / (end - 1 - i);
		right += ratio >= 0.5 && ratio <= 2;
	}
	return (double)right / (end - 1 - first);
}

static void what_it_tells_comes_true(void **state)
{
	(void)state;
	/* Short moves and long ones, of a quick disk and of a slow one. */
	assert_true(told_right(3000, (struct machine){.push_us = 700, .forget_us = 500}) >= 0.95);
	assert_true(told_right(50000, (struct machine){.push_us = 700, .forget_us = 900}) >= 0.95);
	assert_true(
	        told_right(20000, (struct machine){.push_us = 5000, .forget_us = 4000}) >= 0.95);
}

static void it_comes_true_beside_others(void **state)
{
	const struct machine m = {
	        .push_us = 700, .forget_us = 600, .others = 4, .others_every_s = 30};

	(void)state;
	assert_true(told_right(5000, m) >= 0.8);
	assert_true(told_right(50000, m) >= 0.9);
}

static void it_says_nothing_at_first(void **state)
{
	struct machine m = {.left = {.pushes = 5000}, .push_us = 1000};

	(void)state;
	for (unsigned i = 1; i < SURE_S; i++) {
		second(&m);
		assert_true(seconds(&m) == 0);
	}
	second(&m);
	assert_true(seconds(&m) > 0);
}

/* Others had the machine for a few seconds: that is not for ever. */
static void a_moment_is_forgiven(void **state)
{
	struct machine m = {.left = {.pushes = 50000}, .push_us = 700};

	(void)state;
	for (unsigned i = 0; i < 60; i++)
		second(&m);
	double before = seconds(&m);
	m.push_us = 20000;
	for (unsigned i = 0; i < 10; i++)
		second(&m);
	assert_true(seconds(&m) < 2 * before);
}

static void a_new_move_begins_at_nothing(void **state)
{
	struct progress p = {0};
	const struct progress_left nothing = {0}, much = {.pushes = 100};

	(void)state;
	progress_tick(&p, 50, &much, false);
	assert_true(p.done == 50);
	/* What clients change all the time is no work that lasts. */
	for (unsigned i = 0; i < IDLE_S; i++)
		progress_tick(&p, 0, &nothing, false);
	assert_true(p.done == 0);
	progress_tick(&p, 50, &much, false);
	progress_tick(&p, 0, &much, true);
	assert_true(p.done == 0);
	progress_tick(&p, 7, &much, true);
	assert_true(p.done == 7);
	/* Nothing is left here for long, but the rings have not gone yet. */
	for (unsigned i = 0; i < 2 * IDLE_S; i++)
		progress_tick(&p, 0, &nothing, true);
	assert_true(p.done == 7);
}

/* What is to be forgotten waits until others have brought what they have. */
static void to_wait_changes_no_rate(void **state)
{
	struct machine m = {.left = {.pushes = 2000}, .push_us = 1000, .moves = true};

	(void)state;
	while (m.left.pushes > 0)
		second(&m);
	m.left.later = 3000;
	double before = seconds(&m);
	for (unsigned i = 0; i < 100; i++)
		progress_tick(&m.progress, 0, &m.left, true);
	assert_true(before > 0 && seconds(&m) == before);
}

/* Nobody takes it for as long as who was away stays away. */
static void what_does_not_go_on_has_no_end(void **state)
{
	const struct progress_left left = {.pushes = 1e6};
	struct progress p = {0};

	(void)state;
	for (unsigned i = 0; i < 100; i++)
		progress_tick(&p, 50, &left, true);
	assert_true(progress_seconds(&p, &left) > 0);
	for (unsigned i = 0; i < 100000; i++) {
		progress_tick(&p, 0, &left, true);
		assert_true(progress_seconds(&p, &left) <= KNOWN_S);
	}
	assert_true(progress_seconds(&p, &left) == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(what_it_tells_comes_true),
	        cmocka_unit_test(it_comes_true_beside_others),
	        cmocka_unit_test(it_says_nothing_at_first),
	        cmocka_unit_test(a_moment_is_forgiven),
	        cmocka_unit_test(a_new_move_begins_at_nothing),
	        cmocka_unit_test(to_wait_changes_no_rate),
	        cmocka_unit_test(what_does_not_go_on_has_no_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
