/* Fragments of objects: drafts, their commit, and what POST, DELETE and a crash do to them. */
#include "tests/lib/test.h"

#include "lib/base/kv.h"
#include "tests/lib/objects_rig.c"

#define T 170000000000000ull

static struct rig rig;
static uint8_t own; /* the number that fragments should have here */

static uint8_t fragment_of(void *owner, uint8_t policy, uint64_t prefix, unsigned bits)
{
	(void)owner;
	(void)prefix;
	return policy == 0 && bits >= 8 ? own : 0;
}

static int setup(void **state)
{
	(void)state;
	own = 0;
	rig_init(&rig, 4 << 20);
	rig.fragment_of = fragment_of;
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

static enum err put_as(const char *name, uint64_t ts, size_t len, bool draft, uint8_t index)
{
	struct backend_msg *msg = rig_put_msg(name, ts, len);

	msg->draft = draft;
	msg->fragment = (struct fragment){
	        .k = index < 6 ? 4 : 20, .m = index < 6 ? 2 : 8, .index = index, .size = len * 4};
	return send_plain(&rig, msg);
}

static enum err put(const char *name, uint64_t ts, size_t len, bool draft)
{
	return put_as(name, ts, len, draft, 3);
}

static enum err plain(enum backend_op op, const char *name, uint64_t ts)
{
	return send_plain(&rig, rig_msg(op, name, ts));
}

/* What a GET gives: of the newest (ts 0), or of exactly that version. */
struct seen {
	enum err err;
	uint64_t ts, meta_ts, draft_ts, drafts[BACKEND_DRAFTS];
	struct fragment fragment;
	bool deleted, posted, whole, own;
};

static struct seen look(const char *name, uint64_t ts)
{
	struct rig_call call;
	struct backend_msg *msg = rig_msg(BACKEND_OBJECT_GET, name, ts);
	struct backend_reply *r = &call.call.reply;

	msg->draft = ts;
	msg->len = UINT64_MAX;
	rig_send(&rig, &call, msg);
	struct seen seen = {.err = r->err,
	        .ts = r->ts,
	        .meta_ts = r->meta_ts,
	        .draft_ts = r->draft_ts,
	        .fragment = r->fragment,
	        .deleted = r->deleted};
	memcpy(seen.drafts, r->drafts, sizeof(seen.drafts));
	if (!r->err) {
		uint64_t of = r->draft_ts ? r->draft_ts : r->ts;
		uint8_t *want = malloc(r->size + 1);
		rig_pattern(name, of, want, r->size);
		seen.whole =
		        r->body_len == r->size &&
		        (!r->size || memcmp(r->body->data + r->body_offset, want, r->size) == 0);
		seen.posted = kv_get(r->headers.data, r->headers.len, "X-Object-Meta-Posted");
		seen.own = kv_get(r->headers.data, r->headers.len, "X-Backend-Fragment");
		free(want);
	}
	backend_call_done(&call.call);
	return seen;
}

static void a_draft_stays_beside_the_version(void **state)
{
	static const size_t sizes[] = {0, 500, 300000};
	char name[8];

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(sizes); i++) {
		snprintf(name, sizeof(name), "o%u", i);
		assert_int_equal(put(name, T, sizes[i], true), ERR_OK);
		assert_int_equal(plain(BACKEND_OBJECT_COMMIT, name, T), ERR_OK);
		assert_int_equal(put(name, T + 5, sizes[i] + 1, true), ERR_OK);
	}
	for (int again = 0; again < 2; again++) {
		for (unsigned i = 0; i < COUNT_OF(sizes); i++) {
			snprintf(name, sizeof(name), "o%u", i);
			struct seen s = look(name, 0);
			assert_int_equal(s.err, ERR_OK);
			assert_int_equal(s.draft_ts, T + 5);
			assert_int_equal(s.drafts[0], T + 5);
			assert_int_equal(s.drafts[1], 0);
			assert_true(s.whole);
			s = look(name, T);
			assert_int_equal(s.err, ERR_OK);
			assert_int_equal(s.draft_ts, 0);
			assert_int_equal(s.ts, T);
			assert_int_equal(s.fragment.index, 3);
			assert_int_equal(s.fragment.size, sizes[i] * 4);
			assert_true(s.whole && !s.own);
		}
		reopen();
	}
}

static void commit_makes_it_the_version(void **state)
{
	(void)state;
	assert_int_equal(put("a", T, 1000, true), ERR_OK);
	assert_int_equal(put("b", T, 300000, true), ERR_OK);
	assert_int_equal(plain(BACKEND_OBJECT_COMMIT, "a", T), ERR_OK);
	assert_int_equal(plain(BACKEND_OBJECT_COMMIT, "b", T), ERR_OK);
	for (int again = 0; again < 2; again++) {
		for (const char *name = "a"; name; name = *name == 'a' ? "b" : NULL) {
			struct seen s = look(name, 0);
			assert_int_equal(s.err, ERR_OK);
			assert_int_equal(s.ts, T);
			assert_int_equal(s.draft_ts, 0);
			assert_int_equal(s.drafts[0], 0);
			assert_true(s.whole);
			assert_int_equal(s.fragment.k, 4);
		}
		reopen();
	}
	/* Again is harmless; of what is not there it says so. */
	assert_int_equal(plain(BACKEND_OBJECT_COMMIT, "a", T), ERR_OK);
	assert_int_equal(plain(BACKEND_OBJECT_COMMIT, "a", T - 1), ERR_CONFLICT);
	assert_int_equal(plain(BACKEND_OBJECT_COMMIT, "a", T + 1), ERR_NOT_FOUND);
	assert_int_equal(put("a", T, 1000, true), ERR_CONFLICT);
}

static void a_dropped_draft_is_gone(void **state)
{
	(void)state;
	assert_int_equal(put("a", T, 1000, true), ERR_OK);
	assert_int_equal(put("a", T + 9, 2000, true), ERR_OK);
	assert_int_equal(plain(BACKEND_OBJECT_DROP, "a", T + 9), ERR_OK);
	for (int again = 0; again < 2; again++) {
		struct seen s = look("a", 0);
		assert_int_equal(s.draft_ts, T);
		assert_int_equal(s.drafts[1], 0);
		reopen();
	}
	assert_int_equal(look("a", T + 9).err, ERR_NOT_FOUND);
	assert_int_equal(plain(BACKEND_OBJECT_COMMIT, "a", T + 9), ERR_NOT_FOUND);
	assert_int_equal(plain(BACKEND_OBJECT_COMMIT, "a", T), ERR_OK);
}

static void drafts_are_kept_apart_and_bounded(void **state)
{
	static const unsigned order[] = {3, 1, 2};

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(put("a", T + order[i], 10 * order[i], true), ERR_OK);
	for (unsigned i = 4; i <= BACKEND_DRAFTS; i++)
		assert_int_equal(put("a", T + 10 + i, 10, true), ERR_OK);
	assert_int_equal(put("a", T + 4, 40, true), ERR_BUSY);
	assert_int_equal(put("a", T + 2, 20, true), ERR_OK); /* the same again */
	for (int again = 0; again < 2; again++) {
		struct seen s = look("a", 0);
		assert_int_equal(s.drafts[0], T + 10 + BACKEND_DRAFTS);
		assert_int_equal(s.drafts[BACKEND_DRAFTS - 1], T + 1);
		assert_int_equal(s.drafts[BACKEND_DRAFTS - 2], T + 2);
		assert_true(look("a", T + 1).whole && look("a", T + 2).whole);
		reopen();
	}
	/* A committed one ends those that are not newer. */
	assert_int_equal(plain(BACKEND_OBJECT_COMMIT, "a", T + 2), ERR_OK);
	for (int again = 0; again < 2; again++) {
		struct seen s = look("a", 0);
		assert_int_equal(s.ts, T + 2);
		assert_int_equal(s.drafts[BACKEND_DRAFTS - 3], T + 3);
		assert_int_equal(s.drafts[BACKEND_DRAFTS - 2], 0);
		reopen();
	}
	assert_int_equal(put("a", T + 5, 40, true), ERR_OK);
}

/* Two writers with the same time, and one who is far too late. */
static void a_writer_is_refused(void **state)
{
	(void)state;
	assert_int_equal(put("a", T, 1000, true), ERR_OK);
	struct backend_msg *msg = rig_put_msg("a", T, 1000);
	msg->draft = true;
	msg->handle = 7;
	msg->fragment = (struct fragment){.k = 4, .m = 2, .index = 3, .size = 4000};
	assert_int_equal(send_plain(&rig, msg), ERR_CONFLICT);
	msg = rig_put_msg("a", T + 1, 1000);
	msg->draft = true;
	msg->handle = 7;
	msg->fragment = (struct fragment){.k = 4, .m = 2, .index = 3, .size = 4000};
	rig.env.wall_us += (BACKEND_DRAFT_S + 1) * 1000000ull;
	assert_int_equal(send_plain(&rig, msg), ERR_DEADLINE);
	assert_int_equal(put("a", T + 2, 1000, true), ERR_OK); /* a repair is not */
}

static struct backend_msg *decided(enum backend_op op, uint64_t holder)
{
	struct backend_msg *msg = rig_msg(op, "b", T);

	msg->stage = op == BACKEND_OBJECT_DROP ? 0 : holder;
	msg->handle = holder;
	msg->under_lease = op == BACKEND_OBJECT_DROP;
	return msg;
}

/* Another writer's of the same time is not made the version by ours. */
static void a_commit_names_its_body(void **state)
{
	static const uint8_t other[16] = {1, 2, 3};

	(void)state;
	assert_int_equal(put("b", T, 1000, true), ERR_OK);
	struct backend_msg *msg = rig_msg(BACKEND_OBJECT_COMMIT, "b", T);
	memcpy(msg->etag, other, 16);
	assert_int_equal(send_plain(&rig, msg), ERR_NOT_FOUND);
	assert_int_equal(look("b", 0).drafts[0], T);
	struct backend_msg *its = rig_put_msg("b", T, 1000);
	msg = rig_msg(BACKEND_OBJECT_COMMIT, "b", T);
	memcpy(msg->etag, its->etag, 16);
	backend_msg_unref(its);
	assert_int_equal(send_plain(&rig, msg), ERR_OK);
	assert_int_equal(look("b", 0).drafts[0], 0);
}

/* Its time is from elsewhere: what counts is who has the key. */
static void what_is_brought_is_never_late(void **state)
{
	(void)state;
	rig.env.wall_us += (BACKEND_DRAFT_S + 1) * 1000000ull;
	assert_int_equal(put("b", T, 1000, true), ERR_OK);
	assert_int_equal(send_plain(&rig, decided(BACKEND_OBJECT_GRANT, 7)), ERR_NOT_FOUND);
	for (uint64_t holder = 7; holder <= 8; holder++) {
		struct backend_msg *msg = rig_put_msg("b", T, 1000);
		msg->draft = msg->under_lease = true;
		msg->lease = holder;
		msg->fragment = (struct fragment){.k = 4, .m = 2, .index = 3, .size = 4000};
		assert_int_equal(send_plain(&rig, msg), holder == 7 ? ERR_OK : ERR_BUSY);
	}
	assert_int_equal(send_plain(&rig, decided(BACKEND_OBJECT_DROP, 8)), ERR_BUSY);
	assert_int_equal(look("b", 0).drafts[0], T);
	assert_int_equal(send_plain(&rig, decided(BACKEND_OBJECT_DROP, 7)), ERR_OK);
	assert_int_equal(look("b", 0).drafts[0], 0);
}

static struct backend_msg *completed(uint64_t ts, uint64_t lease)
{
	struct backend_msg *msg = rig_put_msg("o", ts, 100);

	msg->draft = true;
	msg->fragment = (struct fragment){.k = 4, .m = 2, .index = 3, .size = 400};
	msg->lease = lease;
	return msg;
}

/* A conditional writer has seen that there is no such version: no reader makes it one any more. */
static void a_reader_completes_no_draft_behind_a_lease(void **state)
{
	struct backend_msg *grant = rig_msg(BACKEND_OBJECT_GRANT, "o", T + 5),
	                   *release = rig_msg(BACKEND_OBJECT_RELEASE, "o", T + 5);
	struct rig_call late;

	(void)state;
	grant->stage = release->stage = 7;
	assert_int_equal(send_plain(&rig, grant), ERR_NOT_FOUND);
	rig_start(&rig, &late, completed(T + 1, 0));
	assert_int_equal(send_plain(&rig, completed(T, 7)), ERR_OK); /* its own reader's */
	assert_false(late.call.answered);
	assert_int_equal(send_plain(&rig, release), ERR_OK);
	rig_wait(&rig, &late);
	assert_int_equal(late.call.reply.err, ERR_BUSY);
	backend_call_done(&late.call);
	struct seen s = look("o", 0);
	assert_int_equal(s.drafts[0], T);
	assert_int_equal(s.drafts[1], 0);
	rig_sleep(&rig, 61000000);
	assert_int_equal(send_plain(&rig, completed(T + 1, 0)), ERR_OK);
}

/* Its writer is told that it may have been an object before. */
static void a_delete_says_what_draft_it_ended(void **state)
{
	struct rig_call late;

	(void)state;
	assert_int_equal(put("o", T - 5, 100, false), ERR_OK);
	assert_int_equal(
	        send_plain(&rig, completed(T, 0)), ERR_OK); /* a reader's, of who is late */
	assert_int_equal(put("o", T + 9, 100, true), ERR_OK);
	assert_int_equal(rig_delete(&rig, "o", T + 5), ERR_OK);
	rig_send(&rig, &late, completed(T, 0));
	assert_int_equal(late.call.reply.err, ERR_CONFLICT);
	assert_true(late.call.reply.deleted);
	assert_int_equal(late.call.reply.size, T);
	backend_call_done(&late.call);
}

static void a_delete_ends_older_drafts(void **state)
{
	(void)state;
	assert_int_equal(put("a", T, 1000, true), ERR_OK);
	assert_int_equal(put("a", T + 9, 1000, true), ERR_OK);
	assert_int_equal(rig_delete(&rig, "a", T + 5), ERR_NOT_FOUND);
	for (int again = 0; again < 2; again++) {
		struct seen s = look("a", T);
		assert_int_equal(s.err, ERR_NOT_FOUND);
		assert_true(s.deleted);
		assert_int_equal(s.drafts[0], T + 9);
		reopen();
	}
	assert_int_equal(put("a", T + 1, 1000, true), ERR_CONFLICT);
}

static void a_post_keeps_the_fragment(void **state)
{
	(void)state;
	assert_int_equal(put("a", T, 1000, true), ERR_OK);
	assert_int_equal(rig_post(&rig, "a", T + 1, "x"), ERR_NOT_FOUND);
	assert_int_equal(plain(BACKEND_OBJECT_COMMIT, "a", T), ERR_OK);
	assert_int_equal(rig_post(&rig, "a", T + 2, "x"), ERR_OK);
	struct seen s = look("a", 0);
	assert_true(s.posted && s.whole);
	assert_int_equal(s.fragment.index, 3);
	assert_int_equal(s.meta_ts, T + 2);
}

/* The POST came to the version before: it goes with that. */
static void a_post_between_draft_and_commit(void **state)
{
	(void)state;
	assert_int_equal(put("a", T, 1000, true), ERR_OK);
	assert_int_equal(plain(BACKEND_OBJECT_COMMIT, "a", T), ERR_OK);
	assert_int_equal(put("a", T + 5, 300000, true), ERR_OK);
	assert_int_equal(rig_post(&rig, "a", T + 9, "x"), ERR_OK);
	assert_int_equal(plain(BACKEND_OBJECT_COMMIT, "a", T + 5), ERR_OK);
	for (int again = 0; again < 2; again++) {
		struct seen s = look("a", 0);
		assert_int_equal(s.ts, T + 5);
		assert_int_equal(s.meta_ts, T + 5);
		assert_int_equal(s.fragment.size, 1200000);
		assert_true(!s.posted && s.whole);
		reopen();
	}
}

static void updates_of_a_draft_are_settled(void **state)
{
	struct rig_call call;
	struct backend_msg *msg;
	struct backend_settled *settled;

	(void)state;
	assert_int_equal(put("a", T, 1000, true), ERR_OK);
	assert_int_equal(plain(BACKEND_OBJECT_COMMIT, "a", T), ERR_OK);
	assert_int_equal(objectd_unsettled_count(rig.objectd), 1);
	msg = rig_msg(BACKEND_OBJECT_SETTLED, "a", T);
	settled = backend_msg_alloc(msg, sizeof(*settled));
	*settled = (struct backend_settled){.ts = T};
	memcpy(settled->key, msg->key, 16);
	msg->settled = settled;
	msg->settled_count = 1;
	rig_send(&rig, &call, msg);
	backend_call_done(&call.call);
	assert_int_equal(objectd_unsettled_count(rig.objectd), 0);
	rig_sleep(&rig, 2000000);
	reopen();
	assert_int_equal(objectd_unsettled_count(rig.objectd), 0);
}

/* Space comes back: drafts that were committed and deleted leave nothing behind. */
static void space_is_given_back(void **state)
{
	struct device_stats stats;
	char name[16];

	(void)state;
	for (int i = 0; i < 8; i++) {
		snprintf(name, sizeof(name), "o%d", i);
		assert_int_equal(put(name, T, 900000, true), ERR_OK);
		assert_int_equal(plain(BACKEND_OBJECT_COMMIT, name, T), ERR_OK);
	}
	device_stats(rig.device, &stats);
	assert_true(stats.live_bytes < 8 * 910000);
	assert_int_equal(stats.objects, 8);
	for (int i = 0; i < 8; i++) {
		snprintf(name, sizeof(name), "o%d", i);
		assert_int_equal(rig_delete(&rig, name, T + 1), ERR_OK);
	}
	for (int again = 0; again < 2; again++) {
		device_stats(rig.device, &stats);
		assert_true(stats.live_bytes < 100000);
		reopen();
	}
}

/* By the index in memory. */
static unsigned number_of(const char *name)
{
	struct backend_msg *msg = rig_msg(BACKEND_OBJECT_VERSION, name, 0);
	struct device_version version;

	assert_int_equal(device_find(rig.device, 0, msg->key, &version), ERR_OK);
	backend_msg_unref(msg);
	return version.fragment;
}

static void the_index_knows_which_fragment_it_is(void **state)
{
	struct device_stats stats;
	char name[16];

	(void)state;
	rig_close(&rig);
	rig.options.compact_rate = 64 << 20;
	assert_int_equal(rig_open(&rig), ERR_OK);
	assert_int_equal(rig_put(&rig, "whole", T, 100), ERR_OK);
	assert_int_equal(put("a", T, 100, false), ERR_OK);
	assert_int_equal(put("b", T, 300000, true), ERR_OK);
	assert_int_equal(plain(BACKEND_OBJECT_COMMIT, "b", T), ERR_OK);
	assert_int_equal(put_as("c", T, 100, false, 27), ERR_OK);
	assert_int_equal(rig_post(&rig, "c", T + 1, "x"), ERR_OK);
	/* Over many units, of which most is dead soon. */
	for (unsigned i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "o%u", i % 10);
		assert_int_equal(put(name, T + i, 60000, false), ERR_OK);
		for (struct device_unsettled u = {0}; device_next_unsettled(rig.device, u.lsn, &u);)
			device_settled(rig.device, 0, u.key, u.ts);
		if (i % 50 == 49)
			rig_sleep(&rig, 4000000);
	}
	device_stats(rig.device, &stats);
	assert_true(stats.moved > 3 && stats.freed_units > 2);
	for (int again = 0; again < 3; again++) {
		assert_int_equal(number_of("whole"), 0);
		assert_int_equal(number_of("a"), 4);
		assert_int_equal(number_of("b"), 4);
		assert_int_equal(number_of("c"), 28);
		assert_int_equal(number_of("o7"), 4);
		reopen();
	}
}

struct told {
	bool misplaced, in_keys;
	struct backend_digest digest;
};

static struct told told_of(const char *name)
{
	struct rig_call call;
	struct told told = {0};
	struct backend_key key;
	uint64_t range;

	rig_send(&rig, &call, rig_msg(BACKEND_OBJECT_VERSION, name, 0));
	told.misplaced = call.call.reply.more;
	range = (uint64_t)call.call.msg->key[0] << 56;
	backend_call_done(&call.call);
	for (unsigned keys = 0; keys < 2; keys++) {
		struct backend_msg *msg = backend_msg_new(
		        keys ? BACKEND_OBJECT_KEYS : BACKEND_OBJECT_DIGEST, BACKEND_OBJECT);
		msg->ranges = &range;
		msg->range_count = 1;
		msg->range_bits = 8;
		rig_send(&rig, &call, msg);
		const struct buf *items = &call.call.reply.items;
		if (keys) {
			assert_int_equal(items->len, sizeof(key));
			memcpy(&key, items->data, sizeof(key));
			told.in_keys = key.misplaced;
		} else {
			memcpy(&told.digest, items->data, sizeof(told.digest));
		}
		backend_call_done(&call.call);
	}
	return told;
}

static bool same_digest(const struct told *a, const struct told *b)
{
	return memcmp(&a->digest, &b->digest, sizeof(a->digest)) == 0;
}

static void another_ones_is_told_apart_and_replaced(void **state)
{
	static const size_t sizes[] = {100, 300000};

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(sizes); i++) {
		const char *name = i ? "b" : "a";
		own = 4;
		assert_int_equal(put(name, T, sizes[i], false), ERR_OK);
		struct told good = told_of(name);
		assert_false(good.misplaced || good.in_keys);
		assert_int_equal(put_as(name, T, sizes[i], false, 1), ERR_CONFLICT);
		own = 0; /* nobody knows */
		struct told unknown = told_of(name);
		assert_false(unknown.misplaced || unknown.in_keys);
		assert_true(same_digest(&good, &unknown));
		assert_int_equal(put_as(name, T, sizes[i], false, 1), ERR_CONFLICT);
		own = 2;
		struct told bad = told_of(name);
		assert_true(bad.misplaced && bad.in_keys);
		assert_false(same_digest(&good, &bad));
		assert_int_equal(put_as(name, T, sizes[i], false, 5), ERR_CONFLICT);
		assert_int_equal(rig_put(&rig, name, T, 10), ERR_CONFLICT);
		assert_int_equal(put_as(name, T - 1, sizes[i], false, 1), ERR_CONFLICT);
		assert_int_equal(put_as(name, T, sizes[i], false, 1), ERR_OK);
		for (unsigned again = 0; again < 2; again++) {
			struct told mended = told_of(name);
			assert_false(mended.misplaced || mended.in_keys);
			assert_true(same_digest(&good, &mended));
			assert_int_equal(look(name, 0).fragment.index, 1);
			assert_true(look(name, 0).whole);
			reopen();
		}
		/* A tombstone is everybody's. */
		own = 3;
		assert_int_equal(rig_delete(&rig, name, T + 1), ERR_OK);
		assert_false(told_of(name).misplaced || told_of(name).in_keys);
	}
	struct device_stats stats;
	device_stats(rig.device, &stats);
	assert_true(stats.live_bytes < 100000);
}

int main(void)
{
#define T_(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	        T_(a_draft_stays_beside_the_version),
	        T_(commit_makes_it_the_version),
	        T_(a_dropped_draft_is_gone),
	        T_(drafts_are_kept_apart_and_bounded),
	        T_(a_writer_is_refused),
	        T_(a_commit_names_its_body),
	        T_(what_is_brought_is_never_late),
	        T_(a_reader_completes_no_draft_behind_a_lease),
	        T_(a_delete_says_what_draft_it_ended),
	        T_(a_delete_ends_older_drafts),
	        T_(a_post_keeps_the_fragment),
	        T_(a_post_between_draft_and_commit),
	        T_(updates_of_a_draft_are_settled),
	        T_(space_is_given_back),
	        T_(the_index_knows_which_fragment_it_is),
	        T_(another_ones_is_told_apart_and_replaced),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
