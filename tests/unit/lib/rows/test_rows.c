#include "tests/lib/rows_rig.h"

static struct rig rig;

static int container_rig(void **state)
{
	(void)state;
	rig_init(&rig, BACKEND_CONTAINER);
	return rig_open(&rig);
}

static int account_rig(void **state)
{
	(void)state;
	rig_init(&rig, BACKEND_ACCOUNT);
	return rig_open(&rig);
}

static int no_rig(void **state)
{
	(void)state;
	rig_done(&rig);
	return 0;
}

static void expect_totals(const char *name, uint64_t count, uint64_t bytes)
{
	struct backend_call *call = rig_head(&rig, name);

	assert_int_equal(call->reply.err, ERR_OK);
	assert_int_equal(call->reply.count[0], count);
	assert_int_equal(call->reply.bytes[0], bytes);
	rig_free(call);
}

static void a_container_lives_and_dies(void **state)
{
	(void)state;
	assert_int_equal(rig_row(&rig, "c", "o", 50, 5), ERR_NOT_FOUND);
	assert_int_equal(rig_put(&rig, "c", 100), ERR_OK);
	assert_int_equal(rig_put(&rig, "c", 110), ERR_EXISTS);
	assert_int_equal(rig_row(&rig, "c", "b", 120, 5), ERR_OK);
	assert_int_equal(rig_row(&rig, "c", "a", 121, 7), ERR_OK);
	expect_totals("c", 2, 12);
	assert_string_equal(rig_names(&rig, "c", (struct backend_list){0}), "a b ");
	assert_int_equal(rig_delete(&rig, "c", 130), ERR_CONFLICT);
	assert_int_equal(rig_unrow(&rig, "c", "a", 131), ERR_OK);
	assert_int_equal(rig_row(&rig, "c", "a", 125, 9), ERR_OK);
	expect_totals("c", 1, 5);
	rig_settle(&rig);
	assert_int_equal(rig_row(&rig, "c", "a", 126, 9), ERR_OK);
	expect_totals("c", 1, 5);
	assert_string_equal(rig_names(&rig, "c", (struct backend_list){0}), "b ");
	assert_int_equal(rig_unrow(&rig, "c", "b", 140), ERR_OK);
	assert_int_equal(rig_delete(&rig, "c", 105), ERR_CONFLICT);
	assert_int_equal(rig_delete(&rig, "c", 150), ERR_OK);
	assert_int_equal(rig_delete(&rig, "c", 151), ERR_NOT_FOUND);
	assert_int_equal(rig_row(&rig, "c", "a", 160, 9), ERR_NOT_FOUND);
	assert_int_equal(rig_put(&rig, "c", 149), ERR_CONFLICT);
	assert_int_equal(rig_put(&rig, "c", 170), ERR_OK);
	assert_int_equal(rig_row(&rig, "c", "a", 145, 9), ERR_OK);
	expect_totals("c", 0, 0);
}

static void headers(struct backend_msg *msg, const char *name, const char *value)
{
	AUTO(buf) struct buf block = BUF_NONE;

	kv_add(&block, name, value);
	backend_msg_headers(msg, &block);
}

static void headers_are_merged_each_by_its_time(void **state)
{
	struct backend_msg *msg = rig_msg(&rig, BACKEND_DB_PUT, "c", 100);

	(void)state;
	headers(msg, "X-Container-Meta-A", "1");
	assert_int_equal(rig_do(&rig, msg), ERR_OK);
	msg = rig_msg(&rig, BACKEND_DB_POST, "c", 120);
	headers(msg, "x-container-meta-b", "2");
	assert_int_equal(rig_do(&rig, msg), ERR_OK);
	msg = rig_msg(&rig, BACKEND_DB_POST, "c", 110);
	headers(msg, "x-container-meta-b", "older");
	assert_int_equal(rig_do(&rig, msg), ERR_OK);
	msg = rig_msg(&rig, BACKEND_DB_POST, "c", 130);
	headers(msg, "x-container-meta-a", "");
	assert_int_equal(rig_do(&rig, msg), ERR_OK);
	struct backend_call *call = rig_head(&rig, "c");
	struct buf *block = &call->reply.headers;
	assert_null(kv_get(block->data, block->len, "x-container-meta-a"));
	assert_string_equal(kv_get(block->data, block->len, "x-container-meta-b"), "2");
	rig_free(call);
}

static void an_account_stays_deleted_until_it_is_empty(void **state)
{
	(void)state;
	assert_int_equal(rig_put(&rig, "a", 100), ERR_OK);
	struct backend_row row = {
	        .name = "c", .ts = 110, .count = 3, .bytes = 30, .totals_ts = 111};
	assert_int_equal(rig_update(&rig, "a", &row, 1), ERR_OK);
	struct backend_call *call = rig_head(&rig, "a");
	assert_int_equal(call->reply.containers, 1);
	assert_int_equal(call->reply.count[0], 3);
	assert_int_equal(call->reply.bytes[0], 30);
	rig_free(call);
	assert_int_equal(rig_delete(&rig, "a", 120), ERR_OK);
	call = rig_head(&rig, "a");
	assert_int_equal(call->reply.err, ERR_NOT_FOUND);
	assert_true(call->reply.deleted);
	rig_free(call);
	assert_int_equal(rig_put(&rig, "a", 130), ERR_FORBIDDEN);
	assert_int_equal(rig_update(&rig, "a", &row, 1), ERR_NOT_FOUND);
	assert_string_equal(rig_names(&rig, "a", (struct backend_list){0}), "c ");
	assert_int_equal(rig_unrow(&rig, "a", "c", 125), ERR_OK);
	assert_int_equal(rig_put(&rig, "a", 130), ERR_OK);
	call = rig_head(&rig, "a");
	assert_int_equal(call->reply.containers, 0);
	assert_int_equal(call->reply.err, ERR_OK);
	rig_free(call);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(a_container_lives_and_dies, container_rig, no_rig),
	        cmocka_unit_test_setup_teardown(
	                headers_are_merged_each_by_its_time, container_rig, no_rig),
	        cmocka_unit_test_setup_teardown(
	                an_account_stays_deleted_until_it_is_empty, account_rig, no_rig),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
