#include "lib/rest/resource.h"
#include "lib/base/hex.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

/* --- conditions --- */

void resource_where_done(struct resource_where *w)
{
	buf_done(&w->sql);
}

void resource_where(
        struct resource_where *w, const char *condition, const char *text, int64_t number)
{
	if (w->count == RESOURCE_WHERE_MAX) {
		w->sql.err = ERR_TOO_LARGE;
		return;
	}
	buf_printf(&w->sql, "%s(%s)", w->count ? " AND " : "", condition);
	w->texts[w->count] = text;
	w->numbers[w->count++] = number;
}

void resource_where_texts(
        struct resource_where *w, const char *condition, unsigned count, const char *const *texts)
{
	if (count > RESOURCE_WHERE_MAX - w->count) {
		w->sql.err = ERR_TOO_LARGE;
		return;
	}
	buf_printf(&w->sql, "%s(%s)", w->count ? " AND " : "", condition);
	for (unsigned i = 0; i < count; i++)
		w->texts[w->count++] = texts[i];
}

/* A LIKE pattern: '!' escapes. */
static const char *pattern(struct arena *arena, const char *value, bool open, bool close)
{
	char *out = arena_alloc(arena, 2 * strlen(value) + 3), *to = out;

	if (open)
		*to++ = '%';
	for (; *value; value++) {
		if (strchr("%_!", *value))
			*to++ = '!';
		*to++ = *value;
	}
	if (close)
		*to++ = '%';
	*to = 0;
	return out;
}

/* Only '0' and words for it are false (keystone/server/flask/common.py, query_filter_is_true). */
static bool is_true(const char *value)
{
	return strcmp(value, "0") != 0 && strcasecmp(value, "false") != 0;
}

bool resource_flag(const struct rest_req *req, const char *name)
{
	const char *value = query_get(&req->query, name);

	return value && is_true(value);
}

static size_t characters(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += (*text & 0xc0) != 0x80;
	return n;
}

/* LIKE would not do where case counts: SQLite's folds it. */
static void add_part(struct rest_req *req, struct resource_where *w, const struct field *f,
        const char *how, const char *value)
{
	bool folded = *how == 'i';
	char condition[160];

	how += folded;
	bool contains = strcmp(how, "contains") == 0, starts = strcmp(how, "startswith") == 0,
	     ends = strcmp(how, "endswith") == 0;
	if ((!contains && !starts && !ends) || !*value)
		return;
	if (folded) {
		snprintf(condition, sizeof(condition), "LOWER(t.%s) LIKE LOWER(?) ESCAPE '!'",
		        f->name);
		value = pattern(req->arena, value, !starts, !ends);
	} else if (contains) {
		snprintf(condition, sizeof(condition), "INSTR(t.%s, ?) > 0", f->name);
	} else if (starts) {
		snprintf(condition, sizeof(condition), "SUBSTR(t.%s, 1, %zu) = ?", f->name,
		        characters(value));
	} else {
		snprintf(condition, sizeof(condition), "SUBSTR(t.%s, -%zu) = ?", f->name,
		        characters(value));
	}
	resource_where(w, condition, value, 0);
}

static void add_filter(struct rest_req *req, struct resource_where *w, const struct field *f,
        const char *how, const char *value)
{
	char condition[80];

	if (*how) {
		if (f->type == FIELD_TEXT)
			add_part(req, w, f, how, value);
		return;
	}
	snprintf(condition, sizeof(condition), "t.%s = ?", f->name);
	if (f->type == FIELD_BOOL)
		resource_where(w, condition, NULL, is_true(value));
	else if (f->type == FIELD_INT)
		resource_where(w, condition, NULL, strtoll(value, NULL, 10));
	else
		resource_where(w, condition, value, 0);
}

static void add_filters(struct rest_req *req, const struct fields *fields, struct resource_where *w)
{
	for (unsigned i = 0; i < req->query.count; i++) {
		const struct query_pair *pair = &req->query.pairs[i];
		for (unsigned n = 0; n < fields->count; n++) {
			const struct field *f = &fields->items[n];
			size_t len = strlen(f->name);
			if (!(f->flags & FIELD_FILTER) || strncmp(pair->name, f->name, len) != 0)
				continue;
			if (!pair->name[len])
				add_filter(req, w, f, "", pair->value);
			else if (strncmp(pair->name + len, "__", 2) == 0)
				add_filter(req, w, f, pair->name + len + 2, pair->value);
		}
	}
}

/* --- answers --- */

const char *resource_base(const struct rest_req *req)
{
	const char *host = http_get(req->http, "Host"),
	           *scheme = http_get(req->http, "X-Forwarded-Proto");

	if (req->service->public_url)
		return req->service->public_url;
	return arena_printf(req->arena, "%s://%s",
	        scheme && strcmp(scheme, "https") == 0 ? "https" : "http",
	        host ? host : "localhost");
}

void resource_show_in(struct rest_req *req, const struct resource *r, const void *record,
        const char *name, struct jout *out)
{
	AUTO(buf) struct buf self = BUF_NONE;
	const struct field *id = &r->fields->items[0];

	buf_printf(&self, "%s%s/", resource_base(req), r->path);
	url_quote(&self, *(const char *const *)((const char *)record + id->offset), "");
	jout_object(out, name);
	fields_show(r->fields, record, out);
	if (r->show)
		r->show(req, record, out);
	jout_object(out, "links");
	jout_text(out, "self", buf_text(&self));
	jout_end_object(out);
	jout_end_object(out);
}

void resource_show(struct rest_req *req, const struct resource *r, const void *record)
{
	jout_object(&req->json, NULL);
	resource_show_in(req, r, record, r->fields->name, &req->json);
	jout_end_object(&req->json);
}

/* Where the next page begins: the query, with that marker. */
static const char *next_link(struct rest_req *req, const char *marker, uint64_t limit)
{
	AUTO(buf) struct buf url = BUF_NONE;

	buf_printf(&url, "%s%s?", resource_base(req), req->path);
	for (unsigned i = 0; i < req->query.count; i++) {
		const struct query_pair *pair = &req->query.pairs[i];
		if (strcmp(pair->name, "marker") == 0 || strcmp(pair->name, "limit") == 0)
			continue;
		url_quote(&url, pair->name, "");
		buf_char(&url, '=');
		url_quote(&url, pair->value, "");
		buf_char(&url, '&');
	}
	buf_printf(&url, "limit=%llu&marker=", (unsigned long long)limit);
	url_quote(&url, marker, "");
	return arena_strdup(req->arena, buf_text(&url));
}

static enum err read_limit(struct rest_req *req, uint64_t *ret_limit)
{
	const char *text = query_get(&req->query, "limit");
	char *end;

	*ret_limit = 0;
	if (!text)
		return ERR_OK;
	*ret_limit = strtoull(text, &end, 10);
	if (!*text || *end || *text == '-' || !*ret_limit)
		return rest_fail(req, ERR_BAD_REQUEST, "limit wants a number from 1.");
	if (*ret_limit > RESOURCE_PAGE_MAX)
		*ret_limit = RESOURCE_PAGE_MAX;
	return ERR_OK;
}

static void compose(const struct resource *r, const char *from, const struct resource_where *w,
        uint64_t limit, struct buf *sql)
{
	const struct fields *f = r->fields;

	buf_str(sql, "SELECT ");
	fields_columns(f, "t.", sql);
	buf_printf(sql, " FROM %s t%s", f->table, from ? from : "");
	if (w->count)
		buf_printf(sql, " WHERE %s", buf_text(&w->sql));
	buf_printf(sql, " ORDER BY t.%s", f->items[0].name);
	if (limit)
		buf_printf(sql, " LIMIT %llu", (unsigned long long)limit + 1);
}

enum err resource_list(struct rest_req *req, struct db_tx *tx, const struct resource *r,
        const char *from, struct resource_where *w)
{
	const char *marker = query_get(&req->query, "marker"), *last = NULL, *next = NULL;
	const struct field *id = &r->fields->items[0];
	void *record = arena_zalloc(req->arena, r->size);
	struct jout *out = &req->json;
	AUTO(buf) struct buf sql = BUF_NONE;
	char behind[80];
	uint64_t limit, count = 0;
	enum err err = read_limit(req, &limit);

	if (err)
		return err;
	add_filters(req, r->fields, w);
	snprintf(behind, sizeof(behind), "t.%s > ?", id->name);
	if (marker)
		resource_where(w, behind, marker, 0);
	if (w->sql.err)
		return rest_fail(req, ERR_BAD_REQUEST, "Too many filters.");
	compose(r, from, w, limit, &sql);
	buf_reset(&req->out);
	*out = (struct jout){.out = &req->out};
	struct db_query q = db_query(tx, buf_text(&sql));
	for (unsigned i = 0; i < w->count; i++) {
		if (w->texts[i])
			db_bind_text(&q, w->texts[i]);
		else
			db_bind_int(&q, w->numbers[i]);
	}
	jout_object(out, NULL);
	jout_array(out, r->fields->plural);
	while (db_step(&q)) {
		if (limit && count++ == limit) {
			next = next_link(req, last, limit);
			break;
		}
		memset(record, 0, r->size);
		fields_load(r->fields, &q, req->arena, record);
		if (r->loaded)
			r->loaded(record);
		if (r->load && (err = r->load(req, tx, record)))
			break;
		last = *(const char **)(void *)((char *)record + id->offset);
		resource_show_in(req, r, record, NULL, out);
	}
	jout_end_array(out);
	jout_object(out, "links");
	jout_text(out, "next", next);
	jout_text(out, "self", arena_printf(req->arena, "%s%s", resource_base(req), req->path));
	jout_null(out, "previous");
	jout_end_object(out);
	if (next)
		jout_bool(out, "truncated", true);
	jout_end_object(out);
	enum err ended = db_end(&q);
	return err ? err : ended;
}

enum err resource_read(
        struct rest_req *req, const struct resource *r, enum fields_for what, void *record)
{
	AUTO(buf) struct buf error = BUF_NONE;
	const struct jval *member = jread_get(req->body, r->fields->name);
	enum err err = fields_read(r->fields, member, what, req->arena, record, &error);

	return err ? rest_fail(req, err, "%s", buf_text(&error)) : ERR_OK;
}

const char *resource_new_id(struct arena *arena)
{
	char *id = arena_alloc(arena, 33);
	uint8_t b[16];

	if (getrandom(b, sizeof(b), 0) != sizeof(b))
		abort();
	b[6] = (b[6] & 0x0f) | 0x40;
	b[8] = (b[8] & 0x3f) | 0x80;
	hex_encode(b, sizeof(b), id);
	return id;
}
