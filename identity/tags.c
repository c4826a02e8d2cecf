/* Tags of projects. */
#include "identity/options.h"
#include "identity/projects.h"
#include "identity/sql.h"

#include <string.h>

#define TAGS_MAX 80

/* ERR_BAD_REQUEST with a text: no array of texts that may be tags. */
static enum err check_tags(struct rest_req *req, const struct jval *tags)
{
	size_t count = jread_len(tags);
	const char *tag, *other;

	if (!jread_is_array(tags) || count > TAGS_MAX)
		return rest_fail(req, ERR_BAD_REQUEST,
		        "Invalid input for field 'tags': wants an array of at most %d strings.",
		        TAGS_MAX);
	for (size_t i = 0; i < count; i++) {
		if (!jread_str(jread_at(tags, i), &tag) || !*tag || strpbrk(tag, ",/") ||
		        strlen(tag) > 255)
			return rest_fail(req, ERR_BAD_REQUEST,
			        "Invalid input for field 'tags': wants strings of 1 to 255 "
			        "characters without ',' and '/'.");
		for (size_t n = 0; n < i; n++) {
			if (jread_str(jread_at(tags, n), &other) && strcmp(tag, other) == 0)
				return rest_fail(req, ERR_BAD_REQUEST,
				        "Invalid input for field 'tags': '%.64s' is there twice.",
				        tag);
		}
	}
	return ERR_OK;
}

enum err tags_write(struct rest_req *req, struct db_tx *tx, const char *id, const struct jval *tags)
{
	const char *tag;
	enum err err = check_tags(req, tags);

	if (!err)
		err = sql_run(tx, "DELETE FROM project_tag WHERE project_id = ?", NULL, TEXTS(id));
	for (size_t i = 0; !err && i < jread_len(tags); i++) {
		jread_str(jread_at(tags, i), &tag);
		err = sql_run(tx, "REPLACE INTO project_tag (project_id, name) VALUES (?, ?)", NULL,
		        TEXTS(id, manage_trim(req->arena, tag)));
	}
	return err;
}

enum err tags_load(struct rest_req *req, struct db_tx *tx, void *record)
{
	struct project *p = record;
	AUTO(buf) struct buf json = BUF_NONE;
	struct jout out = {.out = &json};
	struct db_query q = sql_query(tx,
	        "SELECT name FROM project_tag WHERE project_id = ? ORDER BY name", TEXTS(p->id));

	jout_array(&out, NULL);
	while (db_step(&q))
		jout_text(&out, NULL, db_text(&q, 0));
	jout_end_array(&out);
	p->tags = arena_strdup(req->arena, buf_text(&json));
	return db_end(&q);
}

/* The names of a list with commas between. */
static unsigned split(struct rest_req *req, const char *list, const char **ret_names)
{
	unsigned count = 0;

	while (count < TAGS_MAX) {
		size_t len = strcspn(list, ",");
		ret_names[count++] = arena_strndup(req->arena, list, len);
		if (!list[len])
			break;
		list += len + 1;
	}
	return count;
}

/* Lists of those that have all of some tags, or any, or not. */
void tags_where(struct rest_req *req, struct resource_where *w)
{
	static const struct {
		const char *name;
		bool any, not ;
	} kinds[] = {{"tags", false, false}, {"tags-any", true, false}, {"not-tags", false, true},
	        {"not-tags-any", true, true}};

	for (unsigned i = 0; i < COUNT_OF(kinds); i++) {
		const char *value = query_get(&req->query, kinds[i].name), *names[TAGS_MAX];
		AUTO(buf) struct buf sql = BUF_NONE;
		if (!value)
			continue;
		unsigned count = split(req, value, names);
		buf_str(&sql, kinds[i].not ? "NOT (" : "(");
		for (unsigned n = 0; n < count; n++)
			buf_printf(&sql,
			        "%sEXISTS (SELECT 1 FROM project_tag g WHERE g.project_id = t.id "
			        "AND g.name = ?)",
			        !n             ? ""
			        : kinds[i].any ? " OR "
			                       : " AND ");
		buf_str(&sql, ")");
		resource_where_texts(w, buf_text(&sql), count, names);
	}
}

/* --- /v3/projects/{project_id}/tags --- */

struct tagging {
	struct rest_req *req;
	struct project project;
};

static enum err open_tags(struct tagging *t, struct db_tx *tx, bool changes)
{
	struct rest_req *req = t->req;
	enum err err = managed_find(req, tx, &managed_project, &t->project);

	buf_reset(&req->out);
	req->json = (struct jout){.out = &req->out};
	if (!err && changes && option_is_set(t->project.options, "immutable"))
		return rest_fail(req, ERR_FORBIDDEN,
		        "Cannot change tags for %s, project is immutable. Set \"immutable\" option "
		        "to false before changing project tags.",
		        t->project.id);
	return err;
}

static void answer_tags(struct tagging *t)
{
	struct rest_req *req = t->req;

	jout_object(&req->json, NULL);
	jout_raw(&req->json, "tags", t->project.tags);
	jout_object(&req->json, "links");
	jout_text(&req->json, "self",
	        arena_printf(req->arena, "%s%s", resource_base(req), req->path));
	jout_end_object(&req->json);
	jout_end_object(&req->json);
}

static enum err run_tags(struct db_tx *tx, void *arg)
{
	struct tagging t = {.req = arg};
	enum err err = open_tags(&t, tx, false);

	if (!err)
		answer_tags(&t);
	return err;
}

static enum err run_set_tags(struct db_tx *tx, void *arg)
{
	struct tagging t = {.req = arg};
	enum err err = open_tags(&t, tx, true);

	if (!err)
		err = tags_write(t.req, tx, t.project.id, jread_get(t.req->body, "tags"));
	if (!err)
		err = tags_load(t.req, tx, &t.project);
	if (!err)
		answer_tags(&t);
	return err;
}

static enum err run_clear_tags(struct db_tx *tx, void *arg)
{
	struct tagging t = {.req = arg};
	enum err err = open_tags(&t, tx, true);

	return err ? err
	           : sql_run(tx, "DELETE FROM project_tag WHERE project_id = ?", NULL,
	                     TEXTS(t.project.id));
}

static enum err no_tag(struct tagging *t)
{
	return rest_fail(t->req, ERR_NOT_FOUND, "Could not find project tag: %s.",
	        rest_param(t->req, "value"));
}

static enum err run_tag(struct db_tx *tx, void *arg)
{
	struct tagging t = {.req = arg};
	int64_t count;
	enum err err = open_tags(&t, tx, false);

	if (!err)
		err = sql_int(tx,
		        "SELECT COUNT(*) FROM project_tag WHERE project_id = ? AND name = ?",
		        &count, TEXTS(t.project.id, rest_param(t.req, "value")));
	return err || count ? err : no_tag(&t);
}

static enum err run_add_tag(struct db_tx *tx, void *arg)
{
	struct tagging t = {.req = arg};
	AUTO(jroot) struct jroot tags = JROOT_NONE;
	AUTO(buf) struct buf one = BUF_NONE;
	struct jout json = {.out = &one};
	const char *tag = rest_param(t.req, "value");
	int64_t count;
	enum err err = open_tags(&t, tx, true);

	if (err)
		return err;
	jout_array(&json, NULL);
	jout_text(&json, NULL, tag);
	jout_end_array(&json);
	if (jread_parse(one.data, one.len, &tags))
		return ERR_INTERNAL;
	err = check_tags(t.req, tags.value);
	if (!err)
		err = sql_run(tx, "REPLACE INTO project_tag (project_id, name) VALUES (?, ?)", NULL,
		        TEXTS(t.project.id, manage_trim(t.req->arena, tag)));
	if (!err)
		err = sql_int(tx, "SELECT COUNT(*) FROM project_tag WHERE project_id = ?", &count,
		        TEXTS(t.project.id));
	if (!err && count > TAGS_MAX)
		return rest_fail(t.req, ERR_BAD_REQUEST,
		        "Invalid input for field 'tags': wants at most %d of them.", TAGS_MAX);
	if (!err) {
		buf_reset(&t.req->headers);
		rest_header(t.req, "Location",
		        arena_printf(t.req->arena, "%s%s", resource_base(t.req), t.req->path));
	}
	return err;
}

static enum err run_drop_tag(struct db_tx *tx, void *arg)
{
	struct tagging t = {.req = arg};
	unsigned changed = 0;
	enum err err = open_tags(&t, tx, true);

	if (!err)
		err = sql_run(tx, "DELETE FROM project_tag WHERE project_id = ? AND name = ?",
		        &changed, TEXTS(t.project.id, rest_param(t.req, "value")));
	return err || changed ? err : no_tag(&t);
}

enum err on_tags(struct rest_req *req)
{
	return db_run(identity_of(req)->db, DB_READ, run_tags, req);
}

enum err on_tags_set(struct rest_req *req)
{
	return db_run(identity_of(req)->db, DB_WRITE, run_set_tags, req);
}

enum err on_tags_clear(struct rest_req *req)
{
	return db_run(identity_of(req)->db, DB_WRITE, run_clear_tags, req);
}

enum err on_tag(struct rest_req *req)
{
	return db_run(identity_of(req)->db, DB_READ, run_tag, req);
}

enum err on_tag_add(struct rest_req *req)
{
	return db_run(identity_of(req)->db, DB_WRITE, run_add_tag, req);
}

enum err on_tag_drop(struct rest_req *req)
{
	return db_run(identity_of(req)->db, DB_WRITE, run_drop_tag, req);
}
