#include "proxy/manifest.h"

#include "lib/base/base64.h"
#include "lib/crypto/md5.h"
#include "lib/json/jout.h"
#include "lib/json/jread.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void manifest_done(struct manifest *m)
{
	arena_done(&m->arena);
	*m = (struct manifest){0};
}

/* --- what is kept --- */

static const char *text_of(struct manifest *m, const struct jval *object, const char *name)
{
	const char *text;

	return jread_str(jread_get(object, name), &text) ? arena_strdup(&m->arena, text) : NULL;
}

/* "3-7" */
static bool read_range(struct manifest_segment *s, const char *text)
{
	char *dash, *end;

	s->first = strtoull(text, &dash, 10);
	if (dash == text || *dash != '-')
		return false;
	s->last = strtoull(dash + 1, &end, 10);
	s->has_range = true;
	return end > dash + 1 && !*end && s->last >= s->first;
}

/* "/container/object" */
static bool cut_path(struct manifest *m, struct manifest_segment *s)
{
	char *path = arena_strdup(&m->arena, s->path + strspn(s->path, "/"));
	char *slash = strchr(path, '/');

	if (!slash || slash == path || !slash[1])
		return false;
	*slash = 0;
	s->container = path;
	s->object = slash + 1;
	return true;
}

static bool is_true_value(const struct jval *value)
{
	const char *text;
	bool yes;

	if (jread_bool(value, &yes))
		return yes;
	return jread_str(value, &text) && (strcasecmp(text, "true") == 0 || strcmp(text, "1") == 0);
}

/* Swift's own manifests have numbers as texts, too. */
static bool read_number(const struct jval *value, uint64_t *ret)
{
	const char *text;
	char *end;

	if (jread_u64(value, INT64_MAX, ret))
		return true;
	if (!jread_str(value, &text) || *text < '0' || *text > '9')
		return false;
	*ret = strtoull(text, &end, 10);
	return !*end && *ret <= INT64_MAX;
}

/* What stands behind swift_bytes in a manifest's own type is the size of what it stands for; kept
 * manifests of Swift have the manifest's own size beside it. */
static void sub_bytes(struct manifest_segment *s)
{
	const char *at = s->type ? strstr(s->type, "swift_bytes=") : NULL;

	if (at)
		s->bytes = strtoull(at + strlen("swift_bytes="), NULL, 10);
}

static bool read_segment(struct manifest *m, const struct jval *value, struct manifest_segment *s)
{
	const char *text;

	if (!jread_is_object(value))
		return false;
	if ((s->data = text_of(m, value, "data"))) {
		size_t len = strlen(s->data);
		if (!len || len % 4)
			return false;
		s->length = len / 4 * 3 - (s->data[len - 1] == '=') - (s->data[len - 2] == '=');
		return true;
	}
	s->path = text_of(m, value, "name");
	s->etag = text_of(m, value, "hash");
	s->type = text_of(m, value, "content_type");
	s->modified = text_of(m, value, "last_modified");
	s->is_slo = is_true_value(jread_get(value, "sub_slo"));
	if (!s->path || !s->etag || !cut_path(m, s) ||
	        !read_number(jread_get(value, "bytes"), &s->bytes))
		return false;
	s->has_bytes = true;
	if (s->is_slo)
		sub_bytes(s);
	if (jread_str(jread_get(value, "range"), &text) && !read_range(s, text))
		return false;
	if (s->has_range && s->last >= s->bytes)
		return false;
	s->length = s->has_range ? s->last - s->first + 1 : s->bytes;
	return true;
}

enum err manifest_read(struct manifest *ret, const void *text, size_t len)
{
	AUTO(jroot) struct jroot root = JROOT_NONE;

	*ret = (struct manifest){0};
	if (len > MANIFEST_BYTES_MAX || jread_parse(text, len, &root) ||
	        !jread_is_array(root.value))
		return ERR_FORMAT;
	size_t count = jread_len(root.value);
	arena_init(&ret->arena);
	ret->segments = arena_zalloc(&ret->arena, (count + 1) * sizeof(*ret->segments));
	for (; ret->count < count; ret->count++) {
		struct manifest_segment *s = &ret->segments[ret->count];
		if (!read_segment(ret, jread_at(root.value, ret->count), s) ||
		        ret->size + s->length < ret->size) {
			manifest_done(ret);
			return ERR_FORMAT;
		}
		s->start = ret->size;
		ret->size += s->length;
	}
	return ERR_OK;
}

static void write_range(struct jout *j, const struct manifest_segment *s)
{
	char text[44];

	if (!s->has_range)
		return;
	snprintf(text, sizeof(text), "%llu-%llu", (unsigned long long)s->first,
	        (unsigned long long)s->last);
	jout_text(j, "range", text);
}

static void write_segment(struct jout *j, const struct manifest_segment *s)
{
	jout_object(j, NULL);
	if (s->data) {
		jout_text(j, "data", s->data);
	} else {
		jout_text(j, "name", s->path);
		jout_int(j, "bytes", (int64_t)s->bytes);
		jout_text(j, "hash", s->etag);
		jout_text(j, "content_type", s->type);
		jout_text(j, "last_modified", s->modified);
		write_range(j, s);
		if (s->is_slo)
			jout_bool(j, "sub_slo", true);
	}
	jout_end_object(j);
}

void manifest_write(const struct manifest *m, struct buf *out)
{
	struct jout j = {.out = out};

	jout_array(&j, NULL);
	for (unsigned i = 0; i < m->count; i++)
		write_segment(&j, &m->segments[i]);
	jout_end_array(&j);
}

void manifest_write_raw(const struct manifest *m, struct buf *out)
{
	struct jout j = {.out = out};

	jout_array(&j, NULL);
	for (unsigned i = 0; i < m->count; i++) {
		const struct manifest_segment *s = &m->segments[i];
		jout_object(&j, NULL);
		if (s->data) {
			jout_text(&j, "data", s->data);
		} else {
			jout_text(&j, "etag", s->etag);
			jout_text(&j, "path", s->path);
			write_range(&j, s);
			jout_int(&j, "size_bytes", (int64_t)s->bytes);
		}
		jout_end_object(&j);
	}
	jout_end_array(&j);
}

void manifest_data(const struct manifest_segment *s, struct buf *out)
{
	base64_decode(s->data, strlen(s->data), out);
}

void manifest_etag(const struct manifest *m, char ret_hex[33])
{
	AUTO(buf) struct buf all = BUF_NONE;
	uint8_t digest[16];
	char hex[33];

	for (unsigned i = 0; i < m->count; i++) {
		const struct manifest_segment *s = &m->segments[i];
		if (s->data) {
			AUTO(buf) struct buf data = BUF_NONE;
			manifest_data(s, &data);
			md5_digest(buf_text(&data), data.len, digest);
			md5_hex(digest, hex);
			buf_str(&all, hex);
		} else if (s->has_range) {
			buf_printf(&all, "%s:%llu-%llu;", s->etag, (unsigned long long)s->first,
			        (unsigned long long)s->last);
		} else {
			buf_str(&all, s->etag);
		}
	}
	md5_digest(buf_text(&all), all.len, digest);
	md5_hex(digest, ret_hex);
}
