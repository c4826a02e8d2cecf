#include "tests/lib/test.h"

#include "node/replicate_need.c"

#define OLD 50 /* tombstones before it may be gone */

enum { NONE, LIVE, DEAD, BAD };

static struct backend_key key_of(int what, uint64_t ts, uint64_t meta_ts)
{
	return (struct backend_key){
	        .ts = ts,
	        .meta_ts = meta_ts > ts ? meta_ts : ts,
	        .deleted = what == DEAD,
	        .corrupt = what == BAD,
	};
}

static void what_is_newer_is_brought(void **state)
{
	static const struct {
		int ours;
		uint64_t ts, meta_ts;
		int theirs;
		uint64_t their_ts, their_meta_ts;
		enum replicate_need need;
		bool differs;
	} cases[] = {
	        {LIVE, 60, 0, NONE, 0, 0, REPLICATE_WHOLE, true},
	        {LIVE, 10, 0, NONE, 0, 0, REPLICATE_WHOLE, true},
	        /* others have to bring it, and until they have it is lacking */
	        {BAD, 60, 0, NONE, 0, 0, REPLICATE_UNREADABLE, true},
	        {BAD, 60, 0, LIVE, 59, 0, REPLICATE_UNREADABLE, true},
	        {BAD, 60, 70, LIVE, 60, 0, REPLICATE_UNREADABLE, true},
	        {BAD, 60, 0, LIVE, 60, 0, REPLICATE_NOTHING, false},
	        {BAD, 59, 0, LIVE, 60, 0, REPLICATE_NOTHING, true},
	        {NONE, 0, 0, LIVE, 60, 0, REPLICATE_NOTHING, true},
	        {LIVE, 60, 0, LIVE, 60, 0, REPLICATE_NOTHING, false},
	        {LIVE, 60, 0, LIVE, 59, 0, REPLICATE_WHOLE, true},
	        {LIVE, 59, 0, LIVE, 60, 0, REPLICATE_NOTHING, true},
	        /* tombstones */
	        {DEAD, 60, 0, NONE, 0, 0, REPLICATE_WHOLE, true},
	        {DEAD, 49, 0, NONE, 0, 0, REPLICATE_NOTHING, false},
	        {NONE, 0, 0, DEAD, 49, 0, REPLICATE_NOTHING, false},
	        {DEAD, 49, 0, LIVE, 40, 0, REPLICATE_WHOLE, true},
	        {LIVE, 40, 0, DEAD, 49, 0, REPLICATE_NOTHING, true},
	        {DEAD, 60, 0, DEAD, 55, 0, REPLICATE_WHOLE, true},
	        {LIVE, 61, 0, DEAD, 60, 0, REPLICATE_WHOLE, true},
	        /* a POST to what was deleted meanwhile is nothing */
	        {DEAD, 60, 0, LIVE, 55, 65, REPLICATE_WHOLE, true},
	        {LIVE, 55, 65, DEAD, 60, 0, REPLICATE_NOTHING, true},
	        /* a POST that they missed; a body that they missed, which ends the POSTs before */
	        {LIVE, 60, 70, LIVE, 60, 0, REPLICATE_METADATA, true},
	        {LIVE, 60, 70, LIVE, 60, 65, REPLICATE_METADATA, true},
	        {LIVE, 60, 70, LIVE, 55, 70, REPLICATE_WHOLE, true},
	        {LIVE, 60, 0, LIVE, 55, 70, REPLICATE_WHOLE, true},
	        {LIVE, 55, 70, LIVE, 60, 0, REPLICATE_NOTHING, true},
	};

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(cases); i++) {
		struct backend_key a = key_of(cases[i].ours, cases[i].ts, cases[i].meta_ts);
		struct backend_key b =
		        key_of(cases[i].theirs, cases[i].their_ts, cases[i].their_meta_ts);
		const struct backend_key *ours = cases[i].ours ? &a : NULL;
		const struct backend_key *theirs = cases[i].theirs ? &b : NULL;
		print_message("case %u\n", i);
		assert_int_equal(replicate_need(ours, theirs, OLD), cases[i].need);
		assert_int_equal(replicate_differs(ours, theirs, OLD), cases[i].differs);
		assert_int_equal(replicate_differs(theirs, ours, OLD), cases[i].differs);
	}
}

static void what_a_device_that_is_filled_lacks(void **state)
{
	static const struct {
		int ours;
		uint64_t ts, meta_ts;
		int theirs;
		uint64_t their_ts, their_meta_ts;
		bool lacks;
	} cases[] = {
	        {NONE, 0, 0, LIVE, 60, 0, true},
	        {NONE, 0, 0, LIVE, 99, 0, true},
	        {NONE, 0, 0, LIVE, 100, 0, false}, /* written since: it is as any that missed it */
	        {NONE, 0, 0, BAD, 60, 0, false},
	        {NONE, 0, 0, DEAD, 60, 0, true},
	        {NONE, 0, 0, DEAD, 49, 0, false}, /* so old that it may be gone elsewhere */
	        {LIVE, 60, 0, NONE, 0, 0, false},
	        {LIVE, 60, 0, LIVE, 60, 0, false},
	        {LIVE, 60, 0, LIVE, 61, 0, true},
	        {LIVE, 61, 0, LIVE, 60, 0, false},
	        {LIVE, 60, 0, DEAD, 61, 0, true},
	        {LIVE, 60, 0, LIVE, 60, 70, true},
	        {LIVE, 60, 0, LIVE, 60, 100, false},
	        {LIVE, 61, 0, LIVE, 60, 70, false},
	        {DEAD, 61, 0, LIVE, 60, 70, false},
	        {LIVE, 60, 70, LIVE, 61, 0, true},
	};

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(cases); i++) {
		struct backend_key a = key_of(cases[i].ours, cases[i].ts, cases[i].meta_ts);
		struct backend_key b =
		        key_of(cases[i].theirs, cases[i].their_ts, cases[i].their_meta_ts);
		print_message("case %u\n", i);
		assert_int_equal(replicate_lacks(cases[i].ours ? &a : NULL,
		                         cases[i].theirs ? &b : NULL, OLD, 100),
		        cases[i].lacks);
	}
}

static void another_ones_fragment(void **state)
{
	struct backend_key good = key_of(LIVE, 60, 0), bad = good, posted = key_of(LIVE, 60, 70),
	                   newer = key_of(LIVE, 61, 0);

	(void)state;
	bad.misplaced = 1;
	assert_int_equal(replicate_need(&good, &bad, OLD), REPLICATE_WHOLE);
	assert_int_equal(replicate_need(&bad, &good, OLD), REPLICATE_NOTHING);
	assert_int_equal(replicate_need(&bad, &bad, OLD), REPLICATE_WHOLE);
	assert_int_equal(replicate_need(&posted, &bad, OLD), REPLICATE_WHOLE);
	assert_int_equal(replicate_need(&newer, &bad, OLD), REPLICATE_WHOLE);
	assert_true(replicate_differs(&good, &bad, OLD) && replicate_differs(&bad, &bad, OLD));
	/* Its metadata comes first. */
	bad.meta_ts = 70;
	assert_int_equal(replicate_need(&good, &bad, OLD), REPLICATE_NOTHING);
	assert_int_equal(replicate_need(&bad, &good, OLD), REPLICATE_METADATA);
}

/* What objectd makes of what is brought. */
static void bring(struct backend_key *to, const struct backend_key *from, enum replicate_need need)
{
	if (need == REPLICATE_WHOLE)
		*to = *from;
	else if (need == REPLICATE_METADATA)
		to->meta_ts = from->meta_ts;
}

/* Whatever three replicas begin with, some rounds of pairs make them equal to the newest body or
 * tombstone, with the newest POST to that. */
static void any_three_become_equal(void **state)
{
	static const struct backend_key kinds[] = {
	        {.ts = 60, .meta_ts = 60},
	        {.ts = 60, .meta_ts = 75},
	        {.ts = 65, .meta_ts = 65},
	        {.ts = 65, .meta_ts = 70},
	        {.ts = 62, .meta_ts = 62, .deleted = 1},
	        {.ts = 72, .meta_ts = 72, .deleted = 1},
	};
	struct backend_key r[3];

	(void)state;
	for (unsigned n = 0; n < 6 * 6 * 6; n++) {
		struct backend_key newest = {0};
		for (unsigned i = 0, left = n; i < 3; i++, left /= 6) {
			r[i] = kinds[left % 6];
			if (r[i].ts > newest.ts ||
			        (r[i].ts == newest.ts && r[i].meta_ts > newest.meta_ts))
				newest = r[i];
		}
		for (unsigned round = 0; round < 4; round++) {
			for (unsigned i = 0; i < 9; i++) {
				struct backend_key *to = &r[i % 3], *from = &r[i / 3];
				bring(to, from, replicate_need(from, to, OLD));
			}
		}
		for (unsigned i = 0; i < 3; i++) {
			assert_int_equal(r[i].ts, newest.ts);
			assert_int_equal(r[i].meta_ts, newest.meta_ts);
			assert_false(replicate_differs(&r[i], &r[0], OLD));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(what_is_newer_is_brought),
	        cmocka_unit_test(what_a_device_that_is_filled_lacks),
	        cmocka_unit_test(another_ones_fragment),
	        cmocka_unit_test(any_three_become_equal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
