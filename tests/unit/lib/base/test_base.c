#include "tests/lib/test.h"

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/bytes.h"
#include "lib/base/hash.h"
#include "lib/base/kv.h"
#include "lib/base/list.h"
#include "lib/base/ts.h"

static void buf_remembers_its_first_failure(void **state)
{
	AUTO(buf) struct buf buf = {.size_max = 8};

	(void)state;
	buf_str(&buf, "12345678");
	assert_int_equal(buf.err, ERR_OK);
	buf_char(&buf, '9');
	assert_int_equal(buf.err, ERR_TOO_LARGE);
	assert_string_equal(buf_text(&buf), "12345678");
	buf_reset(&buf);
	buf_u64(&buf, 1234567);
	assert_string_equal(buf_text(&buf), "1234567");
	buf_reset(&buf);
	buf_printf(&buf, "%d-%s", 42, "x");
	assert_string_equal(buf_text(&buf), "42-x");
}

static void kv_keeps_order_and_ignores_case(void **state)
{
	AUTO(buf) struct buf buf = BUF_NONE;
	struct kv_pair pair;
	size_t at = 0;

	(void)state;
	kv_add(&buf, "X-Object-Meta-A", "one");
	kv_add(&buf, "Content-Type", "");
	assert_true(kv_valid(buf.data, buf.len));
	assert_string_equal(kv_get(buf.data, buf.len, "x-object-meta-a"), "one");
	assert_null(kv_get(buf.data, buf.len, "x-none"));
	assert_true(kv_next(buf.data, buf.len, &at, &pair));
	assert_true(kv_next(buf.data, buf.len, &at, &pair));
	assert_string_equal(pair.name, "Content-Type");
	assert_int_equal(pair.value_len, 0);
	assert_false(kv_next(buf.data, buf.len, &at, &pair));
	for (size_t cut = 1; cut < buf.len; cut++)
		assert_int_equal(kv_valid(buf.data, cut), cut == 6 + 16 + 4);
}

static void ts_reads_what_it_writes(void **state)
{
	char text[TS_TEXT_SIZE];
	uint64_t ts;

	(void)state;
	ts_format(170000000012345, text);
	assert_string_equal(text, "1700000000.12345");
	assert_true(ts_parse(text, &ts));
	assert_int_equal(ts, 170000000012345);
	assert_true(ts_parse("1.5", &ts));
	assert_int_equal(ts, 150000);
	assert_true(ts_parse("9999999999.99999", &ts));
	assert_int_equal(ts, TS_MAX);
	assert_false(ts_parse("10000000000", &ts));
	assert_false(ts_parse("", &ts));
	assert_false(ts_parse("-1", &ts));
	assert_false(ts_parse("1.5x", &ts));
}

static void hash_finds_all_of_a_value(void **state)
{
	struct hash hash = {0};
	struct hash_node nodes[100];
	unsigned found = 0;

	(void)state;
	for (unsigned i = 0; i < 100; i++)
		hash_insert(&hash, &nodes[i], i % 10);
	for (struct hash_node *n = hash_find(&hash, 3); n; n = hash_find_next(n))
		found++;
	assert_int_equal(found, 10);
	hash_remove(&hash, &nodes[3]);
	found = 0;
	for (struct hash_node *n = hash_find(&hash, 3); n; n = hash_find_next(n))
		found++;
	assert_int_equal(found, 9);
	assert_int_equal(hash.count, 99);
	hash_done(&hash);
}

static void bytes_come_back_aligned(void **state)
{
	(void)state;
	for (size_t size = 1; size < 8u << 20; size = size * 3 + 1) {
		struct bytes *b = bytes_new(size);
		assert_non_null(b);
		assert_true(b->cap >= size);
		assert_int_equal((uintptr_t)b->data % 4096, 0);
		bytes_ref(b);
		bytes_unref(b);
		b->data[b->cap - 1] = 1;
		b->cap = size / 2; /* all that this user wants of it */
		bytes_unref(b);
		b = bytes_new(size);
		assert_true(b->cap >= size);
		bytes_unref(b);
	}
	bytes_cache_drop();
}

static void arena_gives_separate_pieces(void **state)
{
	struct arena arena;

	(void)state;
	arena_init(&arena);
	char *a = arena_printf(&arena, "%s-%d", "a", 1);
	char *big = arena_zalloc(&arena, 100000);
	char *b = arena_strndup(&arena, "bcd", 2);
	big[99999] = 1;
	assert_string_equal(a, "a-1");
	assert_string_equal(b, "bc");
	arena_done(&arena);
}

static void list_keeps_order(void **state)
{
	struct list head, other, nodes[3];
	unsigned n = 0;

	(void)state;
	list_init(&head);
	list_init(&other);
	for (int i = 0; i < 3; i++)
		list_append(&head, &nodes[i]);
	list_remove(&nodes[1]);
	list_splice(&other, &head);
	assert_true(list_empty(&head));
	assert_ptr_equal(list_first(&other), &nodes[0]);
	LIST_EACH_SAFE (node, &other) {
		list_remove(node);
		n++;
	}
	assert_int_equal(n, 2);
	assert_null(list_first(&other));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(buf_remembers_its_first_failure),
	        cmocka_unit_test(kv_keeps_order_and_ignores_case),
	        cmocka_unit_test(ts_reads_what_it_writes),
	        cmocka_unit_test(hash_finds_all_of_a_value),
	        cmocka_unit_test(bytes_come_back_aligned),
	        cmocka_unit_test(arena_gives_separate_pieces),
	        cmocka_unit_test(list_keeps_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
