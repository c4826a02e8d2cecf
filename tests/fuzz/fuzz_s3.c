/* What S3's clients sign, and bodies in S3's chunks. Lines: the first chooses; of a request the
 * second is the target, then "name=value" headers. */
#include "proxy/s3/chunked.h"
#include <stdlib.h>
#include <string.h>

#define HEADERS_MAX 32

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

/* What can be read can be signed, and the same way each time. */
static void use_request(char *text, struct arena *arena)
{
	static const uint8_t key[AWS_KEY] = {1};
	struct http_header headers[HEADERS_MAX];
	struct http_req http = {.method = "GET", .headers = headers};
	AUTO(buf) struct buf one = BUF_NONE, two = BUF_NONE, sent = BUF_NONE;
	struct s3_sign sign;
	const char *why;
	char signature[S3_SIGNATURE_SIZE];

	arena_init(&http.arena);
	http.target = arena_strdup(arena, strsep(&text, "\n"));
	for (char *line; text && http.header_count < HEADERS_MAX && (line = strsep(&text, "\n"));) {
		char *equals = strchr(line, '=');
		if (!equals)
			continue;
		*equals = 0;
		headers[http.header_count++] = (struct http_header){line, equals + 1};
	}
	if (!s3_sign_parse(&http, &sign, &why) && sign.kind == S3_SIGNED_4) {
		require(sign.access && sign.date && sign.region && sign.service && sign.headers &&
		        sign.time && sign.signature);
		s3_sign_text_4(&http, &sign, false, &one);
		s3_sign_text_4(&http, &sign, false, &two);
		s3_sign_text_4(&http, &sign, true, &sent);
		require(one.len == two.len && memcmp(one.data, two.data, one.len) == 0);
		s3_sign_4(key, one.data, one.len, signature);
		s3_sign_left_out(&http, &sign);
	} else if (sign.kind == S3_SIGNED_2) {
		s3_sign_text_2(&http, &sign, NULL, false, &one);
	}
	arena_done(&http.arena);
}

#define CHECKSUM "x-amz-checksum-crc32"

/* In one piece or byte for byte, they hold the same. */
static void use_chunks(const char *how, const uint8_t *data, size_t size)
{
	static const uint8_t key[AWS_KEY] = {1};
	static const struct s3_sign sign = {
	        .time = "t", .date = "d", .region = "r", .service = "s", .signature = "0"};
	struct chunked whole, bytes;
	uint8_t *out = malloc(2 * size + 1);
	size_t given, total = 0, n;

	require(chunked_begin(&whole, how, size / 2, CHECKSUM));
	require(chunked_begin(&bytes, how, size / 2, CHECKSUM));
	whole.key = bytes.key = key;
	whole.sign = bytes.sign = &sign;
	chunked_feed(&whole, data, size, out, size, &given);
	for (size_t i = 0; i < size && !bytes.error; i++, total += n)
		chunked_feed(&bytes, data + i, 1, out + size + total, 1, &n);
	chunked_end(&whole);
	chunked_end(&bytes);
	require(whole.error == bytes.error && whole.cut_off == bytes.cut_off);
	require(whole.error || (given == total && memcmp(out, out + size, total) == 0));
	chunked_done(&whole);
	chunked_done(&bytes);
	free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena arena;

	if (!size)
		return 0;
	arena_init(&arena);
	if (data[0] == 's')
		use_chunks("STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", data + 1, size - 1);
	else if (data[0] == 'u')
		use_chunks("STREAMING-UNSIGNED-PAYLOAD-TRAILER", data + 1, size - 1);
	else
		use_request(arena_strndup(&arena, (const char *)data + 1, size - 1), &arena);
	arena_done(&arena);
	return 0;
}
