/* applications: application credentials, with which a program shows that a user lets it act in a
 * project, and the access rules that say for what.
 *
 * A secret that we make is 64 random bytes: nobody can try them all, so its SHA-256 is kept and it
 * is checked in a microsecond. One that a user gives may be a word: it is kept and checked as
 * passwords are. */
#ifndef IDENTITY_APPLICATIONS_H
#define IDENTITY_APPLICATIONS_H

#include "identity/identity.h"

struct application {
	struct record record;
	const char *id, *name, *user_id, *project_id, *description, *secret_hash;
	const char *secret, *expires_at, *roles, *access_rules; /* as given */
	const char *rules;      /* JSON of its access rules; NULL: it may do all its roles may */
	const char *role_items; /* JSON of its roles */
	bool unrestricted;      /* may manage application credentials */
	int64_t expires_us;     /* 0: never */
	struct rest_req *req;   /* that makes it */
};

struct user_rule {
	struct record record;
	const char *id, *user_id, *service, *path, *method;
};

extern const struct fields application_fields, access_rule_fields;

enum err on_application_create(struct rest_req *req);
enum err on_application_list(struct rest_req *req);
enum err on_application_show(struct rest_req *req);
enum err on_application_delete(struct rest_req *req);
enum err on_access_rule_list(struct rest_req *req);
enum err on_access_rule_show(struct rest_req *req);
enum err on_access_rule_delete(struct rest_req *req);

/* Fills `rules`. */
enum err application_rules_load(
        struct rest_req *req, struct db_tx *tx, struct application *application);
/* The rules of a body become rows of its own and of the user's. */
enum err application_rules_store(
        struct rest_req *req, struct db_tx *tx, const struct application *application);

/* Checked without a slow hash, and right. */
bool application_is_quick(const char *secret, const char *hash);
/* As slow as a password's, whatever there is; with hash NULL false. */
bool application_secret_matches(
        const struct identity *identity, const char *secret, const char *hash);

/* ERR_FORBIDDEN, with a text: by a token that was delegated by a trust, or by an application
 * credential that may not `manage` others. */
enum err application_may(struct rest_req *req, struct db_tx *tx, bool manage);

/* They go with what they stand on. */
enum err applications_drop_user(struct db_tx *tx, const char *user_id);
enum err applications_drop_project(struct db_tx *tx, const char *user_id, const char *project_id);
enum err applications_drop_role(struct db_tx *tx, const char *role_id);

#endif
