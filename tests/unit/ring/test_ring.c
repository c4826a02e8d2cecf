#include "lib/crypto/md5.h"
#include "tests/unit/ring/cluster.h"
#include <unistd.h>

static void names_hash_as_swift_hashes_them(void **state)
{
	static const struct {
		const char *account, *container, *object, *hex;
	} cases[] = {
	        {"AUTH_test", NULL, NULL, "71be447877bb1fbeb54daa00a8d52de8"},
	        {"AUTH_test", "c", NULL, "0cbf0ed1b39dffde6479012d6eb19cf7"},
	        {"AUTH_test", "c", "o/with/slash", "7e0c971be999d72c6c42ebe4f31da4d9"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct ring_name names[3] = {{cases[i].account, 9},
		        {cases[i].container, cases[i].container ? 1 : 0},
		        {cases[i].object, cases[i].object ? 12 : 0}};
		uint8_t key[RING_KEY_BYTES];
		char hex[33];
		ring_hash_path((struct ring_name){"pre", 3}, (struct ring_name){"suf", 3}, names[0],
		        names[1], names[2], key);
		md5_hex(key, hex);
		assert_string_equal(hex, cases[i].hex);
	}
}

static void long_names_hash_too(void **state)
{
	static char object[5000];
	uint8_t key[RING_KEY_BYTES], expected[RING_KEY_BYTES];
	char path[5005] = "/a/c/";

	(void)state;
	memset(object, 'x', sizeof(object) - 1);
	memcpy(path + 5, object, 4999);
	ring_hash_path((struct ring_name){NULL, 0}, (struct ring_name){NULL, 0},
	        (struct ring_name){"a", 1}, (struct ring_name){"c", 1},
	        (struct ring_name){object, 4998}, key);
	md5_digest(path, 5003, expected);
	assert_memory_equal(key, expected, sizeof(key));
}

static void partition_is_the_first_bits(void **state)
{
	static const struct {
		unsigned power;
		uint32_t part;
	} cases[] = {{0, 0}, {1, 1}, {4, 0xf}, {8, 0xf1}, {16, 0xf1e2}, {20, 0xf1e2d}};
	static const uint8_t key[RING_KEY_BYTES] = {0xf1, 0xe2, 0xd3, 0xc4};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct ring_builder *builder = cluster_new(cases[i].power, 1, 0, 1, 1, 1, 1);
		cluster_rebalance(builder, 1, 0);
		struct ring *ring = cluster_ring(builder);
		assert_int_equal(ring_partition(ring, key), cases[i].part);
		ring_unref(ring);
		ring_builder_free(builder);
	}
}

static void handoffs_are_all_other_devices_farthest_first(void **state)
{
	struct ring_builder *builder = cluster_new(8, 2, 0, 3, 2, 2, 2);

	(void)state;
	cluster_rebalance(builder, 1, 0);
	struct ring *ring = cluster_ring(builder);
	for (uint32_t part = 0; part < 256; part++) {
		AUTO(ring_handoffs) struct ring_handoffs handoffs = RING_HANDOFFS_NONE;
		bool seen[24] = {false}, region[4] = {false};
		uint32_t devs[RING_ROWS_MAX], dev;
		unsigned count = ring_primaries(ring, part, devs, RING_ROWS_MAX);

		assert_int_equal(count, 2);
		for (unsigned i = 0; i < count; i++) {
			seen[devs[i]] = true;
			region[ring_dev(ring, devs[i])->region] = true;
		}
		ring_handoffs_init(&handoffs, ring, part);
		for (unsigned i = 0; ring_handoffs_next(&handoffs, &dev); i++) {
			assert_false(seen[dev]);
			seen[dev] = true;
			if (i == 0) /* two regions are taken, so the first is the third */
				assert_false(region[ring_dev(ring, dev)->region]);
			count++;
		}
		assert_int_equal(count, 24);
		assert_false(ring_handoffs_next(&handoffs, &dev));
	}
	ring_unref(ring);
	ring_builder_free(builder);
}

static void a_ring_survives_its_file(void **state)
{
	AUTO(buf) struct buf once = BUF_NONE;
	AUTO(buf) struct buf twice = BUF_NONE;
	struct ring_builder *builder = cluster_new(6, 2.5, 0, 2, 2, 1, 2);
	const char *folder = test_tmpdir();
	char path[512];
	struct ring *again = NULL;

	(void)state;
	cluster_rebalance(builder, 1, 0);
	assert_int_equal(ring_builder_remove(builder, 3), ERR_OK);
	cluster_rebalance(builder, 1, 0);
	struct ring *ring = cluster_ring(builder);
	snprintf(path, sizeof(path), "%s/x.ring.gz", folder);
	assert_int_equal(ring_save(ring, path), ERR_OK);
	assert_int_equal(ring_load(path, &again), ERR_OK);
	assert_int_equal(ring_part_power(again), 6);
	assert_int_equal(ring_rows(again), 3);
	assert_true(ring_replicas(again) == 2.5);
	assert_int_equal(ring_format_version(again), 1);
	assert_int_equal(ring_version(again), ring_version(ring));
	assert_null(ring_dev(again, 3));
	assert_string_equal(ring_dev(again, 4)->ip, "10.2.1.1");
	assert_string_equal(ring_dev(again, 4)->replication_ip, "10.2.1.1");
	assert_int_equal(ring_format(ring, &once), ERR_OK);
	assert_int_equal(ring_format(again, &twice), ERR_OK);
	assert_int_equal(once.len, twice.len);
	assert_memory_equal(once.data, twice.data, once.len);
	assert_int_equal(ring_load("/nonexistent/x.ring.gz", &again), ERR_NOT_FOUND);
	ring_unref(again);
	ring_unref(ring);
	ring_builder_free(builder);
	test_tmpdir_remove(folder);
}

static void a_damaged_file_is_refused(void **state)
{
	AUTO(buf) struct buf file = BUF_NONE;
	struct ring_builder *builder = cluster_new(4, 2, 0, 1, 2, 1, 2);
	struct ring *none = NULL;

	(void)state;
	cluster_rebalance(builder, 1, 0);
	struct ring *ring = cluster_ring(builder);
	assert_int_equal(ring_format(ring, &file), ERR_OK);
	for (size_t len = 0; len < file.len; len++)
		assert_int_not_equal(ring_parse(file.data, len, &none), ERR_OK);
	for (size_t at = 10; at < file.len; at++) { /* after the gzip header */
		file.data[at] ^= 0x10;
		assert_int_not_equal(ring_parse(file.data, file.len, &none), ERR_OK);
		file.data[at] ^= 0x10;
	}
	assert_int_equal(ring_parse("not a ring at all", 17, &none), ERR_FORMAT);
	assert_null(none);
	ring_unref(ring);
	ring_builder_free(builder);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	        cmocka_unit_test(names_hash_as_swift_hashes_them),
	        cmocka_unit_test(long_names_hash_too),
	        cmocka_unit_test(partition_is_the_first_bits),
	        cmocka_unit_test(handoffs_are_all_other_devices_farthest_first),
	        cmocka_unit_test(a_ring_survives_its_file),
	        cmocka_unit_test(a_damaged_file_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
