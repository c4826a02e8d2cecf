#include "identity/sql.h"
#include "identity/trusts.h"

#include <stdlib.h>
#include <string.h>

#define ROLES_MAX 512 /* of one user in one place */

static const char *const kinds[] = {
        [TOKEN_PROJECT] = "project", [TOKEN_DOMAIN] = "domain", [TOKEN_SYSTEM] = "system"};

bool roles_have(const struct roles *roles, const char *id)
{
	for (unsigned i = 0; i < roles->count; i++) {
		if (strcmp(roles->items[i].id, id) == 0)
			return true;
	}
	return false;
}

struct roles roles_none(struct arena *arena)
{
	return (struct roles){.items = arena_alloc(arena, ROLES_MAX * sizeof(struct token_role))};
}

void roles_add(struct roles *roles, struct arena *arena, const char *id, const char *name)
{
	if (roles->count < ROLES_MAX && !roles_have(roles, id))
		roles->items[roles->count++] =
		        (struct token_role){arena_strdup(arena, id), arena_strdup(arena, name)};
}

/* A role of a domain has no name here: it only leads to others, and no token has it. */
#define ROLE "r.id, CASE WHEN r.domain_id = '' THEN r.name ELSE '' END"
#define ROLES_OF                                                                                   \
	"SELECT " ROLE " FROM assignment a JOIN role r ON r.id = a.role_id WHERE "                 \
	"((a.actor_kind = "                                                                        \
	"'user' AND a.actor_id = ?) OR (a.actor_kind = 'group' AND a.actor_id IN (SELECT "         \
	"m.group_id "                                                                              \
	"FROM membership m WHERE m.user_id = ?))) AND a.kind = ? AND a.target_id = ? AND "         \
	"a.inherited "                                                                             \
	"= ?"

static enum err add_direct(struct db_tx *tx, const char *user_id, const char *kind, const char *id,
        bool inherited, struct arena *arena, struct roles *roles)
{
	struct db_query q = db_query(tx, ROLES_OF);

	db_bind_text(&q, user_id);
	db_bind_text(&q, user_id);
	db_bind_text(&q, kind);
	db_bind_text(&q, id);
	db_bind_int(&q, inherited);
	while (db_step(&q))
		roles_add(roles, arena, db_text(&q, 0), db_text(&q, 1));
	return db_end(&q);
}

/* What was granted above, to be inherited: on the domain, and on each project above this one. */
static enum err add_inherited(struct db_tx *tx, const char *user_id, const char *project_id,
        struct arena *arena, struct roles *roles)
{
	const char *at = project_id;
	struct project p;
	enum err err = ERR_OK;

	for (unsigned depth = 0; !err && at && depth < 64; depth++) {
		p = (struct project){.id = NULL};
		if ((err = fields_find(&project_fields, tx, at, arena, &p)))
			break;
		if (depth)
			err = add_direct(tx, user_id, "project", at, true, arena, roles);
		at = p.parent_id && strcmp(p.parent_id, p.domain_id) != 0 ? p.parent_id : NULL;
	}
	return err ? err : add_direct(tx, user_id, "domain", p.domain_id, true, arena, roles);
}

/* Roles that others imply, and those that these imply: each once. */
enum err grants_implied(struct db_tx *tx, struct arena *arena, struct roles *roles)
{
	enum err err = ERR_OK;

	for (unsigned i = 0; !err && i < roles->count; i++) {
		struct db_query q =
		        db_query(tx, "SELECT " ROLE " FROM implied_role i JOIN role r ON r.id = "
		                     "i.implied_id WHERE i.prior_id = ? ORDER BY r.id");
		db_bind_text(&q, roles->items[i].id);
		while (db_step(&q))
			roles_add(roles, arena, db_text(&q, 0), db_text(&q, 1));
		err = db_end(&q);
	}
	return err;
}

static void drop_nameless(struct roles *roles)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < roles->count; i++) {
		if (*roles->items[i].name)
			roles->items[kept++] = roles->items[i];
	}
	roles->count = kept;
}

enum err grants_effective(struct db_tx *tx, const char *user_id, const struct scope *scope,
        struct arena *arena, struct roles *ret_roles)
{
	*ret_roles = roles_none(arena);
	if (scope->kind == TOKEN_UNSCOPED)
		return ERR_OK;
	const char *id = scope->kind == TOKEN_SYSTEM ? "system" : scope->id;
	enum err err = add_direct(tx, user_id, kinds[scope->kind], id, false, arena, ret_roles);
	if (!err && scope->kind == TOKEN_PROJECT)
		err = add_inherited(tx, user_id, id, arena, ret_roles);
	if (!err)
		err = grants_implied(tx, arena, ret_roles);
	drop_nameless(ret_roles);
	return err;
}

/* Those that an application credential lets a program have. */
static enum err keep_delegated(struct db_tx *tx, const char *application_id, struct roles *roles)
{
	unsigned kept = 0;
	enum err err = ERR_OK;

	for (unsigned i = 0; i < roles->count && !err; i++) {
		int64_t there;
		err = sql_int(tx,
		        "SELECT 1 FROM application_role WHERE application_id = ? AND role_id = ?",
		        &there, TEXTS(application_id, roles->items[i].id));
		if (there)
			roles->items[kept++] = roles->items[i];
	}
	roles->count = kept;
	return err;
}

enum err grants_of(
        struct db_tx *tx, const struct token *token, struct arena *arena, struct roles *ret_roles)
{
	struct scope in = {token->scope, token->scope_id};
	enum err err;

	if (!token->trust_id)
		err = grants_effective(tx, token->user_id, &in, arena, ret_roles);
	else
		err = trust_roles(tx, token->trust_id, arena, ret_roles);
	if (!err && token->application_id)
		err = keep_delegated(tx, token->application_id, ret_roles);
	drop_nameless(ret_roles);
	return err;
}
