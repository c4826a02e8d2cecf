#include "identity/directory.h"

#include "identity/ldapdir.h"
#include "identity/mirror.h"
#include "identity/sql.h"
#include "lib/base/mem.h"
#include "lib/log/log.h"
#include <stdlib.h>
#include <string.h>

#define KNOWN_MAX 256
#define SECOND    1000000ull

struct directories {
	pthread_mutex_t lock;
	struct known {
		char domain_id[65];
		uint64_t refreshed_us;
		bool busy;
	} known[KNOWN_MAX];
};

enum err directories_new(struct directories **ret_directories)
{
	*ret_directories = mem_zalloc(sizeof(**ret_directories));
	pthread_mutex_init(&(*ret_directories)->lock, NULL);
	return ERR_OK;
}

void directories_free(struct directories *d)
{
	if (!d)
		return;
	pthread_mutex_destroy(&d->lock);
	free(d);
}

/* --- settings --- */

struct reading {
	struct rest_req *req;
	const char *domain_id;
	struct ldapdir_settings settings;
	bool is_ldap;
};

/* Where one of them goes. */
static const char **text_of(struct ldapdir_settings *s, const char *name)
{
	const struct {
		const char *name, **at;
	} texts[] = {{"url", &s->url}, {"user", &s->user}, {"password", &s->password},
	        {"user_tree_dn", &s->user_tree}, {"user_filter", &s->user_filter},
	        {"user_objectclass", &s->user_class}, {"user_id_attribute", &s->user_id},
	        {"user_name_attribute", &s->user_name}, {"user_mail_attribute", &s->user_mail},
	        {"user_description_attribute", &s->user_description},
	        {"user_enabled_attribute", &s->user_enabled},
	        {"user_enabled_default", &s->user_enabled_default},
	        {"group_tree_dn", &s->group_tree}, {"group_filter", &s->group_filter},
	        {"group_objectclass", &s->group_class}, {"group_id_attribute", &s->group_id},
	        {"group_name_attribute", &s->group_name},
	        {"group_member_attribute", &s->group_member},
	        {"group_desc_attribute", &s->group_description},
	        {"tls_cacertfile", &s->tls_cacertfile}, {"tls_cacertdir", &s->tls_cacertdir},
	        {"tls_req_cert", &s->tls_req_cert}};

	for (unsigned i = 0; i < COUNT_OF(texts); i++) {
		if (strcmp(texts[i].name, name) == 0)
			return texts[i].at;
	}
	return NULL;
}

/* Truth and numbers come as such, or as texts of such. */
static uint64_t number_of(const struct jval *value)
{
	const char *text = "";
	uint64_t number = 0;
	bool flag = false;

	if (jread_bool(value, &flag))
		return flag;
	if (jread_str(value, &text))
		return strcmp(text, "true") == 0 || strcmp(text, "True") == 0
		               ? 1
		               : strtoull(text, NULL, 10);
	jread_u64(value, 1u << 30, &number);
	return number;
}

static void set(struct reading *r, const char *name, const struct jval *value, const char **suffix)
{
	struct ldapdir_settings *s = &r->settings;
	const char **text = strcmp(name, "suffix") == 0 ? suffix : text_of(s, name), *given;

	if (text && jread_str(value, &given))
		*text = arena_strdup(r->req->arena, given);
	else if (strcmp(name, "query_scope") == 0)
		s->subtree = jread_str(value, &given) && strcmp(given, "sub") == 0;
	else if (strcmp(name, "page_size") == 0)
		s->page_size = (unsigned)number_of(value);
	else if (strcmp(name, "user_enabled_invert") == 0)
		s->user_enabled_invert = number_of(value) != 0;
	else if (strcmp(name, "user_enabled_mask") == 0)
		s->user_enabled_mask = (unsigned)number_of(value);
	else if (strcmp(name, "group_members_are_ids") == 0)
		s->members_are_ids = number_of(value) != 0;
	else if (strcmp(name, "use_tls") == 0)
		s->use_tls = number_of(value) != 0;
}

static enum err read_settings(struct db_tx *tx, void *arg)
{
	struct reading *r = arg;
	const char *suffix = "cn=example,cn=com";
	struct db_query q =
	        sql_query(tx, "SELECT in_group, name, value FROM domain_config WHERE domain_id = ?",
	                TEXTS(r->domain_id));

	r->is_ldap = false;
	r->settings = (struct ldapdir_settings){.url = "ldap://localhost",
	        .user_filter = "",
	        .user_class = "inetOrgPerson",
	        .user_id = "cn",
	        .user_name = "sn",
	        .user_mail = "mail",
	        .user_description = "description",
	        .user_enabled = "enabled",
	        .user_enabled_default = "True",
	        .group_filter = "",
	        .group_class = "groupOfNames",
	        .group_id = "cn",
	        .group_name = "ou",
	        .group_member = "member",
	        .group_description = "description"};
	while (db_step(&q)) {
		AUTO(jroot) struct jroot root = JROOT_NONE;
		const char *json = arena_printf(r->req->arena, "[%s]", db_text(&q, 2)), *driver;
		if (jread_parse(json, strlen(json), &root))
			continue;
		const struct jval *value = jread_at(root.value, 0);
		if (strcmp(db_text(&q, 0), "ldap") == 0)
			set(r, db_text(&q, 1), value, &suffix);
		else if (strcmp(db_text(&q, 1), "driver") == 0)
			r->is_ldap = jread_str(value, &driver) && strcmp(driver, "ldap") == 0;
	}
	if (!r->settings.user_tree)
		r->settings.user_tree = arena_printf(r->req->arena, "ou=Users,%s", suffix);
	if (!r->settings.group_tree)
		r->settings.group_tree = arena_printf(r->req->arena, "ou=UserGroups,%s", suffix);
	return db_end(&q);
}

static enum err settings_of(struct reading *r, struct rest_req *req, const char *domain_id)
{
	*r = (struct reading){.req = req, .domain_id = domain_id};
	return db_run(identity_of(req)->db, DB_READ, read_settings, r);
}

/* --- which domains --- */

#define HAS_DRIVER                                                                                 \
	" EXISTS (SELECT 1 FROM domain_config c WHERE c.domain_id = d.id AND c.in_group = "        \
	"'identity' AND c.name = 'driver' AND c.value = '\"ldap\"')"

struct finding {
	struct rest_req *req;
	const char *user_id, *domain_id, *domain_name, *found;
};

static enum err run_find(struct db_tx *tx, void *arg)
{
	struct finding *f = arg;
	struct arena *arena = f->req->arena;

	if (f->user_id)
		return sql_text(tx,
		        "SELECT d.id FROM user u JOIN project d ON d.id = u.domain_id WHERE u.id = "
		        "? "
		        "AND" HAS_DRIVER,
		        arena, &f->found, TEXTS(f->user_id));
	if (f->domain_id)
		return sql_text(tx, "SELECT d.id FROM project d WHERE d.id = ? AND" HAS_DRIVER,
		        arena, &f->found, TEXTS(f->domain_id));
	if (f->domain_name)
		return sql_text(tx,
		        "SELECT d.id FROM project d WHERE d.name = ? AND d.is_domain = 1 "
		        "AND" HAS_DRIVER,
		        arena, &f->found, TEXTS(f->domain_name));
	return sql_text(tx, "SELECT d.id FROM project d WHERE d.is_domain = 1 AND" HAS_DRIVER,
	        arena, &f->found, 0, NULL);
}

enum err directory_find(struct rest_req *req, const char *user_id, const char *domain_id,
        const char *domain_name, const char **ret_domain_id)
{
	struct finding f = {req, user_id, domain_id, domain_name, NULL};

	if (!user_id && !domain_id && !domain_name)
		f.domain_id = DEFAULT_DOMAIN;
	enum err err = db_run(identity_of(req)->db, DB_READ, run_find, &f);

	*ret_domain_id = f.found;
	return err;
}

enum err directory_any(struct rest_req *req, const char *domain_id, bool *ret_any)
{
	struct finding f = {.req = req, .domain_id = domain_id};
	enum err err = db_run(identity_of(req)->db, DB_READ, run_find, &f);

	*ret_any = f.found != NULL;
	return err;
}

/* --- logins --- */

struct local {
	struct rest_req *req;
	const char *user_id, *id;
};

static enum err run_local_id(struct db_tx *tx, void *arg)
{
	struct local *l = arg;

	return sql_text(tx, "SELECT local_id FROM directory_entry WHERE public_id = ?",
	        l->req->arena, &l->id, TEXTS(l->user_id));
}

/* The one user, and the groups that have it. */
static enum err fetch_one(struct ldapdir *dir, const struct ldapdir_settings *s, const char *id,
        const char *name, struct arena *arena, struct mirror *m)
{
	enum err err = ldapdir_users(
	        dir, id ? s->user_id : s->user_name, id ? id : name, arena, &m->users);

	if (err || m->users.count != 1)
		return err;
	return ldapdir_groups(dir, s->group_member,
	        s->members_are_ids ? m->users.items[0].id : m->users.items[0].dn, arena,
	        &m->groups);
}

enum err directory_login(struct rest_req *req, const char *domain_id, const char *user_id,
        const char *name, const char *password, const char **ret_user_id)
{
	struct reading r;
	struct local local = {.req = req, .user_id = user_id};
	struct ldapdir *dir = NULL;
	struct mirror m = {.req = req, .domain_id = domain_id, .one = true};
	enum err err = settings_of(&r, req, domain_id);
	bool good = false;

	*ret_user_id = NULL;
	m.members_are_ids = r.settings.members_are_ids;
	if (!err && user_id)
		err = db_run(identity_of(req)->db, DB_READ, run_local_id, &local);
	if (!err)
		err = ldapdir_open(&r.settings, &dir);
	if (!err && (local.id || name))
		err = fetch_one(dir, &r.settings, local.id, name, req->arena, &m);
	ldapdir_close(dir);
	const char *dn = !err && m.users.count == 1 ? m.users.items[0].dn : NULL;
	if (!err)
		err = ldapdir_check(&r.settings, dn, password, &good);
	if (!err && dn)
		err = db_run(identity_of(req)->db, DB_WRITE, mirror_store, &m);
	/* Who had the name before may be gone, or have another one now. */
	if (!err && good && !m.user_id) {
		directory_refresh(req, domain_id);
		err = db_run(identity_of(req)->db, DB_WRITE, mirror_store, &m);
	}
	if (!err && good)
		*ret_user_id = m.user_id;
	return err == ERR_CONFIG ? ERR_UNAVAILABLE : err;
}

/* --- all of them --- */

/* False: it was, a moment ago, or is being. */
static bool begin_refresh(struct directories *d, const char *domain_id, struct known **ret_known)
{
	uint64_t now = manage_now_us();
	struct known *k = NULL;
	bool begins = false;

	pthread_mutex_lock(&d->lock);
	for (unsigned i = 0; i < KNOWN_MAX && !k; i++) {
		if (strcmp(d->known[i].domain_id, domain_id) == 0)
			k = &d->known[i];
	}
	/* One that is not known takes the place of the oldest. */
	for (unsigned i = 0; !k && i < KNOWN_MAX; i++) {
		struct known *other = &d->known[i];
		if (!other->busy &&
		        (!*ret_known || other->refreshed_us < (*ret_known)->refreshed_us))
			*ret_known = other;
	}
	if (!k && (k = *ret_known)) {
		*k = (struct known){.refreshed_us = 0};
		memcpy(k->domain_id, domain_id, strnlen(domain_id, sizeof(k->domain_id) - 1));
	}
	if (k && !k->busy && now - k->refreshed_us >= DIRECTORY_REFRESH_SECONDS * SECOND)
		k->busy = begins = true;
	pthread_mutex_unlock(&d->lock);
	*ret_known = k;
	return begins;
}

static void end_refresh(struct directories *d, struct known *k, bool done)
{
	pthread_mutex_lock(&d->lock);
	k->busy = false;
	if (done)
		k->refreshed_us = manage_now_us();
	pthread_mutex_unlock(&d->lock);
}

static enum err refresh(struct rest_req *req, const char *domain_id, struct arena *arena)
{
	struct reading r;
	struct ldapdir *dir = NULL;
	struct mirror m = {.req = req, .domain_id = domain_id};
	enum err err = settings_of(&r, req, domain_id);

	if (err || !r.is_ldap)
		return err;
	m.members_are_ids = r.settings.members_are_ids;
	err = ldapdir_open(&r.settings, &dir);
	if (!err)
		err = ldapdir_users(dir, NULL, NULL, arena, &m.users);
	if (!err)
		err = ldapdir_groups(dir, NULL, NULL, arena, &m.groups);
	ldapdir_close(dir);
	return err ? err : db_run(identity_of(req)->db, DB_WRITE, mirror_store, &m);
}

struct domains {
	struct rest_req *req;
	const char *ids[KNOWN_MAX];
	unsigned count;
};

static enum err run_domains(struct db_tx *tx, void *arg)
{
	struct domains *d = arg;
	struct db_query q = db_query(tx,
	        "SELECT d.id FROM project d WHERE d.is_domain = 1 AND" HAS_DRIVER " ORDER BY d.id");

	d->count = 0;
	while (d->count < KNOWN_MAX && db_step(&q))
		d->ids[d->count++] = arena_strdup(d->req->arena, db_text(&q, 0));
	return db_end(&q);
}

void directory_refresh(struct rest_req *req, const char *domain_id)
{
	struct directories *d = identity_of(req)->directories;
	struct domains all = {.req = req, .ids = {domain_id}, .count = 1};
	enum err err =
	        domain_id ? ERR_OK : db_run(identity_of(req)->db, DB_READ, run_domains, &all);

	for (unsigned i = 0; i < all.count && !err; i++) {
		struct known *k = NULL;
		struct arena arena;
		if (!begin_refresh(d, all.ids[i], &k))
			continue;
		arena_init(&arena);
		enum err failed = refresh(req, all.ids[i], &arena);
		arena_done(&arena);
		end_refresh(d, k, !failed);
		if (failed)
			log_warn("directory", "domain=%s error=%s next=\"lists are as they were\"",
			        all.ids[i], err_name(failed));
	}
}

/* --- what cannot be changed here --- */

static enum err refuse(struct rest_req *req)
{
	return rest_fail(req, ERR_FORBIDDEN,
	        "You are not authorized to perform the requested action: users and groups of this "
	        "domain are those of a directory, which is read-only.");
}

enum err directory_refuse(struct rest_req *req, struct db_tx *tx, const char *id)
{
	int64_t count;
	enum err err = sql_int(
	        tx, "SELECT COUNT(*) FROM directory_entry WHERE public_id = ?", &count, TEXTS(id));

	return err || !count ? err : refuse(req);
}

enum err directory_refuse_new(struct rest_req *req, struct db_tx *tx, const char *domain_id)
{
	struct finding f = {.req = req, .domain_id = domain_id};
	enum err err = run_find(tx, &f);

	return err || !f.found ? err : refuse(req);
}
