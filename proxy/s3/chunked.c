#include "proxy/s3/chunked.h"

#include "lib/base/kv.h"
#include "lib/crypto/sha256.h"
#include <ctype.h>
#include <string.h>
#include <strings.h>

#define EMPTY_HASH "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define SIGNATURE  ";chunk-signature="
#define TRAILING   "x-amz-trailer-signature"

bool chunked_begin(struct chunked *c, const char *how)
{
	static const struct {
		const char *name;
		bool is_signed, has_trailer;
	} ways[] = {
	        {"STREAMING-AWS4-HMAC-SHA256-PAYLOAD", true, false},
	        {"STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", true, true},
	        {"STREAMING-UNSIGNED-PAYLOAD-TRAILER", false, true},
	};

	*c = (struct chunked){.state = CHUNK_HEAD};
	for (unsigned i = 0; i < COUNT_OF(ways); i++) {
		if (strcmp(how, ways[i].name) != 0)
			continue;
		c->is_signed = ways[i].is_signed;
		c->has_trailer = ways[i].has_trailer;
		return true;
	}
	return false;
}

void chunked_done(struct chunked *c)
{
	sha256_free(c->sha256);
	c->sha256 = NULL;
	buf_done(&c->line);
	buf_done(&c->trailer);
}

static void fail(struct chunked *c, enum s3_error error)
{
	c->state = CHUNK_BAD;
	c->error = error;
}

/* --- signatures --- */

static void add_hex(const uint8_t digest[SHA256_BYTES], struct buf *out)
{
	for (unsigned i = 0; i < SHA256_BYTES; i++)
		buf_printf(out, "%02x", digest[i]);
}

/* The next in the chain: each stands on the one before. */
static bool fits(struct chunked *c, const char *kind, const uint8_t digest[SHA256_BYTES])
{
	const struct s3_sign *s = c->sign;
	AUTO(buf) struct buf text = BUF_NONE;
	char signature[S3_SIGNATURE_SIZE];
	bool data = strcmp(kind, "PAYLOAD") == 0;

	buf_printf(&text, "AWS4-HMAC-SHA256-%s\n%s\n%s/%s/%s/aws4_request\n%s\n%s", kind, s->time,
	        s->date, s->region, s->service, *c->before ? c->before : s->signature,
	        data ? EMPTY_HASH "\n" : "");
	add_hex(digest, &text);
	s3_sign_4(c->key, text.data, text.len, signature);
	memcpy(c->before, signature, sizeof(signature));
	return s3_sign_same(signature, c->said);
}

static void end_chunk(struct chunked *c)
{
	uint8_t digest[SHA256_BYTES];

	if (!c->is_signed)
		return;
	sha256_end(c->sha256, digest);
	c->sha256 = NULL;
	if (!fits(c, "PAYLOAD", digest))
		fail(c, S3_SignatureDoesNotMatch);
}

/* --- lines --- */

/* "10000;chunk-signature=..." */
static void take_head(struct chunked *c)
{
	const char *p = buf_text(&c->line);
	unsigned digits = 0;

	for (c->left = 0; isxdigit((unsigned char)*p) && digits < 15; p++, digits++) {
		char low = (char)tolower((unsigned char)*p);
		c->left = c->left << 4 | (uint64_t)(low <= '9' ? low - '0' : low - 'a' + 10);
	}
	if (!digits)
		return fail(c, S3_InvalidRequest);
	if (c->is_signed) {
		if (strncmp(p, SIGNATURE, strlen(SIGNATURE)) != 0 ||
		        strlen(p + strlen(SIGNATURE)) != S3_SIGNATURE_SIZE - 1)
			return fail(c, S3_SignatureDoesNotMatch);
		memcpy(c->said, p + strlen(SIGNATURE), S3_SIGNATURE_SIZE);
		c->sha256 = sha256_new();
	} else if (*p && *p != ';') {
		return fail(c, S3_InvalidRequest);
	}
	c->last = c->left == 0;
	c->state = CHUNK_DATA;
	if (c->last) {
		c->state = c->has_trailer ? CHUNK_TRAILER : CHUNK_END;
		end_chunk(c);
	}
}

static void end_trailer(struct chunked *c)
{
	AUTO(buf) struct buf text = BUF_NONE;
	uint8_t digest[SHA256_BYTES];
	struct kv_pair pair;

	c->state = CHUNK_OVER;
	if (!c->is_signed)
		return;
	for (size_t at = 0; kv_next(c->trailer.data, c->trailer.len, &at, &pair);)
		buf_printf(&text, "%s:%s\n", pair.name, pair.value);
	sha256_digest(text.data ? text.data : "", text.len, digest);
	if (!fits(c, "TRAILER", digest))
		fail(c, S3_SignatureDoesNotMatch);
}

/* "x-amz-checksum-crc32:AAAAAA==" */
static void take_trailer(struct chunked *c)
{
	char *line = c->line.data, *colon = c->line.len ? strchr(line, ':') : NULL;

	if (!c->line.len)
		return end_trailer(c);
	if (!colon || c->trailer.len + c->line.len > CHUNK_TRAILER_MAX)
		return fail(c, S3_InvalidRequest);
	*colon = 0;
	for (char *p = line; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	const char *value = colon + 1 + strspn(colon + 1, " \t");
	if (strcmp(line, TRAILING) != 0) {
		kv_add(&c->trailer, line, value);
	} else if (strlen(value) == S3_SIGNATURE_SIZE - 1) {
		memcpy(c->said, value, S3_SIGNATURE_SIZE);
	} else {
		fail(c, S3_SignatureDoesNotMatch);
	}
}

/* A line up to its end; lines that end without a carriage return are taken, too. Returns the bytes
 * used; *ret_whole: the line is there. */
static size_t read_line(struct chunked *c, const uint8_t *in, size_t len, bool *ret_whole)
{
	const uint8_t *end = memchr(in, '\n', len);
	size_t used = end ? (size_t)(end - in) + 1 : len;

	*ret_whole = end;
	buf_add(&c->line, in, end ? used - 1 : used);
	if (c->line.len > CHUNK_LINE_MAX || memchr(in, 0, used))
		fail(c, S3_InvalidRequest);
	if (end && c->line.len && c->line.data[c->line.len - 1] == '\r')
		c->line.data[--c->line.len] = 0;
	return used;
}

static size_t feed_line(struct chunked *c, const uint8_t *in, size_t len)
{
	bool whole;
	size_t used = read_line(c, in, len, &whole);

	if (!whole || c->error)
		return used;
	if (c->state == CHUNK_HEAD)
		take_head(c);
	else if (c->state == CHUNK_TRAILER)
		take_trailer(c);
	else if (c->line.len)
		fail(c, S3_InvalidRequest);
	else
		c->state = c->last ? CHUNK_OVER : CHUNK_HEAD;
	buf_reset(&c->line);
	return used;
}

static size_t feed_data(struct chunked *c, const uint8_t *in, size_t len, uint8_t *out, size_t room)
{
	size_t n = len < room ? len : room;

	if (n > c->left)
		n = (size_t)c->left;
	memcpy(out, in, n);
	if (c->sha256)
		sha256_add(c->sha256, in, n);
	c->left -= n;
	if (!c->left) {
		c->state = CHUNK_END;
		end_chunk(c);
	}
	return n;
}

size_t chunked_feed(struct chunked *c, const uint8_t *in, size_t len, uint8_t *out, size_t room,
        size_t *ret_given)
{
	size_t taken = 0;

	*ret_given = 0;
	while (taken < len && !c->error) {
		if (c->state == CHUNK_OVER) {
			fail(c, S3_InvalidRequest); /* more than it said */
		} else if (c->state == CHUNK_DATA) {
			if (*ret_given == room)
				break;
			size_t n = feed_data(
			        c, in + taken, len - taken, out + *ret_given, room - *ret_given);
			taken += n;
			*ret_given += n;
		} else {
			taken += feed_line(c, in + taken, len - taken);
		}
	}
	return taken;
}
