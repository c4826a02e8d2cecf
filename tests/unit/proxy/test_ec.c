/* Erasure-coded objects: what is lost, cut off, and away. */
#include "tests/lib/ec_rig.h"

static void any_two_may_be_lost(void **state)
{
	static const size_t sizes[] = {
	        0, 1, 64, 257, 70000, 131072, 131073, 1 << 20, 4 << 20, (4 << 20) + 1, 9000001};

	(void)state;
	for (unsigned s = 0; s < COUNT_OF(sizes); s++) {
		size_t size = sizes[s];
		net.down = 0;
		assert_int_equal(put(1 + s % 8, size), ERR_OK);
		for (unsigned a = 0; a < DEVICES; a++) {
			for (unsigned b = 0; b <= a; b++) {
				net.down = 1u << a | 1u << b;
				if (size)
					assert_int_equal(version(size), 1 + s % 8);
				else
					assert_int_equal(read_range(0, UINT64_MAX), ERR_OK);
			}
		}
		net.down = 0x7;
		assert_int_equal(read_range(0, UINT64_MAX), ERR_UNAVAILABLE);
	}
}

static void ranges_of_what_is_left(void **state)
{
	size_t size = 9000001;
	static const uint64_t ranges[][2] = {{0, 1}, {0, 200000}, {1048570, 20}, {4194300, 100},
	        {3000000, 3000000}, {8388600, 611401}, {9000000, 1}};
	uint8_t *want = body_of(3, size);

	(void)state;
	assert_int_equal(put(3, size), ERR_OK);
	for (unsigned lost = 0; lost < 7; lost++) {
		net.down = keeping(lost);
		if (__builtin_popcount(net.down) > 2)
			continue;
		for (unsigned i = 0; i < COUNT_OF(ranges); i++) {
			assert_int_equal(read_range(ranges[i][0], ranges[i][1]), ERR_OK);
			assert_int_equal(seen.got.len, ranges[i][1]);
			assert_memory_equal(seen.got.data, want + ranges[i][0], seen.got.len);
		}
	}
	free(want);
}

static void a_range_asks_one_device(void **state)
{
	(void)state;
	assert_int_equal(put(3, 9000001), ERR_OK);
	memset(net.sent, 0, sizeof(net.sent));
	assert_int_equal(read_range(5000000, 1000), ERR_OK);
	/* Headers from one, the bytes from one. */
	assert_int_equal(net.sent[BACKEND_OBJECT_GET], 2);
	assert_int_equal(net.sent[BACKEND_OBJECT_READ], 0);
}

static void commit_was_lost(void **state)
{
	(void)state;
	assert_int_equal(put(1, 5000), ERR_OK);
	net.refused[BACKEND_OBJECT_COMMIT] = 0x3f;
	assert_int_equal(put(2, 5000), ERR_OK); /* k + 1 drafts are durable */
	assert_int_equal(knowing(true, false), 6);
	net.refused[BACKEND_OBJECT_COMMIT] = 0;
	assert_int_equal(version(5000), 2);
	assert_int_equal(knowing(true, false), 0);
	net.down = 0x21;
	assert_int_equal(version(5000), 2);
}

/* Exactly k fragments, nobody was told: the reader makes more before it answers. */
static void a_draft_on_k(void **state)
{
	static const size_t sizes[] = {5000, 5000000};

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(sizes); i++) {
		memset(net.refused, 0, sizeof(net.refused));
		assert_int_equal(put(1, sizes[i]), ERR_OK);
		net.refused[BACKEND_OBJECT_PUT] = keeping(0x09);
		assert_int_equal(put(2, sizes[i]), ERR_UNAVAILABLE);
		net.refused[BACKEND_OBJECT_PUT] = 0;
		assert_int_equal(knowing(true, false), 4);
		assert_int_equal(version(sizes[i]), 2);
		assert_int_equal(knowing(true, false), 0);
		net.down = keeping(0x06);
		assert_int_equal(version(sizes[i]), 2);
		net.down = 0;
		assert_int_equal(change(BACKEND_OBJECT_DELETE, NULL), ERR_OK);
	}
}

static void a_draft_on_k_and_no_more_can_be_made(void **state)
{
	(void)state;
	assert_int_equal(put(1, 5000), ERR_OK);
	net.refused[BACKEND_OBJECT_PUT] = keeping(0x30);
	assert_int_equal(put(2, 5000), ERR_UNAVAILABLE);
	net.refused[BACKEND_OBJECT_PUT] = 0;
	net.down = keeping(0x30);
	assert_int_equal(version(5000), -1);
	net.down = 0;
	assert_int_equal(version(5000), 2);
}

static void a_draft_that_cannot_be_completed(void **state)
{
	(void)state;
	assert_int_equal(put(1, 5000), ERR_OK);
	net.refused[BACKEND_OBJECT_PUT] = keeping(0x38);
	assert_int_equal(put(2, 5000), ERR_UNAVAILABLE);
	net.refused[BACKEND_OBJECT_PUT] = 0;
	assert_int_equal(knowing(true, false), 3);
	assert_int_equal(version(5000), 1); /* all answered: three are too few */
	net.down = keeping(0x08);
	assert_int_equal(version(5000), -1); /* it might have the fourth */
	net.down = keeping(0x01);
	assert_int_equal(version(5000), 1); /* two, and one that has at most a third */
}

static void a_draft_too_small_for_those_unreachable(void **state)
{
	(void)state;
	assert_int_equal(put(1, 5000), ERR_OK);
	net.refused[BACKEND_OBJECT_PUT] = keeping(0x3e);
	assert_int_equal(put(2, 5000), ERR_UNAVAILABLE);
	net.refused[BACKEND_OBJECT_PUT] = 0;
	net.down = keeping(0x30);
	assert_int_equal(version(5000), 1); /* one and two are not four */
}

static void a_draft_of_nothing_before(void **state)
{
	(void)state;
	net.refused[BACKEND_OBJECT_PUT] = keeping(0x0e);
	assert_int_equal(put(2, 5000), ERR_UNAVAILABLE);
	net.refused[BACKEND_OBJECT_PUT] = 0;
	assert_int_equal(version(5000), 0);
	net.down = keeping(0x02);
	assert_int_equal(version(5000), -1);
}

/* A newer draft that is dead hides no older one that was acknowledged. */
static void a_dead_draft_over_an_acknowledged_one(void **state)
{
	(void)state;
	assert_int_equal(put(1, 5000), ERR_OK);
	net.refused[BACKEND_OBJECT_COMMIT] = 0x3f;
	net.refused[BACKEND_OBJECT_PUT] = keeping(0x02);
	assert_int_equal(put(2, 5000), ERR_OK);
	net.refused[BACKEND_OBJECT_PUT] = keeping(0x3a);
	assert_int_equal(put(3, 5000), ERR_UNAVAILABLE);
	memset(net.refused, 0, sizeof(net.refused));
	assert_int_equal(version(5000), 2);
	net.down = keeping(0x04);
	assert_int_equal(version(5000), 2);
}

static void a_delete_that_was_cut_off(void **state)
{
	(void)state;
	assert_int_equal(put(1, 5000), ERR_OK);
	net.refused[BACKEND_OBJECT_DELETE] = keeping(0x0f);
	assert_int_equal(change(BACKEND_OBJECT_DELETE, NULL), ERR_UNAVAILABLE);
	assert_int_equal(knowing(false, true), 2);
	assert_int_equal(version(5000), -1); /* it can be neither completed nor ignored */
	net.refused[BACKEND_OBJECT_DELETE] = 0;
	assert_int_equal(version(5000), 0);
	assert_true(knowing(false, true) >= 5);
	net.down = keeping(0x30);
	assert_int_equal(version(5000), 0);
	net.down = keeping(0x3c);
	assert_int_equal(version(5000), -1);
}

static void deleted_and_written_again(void **state)
{
	(void)state;
	assert_int_equal(put(1, 5000), ERR_OK);
	assert_int_equal(change(BACKEND_OBJECT_DELETE, NULL), ERR_OK);
	assert_int_equal(version(5000), 0);
	assert_int_equal(change(BACKEND_OBJECT_DELETE, NULL), ERR_NOT_FOUND);
	assert_int_equal(put(2, 5000), ERR_OK);
	assert_int_equal(version(5000), 2);
}

static void a_post_that_was_cut_off(void **state)
{
	(void)state;
	assert_int_equal(put(1, 5000), ERR_OK);
	assert_int_equal(change(BACKEND_OBJECT_POST, "1"), ERR_OK);
	assert_int_equal(version(5000), 1);
	assert_string_equal(seen.meta, "1");
	net.refused[BACKEND_OBJECT_POST] = keeping(0x2f);
	assert_int_equal(change(BACKEND_OBJECT_POST, "2"), ERR_UNAVAILABLE);
	assert_int_equal(version(5000), -1);
	net.refused[BACKEND_OBJECT_POST] = 0;
	assert_int_equal(version(5000), 1);
	assert_string_equal(seen.meta, "2");
	net.down = keeping(0x10);
	assert_int_equal(version(5000), 1);
	assert_string_equal(seen.meta, "2");
}

/* Devices that do not answer cost some patience, and nothing else. */
static void two_that_hang(void **state)
{
	(void)state;
	assert_int_equal(put(4, 9000001), ERR_OK);
	net.held = keeping(0x03);
	assert_int_equal(version(9000001), 4);
	assert_true(took_us < 3 * PATIENCE_US);
}

static void a_device_that_lost_all_gets_its_fragment_again(void **state)
{
	static const size_t sizes[] = {300, 6000000};

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(sizes); i++) {
		assert_int_equal(put(5, sizes[i]), ERR_OK);
		for (unsigned d = 1; d < DEVICES; d++) {
			rigs[0].env.wall_us += 20000000; /* the write is long over */
			close_device(d);
			open_device(d);
			assert_int_equal(knowing(false, false), 5);
			assert_int_equal(version(sizes[i]), 5);
			rig_idle(&rigs[0]);
			assert_int_equal(knowing(false, false), 6);
		}
		net.down = keeping(0x03);
		assert_int_equal(version(sizes[i]), 5);
		net.down = 0;
	}
}

static void an_abandoned_draft_is_told(void **state)
{
	(void)state;
	assert_int_equal(put(1, 5000), ERR_OK);
	net.refused[BACKEND_OBJECT_PUT] = keeping(0x38);
	assert_int_equal(put(2, 5000), ERR_UNAVAILABLE);
	net.refused[BACKEND_OBJECT_PUT] = 0;
	seen.dead_ts = draft_of(0);
	assert_int_equal(version(5000), 1);
	assert_true(seen.dead);
	net.down = keeping(0x20);
	version(5000);
	assert_false(seen.dead);
}

/* Else it would stay open, and the device be filled for as long. */
static void a_draft_is_decided_without_a_device_that_is_being_filled(void **state)
{
	(void)state;
	assert_int_equal(put(1, 5000), ERR_OK);
	net.refused[BACKEND_OBJECT_PUT] = keeping(0x38);
	assert_int_equal(put(2, 5000), ERR_UNAVAILABLE);
	net.refused[BACKEND_OBJECT_PUT] = 0;
	seen.dead_ts = draft_of(0);
	net.filling = keeping(0x08);
	assert_int_equal(version(5000), 1); /* it has no fourth */
	assert_true(seen.dead);
	net.filling = keeping(0x04);
	assert_int_equal(version(5000), 1); /* it has one, the third */
	assert_true(seen.dead);
}

/* That may be the one which makes it whole; it was written since the disk was replaced. */
static void what_a_device_has_that_is_being_filled_counts(void **state)
{
	(void)state;
	assert_int_equal(put(1, 5000), ERR_OK);
	net.refused[BACKEND_OBJECT_PUT] = keeping(0x30);
	assert_int_equal(put(2, 5000), ERR_UNAVAILABLE);
	net.refused[BACKEND_OBJECT_PUT] = 0;
	seen.dead_ts = draft_of(0);
	net.filling = keeping(0x08);
	assert_int_equal(version(5000), 2);
	assert_false(seen.dead);
}

static void a_draft_is_completed_on_a_device_that_is_being_filled(void **state)
{
	(void)state;
	assert_int_equal(put(1, 5000), ERR_OK);
	net.refused[BACKEND_OBJECT_PUT] = keeping(0x30);
	assert_int_equal(put(2, 5000), ERR_UNAVAILABLE);
	net.refused[BACKEND_OBJECT_PUT] = 0;
	net.filling = keeping(0x10);
	net.down = keeping(0x20);
	assert_int_equal(version(5000), 2);
	net.filling = 0;
	net.down = keeping(0x21);
	assert_int_equal(version(5000), 2);
}

/* --- what says nothing is no evidence --- */

/* Nobody has heard that it is the version: that is no deletion. */
static void a_post_to_what_nobody_has_committed(void **state)
{
	(void)state;
	net.refused[BACKEND_OBJECT_COMMIT] = 0x3f;
	assert_int_equal(put(1, 5000), ERR_OK);
	assert_int_equal(version(5000), 1);
	post_to = draft_of(0);
	assert_int_equal(post("1"), ERR_UNAVAILABLE); /* ERR_CONFLICT is told as 202 */
	net.refused[BACKEND_OBJECT_COMMIT] = 0;
	assert_int_equal(version(5000), 1);
}

/* One has it as a draft yet, and took the POST for the version before. */
static void a_fragment_is_made_with_the_metadata_of_its_version(void **state)
{
	struct device_version known;
	struct place place;
	unsigned lost;

	(void)state;
	proxy_place(&cluster, 0, "a", "c", "o", &place);
	lost = place.devices[1] ? 1 : 2; /* the first is the rig of all */
	assert_int_equal(put(1, 5000), ERR_OK);
	net.refused[BACKEND_OBJECT_COMMIT] = keeping(0x01);
	assert_int_equal(put(2, 5000), ERR_OK);
	net.refused[BACKEND_OBJECT_COMMIT] = 0;
	post_to = draft_of(0);
	assert_int_equal(post("1"), ERR_OK);
	rig_idle(&rigs[0]);
	assert_int_equal(device_find(rigs[place.devices[3]].device, 0, place.key, &known), ERR_OK);
	assert_int_equal(known.ts, post_to);
	assert_true(known.meta_ts > known.ts);
	close_device(place.devices[lost]);
	open_device(place.devices[lost]);
	assert_int_equal(push(known.ts, known.meta_ts, 3, lost), ERR_OK);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(version(5000), 2);
		assert_string_equal(seen.meta, "1");
		rig_idle(&rigs[0]);
	}
}

/* Who had promised to take nothing older has not got it. */
static void a_fragment_that_is_refused_is_not_there(void **state)
{
	struct device_version known;
	struct place place;

	(void)state;
	proxy_place(&cluster, 0, "a", "c", "o", &place);
	net.refused[BACKEND_OBJECT_PUT] = keeping(0x02);
	assert_int_equal(put(1, 5000), ERR_OK);
	net.refused[BACKEND_OBJECT_PUT] = 0;
	rig_idle(&rigs[0]);
	assert_int_equal(device_find(rigs[place.devices[3]].device, 0, place.key, &known), ERR_OK);
	assert_int_equal(put_absent(2, 5000), ERR_PRECONDITION);
	rig_idle(&rigs[0]);
	assert_int_equal(push(known.ts, known.meta_ts, 3, 1), ERR_BUSY);
	assert_int_equal(
	        device_find(rigs[place.devices[1]].device, 0, place.key, &known), ERR_NOT_FOUND);
}

/* Without a common device: k fragments may be from both. */
static void use_two_rings(void)
{
	static const uint32_t devices[] = {0, 1, 2, 3, 4, 5};

	use_rings(devices, 3, 2);
}

static void a_delete_that_was_told_stays_told(void **state)
{
	struct place place;
	uint32_t late;

	(void)state;
	use_two_rings();
	proxy_place(&cluster, 0, "a", "c", "o", &place);
	assert_int_equal(place.count, 6);
	assert_int_equal(put(1, 5000), ERR_OK);
	/* The last fragment in one ring, the first in the other. */
	late = 1u << place.devices[2] | 1u << place.devices[3];
	net.refused[BACKEND_OBJECT_DELETE] = late;
	assert_int_equal(change(BACKEND_OBJECT_DELETE, NULL), ERR_UNAVAILABLE);
	assert_int_equal(version(5000), -1);
	net.down = 0x3f & ~late;
	assert_int_equal(version(5000), 1);
}

/* A later one is no more than what it is on. */
static void a_delete_overtaken_in_one_ring(void **state)
{
	struct device_version known;
	struct place place;

	(void)state;
	use_two_rings();
	proxy_place(&cluster, 0, "a", "c", "o", &place);
	assert_int_equal(put(1, 5000), ERR_OK);
	net.refused[BACKEND_OBJECT_DELETE] = 0x3f & ~(1u << place.devices[1]);
	assert_int_equal(change(BACKEND_OBJECT_DELETE, NULL), ERR_UNAVAILABLE);
	assert_int_equal(device_find(rigs[place.devices[1]].device, 0, place.key, &known), ERR_OK);
	assert_true(known.deleted);
	net.refused[BACKEND_OBJECT_DELETE] =
	        0x3f & ~(1u << place.devices[0] | 1u << place.devices[1]);
	cluster.one_clock = true;
	change_ts = known.ts - 32; /* by a clock that is behind */
	assert_int_equal(change(BACKEND_OBJECT_DELETE, NULL), ERR_UNAVAILABLE);
	change_ts = 0;
	net.down = 1u << place.devices[0] | 1u << place.devices[1];
	assert_int_equal(version(5000), 1);
}

/* One of the old ring is away, and one of the new one has nothing yet: metadata that a reader can
 * bring to too few is 503, and that one is filled. */
static void a_post_between_two_rings(void **state)
{
	static const uint32_t devices[] = {0, 1, 2, 0, 4, 3};
	struct device_version known;
	struct place place;

	(void)state;
	use_rings(devices, 3, 1);
	assert_int_equal(put(1, 5000), ERR_OK);
	rig_idle(&rigs[0]);
	proxy_place(&cluster, 0, "a", "c", "o", &place);
	assert_int_equal(device_find(rigs[0].device, 0, place.key, &known), ERR_OK);
	post_to = known.ts;
	assert_int_equal(post("1"), ERR_OK);
	rig_idle(&rigs[0]);
	assert_int_equal(device_find(rigs[0].device, 0, place.key, &known), ERR_OK);
	use_rings(devices, 3, 2);
	assert_int_equal(push(known.ts, known.meta_ts, place_of(0), place_of(3)), ERR_OK);
	net.down = 1u << 2;
	rigs[0].env.wall_us += 20000000;
	assert_int_equal(version(5000), -1);
	rig_idle(&rigs[0]);
	assert_int_equal(version(5000), 1);
	assert_string_equal(seen.meta, "1");
}

int main(void)
{
#define T_(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	        T_(any_two_may_be_lost),
	        T_(ranges_of_what_is_left),
	        T_(a_range_asks_one_device),
	        T_(commit_was_lost),
	        T_(a_draft_on_k),
	        T_(a_draft_on_k_and_no_more_can_be_made),
	        T_(a_draft_that_cannot_be_completed),
	        T_(a_draft_too_small_for_those_unreachable),
	        T_(a_draft_of_nothing_before),
	        T_(a_dead_draft_over_an_acknowledged_one),
	        T_(a_delete_that_was_cut_off),
	        T_(deleted_and_written_again),
	        T_(a_post_that_was_cut_off),
	        T_(two_that_hang),
	        T_(a_device_that_lost_all_gets_its_fragment_again),
	        T_(an_abandoned_draft_is_told),
	        T_(a_draft_is_decided_without_a_device_that_is_being_filled),
	        T_(what_a_device_has_that_is_being_filled_counts),
	        T_(a_draft_is_completed_on_a_device_that_is_being_filled),
	        T_(a_post_to_what_nobody_has_committed),
	        T_(a_fragment_is_made_with_the_metadata_of_its_version),
	        T_(a_fragment_that_is_refused_is_not_there),
	        T_(a_delete_that_was_told_stays_told),
	        T_(a_delete_overtaken_in_one_ring),
	        T_(a_post_between_two_rings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
