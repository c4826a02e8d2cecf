#include "proxy/s3/upload_sum.h"

#include "lib/base/base64.h"
#include "lib/crypto/md5.h"
#include <stdio.h>
#include <string.h>

const char *upload_etag(struct arena *arena, const struct upload_listed *listed, unsigned count)
{
	AUTO(buf) struct buf all = BUF_NONE;
	uint8_t digest[16];
	char hex[33];

	for (unsigned i = 0; i < count; i++) {
		const char *etag = listed[i].etag;
		if (strspn(etag, "0123456789abcdefABCDEF") < 32)
			continue; /* of no part */
		for (unsigned k = 0; k < 32; k += 2) {
			unsigned byte = 0;
			sscanf(etag + k, "%2x", &byte);
			buf_char(&all, (char)byte);
		}
	}
	md5_digest(buf_text(&all), all.len, digest);
	md5_hex(digest, hex);
	return arena_printf(arena, "%s-%u", hex, count);
}

struct of {
	const struct upload_listed *listed;
	const struct upload_row *const *chosen;
	unsigned count;
	enum checksum_kind kind;
	bool whole;
};

/* Made of the parts' checksums: of these, or of all bytes. NULL: one of them has none. */
static const char *of_parts(struct arena *arena, const struct of *o)
{
	uint8_t digest[CHECKSUM_BYTES_MAX] = {0}, next[CHECKSUM_BYTES_MAX];
	AUTO(buf) struct buf all = BUF_NONE, text = BUF_NONE;
	size_t size = checksum_size(o->kind);
	struct checksum sum;

	for (unsigned i = 0; i < o->count; i++) {
		struct sum_kept part;
		if (!sum_of_part(arena, o->chosen[i]->type, &part) || part.kind != o->kind ||
		        !sum_decode(o->kind, part.value, next))
			return NULL;
		buf_add(&all, next, size);
		if (i && o->whole)
			checksum_combine(o->kind, digest, next, o->chosen[i]->bytes);
		else
			memcpy(digest, next, size);
	}
	if (!o->whole) {
		checksum_begin(&sum, o->kind);
		checksum_add(&sum, buf_text(&all), all.len);
		checksum_end(&sum, digest);
	}
	base64_encode(digest, size, &text);
	return o->whole ? arena_strdup(arena, buf_text(&text))
	                : arena_printf(arena, "%s-%u", buf_text(&text), o->count);
}

bool upload_sum_kind(const struct upload *upload, enum checksum_kind *ret_kind)
{
	const char *said = upload_header(upload, UPLOAD_SUM);
	char name[16];
	size_t len = said ? strcspn(said, " ") : 0;

	*ret_kind = SUM_DEFAULT;
	if (!len || !said[len] || len >= sizeof(name))
		return false;
	memcpy(name, said, len);
	name[len] = 0;
	return sum_find(name, ret_kind);
}

bool upload_sum_unasked(const struct upload *upload, enum checksum_kind kind)
{
	enum checksum_kind said;

	return !upload_sum_kind(upload, &said) && kind == SUM_DEFAULT;
}

static void take_kind(const struct upload *upload, struct of *o)
{
	o->whole = !upload_sum_kind(upload, &o->kind) ||
	           strcmp(strchr(upload_header(upload, UPLOAD_SUM), ' ') + 1, SUM_WHOLE) == 0;
}

static bool parts_agree(struct arena *arena, const struct of *o)
{
	for (unsigned i = 0; i < o->count; i++) {
		const char *said = o->listed[i].checksum[o->kind];
		struct sum_kept part;
		if (said && (!sum_of_part(arena, o->chosen[i]->type, &part) ||
		                    part.kind != o->kind || strcmp(part.value, said) != 0))
			return false;
	}
	return true;
}

enum s3_error upload_sum(struct request *request, const struct upload *upload,
        const struct upload_listed *listed, const struct upload_row *const *chosen, unsigned count,
        const char **ret_sum, const char **ret_text)
{
	struct arena *arena = request_arena(request);
	struct of of = {.listed = listed, .chosen = chosen, .count = count};

	*ret_sum = NULL;
	take_kind(upload, &of);
	if (!parts_agree(arena, &of))
		return S3_InvalidPart;
	const char *value = of_parts(arena, &of),
	           *said = http_get(request->http, sum_header(of.kind));
	if (said && (!value || strcmp(said, value) != 0)) {
		*ret_text = arena_printf(arena,
		        "The %s you specified did not match the calculated checksum.",
		        sum_name(of.kind));
		return S3_BadDigest;
	}
	if (value)
		*ret_sum = arena_printf(arena, "%s %s %s", sum_name(of.kind), value,
		        of.whole ? SUM_WHOLE : SUM_COMPOSITE);
	return S3_OK;
}
