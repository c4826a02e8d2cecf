/* Forms that upload an object: their policies, and the file in them, which must be the same however
 * the body is cut into pieces. The first byte says how it is. */
#include "proxy/s3/post.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use_policy(const char *text)
{
	struct post_field key = {NULL, "key", "a/b", false},
	                  type = {&key, "content-type", "a/b, c", false};
	struct post_range range;
	struct arena arena;
	const char *why;

	arena_init(&arena);
	if (!post_policy_check(text, 0, &type, &arena, &range, &why) &&
	        (!key.covered || !type.covered))
		abort();
	arena_done(&arena);
}

/* From where the file begins. */
static enum s3_error read_file(
        const uint8_t *body, size_t len, size_t step, size_t room, struct buf *out)
{
	struct s3_post post = {.range.max = UINT64_MAX};
	const char *ignored;
	uint8_t piece[64];
	size_t at = 0, given, ignored_len;

	multipart_init(&post.parts, "b");
	multipart_feed(&post.parts, "--b\r\n\r\n", 7);
	if (multipart_next(&post.parts, &ignored, &ignored_len) != MULTIPART_PART)
		abort();
	do {
		size_t n = step < len - at ? step : len - at;
		post.dry = false;
		for (size_t used = 0; used < n || s3_post_keeps(&post);) {
			if (post.error)
				break;
			used += s3_post_feed(
			        &post, body + at + used, n - used, piece, room, &given);
			buf_add(out, piece, given);
		}
		at += n;
	} while (at < len && !post.error);
	enum s3_error error = s3_post_end(&post, out->len);
	s3_post_done(&post);
	return error;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(buf) struct buf whole = BUF_NONE;
	AUTO(buf) struct buf cut = BUF_NONE;

	if (size < 1 || size > 65536)
		return 0;
	char *text = strndup((const char *)data + 1, size - 1);
	use_policy(text);
	free(text);
	enum s3_error error = read_file(data + 1, size - 1, size, 64, &whole);
	if (error != read_file(data + 1, size - 1, data[0] % 64 + 1, data[0] / 64 + 1, &cut) ||
	        whole.len != cut.len || (cut.len && memcmp(whole.data, cut.data, cut.len) != 0))
		abort();
	return 0;
}
