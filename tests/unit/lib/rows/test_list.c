/* Listings against a naive model: every row of a sorted array is looked at, one by one. */
#include "tests/lib/rows_rig.h"

#include "lib/rows/compare.h"
#include "lib/rows/keys.h"
#include "lib/rows/list.h"
#include "lib/store/store.h"
#include <stdlib.h>

#define NAMES 300

static struct rig rig;
static uint64_t seed;

static unsigned roll(unsigned below)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(seed >> 33) % below;
}

static const char *const tokens[] = {"a", "b", "c", "/", "/", "-", "--", "0", "\xc3\xa9", "."};

static const char *random_text(unsigned tokens_max)
{
	static char text[8][128];
	static unsigned turn;
	char *at = text[turn++ % 8];
	char *start = at;

	*at = 0;
	for (unsigned n = roll(tokens_max + 1); n > 0; n--)
		at = stpcpy(at, tokens[roll(COUNT_OF(tokens))]);
	return start;
}

static char model[NAMES][128]; /* live names, sorted, unique */
static unsigned model_count;

static int by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

static int find(const char *name)
{
	for (unsigned i = 0; i < model_count; i++) {
		if (strcmp(model[i], name) == 0)
			return (int)i;
	}
	return -1;
}

static void change_some(unsigned changes, uint64_t *ts)
{
	for (unsigned n = 0; n < changes; n++) {
		const char *name = random_text(6);
		if (!*name)
			continue;
		int at = find(name);
		bool add = roll(3) != 0 && (at >= 0 || model_count < NAMES);
		assert_int_equal(add ? rig_row(&rig, "c", name, ++*ts, roll(100))
		                     : rig_unrow(&rig, "c", name, ++*ts),
		        ERR_OK);
		if (add && at < 0)
			strcpy(model[model_count++], name);
		else if (!add && at >= 0)
			memmove(model[at], model[--model_count], sizeof(model[at]));
	}
	qsort(model, model_count, sizeof(model[0]), by_name);
}

static bool starts(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

static void model_list(const struct backend_list *list, struct buf *ret_text)
{
	const char *low = list->reverse ? list->end_marker : list->marker;
	const char *high = list->reverse ? list->marker : list->end_marker;
	const char *prefix = list->prefix, *delimiter = list->delimiter;
	char path[256] = "", last_dir[256] = "";
	unsigned found = 0;

	if (list->path) {
		strcpy(path, list->path);
		while (*path && path[strlen(path) - 1] == '/')
			path[strlen(path) - 1] = 0;
		if (*list->path)
			strcat(path, "/");
		prefix = path;
		delimiter = "/";
	}
	for (unsigned i = 0; i < model_count && found < list->limit; i++) {
		const char *name = model[list->reverse ? model_count - 1 - i : i];
		if ((*low && strcmp(name, low) <= 0) || (*high && strcmp(name, high) >= 0) ||
		        !starts(name, prefix))
			continue;
		const char *end = *delimiter ? strstr(name + strlen(prefix), delimiter) : NULL;
		if (list->path && (strcmp(name, path) == 0 || (end && end[1])))
			continue;
		if (!end || list->path) {
			buf_printf(ret_text, "%s ", name);
			found++;
			continue;
		}
		char dir[256];
		snprintf(dir, sizeof(dir), "%.*s", (int)(end - name + (long)strlen(delimiter)),
		        name);
		if (strcmp(dir, last_dir) == 0)
			continue;
		strcpy(last_dir, dir);
		if (strcmp(dir, low) == 0)
			continue;
		buf_printf(ret_text, "(%s) ", dir);
		found++;
	}
}

static const char *maybe_name(void)
{
	unsigned r = roll(4);

	return r == 0 && model_count ? model[roll(model_count)] : r == 1 ? random_text(4) : "";
}

static void ask_some(unsigned count)
{
	static const char *const delimiters[] = {"", "", "/", "/", "-", "--", "\xc3\xa9", "a/"};

	for (unsigned n = 0; n < count; n++) {
		AUTO(buf) struct buf expected = BUF_NONE;
		struct backend_list list = {
		        .marker = maybe_name(),
		        .end_marker = maybe_name(),
		        .prefix = roll(2) ? random_text(3) : "",
		        .delimiter = delimiters[roll(COUNT_OF(delimiters))],
		        .path = roll(6) == 0 ? random_text(3) : NULL,
		        .limit = roll(2) ? 10000 : roll(8) + 1,
		        .reverse = roll(2),
		};
		model_list(&list, &expected);
		const char *got = rig_names(&rig, "c", list);
		if (strcmp(got, buf_text(&expected)) != 0)
			print_error("marker=%s end=%s prefix=%s delimiter=%s path=%s limit=%u "
			            "reverse=%d\n",
			        list.marker, list.end_marker, list.prefix, list.delimiter,
			        list.path ? list.path : "(none)", list.limit, list.reverse);
		assert_string_equal(got, buf_text(&expected));
	}
}

static void listings_equal_the_naive_model(void **state)
{
	uint64_t ts = 1000;

	(void)state;
	for (seed = 1; seed <= 4; seed++) {
		uint64_t kept = seed;
		model_count = 0;
		rig_init(&rig, BACKEND_CONTAINER);
		rig.config.drain_us = 1000;
		assert_int_equal(rig_open(&rig), ERR_OK);
		assert_int_equal(rig_put(&rig, "b", 1), ERR_OK);
		assert_int_equal(rig_put(&rig, "c", 1), ERR_OK);
		assert_int_equal(rig_row(&rig, "b", "a/other", 2, 1), ERR_OK);
		for (unsigned round = 0; round < 12; round++) {
			change_some(40, &ts);
			if (round % 3 == 1)
				rig_settle(&rig);
			ask_some(60);
		}
		rig_done(&rig);
		seed = kept;
	}
}

/* Corner cases by hand, as Swift's servers answer them. */
static void corners(void **state)
{
	static const struct {
		struct backend_list list;
		const char *names;
	} cases[] = {
	        {{.delimiter = "/"}, "(a/) b (c/) "},
	        {{.delimiter = "/", .marker = "a/"}, "b (c/) "},
	        {{.delimiter = "/", .marker = "a/x"}, "(a/) b (c/) "},
	        {{.delimiter = "/", .reverse = true}, "(c/) b (a/) "},
	        {{.delimiter = "/", .reverse = true, .marker = "c/"}, "b (a/) "},
	        {{.delimiter = "/", .reverse = true, .end_marker = "a/"}, "(c/) b "},
	        {{.delimiter = "/", .prefix = "a/"}, "a/x a/y "},
	        {{.delimiter = "/", .prefix = "a"}, "(a/) "},
	        {{.prefix = "a/", .end_marker = "a/y"}, "a/x "},
	        {{.prefix = "a/", .reverse = true, .marker = "a/y"}, "a/x "},
	        {{.prefix = "zz"}, ""},
	        {{.path = ""}, "b c/ "},
	        {{.path = "a"}, "a/x a/y "},
	        {{.path = "a//"}, "a/x a/y "},
	        {{.path = "c"}, "c/z "},
	        {{.path = "", .reverse = true}, "c/ b "},
	        {{.marker = "b", .end_marker = "a"}, ""},
	        {{.limit = 2, .reverse = true}, "c/z c/ "},
	};

	(void)state;
	rig_init(&rig, BACKEND_CONTAINER);
	assert_int_equal(rig_open(&rig), ERR_OK);
	rig_put(&rig, "c", 1);
	for (unsigned i = 0; i < 5; i++) {
		static const char *const names[] = {"a/x", "a/y", "b", "c/", "c/z"};
		assert_int_equal(rig_row(&rig, "c", names[i], 10, 1), ERR_OK);
	}
	for (unsigned pass = 0; pass < 2; pass++) {
		for (unsigned i = 0; i < COUNT_OF(cases); i++)
			assert_string_equal(rig_names(&rig, "c", cases[i].list), cases[i].names);
		rig_settle(&rig);
	}
	rig_done(&rig);
}

static void put_raw(struct store *store, char prefix, const uint8_t database[16], const char *name)
{
	struct store_batch *batch = store_batch_new();
	struct key key;

	key_row(&key, prefix, database, name, strlen(name), true);
	store_batch_put(batch, key.data, key.len, "", 0);
	assert_int_equal(store_write(store, batch), ERR_OK);
	store_batch_free(batch);
}

/* The store steps over a table that it cannot read, to what is behind it. */
static void a_table_that_cannot_be_read_is_no_empty_one(void **state)
{
	static const uint8_t database[16] = {1}, other[16] = {2};
	char top[] = "/tmp/cairn-list-XXXXXX", command[200];
	struct list_source of = {.key = database};
	struct backend_call call = {
	        .msg = backend_msg_new(BACKEND_DB_ROW_RANGE, BACKEND_CONTAINER)};
	struct buf rows = BUF_NONE;

	(void)state;
	assert_non_null(mkdtemp(top));
	assert_int_equal(store_open(top, 65536, &of.store), ERR_OK);
	put_raw(of.store, KEY_LIVE, database, "a");
	assert_int_equal(store_flush(of.store), ERR_OK);
	store_close(of.store);
	snprintf(command, sizeof(command),
	        "for f in %s/*.ldb; do printf X | dd of=$f bs=1 seek=3 conv=notrunc 2>/dev/null; "
	        "done",
	        top);
	assert_int_equal(system(command), 0);
	assert_int_equal(store_open(top, 65536, &of.store), ERR_OK);
	put_raw(of.store, KEY_LIVE, other, "b");
	put_raw(of.store, KEY_TOMBS, other, "b");
	assert_int_equal(
	        list_rows(&of, &(struct backend_list){.limit = 10}, &rows, NULL), ERR_CORRUPT);
	call.msg->list.limit = 10;
	assert_int_equal(compare_row_range(&of, &call), ERR_CORRUPT);
	assert_int_equal(compare_row_digest(&of, BACKEND_CONTAINER, &call), ERR_CORRUPT);
	store_close(of.store);
	backend_call_done(&call);
	buf_done(&rows);
	snprintf(command, sizeof(command), "rm -rf %s", top);
	assert_int_equal(system(command), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(corners),
	        cmocka_unit_test(a_table_that_cannot_be_read_is_no_empty_one),
	        cmocka_unit_test(listings_equal_the_naive_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
