#include "proxy/s3/chunked.h"

#include "lib/base/kv.h"
#include "lib/crypto/sha256.h"
#include <ctype.h>
#include <string.h>
#include <strings.h>

#define EMPTY_HASH "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define SIGNATURE  "chunk-signature"
#define TRAILING   "x-amz-trailer-signature"

bool chunked_begin(struct chunked *c, const char *how, uint64_t size, const char *trailer)
{
	static const struct {
		const char *name;
		bool is_signed, signs_trailer;
	} ways[] = {
	        {"STREAMING-AWS4-HMAC-SHA256-PAYLOAD", true, false},
	        {"STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", true, true},
	        {"STREAMING-UNSIGNED-PAYLOAD-TRAILER", false, false},
	};

	*c = (struct chunked){
	        .state = CHUNK_HEAD, .size = size, .lacks = size, .expected = trailer};
	for (unsigned i = 0; i < COUNT_OF(ways); i++) {
		if (strcmp(how, ways[i].name) != 0)
			continue;
		c->is_signed = ways[i].is_signed;
		c->signs_trailer = ways[i].signs_trailer;
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
	buf_done(&c->text);
}

static void fail(struct chunked *c, enum s3_error error)
{
	c->state = CHUNK_BAD;
	c->error = error;
}

static void fail_size(struct chunked *c, uint64_t provided)
{
	fail(c, S3_IncompleteBody);
	c->wanted = c->size;
	c->provided = provided;
}

static void cut_off(struct chunked *c)
{
	fail(c, S3_IncompleteBody);
	c->cut_off = true;
}

/* --- signatures --- */

static void add_hex(const uint8_t digest[SHA256_BYTES], struct buf *out)
{
	buf_hex(out, digest, SHA256_BYTES);
}

/* The next in the chain: each stands on the one before. */
static bool fits(struct chunked *c, const char *kind, const uint8_t digest[SHA256_BYTES])
{
	const struct s3_sign *s = c->sign;
	char signature[S3_SIGNATURE_SIZE];
	bool data = strcmp(kind, "PAYLOAD") == 0;

	buf_reset(&c->text);
	buf_printf(&c->text, "AWS4-HMAC-SHA256-%s\n%s\n%s/%s/%s/aws4_request\n%s\n%s", kind,
	        s->time, s->date, s->region, s->service, *c->before ? c->before : s->signature,
	        data ? EMPTY_HASH "\n" : "");
	add_hex(digest, &c->text);
	s3_sign_4(c->key, c->text.data, c->text.len, signature);
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

/* Without the blanks around it, in its place. */
static char *strip(char *text)
{
	size_t len;

	text += strspn(text, " \t");
	len = strlen(text);
	while (len && strchr(" \t\r", text[len - 1]))
		text[--len] = 0;
	return text;
}

static void take_signature(struct chunked *c, const char *text)
{
	size_t len = strlen(text);

	/* One of another length is wrong in any case. */
	memset(c->said, 0, sizeof(c->said));
	memcpy(c->said, text, len < S3_SIGNATURE_SIZE ? len : 0);
}

/* What is behind the size: "chunk-signature=..." */
static void take_param(struct chunked *c, char *param)
{
	static const uint8_t none[SHA256_BYTES];
	char *equals = param ? strchr(param, '=') : NULL, *value = equals ? strip(equals + 1) : "";

	if (!param || !*param)
		return cut_off(c);
	if (equals)
		*equals = 0;
	if (strcmp(strip(param), SIGNATURE) != 0) {
		(void)fits(c, "PAYLOAD", none); /* for who wants to know what ought to be signed */
		return fail(c, S3_SignatureDoesNotMatch);
	}
	if (!*value || strchr(value, ';'))
		return cut_off(c);
	take_signature(c, value);
	c->sha256 = sha256_new();
}

static bool read_size(const char *text, uint64_t *ret_size)
{
	unsigned digits = 0;

	for (*ret_size = 0; isxdigit((unsigned char)*text) && digits < 15; text++, digits++) {
		char low = (char)tolower((unsigned char)*text);
		*ret_size = *ret_size << 4 | (uint64_t)(low <= '9' ? low - '0' : low - 'a' + 10);
	}
	return digits && !*text;
}

/* "10000;chunk-signature=..." */
static void take_head(struct chunked *c)
{
	char none[] = "", *line = c->line.len ? c->line.data : none, *param = strchr(line, ';');
	uint64_t before = c->chunk;

	if (param)
		*param++ = 0;
	line[strcspn(line, " \t")] = 0;
	if (!read_size(line, &c->chunk))
		return cut_off(c);
	if (c->number++ && before < CHUNK_MIN && c->chunk) {
		c->wanted = c->number;
		c->provided = before;
		return fail(c, S3_InvalidChunkSizeError);
	}
	if (c->chunk > c->lacks)
		return fail_size(c, c->size - c->lacks + c->chunk);
	c->left = c->chunk;
	if (c->is_signed)
		take_param(c, param);
	if (c->error)
		return;
	c->state = CHUNK_DATA;
	if (c->chunk)
		return;
	c->state = c->expected || c->signs_trailer ? CHUNK_TRAILER : CHUNK_END;
	end_chunk(c);
}

static void finish(struct chunked *c)
{
	c->state = CHUNK_OVER;
	if (c->lacks)
		fail_size(c, c->size - c->lacks);
}

static void end_trailer(struct chunked *c)
{
	AUTO(buf) struct buf text = BUF_NONE;
	uint8_t digest[SHA256_BYTES];
	struct kv_pair pair;

	if (c->signs_trailer && !c->has_signature)
		return cut_off(c);
	if (c->expected && !kv_get(c->trailer.data, c->trailer.len, c->expected))
		return fail(c, S3_MalformedTrailerError);
	if (c->signs_trailer) {
		for (size_t at = 0; kv_next(c->trailer.data, c->trailer.len, &at, &pair);)
			buf_printf(&text, "%s:%s\n", pair.name, pair.value);
		sha256_digest(text.len ? text.data : "\n", text.len ? text.len : 1, digest);
		if (!fits(c, "TRAILER", digest))
			return fail(c, S3_SignatureDoesNotMatch);
		if (!c->expected)
			return cut_off(c);
	}
	finish(c);
}

/* "x-amz-checksum-crc32:AAAAAA==" */
static void take_trailer(struct chunked *c)
{
	char *colon = c->line.len ? strchr(c->line.data, ':') : NULL;

	if (!c->line.len)
		return end_trailer(c);
	if (colon)
		*colon = 0;
	const char *value = colon ? strip(colon + 1) : "";
	if (c->signs_trailer && strcasecmp(c->line.data, TRAILING) == 0) {
		take_signature(c, value);
		c->has_signature = true;
	} else if (c->expected && strcasecmp(c->line.data, c->expected) == 0) {
		buf_reset(&c->trailer); /* the last counts */
		kv_add(&c->trailer, c->expected, value);
	} else {
		fail(c, S3_MalformedTrailerError);
	}
}

/* A line up to its end, which is a carriage return and a line feed. Returns the bytes used;
 * *ret_whole: the line is there. */
static size_t read_line(struct chunked *c, const uint8_t *in, size_t len, bool *ret_whole)
{
	const uint8_t *end = memchr(in, '\n', len);
	size_t used = end ? (size_t)(end - in) + 1 : len;

	*ret_whole = end;
	buf_add(&c->line, in, end ? used - 1 : used);
	bool no_cr = end && (!c->line.len || c->line.data[c->line.len - 1] != '\r');
	if (c->line.len > CHUNK_LINE_MAX || memchr(in, 0, used) || no_cr)
		cut_off(c);
	else if (end)
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
		cut_off(c);
	else if (c->chunk)
		c->state = CHUNK_HEAD;
	else
		finish(c);
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
	c->lacks -= n;
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
		if (c->state == CHUNK_OVER)
			return len; /* as AWS: what is behind it is nobody's */
		if (c->state == CHUNK_DATA) {
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

void chunked_end(struct chunked *c)
{
	if (c->error || c->state == CHUNK_OVER)
		return;
	if (c->state == CHUNK_TRAILER && !c->line.len)
		end_trailer(c);
	else if (c->state == CHUNK_END && !c->chunk && !c->line.len)
		finish(c);
	else
		cut_off(c);
}
