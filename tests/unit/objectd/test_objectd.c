#include "tests/lib/test.h"

#include "lib/base/kv.h"
#include "tests/lib/objects_rig.c"

#define T 170000000000000ull

static struct rig rig;

static int setup(void **state)
{
	(void)state;
	rig_init(&rig, 4 << 20);
	assert_int_equal(rig_open(&rig), ERR_OK);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	rig_done(&rig);
	return 0;
}

static void reopen(void)
{
	rig_crash(&rig);
	assert_int_equal(rig_open(&rig), ERR_OK);
}

static void what_is_put_can_be_read(void **state)
{
	static const size_t sizes[] = {0, 1, 4096, 100000, 256 << 10, 300000, 1 << 20};
	uint64_t ts, size;
	char name[32];

	(void)state;
	for (int again = 0; again < 2; again++) {
		for (unsigned i = 0; i < COUNT_OF(sizes); i++) {
			snprintf(name, sizeof(name), "o%u", i);
			if (!again)
				assert_int_equal(rig_put(&rig, name, T + i, sizes[i]), ERR_OK);
			assert_int_equal(rig_get(&rig, name, &ts, &size), ERR_OK);
			assert_int_equal(ts, T + i);
			assert_int_equal(size, sizes[i]);
		}
		reopen();
	}
	assert_int_equal(rig_get(&rig, "other", NULL, NULL), ERR_NOT_FOUND);
}

static void large_bodies_come_in_pieces(void **state)
{
	uint64_t size;

	(void)state;
	for (int again = 0; again < 2; again++) {
		if (!again)
			assert_int_equal(rig_put_staged(&rig, "big", T, (5 << 20) + 12345), ERR_OK);
		assert_int_equal(rig_get(&rig, "big", NULL, &size), ERR_OK);
		assert_int_equal(size, (5 << 20) + 12345);
		reopen();
	}
	assert_int_equal(rig_post(&rig, "big", T + 1, "x"), ERR_OK);
	assert_int_equal(rig_get(&rig, "big", NULL, NULL), ERR_OK);
	reopen();
	assert_int_equal(rig_get(&rig, "big", NULL, NULL), ERR_OK);
}

static void last_writer_wins(void **state)
{
	struct rig_call call;
	uint64_t ts;
	bool deleted;

	(void)state;
	assert_int_equal(rig_put(&rig, "o", T + 5, 10), ERR_OK);
	rig_send(&rig, &call, rig_put_msg("o", T + 4, 20));
	assert_int_equal(call.call.reply.err, ERR_CONFLICT);
	assert_int_equal(call.call.reply.ts, T + 5);
	backend_call_done(&call.call);
	assert_int_equal(rig_put(&rig, "o", T + 5, 10), ERR_CONFLICT);
	assert_int_equal(rig_delete(&rig, "o", T + 5), ERR_CONFLICT);
	assert_int_equal(rig_delete(&rig, "o", T + 6), ERR_OK);
	assert_int_equal(rig_get(&rig, "o", NULL, NULL), ERR_NOT_FOUND);
	assert_int_equal(rig_delete(&rig, "o", T + 7), ERR_NOT_FOUND);
	assert_int_equal(rig_version(&rig, "o", &ts, &deleted), ERR_OK);
	assert_int_equal(ts, T + 7);
	assert_true(deleted);
	assert_int_equal(rig_put(&rig, "o", T + 7, 10), ERR_CONFLICT);
	assert_int_equal(rig_put(&rig, "o", T + 8, 10), ERR_OK);
	reopen();
	assert_int_equal(rig_get(&rig, "o", &ts, NULL), ERR_OK);
	assert_int_equal(ts, T + 8);
	assert_int_equal(rig_delete(&rig, "never", T), ERR_NOT_FOUND);
	assert_int_equal(rig_version(&rig, "nothing", NULL, NULL), ERR_NOT_FOUND);
}

static void post_replaces_headers_only(void **state)
{
	struct backend_msg *msg;
	struct rig_call call;

	(void)state;
	assert_int_equal(rig_post(&rig, "o", T, "x"), ERR_NOT_FOUND);
	assert_int_equal(rig_put(&rig, "o", T, 5000), ERR_OK);
	assert_int_equal(rig_post(&rig, "o", T, "x"), ERR_CONFLICT);
	assert_int_equal(rig_post(&rig, "o", T + 3, "x"), ERR_OK);
	assert_int_equal(rig_post(&rig, "o", T + 2, "y"), ERR_CONFLICT);
	assert_int_equal(rig_put(&rig, "o", T, 5), ERR_CONFLICT);
	for (int again = 0; again < 2; again++) {
		msg = rig_msg(BACKEND_OBJECT_GET, "o", 0);
		rig_send(&rig, &call, msg);
		assert_int_equal(call.call.reply.err, ERR_OK);
		assert_int_equal(call.call.reply.ts, T);
		assert_int_equal(call.call.reply.meta_ts, T + 3);
		assert_int_equal(call.call.reply.size, 5000);
		assert_null(call.call.reply.body);
		assert_string_equal(kv_get(call.call.reply.headers.data,
		                            call.call.reply.headers.len, "x-object-meta-posted"),
		        "x");
		assert_null(kv_get(call.call.reply.headers.data, call.call.reply.headers.len,
		        "x-object-meta-name"));
		backend_call_done(&call.call);
		assert_int_equal(rig_get(&rig, "o", NULL, NULL), ERR_OK);
		reopen();
	}
	/* A body that comes late ends the POST to the one before it. */
	assert_int_equal(rig_put(&rig, "o", T + 2, 5), ERR_OK);
	for (int again = 0; again < 2; again++) {
		rig_send(&rig, &call, rig_msg(BACKEND_OBJECT_VERSION, "o", 0));
		assert_int_equal(call.call.reply.ts, T + 2);
		assert_int_equal(call.call.reply.meta_ts, T + 2);
		backend_call_done(&call.call);
		reopen();
	}
}

static enum err put_expiring(const char *name, uint64_t ts)
{
	struct backend_msg *msg = rig_msg(BACKEND_OBJECT_PUT, name, ts);
	AUTO(buf) struct buf headers = BUF_NONE;
	struct rig_call call;

	kv_add(&headers, "X-Delete-At", "1900000000");
	backend_msg_headers(msg, &headers);
	rig_send(&rig, &call, msg);
	enum err err = call.call.reply.err;
	backend_call_done(&call.call);
	return err;
}

static enum err delete_lasting(const char *name, uint64_t ts)
{
	struct backend_msg *msg = rig_msg(BACKEND_OBJECT_DELETE, name, ts);
	struct rig_call call;

	msg->if_lasting = true;
	rig_send(&rig, &call, msg);
	enum err err = call.call.reply.err;
	backend_call_done(&call.call);
	return err;
}

/* Known from memory, and again after replaying records, and after reading footers. */
static void an_object_that_expires_is_told_apart(void **state)
{
	char name[16];

	(void)state;
	assert_int_equal(put_expiring("a", T), ERR_OK);
	assert_int_equal(delete_lasting("a", T + 1), ERR_PRECONDITION);
	reopen();
	assert_int_equal(delete_lasting("a", T + 1), ERR_PRECONDITION);
	for (unsigned i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "fill%u", i);
		assert_int_equal(rig_put(&rig, name, T, 250000), ERR_OK);
	}
	reopen();
	assert_int_equal(delete_lasting("a", T + 1), ERR_PRECONDITION);
	assert_int_equal(rig_post(&rig, "a", T + 2, "x"), ERR_OK);
	assert_int_equal(delete_lasting("a", T + 3), ERR_OK);
	assert_int_equal(put_expiring("a", T + 4), ERR_OK);
	assert_int_equal(rig_delete(&rig, "a", T + 5), ERR_OK);
	assert_int_equal(delete_lasting("a", T + 6), ERR_NOT_FOUND);
	assert_int_equal(delete_lasting("never", T), ERR_NOT_FOUND);
}

static void writes_of_one_key_take_turns(void **state)
{
	struct rig_call calls[32];
	int ok = 0, conflict = 0;
	uint64_t ts;

	(void)state;
	for (unsigned i = 0; i < 32; i++)
		rig_start(&rig, &calls[i], rig_put_msg("o", T + (i * 7) % 32, 100));
	for (unsigned i = 0; i < 32; i++) {
		rig_wait(&rig, &calls[i]);
		ok += calls[i].call.reply.err == ERR_OK;
		conflict += calls[i].call.reply.err == ERR_CONFLICT;
		backend_call_done(&calls[i].call);
	}
	assert_int_equal(ok + conflict, 32);
	assert_true(ok >= 1 && conflict >= 1);
	assert_int_equal(rig_get(&rig, "o", &ts, NULL), ERR_OK);
	assert_int_equal(ts, T + 31);
}

static enum err grant(enum backend_op op, uint64_t holder, uint64_t *ret_ts)
{
	struct rig_call call;
	struct backend_msg *msg = rig_msg(op, "o", 0);

	msg->stage = holder;
	rig_send(&rig, &call, msg);
	enum err err = call.call.reply.err;
	if (ret_ts)
		*ret_ts = call.call.reply.ts;
	backend_call_done(&call.call);
	return err;
}

static void a_grant_is_one_writers(void **state)
{
	struct rig_call put;
	uint64_t ts;

	(void)state;
	assert_int_equal(grant(BACKEND_OBJECT_GRANT, 1, NULL), ERR_NOT_FOUND);
	assert_int_equal(grant(BACKEND_OBJECT_GRANT, 2, NULL), ERR_BUSY);
	assert_int_equal(grant(BACKEND_OBJECT_GRANT, 1, NULL), ERR_NOT_FOUND);
	assert_int_equal(grant(BACKEND_OBJECT_RELEASE, 2, NULL), ERR_OK);
	assert_int_equal(grant(BACKEND_OBJECT_GRANT, 2, NULL), ERR_BUSY);
	assert_int_equal(grant(BACKEND_OBJECT_RELEASE, 1, NULL), ERR_OK);
	/* The version told counts the write that is on its way. */
	rig_start(&rig, &put, rig_put_msg("o", T, 100));
	assert_int_equal(grant(BACKEND_OBJECT_GRANT, 1, &ts), ERR_OK);
	assert_int_equal(ts, T);
	rig_wait(&rig, &put);
	backend_call_done(&put.call);
	assert_int_equal(grant(BACKEND_OBJECT_RELEASE, 1, NULL), ERR_OK);
	assert_int_equal(grant(BACKEND_OBJECT_GRANT, 2, &ts), ERR_OK);
	rig_sleep(&rig, 6000000);
	assert_int_equal(grant(BACKEND_OBJECT_GRANT, 3, NULL), ERR_OK);
}

static struct backend_msg *leased(enum backend_op op, uint64_t holder, uint64_t ts)
{
	struct backend_msg *msg =
	        op == BACKEND_OBJECT_PUT ? rig_put_msg("o", ts, 100) : rig_msg(op, "o", ts);

	msg->stage = op == BACKEND_OBJECT_PUT ? 0 : holder;
	msg->handle = holder;
	msg->under_lease = op == BACKEND_OBJECT_PUT;
	return msg;
}

static struct backend_reply answer(struct backend_msg *msg)
{
	struct rig_call call;

	rig_send(&rig, &call, msg);
	struct backend_reply reply = {.err = call.call.reply.err,
	        .ts = call.call.reply.ts,
	        .promised = call.call.reply.promised,
	        .replaced = call.call.reply.replaced};
	backend_call_done(&call.call);
	return reply;
}

static void what_others_write_waits_for_a_lease(void **state)
{
	struct rig_call put, delete;

	(void)state;
	assert_int_equal(answer(leased(BACKEND_OBJECT_PUT, 1, T)).err, ERR_BUSY); /* has none */
	assert_int_equal(answer(leased(BACKEND_OBJECT_GRANT, 1, T + 5)).err, ERR_NOT_FOUND);
	rig_start(&rig, &put, rig_put_msg("o", T + 3, 100));
	rig_start(&rig, &delete, rig_msg(BACKEND_OBJECT_DELETE, "o", T + 9));
	assert_int_equal(answer(leased(BACKEND_OBJECT_PUT, 1, T + 5)).err, ERR_OK);
	assert_false(put.call.answered || delete.call.answered);
	assert_int_equal(rig_get(&rig, "o", NULL, NULL), ERR_OK);
	assert_int_equal(answer(leased(BACKEND_OBJECT_RELEASE, 1, T + 5)).err, ERR_OK);
	rig_wait(&rig, &put);
	rig_wait(&rig, &delete);
	assert_int_equal(put.call.reply.err, ERR_CONFLICT);
	assert_int_equal(put.call.reply.promised, T + 5);
	assert_int_equal(delete.call.reply.err, ERR_OK);
	backend_call_done(&put.call);
	backend_call_done(&delete.call);
}

/* Its holder may have written elsewhere: for a while nothing older is taken, then it is forgotten.
 */
static void a_lease_that_ran_out_leaves_a_promise(void **state)
{
	struct rig_call put;

	(void)state;
	assert_int_equal(answer(leased(BACKEND_OBJECT_GRANT, 1, T + 5)).err, ERR_NOT_FOUND);
	rig_start(&rig, &put, rig_put_msg("o", T + 3, 100));
	rig_sleep(&rig, 6000000);
	rig_wait(&rig, &put);
	assert_int_equal(put.call.reply.err, ERR_BUSY);
	backend_call_done(&put.call);
	assert_int_equal(answer(leased(BACKEND_OBJECT_PUT, 1, T + 5)).err, ERR_BUSY);
	assert_int_equal(answer(rig_msg(BACKEND_OBJECT_VERSION, "o", 0)).promised, T + 5);
	rig_sleep(&rig, 61000000);
	assert_int_equal(answer(rig_msg(BACKEND_OBJECT_VERSION, "o", 0)).promised, 0);
	assert_int_equal(answer(rig_put_msg("o", T + 3, 100)).err, ERR_OK);
}

/* Who finds nothing is in no delete's way; who replaces something must not come behind one that it
 * has not seen. */
static void a_delete_hears_of_who_replaced_something(void **state)
{
	struct backend_msg *grant = leased(BACKEND_OBJECT_GRANT, 2, T + 15);
	struct backend_reply reply;

	(void)state;
	assert_int_equal(answer(leased(BACKEND_OBJECT_GRANT, 1, T + 5)).err, ERR_NOT_FOUND);
	assert_int_equal(answer(leased(BACKEND_OBJECT_PUT, 1, T + 5)).err, ERR_OK);
	assert_int_equal(answer(leased(BACKEND_OBJECT_RELEASE, 1, T + 5)).err, ERR_OK);
	reply = answer(rig_msg(BACKEND_OBJECT_DELETE, "o", T + 3));
	assert_int_equal(reply.err, ERR_CONFLICT);
	assert_int_equal(reply.replaced, 0);
	grant->known = T + 5;
	assert_int_equal(answer(grant).err, ERR_OK);
	assert_int_equal(answer(leased(BACKEND_OBJECT_PUT, 2, T + 15)).err, ERR_OK);
	assert_int_equal(answer(leased(BACKEND_OBJECT_RELEASE, 2, T + 15)).err, ERR_OK);
	reply = answer(rig_msg(BACKEND_OBJECT_DELETE, "o", T + 13));
	assert_int_equal(reply.err, ERR_CONFLICT);
	assert_int_equal(reply.replaced, T + 15);
	rig_sleep(&rig, 61000000);
	assert_int_equal(answer(rig_msg(BACKEND_OBJECT_DELETE, "o", T + 13)).replaced, 0);
}

static void a_lease_that_came_to_nothing_leaves_none(void **state)
{
	(void)state;
	assert_int_equal(answer(leased(BACKEND_OBJECT_GRANT, 1, T + 5)).err, ERR_NOT_FOUND);
	assert_int_equal(answer(leased(BACKEND_OBJECT_RELEASE, 1, 0)).err, ERR_OK);
	assert_int_equal(answer(rig_put_msg("o", T + 3, 100)).err, ERR_OK);
}

/* Its tombstone has no metadata, and the POST is for what was there before. */
static void a_delete_older_than_the_last_post_ends_it(void **state)
{
	struct backend_msg *late = rig_msg(BACKEND_OBJECT_POST, "o", T + 9);

	(void)state;
	late->known = T;
	assert_int_equal(answer(rig_put_msg("o", T, 100)).err, ERR_OK);
	assert_int_equal(answer(rig_msg(BACKEND_OBJECT_POST, "o", T + 9)).err, ERR_OK);
	assert_int_equal(answer(rig_msg(BACKEND_OBJECT_DELETE, "o", T + 3)).err, ERR_OK);
	assert_int_equal(answer(rig_msg(BACKEND_OBJECT_VERSION, "o", 0)).promised, 0);
	assert_int_equal(answer(rig_put_msg("o", T + 5, 100)).err, ERR_OK);
	assert_int_equal(answer(late).err, ERR_CONFLICT);
}

/* Which keys it had promised it has forgotten, not up to when. */
static void after_a_crash_who_writes_hears_of_what_may_be_promised(void **state)
{
	struct backend_msg *late;

	(void)state;
	assert_int_equal(answer(leased(BACKEND_OBJECT_GRANT, 1, T + 5)).err, ERR_NOT_FOUND);
	rig_crash(&rig);
	assert_int_equal(rig_open(&rig), ERR_OK);
	uint64_t promised = answer(rig_msg(BACKEND_OBJECT_VERSION, "o", 0)).promised;
	assert_true(promised >= T + 5);
	late = rig_put_msg("o", T + 3, 100);
	late->handle = 7;
	assert_int_equal(answer(late).err, ERR_BUSY);
	assert_int_equal(answer(rig_put_msg("p", T + 3, 100)).err, ERR_OK); /* a repair */
	assert_int_equal(answer(leased(BACKEND_OBJECT_GRANT, 2, promised + 1)).err, ERR_NOT_FOUND);
	rig_crash(&rig);
	assert_int_equal(rig_open(&rig), ERR_OK);
	assert_true(answer(rig_msg(BACKEND_OBJECT_VERSION, "o", 0)).promised > promised);
	rig_sleep(&rig, 61000000);
	assert_int_equal(answer(rig_msg(BACKEND_OBJECT_VERSION, "o", 0)).promised, 0);
}

static void on_refused(struct backend_call *call)
{
	*(bool *)call->owner = true;
}

/* Nor may it take what is older than a deletion that it had taken. */
static void after_its_disk_was_replaced_nothing_older_comes(void **state)
{
	struct backend_msg *late = rig_put_msg("o", T + 3, 100);
	bool told = false;
	struct backend_call asked = {.msg = rig_msg(BACKEND_OBJECT_VERSION, "o", 0),
	        .done = on_refused,
	        .origin = rig.reactor,
	        .owner = &told};

	(void)state;
	objectd_forgot(rig.objectd, T + 5);
	objectd_refuse(rig.objectd, &asked);
	while (!told)
		reactor_turn(rig.reactor, false);
	assert_int_equal(asked.reply.err, ERR_UNAVAILABLE);
	assert_int_equal(asked.reply.promised, T + 5);
	backend_call_done(&asked);
	late->handle = 7;
	assert_int_equal(answer(late).err, ERR_BUSY);
	assert_int_equal(answer(rig_put_msg("p", T + 3, 100)).err, ERR_OK); /* a repair */
	late = rig_put_msg("o", T + 6, 100);
	late->handle = 7;
	assert_int_equal(answer(late).err, ERR_OK);
	rig_sleep(&rig, 61000000);
	late = rig_put_msg("q", T + 3, 100);
	late->handle = 7;
	assert_int_equal(answer(late).err, ERR_OK);
}

/* A record that could not be written is tried again by who comes next. */
static void a_horizon_that_failed_is_none(void **state)
{
	(void)state;
	disk_fake_fail(rig.fake, DISK_WRITE, 1, ERR_NO_SPACE, false);
	assert_int_not_equal(answer(leased(BACKEND_OBJECT_GRANT, 1, T + 5)).err, ERR_NOT_FOUND);
	assert_int_equal(answer(leased(BACKEND_OBJECT_GRANT, 2, T + 6)).err, ERR_NOT_FOUND);
	rig_crash(&rig);
	assert_int_equal(rig_open(&rig), ERR_OK);
	assert_true(answer(rig_msg(BACKEND_OBJECT_VERSION, "o", 0)).promised >= T + 6);
}

/* Nothing is promised that a crash would make forget. */
static void without_a_durable_horizon_there_is_no_lease(void **state)
{
	(void)state;
	assert_int_equal(answer(leased(BACKEND_OBJECT_GRANT, 1, T + 5)).err, ERR_NOT_FOUND);
	assert_int_equal(answer(leased(BACKEND_OBJECT_RELEASE, 1, 0)).err, ERR_OK);
	disk_fake_fail(rig.fake, DISK_WRITE, 1, ERR_IO, true);
	/* Up to there it was said before. */
	assert_int_equal(answer(leased(BACKEND_OBJECT_GRANT, 2, T + 6)).err, ERR_NOT_FOUND);
	assert_int_equal(answer(leased(BACKEND_OBJECT_RELEASE, 2, 0)).err, ERR_OK);
	assert_int_equal(answer(leased(BACKEND_OBJECT_GRANT, 3, T + 6000000)).err, ERR_IO);
	assert_int_equal(answer(rig_msg(BACKEND_OBJECT_VERSION, "o", 0)).promised, 0);
}

static void on_unsettled(struct objectd_unsettled *u, enum err err)
{
	assert_int_equal(err, ERR_OK);
	assert_int_equal(u->update_count, 1);
}

static struct backend_msg *settled_msg(const char *name, uint64_t ts)
{
	struct backend_msg *msg = rig_msg(BACKEND_OBJECT_SETTLED, name, ts);
	struct backend_settled *item = backend_msg_alloc(msg, sizeof(*item));

	item->policy = msg->policy;
	memcpy(item->key, msg->key, sizeof(item->key));
	item->ts = ts;
	msg->settled = item;
	msg->settled_count = 1;
	return msg;
}

static void updates_stay_open_until_settled(void **state)
{
	struct objectd_unsettled u = {.done = on_unsettled};
	struct rig_call call;

	(void)state;
	assert_int_equal(rig_put(&rig, "one", T, 10), ERR_OK);
	assert_int_equal(rig_put(&rig, "two", T + 1, 10), ERR_OK);
	assert_int_equal(rig_put(&rig, "one", T + 2, 10), ERR_OK);
	assert_int_equal(objectd_unsettled_count(rig.objectd), 3);
	reopen();
	assert_int_equal(objectd_unsettled_count(rig.objectd), 3);
	for (unsigned i = 0; i < 3; i++) {
		assert_true(objectd_next_unsettled(rig.objectd, &u));
		rig_idle(&rig);
		assert_int_equal(u.ts, T + i);
		assert_string_equal(u.updates[0].row.name, i == 1 ? "two" : "one");
		assert_string_equal(u.updates[0].container, "c");
		assert_int_equal(u.updates[0].row.ts, T + i);
		objectd_unsettled_done(&u);
	}
	assert_false(objectd_next_unsettled(rig.objectd, &u));
	rig_send(&rig, &call, settled_msg("one", T));
	backend_call_done(&call.call);
	rig_send(&rig, &call, settled_msg("two", T + 1));
	backend_call_done(&call.call);
	assert_int_equal(objectd_unsettled_count(rig.objectd), 1);
	rig_sleep(&rig, 1100000); /* nothing to ride with: written after a second */
	reopen();
	assert_int_equal(objectd_unsettled_count(rig.objectd), 1);
	u.lsn = 0;
	assert_true(objectd_next_unsettled(rig.objectd, &u));
	rig_idle(&rig);
	assert_int_equal(u.ts, T + 2);
	objectd_unsettled_done(&u);
}

/* As the cache gives it to who copies or repairs an object. */
static void a_piece_may_lie_anywhere(void **state)
{
	struct rig_call call;
	struct backend_msg *msg = rig_msg(BACKEND_OBJECT_STAGE, "o", T);

	(void)state;
	msg->stage = 9;
	struct bytes *body = msg->body = bytes_new_exact(DISK_BLOCK + 1);
	body->len = DISK_BLOCK;
	memset(body->data++, 'a', DISK_BLOCK);
	rig_send(&rig, &call, msg);
	assert_int_equal(call.call.reply.err, ERR_OK);
	body->data--;
	backend_call_done(&call.call);
}

static void an_upload_must_be_whole(void **state)
{
	struct rig_call call;
	struct backend_msg *msg = rig_msg(BACKEND_OBJECT_STAGE, "o", T);

	(void)state;
	msg->stage = 9;
	msg->offset = BACKEND_PIECE;
	msg->body = bytes_copy("x", 1);
	rig_send(&rig, &call, msg);
	assert_int_equal(call.call.reply.err, ERR_OK);
	backend_call_done(&call.call);
	msg = rig_msg(BACKEND_OBJECT_PUT, "o", T);
	msg->stage = 9;
	msg->size = BACKEND_PIECE + 1;
	rig_send(&rig, &call, msg);
	assert_int_equal(call.call.reply.err, ERR_BAD_REQUEST);
	backend_call_done(&call.call);
	assert_int_equal(rig_get(&rig, "o", NULL, NULL), ERR_NOT_FOUND);
	msg = rig_msg(BACKEND_OBJECT_PUT, "o", T);
	msg->stage = 10;
	msg->size = 1;
	rig_send(&rig, &call, msg);
	assert_int_equal(call.call.reply.err, ERR_BAD_REQUEST);
	backend_call_done(&call.call);
}

static enum err put_posted(const char *name, uint64_t ts, uint64_t meta_ts)
{
	struct backend_msg *msg = rig_put_msg(name, ts, 10);
	struct rig_call call;

	msg->meta_ts = meta_ts;
	rig_send(&rig, &call, msg);
	enum err err = call.call.reply.err;
	backend_call_done(&call.call);
	return err;
}

/* Copies come in any order; a POST never brings back what was deleted or replaced before it. */
static void bodies_and_tombstones_go_by_their_own_time(void **state)
{
	uint64_t ts;
	bool deleted;

	(void)state;
	assert_int_equal(rig_put(&rig, "gone", T + 3, 10), ERR_OK);
	assert_int_equal(rig_post(&rig, "gone", T + 7, "red"), ERR_OK);
	assert_int_equal(rig_delete(&rig, "gone", T + 5), ERR_OK);
	assert_int_equal(put_posted("gone", T + 3, T + 7), ERR_CONFLICT);
	assert_int_equal(put_posted("gone", T + 4, T + 9), ERR_CONFLICT);
	assert_int_equal(rig_put(&rig, "new", T + 5, 10), ERR_OK);
	assert_int_equal(put_posted("new", T + 3, T + 7), ERR_CONFLICT);
	assert_int_equal(rig_put(&rig, "old", T + 3, 10), ERR_OK);
	assert_int_equal(rig_post(&rig, "old", T + 7, "red"), ERR_OK);
	assert_int_equal(rig_put(&rig, "old", T + 5, 10), ERR_OK);
	assert_int_equal(put_posted("old", T + 3, T + 7), ERR_CONFLICT);
	assert_int_equal(put_posted("old", T + 5, T + 7), ERR_OK);
	assert_int_equal(rig_delete(&rig, "old", T + 5), ERR_CONFLICT);
	for (unsigned again = 0; again < 2; again++) {
		assert_int_equal(rig_version(&rig, "gone", &ts, &deleted), ERR_OK);
		assert_true(deleted);
		assert_int_equal(ts, T + 5);
		assert_int_equal(rig_version(&rig, "new", &ts, &deleted), ERR_OK);
		assert_int_equal(ts, T + 5);
		assert_int_equal(rig_version(&rig, "old", &ts, &deleted), ERR_OK);
		assert_int_equal(ts, T + 5);
		assert_false(deleted);
		reopen();
	}
}

int main(void)
{
#define T_(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	        T_(what_is_put_can_be_read),
	        T_(bodies_and_tombstones_go_by_their_own_time),
	        T_(large_bodies_come_in_pieces),
	        T_(last_writer_wins),
	        T_(post_replaces_headers_only),
	        T_(an_object_that_expires_is_told_apart),
	        T_(writes_of_one_key_take_turns),
	        T_(a_grant_is_one_writers),
	        T_(what_others_write_waits_for_a_lease),
	        T_(a_lease_that_ran_out_leaves_a_promise),
	        T_(a_delete_hears_of_who_replaced_something),
	        T_(a_lease_that_came_to_nothing_leaves_none),
	        T_(a_delete_older_than_the_last_post_ends_it),
	        T_(after_a_crash_who_writes_hears_of_what_may_be_promised),
	        T_(after_its_disk_was_replaced_nothing_older_comes),
	        T_(a_horizon_that_failed_is_none),
	        T_(without_a_durable_horizon_there_is_no_lease),
	        T_(updates_stay_open_until_settled),
	        T_(a_piece_may_lie_anywhere),
	        T_(an_upload_must_be_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
