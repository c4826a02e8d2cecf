#include "proxy/s3/upload_claim.h"

#include "lib/base/auto.h"
#include "lib/base/kv.h"
#include "lib/env/env.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define NOW 1700000000ull

/* --- a marker, and a store that answers as the test says --- */

static const char *on_marker; /* its claims; or NULL */
static unsigned fails;        /* so many writes come to nothing, then they are done */
static char written[200];

static bool fake_find(struct request *request, struct upload *u, enum s3_error *ret_error)
{
	(void)request;
	*ret_error = S3_OK;
	if (!u->asked && on_marker)
		kv_add(&u->marker.headers, UPLOAD_CLAIMS, on_marker);
	u->id = "u";
	u->asked = true;
	return true;
}

static void fake_found(struct upload *u)
{
	buf_done(&u->marker.headers);
}

static void fake_header(struct sub *sub, const char *name, const char *value)
{
	(void)sub;
	if (strcmp(name, UPLOAD_CLAIMS) == 0)
		snprintf(written, sizeof(written), "%s", value);
}

static void fake_init(struct sub *sub, struct request *parent)
{
	*sub = (struct sub){.parent = parent};
	*written = 0;
}

static void fake_start(struct sub *sub)
{
	sub->status = fails ? 503 : 201;
	fails -= fails > 0;
}

static void fake_done(struct sub *sub)
{
	*sub = (struct sub){0};
}

#define upload_find                                      fake_find
#define upload_done                                      fake_found
#define sub_init(sub, request, maker, rights, method)    fake_init(sub, request)
#define sub_path(sub, account, container, object, query) ((void)(container), (void)(object))
#define sub_header                                       fake_header
#define sub_body_text(sub, text, len)                    ((void)(sub))
#define sub_start                                        fake_start
#define sub_headed(sub)                                  ((sub)->status != 0)
#define sub_done                                         fake_done
#define s3_sse_sub(request, sub, kept)                   ((void)(kept))

#include "proxy/s3/upload_claim.c"

static void each_write_is_tried_as_often(void **state)
{
	struct env_fake env;
	struct hlc hlc;
	struct backend backend = {0};
	struct s3 s3 = {.bucket = "b", .key = "k"};
	struct http_req http = {0};
	struct upload upload = {0};
	struct upload_claim claim = {.id = "a"};

	(void)state;
	env_fake_init(&env, 1);
	env.wall_us = NOW * 1000000;
	hlc_init(&hlc, &env.env);
	arena_init(&http.arena);
	struct cluster cluster = {.env = &env.env, .hlc = &hlc};
	struct proxy proxy = {.cluster = &cluster, .backend = &backend};
	struct request request = {.http = &http, .proxy = &proxy, .s3 = &s3, .account = "x"};

	on_marker = NULL;
	fails = TRIES_MAX - 1;
	assert_true(upload_claim_make(&request, &upload, &claim));
	assert_int_equal(claim.error, S3_OK);
	assert_string_equal(written, "1700000000-a");
	/* What it took to claim it is not at the cost of taking it back. */
	on_marker = "1700000000-a 1700000000-b";
	fails = TRIES_MAX - 1;
	assert_true(upload_claim_drop(&request, &upload, &claim));
	assert_int_equal(claim.error, S3_OK);
	assert_string_equal(written, "1700000000-b");
	fake_found(&upload);
	arena_done(&http.arena);
}

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
	        cmocka_unit_test(each_write_is_tried_as_often),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
