/* Sums of ranges of keys against a plain list of them. */
#include "tests/lib/test.h"

#include "lib/rows/sums.h"
#include <endian.h>
#include <string.h>

#define KEYS 20000

static struct sums sums;
static struct {
	uint8_t key[16];
	uint64_t number[2];
} list[KEYS];

static uint64_t next(uint64_t *state)
{
	*state = *state * 6364136223846793005ull + 1442695040888963407ull;
	return *state ^ *state >> 29;
}

/* Half of them share their first 60 bits. */
static void make_key(unsigned i, uint8_t key[16])
{
	uint64_t state = i, words[2] = {next(&state), next(&state)};

	if (i % 2)
		words[0] = 0x123456789abcdef0ull | (i / 2 % 16);
	words[0] = htobe64(words[0]);
	memcpy(key, words, 16);
}

static void plain(uint64_t prefix, unsigned bits, unsigned fan_out, struct backend_digest *parts)
{
	for (unsigned i = 0; i < KEYS; i++) {
		uint64_t top, part = 0;
		memcpy(&top, list[i].key, 8);
		top = be64toh(top);
		if ((bits && (top ^ prefix) >> (64 - bits)) ||
		        !(list[i].number[0] | list[i].number[1]))
			continue;
		if (fan_out)
			part = (bits ? top << bits : top) >> (64 - fan_out);
		parts[part].count++;
		parts[part].sum[0] += list[i].number[0];
		parts[part].sum[1] += list[i].number[1];
	}
}

static void compare(uint64_t prefix, unsigned bits, unsigned fan_out)
{
	struct backend_digest want[1 << 5] = {0}, have[1 << 5] = {0};

	plain(prefix, bits, fan_out, want);
	sums_range(&sums, prefix, bits, fan_out, have);
	assert_memory_equal(want, have, sizeof(want));
}

static void compare_all(void)
{
	for (unsigned bits = 0; bits <= 59; bits++) {
		uint64_t prefix = 0x123456789abcdef0ull;
		for (unsigned fan_out = 0; fan_out <= 5; fan_out += 5) {
			compare(bits ? prefix >> (64 - bits) << (64 - bits) : 0, bits, fan_out);
			compare(0, bits, fan_out);
		}
	}
	compare(0x123456789abcdef3ull, 64, 0);
}

static void ranges_come_to_what_their_keys_do(void **state)
{
	(void)state;
	uint64_t random = 7;

	compare_all(); /* of nothing */
	for (unsigned i = 0; i < KEYS; i++) {
		make_key(i, list[i].key);
		list[i].number[0] = next(&random);
		list[i].number[1] = next(&random);
		assert_false(sums_has(&sums, list[i].key));
		sums_set(&sums, list[i].key, list[i].number);
		assert_true(sums_has(&sums, list[i].key));
	}
	compare_all();
	for (unsigned i = 0; i < KEYS; i += 3) {
		list[i].number[0] = i % 2 ? next(&random) : 0;
		list[i].number[1] = 0;
		if (i % 2 || i % 4)
			sums_set(&sums, list[i].key, list[i].number);
		else
			sums_forget(&sums, list[i].key);
		assert_int_equal(sums_has(&sums, list[i].key), i % 2 || i % 4);
	}
	compare_all();
	for (unsigned i = 0; i < KEYS; i++) {
		list[i].number[0] = list[i].number[1] = 0;
		sums_forget(&sums, list[i].key);
		sums_forget(&sums, list[i].key);
	}
	compare_all();
	sums_done(&sums);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(ranges_come_to_what_their_keys_do),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
