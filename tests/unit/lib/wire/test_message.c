#include "tests/lib/test.h"

#include "lib/base/kv.h"
#include "lib/wire/message.h"

static const struct backend_row rows[] = {
        {.name = "a/b",
                .content_type = "text/plain",
                .etag = "0123456789abcdef",
                .ts = 5,
                .bytes = 6,
                .count = 7,
                .totals_ts = 8,
                .meta_ts = 9,
                .policy = 3},
        {.name = "gone", .ts = 1, .deleted = true},
        {.name = "dir/", .content_type = "", .etag = "", .subdir = true},
};

static struct backend_msg *make_msg(void)
{
	struct backend_msg *msg = backend_msg_new(BACKEND_OBJECT_PUT, BACKEND_OBJECT);
	AUTO(buf) struct buf headers = BUF_NONE;

	msg->policy = 2;
	msg->newest = true;
	msg->if_lasting = true;
	msg->under_lease = true;
	msg->known = 2;
	memcpy(msg->key, "key of 16 bytes.", 16);
	backend_msg_path(msg, "AUTH_test", "c\xc3\xbc", "o");
	msg->ts = 0x1122334455667788;
	msg->ring_version = 77;
	msg->ring_older = 3;
	msg->meta_ts = 3;
	kv_add(&headers, "X-Object-Meta-A", "1");
	kv_add(&headers, "Content-Type", "");
	backend_msg_headers(msg, &headers);
	msg->size = 1ull << 40;
	memcpy(msg->etag, "etag of 16 bytes", 16);
	msg->stage = 11;
	msg->handle = 12;
	msg->offset = 13;
	msg->len = 14;
	msg->body = bytes_copy("body", 4);
	struct backend_update *updates = backend_msg_alloc(msg, 2 * sizeof(*updates));
	updates[0] = (struct backend_update){"AUTH_test", "c", rows[0]};
	updates[1] = (struct backend_update){".cairn", NULL, rows[1]};
	msg->updates = updates;
	msg->update_count = 2;
	struct backend_settled *settled = backend_msg_alloc(msg, sizeof(*settled));
	*settled = (struct backend_settled){.policy = 1, .key = {9, 8}, .ts = 7};
	msg->settled = settled;
	msg->settled_count = 1;
	msg->rows = rows;
	msg->row_count = 3;
	msg->list = (struct backend_list){.marker = "m",
	        .end_marker = "e",
	        .prefix = "",
	        .path = "p/",
	        .limit = 10000,
	        .reverse = true};
	uint64_t *ranges = backend_msg_alloc(msg, 2 * sizeof(*ranges));
	ranges[0] = 5;
	ranges[1] = UINT64_MAX;
	msg->ranges = ranges;
	msg->range_count = 2;
	msg->range_bits = 20;
	msg->fan_out = 8;
	msg->draft = true;
	msg->fragment = (struct fragment){4, 2, 5, 1234567, "etag of whole..."};
	return msg;
}

static void same_text(const char *a, const char *b)
{
	assert_int_equal(a != NULL, b != NULL);
	if (a)
		assert_string_equal(a, b);
}

static void same_row(const struct backend_row *a, const struct backend_row *b)
{
	same_text(a->name, b->name);
	same_text(a->content_type, b->content_type);
	same_text(a->etag, b->etag);
	assert_int_equal(a->ts, b->ts);
	assert_int_equal(a->bytes, b->bytes);
	assert_int_equal(a->count, b->count);
	assert_int_equal(a->totals_ts, b->totals_ts);
	assert_int_equal(a->meta_ts, b->meta_ts);
	assert_int_equal(a->policy, b->policy);
	assert_int_equal(a->deleted, b->deleted);
	assert_int_equal(a->subdir, b->subdir);
}

static void same_fragment(const struct fragment *a, const struct fragment *b)
{
	assert_int_equal(a->k, b->k);
	assert_int_equal(a->m, b->m);
	assert_int_equal(a->index, b->index);
	assert_int_equal(a->size, b->size);
	assert_memory_equal(a->etag, b->etag, 16);
}

static void same_msg(const struct backend_msg *a, const struct backend_msg *b)
{
	assert_int_equal(a->op, b->op);
	assert_int_equal(a->kind, b->kind);
	assert_int_equal(a->policy, b->policy);
	assert_int_equal(a->newest, b->newest);
	assert_int_equal(a->if_lasting, b->if_lasting);
	assert_memory_equal(a->key, b->key, 16);
	same_text(a->account, b->account);
	same_text(a->container, b->container);
	same_text(a->object, b->object);
	assert_int_equal(a->ts, b->ts);
	assert_int_equal(a->ring_version, b->ring_version);
	assert_int_equal(a->ring_older, b->ring_older);
	assert_int_equal(a->meta_ts, b->meta_ts);
	assert_int_equal(a->headers_len, b->headers_len);
	if (a->headers_len)
		assert_memory_equal(a->headers, b->headers, a->headers_len);
	assert_int_equal(a->size, b->size);
	assert_memory_equal(a->etag, b->etag, 16);
	assert_int_equal(a->stage, b->stage);
	assert_int_equal(a->handle, b->handle);
	assert_int_equal(a->offset, b->offset);
	assert_int_equal(a->len, b->len);
	assert_int_equal(a->body != NULL, b->body != NULL);
	assert_int_equal(a->update_count, b->update_count);
	for (unsigned i = 0; i < a->update_count; i++) {
		same_text(a->updates[i].account, b->updates[i].account);
		same_text(a->updates[i].container, b->updates[i].container);
		same_row(&a->updates[i].row, &b->updates[i].row);
	}
	assert_int_equal(a->settled_count, b->settled_count);
	for (unsigned i = 0; i < a->settled_count; i++) {
		assert_int_equal(a->settled[i].policy, b->settled[i].policy);
		assert_memory_equal(a->settled[i].key, b->settled[i].key, 16);
		assert_int_equal(a->settled[i].ts, b->settled[i].ts);
	}
	assert_int_equal(a->row_count, b->row_count);
	for (unsigned i = 0; i < a->row_count; i++)
		same_row(&a->rows[i], &b->rows[i]);
	same_text(a->list.marker, b->list.marker);
	same_text(a->list.end_marker, b->list.end_marker);
	same_text(a->list.prefix, b->list.prefix);
	same_text(a->list.delimiter, b->list.delimiter);
	same_text(a->list.path, b->list.path);
	assert_int_equal(a->list.limit, b->list.limit);
	assert_int_equal(a->list.reverse, b->list.reverse);
	assert_int_equal(a->range_count, b->range_count);
	if (a->range_count)
		assert_memory_equal(a->ranges, b->ranges, a->range_count * sizeof(*a->ranges));
	assert_int_equal(a->range_bits, b->range_bits);
	assert_int_equal(a->fan_out, b->fan_out);
	assert_int_equal(a->draft, b->draft);
	same_fragment(&a->fragment, &b->fragment);
}

static void a_message_comes_back_as_it_was(void **state)
{
	struct backend_msg *full = make_msg(),
	                   *bare = backend_msg_new(BACKEND_OBJECT_VERSION, BACKEND_OBJECT),
	                   *post = backend_msg_new(BACKEND_OBJECT_POST, BACKEND_OBJECT);
	struct backend_msg *const msgs[] = {full, bare, post};
	post->known = 4711;
	post->lease = 815;

	(void)state;
	for (unsigned version = WIRE_VERSION_MIN; version <= WIRE_VERSION_MAX; version++) {
		for (unsigned i = 0; i < COUNT_OF(msgs); i++) {
			AUTO(buf) struct buf out = BUF_NONE;
			struct wire_call_head head = {.device = 5, .timeout_us = 99}, got;
			struct backend_msg *back;
			assert_int_equal(wire_call_encode(&out, version, &head, msgs[i]), ERR_OK);
			struct bytes *body = msgs[i]->body ? bytes_ref(msgs[i]->body) : NULL;
			assert_int_equal(
			        wire_call_decode(version, out.data, out.len, body, &got, &back),
			        ERR_OK);
			same_msg(msgs[i], back);
			assert_int_equal(back->under_lease, version >= 3 && msgs[i]->under_lease);
			assert_int_equal(back->known,
			        version >= (msgs[i]->under_lease ? 3 : 5) ? msgs[i]->known : 0);
			assert_int_equal(back->lease, version >= 5 ? msgs[i]->lease : 0);
			assert_int_equal(got.device, 5);
			assert_int_equal(got.timeout_us, 99);
			backend_msg_unref(back);
		}
	}
	backend_msg_unref(full);
	backend_msg_unref(bare);
	backend_msg_unref(post);
}

static void make_reply(struct backend_reply *reply)
{
	*reply = (struct backend_reply){.err = ERR_CONFLICT, .deleted = true, .exact = true};
	reply->ts = 1;
	reply->meta_ts = 2;
	kv_add(&reply->headers, "A", "b");
	buf_add(&reply->path, "a\0c\0o", 6);
	reply->size = 3;
	memcpy(reply->etag, "etag of 16 bytes", 16);
	reply->handle = 4;
	reply->put_ts = 5;
	reply->delete_ts = 6;
	reply->count[0] = 7;
	reply->bytes[0] = 8;
	reply->bytes[15] = 9;
	reply->containers_of[14] = 10;
	reply->containers = 10;
	reply->policy = 11;
	memcpy(reply->hash, "hash of 16 bytes", 16);
	for (unsigned i = 0; i < 3; i++)
		backend_rows_add(&reply->rows, &rows[i]);
	buf_str(&reply->items, "digests, back to back");
	reply->more = true;
	reply->filling = true;
	reply->promised = 77;
	reply->replaced = 76;
	reply->fragment = (struct fragment){8, 4, 0, 99, "etag of whole..."};
	reply->draft_ts = 21;
	reply->drafts[0] = 23;
	reply->drafts[1] = 22;
	backend_rows_add(&reply->points, &rows[0]);
}

static void same_block(const struct buf *a, const struct buf *b)
{
	assert_int_equal(a->len, b->len);
	if (a->len)
		assert_memory_equal(a->data, b->data, a->len);
}

static void same_reply(const struct backend_reply *a, const struct backend_reply *b)
{
	assert_int_equal(a->err, b->err);
	assert_int_equal(a->deleted, b->deleted);
	assert_int_equal(a->exact, b->exact);
	assert_int_equal(a->ts, b->ts);
	assert_int_equal(a->meta_ts, b->meta_ts);
	assert_int_equal(a->size, b->size);
	assert_int_equal(a->handle, b->handle);
	assert_int_equal(a->put_ts, b->put_ts);
	assert_int_equal(a->delete_ts, b->delete_ts);
	assert_int_equal(a->containers, b->containers);
	assert_int_equal(a->policy, b->policy);
	assert_memory_equal(a->etag, b->etag, 16);
	assert_memory_equal(a->hash, b->hash, 16);
	assert_memory_equal(a->count, b->count, sizeof(a->count));
	assert_memory_equal(a->bytes, b->bytes, sizeof(a->bytes));
	same_block(&a->headers, &b->headers);
	same_block(&a->path, &b->path);
	same_block(&a->rows, &b->rows);
	same_block(&a->items, &b->items);
	same_block(&a->points, &b->points);
	assert_int_equal(a->more, b->more);
	same_fragment(&a->fragment, &b->fragment);
	assert_int_equal(a->draft_ts, b->draft_ts);
	assert_memory_equal(a->drafts, b->drafts, sizeof(a->drafts));
}

static void reply_free(struct backend_reply *reply)
{
	struct backend_call call = {.reply = *reply};

	backend_call_done(&call);
}

static void a_reply_comes_back_as_it_was(void **state)
{
	struct backend_reply full, bare = {.err = ERR_OK, .ts = 5}, back;
	const struct backend_reply *const replies[] = {&full, &bare};
	uint64_t worked_us;

	(void)state;
	make_reply(&full);
	for (unsigned version = WIRE_VERSION_MIN; version <= WIRE_VERSION_MAX; version++) {
		for (unsigned i = 0; i < 2; i++) {
			AUTO(buf) struct buf out = BUF_NONE;
			assert_int_equal(
			        wire_reply_encode(&out, version, replies[i], 1234), ERR_OK);
			assert_int_equal(wire_reply_decode(version, out.data, out.len, NULL, &back,
			                         &worked_us),
			        ERR_OK);
			if (version < 3)
				buf_add(&back.points, replies[i]->points.data,
				        replies[i]->points.len);
			same_reply(replies[i], &back);
			assert_int_equal(back.promised, version >= 3 ? replies[i]->promised : 0);
			assert_int_equal(back.replaced, version >= 5 ? replies[i]->replaced : 0);
			assert_int_equal(back.containers_of[14],
			        version >= 4 ? replies[i]->containers_of[14] : 0);
			assert_int_equal(back.filling, version >= 3 && replies[i]->filling);
			assert_int_equal(worked_us, version >= 2 ? 1234 : 0);
			reply_free(&back);
		}
	}
	reply_free(&full);
}

static void a_small_answer_is_small(void **state)
{
	struct backend_reply reply = {.err = ERR_NOT_FOUND};
	AUTO(buf) struct buf out = BUF_NONE;

	(void)state;
	assert_int_equal(wire_reply_encode(&out, WIRE_VERSION_MAX, &reply, 0), ERR_OK);
	assert_true(out.len < 88);
}

/* Whatever is cut off or put behind is no message. */
static void what_is_not_whole_is_refused(void **state)
{
	struct backend_msg *msg = make_msg(), *back;
	struct backend_reply reply, answer;
	struct wire_call_head head = {0};
	uint64_t worked_us;
	AUTO(buf) struct buf call = BUF_NONE, told = BUF_NONE;

	(void)state;
	make_reply(&reply);
	wire_call_encode(&call, 2, &head, msg);
	wire_reply_encode(&told, 2, &reply, 0);
	for (size_t len = 0; len < call.len; len++)
		assert_int_equal(
		        wire_call_decode(2, call.data, len, bytes_ref(msg->body), &head, &back),
		        ERR_FORMAT);
	for (size_t len = 0; len < told.len; len++)
		assert_int_equal(wire_reply_decode(2, told.data, len, NULL, &answer, &worked_us),
		        ERR_FORMAT);
	buf_char(&call, 0);
	buf_char(&told, 0);
	assert_int_equal(
	        wire_call_decode(2, call.data, call.len, bytes_ref(msg->body), &head, &back),
	        ERR_FORMAT);
	assert_int_equal(
	        wire_reply_decode(2, told.data, told.len, NULL, &answer, &worked_us), ERR_FORMAT);
	/* A body that was not announced, one that was and is not there. */
	call.len--;
	assert_int_equal(
	        wire_call_decode(2, call.data, call.len, bytes_ref(msg->body), &head, &back),
	        ERR_OK);
	backend_msg_unref(back);
	told.len--;
	assert_int_equal(
	        wire_reply_decode(2, told.data, told.len, bytes_copy("x", 1), &answer, &worked_us),
	        ERR_FORMAT);
	reply_free(&reply);
	backend_msg_unref(msg);
}

static void refused(const struct backend_msg *msg)
{
	AUTO(buf) struct buf out = BUF_NONE;
	struct wire_call_head head = {0};
	struct backend_msg *back;

	if (wire_call_encode(&out, 2, &head, msg))
		return;
	assert_int_equal(wire_call_decode(2, out.data, out.len,
	                         msg->body ? bytes_ref(msg->body) : NULL, &head, &back),
	        ERR_FORMAT);
}

static void what_makes_no_sense_is_refused(void **state)
{
	struct backend_msg *msg;
	struct backend_row nameless = {.ts = 1};
	char *text = malloc(70000);

	(void)state;
#define REFUSED(change)                                                                            \
	do {                                                                                       \
		msg = make_msg();                                                                  \
		change;                                                                            \
		refused(msg);                                                                      \
		backend_msg_unref(msg);                                                            \
	} while (0)
	memset(text, 'x', 69999);
	text[69999] = 0;
	REFUSED(msg->kind = 3);
	REFUSED(msg->kind = BACKEND_ACCOUNT);
	REFUSED(msg->op = BACKEND_DB_PUT);
	REFUSED((msg->op = BACKEND_DB_PUT, msg->kind = BACKEND_CONTAINER, msg->container = NULL));
	REFUSED(msg->policy = BACKEND_POLICIES);
	REFUSED(msg->fragment.index = 6);
	REFUSED(msg->object = text);
	REFUSED((msg->headers = "nonsense", msg->headers_len = 8));
	REFUSED((msg->rows = &nameless, msg->row_count = 1));
	free(text);
}

static void a_call_weighs_what_it_brings_and_asks_for(void **state)
{
	struct backend_msg *msg = backend_msg_new(BACKEND_OBJECT_VERSION, BACKEND_OBJECT);

	(void)state;
	assert_true(wire_call_cost(msg) < 1024);
	msg->op = BACKEND_OBJECT_GET;
	msg->len = 4096;
	assert_in_range(wire_call_cost(msg), 4096, 5120);
	msg->len = UINT64_MAX;
	assert_in_range(wire_call_cost(msg), BACKEND_PIECE, BACKEND_PIECE + 1024);
	msg->op = BACKEND_OBJECT_STAGE;
	msg->body = bytes_copy("body", 4);
	msg->body->len = 4096;
	assert_in_range(wire_call_cost(msg), 4096, 5120);
	backend_msg_unref(msg);
}

static void every_outcome_has_a_number_of_its_own(void **state)
{
	(void)state;
	for (unsigned err = 0; err < ERR_COUNT; err++) {
		assert_int_equal(wire_err_from(wire_err_code((enum err)err)), err);
		if (err != ERR_INTERNAL)
			assert_int_not_equal(
			        wire_err_code((enum err)err), wire_err_code(ERR_INTERNAL));
	}
	assert_int_equal(wire_err_from(9999), ERR_INTERNAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_message_comes_back_as_it_was),
	        cmocka_unit_test(a_reply_comes_back_as_it_was),
	        cmocka_unit_test(a_small_answer_is_small),
	        cmocka_unit_test(what_is_not_whole_is_refused),
	        cmocka_unit_test(what_makes_no_sense_is_refused),
	        cmocka_unit_test(a_call_weighs_what_it_brings_and_asks_for),
	        cmocka_unit_test(every_outcome_has_a_number_of_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
