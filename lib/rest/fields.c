#include "lib/rest/fields.h"

#include "lib/base/mem.h"
#include <assert.h>
#include <string.h>

#define FIELDS_MAX 64

static void *at(const struct field *f, const void *record)
{
	return (char *)(uintptr_t)record + f->offset;
}

static const char **text_at(const struct field *f, const void *record)
{
	return at(f, record);
}

static int64_t *int_at(const struct field *f, const void *record)
{
	return at(f, record);
}

static bool *bool_at(const struct field *f, const void *record)
{
	return at(f, record);
}

/* --- what a request gives --- */

static enum err wrong(struct buf *error, const struct field *f, const char *wants)
{
	buf_printf(error, "Invalid input for field '%s': wants %s.", f->name, wants);
	return ERR_BAD_REQUEST;
}

static size_t characters(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += (*text & 0xc0) != 0x80;
	return n;
}

static bool is_among(const struct field *f, const char *text)
{
	for (const char *const *one = f->among; one && *one; one++) {
		if (strcmp(*one, text) == 0)
			return true;
	}
	return !f->among;
}

static enum err read_text(const struct field *f, const struct jval *value, struct arena *arena,
        void *record, struct buf *error)
{
	AUTO(buf) struct buf wants = BUF_NONE;
	const char *text;

	if (!jread_str(value, &text))
		return wrong(error, f, f->flags & FIELD_NULL ? "a string or null" : "a string");
	size_t len = characters(text);
	if ((f->min || f->max) && (len < (size_t)f->min || len > (size_t)f->max)) {
		buf_printf(&wants, "%lld to %lld characters", (long long)f->min, (long long)f->max);
		return wrong(error, f, buf_text(&wants));
	}
	if (!is_among(f, text)) {
		buf_str(&wants, "one of");
		for (const char *const *one = f->among; *one; one++)
			buf_printf(&wants, " %s", *one);
		return wrong(error, f, buf_text(&wants));
	}
	*text_at(f, record) = arena_strdup(arena, text);
	return ERR_OK;
}

static enum err read_int(
        const struct field *f, const struct jval *value, void *record, struct buf *error)
{
	AUTO(buf) struct buf wants = BUF_NONE;
	int64_t number;

	if (!jread_int(value, &number))
		return wrong(error, f, "a whole number");
	if ((f->min || f->max) && (number < f->min || number > f->max)) {
		buf_printf(
		        &wants, "a number from %lld to %lld", (long long)f->min, (long long)f->max);
		return wrong(error, f, buf_text(&wants));
	}
	*int_at(f, record) = number;
	return ERR_OK;
}

static enum err read_one(const struct field *f, const struct jval *value, struct arena *arena,
        void *record, struct buf *error)
{
	AUTO(buf) struct buf json = BUF_NONE;

	if (jread_is_null(value) && !(f->flags & FIELD_ANY)) {
		if (!(f->flags & FIELD_NULL))
			return wrong(error, f, "a value, not null");
		assert(f->type == FIELD_TEXT || f->type == FIELD_JSON);
		*text_at(f, record) = NULL;
		return ERR_OK;
	}
	switch (f->type) {
	case FIELD_TEXT:
		return read_text(f, value, arena, record, error);
	case FIELD_INT:
		return read_int(f, value, record, error);
	case FIELD_BOOL:
		return jread_bool(value, bool_at(f, record)) ? ERR_OK
		                                             : wrong(error, f, "true or false");
	default:
		if (!(f->flags & FIELD_ANY) && !jread_is_object(value))
			return wrong(error, f, "an object");
		jread_print(value, &json);
		*text_at(f, record) = arena_strdup(arena, buf_text(&json));
		return ERR_OK;
	}
}

static const struct field *find(const struct fields *fields, const char *name, unsigned *ret_index)
{
	for (unsigned i = 0; i < fields->count; i++) {
		if (strcmp(fields->items[i].name, name) == 0) {
			*ret_index = i;
			return &fields->items[i];
		}
	}
	return NULL;
}

/* Members that the table does not name, over those that were there: null takes one away. */
static void read_extra(const struct fields *fields, const struct jval *object, struct arena *arena,
        struct record *r)
{
	AUTO(jroot) struct jroot old = JROOT_NONE;
	AUTO(buf) struct buf json = BUF_NONE;
	struct jout out = {.out = &json};
	const char *name;
	unsigned index;

	if (r->extra)
		jread_parse(r->extra, strlen(r->extra), &old);
	jout_object(&out, NULL);
	for (size_t i = 0; (name = jread_name(old.value, i)); i++) {
		if (!jread_get(object, name))
			jout_value(&out, name, jread_get(old.value, name));
	}
	for (size_t i = 0; (name = jread_name(object, i)); i++) {
		const struct jval *value = jread_get(object, name);
		if (!find(fields, name, &index) && !jread_is_null(value))
			jout_value(&out, name, value);
	}
	jout_end_object(&out);
	r->extra = json.len > 2 ? arena_strdup(arena, buf_text(&json)) : NULL;
}

/* Is the value what the record has? */
static bool is_same(const struct field *f, const struct jval *value, const void *record)
{
	const char *text;
	bool flag;

	if (f->type == FIELD_BOOL)
		return jread_bool(value, &flag) && flag == *bool_at(f, record);
	if (!*text_at(f, record))
		return jread_is_null(value);
	return jread_str(value, &text) && strcmp(text, *text_at(f, record)) == 0;
}

enum err fields_read(const struct fields *fields, const struct jval *object, enum fields_for what,
        struct arena *arena, void *record, struct buf *error)
{
	struct record *r = record;
	unsigned may = what == FOR_CREATE ? FIELD_CREATE : FIELD_UPDATE, index;
	const char *name;

	assert(fields->count <= FIELDS_MAX);
	r->given = 0;
	if (!jread_is_object(object)) {
		buf_printf(error, "The request wants an object '%s'.", fields->name);
		return ERR_BAD_REQUEST;
	}
	for (size_t i = 0; (name = jread_name(object, i)); i++) {
		const struct field *f = find(fields, name, &index);
		if (!f && fields->extra)
			continue;
		if (f && what == FOR_UPDATE && f->flags & FIELD_SAME &&
		        is_same(f, jread_get(object, name), record))
			continue;
		if (!f || !(f->flags & may)) {
			buf_printf(error, "Invalid input for field '%s': it cannot be %s.", name,
			        what == FOR_CREATE ? "given" : "changed");
			return ERR_BAD_REQUEST;
		}
		enum err err = read_one(f, jread_get(object, name), arena, record, error);
		if (err)
			return err;
		r->given |= 1ull << index;
	}
	for (unsigned i = 0; i < fields->count && what == FOR_CREATE; i++) {
		if ((fields->items[i].flags & FIELD_REQUIRED) && !(r->given >> i & 1)) {
			buf_printf(error, "'%s' is a required property.", fields->items[i].name);
			return ERR_BAD_REQUEST;
		}
	}
	if (fields->extra)
		read_extra(fields, object, arena, r);
	return ERR_OK;
}

/* --- what is shown --- */

static void show_extra(const char *extra, struct jout *out)
{
	AUTO(jroot) struct jroot root = JROOT_NONE;
	const char *name;

	if (!extra || jread_parse(extra, strlen(extra), &root))
		return;
	for (size_t i = 0; (name = jread_name(root.value, i)); i++)
		jout_value(out, name, jread_get(root.value, name));
}

void fields_show(const struct fields *fields, const void *record, struct jout *out)
{
	for (unsigned i = 0; i < fields->count; i++) {
		const struct field *f = &fields->items[i];
		if (f->flags & FIELD_HIDDEN)
			continue;
		if (f->type == FIELD_INT)
			jout_int(out, f->name, *int_at(f, record));
		else if (f->type == FIELD_BOOL)
			jout_bool(out, f->name, *bool_at(f, record));
		else if (f->type == FIELD_TEXT || !*text_at(f, record))
			jout_text(out, f->name, *text_at(f, record));
		else
			jout_raw(out, f->name, *text_at(f, record));
	}
	if (fields->extra)
		show_extra(((const struct record *)record)->extra, out);
}

/* --- rows --- */

static const struct field *next_column(const struct fields *fields, unsigned *i)
{
	while (*i < fields->count) {
		const struct field *f = &fields->items[(*i)++];
		if (!(f->flags & FIELD_UNSTORED))
			return f;
	}
	return NULL;
}

void fields_columns(const struct fields *fields, const char *prefix, struct buf *sql)
{
	const struct field *f;
	const char *comma = "";

	for (unsigned i = 0; (f = next_column(fields, &i)); comma = ", ")
		buf_printf(sql, "%s%s%s", comma, prefix, f->name);
	if (fields->extra)
		buf_printf(sql, ", %sextra", prefix);
}

static const char *copy(struct db_query *q, unsigned column, struct arena *arena)
{
	const char *text = db_text(q, column);

	return text ? arena_strdup(arena, text) : NULL;
}

void fields_load(const struct fields *fields, struct db_query *q, struct arena *arena, void *record)
{
	const struct field *f;
	unsigned column = 0;

	for (unsigned i = 0; (f = next_column(fields, &i)); column++) {
		if (f->type == FIELD_INT)
			*int_at(f, record) = db_int(q, column);
		else if (f->type == FIELD_BOOL)
			*bool_at(f, record) = db_int(q, column) != 0;
		else
			*text_at(f, record) = copy(q, column, arena);
	}
	if (fields->extra)
		((struct record *)record)->extra = copy(q, column, arena);
}

static void bind(const struct fields *fields, struct db_query *q, const void *record)
{
	const struct field *f;

	for (unsigned i = 0; (f = next_column(fields, &i));) {
		if (f->type == FIELD_INT)
			db_bind_int(q, *int_at(f, record));
		else if (f->type == FIELD_BOOL)
			db_bind_int(q, *bool_at(f, record));
		else
			db_bind_text(q, *text_at(f, record));
	}
	if (fields->extra)
		db_bind_text(q, ((const struct record *)record)->extra);
}

enum err fields_insert(const struct fields *fields, struct db_tx *tx, const void *record)
{
	AUTO(buf) struct buf sql = BUF_NONE;
	const struct field *f;
	const char *comma = "";

	buf_printf(&sql, "INSERT INTO %s (", fields->table);
	fields_columns(fields, "", &sql);
	buf_str(&sql, ") VALUES (");
	for (unsigned i = 0; (f = next_column(fields, &i)); comma = ", ")
		buf_printf(&sql, "%s?", comma);
	buf_str(&sql, fields->extra ? ", ?)" : ")");
	struct db_query q = db_query(tx, buf_text(&sql));
	bind(fields, &q, record);
	return db_exec(&q, NULL);
}

enum err fields_update(const struct fields *fields, struct db_tx *tx, const void *record)
{
	AUTO(buf) struct buf sql = BUF_NONE;
	const struct field *f;
	const char *comma = "";
	unsigned changed;

	buf_printf(&sql, "UPDATE %s SET ", fields->table);
	for (unsigned i = 0; (f = next_column(fields, &i)); comma = ", ")
		buf_printf(&sql, "%s%s = ?", comma, f->name);
	if (fields->extra)
		buf_str(&sql, ", extra = ?");
	buf_printf(&sql, " WHERE %s = ?", fields->items[0].name);
	struct db_query q = db_query(tx, buf_text(&sql));
	bind(fields, &q, record);
	db_bind_text(&q, *text_at(&fields->items[0], record));
	enum err err = db_exec(&q, &changed);
	return !err && !changed ? ERR_NOT_FOUND : err;
}

enum err fields_find(const struct fields *fields, struct db_tx *tx, const char *id,
        struct arena *arena, void *record)
{
	AUTO(buf) struct buf sql = BUF_NONE;

	buf_str(&sql, "SELECT ");
	fields_columns(fields, "", &sql);
	buf_printf(&sql, " FROM %s WHERE %s = ?", fields->table, fields->items[0].name);
	struct db_query q = db_query(tx, buf_text(&sql));
	db_bind_text(&q, id);
	bool found = db_step(&q);
	if (found)
		fields_load(fields, &q, arena, record);
	enum err err = db_end(&q);
	return !err && !found ? ERR_NOT_FOUND : err;
}

enum err fields_delete(const struct fields *fields, struct db_tx *tx, const char *id)
{
	AUTO(buf) struct buf sql = BUF_NONE;
	unsigned changed;

	buf_printf(&sql, "DELETE FROM %s WHERE %s = ?", fields->table, fields->items[0].name);
	struct db_query q = db_query(tx, buf_text(&sql));
	db_bind_text(&q, id);
	enum err err = db_exec(&q, &changed);
	return !err && !changed ? ERR_NOT_FOUND : err;
}
