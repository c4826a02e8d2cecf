/* Who asks, and may they: by v1 auth (tempauth.c), or known by the identity service (keystone.c).
 */
#include "proxy/keystone.h"

#include <string.h>

#define UNKNOWN_DOMAIN "_unknown" /* made by somebody of another project */

/* --- who --- */

/* What a request wants to know of a token; its answer may have to be asked for. */
struct inquiry {
	struct verify_ask ask;
	struct request *request;
	bool pending, done;
	enum err err;
	const struct verified *found;
};

struct auth {
	const char *text; /* the token */
	struct inquiry user, service, late, names;
	struct keystone_caller caller;
};

static void answered(struct verify_ask *ask)
{
	struct inquiry *i = CONTAINER_OF(ask, struct inquiry, ask);

	i->err = verify_answer(ask, request_arena(i->request), &i->found);
	i->pending = false;
	i->done = true;
	op_child_end(&i->request->op);
}

static struct verify *verify_of(struct request *request)
{
	return request_cluster(request)->keystone->verify;
}

/* False: the answer is awaited, the operation is woken. */
static bool ask(struct inquiry *i, struct request *request, const char *text, const char *service)
{
	*i = (struct inquiry){.request = request, .ask = {.done = answered}};
	i->err = verify_ask(verify_of(request), &i->ask, text, service);
	i->done = i->err;
	i->pending = !i->err;
	if (i->pending)
		op_child_begin(&request->op);
	return i->done;
}

static bool inquire(struct inquiry *i, struct request *request, const char *text, bool names)
{
	if (i->done || i->pending)
		return i->done;
	i->err = verify_token(verify_of(request), text, names, request_arena(request), &i->found);
	if (i->err == ERR_BUSY)
		return ask(i, request, text, NULL);
	i->done = true;
	return true;
}

/* Of a token that may have expired, while a service worked for whom it is. */
static bool inquire_late(
        struct inquiry *i, struct request *request, const char *text, const char *service)
{
	return i->done || (!i->pending && ask(i, request, text, service));
}

static struct auth *auth_of(struct request *request)
{
	if (!request->auth)
		request->auth = arena_zalloc(request_arena(request), sizeof(*request->auth));
	return request->auth;
}

/* A token that is none, or none any more, is no token: what is open to everybody stays open. */
static enum step identify_by_keystone(
        struct request *request, const char *text, const char *service)
{
	const struct keystone *k = request_cluster(request)->keystone;
	struct auth *auth = auth_of(request);
	struct keystone_caller *c = &auth->caller;
	struct inquiry *user = &auth->user;

	auth->text = text;
	if (!inquire(user, request, text, false))
		return STEP_WAIT;
	if (service && !inquire(&auth->service, request, service, false))
		return STEP_WAIT;
	bool by_service = keystone_is_service(k, auth->service.found);
	if (by_service && user->err == ERR_UNAUTHORIZED) {
		if (!inquire_late(&auth->late, request, text, service))
			return STEP_WAIT;
		user = &auth->late;
	}
	enum err err = user->err ? user->err : auth->service.err;
	if (err)
		return err == ERR_UNAUTHORIZED ? STEP_NEXT : request_fail(request, 503);
	/* A service in between may do more than who has sent it here. */
	if (!by_service &&
	        !verified_may(user->found, "object-store", request->http->method, request->path))
		return STEP_NEXT;
	c->user = user->found;
	c->service = auth->service.found;
	request->identity.user = c->user->token.user_id;
	request->identity.keystone = c;
	request->identity.reseller = keystone_is_reseller(k, c->user);
	return STEP_NEXT;
}

static enum step identify(struct request *request)
{
	const struct cluster *cluster = request_cluster(request);
	const char *token = http_get(request->http, "X-Auth-Token"),
	           *service = http_get(request->http, "X-Service-Token");

	if (!token)
		token = http_get(request->http, "X-Storage-Token");
	if (!token || !*token)
		return STEP_NEXT;
	if (service && !*service)
		service = NULL;
	if (cluster->keystone && !tempauth_is_token(token))
		return identify_by_keystone(request, token, service);
	return tempauth_identify(request, token, service) ? STEP_NEXT : request_fail(request, 401);
}

enum step request_identify(struct op *op)
{
	struct request *request = request_of(op);
	enum step step = request->identified ? STEP_NEXT : identify(request);

	request->identified = step == STEP_NEXT;
	return step;
}

void auth_become(struct request *request, const char *token, const struct verified *user)
{
	const struct keystone *k = request_cluster(request)->keystone;
	struct auth *auth = auth_of(request);

	auth->text = token;
	auth->caller = (struct keystone_caller){.user = user};
	request->identity.user = user->token.user_id;
	request->identity.keystone = &auth->caller;
	request->identity.reseller = keystone_is_reseller(k, user);
}

const char *auth_account(struct request *request, const struct verified *user)
{
	const struct keystone *k = request_cluster(request)->keystone;

	return arena_printf(
	        request_arena(request), "%s%s", k->prefixes[0].text, user->token.scope_id);
}

void auth_inherit(struct request *request, const struct request *parent)
{
	request->identity = parent->identity;
	request->permit = parent->permit;
	if (!parent->identity.keystone)
		return;
	struct auth *auth = auth_of(request);
	auth->text = parent->auth->text;
	auth->caller = parent->auth->caller;
	request->identity.keystone = &auth->caller;
}

const char *auth_challenge(const struct request *request)
{
	const struct keystone *k = request->proxy->cluster->keystone;

	return k ? k->challenge : NULL;
}

/* --- may they --- */

static bool account_acl_allows(
        struct request *request, const struct access *access, const struct info *account)
{
	const char *level =
	        acl_account_access(info_header(account, "X-Account-Sysmeta-Core-Access-Control"),
	                request->identity.groups);

	if (!level)
		return false;
	if (strcmp(level, "admin") == 0) {
		request->identity.owner = true;
		return true;
	}
	return access->reads || (access->container && strcmp(level, "read-write") == 0);
}

/* *ret_names: the caller with the names of its user and project, where they count; else NULL. Call
 * again while *ret_wait. */
static enum err with_names(struct request *request, const struct access *access,
        struct info_fetch *account_info, bool *ret_wait, const struct keystone_caller **ret_names)
{
	const struct keystone *k = request_cluster(request)->keystone;
	struct auth *auth = auth_of(request);
	const struct verified *user = auth->caller.user;
	const char *domain = NULL;

	*ret_names = NULL;
	if (!keystone_names_count(k, user, NULL))
		return ERR_OK;
	if (!keystone_is_own(k, user, access->account)) {
		*ret_wait = !info_get(
		        account_info, &request->op, request->proxy, access->account, NULL);
		if (*ret_wait)
			return ERR_OK;
		if (account_info->err)
			return ERR_UNAVAILABLE;
		domain = info_header(account_info->info, AUTH_PROJECT_DOMAIN);
		if (!account_info->info->exists ||
		        (domain && !keystone_names_count(k, user, domain)))
			return ERR_OK;
	}
	/* Whoever was asked about has come with them. */
	struct inquiry *names = auth->late.found ? &auth->late : &auth->names;
	*ret_wait = !inquire(names, request, auth->text, true);
	if (*ret_wait || names->err)
		return names->err == ERR_UNAVAILABLE ? ERR_UNAVAILABLE : ERR_OK;
	auth->caller.user_name = names->found->user_name;
	auth->caller.project_name = names->found->project_name;
	*ret_names = &auth->caller;
	return ERR_OK;
}

static enum err authorize_by_keystone(struct request *request, const struct access *access,
        const char *acl, struct info_fetch *account_info, bool *ret_wait)
{
	const struct keystone *k = request_cluster(request)->keystone;
	const struct keystone_caller *c = request->identity.keystone, *named = NULL;
	const char *referer = http_get(request->http, "Referer");
	enum keystone_verdict verdict = keystone_decide(k, c, access, acl, referer);

	if (verdict == KEYSTONE_DENIED && keystone_acl_names(acl)) {
		enum err err = with_names(request, access, account_info, ret_wait, &named);
		if (err || *ret_wait)
			return err;
	}
	if (named)
		verdict = keystone_decide(k, named, access, acl, referer);
	request->identity.owner = verdict == KEYSTONE_OWNER;
	return verdict == KEYSTONE_DENIED ? ERR_FORBIDDEN : ERR_OK;
}

const char *auth_project_domain(struct request *request, const struct info *account)
{
	const struct keystone *k = request_cluster(request)->keystone;
	const struct keystone_caller *c = request->identity.keystone;
	const char *there = info_header(account, AUTH_PROJECT_DOMAIN);

	if (!c)
		return NULL;
	bool own = keystone_is_own(k, c->user, request->account);
	const char *domain = own ? c->user->token.scope_domain_id : NULL;
	if (!account->exists)
		return own ? domain : UNKNOWN_DOMAIN;
	if (!there)
		return domain && strcmp(domain, k->default_domain) == 0 ? domain : NULL;
	return own && strcmp(there, UNKNOWN_DOMAIN) == 0 ? domain : NULL;
}

static bool is_served(const struct cluster *cluster, const char *account)
{
	return tempauth_prefix(account) >= 0 ||
	       (cluster->keystone && keystone_prefix_of(cluster->keystone, account));
}

static bool permits(const struct permit *permit, const struct access *access)
{
	return access->container && strcmp(access->account, permit->account) == 0 &&
	       (!permit->container || strcmp(access->container, permit->container) == 0);
}

enum err request_authorize(struct request *request, const struct access *access, const char *acl,
        struct info_fetch *account_info, bool *ret_wait)
{
	bool served = is_served(request_cluster(request), access->account);

	*ret_wait = false;
	if (request->trusted) {
		request->identity.owner = true;
		return ERR_OK;
	}
	if (request->permit)
		return permits(request->permit, access) ? ERR_OK : ERR_UNAUTHORIZED;
	if (served && request->identity.keystone)
		return authorize_by_keystone(request, access, acl, account_info, ret_wait);
	if (served && tempauth_authorize(request, access, acl))
		return ERR_OK;
	if (!request->identity.user)
		return ERR_UNAUTHORIZED;
	if (!served)
		return ERR_FORBIDDEN;
	if (!info_get(account_info, &request->op, request->proxy, access->account, NULL)) {
		*ret_wait = true;
		return ERR_OK;
	}
	if (account_info->err)
		return ERR_UNAVAILABLE;
	return account_acl_allows(request, access, account_info->info) ? ERR_OK : ERR_FORBIDDEN;
}
