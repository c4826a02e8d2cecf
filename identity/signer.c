#include "identity/signer.h"

#include "identity/iam.h"
#include "identity/login.h"
#include "identity/sql.h"
#include <string.h>

static enum err refuse(struct rest_req *req, const char *why)
{
	return rest_fail(req, ERR_UNAUTHORIZED, "%s", why);
}

static enum err unknown(struct rest_req *req)
{
	return rest_fail(req, ERR_NOT_FOUND, "EC2 access key not found.");
}

static const char *text_of(const struct jval *object, const char *name, struct arena *arena)
{
	const char *text;

	return jread_str(jread_get(object, name), &text) ? arena_strdup(arena, text) : NULL;
}

/* --- the credential --- */

/* What was made by a token of a trust that impersonates looks like the trustor's, and is its
 * trustee's to use. Whoever else names that trust in a credential is not its trustee. */
static enum err find_trustee(struct signer *s, struct db_tx *tx)
{
	struct trust trust = {.id = NULL};
	enum err err = trust_find(tx, s->trust_id, s->req->arena, &trust);

	s->trustor_id = trust.trustor_user_id;
	if (!err && trust.impersonation &&
	        strcmp(trust.trustor_user_id, s->credential.user_id) == 0)
		s->user_id = trust.trustee_user_id;
	return err == ERR_NOT_FOUND ? refuse(s->req, "The trust is not there any more.") : err;
}

static enum err check_application(struct signer *s, struct db_tx *tx)
{
	struct application app = {.id = NULL};
	const char *project = s->credential.project_id;
	enum err err = fields_find(&application_fields, tx, s->application_id, s->req->arena, &app);

	if (err && err != ERR_NOT_FOUND)
		return err;
	if (err || !project || strcmp(project, app.project_id) != 0)
		return refuse(s->req, "EC2 credential project does not match the application "
		                      "credential project.");
	return ERR_OK;
}

/* One that IAM has made may be put to rest. */
static enum err check_active(struct signer *s, struct db_tx *tx)
{
	int64_t resting;
	enum err err =
	        sql_int(tx, "SELECT COUNT(*) FROM iam_key WHERE credential_id = ? AND active = 0",
	                &resting, TEXTS(s->credential.id));

	return err || !resting ? err : unknown(s->req);
}

static enum err find_credential(struct signer *s, struct db_tx *tx)
{
	struct arena *arena = s->req->arena;
	AUTO(jroot) struct jroot blob = JROOT_NONE;
	const char *id =
	        s->session_token ? s->session.credential_id : credential_ec2_id(arena, s->access);
	enum err err = credential_find(identity_of(s->req), tx, id, arena, &s->credential);

	if (err && err != ERR_NOT_FOUND)
		return err;
	const struct credential *c = &s->credential;
	if (err || strcmp(c->type, "ec2") != 0 || !c->project_id ||
	        jread_parse(c->blob, strlen(c->blob), &blob))
		return unknown(s->req);
	s->secret = text_of(blob.value, "secret", arena);
	s->trust_id = text_of(blob.value, "trust_id", arena);
	s->application_id = text_of(blob.value, "app_cred_id", arena);
	s->user_id = c->user_id;
	if (!s->secret)
		return unknown(s->req);
	if (s->session_token)
		s->secret = s->session.secret;
	if ((err = check_active(s, tx)))
		return err;
	if (s->trust_id)
		return find_trustee(s, tx);
	return s->application_id ? check_application(s, tx) : ERR_OK;
}

/* --- role and policies --- */

static enum err find_role(struct signer *s, struct db_tx *tx)
{
	struct arena *arena = s->req->arena;
	struct db_query q = sql_query(tx,
	        "SELECT r.name, p.id, p.name, p.domain_id, r.path FROM iam_role r JOIN project p "
	        "ON p.id = "
	        "r.project_id JOIN project d ON d.id = p.domain_id WHERE r.id = ? AND p.enabled = "
	        "1 AND d.enabled = 1",
	        TEXTS(s->session.role_id));

	s->role_name = NULL;
	if (db_step(&q)) {
		s->role_name = arena_strdup(arena, db_text(&q, 0));
		s->role_project_id = arena_strdup(arena, db_text(&q, 1));
		s->role_project_name = arena_strdup(arena, db_text(&q, 2));
		s->role_domain_id = arena_strdup(arena, db_text(&q, 3));
		s->path = arena_strdup(arena, db_text(&q, 4));
	}
	enum err err = db_end(&q);
	return err || s->role_name ? err : unknown(s->req);
}

static enum err find_path(struct signer *s, struct db_tx *tx)
{
	enum err err =
	        sql_text(tx, "SELECT path FROM iam_user WHERE user_id = ? AND project_id = ?",
	                s->req->arena, &s->path, TEXTS(s->user_id, s->credential.project_id));

	if (!s->path)
		s->path = "/";
	return err;
}

static const char *role_of(const struct signer *s)
{
	return s->role_name ? s->session.role_id : NULL;
}

static bool is_delegated(const struct signer *s)
{
	return !role_of(s) && (s->trust_id || s->application_id);
}

/* What was delegated has the roles that it was given: no policy adds to them, and what is denied to
 * who delegates or to who uses it binds it. */
static enum err add_policies(struct signer *s, struct db_tx *tx, struct jout *out)
{
	const char *project = s->credential.project_id;
	bool delegated = is_delegated(s);
	enum err err = iam_documents(
	        tx, s->user_id, project, role_of(s), delegated, out, &s->policy_count);

	if (!err && delegated && s->trustor_id)
		err = iam_documents(tx, s->trustor_id, project, NULL, true, out, &s->policy_count);
	return err;
}

static enum err add_boundaries(struct signer *s, struct db_tx *tx, struct jout *out)
{
	const char *project = s->credential.project_id;
	enum err err = iam_boundaries(tx, s->user_id, project, role_of(s), out, &s->boundary_count);

	if (!err && is_delegated(s) && s->trustor_id)
		err = iam_boundaries(tx, s->trustor_id, project, NULL, out, &s->boundary_count);
	return err;
}

static enum err array_of(struct signer *s, struct db_tx *tx,
        enum err (*add)(struct signer *s, struct db_tx *tx, struct jout *out), const char **ret)
{
	AUTO(buf) struct buf text = BUF_NONE;
	struct jout out = {.out = &text};

	jout_array(&out, NULL);
	enum err err = add(s, tx, &out);
	jout_end_array(&out);
	*ret = arena_strdup(s->req->arena, buf_text(&text));
	return err;
}

static enum err find_policies(struct signer *s, struct db_tx *tx)
{
	s->policy_count = s->boundary_count = 0;
	enum err err = array_of(s, tx, add_policies, &s->policies);
	return err ? err : array_of(s, tx, add_boundaries, &s->boundaries);
}

static enum err find(struct db_tx *tx, void *arg)
{
	struct signer *s = arg;
	enum err err = find_credential(s, tx);

	if (!err)
		err = s->session.role_id ? find_role(s, tx) : find_path(s, tx);
	return err ? err : find_policies(s, tx);
}

enum err signer_find(struct signer *s)
{
	struct rest_req *req = s->req;
	enum err err = ERR_OK;

	if (s->session_token)
		err = session_open(identity_of(req)->vault, s->access, s->session_token,
		        time_now_us(), req->arena, &s->session);
	if (err)
		return rest_fail(req, err,
		        err == ERR_PRECONDITION ? "The session has expired."
		                                : "It is no token of a session.");
	return db_run(identity_of(req)->db, DB_READ, find, s);
}

/* --- the token --- */

enum err signer_login(struct signer *s)
{
	struct login *l = arena_zalloc(s->req->arena, sizeof(*l));

	*l = (struct login){.req = s->req,
	        .methods = TOKEN_BY_EC2,
	        .user = {.id = s->user_id},
	        .application = {.id = s->application_id},
	        .wanted = s->trust_id         ? SCOPE_TRUST
	                  : s->application_id ? SCOPE_DEFAULT
	                                      : SCOPE_PROJECT,
	        .scope = {.id = s->trust_id ? s->trust_id : s->credential.project_id},
	        .catalog = true};
	return login_by_ec2(l);
}

enum err signer_check_service(struct rest_req *req)
{
	return service_key_shown(req) ? ERR_OK
	                              : rest_allow_as(req, "identity:s3tokens_validate", NULL, 0);
}
