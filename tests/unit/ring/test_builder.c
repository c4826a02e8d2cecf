#include "lib/crypto/md5.h"
#include "ring/plan.h"
#include "tests/unit/ring/cluster.h"
#include <math.h>

#define HOUR 3600

/* Entries that differ between two rings of one shape, and whether a partition changed twice. */
static unsigned moves(const struct ring *a, const struct ring *b, bool *ret_twice)
{
	unsigned count = 0;

	*ret_twice = false;
	for (uint32_t part = 0; part < ring_parts(a); part++) {
		unsigned of_part = 0;
		for (unsigned row = 0; row < ring_rows(a); row++) {
			uint32_t before = 0, after = 0;
			ring_assigned(a, row, part, &before);
			ring_assigned(b, row, part, &after);
			of_part += before != after;
		}
		count += of_part;
		*ret_twice |= of_part > 1;
	}
	return count;
}

static void targets_follow_weight_and_overload(void **state)
{
	/* Zone 1 has half of the weight: 1.5 of 3 replicas by weight, 1 for the best dispersion. */
	static const struct {
		double overload, zone1, zone2;
		unsigned max;
	} cases[] = {{0, 1.5, 0.75, 2}, {10, 1, 1, 1}, {1.0 / 6, 1.25, 0.875, 2}};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		AUTO(plan) struct plan plan = PLAN_NONE;
		struct ring_builder *builder = cluster_new(8, 3, 0, 1, 1, 1, 4);
		cluster_add(builder, 1, 2, 1, 0, 100);
		cluster_add(builder, 1, 2, 1, 1, 100);
		cluster_add(builder, 1, 3, 1, 0, 100);
		cluster_add(builder, 1, 3, 1, 1, 100);
		ring_builder_set_overload(builder, cases[i].overload);
		plan_init(&plan, builder);
		assert_true(fabs(plan_required_overload(&plan) - 1.0 / 3) < 1e-9);
		const struct plan_node *zone = &plan.nodes[plan.tier_start[TIER_ZONE]];
		assert_true(fabs(zone[0].target - cases[i].zone1) < 1e-9);
		assert_true(fabs(zone[1].target - cases[i].zone2) < 1e-9);
		assert_int_equal(zone[0].max, cases[i].max);
		assert_int_equal(zone[0].fair_max, 1);
		ring_builder_free(builder);
	}
}

static void a_new_ring_is_exact(void **state)
{
	struct ring_builder *builder = cluster_new(10, 3, 1, 2, 2, 2, 3);
	struct ring_rebalance result = cluster_rebalance(builder, 7, HOUR);

	(void)state;
	assert_int_equal(result.moved, 3 * 1024);
	assert_true(result.dispersion == 0);
	for (uint32_t id = 0; id < 24; id++) /* 3072 / 24 */
		assert_int_equal(ring_builder_dev_parts(builder, id), 128);
	ring_builder_free(builder);
}

static void weights_are_met_to_one_entry(void **state)
{
	struct ring_builder *builder = cluster_new(12, 3, 1, 1, 0, 0, 0);
	double total = 0, weights[20];

	(void)state;
	for (unsigned i = 0; i < 20; i++) {
		weights[i] = 40 + 13 * i;
		total += weights[i];
		cluster_add(builder, 1, i % 5, i / 5, i, weights[i]);
	}
	cluster_rebalance(builder, 7, HOUR);
	for (uint32_t id = 0; id < 20; id++) {
		double ideal = weights[id] / total * 3 * 4096;
		assert_true(fabs(ring_builder_dev_parts(builder, id) - ideal) < 1);
	}
	ring_builder_free(builder);
}

static void weights_may_be_far_apart(void **state)
{
	struct ring_builder *builder = cluster_new(8, 2.5, 0, 2, 1, 2, 1);

	(void)state;
	assert_int_equal(ring_builder_set_weight(builder, 0, 1e15), ERR_OK);
	assert_int_equal(ring_builder_set_weight(builder, 1, 1e-6), ERR_OK);
	cluster_rebalance(builder, 1, 0);
	assert_int_equal(ring_builder_dev_parts(builder, 0), 256);
	ring_builder_free(builder);
}

/* What takes the one move of a partition matters: a drained device first. */
static void draining_comes_before_balance(void **state)
{
	struct ring_builder *builder = cluster_new(10, 3, 0, 1, 3, 2, 4);

	(void)state;
	cluster_rebalance(builder, 1, 0);
	assert_int_equal(ring_builder_set_weight(builder, 7, 0), ERR_OK);
	for (unsigned disk = 10; disk < 20; disk++)
		cluster_add(builder, 1, 4, 1, disk, 100);
	assert_int_equal(ring_builder_set_weight(builder, 20, 40), ERR_OK);
	cluster_rebalance(builder, 2, 0);
	assert_int_equal(ring_builder_dev_parts(builder, 7), 0);
	ring_builder_free(builder);
}

static void the_seed_decides(void **state)
{
	struct ring *rings[3];
	bool twice;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct ring_builder *builder = cluster_new(8, 3, 1, 1, 3, 2, 2);
		cluster_rebalance(builder, i / 2, HOUR);
		rings[i] = cluster_ring(builder);
		ring_builder_free(builder);
	}
	assert_int_equal(moves(rings[0], rings[1], &twice), 0);
	assert_true(moves(rings[0], rings[2], &twice) > 100);
	for (unsigned i = 0; i < 3; i++)
		ring_unref(rings[i]);
}

static void a_partition_moves_once_in_its_hours(void **state)
{
	struct ring_builder *builder = cluster_new(8, 3, 2, 1, 3, 2, 2);
	bool twice;

	(void)state;
	cluster_rebalance(builder, 1, 100 * HOUR);
	struct ring *first = cluster_ring(builder);
	for (unsigned disk = 10; disk < 16; disk++)
		cluster_add(builder, 1, 4, 1, disk, 100);
	assert_int_equal(cluster_rebalance(builder, 2, 101 * HOUR).moved, 0);
	uint64_t moved = cluster_rebalance(builder, 3, 102 * HOUR).moved;
	struct ring *second = cluster_ring(builder);
	assert_true(moved > 0);
	assert_int_equal(moves(first, second, &twice), moved);
	assert_false(twice);
	assert_int_equal(cluster_rebalance(builder, 4, 103 * HOUR).moved, 0);
	cluster_rebalance(builder, 5, 104 * HOUR);
	assert_true(ring_builder_balance(builder) < 1.6); /* 42 of 42.67 entries */
	ring_unref(first);
	ring_unref(second);
	ring_builder_free(builder);
}

static void a_removed_device_is_replaced_at_once(void **state)
{
	struct ring_builder *builder = cluster_new(8, 3, 24, 1, 3, 2, 2);

	(void)state;
	cluster_rebalance(builder, 1, HOUR);
	uint32_t parts = ring_builder_dev_parts(builder, 5);
	assert_int_equal(ring_builder_remove(builder, 5), ERR_OK);
	assert_true(ring_builder_dev_leaving(builder, 5));
	assert_int_equal(ring_builder_set_weight(builder, 5, 1), ERR_CONFLICT);
	struct ring_rebalance result = cluster_rebalance(builder, 2, HOUR);
	assert_int_equal(result.moved, parts);
	assert_int_equal(result.removed, 1);
	assert_null(ring_builder_dev(builder, 5));
	assert_int_equal(cluster_add(builder, 1, 2, 1, 9, 100), 5); /* the hole is used again */
	ring_builder_free(builder);
}

static void a_device_without_weight_drains(void **state)
{
	struct ring_builder *builder = cluster_new(8, 3, 1, 1, 3, 2, 2);

	(void)state;
	cluster_rebalance(builder, 1, 10 * HOUR);
	assert_int_equal(ring_builder_set_weight(builder, 2, 0), ERR_OK);
	cluster_rebalance(builder, 2, 10 * HOUR);
	assert_true(ring_builder_balance(builder) == RING_BALANCE_WORST);
	cluster_rebalance(builder, 2, 11 * HOUR);
	assert_int_equal(ring_builder_dev_parts(builder, 2), 0);
	assert_non_null(ring_builder_dev(builder, 2));
	ring_builder_free(builder);
}

static void replicas_may_be_a_fraction(void **state)
{
	static const struct {
		double replicas;
		unsigned rows, at_0, at_last;
	} steps[] = {{2.25, 3, 3, 2}, {3, 3, 3, 3}, {3.5, 4, 4, 3}, {1, 1, 1, 1}};
	struct ring_builder *builder = cluster_new(6, 2.25, 0, 2, 2, 2, 1);

	(void)state;
	for (size_t i = 0; i < COUNT_OF(steps); i++) {
		uint32_t devs[RING_ROWS_MAX];
		assert_int_equal(ring_builder_set_replicas(builder, steps[i].replicas), ERR_OK);
		cluster_rebalance(builder, i, 0);
		struct ring *ring = cluster_ring(builder);
		assert_int_equal(ring_rows(ring), steps[i].rows);
		assert_true(ring_replicas(ring) == steps[i].replicas);
		assert_int_equal(ring_primaries(ring, 0, devs, RING_ROWS_MAX), steps[i].at_0);
		assert_int_equal(ring_primaries(ring, 63, devs, RING_ROWS_MAX), steps[i].at_last);
		ring_unref(ring);
	}
	assert_int_equal(ring_builder_set_replicas(builder, 0.5), ERR_RANGE);
	assert_int_equal(ring_builder_set_replicas(builder, 300), ERR_RANGE);
	ring_builder_free(builder);
}

static void too_few_devices_change_nothing(void **state)
{
	struct ring_builder *builder = cluster_new(4, 3, 0, 1, 1, 1, 2);
	struct ring_rebalance result;
	struct ring *ring = NULL;

	(void)state;
	assert_int_equal(ring_builder_rebalance(builder, 1, 0, &result), ERR_CONFLICT);
	assert_int_equal(ring_builder_ring(builder, &ring), ERR_NOT_FOUND);
	ring_builder_free(builder);
}

static void devices_are_checked(void **state)
{
	struct ring_builder *builder = cluster_new(4, 1, 0, 1, 1, 1, 1);
	char ip[] = "10.1.1.1", name[] = "d0", empty[] = "";
	struct ring_dev dev = {
	        .region = 1, .zone = 1, .ip = ip, .port = 6200, .device = name, .weight = 1};
	uint32_t id = 99;

	(void)state;
	assert_int_equal(ring_builder_add(builder, &dev, &id), ERR_EXISTS);
	assert_int_equal(id, 0);
	dev.device = empty;
	assert_int_equal(ring_builder_add(builder, &dev, &id), ERR_RANGE);
	dev.device = name;
	dev.port = 6201;
	dev.weight = -1;
	assert_int_equal(ring_builder_add(builder, &dev, &id), ERR_RANGE);
	dev.weight = 1e30; /* beside 100, shares by weight lose their meaning */
	assert_int_equal(ring_builder_add(builder, &dev, &id), ERR_RANGE);
	dev.weight = NAN;
	assert_int_equal(ring_builder_add(builder, &dev, &id), ERR_RANGE);
	assert_int_equal(ring_builder_remove(builder, 7), ERR_NOT_FOUND);
	ring_builder_free(builder);
}

static void partition_power_grows_in_steps(void **state)
{
	struct ring_builder *builder = cluster_new(5, 2, 0, 1, 2, 1, 2);
	struct ring_rebalance result;

	(void)state;
	assert_int_equal(ring_builder_prepare_increase(builder), ERR_CONFLICT); /* no table yet */
	cluster_rebalance(builder, 1, 0);
	struct ring *before = cluster_ring(builder);
	assert_int_equal(ring_builder_increase(builder), ERR_CONFLICT);
	assert_int_equal(ring_builder_prepare_increase(builder), ERR_OK);
	assert_int_equal(ring_builder_prepare_increase(builder), ERR_CONFLICT);
	assert_int_equal(ring_builder_rebalance(builder, 1, 0, &result), ERR_BUSY);
	assert_int_equal(ring_builder_increase(builder), ERR_OK);
	assert_int_equal(ring_builder_cancel_increase(builder), ERR_CONFLICT);
	struct ring *after = cluster_ring(builder);
	assert_int_equal(ring_part_power(after), 6);
	assert_int_equal(ring_next_part_power(after), 6);
	for (uint32_t part = 0; part < 64; part++) {
		uint32_t old[RING_ROWS_MAX], new[RING_ROWS_MAX];
		assert_int_equal(ring_primaries(before, part / 2, old, RING_ROWS_MAX), 2);
		assert_int_equal(ring_primaries(after, part, new, RING_ROWS_MAX), 2);
		assert_memory_equal(old, new, 2 * sizeof(old[0]));
	}
	assert_int_equal(ring_builder_finish_increase(builder), ERR_OK);
	assert_int_equal(ring_builder_finish_increase(builder), ERR_CONFLICT);
	assert_int_equal(ring_builder_prepare_increase(builder), ERR_OK);
	assert_int_equal(ring_builder_cancel_increase(builder), ERR_OK);
	assert_int_equal(ring_builder_finish_increase(builder), ERR_OK);
	cluster_rebalance(builder, 1, 0);
	ring_unref(before);
	ring_unref(after);
	ring_builder_free(builder);
}

static void components_follow_each_other(void **state)
{
	AUTO(buf) struct buf why = BUF_NONE;
	struct ring_builder *builders[2] = {
	        cluster_new(6, 2, 0, 1, 2, 1, 2), cluster_new(6, 1, 0, 1, 2, 1, 2)};
	struct ring *ring = NULL;
	uint32_t dev;

	(void)state;
	cluster_rebalance(builders[0], 1, 0);
	assert_int_equal(ring_compose(builders, 2, &why, &ring), ERR_CONFLICT);
	assert_non_null(strstr(buf_text(&why), "wait for a rebalance"));
	cluster_rebalance(builders[1], 1, 0);
	buf_reset(&why);
	assert_int_equal(ring_compose(builders, 2, &why, &ring), ERR_CONFLICT);
	assert_string_equal(buf_text(&why), "region 1 is in more than one component");
	ring_builder_free(builders[1]);
	builders[1] = cluster_new(6, 1, 0, 1, 0, 0, 0);
	cluster_add(builders[1], 2, 1, 1, 0, 100);
	cluster_rebalance(builders[1], 1, 0);
	buf_reset(&why);
	assert_int_equal(ring_compose(builders, 2, &why, &ring), ERR_OK);
	assert_int_equal(ring_rows(ring), 3);
	assert_true(ring_assigned(ring, 2, 63, &dev));
	assert_int_equal(dev, 4);
	assert_int_equal(ring_dev(ring, dev)->region, 2);
	ring_unref(ring);
	ring_builder_free(builders[0]);
	ring_builder_free(builders[1]);
}

static void the_state_file_keeps_everything(void **state)
{
	struct ring_builder *builder = cluster_new(6, 2.5, 24, 2, 2, 1, 2), *again = NULL;
	struct ring_builder_facts before, after;
	const char *folder = test_tmpdir();
	char path[512];

	(void)state;
	cluster_rebalance(builder, 1, 500 * HOUR);
	ring_builder_set_overload(builder, 0.125);
	ring_builder_remove(builder, 3);
	snprintf(path, sizeof(path), "%s/x.builder", folder);
	assert_int_equal(ring_builder_save(builder, path), ERR_OK);
	assert_int_equal(ring_builder_load(path, &again), ERR_OK);
	ring_builder_facts(builder, &before);
	ring_builder_facts(again, &after);
	assert_memory_equal(&before, &after, sizeof(before));
	assert_true(ring_builder_dev_leaving(again, 3));
	uint64_t moved = cluster_rebalance(builder, 9, 501 * HOUR).moved;
	assert_int_equal(cluster_rebalance(again, 9, 501 * HOUR).moved, moved);
	ring_builder_free(again);
	ring_builder_free(builder);
	test_tmpdir_remove(folder);
}

static void a_damaged_state_file_is_refused(void **state)
{
	struct ring_builder *builder = cluster_new(3, 2, 0, 1, 1, 1, 2), *none = NULL;
	const char *folder = test_tmpdir();
	char path[512], data[2048];

	(void)state;
	cluster_rebalance(builder, 1, HOUR);
	snprintf(path, sizeof(path), "%s/x.builder", folder);
	assert_int_equal(ring_builder_save(builder, path), ERR_OK);
	FILE *file = fopen(path, "rb");
	size_t len = fread(data, 1, sizeof(data), file);
	fclose(file);
	assert_in_range(len, 100, sizeof(data) - 1);
	for (size_t i = 0; i < len; i++) {
		assert_int_not_equal(ring_builder_parse(data, i, &none), ERR_OK);
		data[i] ^= 1;
		assert_int_not_equal(ring_builder_parse(data, len, &none), ERR_OK);
		data[i] ^= 1;
	}
	/* With a checksum made to fit, what is wrong inside is still found or harmless. */
	for (size_t i = 0; i < len - 16; i++) {
		data[i] = (char)(data[i] ^ 0x80);
		md5_digest(data, len - 16, (uint8_t *)data + len - 16);
		if (!ring_builder_parse(data, len, &none)) {
			ring_builder_free(none);
			none = NULL;
		}
		data[i] = (char)(data[i] ^ 0x80);
	}
	ring_builder_free(builder);
	test_tmpdir_remove(folder);
}

static void one_call_builds_the_small_cloud(void **state)
{
	char ip[] = "127.0.0.1", names[4][8] = {"d0", "d1", "d2", "d3"};
	struct ring_dev devs[4];
	struct ring *ring = NULL;
	uint32_t found[RING_ROWS_MAX];

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		devs[i] = (struct ring_dev){.region = 1,
		        .zone = i + 1,
		        .ip = ip,
		        .port = 6200,
		        .device = names[i],
		        .weight = 100};
	assert_int_equal(ring_build(10, 3, devs, 4, &ring), ERR_OK);
	for (uint32_t part = 0; part < 1024; part++)
		assert_int_equal(ring_primaries(ring, part, found, RING_ROWS_MAX), 3);
	assert_string_equal(ring_dev(ring, 2)->device, "d2");
	ring_unref(ring);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	        cmocka_unit_test(targets_follow_weight_and_overload),
	        cmocka_unit_test(a_new_ring_is_exact),
	        cmocka_unit_test(weights_are_met_to_one_entry),
	        cmocka_unit_test(weights_may_be_far_apart),
	        cmocka_unit_test(draining_comes_before_balance),
	        cmocka_unit_test(the_seed_decides),
	        cmocka_unit_test(a_partition_moves_once_in_its_hours),
	        cmocka_unit_test(a_removed_device_is_replaced_at_once),
	        cmocka_unit_test(a_device_without_weight_drains),
	        cmocka_unit_test(replicas_may_be_a_fraction),
	        cmocka_unit_test(too_few_devices_change_nothing),
	        cmocka_unit_test(devices_are_checked),
	        cmocka_unit_test(partition_power_grows_in_steps),
	        cmocka_unit_test(components_follow_each_other),
	        cmocka_unit_test(the_state_file_keeps_everything),
	        cmocka_unit_test(a_damaged_state_file_is_refused),
	        cmocka_unit_test(one_call_builds_the_small_cloud),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
