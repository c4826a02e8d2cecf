/* Fragments on devices that have another place in the ring than when they were written. */
#define DEVICES 8
#include "tests/lib/ec_rig.h"

static const uint32_t before[] = {0, 1, 2};
static const uint32_t after[] = {1, 0, 3}; /* two changed places, one was replaced */

static struct device_version written;

static void write_it(void)
{
	struct place place;

	use_rings(before, 3, 1);
	assert_int_equal(put(1, 5000), ERR_OK);
	rig_idle(&rigs[0]);
	proxy_place(&cluster, 0, "a", "c", "o", &place);
	assert_int_equal(device_find(rigs[0].device, 0, place.key, &written), ERR_OK);
}

static enum err push_to(uint32_t device)
{
	return push(written.ts, written.meta_ts, place_of(device == 0 ? 1 : 0), place_of(device));
}

/* Is the fragment that the device has its own? */
static bool is_its_own(uint32_t device)
{
	struct device_version version;
	struct place place;

	proxy_place(&cluster, 0, "a", "c", "o", &place);
	assert_int_equal(device_find(rigs[device].device, 0, place.key, &version), ERR_OK);
	return version.fragment == place_of(device) + 1;
}

static void any_one_may_be_lost(void)
{
	for (uint32_t lost = 0; lost < 4; lost++) {
		net.down = 1u << lost;
		assert_int_equal(version(5000), 1);
	}
	net.down = 0;
}

static void all_get_their_own(void **state)
{
	(void)state;
	write_it();
	use_rings(after, 3, 1);
	assert_false(is_its_own(0) || is_its_own(1));
	assert_int_equal(push_to(3), ERR_OK);
	any_one_may_be_lost(); /* three fragments, of which two are misplaced */
	uint32_t first = place_of(0) < place_of(1) ? 0 : 1;
	assert_int_equal(push_to(!first), ERR_BUSY); /* one after the other */
	assert_int_equal(push_to(first), ERR_OK);
	assert_true(is_its_own(first) && !is_its_own(!first));
	assert_int_equal(push_to(!first), ERR_OK);
	assert_true(is_its_own(0) && is_its_own(1) && is_its_own(3));
	any_one_may_be_lost();
}

/* The third has nothing yet: what one has, nobody else has. */
static void the_only_one_is_not_given_up(void **state)
{
	(void)state;
	write_it();
	use_rings(after, 3, 1);
	assert_int_equal(push_to(0), ERR_BUSY);
	assert_int_equal(push_to(1), ERR_BUSY);
	assert_false(is_its_own(0) || is_its_own(1));
	net.filling = 1u << 3;
	assert_int_equal(version(5000), 1);
}

/* One that comes from a node whose ring is older is not taken. */
static void another_ones_is_not_taken(void **state)
{
	(void)state;
	write_it();
	use_rings(after, 3, 1);
	assert_int_equal(push_to(3), ERR_OK);
	use_rings(before, 3, 1);
	assert_true(is_its_own(0));
	use_rings(after, 3, 1);
	own_rings = rings_of(before, 3, 1);
	push_to(0);
	ring_set_free(TAKE(own_rings));
	use_rings(before, 3, 1);
	assert_true(is_its_own(0));
}

static const uint32_t both[] = {0, 1, 2, 3, 4, 5, 6, 0, 7, 2, 4, 5};

/* Each of them may have another one's; which they have is asked of those that are older than a
 * moment. */
static void two_pairs_are_not_four(void **state)
{
	(void)state;
	use_rings(both, 6, 1);
	assert_int_equal(put(1, 5000), ERR_OK);
	use_rings(both, 6, 2);
	net.refused[BACKEND_OBJECT_PUT] = 0xf0;
	assert_int_equal(put(2, 5000), ERR_UNAVAILABLE);
	rig_idle(&rigs[0]);
	memset(net.refused, 0, sizeof(net.refused));
	rigs[0].env.wall_us += 1000000;
	assert_int_equal(version(5000), 1);
}

/* By the rings alone, those five would have three different fragments. */
static void what_was_acknowledged_is_not_too_few(void **state)
{
	(void)state;
	use_rings(both, 6, 1);
	assert_int_equal(put(1, 5000), ERR_OK);
	net.refused[BACKEND_OBJECT_COMMIT] = 0xff;
	net.refused[BACKEND_OBJECT_PUT] = 1u << 5;
	assert_int_equal(put(2, 5000), ERR_OK);
	rig_idle(&rigs[0]);
	memset(net.refused, 0, sizeof(net.refused));
	use_rings(both, 6, 2);
	assert_int_equal(version(5000), 2);
}

static uint64_t posted_ts(uint32_t device)
{
	struct device_version version;
	struct place place;

	proxy_place(&cluster, 0, "a", "c", "o", &place);
	assert_int_equal(device_find(rigs[device].device, 0, place.key, &version), ERR_OK);
	return version.meta_ts;
}

/* Two have the same, and nobody what a third one needs: all are put right nevertheless. */
static void one_of_two_equal_ones_is_given_up(void **state)
{
	static const uint32_t first[] = {3, 0, 1}, then[] = {3, 2, 1}, now[] = {0, 1, 2};
	struct place place;

	(void)state;
	use_rings(first, 3, 1);
	assert_int_equal(put(1, 5000), ERR_OK);
	rig_idle(&rigs[0]);
	proxy_place(&cluster, 0, "a", "c", "o", &place);
	assert_int_equal(device_find(rigs[0].device, 0, place.key, &written), ERR_OK);
	use_rings(then, 3, 1);
	assert_int_equal(push(written.ts, written.meta_ts, place_of(3), place_of(2)), ERR_OK);
	use_rings(now, 3, 1);
	assert_int_equal(version(5000), 1);
	for (unsigned round = 0; round < 3; round++) {
		for (uint32_t device = 0; device < 3; device++)
			push(written.ts, written.meta_ts, place_of(device ? 0 : 1),
			        place_of(device));
	}
	assert_true(is_its_own(0) && is_its_own(1) && is_its_own(2));
}

/* By the device's ring, which is older, it has its own: whoever brings the other has not done it.
 */
static void what_is_refused_is_not_done(void **state)
{
	(void)state;
	write_it();
	use_rings(after, 3, 1);
	assert_int_equal(push_to(3), ERR_OK);
	uint32_t first = place_of(0) < place_of(1) ? 0 : 1;
	own_rings = rings_of(before, 3, 1);
	enum err err = push_to(first);
	ring_set_free(TAKE(own_rings));
	assert_false(is_its_own(first));
	assert_int_equal(err, ERR_UNAVAILABLE);
}

static void newer_metadata_bring_no_other_fragment(void **state)
{
	(void)state;
	write_it();
	use_rings(after, 3, 1);
	assert_int_equal(push_to(3), ERR_OK);
	uint32_t first = place_of(0) < place_of(1) ? 0 : 1;
	net.refused[BACKEND_OBJECT_POST] = 1u << first;
	change(BACKEND_OBJECT_POST, "x");
	rig_idle(&rigs[0]);
	memset(net.refused, 0, sizeof(net.refused));
	assert_true(posted_ts(!first) > posted_ts(first));
	written.meta_ts = posted_ts(!first);
	own_rings = rings_of(before, 3, 1);
	assert_int_equal(push_to(first), ERR_UNAVAILABLE);
	ring_set_free(TAKE(own_rings));
	use_rings(before, 3, 1);
	assert_true(is_its_own(first));
}

/* Two have each other's, and two others are lost: each of the four has a fragment of its own. */
static void any_two_may_be_lost(void **state)
{
	static const uint32_t was[] = {0, 1, 2, 3, 4, 5}, now[] = {0, 1, 2, 3, 5, 4},
	                      turned[] = {1, 2, 3, 4, 5, 0};
	static const uint32_t *const rings[] = {was, now, turned};

	(void)state;
	use_rings(was, 6, 1);
	assert_int_equal(put(1, 5000), ERR_OK);
	rig_idle(&rigs[0]);
	for (unsigned i = 0; i < COUNT_OF(rings); i++) {
		use_rings(rings[i], 6, 1);
		for (unsigned a = 0; a < 6; a++) {
			for (unsigned b = a + 1; b < 6; b++) {
				net.down = 1u << a | 1u << b;
				assert_int_equal(version(5000), 1);
				assert_int_equal(read_range(100, 1000), ERR_OK);
			}
		}
		net.down = 0;
	}
}

/* Nodes learn of a ring one after the other. Each of the two that bring a device its own sees all
 * three fragments, each misplaced, and takes another device for the first to give its one up. */
static void two_do_not_give_up_at_once(void **state)
{
	static const uint32_t was[] = {0, 1, 2}, then[] = {2, 0, 1, 1, 2, 0};
	struct ec_rebuild *rebuilds[2];
	struct place place;

	(void)state;
	use_rings(was, 3, 1);
	assert_int_equal(put(1, 5000), ERR_OK);
	rig_idle(&rigs[0]);
	proxy_place(&cluster, 0, "a", "c", "o", &place);
	assert_int_equal(device_find(rigs[0].device, 0, place.key, &written), ERR_OK);
	for (unsigned i = 0; i < 2; i++) {
		use_rings(then, 3, i + 1);
		proxy_place(&cluster, 0, "a", "c", "o", &place);
		own_rings_of[place.devices[0]] = rings_of(then, 3, i + 1);
		rebuilds[i] = ec_rebuild_start(
		        &proxy, NULL, 0, "a", "c", "o", written.ts, place.devices, 1, 0, NULL);
	}
	rig_idle(&rigs[0]);
	for (unsigned i = 0; i < 2; i++)
		ec_rebuild_unref(rebuilds[i]);
	for (unsigned i = 0; i < 3; i++)
		ring_set_free(TAKE(own_rings_of[i]));
	assert_int_equal(version(5000), 1);
}

/* All are there: the older rings may go. */
static void what_is_exchanged_waits_until_rings_have_settled(void **state)
{
	static const uint32_t then[] = {0, 1, 2, 1, 0, 2};

	(void)state;
	write_it();
	use_rings(then, 3, 2);
	assert_int_equal(push_to(0), ERR_EXISTS);
	assert_int_equal(push_to(1), ERR_EXISTS);
	use_rings(then + 3, 3, 1);
	uint32_t first = place_of(0) < place_of(1) ? 0 : 1;
	assert_int_equal(push_to(first), ERR_OK);
	assert_int_equal(push_to(!first), ERR_OK);
	assert_true(is_its_own(0) && is_its_own(1) && is_its_own(2));
}

int main(void)
{
#define T_(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	        T_(all_get_their_own),
	        T_(the_only_one_is_not_given_up),
	        T_(another_ones_is_not_taken),
	        T_(two_pairs_are_not_four),
	        T_(what_was_acknowledged_is_not_too_few),
	        T_(one_of_two_equal_ones_is_given_up),
	        T_(what_is_refused_is_not_done),
	        T_(newer_metadata_bring_no_other_fragment),
	        T_(any_two_may_be_lost),
	        T_(two_do_not_give_up_at_once),
	        T_(what_is_exchanged_waits_until_rings_have_settled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
