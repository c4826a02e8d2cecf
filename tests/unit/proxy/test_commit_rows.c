/* Which row a write sends to the listing. */
#include "tests/lib/test.h"

#include "proxy/commit.h"

#include "lib/base/kv.h"

static struct commit commit;

static struct backend_row row_of(enum backend_op op, struct backend_row row)
{
	commit = (struct commit){.msg = backend_msg_new(op, BACKEND_OBJECT)};
	backend_msg_path(commit.msg, "a", "c", "o");
	commit.msg->ts = 200;
	row.content_type = "text/plain";
	row.etag = "e";
	commit_updates(&commit, &row, 0, 0);
	assert_int_equal(commit.msg->update_count, 1);
	return commit.msg->updates[0].row;
}

static void a_put_is_a_row_of_its_time(void **state)
{
	struct backend_row row = row_of(BACKEND_OBJECT_PUT, (struct backend_row){.bytes = 5});

	(void)state;
	assert_int_equal(row.ts, 200);
	assert_int_equal(row.meta_ts, 0);
	struct backend_msg *later = backend_msg_at(commit.msg, 300);
	assert_int_equal(later->updates[0].row.ts, 300);
	assert_int_equal(later->updates[0].row.meta_ts, 0);
	backend_msg_unref(later);
	backend_msg_unref(commit.msg);
}

/* A body that came between what it read and itself keeps its size and hash in the listing, and a
 * delete its tombstone. */
static void a_post_changes_the_type_of_the_version_it_read(void **state)
{
	struct backend_row row =
	        row_of(BACKEND_OBJECT_POST, (struct backend_row){.ts = 100, .bytes = 5});

	(void)state;
	assert_int_equal(row.ts, 100);
	assert_int_equal(row.meta_ts, 200);
	assert_int_equal(row.bytes, 5);
	struct backend_msg *later = backend_msg_at(commit.msg, 300);
	assert_int_equal(later->updates[0].row.ts, 100);
	assert_int_equal(later->updates[0].row.meta_ts, 300);
	backend_msg_unref(later);
	backend_msg_unref(commit.msg);
}

static void the_object_says_what_its_row_has_instead(void **state)
{
	AUTO(buf) struct buf headers = BUF_NONE;
	struct backend_row row = {.content_type = "text/plain", .etag = "e", .bytes = 5};

	(void)state;
	kv_add(&headers, "X-Object-Sysmeta-Container-Update-Override-Etag", "m; slo_etag=s");
	kv_add(&headers, "X-Object-Sysmeta-Container-Update-Override-Size", "12");
	kv_add(&headers, "X-Object-Sysmeta-Container-Update-Override-Content-Type", "a/b");
	commit = (struct commit){.msg = backend_msg_new(BACKEND_OBJECT_PUT, BACKEND_OBJECT)};
	backend_msg_path(commit.msg, "a", "c", "o");
	backend_msg_headers(commit.msg, &headers);
	commit_updates(&commit, &row, 0, 0);
	row = commit.msg->updates[0].row;
	assert_string_equal(row.etag, "m; slo_etag=s");
	assert_string_equal(row.content_type, "a/b");
	assert_int_equal(row.bytes, 12);
	backend_msg_unref(commit.msg);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_put_is_a_row_of_its_time),
	        cmocka_unit_test(a_post_changes_the_type_of_the_version_it_read),
	        cmocka_unit_test(the_object_says_what_its_row_has_instead),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
