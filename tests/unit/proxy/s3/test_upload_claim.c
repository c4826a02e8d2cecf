#include "proxy/s3/upload_claim.h"

#include "lib/base/auto.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define NOW 1700000000ull

static void nobody_claims(void **state)
{
	static const char *const none[] = {NULL, "", " ", "-", "x", "0", "0-a", "-a", "99 98-b"};

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(none); i++)
		assert_false(claims_stand(none[i], NOW));
}

static void claims_end(void **state)
{
	(void)state;
	/* Who claimed it and died is in nobody's way after a while. */
	assert_true(claims_stand("1700000000-a", NOW));
	assert_true(claims_stand("1700000000-a", NOW + UPLOAD_CLAIM_S - 1));
	assert_false(claims_stand("1700000000-a", NOW + UPLOAD_CLAIM_S));
	assert_true(claims_stand("1600000000-a 1700000000-b", NOW));
	/* As it was written before claims said whose they are. */
	assert_true(claims_stand("1700000000", NOW));
	assert_false(claims_stand("1700000000", NOW + UPLOAD_CLAIM_S));
}

static void each_takes_back_its_own(void **state)
{
	struct arena arena;

	(void)state;
	arena_init(&arena);
	const char *a = claims_with(&arena, NULL, "a", NOW),
	           *both = claims_with(&arena, a, "b", NOW + 1);
	assert_string_equal(a, "1700000000-a");
	assert_string_equal(both, "1700000001-b 1700000000-a");
	assert_string_equal(claims_without(&arena, both, "b", NOW), a);
	assert_string_equal(claims_without(&arena, both, "a", NOW), "1700000001-b");
	assert_string_equal(claims_without(&arena, a, "a", NOW), "");
	assert_string_equal(claims_without(&arena, a, "other", NOW), a);
	assert_string_equal(claims_without(&arena, "1700000000-ab", "a", NOW), "1700000000-ab");
	assert_string_equal(claims_without(&arena, NULL, "a", NOW), "");
	/* Once more is not twice. */
	assert_string_equal(claims_with(&arena, a, "a", NOW + 2), "1700000002-a");
	arena_done(&arena);
}

static void the_dead_are_forgotten(void **state)
{
	struct arena arena;

	(void)state;
	arena_init(&arena);
	const char *claims = "1700000500-b 1700000000-a 1700000000";
	assert_string_equal(
	        claims_with(&arena, claims, "c", NOW + 900), "1700000900-c 1700000500-b");
	assert_string_equal(claims_without(&arena, claims, "b", NOW + 900), "");
	arena_done(&arena);
}

/* A client may try for as long as it likes, and each try stands for its time. */
static void many_are_one(void **state)
{
	struct arena arena;
	const char *claims = NULL;
	size_t longest = 0;

	(void)state;
	arena_init(&arena);
	for (unsigned i = 0; i < 100; i++) {
		claims = claims_with(&arena, claims, arena_printf(&arena, "%016x", i), NOW + i);
		if (strlen(claims) > longest)
			longest = strlen(claims);
	}
	assert_true(longest < 500);
	assert_true(claims_stand(claims, NOW + 99 + UPLOAD_CLAIM_S - 1));
	for (unsigned i = 0; i < 100; i++)
		claims = claims_without(&arena, claims, arena_printf(&arena, "%016x", i), NOW + 99);
	assert_string_equal(claims, "1700000084");
	arena_done(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(nobody_claims),
	        cmocka_unit_test(claims_end),
	        cmocka_unit_test(each_takes_back_its_own),
	        cmocka_unit_test(the_dead_are_forgotten),
	        cmocka_unit_test(many_are_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
