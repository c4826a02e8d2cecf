/* directory: domains whose users and groups are those of an LDAP directory (driver "ldap" in the
 * domain's configuration). Rows in our tables mirror what is there, by the ids that Keystone gives
 * such users and groups, so that grants, tokens and lists are as everywhere; a password is checked
 * by the directory, each time. Nothing of it is changed here.
 *
 * The mirror is brought up to date before lists, at most every REFRESH_SECONDS, and for one user
 * with each login. All calls block, on the network as well. */
#ifndef IDENTITY_DIRECTORY_H
#define IDENTITY_DIRECTORY_H

#include "identity/manage.h"

#define DIRECTORY_REFRESH_SECONDS 5

struct directories; /* of the process: when which was refreshed */

enum err directories_new(struct directories **ret_directories);
void directories_free(struct directories *directories);

/* The domain of the user, or the one with that id or name (the default one when nothing is given),
 * if it has a directory; else NULL. */
enum err directory_find(struct rest_req *req, const char *user_id, const char *domain_id,
        const char *domain_name, const char **ret_domain_id);

/* Mirrors the user (named by its id here, or by name) and its groups; whose row is that of who has
 * this password there? NULL: nobody's. ERR_UNAVAILABLE: the directory cannot be reached. */
enum err directory_login(struct rest_req *req, const char *domain_id, const char *user_id,
        const char *name, const char *password, const char **ret_user_id);

/* Has any domain a directory, or this one? */
enum err directory_any(struct rest_req *req, const char *domain_id, bool *ret_any);
/* Mirrors all users and groups of such domains (domain_id NULL), or of this one. What cannot be
 * reached stays as it was, and is logged. */
void directory_refresh(struct rest_req *req, const char *domain_id);

/* ERR_FORBIDDEN with a text: the user or group is of a directory. */
enum err directory_refuse(struct rest_req *req, struct db_tx *tx, const char *id);
/* The same for who would be made in the domain. */
enum err directory_refuse_new(struct rest_req *req, struct db_tx *tx, const char *domain_id);

#endif
