#include "proxy/s3/login.h"

#include "proxy/keystone.h"
#include "proxy/s3/s3.h"
#include "proxy/s3/sign_query.h"

#include "lib/base/base64.h"
#include "lib/crypto/hmac.h"
#include <stdio.h>
#include <string.h>

/* --- is the signature the one that the key makes? --- */

static void tell_bytes(struct request *request, const char *name, const struct buf *text)
{
	AUTO(buf) struct buf bytes = BUF_NONE;

	for (size_t i = 0; i < text->len; i++)
		buf_printf(&bytes, i ? " %02x" : "%02x", (uint8_t)text->data[i]);
	s3_error_add(request, name, buf_text(&bytes));
}

void s3_login_tell(struct request *request, const struct buf *text)
{
	const struct s3_sign *sign = &request->s3->sign;
	AUTO(buf) struct buf canonical = BUF_NONE;

	s3_error_add(request, "AWSAccessKeyId", sign->access);
	s3_error_add(request, "StringToSign", buf_text(text));
	s3_error_add(request, "SignatureProvided", sign->signature);
	tell_bytes(request, "StringToSignBytes", text);
	/* A form is signed over its policy. */
	if (sign->kind != S3_SIGNED_4 || !sign->headers)
		return;
	s3_sign_canonical_4(request->http, sign, false, &canonical);
	s3_error_add(request, "CanonicalRequest", buf_text(&canonical));
	tell_bytes(request, "CanonicalRequestBytes", &canonical);
}

static bool fits_4(struct request *request, bool as_sent, struct buf *out)
{
	struct s3 *s3 = request->s3;
	char signature[S3_SIGNATURE_SIZE];

	buf_reset(out);
	s3_sign_text_4(request->http, &s3->sign, as_sent, out);
	s3_sign_4(s3->caller.key, out->data, out->len, signature);
	return s3_sign_same(signature, s3->sign.signature);
}

static enum s3_error check_4(struct request *request, const char **ret_text)
{
	struct s3 *s3 = request->s3;
	AUTO(buf) struct buf sent = BUF_NONE;
	AUTO(buf) struct buf text = BUF_NONE;

	/* Most clients sign the path as S3 encodes it, some as they have sent it. */
	if (!fits_4(request, false, &text) && !fits_4(request, true, &sent)) {
		s3_login_tell(request, &text);
		return S3_SignatureDoesNotMatch;
	}
	if (s3_sign_left_out(request->http, &s3->sign)) {
		*ret_text = "There were headers present in the request which were not signed";
		return S3_AccessDenied;
	}
	if (s3->sign.in_query)
		sign_params_to_headers(request->http, false);
	return S3_OK;
}

static bool fits_2(struct request *request, const char *secret, bool slash, struct buf *out)
{
	struct s3 *s3 = request->s3;
	AUTO(buf) struct buf signature = BUF_NONE;
	uint8_t mac[20];

	buf_reset(out);
	s3_sign_text_2(request->http, &s3->sign, s3->host_bucket, slash, out);
	hmac_sha1(secret, strlen(secret), out->data, out->len, mac);
	base64_encode(mac, sizeof(mac), &signature);
	return s3_sign_same(buf_text(&signature), s3->sign.signature);
}

static bool names_bucket_alone(const struct request *request)
{
	return !request->s3->key && !strchr(request->path + 1, '/');
}

static enum s3_error check_2(struct request *request, const char *secret)
{
	bool bucket = names_bucket_alone(request);
	AUTO(buf) struct buf text = BUF_NONE;

	if ((bucket && fits_2(request, secret, true, &text)) ||
	        fits_2(request, secret, false, &text))
		return S3_OK;
	s3_login_tell(request, &text);
	return S3_SignatureDoesNotMatch;
}

/* --- v1 auth's users --- */

static const struct user *find_user(const struct cluster *cluster, const char *name)
{
	for (const struct user *u = cluster->users; u && u->name; u++) {
		if (strcmp(u->name, name) == 0)
			return u;
	}
	return NULL;
}

/* What four rounds of HMAC make of a user's key for a day and region, kept. */
static void signing_key(struct request *request, const struct user *user, uint8_t ret[AWS_KEY])
{
	const struct cluster *cluster = request_cluster(request);
	const struct s3_sign *s = &request->s3->sign;
	struct s3_key *kept = &request->proxy->s3_keys[(user - cluster->users) % S3_KEYS];
	char scope[S3_KEY_SCOPE];
	int len = snprintf(scope, sizeof(scope), "%s/%s/%s", s->date, s->region, s->service);

	if (kept->user != user || strcmp(kept->scope, scope) != 0 || len >= (int)sizeof(scope)) {
		aws_signing_key(user->key, s->date, s->region, s->service, kept->key);
		kept->user = len < (int)sizeof(scope) ? user : NULL;
		memcpy(kept->scope, scope, sizeof(scope));
	}
	memcpy(ret, kept->key, AWS_KEY);
}

static enum s3_error login_user(
        struct request *request, const struct user *user, const char **ret_text)
{
	struct s3 *s3 = request->s3;
	struct s3_caller *c = &s3->caller;
	enum s3_error error;

	if (s3->sign.session)
		return S3_InvalidToken;
	if (s3->sign.kind == S3_SIGNED_4) {
		signing_key(request, user, c->key);
		c->has_key = true;
		error = check_4(request, ret_text);
	} else {
		error = check_2(request, user->key);
	}
	if (error)
		return error;
	tempauth_become(request, user);
	c->user = user;
	c->account = arena_printf(
	        request_arena(request), "AUTH_%.*s", (int)strcspn(user->name, ":"), user->name);
	c->id = c->name = c->user_id = user->name;
	c->user_name = strchr(user->name, ':') ? strchr(user->name, ':') + 1 : user->name;
	return S3_OK;
}

/* --- the identity service's credentials --- */

static void answered(struct verify_ask *ask)
{
	struct s3_login *login = CONTAINER_OF(ask, struct s3_login, ask);

	login->pending = false;
	op_child_end(&login->request->op);
}

/* Who has taken a role is nobody but that: neither lists nor Swift's rules know it. */
static void become_role(struct request *request, const struct s3_rights *rights)
{
	struct s3_caller *c = &request->s3->caller;
	const struct keystone *keystone = request_cluster(request)->keystone;
	struct arena *arena = request_arena(request);

	request->identity.reseller = false;
	c->account = arena_printf(arena, "%s%s", keystone->prefixes[0].text, rights->project_id);
	c->id = rights->project_id;
	c->name = rights->project_name;
	c->user_id = arena_printf(arena, "%s:%s", rights->role_id, rights->session);
	c->user_name = NULL;
	c->role = rights->role;
	c->session = rights->session;
}

static enum s3_error login_credential(
        struct request *request, const struct signer *signer, const char **ret_text)
{
	struct s3_caller *c = &request->s3->caller;
	const struct verified *who = signer->who;

	memcpy(c->key, signer->key, sizeof(c->key));
	c->has_key = request->s3->sign.kind == S3_SIGNED_4;
	enum s3_error error = c->has_key ? check_4(request, ret_text) : S3_OK;
	if (error)
		return error;
	if (who->token.scope != TOKEN_PROJECT)
		return S3_AccessDenied;
	if (signer->rights && !s3_rights_read(request, signer->rights))
		return S3_ServiceUnavailable;
	if (!verified_may(who, "object-store", request->http->method, request->path))
		return S3_AccessDenied;
	auth_become(request, signer->token, who);
	c->account = auth_account(request, who);
	c->id = who->token.scope_id;
	c->name = who->project_name ? who->project_name : c->id;
	c->user_id = who->token.user_id;
	c->user_name = who->user_name;
	if (request->s3->rights && request->s3->rights->role)
		become_role(request, request->s3->rights);
	return S3_OK;
}

/* What the identity service is to be asked: the key for a scope, or whether this was signed so. */
static void describe(struct request *request, struct signing *ret)
{
	const struct s3 *s3 = request->s3;
	const struct s3_sign *s = &s3->sign;
	AUTO(buf) struct buf text = BUF_NONE;

	*ret = (struct signing){.access = s->access,
	        .date = s->date,
	        .region = s->region,
	        .service = s->service,
	        .session = s->session};
	if (s->kind != S3_SIGNED_2)
		return;
	bool slash = names_bucket_alone(request) && !s3->login.again;
	s3_sign_text_2(request->http, s, s3->host_bucket, slash, &text);
	ret->text = arena_strdup(request_arena(request), buf_text(&text));
	ret->text_len = text.len;
	ret->signature = s->signature;
}

static enum err know(struct request *request, const struct signer **ret_signer)
{
	struct s3_login *login = &request->s3->login;
	struct verify *verify = request_cluster(request)->keystone->verify;
	struct arena *arena = request_arena(request);
	struct signing signing;
	enum err err = ERR_BUSY;

	describe(request, &signing);
	if (login->asked) {
		login->asked = false;
		err = verify_signing_answer(&login->ask, arena, ret_signer);
		/* Some sign a bucket's path with a slash behind it, some without. */
		if (err != ERR_UNAUTHORIZED || !signing.text || login->again ||
		        !names_bucket_alone(request))
			return err;
		login->again = true;
		describe(request, &signing);
	} else {
		err = verify_signing(verify, &signing, arena, ret_signer);
	}
	if (err != ERR_BUSY && !login->again)
		return err;
	login->request = request;
	login->ask.done = answered;
	err = verify_signing_ask(verify, &login->ask, &signing);
	if (err)
		return err;
	login->asked = login->pending = true;
	op_child_begin(&request->op);
	return ERR_BUSY;
}

enum s3_error s3_login_error(enum err err)
{
	return err == ERR_NOT_FOUND       ? S3_InvalidAccessKeyId
	       : err == ERR_UNAVAILABLE   ? S3_ServiceUnavailable
	       : err == ERR_PRECONDITION  ? S3_ExpiredToken
	       : err == ERR_UNPROCESSABLE ? S3_InvalidToken
	                                  : S3_AccessDenied;
}

static bool ask_identity(struct request *request, enum s3_error *ret_error, const char **ret_text)
{
	const struct signer *signer;

	if (request->s3->login.pending)
		return false;
	enum err err = know(request, &signer);
	if (err == ERR_BUSY)
		return false;
	if (!err)
		*ret_error = login_credential(request, signer, ret_text);
	else if (err == ERR_UNAUTHORIZED && request->s3->sign.kind == S3_SIGNED_2)
		*ret_error = S3_SignatureDoesNotMatch;
	else
		*ret_error = s3_login_error(err);
	return true;
}

bool s3_login(struct request *request, enum s3_error *ret_error, const char **ret_text)
{
	struct s3 *s3 = request->s3;
	struct cluster *cluster = request_cluster(request);
	int64_t now = (int64_t)(cluster->env->wall_us(cluster->env) / 1000000);

	if (!s3->login.pending && !s3->login.asked) {
		*ret_error = s3->post || s3->is_site
		                     ? S3_OK
		                     : s3_sign_parse(request->http, &s3->sign, ret_text);
		if (!*ret_error && s3->body_hash)
			s3->sign.payload = s3->body_hash;
		if (!*ret_error)
			*ret_error = s3_sign_in_time(&s3->sign, now, ret_text);
		if (*ret_error || s3->sign.kind == S3_UNSIGNED)
			return true;
		const struct user *user = find_user(cluster, s3->sign.access);
		if (user) {
			*ret_error = login_user(request, user, ret_text);
			return true;
		}
		if (!cluster->keystone) {
			*ret_error = S3_InvalidAccessKeyId;
			return true;
		}
	}
	return ask_identity(request, ret_error, ret_text);
}
