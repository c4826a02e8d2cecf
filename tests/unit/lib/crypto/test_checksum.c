#include "lib/crypto/checksum.h"
#include "lib/crypto/crc64.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void of(enum checksum_kind kind, const void *data, size_t len, size_t step, char *ret_hex)
{
	struct checksum c;
	uint8_t digest[CHECKSUM_BYTES_MAX];
	size_t n;

	checksum_begin(&c, kind);
	for (size_t at = 0; at < len; at += n) {
		n = len - at < step ? len - at : step;
		checksum_add(&c, (const uint8_t *)data + at, n);
	}
	n = checksum_end(&c, digest);
	assert_int_equal(n, checksum_size(kind));
	for (size_t i = 0; i < n; i++)
		snprintf(ret_hex + 2 * i, 3, "%02x", digest[i]);
}

/* The check values of the catalogue of CRCs, and of FIPS 180. */
static void known_values(void **state)
{
	static const char *const wanted[CHECKSUM_KINDS] = {"cbf43926", "e3069283",
	        "ae8b14860a799888", "f7c3bc1d808e04732adf679965ccc34ca7ae3441",
	        "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225"};
	char hex[65];

	(void)state;
	for (unsigned kind = 0; kind < CHECKSUM_KINDS; kind++) {
		for (size_t step = 1; step < 10; step++) {
			of(kind, "123456789", 9, step, hex);
			assert_string_equal(hex, wanted[kind]);
		}
	}
}

/* Of all lengths that have something of their own: rounds, blocks, words, bytes; also behind what
 * came before. */
static void faster_is_the_same(void **state)
{
	uint8_t data[1200];
	uint64_t crc = 0, plain = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * i * 31 + i / 3);
	for (size_t len = 0; len <= sizeof(data) - 7; len++) {
		crc = crc64(crc, data + len % 7, len);
		plain = crc64_plain(plain, data + len % 7, len);
		assert_true(crc == plain);
	}
}

static void parts_as_one(void **state)
{
	uint8_t data[1000], whole[CHECKSUM_BYTES_MAX], one[CHECKSUM_BYTES_MAX],
	        two[CHECKSUM_BYTES_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 37 + i / 7);
	for (unsigned kind = 0; checksum_combines(kind); kind++) {
		for (size_t cut = 0; cut <= sizeof(data); cut += 125) {
			struct checksum c;
			checksum_begin(&c, kind);
			checksum_add(&c, data, sizeof(data));
			size_t n = checksum_end(&c, whole);
			checksum_begin(&c, kind);
			checksum_add(&c, data, cut);
			checksum_end(&c, one);
			checksum_begin(&c, kind);
			checksum_add(&c, data + cut, sizeof(data) - cut);
			checksum_end(&c, two);
			checksum_combine(kind, one, two, sizeof(data) - cut);
			assert_memory_equal(one, whole, n);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(known_values),
	        cmocka_unit_test(faster_is_the_same),
	        cmocka_unit_test(parts_as_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
