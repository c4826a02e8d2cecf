/* Authentication codes: known answers for keys and messages around the block's length. */
#include "tests/lib/test.h"

#include "lib/crypto/hmac.h"
#include <string.h>

static void expect(const uint8_t *mac, size_t len, const char *hex)
{
	char text[129];

	for (size_t i = 0; i < len; i++)
		snprintf(text + 2 * i, 3, "%02x", mac[i]);
	assert_string_equal(text, hex);
}

static void known_answers(void **state)
{
	static const char key[] = "Jefe",
	                  data[] = "what do ya want for nothing?"; /* RFC 4231, 2202 */
	char longer[131];
	uint8_t mac[64];

	(void)state;
	hmac_sha1(key, 4, data, 28, mac);
	expect(mac, 20, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
	hmac_sha256(key, 4, data, 28, mac);
	expect(mac, 32, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
	hmac_sha512(key, 4, data, 28, mac);
	expect(mac, 64,
	        "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d"
	        "0"
	        "34f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737");
	memset(longer, 0xaa, sizeof(longer));
	hmac_sha256(longer, 131, "Test Using Larger Than Block-Size Key - Hash Key First", 54, mac);
	expect(mac, 32, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
	hmac_sha512(longer, 131, "Test Using Larger Than Block-Size Key - Hash Key First", 54, mac);
	expect(mac, 64,
	        "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f3526b56d037e05f2598bd"
	        "0"
	        "fd2215d6a1e5295e64f73f63f0aec8b915a985d786598");
	hmac_sha256("", 0, "", 0, mac);
	expect(mac, 32, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(known_answers)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
