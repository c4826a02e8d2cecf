#include "identity/revoke.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static const char *const role_names[] = {"admin", "manager", "member", "reader", "service"};
/* Each implies the next one, as Keystone's bootstrap has it. */
#define CHAIN 4

struct work_of {
	struct identity *identity;
	const struct bootstrap *b;
	struct arena arena;
	char hash[PASSWORD_HASH];
	bool kept; /* the password that is there is the one */
	const char *project_id, *user_id, *role_ids[COUNT_OF(role_names)];
};

static uint64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static enum err find(struct db_tx *tx, const char *sql, const char *a, const char *b,
        struct arena *arena, const char **ret_id)
{
	struct db_query q = db_query(tx, sql);

	db_bind_text(&q, a);
	db_bind_text(&q, b);
	*ret_id = db_step(&q) ? arena_strdup(arena, db_text(&q, 0)) : NULL;
	return db_end(&q);
}

static enum err make_domains(struct db_tx *tx)
{
	static const struct project domains[] = {
	        {.id = ROOT_DOMAIN, .name = ROOT_DOMAIN, .domain_id = ROOT_DOMAIN},
	        {.id = DEFAULT_DOMAIN,
	                .name = "Default",
	                .domain_id = ROOT_DOMAIN,
	                .description = "The default domain",
	                .enabled = true,
	                .is_domain = true},
	};
	struct project there = {.id = NULL};
	struct arena arena;
	enum err err = ERR_OK;

	arena_init(&arena);
	for (unsigned i = 0; i < COUNT_OF(domains) && !err; i++) {
		err = fields_find(&project_fields, tx, domains[i].id, &arena, &there);
		if (err == ERR_NOT_FOUND)
			err = fields_insert(&project_fields, tx, &domains[i]);
	}
	arena_done(&arena);
	return err;
}

static enum err make_project(struct db_tx *tx, struct work_of *w)
{
	enum err err = find(tx, "SELECT id FROM project WHERE name = ? AND domain_id = ?",
	        w->b->project, DEFAULT_DOMAIN, &w->arena, &w->project_id);

	if (err || w->project_id)
		return err;
	w->project_id = resource_new_id(&w->arena);
	const struct project project = {.id = w->project_id,
	        .name = w->b->project,
	        .domain_id = DEFAULT_DOMAIN,
	        .parent_id = DEFAULT_DOMAIN,
	        .description = "Bootstrap project for initializing the cloud.",
	        .enabled = true};
	return fields_insert(&project_fields, tx, &project);
}

static enum err imply(struct db_tx *tx, const char *prior, const char *implied)
{
	struct db_query q =
	        db_query(tx, "REPLACE INTO implied_role (prior_id, implied_id) VALUES (?, ?)");

	db_bind_text(&q, prior);
	db_bind_text(&q, implied);
	return db_exec(&q, NULL);
}

static enum err make_role(struct db_tx *tx, struct work_of *w, const char *name,
        const char *options, const char **ret_id)
{
	enum err err = find(tx, "SELECT id FROM role WHERE name = ? AND domain_id = ?", name, "",
	        &w->arena, ret_id);

	if (err || *ret_id)
		return err;
	*ret_id = resource_new_id(&w->arena);
	const struct role role = {.id = *ret_id, .name = name, .domain_id = "", .options = options};
	return fields_insert(&role_fields, tx, &role);
}

static enum err make_roles(struct db_tx *tx, struct work_of *w)
{
	enum err err = ERR_OK;

	for (unsigned i = 0; i < COUNT_OF(role_names) && !err; i++)
		err = make_role(tx, w, role_names[i], "{\"immutable\": true}", &w->role_ids[i]);
	for (unsigned i = 0; i + 1 < CHAIN && !err; i++)
		err = imply(tx, w->role_ids[i], w->role_ids[i + 1]);
	return err;
}

static enum err set_password(struct db_tx *tx, struct work_of *w)
{
	struct db_query q = db_query(tx, "INSERT INTO password (user_id, created_us, expires_us, "
	                                 "self_service, hash) VALUES (?, ?, NULL, 0, ?)");

	db_bind_text(&q, w->user_id);
	db_bind_int(&q, (int64_t)now_us());
	db_bind_text(&q, w->hash);
	return db_exec(&q, NULL);
}

static enum err make_user(struct db_tx *tx, struct work_of *w)
{
	enum err err = find(tx, "SELECT id FROM user WHERE name = ? AND domain_id = ?", w->b->user,
	        DEFAULT_DOMAIN, &w->arena, &w->user_id);

	if (err)
		return err;
	bool known = w->user_id;
	if (!known) {
		w->user_id = resource_new_id(&w->arena);
		const struct user user = {.id = w->user_id,
		        .name = w->b->user,
		        .domain_id = DEFAULT_DOMAIN,
		        .enabled = true,
		        .created_us = (int64_t)now_us()};
		err = fields_insert(&user_fields, tx, &user);
	}
	if (!err && known && !w->kept)
		err = revoke_user(w->identity, tx, w->user_id);
	return err || w->kept ? err : set_password(tx, w);
}

static enum err grant(struct db_tx *tx, const struct work_of *w, const char *kind, const char *id)
{
	struct db_query q =
	        db_query(tx, "REPLACE INTO assignment (actor_kind, actor_id, kind, "
	                     "target_id, role_id, inherited) VALUES ('user', ?, ?, ?, ?, 0)");

	db_bind_text(&q, w->user_id);
	db_bind_text(&q, kind);
	db_bind_text(&q, id);
	db_bind_text(&q, w->role_ids[0]);
	return db_exec(&q, NULL);
}

static enum err make_endpoint(struct db_tx *tx, struct work_of *w, const char *service_id,
        const char *interface, const char *url)
{
	const char *id;
	enum err err = find(tx, "SELECT id FROM endpoint WHERE service_id = ? AND interface = ?",
	        service_id, interface, &w->arena, &id);
	const struct endpoint endpoint = {.id = id ? id : resource_new_id(&w->arena),
	        .service_id = service_id,
	        .region_id = w->b->region,
	        .interface = interface,
	        .url = url,
	        .enabled = true};

	if (err)
		return err;
	return id ? fields_update(&endpoint_fields, tx, &endpoint)
	          : fields_insert(&endpoint_fields, tx, &endpoint);
}

static enum err make_service(
        struct db_tx *tx, struct work_of *w, const char *type, const char *name, const char *url)
{
	static const char *const interfaces[] = {"public", "internal", "admin"};
	const char *id;
	enum err err = find(tx, "SELECT id FROM service WHERE type = ? AND name = ?", type, name,
	        &w->arena, &id);

	if (!err && !id) {
		id = resource_new_id(&w->arena);
		const struct service service = {
		        .id = id, .type = type, .name = name, .enabled = true};
		err = fields_insert(&service_fields, tx, &service);
	}
	for (unsigned i = 0; i < COUNT_OF(interfaces) && !err; i++)
		err = make_endpoint(tx, w, id, interfaces[i], url);
	return err;
}

static enum err make_catalog(struct db_tx *tx, struct work_of *w)
{
	struct region region = {.id = w->b->region}, there = {.id = NULL};
	char *const *others = w->b->services;
	enum err err = fields_find(&region_fields, tx, w->b->region, &w->arena, &there);

	if (err == ERR_NOT_FOUND)
		err = fields_insert(&region_fields, tx, &region);
	if (!err)
		err = make_service(tx, w, "identity", "keystone", w->b->public_url);
	for (unsigned i = 0; i < w->b->service_count && !err; i++, others += 3) {
		const char *role;
		err = make_service(tx, w, others[0], others[1], others[2]);
		/* Who administers all accounts of an object store has this one there. */
		if (!err && strcmp(others[0], "object-store") == 0)
			err = make_role(tx, w, "ResellerAdmin", "{}", &role);
	}
	return err;
}

static enum err make_all(struct db_tx *tx, void *arg)
{
	struct work_of *w = arg;
	enum err err = make_domains(tx);

	if (!err)
		err = make_project(tx, w);
	if (!err)
		err = make_roles(tx, w);
	if (!err)
		err = make_user(tx, w);
	if (!err)
		err = grant(tx, w, "project", w->project_id);
	if (!err)
		err = grant(tx, w, "system", "system");
	return err ? err : make_catalog(tx, w);
}

/* Is the password the one that is there? Hashing takes long: not in a transaction that writes. */
static enum err look(struct db_tx *tx, void *arg)
{
	struct work_of *w = arg;
	const char *hash = NULL;
	struct db_query q = db_query(tx, "SELECT p.hash FROM user u JOIN password p ON p.user_id = "
	                                 "u.id WHERE u.name = ? AND "
	                                 "u.domain_id = ? ORDER BY p.created_us DESC LIMIT 1");

	db_bind_text(&q, w->b->user);
	db_bind_text(&q, DEFAULT_DOMAIN);
	if (db_step(&q))
		hash = arena_strdup(&w->arena, db_text(&q, 0));
	enum err err = db_end(&q);
	w->kept = !err && hash && password_matches(w->identity, w->b->password, hash);
	return err;
}

enum err bootstrap(struct identity *identity, const struct bootstrap *b)
{
	struct work_of w = {.identity = identity, .b = b};
	enum err err;

	arena_init(&w.arena);
	err = db_run(identity->db, DB_READ, look, &w);
	if (!err && !w.kept)
		err = password_hash(identity, b->password, w.hash);
	if (!err)
		err = db_run(identity->db, DB_WRITE, make_all, &w);
	arena_done(&w.arena);
	return err;
}
