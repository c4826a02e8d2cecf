#include "tests/lib/test.h"

#include "lib/crypto/md5.h"
#include "lib/device/index.h"

#define COUNT 300000u /* several splits of each shard */

static uint8_t (*keys)[16];

static int by_key(const void *a, const void *b)
{
	return memcmp(a, b, 16);
}

static void make_keys(void)
{
	keys = malloc(COUNT * sizeof(*keys));
	for (uint32_t i = 0; i < COUNT; i++)
		md5_digest(&i, sizeof(i), keys[i]);
}

static void check_order(struct index *index, unsigned step)
{
	uint8_t key[16] = {0};
	struct index_entry *entry;

	for (uint32_t i = 0; i < COUNT; i += step) {
		entry = index_from(index, key);
		assert_non_null(entry);
		assert_memory_equal(entry->key, keys[i], 16);
		memcpy(key, entry->key, 16);
		for (int b = 15; b >= 0 && ++key[b] == 0; b--)
			;
	}
	entry = index_from(index, key);
	assert_null(entry);
}

static void keeps_keys_in_order(void **state)
{
	struct index *index = index_new();

	(void)state;
	make_keys();
	for (uint32_t i = 0; i < COUNT; i++) {
		struct index_entry *entry = index_add(index, keys[i]);
		entry->ts = 1000 + i;
		entry->at = at_make(i, 64 * i % (1u << 30), 128);
	}
	assert_int_equal(index->count, COUNT);
	for (uint32_t i = 0; i < COUNT; i++) {
		struct index_entry *entry = index_find(index, keys[i]);
		assert_non_null(entry);
		assert_int_equal(entry->ts, 1000 + i);
		assert_int_equal(at_unit(entry->at), i);
		assert_int_equal(at_off(entry->at), 64 * i % (1u << 30));
		assert_int_equal(at_len(entry->at), 128);
	}
	qsort(keys, COUNT, sizeof(*keys), by_key);
	check_order(index, 1);
	index_trim(index);
	check_order(index, 1);
	for (uint32_t i = 0; i < COUNT; i++) {
		if (i % 3)
			index_remove(index, index_find(index, keys[i]));
	}
	assert_int_equal(index->count, COUNT / 3);
	check_order(index, 3);
	assert_null(index_find(index, keys[1]));
	index_free(index);
	free(keys);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(keeps_keys_in_order)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
