#include "identity/directory.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static const struct managed *managed(const struct rest_req *req)
{
	return req->route->own;
}

/* Such may be a directory's. */
static bool is_mirrored(const struct managed *m)
{
	return m == &managed_user || m == &managed_group;
}

static const struct fields *fields_of(const struct managed *m)
{
	return m->resource.fields;
}

static void answer_anew(struct rest_req *req)
{
	buf_reset(&req->out);
	req->json = (struct jout){.out = &req->out};
}

static const char *text_at(const void *record, size_t offset)
{
	return *(const char *const *)(const void *)((const char *)record + offset);
}

/* --- the policy --- */

/* Roles of a domain have rules of their own: identity:get_domain_role for identity:get_role. */
static const char *rule_of(struct rest_req *req, const struct managed *m, bool of_domain)
{
	const char *rule = req->route->rule, *noun = strstr(rule, "_role");

	if (m != &managed_role || !of_domain)
		return rule;
	return arena_printf(req->arena, "%.*s_domain%s", (int)(noun - rule), rule, noun);
}

/* What rules may ask of it: target.user.id, target.user.domain_id, target.user.name. */
static enum err allow(struct rest_req *req, const struct managed *m, const void *record)
{
	const struct field *id = &fields_of(m)->items[0];
	struct policy_fact facts[8];
	char names[4][64];
	unsigned n = 0;

	if (!record)
		return rest_allow(req, NULL, 0);
	snprintf(names[0], sizeof(names[0]), "target.%s.id", m->noun);
	facts[n++] = (struct policy_fact){names[0], text_at(record, id->offset)};
	if (m->domain_offset) {
		snprintf(names[1], sizeof(names[1]), "target.%s.domain_id", m->noun);
		facts[n++] = (struct policy_fact){names[1], text_at(record, m->domain_offset)};
	}
	if (strcmp(fields_of(m)->items[1].name, "name") == 0) {
		snprintf(names[2], sizeof(names[2]), "target.%s.name", m->noun);
		facts[n++] = (struct policy_fact){
		        names[2], text_at(record, fields_of(m)->items[1].offset)};
	}
	if (m->user_offset) {
		snprintf(names[3], sizeof(names[3]), "target.%s.user_id", m->noun);
		facts[n++] = (struct policy_fact){names[3], text_at(record, m->user_offset)};
	}
	if (m->facts)
		n += m->facts(record, facts + n);
	const char *domain = m->domain_offset ? text_at(record, m->domain_offset) : NULL;
	return rest_allow_as(req, rule_of(req, m, domain && *domain), facts, n);
}

/* --- for kinds --- */

uint64_t manage_now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

const char *manage_own_domain(const struct rest_req *req)
{
	return req->caller.domain_id ? req->caller.domain_id : DEFAULT_DOMAIN;
}

enum err manage_need_domain(struct change *c, const char *id)
{
	struct project domain = {.id = NULL};
	enum err err = fields_find(&domain_fields, c->tx, id, c->req->arena, &domain);

	if (err == ERR_NOT_FOUND || (!err && !domain.is_domain))
		return rest_fail(c->req, ERR_NOT_FOUND, "Could not find domain: %s.", id);
	return err;
}

const char *manage_trim(struct arena *arena, const char *text)
{
	text += strspn(text, " \t\r\n");
	size_t len = strlen(text);

	while (len && strchr(" \t\r\n", text[len - 1]))
		len--;
	return arena_strndup(arena, text, len);
}

enum err manage_name(struct rest_req *req, const char **name)
{
	*name = manage_trim(req->arena, *name);
	return **name ? ERR_OK
	              : rest_fail(req, ERR_BAD_REQUEST,
	                        "Invalid input for field 'name': wants more than blanks.");
}

/* --- one --- */

static enum err not_found(struct rest_req *req, const struct managed *m, const char *id)
{
	return rest_fail(req, ERR_NOT_FOUND, "Could not find %s: %s.", m->noun, id);
}

/* Finds it and asks whether that is allowed; who may not see it is not told that it is not there.
 */
enum err managed_find(struct rest_req *req, struct db_tx *tx, const struct managed *m, void *record)
{
	const char *id = rest_param(req, m->param);
	enum err err = fields_find(fields_of(m), tx, id, req->arena, record);
	bool domain = m == &managed_domain;

	if (!err && domain && !((const struct project *)record)->is_domain)
		err = ERR_NOT_FOUND;
	if (err && err != ERR_NOT_FOUND)
		return err;
	if (!err && m->resource.loaded)
		m->resource.loaded(record);
	if (!err && m->resource.load && (err = m->resource.load(req, tx, record)))
		return err;
	enum err allowed = allow(req, m, err ? NULL : record);
	return allowed ? allowed : err ? not_found(req, m, id) : ERR_OK;
}

static enum err run_show(struct db_tx *tx, void *arg)
{
	struct rest_req *req = arg;
	const struct managed *m = managed(req);
	void *record = arena_zalloc(req->arena, m->resource.size);
	enum err err = managed_find(req, tx, m, record);

	answer_anew(req);
	if (!err)
		resource_show(req, &m->resource, record);
	return err;
}

enum err on_managed_show(struct rest_req *req)
{
	return db_run(identity_of(req)->db, DB_READ, run_show, req);
}

/* --- lists --- */

static enum err run_list(struct db_tx *tx, void *arg)
{
	struct rest_req *req = arg;
	const struct managed *m = managed(req);
	AUTO(resource_where) struct resource_where where = {.count = 0};

	answer_anew(req);
	enum err err = m->where ? m->where(req, &where) : ERR_OK;
	if (err)
		return err;
	if (!m->where && req->caller.domain_id && m->domain_offset)
		resource_where(&where, "t.domain_id = ?", req->caller.domain_id, 0);
	return resource_list(req, tx, &m->resource, NULL, &where);
}

/* On the pool for what waits for networks. */
static enum err refresh_and_list(struct rest_req *req)
{
	directory_refresh(req, query_get(&req->query, "domain_id"));
	return db_run(identity_of(req)->db, DB_READ, run_list, req);
}

enum err on_managed_list(struct rest_req *req)
{
	/* Who has a domain's scope is shown what is in that. */
	const char *own = req->caller.domain_id;
	const struct policy_fact targets[] = {{"target.domain_id", own}, {"target.domain.id", own},
	        {"target.group.domain_id", own}};
	const char *rule = rule_of(req, managed(req), query_get(&req->query, "domain_id") != NULL);
	enum err err = rest_allow_as(req, rule, targets, own ? COUNT_OF(targets) : 0);

	bool mirrors = false;
	if (!err && is_mirrored(managed(req)))
		err = directory_any(req, query_get(&req->query, "domain_id"), &mirrors);
	if (!err && mirrors)
		return rest_move(req, identity_of(req)->networks, refresh_and_list);
	return err ? err : db_run(identity_of(req)->db, DB_READ, run_list, req);
}

/* --- options --- */

/* The member "options"; NULL: such have none. */
static const char **options_of(const struct managed *m, const void *record)
{
	const struct fields *f = fields_of(m);

	for (unsigned i = 0; i < f->count && m->options; i++) {
		if (strcmp(f->items[i].name, "options") == 0)
			return (const char **)(uintptr_t)((const char *)record +
			                                  f->items[i].offset);
	}
	return NULL;
}

/* What the body says comes to what is there. */
static enum err merge_options(struct change *c)
{
	const char **options = options_of(c->what, c->record);
	const char *const *old = c->old ? (const char *const *)options_of(c->what, c->old) : NULL;

	return options ? options_merge(
	                         c->req, c->what->options, old ? *old : NULL, *options, options)
	               : ERR_OK;
}

/* Does the body say anything but that it may be changed again? */
static bool changes_more(const struct change *c)
{
	const struct jval *object = jread_get(c->req->body, fields_of(c->what)->name);
	const char *name;

	for (size_t i = 0; (name = jread_name(object, i)); i++) {
		if (strcmp(name, "options") != 0 && strcmp(name, "id") != 0)
			return true;
	}
	return false;
}

/* With the option "immutable" nothing may be changed, nor it be deleted, before that is. */
static enum err keep_immutable(struct change *c, const void *old, bool deletes)
{
	const char *const *was = (const char *const *)options_of(c->what, old);

	if (!was || !option_is_set(*was, "immutable"))
		return ERR_OK;
	if (!deletes && !changes_more(c) &&
	        !option_is_set(*options_of(c->what, c->record), "immutable"))
		return ERR_OK;
	return rest_fail(c->req, ERR_FORBIDDEN,
	        "Cannot %s immutable %s %s: set the option \"immutable\" to false first.",
	        deletes ? "delete" : "update", c->what->noun,
	        text_at(old, fields_of(c->what)->items[0].offset));
}

/* --- changes --- */

static enum err taken(const struct change *c)
{
	const struct fields *f = fields_of(c->what);
	const char *name = text_at(c->record, f->items[1].offset);

	if (c->what->domain_offset)
		return rest_fail(c->req, ERR_EXISTS,
		        "Conflict occurred attempting to store %s - Duplicate entry found with "
		        "name "
		        "%s at domain ID %s.",
		        c->what->noun, name, text_at(c->record, c->what->domain_offset));
	return rest_fail(c->req, ERR_EXISTS,
	        "Conflict occurred attempting to store %s - Duplicate entry.", c->what->noun);
}

static enum err write(struct change *c)
{
	const struct managed *m = c->what;
	const char *id = text_at(c->record, fields_of(m)->items[0].offset);
	enum err err = ERR_OK;

	if (is_mirrored(m))
		err = c->old ? directory_refuse(c->req, c->tx, id)
		             : directory_refuse_new(
		                       c->req, c->tx, text_at(c->record, m->domain_offset));
	if (!err && m->check)
		err = m->check(c);

	if (!err)
		err = c->old ? fields_update(fields_of(m), c->tx, c->record)
		             : fields_insert(fields_of(m), c->tx, c->record);
	if (err == ERR_EXISTS && !c->req->error.len)
		return taken(c);
	if (err == ERR_CONFLICT && !c->req->error.len)
		return rest_fail(c->req, ERR_BAD_REQUEST, "It names something that is not there.");
	if (!err && m->after)
		err = m->after(c);
	if (err)
		return err;
	if (m->resource.loaded)
		m->resource.loaded(c->record);
	return ERR_OK;
}

static enum err store(struct change *c)
{
	enum err err = write(c);

	answer_anew(c->req);
	if (!err)
		resource_show(c->req, &c->what->resource, c->record);
	return err;
}

static enum err run_store(struct db_tx *tx, void *arg)
{
	struct change *c = arg;

	buf_reset(&c->req->error);
	c->tx = tx;
	return store(c);
}

static enum err insert(struct rest_req *req)
{
	return db_run(identity_of(req)->db, DB_WRITE, run_store, req->own);
}

/* The password is hashed where that keeps nobody waiting. */
static enum err hash_first(struct rest_req *req)
{
	struct change *c = req->own;
	char *hash = arena_zalloc(req->arena, PASSWORD_HASH);
	const struct user *user = c->record;
	enum err err = password_hash(identity_of(req), user->password, hash);

	if (err == ERR_BAD_REQUEST)
		return rest_fail(
		        req, err, "Invalid input for field 'password': wants at most 72 bytes.");
	c->password_hash = hash;
	return err ? err : insert(req);
}

static enum err run_store_many(struct db_tx *tx, void *arg)
{
	struct change *changes = arg;
	struct rest_req *req = changes->req;
	const struct managed *m = changes->what;
	enum err err = ERR_OK;

	answer_anew(req);
	buf_reset(&req->error);
	jout_object(&req->json, NULL);
	jout_array(&req->json, fields_of(m)->plural);
	for (struct change *c = changes; c->record && !err; c++) {
		c->tx = tx;
		if (!(err = write(c)))
			resource_show_in(req, &m->resource, c->record, NULL, &req->json);
	}
	jout_end_array(&req->json);
	jout_end_object(&req->json);
	for (struct change *c = changes; c->record && !err && m->together; c++)
		err = m->together(c);
	return err;
}

#define MANY_MAX 1000

enum err on_managed_create_many(struct rest_req *req)
{
	const struct managed *m = managed(req);
	const struct jval *items = jread_get(req->body, fields_of(m)->plural);
	size_t count = jread_len(items);
	struct change *changes = arena_zalloc(req->arena, (count + 1) * sizeof(*changes));
	AUTO(buf) struct buf error = BUF_NONE;
	enum err err = rest_allow(req, NULL, 0);

	if (err)
		return err;
	if (!count || count > MANY_MAX)
		return rest_fail(req, ERR_BAD_REQUEST,
		        "Invalid input for field '%s': wants an array of 1 to %d objects.",
		        fields_of(m)->plural, MANY_MAX);
	for (size_t i = 0; i < count; i++) {
		void *record = arena_zalloc(req->arena, m->resource.size);
		changes[i] = (struct change){.req = req, .what = m, .record = record};
		err = fields_read(
		        fields_of(m), jread_at(items, i), FOR_CREATE, req->arena, record, &error);
		if (err)
			return rest_fail(req, err, "%s", buf_text(&error));
		*(const char **)(void *)((char *)record + fields_of(m)->items[0].offset) =
		        resource_new_id(req->arena);
	}
	return db_run(identity_of(req)->db, DB_WRITE, run_store_many, changes);
}

static bool has_password(const struct change *c)
{
	return c->what == &managed_user && field_given(c->record, USER_PASSWORD) &&
	       ((const struct user *)c->record)->password;
}

enum err on_managed_create(struct rest_req *req)
{
	const struct managed *m = managed(req);
	struct change *c = arena_zalloc(req->arena, sizeof(*c));
	enum err err;

	*c = (struct change){
	        .req = req, .what = m, .record = arena_zalloc(req->arena, m->resource.size)};
	req->own = c;
	if (m->defaults)
		m->defaults(req, c->record);
	if ((err = resource_read(req, &m->resource, FOR_CREATE, c->record)))
		return err;
	if (m->complete)
		m->complete(req, c->record);
	const char **id =
	        (const char **)(void *)((char *)c->record + fields_of(m)->items[0].offset);
	if (!*id || !**id)
		*id = resource_new_id(req->arena);
	req->made = *id;
	if ((err = allow(req, m, c->record)) || (err = merge_options(c)))
		return err;
	return has_password(c) ? rest_move(req, identity_of(req)->hashes, hash_first) : insert(req);
}

/* Reads what is there and what it shall be; nothing is written yet. */
static enum err run_read(struct db_tx *tx, void *arg)
{
	struct change *c = arg;
	const struct managed *m = c->what;
	void *old = arena_zalloc(c->req->arena, m->resource.size);
	enum err err = managed_find(c->req, tx, m, old);

	if (err)
		return err;
	memcpy(c->record, old, m->resource.size);
	c->old = old;
	return ERR_OK;
}

static enum err run_update(struct db_tx *tx, void *arg)
{
	struct change *c = arg;

	c->tx = tx;
	buf_reset(&c->req->error);
	enum err err = run_read(tx, arg);
	if (!err)
		err = resource_read(c->req, &c->what->resource, FOR_UPDATE, c->record);
	if (!err)
		err = merge_options(c);
	if (!err)
		err = keep_immutable(c, c->old, false);
	return err ? err : store(c);
}

static enum err update(struct rest_req *req)
{
	return db_run(identity_of(req)->db, DB_WRITE, run_update, req->own);
}

static enum err hash_then_update(struct rest_req *req)
{
	struct change *c = req->own;
	char *hash = arena_zalloc(req->arena, PASSWORD_HASH);
	enum err err =
	        password_hash(identity_of(req), ((const struct user *)c->record)->password, hash);

	if (err == ERR_BAD_REQUEST)
		return rest_fail(
		        req, err, "Invalid input for field 'password': wants at most 72 bytes.");
	c->password_hash = hash;
	return err ? err : update(req);
}

enum err on_managed_update(struct rest_req *req)
{
	const struct managed *m = managed(req);
	struct change *c = arena_zalloc(req->arena, sizeof(*c));
	const char *id = NULL;

	*c = (struct change){
	        .req = req, .what = m, .record = arena_zalloc(req->arena, m->resource.size)};
	req->own = c;
	/* Its own id may be said again. */
	const struct jval *member = jread_get(req->body, fields_of(m)->name);
	if (jread_str(jread_get(member, "id"), &id) && strcmp(id, rest_param(req, m->param)) != 0)
		return rest_fail(req, ERR_BAD_REQUEST, "Cannot change ID.");
	if (m != &managed_user || !jread_get(member, "password"))
		return update(req);
	enum err err = db_run(identity_of(req)->db, DB_READ, run_read, c);
	if (!err)
		err = resource_read(req, &m->resource, FOR_UPDATE, c->record);
	if (err)
		return err;
	return has_password(c) ? rest_move(req, identity_of(req)->hashes, hash_then_update)
	                       : update(req);
}

static enum err run_delete(struct db_tx *tx, void *arg)
{
	struct change *c = arg;
	const struct managed *m = c->what;

	c->tx = tx;
	buf_reset(&c->req->error);
	enum err err = run_read(tx, arg);
	if (!err)
		err = keep_immutable(c, c->old, true);
	if (!err && is_mirrored(m))
		err = directory_refuse(c->req, tx, rest_param(c->req, m->param));
	if (!err && m->before_delete)
		err = m->before_delete(c);
	if (!err)
		err = fields_delete(fields_of(m), tx, rest_param(c->req, m->param));
	if (err == ERR_CONFLICT && !c->req->error.len)
		return rest_fail(c->req, ERR_FORBIDDEN, "The %s is in use.", m->noun);
	return err;
}

enum err on_managed_delete(struct rest_req *req)
{
	const struct managed *m = managed(req);
	struct change c = {
	        .req = req, .what = m, .record = arena_zalloc(req->arena, m->resource.size)};

	return db_run(identity_of(req)->db, DB_WRITE, run_delete, &c);
}
