#include "tests/lib/test.h"

#include "node/pace.c"
#include "node/progress.c"

/* A device that ends `room` pieces a second easily, and is slow when there are more. */
struct machine {
	struct pace push, forget;
	struct progress progress;
	struct progress_left left;
	uint64_t now_us;
	unsigned push_room, forget_room;
	bool moves;
};

static unsigned work(struct machine *m, struct pace *pace, double most, unsigned room)
{
	uint64_t end = m->now_us + 1000000;
	unsigned count = 0;

	for (uint64_t at = pace_next_us(pace, m->now_us); at < end && count < most; count++) {
		pace_begin(pace, at);
		pace_end(pace, at, pace->rate < room ? 1000 : 5000);
		at = pace_next_us(pace, at);
	}
	return count;
}

/* A second of pushes; when none are left the older rings go, and what was there for them. */
static void second(struct machine *m)
{
	unsigned pushed = 0, forgotten = 0;

	if (m->left.pushes > 0) {
		m->left.pushes -= pushed = work(m, &m->push, m->left.pushes, m->push_room);
	} else if (m->left.later > 0) {
		m->left.forgets = m->left.later;
		m->left.later = 0;
		m->moves = false;
	} else if (m->left.forgets > 0) {
		forgotten = work(m, &m->forget, m->left.forgets, m->forget_room);
		m->left.forgets -= forgotten;
	}
	m->now_us += 1000000;
	progress_tick(&m->progress, pushed + PROGRESS_FORGET * forgotten, &m->left, m->moves);
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

/* Runs it to its end; the share of what was told after a tenth that was within 0.5 and 2 of the
 * truth. */
static double told_right(unsigned objects, unsigned push_room, unsigned forget_room)
{
	static double told[SECONDS_MAX];
	struct machine m = {.now_us = 1000000,
	        .left = {.pushes = objects, .later = objects},
	        .push_room = push_room,
	        .forget_room = forget_room,
	        .moves = true};
	unsigned end = 0, right = 0, first;
	double before = 0;

	for (; progress_weight(&m.left) > 0; end++) {
		assert_true(end < SECONDS_MAX);
		second(&m);
		told[end] = seconds(&m);
		assert_true(part(&m) >= before);
		before = part(&m);
	}
	assert_true(before == 1);
	first = end / 10;
	for (unsigned i = first; i + 1 < end; i++) {
		double ratio = told[i] / (end - 1 - i);
		right += ratio >= 0.5 && ratio <= 2;
	}
	return (double)right / (end - 1 - first);
}

static void what_it_tells_comes_true(void **state)
{
	(void)state;
	assert_true(told_right(5000, 170, 100) >= 0.9);
	assert_true(told_right(50000, 500, 400) >= 0.9);
	assert_true(told_right(500000, 600, 300) >= 0.9);
}

static void it_says_nothing_at_first(void **state)
{
	struct machine m = {.now_us = 1000000, .left = {.pushes = 5000}, .push_room = 100};

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
	struct machine m = {.now_us = 1000000, .left = {.pushes = 50000}, .push_room = 200};

	(void)state;
	for (unsigned i = 0; i < 60; i++)
		second(&m);
	double before = seconds(&m);
	m.push_room = 0;
	for (unsigned i = 0; i < 10; i++)
		second(&m);
	assert_true(m.push.rate < 30);
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
	struct machine m = {
	        .now_us = 1000000, .left = {.pushes = 2000}, .push_room = 100, .moves = true};

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
	        cmocka_unit_test(it_says_nothing_at_first),
	        cmocka_unit_test(a_moment_is_forgiven),
	        cmocka_unit_test(a_new_move_begins_at_nothing),
	        cmocka_unit_test(to_wait_changes_no_rate),
	        cmocka_unit_test(what_does_not_go_on_has_no_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
