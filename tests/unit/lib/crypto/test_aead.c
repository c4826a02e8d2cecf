#include "tests/lib/test.h"

#include "lib/base/base64.h"
#include "lib/crypto/aead.h"
#include "lib/crypto/hmac.h"
#include <string.h>

/* Test case 14 of the GCM specification (McGrew, Viega): key, nonce and text of zeros. */
static void test_a_known_answer(void **state)
{
	static const uint8_t key[AEAD_KEY], nonce[AEAD_NONCE], text[16];
	static const uint8_t want[32] = {0xce, 0xa7, 0x40, 0x3d, 0x4d, 0x60, 0x6b, 0x6e, 0x07, 0x4e,
	        0xc5, 0xd3, 0xba, 0xf3, 0x9d, 0x18, 0xd0, 0xd1, 0xc8, 0xa7, 0x99, 0x99, 0x6b, 0xf0,
	        0x26, 0x5b, 0x98, 0xb5, 0xd4, 0x8a, 0xb9, 0x19};
	uint8_t sealed[32], back[16];

	(void)state;
	aead_seal(key, nonce, NULL, 0, text, sizeof(text), sealed);
	assert_memory_equal(sealed, want, sizeof(want));
	assert_int_equal(aead_open(key, nonce, NULL, 0, sealed, sizeof(sealed), back), ERR_OK);
	assert_memory_equal(back, text, sizeof(text));
}

static void test_nothing_can_be_changed(void **state)
{
	uint8_t key[AEAD_KEY] = "k", nonce[AEAD_NONCE] = "n", sealed[5 + AEAD_TAG], back[5];

	(void)state;
	aead_seal(key, nonce, "about", 5, "hello", 5, sealed);
	assert_int_equal(aead_open(key, nonce, "about", 5, sealed, sizeof(sealed), back), ERR_OK);
	assert_memory_equal(back, "hello", 5);
	for (unsigned i = 0; i < sizeof(sealed); i++) {
		sealed[i] ^= 1;
		assert_int_equal(aead_open(key, nonce, "about", 5, sealed, sizeof(sealed), back),
		        ERR_CORRUPT);
		sealed[i] ^= 1;
	}
	assert_int_equal(
	        aead_open(key, nonce, "abouT", 5, sealed, sizeof(sealed), back), ERR_CORRUPT);
	assert_int_equal(
	        aead_open(key, nonce, "about", 5, sealed, AEAD_TAG - 1, back), ERR_CORRUPT);
	assert_int_equal(aead_open(key, nonce, "about", 5, sealed, AEAD_TAG, back), ERR_CORRUPT);
	key[0] ^= 1;
	assert_int_equal(
	        aead_open(key, nonce, "about", 5, sealed, sizeof(sealed), back), ERR_CORRUPT);
}

/* RFC 2202, test case 2. */
static void test_hmac_sha1(void **state)
{
	static const uint8_t want[20] = {0xef, 0xfc, 0xdf, 0x6a, 0xe5, 0xeb, 0x2f, 0xa2, 0xd2, 0x74,
	        0x16, 0xd5, 0xf1, 0x84, 0xdf, 0x9c, 0x25, 0x9a, 0x7c, 0x79};
	uint8_t mac[20];

	(void)state;
	hmac_sha1("Jefe", 4, "what do ya want for nothing?", 28, mac);
	assert_memory_equal(mac, want, sizeof(want));
}

/* RFC 4648, section 10. */
static void test_base64(void **state)
{
	static const char *const pairs[][2] = {{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="},
	        {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="},
	        {"foobar", "Zm9vYmFy"}, {"\xfb\xff", "+/8="}};
	static const char *const wrong[] = {"Z", "Zm9vY", "Zm 9", "Zm9v=Zm9", "===="};

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(pairs); i++) {
		AUTO(buf) struct buf text = BUF_NONE;
		AUTO(buf) struct buf back = BUF_NONE;
		base64_encode(pairs[i][0], strlen(pairs[i][0]), &text);
		assert_string_equal(buf_text(&text), pairs[i][1]);
		assert_true(base64_decode(pairs[i][1], strlen(pairs[i][1]), &back));
		assert_string_equal(buf_text(&back), pairs[i][0]);
	}
	for (unsigned i = 0; i < COUNT_OF(wrong); i++) {
		AUTO(buf) struct buf back = BUF_NONE;
		assert_false(base64_decode(wrong[i], strlen(wrong[i]), &back));
	}
	AUTO(buf) struct buf back = BUF_NONE;
	AUTO(buf) struct buf url = BUF_NONE;
	assert_true(base64_decode("-_8", 3, &back));
	assert_string_equal(buf_text(&back), "\xfb\xff");
	base64_encode_url("\xfb\xff", 2, &url);
	assert_string_equal(buf_text(&url), "-_8");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_a_known_answer),
	        cmocka_unit_test(test_nothing_can_be_changed),
	        cmocka_unit_test(test_hmac_sha1),
	        cmocka_unit_test(test_base64),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
