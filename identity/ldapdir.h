/* ldapdir: users and groups of an LDAP directory, read-only. Hides libldap. A connection is one
 * thread's at a time; every call ends within the settings' seconds. */
#ifndef IDENTITY_LDAPDIR_H
#define IDENTITY_LDAPDIR_H

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include <stdbool.h>

#define LDAPDIR_ENTRIES_MAX 50000 /* more of one kind are refused */
#define LDAPDIR_SECONDS     10

/* By the names that Keystone's [ldap] has; texts are never NULL unless said. */
struct ldapdir_settings {
	const char *url;
	const char *user, *password; /* who searches; NULL: nobody in particular */
	bool subtree;
	unsigned page_size; /* 0: no pages */
	const char *user_tree, *user_filter, *user_class, *user_id, *user_name, *user_mail,
	        *user_description, *user_enabled, *user_enabled_default;
	bool user_enabled_invert;
	unsigned user_enabled_mask;
	const char *group_tree, *group_filter, *group_class, *group_id, *group_name, *group_member,
	        *group_description;
	bool members_are_ids;
	bool use_tls;
	const char *tls_cacertfile, *tls_cacertdir, *tls_req_cert; /* NULL: libldap's own */
};

struct ldapdir_entry {
	const char *dn, *id, *name;
	const char *mail, *description; /* NULL: none */
	bool enabled;
	const char **members; /* of a group: DNs, or ids */
	unsigned member_count;
};

struct ldapdir_entries {
	struct ldapdir_entry *items; /* of the arena */
	unsigned count;
};

struct ldapdir;

/* Connects and binds. ERR_UNAVAILABLE: it cannot be reached, ERR_CONFIG: it does not take who
 * searches, or the settings are none. */
enum err ldapdir_open(const struct ldapdir_settings *settings, struct ldapdir **ret_dir);
void ldapdir_close(struct ldapdir *dir);

/* Those with that value of the attribute (one of the settings'); NULL: all. */
enum err ldapdir_users(struct ldapdir *dir, const char *attribute, const char *value,
        struct arena *arena, struct ldapdir_entries *ret_users);
enum err ldapdir_groups(struct ldapdir *dir, const char *attribute, const char *value,
        struct arena *arena, struct ldapdir_entries *ret_groups);

/* Is it the password of that DN? NULL: of nobody, which takes as long and is false. On a connection
 * of its own. ERR_UNAVAILABLE. */
enum err ldapdir_check(const struct ldapdir_settings *settings, const char *dn,
        const char *password, bool *ret_good);

/* A value within a filter (RFC 4515 section 3). */
void ldapdir_escape(const char *value, struct buf *out);

#endif
