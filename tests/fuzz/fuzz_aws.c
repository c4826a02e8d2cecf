/* Requests that somebody says were signed as AWS does, and paths against access rules. Lines: the
 * first chooses; "p name=value" is a parameter, "h name=value" a header. */
#include "lib/auth/aws.h"
#include "lib/auth/verify.h"
#include <stdlib.h>
#include <string.h>

#define PAIRS_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void add(struct aws_pair *pairs, unsigned *count, char *line)
{
	char *equals = strchr(line, '=');

	if (!equals || *count == PAIRS_MAX)
		return;
	*equals = 0;
	pairs[(*count)++] = (struct aws_pair){line, equals + 1};
}

/* The same signature each time, and none of another secret. */
static void use_request(char *text, struct arena *arena)
{
	struct aws_pair params[PAIRS_MAX], headers[PAIRS_MAX];
	struct aws_request r = {
	        .verb = "Get", .host = "h:1", .path = "/", .params = params, .headers = headers};
	AUTO(buf) struct buf one = BUF_NONE;
	AUTO(buf) struct buf two = BUF_NONE;
	AUTO(buf) struct buf other = BUF_NONE;

	for (char *line; (line = strsep(&text, "\n"));) {
		if (strncmp(line, "p ", 2) == 0)
			add(params, &r.param_count, line + 2);
		else if (strncmp(line, "h ", 2) == 0)
			add(headers, &r.header_count, line + 2);
		else
			r.body_hash = line;
	}
	enum err err = aws_sign(&r, "secret", arena, &one);
	require(aws_sign(&r, "secret", arena, &two) == err && one.len == two.len);
	require(aws_sign(&r, "other", arena, &other) == err);
	require(strcmp(buf_text(&one), buf_text(&two)) == 0);
	require(err ? !one.len : strcmp(buf_text(&one), buf_text(&other)) != 0);
}

static void use_text(const char *text, struct arena *arena)
{
	AUTO(buf) struct buf signature = BUF_NONE;
	enum err err = aws_sign_text(text, strlen(text), "secret", arena, &signature);

	require(err ? !signature.len : signature.len == 28 || signature.len == 64);
}

static void use_path(char *text)
{
	char *path = text;
	const char *pattern = strsep(&path, "\n");

	if (path)
		access_path(pattern, path);
	require(strpbrk(pattern, "*{") || access_path(pattern, pattern));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena arena;

	if (size < 1)
		return 0;
	char *text = strndup((const char *)data + 1, size - 1);
	require(text != NULL);
	arena_init(&arena);
	if (data[0] % 3 == 0)
		use_request(text, &arena);
	else if (data[0] % 3 == 1)
		use_text(text, &arena);
	else
		use_path(text);
	arena_done(&arena);
	free(text);
	return 0;
}
