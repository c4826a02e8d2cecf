#include "tests/lib/test.h"

#include "lib/base/base64.h"
#include "lib/crypto/aead.h"
#include "lib/crypto/hmac.h"
#include "lib/crypto/md5.h"
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

/* What OpenSSL 3.0 makes of it: texts of all lengths around those that are taken at a time (16 to
 * 768 bytes), and a long one. All tags of the short ones are taken together by XOR. */
static void test_as_openssl_does(void **state)
{
	static const uint8_t want_short[AEAD_TAG] = {0xb3, 0xd7, 0x18, 0x10, 0x7e, 0x37, 0x46, 0x2c,
	        0x10, 0x56, 0x51, 0x04, 0xad, 0x73, 0xb2, 0x4f};
	static const uint8_t want_tag[AEAD_TAG] = {0xdb, 0x01, 0x92, 0x3c, 0x99, 0xc9, 0xce, 0x56,
	        0x6d, 0xf5, 0x4d, 0xdd, 0xae, 0x74, 0x26, 0x30};
	static const uint8_t want_md5[16] = {0x6c, 0x42, 0x66, 0x9e, 0x31, 0x9b, 0xbc, 0xe0, 0xf9,
	        0xf5, 0x36, 0x39, 0x54, 0x9a, 0x19, 0xb2};
	uint8_t key[AEAD_KEY], nonce[AEAD_NONCE], tag[AEAD_TAG], all[AEAD_TAG] = {0}, md5[16];
	static uint8_t text[65541], sealed[sizeof(text)];

	(void)state;
	for (unsigned i = 0; i < sizeof(key); i++)
		key[i] = (uint8_t)i;
	memcpy(nonce, key, sizeof(nonce));
	for (unsigned i = 0; i < sizeof(text); i++)
		text[i] = (uint8_t)(i * 7 + i / 251);
	struct aead *a = aead_new(key);
	for (size_t n = 0; n < 2100; n++) {
		aead_seal_with(a, nonce, text, n % 40, text, n, sealed, tag);
		for (unsigned i = 0; i < AEAD_TAG; i++)
			all[i] ^= tag[i];
		assert_int_equal(
		        aead_open_with(a, nonce, text, n % 40, sealed, n, tag, sealed), ERR_OK);
		assert_memory_equal(sealed, text, n);
	}
	assert_memory_equal(all, want_short, sizeof(all));
	aead_seal_with(a, nonce, "about", 5, text, sizeof(text), sealed, tag);
	md5_digest(sealed, sizeof(sealed), md5);
	assert_memory_equal(md5, want_md5, sizeof(md5));
	assert_memory_equal(tag, want_tag, sizeof(tag));
	assert_int_equal(
	        aead_open_with(a, nonce, "about", 5, sealed, sizeof(sealed), tag, sealed), ERR_OK);
	assert_memory_equal(sealed, text, sizeof(text));
	aead_free(a);
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

/* RFC 4231, case 2; and with keys longer than a block, which are hashed first. */
static void test_hmac_sha2(void **state)
{
	static const uint8_t short256[32] = {0x5b, 0xdc, 0xc1, 0x46, 0xbf, 0x60, 0x75, 0x4e, 0x6a,
	        0x04, 0x24, 0x26, 0x08, 0x95, 0x75, 0xc7, 0x5a, 0x00, 0x3f, 0x08, 0x9d, 0x27, 0x39,
	        0x83, 0x9d, 0xec, 0x58, 0xb9, 0x64, 0xec, 0x38, 0x43},
	                     short512[64] = {0x16, 0x4b, 0x7a, 0x7b, 0xfc, 0xf8, 0x19, 0xe2, 0xe3,
	                             0x95, 0xfb, 0xe7, 0x3b, 0x56, 0xe0, 0xa3, 0x87, 0xbd, 0x64,
	                             0x22, 0x2e, 0x83, 0x1f, 0xd6, 0x10, 0x27, 0x0c, 0xd7, 0xea,
	                             0x25, 0x05, 0x54, 0x97, 0x58, 0xbf, 0x75, 0xc0, 0x5a, 0x99,
	                             0x4a, 0x6d, 0x03, 0x4f, 0x65, 0xf8, 0xf0, 0xe6, 0xfd, 0xca,
	                             0xea, 0xb1, 0xa3, 0x4d, 0x4a, 0x6b, 0x4b, 0x63, 0x6e, 0x07,
	                             0x0a, 0x38, 0xbc, 0xe7, 0x37},
	                     long256[32] = {0xd7, 0x14, 0x39, 0x57, 0xb4, 0xf6, 0xc1, 0xa0, 0x66,
	                             0x03, 0xab, 0x4a, 0x29, 0xe4, 0x0e, 0x56, 0x4e, 0xd4, 0x02,
	                             0x7c, 0x94, 0xda, 0x4b, 0x71, 0x9e, 0x4b, 0xce, 0x4d, 0xa4,
	                             0xae, 0x02, 0xc8},
	                     long512[64] = {0x57, 0x0e, 0x8c, 0x4d, 0xa9, 0x3a, 0x8b, 0xd9, 0x28,
	                             0x73, 0x2d, 0x2f, 0xa5, 0x77, 0x12, 0x4f, 0x7b, 0xc1, 0xfe,
	                             0xa0, 0x9d, 0x7b, 0x06, 0x20, 0x96, 0x69, 0x45, 0x24, 0x71,
	                             0xde, 0x98, 0x88, 0x81, 0x7b, 0x9c, 0xb9, 0x65, 0x70, 0x76,
	                             0xa1, 0x30, 0xe0, 0xae, 0x62, 0xd2, 0x55, 0x45, 0xcb, 0x72,
	                             0x5c, 0x1d, 0x3d, 0xd4, 0xed, 0xd7, 0xc8, 0x78, 0xa2, 0x3b,
	                             0x10, 0x49, 0x39, 0x53, 0x6e};
	static const char text[] = "what do ya want for nothing?";
	uint8_t key[200], mac[64];

	(void)state;
	for (unsigned i = 0; i < sizeof(key); i++)
		key[i] = (uint8_t)i;
	hmac_sha256("Jefe", 4, text, 28, mac);
	assert_memory_equal(mac, short256, 32);
	hmac_sha512("Jefe", 4, text, 28, mac);
	assert_memory_equal(mac, short512, 64);
	hmac_sha256(key, sizeof(key), text, 28, mac);
	assert_memory_equal(mac, long256, 32);
	hmac_sha512(key, sizeof(key), text, 28, mac);
	assert_memory_equal(mac, long512, 64);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_a_known_answer),
	        cmocka_unit_test(test_as_openssl_does),
	        cmocka_unit_test(test_nothing_can_be_changed),
	        cmocka_unit_test(test_hmac_sha1),
	        cmocka_unit_test(test_hmac_sha2),
	        cmocka_unit_test(test_base64),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
