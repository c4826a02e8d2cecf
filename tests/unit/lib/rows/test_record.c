#include "tests/lib/test.h"

#include "lib/base/kv.h"
#include "lib/rows/info.h"
#include "lib/rows/record.h"

static void make_record(struct buf *ret_buf, struct buf *headers)
{
	struct backend_row rows[2] = {
	        {.name = "a/b",
	                .ts = 5,
	                .bytes = 77,
	                .meta_ts = 9,
	                .content_type = "text/plain",
	                .etag = "0123456789abcdef0123456789abcdef"},
	        {.name = "z", .ts = 6, .deleted = true, .content_type = "", .etag = "not hex"},
	};
	struct record record = {.type = RECORD_ROWS,
	        .policy = 3,
	        .key = {1, 2, 3},
	        .account = "AUTH_a",
	        .container = "c",
	        .ts = 1234,
	        .row_count = 2};

	kv_add(headers, "name", "value");
	record.headers = headers->data;
	record.headers_len = headers->len;
	record_encode(ret_buf, &record);
	record_add_row(ret_buf, &rows[0]);
	record_add_row(ret_buf, &rows[1]);
}

static void a_record_reads_as_it_was_written(void **state)
{
	AUTO(buf) struct buf buf = BUF_NONE, headers = BUF_NONE;
	struct backend_row row;
	struct record record;
	char etag[33];
	size_t at = 0;

	(void)state;
	make_record(&buf, &headers);
	assert_int_equal(record_parse(buf.data, buf.len, &record), ERR_OK);
	assert_int_equal(record.type, RECORD_ROWS);
	assert_int_equal(record.policy, 3);
	assert_int_equal(record.ts, 1234);
	assert_string_equal(record.account, "AUTH_a");
	assert_string_equal(record.container, "c");
	assert_string_equal(kv_get(record.headers, record.headers_len, "name"), "value");
	assert_true(record_next_row(&record, &at, etag, &row));
	assert_string_equal(row.name, "a/b");
	assert_int_equal(row.meta_ts, 9);
	assert_string_equal(row.etag, "0123456789abcdef0123456789abcdef");
	assert_string_equal(row.content_type, "text/plain");
	assert_true(record_next_row(&record, &at, etag, &row));
	assert_true(row.deleted);
	assert_string_equal(row.etag, "not hex");
	assert_false(record_next_row(&record, &at, etag, &row));
}

/* Cut anywhere it is refused; with any byte changed it is refused or still whole. */
static void damage_is_an_outcome(void **state)
{
	AUTO(buf) struct buf buf = BUF_NONE, headers = BUF_NONE;
	struct record record;

	(void)state;
	make_record(&buf, &headers);
	for (size_t len = 0; len < buf.len; len++) {
		char *cut = malloc(len + 1);
		memcpy(cut, buf.data, len);
		assert_int_equal(record_parse(cut, len, &record), ERR_CORRUPT);
		free(cut);
	}
	for (size_t i = 0; i < buf.len * 8; i++) {
		buf.data[i / 8] ^= (char)(1 << i % 8);
		if (!record_parse(buf.data, buf.len, &record)) {
			struct backend_row row;
			char etag[33];
			unsigned count = 0;
			for (size_t at = 0; record_next_row(&record, &at, etag, &row);)
				count += strlen(row.name) < buf.len;
			assert_int_equal(count, record.row_count);
		}
		buf.data[i / 8] ^= (char)(1 << i % 8);
	}
}

/* A content type that was posted ends with the version that it was for. */
static void a_content_type_belongs_to_its_version(void **state)
{
	struct backend_row put = {.ts = 10, .bytes = 1, .content_type = "a", .etag = "e1"};
	struct backend_row post = {
	        .ts = 10, .bytes = 1, .content_type = "b", .etag = "e1", .meta_ts = 20};
	struct backend_row next = {.ts = 15, .bytes = 2, .content_type = "c", .etag = "e2"};
	struct backend_row last = {.ts = 30, .bytes = 3, .content_type = "d", .etag = "e3"};
	struct backend_row row;

	(void)state;
	row_join(BACKEND_CONTAINER, &put, &post, &row);
	assert_int_equal(row.meta_ts, 20);
	assert_string_equal(row.content_type, "b");
	row_join(BACKEND_CONTAINER, &next, &row, &row);
	assert_int_equal(row.ts, 15);
	assert_int_equal(row.meta_ts, 0);
	assert_string_equal(row.content_type, "c");
	assert_string_equal(row.etag, "e2");
	row_join(BACKEND_CONTAINER, &row, &last, &row);
	assert_int_equal(row.meta_ts, 0);
	assert_string_equal(row.content_type, "d");
}

static void apply(struct info *info, enum record_type type, uint64_t ts, const char *value)
{
	AUTO(buf) struct buf block = BUF_NONE;
	struct record record = {
	        .type = (uint8_t)type, .ts = ts, .policy = (uint8_t)(ts % BACKEND_POLICIES)};

	if (value)
		kv_add(&block, "x", value);
	record.headers = block.data;
	record.headers_len = block.len;
	info_apply(info, &record);
}

/* All orders of the same five changes end the same. */
static void info_is_the_same_in_any_order(void **state)
{
	static const struct {
		enum record_type type;
		uint64_t ts;
		const char *value;
	} changes[] = {{RECORD_PUT, 10, "a"}, {RECORD_DELETE, 20, NULL}, {RECORD_PUT, 30, "b"},
	        {RECORD_POST, 25, "c"}, {RECORD_PUT, 33, NULL}};
	uint64_t first[2], hash[2];

	(void)state;
	for (unsigned order = 0; order < 120; order++) {
		struct info info = INFO_NONE;
		unsigned left[5] = {0, 1, 2, 3, 4}, rest = order;
		for (unsigned n = 5; n > 0; n--) {
			unsigned i = rest % n;
			rest /= n;
			apply(&info, changes[left[i]].type, changes[left[i]].ts,
			        changes[left[i]].value);
			left[i] = left[n - 1];
		}
		assert_int_equal(info.put_ts, 33);
		assert_int_equal(info.delete_ts, 20);
		assert_in_range(info.created_ts, 30, 33);
		info_hash(&info, order ? hash : first);
		assert_true(order == 0 || memcmp(first, hash, sizeof(hash)) == 0);
		info_done(&info);
	}
}

static void the_first_put_after_a_delete_tells_the_policy(void **state)
{
	struct info info = INFO_NONE;

	(void)state;
	apply(&info, RECORD_PUT, 10, NULL);
	assert_int_equal(info.policy, 10);
	apply(&info, RECORD_PUT, 11, NULL);
	assert_int_equal(info.policy, 10);
	apply(&info, RECORD_DELETE, 20, NULL);
	apply(&info, RECORD_PUT, 29, NULL);
	apply(&info, RECORD_PUT, 27, NULL);
	assert_int_equal(info.policy, 27 % BACKEND_POLICIES);
	assert_int_equal(info.created_ts, 27);
	info_done(&info);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_record_reads_as_it_was_written),
	        cmocka_unit_test(damage_is_an_outcome),
	        cmocka_unit_test(a_content_type_belongs_to_its_version),
	        cmocka_unit_test(info_is_the_same_in_any_order),
	        cmocka_unit_test(the_first_put_after_a_delete_tells_the_policy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
