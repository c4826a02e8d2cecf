/* What a client's bytes reach first: the guard, ranges, query strings, dates, ACLs, conditions and
 * tokens. The first byte chooses the parser. */
#include "lib/base/ts.h"
#include "lib/http/guard.h"
#include "lib/http/range.h"
#include "lib/http/url.h"
#include "proxy/conditional.h"
#include "proxy/mime.h"
#include "proxy/proxy.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

/* Lines: method, target, then "name:value". */
static void guard(struct arena *arena, char *text)
{
	struct http_header headers[32];
	struct http_req req = {.headers = headers, .method = "", .target = ""};
	char *save = NULL;
	int status, line = 0;

	for (char *p = strtok_r(text, "\n", &save); p && req.header_count < 32;
	        p = strtok_r(NULL, "\n", &save), line++) {
		char *colon = strchr(p, ':');
		if (line == 0) {
			req.method = p;
		} else if (line == 1) {
			req.target = p;
		} else if (colon) {
			*colon = 0;
			headers[req.header_count++] = (struct http_header){p, colon + 1};
		}
	}
	(void)arena;
	const char *why = guard_check(&req, &status);
	require(!why || status == 400 || status == 501);
	require(why || !(req.has_length && req.chunked));
}

static void range(struct arena *arena, char *text)
{
	struct range ranges[RANGE_MAX];
	unsigned count = 0;

	(void)arena;
	if (range_parse(text, 1000, ranges, &count) == RANGE_SOME) {
		require(count > 0 && count <= RANGE_MAX);
		for (unsigned i = 0; i < count; i++)
			require(ranges[i].start <= ranges[i].end && ranges[i].end < 1000);
	}
}

static void query(struct arena *arena, char *text)
{
	struct query q;

	query_parse(arena, text, &q);
	for (unsigned i = 0; i < q.count; i++)
		require(query_get(&q, q.pairs[i].name) != NULL);
}

static void dates(struct arena *arena, char *text)
{
	int64_t seconds;
	uint64_t ts;
	char out[TS_TEXT_SIZE];

	(void)arena;
	http_date_parse(text, &seconds);
	if (ts_parse(text, &ts)) {
		ts_format(ts, out);
		uint64_t again;
		require(ts_parse(out, &again) && again == ts);
	}
}

static void acl(struct arena *arena, char *text)
{
	static const char *const groups[] = {"test", "test:tester", NULL};
	const char *error = NULL;
	char *clean = acl_clean(arena, "X-Container-Read", text, &error);

	require((clean != NULL) == (error == NULL));
	if (!clean)
		return;
	acl_group_allowed(clean, groups);
	acl_referrer_allowed(clean, text);
	/* Cleaning is done after one time. */
	char *twice = acl_clean(arena, "X-Container-Read", clean, &error);
	require(twice && strcmp(twice, clean) == 0);
}

static void account_acl(struct arena *arena, char *text)
{
	static const char *const groups[] = {"test", NULL};
	const char *clean;

	if (!acl_account_check(arena, text, &clean))
		acl_account_access(clean, groups);
	acl_account_access(text, groups);
}

static void conditions(struct arena *arena, char *text)
{
	struct http_header headers[] = {{"If-None-Match", text}, {"If-Match", text},
	        {"If-Modified-Since", text}, {"If-Unmodified-Since", text}};
	struct http_req req = {.headers = headers, .header_count = 4};

	(void)arena;
	conditional_check(&req, "d41d8cd98f00b204e9800998ecf8427e", 170000000000000);
	require(mime_guess(text) != NULL);
}

static void unquote(struct arena *arena, char *text)
{
	AUTO(buf) struct buf quoted = BUF_NONE;
	size_t len;

	url_quote(&quoted, text, "");
	char *back = url_unquote(arena, buf_text(&quoted), quoted.len, &len);
	require(strcmp(back, text) == 0);
	url_unquote(arena, text, strlen(text), &len);
	utf8_valid(text, strlen(text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const parsers[])(struct arena * arena, char *text) = {
	        guard, range, query, dates, acl, account_acl, conditions, unquote};
	struct arena arena;

	if (size < 1 || size > 65536)
		return 0;
	arena_init(&arena);
	parsers[data[0] % COUNT_OF(parsers)](
	        &arena, arena_strndup(&arena, (const char *)data + 1, size - 1));
	arena_done(&arena);
	return 0;
}
