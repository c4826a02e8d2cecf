/* Who signs with an EC2 credential gets a token: EC2's and S3's requests, which a service brings
 * that cannot check them itself; and for services that can, the key for one day, region and
 * service. */
#include "identity/credentials.h"
#include "identity/iam.h"
#include "identity/signer.h"
#include "identity/sql.h"

#include "lib/auth/aws.h"
#include "lib/base/base64.h"
#include "lib/base/kv.h"
#include "lib/crypto/hmac.h"
#include <stdio.h>
#include <string.h>

#define PAIRS_MAX 256
#define LIFE_US   900000000ull /* of a signature with a time, as Keystone's auth_ttl */

static enum err refuse(struct rest_req *req, const char *why)
{
	return rest_fail(req, ERR_UNAUTHORIZED, "%s", why);
}

static const char *text_of(const struct jval *object, const char *name, struct arena *arena)
{
	const char *text;

	return jread_str(jread_get(object, name), &text) ? arena_strdup(arena, text) : NULL;
}

/* --- what is shown --- */

static const char *scalar(const struct jval *value, struct arena *arena)
{
	AUTO(buf) struct buf text = BUF_NONE;
	const char *plain;

	if (jread_str(value, &plain))
		return arena_strdup(arena, plain);
	jread_print(value, &text);
	return arena_strdup(arena, buf_text(&text));
}

static enum err read_pairs(struct rest_req *req, const struct jval *object,
        const struct aws_pair **ret_pairs, unsigned *ret_count)
{
	struct aws_pair *pairs = arena_alloc(req->arena, PAIRS_MAX * sizeof(*pairs));
	unsigned n = 0;
	const char *name;

	for (size_t i = 0; (name = jread_name(object, i)); i++) {
		if (n == PAIRS_MAX)
			return rest_fail(req, ERR_BAD_REQUEST, "There are too many of them.");
		pairs[n++] = (struct aws_pair){arena_strdup(req->arena, name),
		        scalar(jread_get(object, name), req->arena)};
	}
	*ret_pairs = pairs;
	*ret_count = n;
	return ERR_OK;
}

/* It is called so and so, by this and that client. */
static const struct jval *shown_in(const struct rest_req *req)
{
	static const char *const names[] = {"credentials", "credential", "ec2Credentials"};

	for (unsigned i = 0; i < COUNT_OF(names); i++) {
		const struct jval *value = jread_get(req->body, names[i]);
		if (jread_is_object(value) && jread_name(value, 0))
			return value;
	}
	return NULL;
}

/* "2026-11-21T18:22:54Z" or "20261121T182254Z" */
static bool parse_time(const char *text, uint64_t *ret_us)
{
	char full[24];

	if (strlen(text) != 16 || text[8] != 'T')
		return time_parse(text, ret_us);
	snprintf(full, sizeof(full), "%.4s-%.2s-%.2sT%.2s:%.2s:%.2sZ", text, text + 4, text + 6,
	        text + 9, text + 11, text + 13);
	return time_parse(full, ret_us);
}

/* A signature without a time is good for ever: who made it left it out on purpose. */
static enum err check_time(struct rest_req *req, const struct jval *shown)
{
	const struct jval *params = jread_get(shown, "params"),
	                  *headers = jread_get(shown, "headers");
	const char *text;
	uint64_t at;

	if (!jread_str(jread_get(params, "Timestamp"), &text) &&
	        !jread_str(jread_get(headers, "X-Amz-Date"), &text) &&
	        !jread_str(jread_get(params, "X-Amz-Date"), &text))
		return ERR_OK;
	if (!parse_time(text, &at))
		return refuse(req, "Credential timestamp is invalid.");
	return time_now_us() > at + LIFE_US ? refuse(req, "Credential is expired") : ERR_OK;
}

static bool is_same(const char *a, const struct buf *b)
{
	return strlen(a) == b->len && hmac_equal(a, b->data, b->len);
}

static enum err by_signature(
        struct signer *s, enum err (*check)(struct signer *s, const struct jval *shown))
{
	const struct jval *shown = shown_in(s->req);

	if (!jread_str(jread_get(shown, "access"), &s->access))
		return refuse(s->req, "EC2 Signature not supplied");
	enum err err = signer_find(s);
	if (!err)
		err = check(s, shown);
	if (!err)
		err = check_time(s->req, shown);
	return err ? err : signer_login(s);
}

/* --- EC2 --- */

static enum err check_ec2(struct signer *s, const struct jval *shown)
{
	struct rest_req *req = s->req;
	struct aws_request r = {.verb = text_of(shown, "verb", req->arena),
	        .host = text_of(shown, "host", req->arena),
	        .path = text_of(shown, "path", req->arena),
	        .body_hash = text_of(shown, "body_hash", req->arena)};
	const char *signature = text_of(shown, "signature", req->arena);
	enum err err = read_pairs(req, jread_get(shown, "params"), &r.params, &r.param_count);

	if (!err)
		err = read_pairs(req, jread_get(shown, "headers"), &r.headers, &r.header_count);
	if (err)
		return err;
	if (!signature)
		return refuse(req, "EC2 signature not supplied.");
	if (!r.verb || !r.host || !r.path)
		return refuse(req, "Invalid EC2 signature.");
	/* Some clients sign the host without its port. */
	for (unsigned i = 0; i < 2; i++) {
		AUTO(buf) struct buf want = BUF_NONE;
		if (!aws_sign(&r, s->secret, req->arena, &want) && is_same(signature, &want))
			return ERR_OK;
		if (!strchr(r.host, ':'))
			break;
		r.host = arena_strndup(req->arena, r.host, strcspn(r.host, ":"));
	}
	return refuse(req, "Invalid EC2 signature.");
}

enum err on_ec2_token(struct rest_req *req)
{
	struct signer s = {.req = req};

	return by_signature(&s, check_ec2);
}

/* --- S3: the string that was signed, in base64, and its signature --- */

static enum err check_s3(struct signer *s, const struct jval *shown)
{
	struct rest_req *req = s->req;
	const char *text = text_of(shown, "token", req->arena),
	           *signature = text_of(shown, "signature", req->arena);
	AUTO(buf) struct buf plain = BUF_NONE;
	AUTO(buf) struct buf want = BUF_NONE;

	if (!text || !signature || !base64_decode(text, strlen(text), &plain))
		return refuse(req, "Credential signature mismatch");
	if (aws_sign_text(plain.data, plain.len, s->secret, req->arena, &want))
		return refuse(req, "Invalid EC2 signature.");
	return is_same(signature, &want) ? ERR_OK : refuse(req, "Credential signature mismatch");
}

enum err on_s3_token(struct rest_req *req)
{
	struct signer s = {.req = req};
	enum err err = by_signature(&s, check_s3);

	buf_reset(&req->headers); /* the token itself stays here */
	return err;
}

/* --- keys for services --- */

static bool is_part(const char *text)
{
	return text && strlen(text) <= 64 && !strpbrk(text, "/\n");
}

/* What the service has to look at beside the token. */
static void show_rights(const struct signer *s, struct jout *out)
{
	if (!s->policy_count && !s->boundary_count && !s->session_token &&
	        strcmp(s->path, "/") == 0)
		return;
	jout_object(out, "rights");
	jout_text(out, "path", s->path);
	jout_raw(out, "policies", s->policies);
	jout_raw(out, "boundaries", s->boundaries);
	if (s->session_token) {
		jout_int(out, "expires_us", (int64_t)s->session.expires_us);
		jout_text(out, "bound", s->session.policy);
	}
	if (s->role_name) {
		jout_text(out, "role_id", s->session.role_id);
		jout_text(out, "role", s->role_name);
		jout_text(out, "session", s->session.name);
		jout_text(out, "project_id", s->role_project_id);
		jout_text(out, "project_name", s->role_project_name);
	}
	jout_end_object(out);
}

/* Whose it is, by the token that was just answered with; key NULL: none is told. */
static enum err answer_service(const struct signer *s, const uint8_t *key)
{
	struct rest_req *req = s->req;
	const char *token = arena_strdup(
	        req->arena, kv_get(req->headers.data, req->headers.len, "X-Subject-Token"));
	AUTO(jroot) struct jroot body = JROOT_NONE;
	char hex[2 * AWS_KEY + 1];

	if (jread_parse(req->out.data, req->out.len, &body))
		return ERR_INTERNAL;
	const struct jval *shown = jread_get(body.value, "token");
	const char *user = text_of(jread_get(shown, "user"), "name", req->arena),
	           *project = text_of(jread_get(shown, "project"), "name", req->arena);
	buf_reset(&req->headers);
	buf_reset(&req->out);
	req->json = (struct jout){.out = &req->out};
	jout_object(&req->json, NULL);
	jout_object(&req->json, "signing_key");
	for (unsigned i = 0; key && i < AWS_KEY; i++)
		snprintf(hex + 2 * i, 3, "%02x", key[i]);
	if (key)
		jout_text(&req->json, "key", hex);
	jout_text(&req->json, "credential_id", s->credential.id);
	jout_text(&req->json, "token", token);
	jout_text(&req->json, "user_name",
	        user ? iam_user_name(req->arena, user, s->credential.project_id) : "");
	jout_text(&req->json, "project_name", project ? project : "");
	show_rights(s, &req->json);
	jout_end_object(&req->json);
	jout_end_object(&req->json);
	return ERR_OK;
}

static enum err give_key(
        struct signer *s, const char *date, const char *region, const char *service)
{
	uint8_t key[AWS_KEY];
	enum err err;

	if (!s->access || !is_part(date) || !is_part(region) || !is_part(service) || !*date ||
	        !*service)
		return rest_fail(
		        s->req, ERR_BAD_REQUEST, "It wants access, date, region and service.");
	if ((err = signer_find(s)) || (err = signer_login(s)))
		return err;
	aws_signing_key(s->secret, date, region, service, key);
	err = answer_service(s, key);
	explicit_bzero(key, sizeof(key));
	return err;
}

enum err on_signing_key(struct rest_req *req)
{
	struct signer s = {.req = req, .access = query_get(&req->query, "access")};
	enum err err = signer_check_service(req);

	return err ? err
	           : give_key(&s, query_get(&req->query, "date"), query_get(&req->query, "region"),
	                     query_get(&req->query, "service"));
}

/* Of a session: its token is in the body, since addresses are logged. */
enum err on_session_key(struct rest_req *req)
{
	const struct jval *asked = jread_get(req->body, "session");
	struct arena *arena = req->arena;
	struct signer s = {.req = req,
	        .access = text_of(asked, "access", arena),
	        .session_token = text_of(asked, "token", arena)};
	enum err err = signer_check_service(req);

	if (err)
		return err;
	if (!s.session_token)
		return rest_fail(req, ERR_BAD_REQUEST, "It wants the token of a session.");
	return give_key(&s, text_of(asked, "date", arena), text_of(asked, "region", arena),
	        text_of(asked, "service", arena));
}

/* Version 2 signs with the secret itself, so that each signature has to be asked about. */
enum err on_signature(struct rest_req *req)
{
	struct signer s = {
	        .req = req, .session_token = text_of(shown_in(req), "session", req->arena)};
	enum err err = signer_check_service(req);

	if (!err)
		err = by_signature(&s, check_s3);
	return err ? err : answer_service(&s, NULL);
}

/* --- names for services --- */

struct grantee {
	struct arena *arena;
	const char *id, *email, *name;
};

/* A user's email stands for the project that is theirs first. */
static enum err find_grantee(struct db_tx *tx, void *arg)
{
	struct grantee *g = arg;
	enum err err = g->email ? sql_text(tx,
	                                  "SELECT default_project_id FROM user WHERE email = ? AND "
	                                  "default_project_id IS NOT NULL ORDER BY id LIMIT 1",
	                                  g->arena, &g->id, TEXTS(g->email))
	                        : ERR_OK;

	if (err || !g->id)
		return err;
	return sql_text(tx, "SELECT name FROM project WHERE id = ? AND is_domain = 0", g->arena,
	        &g->name, TEXTS(g->id));
}

enum err on_grantee(struct rest_req *req)
{
	struct grantee g = {.arena = req->arena,
	        .id = query_get(&req->query, "id"),
	        .email = query_get(&req->query, "email")};
	enum err err = signer_check_service(req);

	if (err)
		return err;
	if (!g.id == !g.email)
		return rest_fail(req, ERR_BAD_REQUEST, "The query wants id or email.");
	if ((err = db_run(identity_of(req)->db, DB_READ, find_grantee, &g)))
		return err;
	if (!g.name)
		return rest_fail(req, ERR_NOT_FOUND, "There is no such project.");
	jout_object(&req->json, NULL);
	jout_object(&req->json, "grantee");
	jout_text(&req->json, "id", g.id);
	jout_text(&req->json, "name", g.name);
	jout_end_object(&req->json);
	jout_end_object(&req->json);
	return ERR_OK;
}
