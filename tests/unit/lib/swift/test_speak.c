/* What Swift's servers are asked, and what becomes of their answers. */
#include "tests/lib/test.h"

#include "lib/base/kv.h"
#include "lib/base/ts.h"
#include "lib/swift/speak.h"

static const char *const policies[BACKEND_POLICIES] = {"gold", "silver"};
static struct swift_route route;
static struct swift_ask ask;
static struct backend_msg *msg;
static struct backend_reply reply;

static int setup(void **state)
{
	(void)state;
	route = (struct swift_route){
	        .spot = {.ip = "127.0.0.1", .device = "sdb 1", .port = 6200, .partition = 77}};
	ask = (struct swift_ask){0};
	reply = (struct backend_reply){0};
	msg = NULL;
	return 0;
}

static int teardown(void **state)
{
	struct backend_call call = {.msg = msg, .reply = reply};

	(void)state;
	backend_call_done(&call);
	swift_ask_done(&ask);
	swift_route_done(&route);
	return 0;
}

static void message(enum backend_op op, enum backend_kind kind)
{
	msg = backend_msg_new(op, kind);
	backend_msg_path(msg, "AUTH_a", kind > BACKEND_ACCOUNT ? "c/?" : NULL,
	        kind == BACKEND_OBJECT ? "o/\xc3\xa9 x" : NULL);
	msg->ts = 170000000012345;
}

static const char *header(const char *name)
{
	return kv_get(ask.headers.data, ask.headers.len, name);
}

static enum err answer(int status, const char *const *lines)
{
	AUTO(buf) struct buf headers = BUF_NONE;

	for (unsigned i = 0; lines && lines[i]; i += 2)
		kv_add(&headers, lines[i], lines[i + 1]);
	return swift_read_head(msg, status, headers.data, headers.len, policies, &reply);
}

static void test_paths_are_escaped(void **state)
{
	(void)state;
	message(BACKEND_OBJECT_DELETE, BACKEND_OBJECT);
	swift_ask_of(msg, &route, &ask);
	assert_string_equal(ask.method, "DELETE");
	assert_string_equal(
	        buf_text(&ask.url), "http://127.0.0.1:6200/sdb%201/77/AUTH_a/c/%3F/o/%C3%A9%20x");
	assert_string_equal(header("X-Timestamp"), "1700000000.12345");
	assert_string_equal(header("X-Backend-Storage-Policy-Index"), "0");
	assert_null(header("X-Container-Host")); /* no row rides with it: nobody is told */
}

static void test_a_put_tells_the_container_and_the_expirer(void **state)
{
	AUTO(buf) struct buf headers = BUF_NONE;

	(void)state;
	message(BACKEND_OBJECT_PUT, BACKEND_OBJECT);
	kv_add(&headers, "Content-Type", "text/plain");
	kv_add(&headers, "X-Delete-At", "1800000000");
	backend_msg_headers(msg, &headers);
	msg->handle = 1;
	msg->policy = 1;
	msg->if_absent = true;
	assert_true(swift_tells(msg));
	assert_int_equal(swift_delete_at(msg), 1800000000);
	buf_str(&route.parent.hosts, "10.0.0.1:6201,10.0.0.2:6201");
	buf_str(&route.parent.devices, "d1,d2");
	route.parent.partition = 5;
	buf_str(&route.expirer.hosts, "10.0.0.3:6201");
	buf_str(&route.expirer.devices, "d3");
	swift_expirer_container((const uint8_t[16]){[15] = 7}, 1800000000, route.expirer_container);
	swift_ask_of(msg, &route, &ask);
	assert_string_equal(header("X-Container-Host"), "10.0.0.1:6201,10.0.0.2:6201");
	assert_string_equal(header("X-Container-Device"), "d1,d2");
	assert_string_equal(header("X-Container-Partition"), "5");
	assert_string_equal(header("X-Delete-At-Container"), "1799971193"); /* its day, less 7 */
	assert_string_equal(header("X-Delete-At-Host"), "10.0.0.3:6201");
	assert_string_equal(header("If-None-Match"), "*");
	assert_string_equal(header("X-Backend-Storage-Policy-Index"), "1");
	assert_string_equal(header("Content-Type"), "text/plain");
	assert_null(header("X-Backend-Replication"));
}

static void test_a_repair_tells_nobody(void **state)
{
	(void)state;
	message(BACKEND_OBJECT_PUT, BACKEND_OBJECT);
	assert_false(swift_tells(msg));
	swift_ask_of(msg, &route, &ask);
	assert_string_equal(header("X-Backend-Replication"), "true");
}

static void test_ranges(void **state)
{
	static const struct {
		uint64_t offset, len;
		const char *range, *method;
	} rows[] = {{0, UINT64_MAX, NULL, "GET"}, {0, 0, NULL, "HEAD"},
	        {5, 10, "bytes=5-14", "GET"}, {5, UINT64_MAX, "bytes=5-", "GET"},
	        {0, 1, "bytes=0-0", "GET"}};

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(rows); i++) {
		message(BACKEND_OBJECT_GET, BACKEND_OBJECT);
		msg->offset = rows[i].offset;
		msg->len = rows[i].len;
		swift_ask_of(msg, &route, &ask);
		assert_string_equal(ask.method, rows[i].method);
		if (rows[i].range)
			assert_string_equal(header("Range"), rows[i].range);
		else
			assert_null(header("Range"));
		swift_ask_done(&ask);
		backend_msg_unref(msg);
	}
	msg = NULL;
	ask = (struct swift_ask){0};
}

static void test_listing_query(void **state)
{
	(void)state;
	message(BACKEND_DB_LIST, BACKEND_CONTAINER);
	msg->list = (struct backend_list){.marker = "a b",
	        .delimiter = "&",
	        .path = "",
	        .limit = 3,
	        .reverse = true,
	        .prefix = ""};
	swift_ask_of(msg, &route, &ask);
	assert_non_null(strstr(buf_text(&ask.url),
	        "?format=json&limit=3&marker=a%20b&delimiter=%26&path=&reverse=true"));
}

static void test_what_has_no_equivalent_is_not_asked(void **state)
{
	(void)state;
	message(BACKEND_OBJECT_DIGEST, BACKEND_OBJECT);
	swift_ask_of(msg, &route, &ask);
	assert_null(ask.method);
}

static void test_version_of_an_object(void **state)
{
	static const char *const lines[] = {"Content-Length", "12", "Etag",
	        "\"5EB63BBBE01EEED093CB22BB8F5ACDC3\"", "X-Backend-Data-Timestamp",
	        "1700000000.00001_0000000000000002", "X-Backend-Timestamp", "1700000005.00000",
	        "Content-Type", "a/b", "X-Object-Meta-A", "", "X-Object-Sysmeta-B", "b",
	        "X-Trans-Id", "t", NULL};

	(void)state;
	message(BACKEND_OBJECT_VERSION, BACKEND_OBJECT);
	assert_int_equal(answer(200, lines), ERR_OK);
	assert_int_equal(reply.ts, 170000000000001);
	assert_int_equal(reply.meta_ts, 170000000500000);
	assert_int_equal(reply.size, 12);
	assert_int_equal(reply.etag[0], 0x5e);
	assert_int_equal(reply.etag[15], 0xc3);
	assert_string_equal(kv_get(reply.headers.data, reply.headers.len, "X-Object-Meta-A"), "");
	assert_non_null(kv_get(reply.headers.data, reply.headers.len, "X-Object-Sysmeta-B"));
	assert_null(kv_get(reply.headers.data, reply.headers.len, "X-Trans-Id"));
}

static void test_tombstones(void **state)
{
	static const char *const lines[] = {"X-Backend-Timestamp", "1700000005.00000", NULL};

	(void)state;
	message(BACKEND_OBJECT_VERSION, BACKEND_OBJECT);
	assert_int_equal(answer(404, lines), ERR_OK);
	assert_true(reply.deleted);
	assert_int_equal(reply.ts, 170000000500000);
	reply = (struct backend_reply){0};
	assert_int_equal(answer(404, NULL), ERR_NOT_FOUND);
	assert_false(reply.deleted);
	backend_msg_unref(msg);
	message(BACKEND_OBJECT_GET, BACKEND_OBJECT);
	assert_int_equal(answer(404, lines), ERR_NOT_FOUND);
	assert_true(reply.deleted);
}

static void test_statuses_of_writes(void **state)
{
	static const struct {
		enum backend_op op;
		int status;
		enum err err;
	} rows[] = {{BACKEND_OBJECT_PUT, 201, ERR_OK}, {BACKEND_OBJECT_PUT, 409, ERR_CONFLICT},
	        {BACKEND_OBJECT_PUT, 412, ERR_PRECONDITION},
	        {BACKEND_OBJECT_PUT, 507, ERR_NO_SPACE}, {BACKEND_OBJECT_PUT, 503, ERR_UNAVAILABLE},
	        {BACKEND_OBJECT_DELETE, 404, ERR_NOT_FOUND}, {BACKEND_OBJECT_POST, 202, ERR_OK},
	        {BACKEND_DB_PUT, 202, ERR_EXISTS}, {BACKEND_DB_PUT, 201, ERR_OK},
	        {BACKEND_DB_DELETE, 409, ERR_CONFLICT}};

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(rows); i++) {
		message(rows[i].op, BACKEND_OBJECT);
		assert_int_equal(answer(rows[i].status, NULL), rows[i].err);
		backend_msg_unref(msg);
	}
	msg = NULL;
}

static void test_containers(void **state)
{
	static const char *const lines[] = {"X-Container-Object-Count", "3",
	        "X-Container-Bytes-Used", "44", "X-Backend-Storage-Policy-Index", "1",
	        "X-Backend-Timestamp", "1700000000.00001", "X-Backend-PUT-Timestamp",
	        "1700000000.00002", "X-Backend-DELETE-Timestamp", "0000000000.00000",
	        "X-Container-Meta-A", "1", "X-Backend-Sharding-State", "unsharded", NULL};
	static const char *const sharded[] = {"X-Backend-Sharding-State", "sharded", NULL};
	static const char *const strange[] = {"X-Backend-Storage-Policy-Index", "99", NULL};
	static const char *const gone[] = {"X-Backend-DELETE-Timestamp", "1700000000.00009", NULL};
	uint8_t hash[16];

	(void)state;
	message(BACKEND_DB_LIST, BACKEND_CONTAINER);
	assert_int_equal(answer(200, lines), ERR_OK);
	assert_int_equal(reply.policy, 1);
	assert_int_equal(reply.count[1], 3);
	assert_int_equal(reply.bytes[1], 44);
	assert_int_equal(reply.put_ts, 170000000000002);
	memcpy(hash, reply.hash, 16);
	buf_done(&reply.headers);
	/* A root's own rows are no listing of what is in its shards. */
	assert_int_equal(answer(200, sharded), ERR_UNSUPPORTED);
	assert_memory_not_equal(hash, reply.hash, 16);
	assert_int_equal(answer(200, strange), ERR_UNSUPPORTED);
	assert_int_equal(answer(404, gone), ERR_NOT_FOUND);
	assert_true(reply.deleted);
	assert_int_equal(reply.delete_ts, 170000000000009);
}

static void test_accounts(void **state)
{
	static const char *const lines[] = {"X-Account-Container-Count", "2",
	        "X-Account-Object-Count", "10", "X-Account-Bytes-Used", "100",
	        "X-Account-Storage-Policy-Silver-Object-Count", "4",
	        "X-Account-Storage-Policy-Silver-Bytes-Used", "40", "X-Account-Meta-A", "x", NULL};

	(void)state;
	message(BACKEND_DB_HEAD, BACKEND_ACCOUNT);
	assert_int_equal(answer(204, lines), ERR_OK);
	assert_int_equal(reply.containers, 2);
	assert_int_equal(reply.count[1], 4);
	assert_int_equal(reply.count[0], 6);
	assert_int_equal(reply.bytes[0], 60);
}

static void test_rows(void **state)
{
	static const char text[] =
	        "[{\"name\": \"o\", \"hash\": \"h\", \"bytes\": 7, \"content_type\": \"t\", "
	        "\"last_modified\": \"2023-11-14T22:13:20.123450\"}, {\"subdir\": \"d/\"}]";
	struct backend_row row;
	size_t at = 0;

	(void)state;
	message(BACKEND_DB_LIST, BACKEND_CONTAINER);
	assert_int_equal(swift_read_rows(msg, text, strlen(text), policies, &reply), ERR_OK);
	assert_true(backend_rows_next(&reply.rows, &at, &row));
	assert_string_equal(row.name, "o");
	assert_int_equal(row.ts, 170000000012345);
	assert_int_equal(row.bytes, 7);
	assert_true(backend_rows_next(&reply.rows, &at, &row));
	assert_true(row.subdir);
	assert_false(backend_rows_next(&reply.rows, &at, &row));
	assert_int_equal(swift_read_rows(msg, "[{}]", 4, policies, &reply), ERR_FORMAT);
	assert_int_equal(swift_read_rows(msg, "{}", 2, policies, &reply), ERR_FORMAT);
	assert_int_equal(swift_read_rows(msg, "", 0, policies, &reply), ERR_OK);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	        T(test_paths_are_escaped),
	        T(test_a_put_tells_the_container_and_the_expirer),
	        T(test_a_repair_tells_nobody),
	        T(test_ranges),
	        T(test_listing_query),
	        T(test_what_has_no_equivalent_is_not_asked),
	        T(test_version_of_an_object),
	        T(test_tombstones),
	        T(test_statuses_of_writes),
	        T(test_containers),
	        T(test_accounts),
	        T(test_rows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
