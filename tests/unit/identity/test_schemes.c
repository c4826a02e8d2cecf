#include "tests/lib/test.h"

#include "identity/schemes.h"

#define PASSWORD "pass \xe2\x98\x83"

/* Made by passlib 1.7.4 of that password. */
static const char *const hashes[] = {
        "$pbkdf2-sha512$1000$fa.VUmqtFSLkvHcOwThHKA$EpTnX1U7iRlmH/"
        "xdgsLzDzDJwmrUB0yTi6VLKqnsEkIeRwtEtRX2hw7jcBSB8DNZcbbv1Mxh.vAZbe/hLdg73w",
        "$scrypt$ln=4,r=8,p=1$RUjpfU8JQah1zlkLAeDcew$3/73Zgsrr/MA88Avzo7zQU7rEISFtC+TVDA3H2UmNKE",
        "$bcrypt-sha256$v=2,t=2b,r=4$b9hs1fZR7efORXj3857L1e$ZUzY.QR5B8/j2B27XzAjhJJFB4NMllS",
        "$bcrypt-sha256$2b,4$uMUqTv2UV.OpfXOS3w173.$dWlCijrens15cZdhq2Y5nj5Li4axREK",
};

static void what_passlib_writes(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(hashes) / sizeof(hashes[0]); i++) {
		bool same = false;
		assert_true(scheme_matches(PASSWORD, hashes[i], &same));
		assert_true(same);
		assert_true(scheme_matches(PASSWORD "!", hashes[i], &same));
		assert_false(same);
		assert_true(scheme_matches("", hashes[i], &same));
		assert_false(same);
	}
}

/* Any of them cut short or with a letter changed matches nothing, and does no harm. */
static void damaged(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(hashes) / sizeof(hashes[0]); i++) {
		size_t len = strlen(hashes[i]);
		for (size_t cut = 1; cut < len; cut++) {
			char text[256];
			bool same = false;
			snprintf(text, sizeof(text), "%.*s", (int)(len - cut), hashes[i]);
			if (scheme_matches(PASSWORD, text, &same))
				assert_false(same);
		}
	}
}

static void others(void **state)
{
	static const char *const bad[] = {"$pbkdf2-sha512$99999999999$AAAA$AAAA",
	        "$pbkdf2-sha512$-1$AAAA$AAAA", "$pbkdf2-sha512$1$A*AA$AAAA",
	        "$scrypt$ln=40,r=8,p=1$AAAA$AAAA", "$scrypt$ln=4,r=99999,p=1$AAAA$AAAA",
	        "$scrypt$$$", "$bcrypt-sha256$v=2,t=2,r=4$AAAA$AAAA", "$bcrypt-sha256$2b$AAAA$AAAA",
	        "$bcrypt-sha256$v=2,t=2b,r=99$AAAA$AAAA", "$pbkdf2-sha512$1$AAAA$AAAA$AAAA"};
	bool same = true;

	(void)state;
	assert_false(scheme_matches(PASSWORD, "$2b$04$abc", &same));
	assert_false(scheme_matches(PASSWORD, "", &same));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		same = true;
		assert_true(scheme_matches(PASSWORD, bad[i], &same));
		assert_false(same);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(what_passlib_writes),
	        cmocka_unit_test(damaged), cmocka_unit_test(others)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
