/* Tags of users, roles and managed policies. */
#include "identity/iam.h"

#include "identity/sql.h"
#include "lib/http/url.h"
#include <string.h>
#include <strings.h>

#define NAME_MAX_CHARS  128
#define VALUE_MAX_CHARS 256
#define OF              "WHERE project_id = ? AND owner_id = ?"

static const char *statement(
        struct aws_call *c, const char *before, const struct iam_owner *o, const char *after)
{
	return arena_printf(c->arena, "%s %s %s", before, iam_table(c, o->kind, "tag"), after);
}

static size_t chars(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

/* Names are the same in capitals and small letters; what was there by one is replaced. */
static enum err put_one(struct aws_call *c, struct db_tx *tx, const struct iam_owner *o,
        const char *name, const char *value)
{
	if (!*name || chars(name) > NAME_MAX_CHARS || chars(value) > VALUE_MAX_CHARS)
		return aws_fail(c, 400, "ValidationError",
		        "A tag's key has 1 to %d characters, its value up to %d.", NAME_MAX_CHARS,
		        VALUE_MAX_CHARS);
	if (strncasecmp(name, "aws:", 4) == 0)
		return aws_fail(c, 400, "InvalidInput", "Keys of tags do not begin with aws:.");
	enum err err = sql_run(tx, statement(c, "DELETE FROM", o, OF " AND LOWER(name) = LOWER(?)"),
	        NULL, TEXTS(c->project_id, o->id, name));
	return err ? err
	           : sql_run(tx,
	                     statement(c, "INSERT INTO", o,
	                             "(project_id, owner_id, name, value) VALUES (?, ?, ?, ?)"),
	                     NULL, TEXTS(c->project_id, o->id, name, value));
}

struct tag {
	const char *name, *value;
};

static enum err too_many(struct aws_call *c, const char *what)
{
	return aws_fail(c, 400, "ValidationError",
	        "Value at '%s' failed to satisfy constraint: Member must have length less than or "
	        "equal to %d",
	        what, IAM_TAGS);
}

/* Those of the form. */
static enum err read_tags(struct aws_call *c, struct tag tags[IAM_TAGS], unsigned *ret_count)
{
	for (*ret_count = 0;; ++*ret_count) {
		unsigned n = *ret_count;
		const char *name = query_get(
		                   &c->form, arena_printf(c->arena, "Tags.member.%u.Key", n + 1)),
		           *value = query_get(
		                   &c->form, arena_printf(c->arena, "Tags.member.%u.Value", n + 1));
		if (!name)
			return ERR_OK;
		if (n == IAM_TAGS)
			return too_many(c, "tags");
		for (unsigned i = 0; i < n; i++) {
			if (strcasecmp(tags[i].name, name) == 0)
				return aws_fail(c, 400, "InvalidInput",
				        "Duplicate tag keys found. Please note that Tag keys are "
				        "case insensitive.");
		}
		tags[n] = (struct tag){name, value ? value : ""};
	}
}

enum err iam_tags_take(struct aws_call *c, struct db_tx *tx, const struct iam_owner *o)
{
	struct tag tags[IAM_TAGS];
	unsigned given;
	int64_t count;
	enum err err = read_tags(c, tags, &given);

	for (unsigned i = 0; !err && i < given; i++)
		err = put_one(c, tx, o, tags[i].name, tags[i].value);
	if (!err)
		err = sql_int(tx, statement(c, "SELECT COUNT(*) FROM", o, OF), &count,
		        TEXTS(c->project_id, o->id));
	return err ? err : aws_quota(c, count, IAM_TAGS + 1, "TagsPerResource");
}

static void show_one(struct aws_call *c, struct db_query *q)
{
	buf_str(&c->xml, "<member>");
	aws_xml(c, "Key", db_text(q, 0));
	aws_xml(c, "Value", db_text(q, 1));
	buf_str(&c->xml, "</member>");
}

static struct db_query all(struct aws_call *c, struct db_tx *tx, const struct iam_owner *o)
{
	return sql_query(tx, statement(c, "SELECT name, value FROM", o, OF " ORDER BY LOWER(name)"),
	        TEXTS(c->project_id, o->id));
}

enum err iam_tags_show(struct aws_call *c, struct db_tx *tx, const struct iam_owner *o)
{
	struct db_query q = all(c, tx, o);
	bool any = false;

	for (; db_step(&q); any = true) {
		if (!any)
			buf_str(&c->xml, "<Tags>");
		show_one(c, &q);
	}
	if (any)
		buf_str(&c->xml, "</Tags>");
	return db_end(&q);
}

/* --- actions --- */

enum err iam_tag_put(struct aws_call *c, struct db_tx *tx)
{
	struct iam_owner o;
	enum err err = iam_named(c, tx, c->action->about, &o);

	return err ? err : iam_tags_take(c, tx, &o);
}

enum err iam_tag_delete(struct aws_call *c, struct db_tx *tx)
{
	struct iam_owner o;
	enum err err = iam_named(c, tx, c->action->about, &o);

	for (unsigned i = 1; !err; i++) {
		const char *name =
		        query_get(&c->form, arena_printf(c->arena, "TagKeys.member.%u", i));
		if (!name)
			break;
		if (i > IAM_TAGS)
			return too_many(c, "tagKeys");
		err = sql_run(tx, statement(c, "DELETE FROM", &o, OF " AND LOWER(name) = LOWER(?)"),
		        NULL, TEXTS(c->project_id, o.id, name));
	}
	return err;
}

enum err iam_tag_list(struct aws_call *c, struct db_tx *tx)
{
	struct iam_owner o;
	struct aws_page page;
	enum err err = iam_named(c, tx, c->action->about, &o);

	if (!err)
		err = aws_page_begin(c, &page);
	if (err)
		return err;
	struct db_query q = all(c, tx, &o);
	buf_str(&c->xml, "<Tags>");
	while (db_step(&q)) {
		if (aws_page_takes(&page, db_text(&q, 0)))
			show_one(c, &q);
	}
	buf_str(&c->xml, "</Tags>");
	aws_page_end(&page);
	return db_end(&q);
}
