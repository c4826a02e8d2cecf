#include "tests/lib/test.h"

#include "identity/keyfile.h"
#include "identity/vault.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char folder[64];

static int setup(void **state)
{
	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/vault-XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	for (unsigned i = 1; i <= 17; i++) {
		char path[80];
		snprintf(path, sizeof(path), "%s/%u", folder, i);
		unlink(path);
	}
	return rmdir(folder);
}

static void add_key(unsigned number)
{
	AUTO(buf) struct buf error = BUF_NONE;
	uint8_t key[KEYFILE_BYTES] = {(uint8_t)number};

	assert_int_equal(keyfile_make(folder, number, key, &error), ERR_OK);
}

/* The highest number seals, all open; none of them is passed over. */
static void keys_by_number(void **state)
{
	AUTO(buf) struct buf sealed = BUF_NONE, error = BUF_NONE;
	struct vault *vault;
	struct arena arena;
	const char *text;

	(void)state;
	arena_init(&arena);
	add_key(1);
	assert_int_equal(vault_open(folder, &vault, &error), ERR_OK);
	vault_seal(vault, "about", "a secret", &sealed);
	vault_free(vault);
	for (unsigned i = 2; i <= 16; i++)
		add_key(i);
	assert_int_equal(vault_open(folder, &vault, &error), ERR_OK);
	assert_int_equal(vault_unseal(vault, "about", buf_text(&sealed), &arena, &text), ERR_OK);
	assert_string_equal(text, "a secret");
	assert_int_equal(
	        vault_unseal(vault, "other", buf_text(&sealed), &arena, &text), ERR_CORRUPT);
	vault_free(vault);
	add_key(17);
	assert_int_equal(vault_open(folder, &vault, &error), ERR_CONFIG);
	assert_non_null(strstr(buf_text(&error), "more than 16 keys"));
	arena_done(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(keys_by_number, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
