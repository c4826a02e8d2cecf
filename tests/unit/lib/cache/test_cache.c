#include "tests/lib/test.h"

#include "lib/cache/cache.h"

static struct cache_key key_of(uint32_t n)
{
	return (struct cache_key){.device = 1, .unit = n / 100, .nonce = 7, .offset = n % 100 * 64};
}

static void put(struct cache *cache, uint32_t n, uint32_t len)
{
	struct cache_key key = key_of(n);
	struct bytes *bytes = bytes_new(len);

	memset(bytes->data, (int)n, len);
	bytes->len = len;
	cache_put(cache, &key, &(struct cache_item){bytes, 0, len});
	bytes_unref(bytes);
}

static bool get(struct cache *cache, uint32_t n, uint32_t len)
{
	struct cache_key key = key_of(n);
	struct cache_item item;

	if (!cache_get(cache, &key, &item))
		return false;
	assert_int_equal(item.len, len);
	for (uint32_t i = 0; i < len; i++)
		assert_int_equal(item.bytes->data[item.at + i], (uint8_t)n);
	return true;
}

static void keeps_what_is_used_within_its_bound(void **state)
{
	struct cache *cache = cache_new(1 << 20);

	(void)state;
	for (uint32_t n = 0; n < 20; n++)
		put(cache, n, 4096);
	for (uint32_t n = 0; n < 20; n++)
		assert_true(get(cache, n, 4096));
	/* A long scan: each only once. */
	for (uint32_t n = 100; n < 2000; n++) {
		put(cache, n, 4096);
		assert_true(cache_bytes(cache) <= 1 << 20);
	}
	for (uint32_t n = 0; n < 20; n++)
		assert_true(get(cache, n, 4096));
	assert_false(get(cache, 100, 4096));
	assert_true(get(cache, 1999, 4096));
	cache_free(cache);
}

static void other_incarnations_do_not_answer(void **state)
{
	struct cache *cache = cache_new(1 << 20);
	struct cache_key key = key_of(5);
	struct cache_item item;

	(void)state;
	put(cache, 5, 100);
	assert_true(get(cache, 5, 100));
	key.nonce++;
	assert_false(cache_get(cache, &key, &item));
	key = key_of(5);
	key.device++;
	assert_false(cache_get(cache, &key, &item));
	put(cache, 5, 200);
	assert_true(get(cache, 5, 200));
	key = key_of(5);
	cache_drop(cache, &key);
	assert_false(get(cache, 5, 200));
	assert_int_equal(cache_bytes(cache), 0);
	cache_free(cache);
}

static void a_hot_item_lets_go_of_its_batch(void **state)
{
	struct cache *cache = cache_new(4 << 20);
	struct bytes *batch = bytes_new(256 << 10);

	(void)state;
	memset(batch->data, 3, 256 << 10);
	batch->len = 256 << 10;
	for (uint32_t n = 0; n < 64; n++) {
		struct cache_key key = key_of(n);
		cache_put(cache, &key, &(struct cache_item){batch, n * 4096, 4096});
	}
	assert_int_equal(atomic_load(&batch->refs), 65);
	struct cache_key key = key_of(9);
	struct cache_item item;
	assert_true(cache_get(cache, &key, &item));
	assert_ptr_not_equal(item.bytes, batch);
	assert_int_equal(item.bytes->data[item.at], 3);
	assert_int_equal(atomic_load(&batch->refs), 64);
	/* Larger than a quarter: not kept. */
	struct bytes *large = bytes_new(1 << 20);
	key = key_of(500);
	cache_put(cache, &key, &(struct cache_item){large, 0, 1 << 20});
	assert_false(cache_get(cache, &key, &item));
	bytes_unref(large);
	cache_free(cache);
	assert_int_equal(atomic_load(&batch->refs), 1);
	bytes_unref(batch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(keeps_what_is_used_within_its_bound),
	        cmocka_unit_test(other_incarnations_do_not_answer),
	        cmocka_unit_test(a_hot_item_lets_go_of_its_batch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
