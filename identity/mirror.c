#include "identity/mirror.h"

#include "identity/revoke.h"
#include "identity/sql.h"
#include "lib/base/hex.h"
#include "lib/crypto/sha256.h"
#include "lib/log/log.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PUBLIC_ID 65

/* As Keystone's generator of ids (sha256 of domain, kind and the directory's id): grants that name
 * them stay good for who comes from there. */
static const char *public_id(struct mirror *m, const char *kind, const char *local_id)
{
	const char *text = arena_printf(m->req->arena, "%s%s%s", m->domain_id, kind, local_id);
	char *id = arena_alloc(m->req->arena, PUBLIC_ID);
	uint8_t digest[SHA256_BYTES];

	sha256_digest(text, strlen(text), digest);
	hex_encode(digest, SHA256_BYTES, id);
	return id;
}

static bool same(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

/* --- one user, one group --- */

static enum err note_entry(
        struct mirror *m, struct db_tx *tx, const char *id, const char *kind, const char *local_id)
{
	return sql_run(tx,
	        "REPLACE INTO directory_entry (public_id, kind, domain_id, local_id) VALUES (?, ?, "
	        "?, ?)",
	        NULL, TEXTS(id, kind, m->domain_id, local_id));
}

static enum err put_user(
        struct mirror *m, struct db_tx *tx, const struct ldapdir_entry *e, const char *id)
{
	struct user u = {.id = NULL};
	enum err err = fields_find(&user_fields, tx, id, m->req->arena, &u);
	bool new = err == ERR_NOT_FOUND, was_enabled = u.enabled;

	if (err && !new)
		return err;
	if (!new &&same(u.name, e->name) && same(u.email, e->mail) &&
	        same(u.description, e->description) && u.enabled == e->enabled)
		return ERR_OK;
	u.id = id;
	u.name = e->name;
	u.domain_id = m->domain_id;
	u.email = e->mail;
	u.description = e->description;
	u.enabled = e->enabled;
	if (new) {
		u.options = "{}";
		u.created_us = (int64_t)manage_now_us();
	}
	err = new ? fields_insert(&user_fields, tx, &u) : fields_update(&user_fields, tx, &u);
	if (!err && new)
		err = note_entry(m, tx, id, "user", e->id);
	if (!err && !new &&was_enabled && !u.enabled)
		err = revoke_user(identity_of(m->req), tx, id);
	return err;
}

static enum err put_group(
        struct mirror *m, struct db_tx *tx, const struct ldapdir_entry *e, const char *id)
{
	struct group g = {.id = NULL};
	enum err err = fields_find(&group_fields, tx, id, m->req->arena, &g);
	bool new = err == ERR_NOT_FOUND;

	if (err && !new)
		return err;
	if (!new &&same(g.name, e->name) && same(g.description, e->description))
		return ERR_OK;
	g.id = id;
	g.name = e->name;
	g.domain_id = m->domain_id;
	g.description = e->description;
	err = new ? fields_insert(&group_fields, tx, &g) : fields_update(&group_fields, tx, &g);
	return !err && new ? note_entry(m, tx, id, "group", e->id) : err;
}

/* Is the name somebody else's? Then this one is left out: names are one of a kind in a domain. */
static enum err is_taken(struct mirror *m, struct db_tx *tx, const char *table, const char *name,
        const char *id, bool *ret_taken)
{
	AUTO(buf) struct buf sql = BUF_NONE;
	int64_t count;

	buf_printf(&sql, "SELECT COUNT(*) FROM %s WHERE domain_id = ? AND name = ? AND id <> ?",
	        table);
	enum err err = sql_int(tx, buf_text(&sql), &count, TEXTS(m->domain_id, name, id));
	*ret_taken = count > 0;
	if (!err && count)
		log_warn("directory",
		        "domain=%s name=%s next=\"left out: the name is there twice\"",
		        m->domain_id, log_quote(name));
	return err;
}

/* --- all of a kind --- */

struct named_id {
	const char *key, *id; /* key: a DN without what does not count in it, or a directory's id */
};

struct ids {
	struct named_id *items;
	unsigned count;
};

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct named_id *)a)->key, ((const struct named_id *)b)->key);
}

/* Case and blanks behind commas do not count in DNs. */
static const char *normal_dn(struct arena *arena, const char *dn)
{
	char *text = arena_strdup(arena, dn), *to = text;

	for (; *dn; dn++) {
		if (*dn == ' ' && to > text && to[-1] == ',')
			continue;
		*to++ = (char)tolower((unsigned char)*dn);
	}
	*to = 0;
	return text;
}

static const char *key_of(const struct mirror *m, const char *dn, const char *id)
{
	return m->members_are_ids ? id : normal_dn(m->req->arena, dn);
}

static enum err put_all(struct mirror *m, struct db_tx *tx, bool groups, struct ids *ret_ids)
{
	const struct ldapdir_entries *all = groups ? &m->groups : &m->users;
	enum err err = ERR_OK;

	*ret_ids = (struct ids){
	        .items = arena_alloc(m->req->arena, (all->count + 1) * sizeof(*ret_ids->items))};
	for (unsigned i = 0; i < all->count && !err; i++) {
		const struct ldapdir_entry *e = &all->items[i];
		const char *id = public_id(m, groups ? "group" : "user", e->id);
		bool taken;
		err = is_taken(m, tx, groups ? "user_group" : "user", e->name, id, &taken);
		if (err || taken)
			continue;
		err = groups ? put_group(m, tx, e, id) : put_user(m, tx, e, id);
		ret_ids->items[ret_ids->count++] =
		        (struct named_id){groups ? id : key_of(m, e->dn, e->id), id};
	}
	qsort(ret_ids->items, ret_ids->count, sizeof(*ret_ids->items), compare);
	return err;
}

static const char *find(const struct ids *ids, const char *key)
{
	const struct named_id wanted = {key, NULL},
	                      *found = bsearch(&wanted, ids->items, ids->count, sizeof(*ids->items),
	                              compare);

	return found ? found->id : NULL;
}

/* --- who is in which group --- */

static void collect(struct mirror *m, struct db_query *q, struct ids *ret_ids)
{
	unsigned room = 0;

	*ret_ids = (struct ids){.count = 0};
	while (db_step(q)) {
		if (ret_ids->count == room) {
			struct named_id *more =
			        arena_alloc(m->req->arena, (2 * room + 64) * sizeof(*more));
			if (room)
				memcpy(more, ret_ids->items, room * sizeof(*more));
			ret_ids->items = more;
			room = 2 * room + 64;
		}
		const char *id = arena_strdup(m->req->arena, db_text(q, 0));
		ret_ids->items[ret_ids->count++] = (struct named_id){id, id};
	}
	if (ret_ids->count)
		qsort(ret_ids->items, ret_ids->count, sizeof(*ret_ids->items), compare);
}

static enum err join(struct mirror *m, struct db_tx *tx, const char *user, const char *group)
{
	(void)m;
	return sql_run(tx, "REPLACE INTO membership (user_id, group_id) VALUES (?, ?)", NULL,
	        TEXTS(user, group));
}

static enum err leave(struct mirror *m, struct db_tx *tx, const char *user, const char *group)
{
	enum err err = revoke_member(identity_of(m->req), tx, group, user);

	return err ? err
	           : sql_run(tx, "DELETE FROM membership WHERE user_id = ? AND group_id = ?", NULL,
	                     TEXTS(user, group));
}

/* Those that `one` has and `other` has not; of a group (its users) or of a user (its groups). */
static enum err each_but(struct mirror *m, struct db_tx *tx, const char *group, const char *user,
        const struct ids *one, const struct ids *other,
        enum err (*each)(struct mirror *m, struct db_tx *tx, const char *user, const char *group))
{
	enum err err = ERR_OK;

	for (unsigned i = 0; i < one->count && !err; i++) {
		const char *id = one->items[i].id;
		if (!other->count || !find(other, id))
			err = each(m, tx, user ? user : id, group ? group : id);
	}
	return err;
}

static enum err put_members(
        struct mirror *m, struct db_tx *tx, const char *group, const struct ids *wanted)
{
	struct ids there;
	struct db_query q =
	        sql_query(tx, "SELECT user_id FROM membership WHERE group_id = ?", TEXTS(group));

	collect(m, &q, &there);
	enum err err = db_end(&q);
	if (!err)
		err = each_but(m, tx, group, NULL, wanted, &there, join);
	return err ? err : each_but(m, tx, group, NULL, &there, wanted, leave);
}

/* The members of one group that are users of the domain, by their ids. */
static struct ids members_of(
        struct mirror *m, const struct ldapdir_entry *group, const struct ids *users)
{
	struct ids ids = {.items = arena_alloc(
	                          m->req->arena, (group->member_count + 1) * sizeof(*ids.items))};

	for (unsigned i = 0; i < group->member_count && users->count; i++) {
		const char *member = group->members[i];
		const char *id = find(users, key_of(m, member, member));
		if (id)
			ids.items[ids.count++] = (struct named_id){id, id};
	}
	if (ids.count)
		qsort(ids.items, ids.count, sizeof(*ids.items), compare);
	return ids;
}

/* Of the one user: it is in these groups, and in no others of the directory. */
static enum err put_own_groups(
        struct mirror *m, struct db_tx *tx, const char *user, const struct ids *groups)
{
	struct ids there;
	struct db_query q = sql_query(tx,
	        "SELECT m.group_id FROM membership m JOIN directory_entry e ON e.public_id = "
	        "m.group_id WHERE m.user_id = ?",
	        TEXTS(user));

	collect(m, &q, &there);
	enum err err = db_end(&q);
	if (!err)
		err = each_but(m, tx, NULL, user, groups, &there, join);
	return err ? err : each_but(m, tx, NULL, user, &there, groups, leave);
}

/* --- who is gone --- */

static enum err drop(struct mirror *m, struct db_tx *tx, const char *id, bool group)
{
	struct user user = {.id = id};
	struct group row = {.id = id};
	const struct managed *what = group ? &managed_group : &managed_user;
	struct change c = {.req = m->req, .what = what, .tx = tx};
	enum err err = group ? fields_find(&group_fields, tx, id, m->req->arena, &row)
	                     : fields_find(&user_fields, tx, id, m->req->arena, &user);

	c.old = group ? (const void *)&row : &user;
	if (!err)
		err = what->before_delete(&c);
	if (!err)
		err = fields_delete(what->resource.fields, tx, id);
	if (err && err != ERR_NOT_FOUND)
		return err;
	return sql_run(tx, "DELETE FROM directory_entry WHERE public_id = ?", NULL, TEXTS(id));
}

static enum err drop_gone(struct mirror *m, struct db_tx *tx, bool group, const struct ids *kept)
{
	struct ids there, by_id = {.items = arena_alloc(
	                                   m->req->arena, (kept->count + 1) * sizeof(*by_id.items)),
	                          .count = kept->count};
	struct db_query q = sql_query(tx,
	        "SELECT public_id FROM directory_entry WHERE domain_id = ? AND kind = ?",
	        TEXTS(m->domain_id, group ? "group" : "user"));

	collect(m, &q, &there);
	enum err err = db_end(&q);
	for (unsigned i = 0; i < kept->count; i++)
		by_id.items[i] = (struct named_id){kept->items[i].id, kept->items[i].id};
	qsort(by_id.items, by_id.count, sizeof(*by_id.items), compare);
	for (unsigned i = 0; i < there.count && !err; i++) {
		if (!find(&by_id, there.items[i].id))
			err = drop(m, tx, there.items[i].id, group);
	}
	return err;
}

enum err mirror_store(struct db_tx *tx, void *arg)
{
	struct mirror *m = arg;
	struct ids users, groups;
	enum err err = ERR_OK;

	/* Who is gone first: its name may be another one's now. */
	if (!m->one) {
		struct ids keep_users = {.items = arena_alloc(m->req->arena,
		                                 (m->users.count + 1) * sizeof(struct named_id))},
		           keep_groups = {.items = arena_alloc(m->req->arena,
		                                  (m->groups.count + 1) * sizeof(struct named_id))};
		for (unsigned i = 0; i < m->users.count; i++)
			keep_users.items[keep_users.count++].id =
			        public_id(m, "user", m->users.items[i].id);
		for (unsigned i = 0; i < m->groups.count; i++)
			keep_groups.items[keep_groups.count++].id =
			        public_id(m, "group", m->groups.items[i].id);
		err = drop_gone(m, tx, false, &keep_users);
		if (!err)
			err = drop_gone(m, tx, true, &keep_groups);
	}
	if (!err)
		err = put_all(m, tx, false, &users);
	if (!err)
		err = put_all(m, tx, true, &groups);
	m->user_id = !err && m->one && users.count ? users.items[0].id : NULL;
	if (err || (m->one && !m->user_id))
		return err;
	if (m->one)
		return put_own_groups(m, tx, m->user_id, &groups);
	for (unsigned i = 0; i < m->groups.count && !err; i++) {
		const struct ldapdir_entry *g = &m->groups.items[i];
		const char *id = public_id(m, "group", g->id);
		if (!groups.count || !find(&groups, id))
			continue;
		const struct ids members = members_of(m, g, &users);
		err = put_members(m, tx, id, &members);
	}
	return err;
}
