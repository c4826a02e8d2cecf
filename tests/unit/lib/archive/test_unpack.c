/* Files of archives that come in pieces of any size. */
#include "tests/lib/test.h"

#include "lib/archive/unpack.h"
#include "lib/base/kv.h"
#include "lib/reactor/reactor.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct reactor *loop;
static struct buf tar;
static bool woken;

static void on_ready(void *owner)
{
	(void)owner;
	woken = true;
}

static int setup(void **state)
{
	(void)state;
	assert_int_equal(reactor_new(env_real(), 64, &loop), ERR_OK);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	reactor_free(loop);
	buf_done(&tar);
	return 0;
}

/* One file's head and body, in the oldest form of tar. */
static void add(const char *name, const char *body, size_t size)
{
	char head[512] = "", zeros[512] = "";
	unsigned sum = 0;

	snprintf(head, 100, "%s", name);
	snprintf(head + 100, 8, "%07o", 0644);
	snprintf(head + 108, 8, "%07o", 0);
	snprintf(head + 116, 8, "%07o", 0);
	snprintf(head + 124, 12, "%011zo", size);
	snprintf(head + 136, 12, "%011o", 0);
	memset(head + 148, ' ', 8);
	head[156] = '0';
	for (unsigned i = 0; i < sizeof(head); i++)
		sum += (unsigned char)head[i];
	snprintf(head + 148, 8, "%06o", sum);
	buf_add(&tar, head, sizeof(head));
	buf_add(&tar, body, strlen(body));
	buf_add(&tar, zeros, (512 - strlen(body) % 512) % 512);
}

static void end(void)
{
	char zeros[1024] = "";

	buf_add(&tar, zeros, sizeof(zeros));
}

static struct unpack *start(uint64_t size_max)
{
	struct unpack *u;

	assert_int_equal(unpack_new(UNPACK_TAR, size_max, loop, on_ready, NULL, &u), ERR_OK);
	return u;
}

/* The next thing it tells, fed from `*at` on by pieces of `step` bytes. */
static struct unpack_item *next(struct unpack *u, size_t *at, size_t step)
{
	struct unpack_item *item;

	while (!(item = unpack_take(u))) {
		if (*at < tar.len && unpack_has_room(u)) {
			size_t n = tar.len - *at < step ? tar.len - *at : step;
			unpack_feed(u, bytes_copy(tar.data + *at, n));
			*at += n;
			if (*at == tar.len)
				unpack_feed_end(u);
			continue;
		}
		for (woken = false; !woken;)
			reactor_turn(loop, true);
	}
	return item;
}

static void expect_file(
        struct unpack *u, size_t *at, size_t step, const char *name, const char *body)
{
	struct unpack_item *item = next(u, at, step);

	assert_int_equal(item->what, UNPACK_FILE);
	assert_string_equal(item->path, name);
	assert_int_equal(item->size, strlen(body));
	assert_true(item->last);
	if (*body)
		assert_memory_equal(item->data->data, body, strlen(body));
	unpack_item_free(item);
}

/* Its last message may still be on the way. */
static void finish(struct unpack *u)
{
	unpack_free(u);
	while (reactor_turn(loop, false))
		;
}

static void files_come_in_order(void **state)
{
	(void)state;
	add("a/b", "first", 5);
	add("../c", "", 0);
	add("\xff", "third", 5);
	end();
	for (size_t step = 1; step < 4096; step = step * 3 + 1) {
		size_t at = 0;
		struct unpack *u = start(100);
		expect_file(u, &at, step, "a/b", "first");
		expect_file(u, &at, step, "../c", "");
		expect_file(u, &at, step, "\xff", "third");
		struct unpack_item *item = next(u, &at, step);
		assert_int_equal(item->what, UNPACK_END);
		unpack_item_free(item);
		finish(u);
	}
}

static void a_large_file_is_told_but_not_brought(void **state)
{
	size_t at = 0;

	(void)state;
	add("a", "first", 5);
	add("b", "2", 1);
	end();
	struct unpack *u = start(4);
	struct unpack_item *item = next(u, &at, 100);
	assert_int_equal(item->size, 5);
	assert_null(item->data);
	assert_true(item->last);
	unpack_item_free(item);
	expect_file(u, &at, 100, "b", "2");
	finish(u);
}

static void what_is_cut_short_is_a_fault(void **state)
{
	size_t at = 0;

	(void)state;
	add("a", "first", 5000);
	struct unpack *u = start(10000);
	struct unpack_item *item = next(u, &at, 100);
	assert_int_equal(item->what, UNPACK_FAULT);
	assert_non_null(item->text);
	unpack_item_free(item);
	finish(u);
}

static void nobody_need_stay_to_the_end(void **state)
{
	(void)state;
	add("a", "first", 5);
	for (unsigned i = 0; i < 40; i++) {
		struct unpack *u = NULL;
		/* Threads of those before may need a moment to end. */
		while (unpack_new(UNPACK_TAR, 10, loop, on_ready, NULL, &u) == ERR_BUSY)
			reactor_turn(loop, false);
		if (i % 2)
			unpack_feed(u, bytes_copy(tar.data, tar.len));
		finish(u);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(files_come_in_order, setup, teardown),
	        cmocka_unit_test_setup_teardown(
	                a_large_file_is_told_but_not_brought, setup, teardown),
	        cmocka_unit_test_setup_teardown(what_is_cut_short_is_a_fault, setup, teardown),
	        cmocka_unit_test_setup_teardown(nobody_need_stay_to_the_end, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
