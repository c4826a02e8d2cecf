#include "proxy/unit/shown.h"
#include "proxy/params.h"
#include "proxy/unit/reserved.h"
#include "proxy/unit/versions.h"

#include "lib/http/url.h"
#include <stdlib.h>
#include <string.h>

/* Takes a parameter out of the etag; false: it has none of that name. */
static bool take(struct shown *s, const char *name, struct buf *ret_value)
{
	struct buf rest = BUF_NONE;
	size_t len;
	const char *value = params_get(s->etag, name, &len);

	if (!value)
		return false;
	buf_add(ret_value, value, len);
	params_without(s->etag, name, &rest);
	buf_done(&s->etag_text);
	s->etag_text = rest;
	s->etag = buf_text(&s->etag_text);
	return true;
}

/* Is the target, quoted, a version of an object of this container? Whose is then appended. */
static bool is_version(const char *target, const char *container, struct buf *out, uint64_t *ret_ts)
{
	struct arena arena;
	size_t len;

	arena_init(&arena);
	char *path = url_unquote(&arena, target, strlen(target), &len), *slash = strchr(path, '/');
	bool is = slash && reserved_name(path);
	if (is) {
		*slash = 0;
		is = strcmp(path, versions_container(&arena, container)) == 0 &&
		     versions_parse(slash + 1, out, ret_ts);
	}
	arena_done(&arena);
	return is;
}

static void show_version(
        struct shown *s, const char *account, const char *container, const char *object)
{
	AUTO(buf) struct buf etag = BUF_NONE;
	char id[TS_TEXT_SIZE];

	buf_str(&s->path_text, "/v1/");
	url_quote(&s->path_text, account, "");
	buf_char(&s->path_text, '/');
	url_quote(&s->path_text, container, "");
	buf_char(&s->path_text, '/');
	url_quote(&s->path_text, object, "");
	ts_format(s->version, id);
	buf_printf(&s->path_text, "?version-id=%s", id);
	buf_str(&etag, s->target_etag);
	buf_str(&etag, s->etag + params_value_len(s->etag));
	buf_done(&s->etag_text);
	s->etag_text = etag;
	etag = BUF_NONE;
	s->etag = buf_text(&s->etag_text);
	s->bytes = s->target_bytes;
	s->target_etag = NULL;
}

static void show_link(struct shown *s, const char *account, const char *container)
{
	AUTO(buf) struct buf target = BUF_NONE, of = BUF_NONE, bytes = BUF_NONE, object = BUF_NONE;

	if (!take(s, "symlink_target", &target))
		return;
	bool other = take(s, "symlink_target_account", &of);
	if (take(s, "symlink_target_etag", &s->target_text))
		s->target_etag = buf_text(&s->target_text);
	if (take(s, "symlink_target_bytes", &bytes))
		s->target_bytes = strtoull(buf_text(&bytes), NULL, 10);
	if (!other && s->target_etag &&
	        is_version(buf_text(&target), container, &object, &s->version)) {
		show_version(s, account, container, buf_text(&object));
	} else {
		buf_str(&s->path_text, "/v1/");
		if (other)
			buf_str(&s->path_text, buf_text(&of));
		else
			url_quote(&s->path_text, account, "");
		buf_printf(&s->path_text, "/%s", buf_text(&target));
	}
	s->link_path = buf_text(&s->path_text);
}

static void take_written(struct shown *s)
{
	AUTO(buf) struct buf written = BUF_NONE;

	if (take(s, "s3_written", &written))
		ts_parse(buf_text(&written), &s->written);
}

void shown_make(
        const struct backend_row *row, const char *account, const char *container, struct shown *s)
{
	*s = (struct shown){.content_type = row->content_type,
	        .etag = row->etag,
	        .bytes = row->bytes,
	        .written = row->ts};
	if (strchr(row->etag, ';'))
		show_link(s, account, container);
	if (strchr(s->etag, ';')) {
		AUTO(buf) struct buf null = BUF_NONE;
		s->null_version = take(s, VERSIONS_NULL_ROW, &null);
	}
	if (strchr(s->etag, ';'))
		s->slo_etag = params_get(row->etag, "slo_etag", &s->slo_len);
	if (s->slo_etag) {
		struct buf rest = BUF_NONE;
		params_without(s->etag, "slo_etag", &rest);
		buf_done(&s->etag_text);
		s->etag_text = rest;
		s->etag = buf_text(&s->etag_text);
	}
	if (strchr(s->etag, ';') && take(s, "s3_etag", &s->s3_text))
		s->s3_etag = buf_text(&s->s3_text);
	if (strchr(s->etag, ';') && take(s, "s3_class", &s->class_text))
		s->s3_class = buf_text(&s->class_text);
	if (strchr(s->etag, ';'))
		take_written(s);
	if (params_swift_bytes(row->content_type, &s->bytes)) {
		params_without(row->content_type, "swift_bytes", &s->type_text);
		s->content_type = buf_text(&s->type_text);
	}
}

void shown_done(struct shown *s)
{
	buf_done(&s->type_text);
	buf_done(&s->etag_text);
	buf_done(&s->path_text);
	buf_done(&s->target_text);
	buf_done(&s->s3_text);
	buf_done(&s->class_text);
}
