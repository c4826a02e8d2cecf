#include "proxy/s3/access.h"

#include "proxy/keystone.h"
#include "proxy/s3/config.h"
#include "proxy/s3/s3.h"

#include "lib/base/kv.h"
#include <string.h>
#include <strings.h>

/* --- what lists give --- */

/* What an action wants of the bucket's list, or of the object's. What is not here is for who owns
 * it, by any list. */
static const struct {
	const char *action;
	bool object;
	enum s3_right right;
} wants[] = {
        {"s3:ListBucket", false, S3_READ},
        {"s3:ListBucketVersions", false, S3_READ},
        {"s3:ListBucketMultipartUploads", false, S3_READ},
        {"s3:GetBucketLocation", false, S3_READ},
        {"s3:GetBucketAcl", false, S3_READ_ACP},
        {"s3:PutBucketAcl", false, S3_WRITE_ACP},
        {"s3:PutObject", false, S3_WRITE},
        {"s3:DeleteObject", false, S3_WRITE},
        {"s3:DeleteObjectVersion", false, S3_WRITE},
        {"s3:AbortMultipartUpload", false, S3_WRITE},
        {"s3:ListMultipartUploadParts", false, S3_WRITE},
        {"s3:GetObject", true, S3_READ},
        {"s3:GetObjectVersion", true, S3_READ},
        {"s3:GetObjectAttributes", true, S3_READ},
        {"s3:GetObjectVersionAttributes", true, S3_READ},
        {"s3:GetObjectTorrent", true, S3_READ},
        {"s3:GetObjectAcl", true, S3_READ_ACP},
        {"s3:GetObjectVersionAcl", true, S3_READ_ACP},
        {"s3:PutObjectAcl", true, S3_WRITE_ACP},
        {"s3:PutObjectVersionAcl", true, S3_WRITE_ACP},
};

static void bucket_owner(const struct request *request, const struct s3_target *target,
        const char **ret_id, const char **ret_name)
{
	struct arena *arena = request_arena((struct request *)request);
	const char *owner = info_header(target->info, S3_BUCKET_OWNER);
	size_t len = owner ? strcspn(owner, " ") : 0;
	const char *slash = strchr(target->account, '_');

	if (len) {
		*ret_id = arena_strndup(arena, owner, len);
		*ret_name = owner[len] ? owner + len + 1 : *ret_id;
	} else if (request->s3->caller.account &&
	           strcmp(request->s3->caller.account, target->account) == 0) {
		*ret_id = request->s3->caller.id;
		*ret_name = request->s3->caller.name;
	} else {
		*ret_id = *ret_name = slash ? slash + 1 : target->account;
	}
}

static void acl_of(struct request *request, const struct s3_target *target, const char *kept,
        struct s3_acl *ret_acl)
{
	struct arena *arena = request_arena(request);
	const char *id, *name;

	bucket_owner(request, target, &id, &name);
	if (!kept || !*kept || s3_owner_enforced(target->info) ||
	        !s3_acl_read(kept, arena, ret_acl))
		s3_acl_canned(arena, NULL, id, name, id, name, ret_acl);
}

static const char *kept_of(const struct s3_target *target, bool object)
{
	return object ? kv_get(target->headers->data, target->headers->len, S3_OBJECT_ACL)
	              : info_header(target->info, S3_BUCKET_ACL);
}

/* By which id lists know the caller: a project's, for those alone who may do the same with its own
 * account, or with this. NULL: none. */
static const char *listed_id(const struct request *request)
{
	return request->s3->access.stands ? request->s3->caller.id : NULL;
}

static bool owns(const struct request *request, const struct s3_acl *acl)
{
	const char *id = listed_id(request);

	return id && strcmp(id, acl->owner) == 0;
}

/* Is the account, by Swift's rules, theirs? */
static bool is_own(const struct request *request, const struct s3_target *target)
{
	return request->s3->access.own && strcmp(request->account, target->account) == 0;
}

/* Does the object belong to somebody else than its bucket does? */
static bool is_foreign(struct request *request, const struct s3_target *target)
{
	const char *kept = target->headers ? kept_of(target, true) : NULL, *id, *name;
	struct s3_acl acl;

	if (!kept)
		return false;
	acl_of(request, target, kept, &acl);
	bucket_owner(request, target, &id, &name);
	return strcmp(acl.owner, id) != 0;
}

static bool lists_give(struct request *request, const struct s3_target *target)
{
	struct s3_acl acl;
	unsigned i = 0;

	while (i < COUNT_OF(wants) && strcmp(wants[i].action, target->action) != 0)
		i++;
	bool object = i == COUNT_OF(wants) ? target->key != NULL : wants[i].object;
	if (object && !target->headers)
		return false;
	acl_of(request, target, kept_of(target, object), &acl);
	if (i == COUNT_OF(wants))
		return object && owns(request, &acl);
	if (object && owns(request, &acl) &&
	        (wants[i].right == S3_READ_ACP || wants[i].right == S3_WRITE_ACP))
		return true;
	return s3_acl_gives(&acl, listed_id(request), wants[i].right,
	        !s3_blocks(target->info, S3_IGNORE_PUBLIC_ACLS));
}

/* --- all together --- */

/* Who owns the bucket is not locked out by its policy, unless they have said that they mean it. */
static bool binds(const struct s3_target *target, bool own)
{
	static const char *const actions[] = {
	        "s3:GetBucketPolicy", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy"};

	for (unsigned i = 0; own && i < COUNT_OF(actions); i++) {
		if (strcmp(actions[i], target->action) == 0)
			return is_true(info_header(target->info, S3_POLICY_HARD));
	}
	return true;
}

/* Is it whose they say that it is? */
static bool is_expected(struct request *request, const struct s3_target *target)
{
	const char *expected = http_get(
	                   request->http, target->is_source ? "x-amz-source-expected-bucket-owner"
	                                                    : "x-amz-expected-bucket-owner"),
	           *id, *name;

	if (!expected)
		return true;
	bucket_owner(request, target, &id, &name);
	return strcmp(expected, id) == 0;
}

static bool is_home(const struct request *request, const char *account)
{
	const char *own = request->s3->caller.account;

	return own && strcmp(own, account) == 0;
}

/* Where others than the bucket's owner are to pay, they must say that they know. */
static bool pays(struct request *request, const struct s3_target *target)
{
	const char *payer = info_header(target->info, S3_PAYER),
	           *says = http_get(request->http, "x-amz-request-payer");

	if (!says)
		says = s3_param(request, "x-amz-request-payer");
	if (is_own(request, target) || !payer || strcmp(payer, S3_REQUESTER) != 0)
		return true;
	return request->s3->caller.account && says && strcasecmp(says, "requester") == 0;
}

#define BY_POLICY(kind) "with an explicit deny in " kind " policy"
#define BY_NOBODY       "because no policy, list or role allows the action"
#define BY_BOUNDARY     "because no permissions boundary allows the action"

/* *ret_why: of who is refused. */
static enum s3_error may_at(
        struct request *request, const struct s3_target *target, const char **ret_why)
{
	bool bounded, is_public;
	enum s3_verdict attached = s3_rights_verdict(request, target, &bounded);
	bool own = is_own(request, target) && !bounded;
	struct s3_access *access = &request->s3->access;

	access->stands = (access->speaks && !bounded) || attached == S3_ALLOWED;
	enum s3_verdict verdict = s3_policy_verdict(request, target, &is_public);
	*ret_why = "because of whom the bucket belongs to, or who pays";
	if (!is_expected(request, target) || !pays(request, target))
		return S3_AccessDenied;
	*ret_why = BY_POLICY("an identity-based or session");
	if (attached == S3_DENIED)
		return S3_AccessDenied;
	*ret_why = BY_POLICY("a resource-based");
	if (verdict == S3_DENIED && binds(target, own))
		return S3_AccessDenied;
	*ret_why = bounded ? BY_BOUNDARY : BY_NOBODY;
	/* What is attached counts within the account; elsewhere both accounts must let them. */
	const char *account = request->s3->caller.account;
	bool home = is_home(request, target->account);
	if (account && !home && !access->stands && !own)
		return S3_AccessDenied;
	if (home && attached == S3_ALLOWED && !is_foreign(request, target))
		return S3_OK;
	/* As at AWS a boundary keeps a user from what names their account, a role from what names
	 * it. */
	if (bounded && (verdict != S3_ALLOWED || request->s3->caller.role))
		return S3_AccessDenied;
	if (verdict == S3_ALLOWED &&
	        (own || !is_public || !s3_blocks(target->info, S3_RESTRICT_PUBLIC_BUCKETS)))
		return S3_OK;
	if (own && !is_foreign(request, target))
		return S3_OK;
	if (!lists_give(request, target))
		return S3_AccessDenied;
	access->by_list = true;
	return S3_OK;
}

enum s3_error s3_may_at(struct request *request, const struct s3_target *target)
{
	const char *why;
	enum s3_error error = may_at(request, target, &why);

	request->s3->access.denied = error && is_home(request, target->account)
	                                     ? s3_policy_denial(request, target, why)
	                                     : NULL;
	return error;
}

/* A version's actions have names of their own. */
static const char *action_of(const struct request *request)
{
	static const char *const versioned[][2] = {{"s3:GetObject", "s3:GetObjectVersion"},
	        {"s3:DeleteObject", "s3:DeleteObjectVersion"},
	        {"s3:GetObjectAcl", "s3:GetObjectVersionAcl"},
	        {"s3:PutObjectAcl", "s3:PutObjectVersionAcl"},
	        {"s3:GetObjectTagging", "s3:GetObjectVersionTagging"},
	        {"s3:PutObjectTagging", "s3:PutObjectVersionTagging"},
	        {"s3:DeleteObjectTagging", "s3:DeleteObjectVersionTagging"},
	        {"s3:GetObjectAttributes", "s3:GetObjectVersionAttributes"}};
	const char *action = request->s3->operation->action;

	for (unsigned i = 0; s3_param(request, "versionId") && i < COUNT_OF(versioned); i++) {
		if (strcmp(versioned[i][0], action) == 0)
			return versioned[i][1];
	}
	return action;
}

static struct s3_target target_of(const struct request *request, const struct buf *headers)
{
	return (struct s3_target){
	        .action = action_of(request),
	        .account = request->account,
	        .bucket = request->s3->bucket,
	        .info = request->container_info.info,
	        .key = request->s3->key,
	        .version = s3_param(request, "versionId"),
	        .headers = headers,
	};
}

enum s3_error s3_may_object(struct request *request, const struct buf *headers)
{
	struct s3_target target = target_of(request, headers);

	return s3_may_at(request, &target);
}

enum s3_error s3_may_delete(struct request *request, const char *key, const char *version)
{
	struct s3_target target = target_of(request, NULL);

	target.action = version ? "s3:DeleteObjectVersion" : "s3:DeleteObject";
	target.key = key;
	target.version = version;
	return s3_may_at(request, &target);
}

bool s3_may_list(struct request *request)
{
	struct s3_target target = target_of(request, NULL);

	target.action = "s3:ListBucket";
	target.prefix = target.key;
	target.key = target.version = NULL;
	return !s3_may_at(request, &target);
}

/* Those that look again (s3_may_object). */
static bool looks_twice(const struct request *request)
{
	const struct method *method = request->s3->operation->method;

	return method == &s3_objects_delete || method == &s3_restore || method == &s3_object_get ||
	       method == &s3_object_attributes || method == &s3_object_acl_get ||
	       method == &s3_object_acl_put || method == &s3_object_tags_get ||
	       method == &s3_object_tags_put || method == &s3_object_tags_delete ||
	       method == &s3_retention_get || method == &s3_retention_put ||
	       method == &s3_legal_hold_get || method == &s3_legal_hold_put;
}

/* By Swift's rules, of an account that is the caller's. */
static enum err ask_swift(struct request *request, const char *account, bool *ret_wait)
{
	bool writes = request->s3->operation->writes, object = request->object;
	struct access access = {
	        .account = account,
	        .container = request->container,
	        .object = object,
	        .reads = !writes,
	        .deletes = strcmp(request->http->method, "DELETE") == 0,
	};
	const char *acl = NULL;

	if (!writes || object)
		acl = info_header(request->container_info.info,
		        writes ? "X-Container-Write" : "X-Container-Read");
	return request_authorize(request, &access, acl, &request->account_info, ret_wait);
}

static enum s3_error own_only(struct request *request, const char *account, bool *ret_wait)
{
	enum err err = account ? ask_swift(request, account, ret_wait) : ERR_FORBIDDEN;

	return err == ERR_UNAVAILABLE ? S3_ServiceUnavailable : err ? S3_AccessDenied : S3_OK;
}

/* A project's id is all its users'; who only reads there does not write elsewhere by it. */
static enum s3_error find_speaks(struct request *request, bool *ret_wait)
{
	struct s3 *s3 = request->s3;
	struct access access = {
	        .account = s3->caller.account,
	        .container = request->container,
	        .object = request->object,
	        .reads = !s3->operation->writes,
	};
	enum err err = ERR_OK;

	if (request->identity.keystone)
		err = request_authorize(request, &access, NULL, &request->account_info, ret_wait);
	s3->access.speaks = s3->caller.id && !err && !s3->caller.role;
	return err == ERR_UNAVAILABLE ? S3_ServiceUnavailable : S3_OK;
}

/* Of what is no bucket's yet. */
static enum s3_error may_in_account(struct request *request, const char *account, bool *ret_wait)
{
	struct s3_target target = target_of(request, NULL);
	enum s3_error error = S3_AccessDenied;
	const char *why = BY_NOBODY;
	bool bounded;

	target.account = account;
	switch (s3_rights_verdict(request, &target, &bounded)) {
	case S3_ALLOWED:
		return S3_OK;
	case S3_DENIED:
		why = BY_POLICY("an identity-based or session");
		break;
	default:
		if (bounded)
			why = BY_BOUNDARY;
		else if (!request->s3->caller.role)
			error = own_only(request, account, ret_wait);
	}
	if (error == S3_AccessDenied && account && !*ret_wait)
		request->s3->access.denied = s3_policy_denial(request, &target, why);
	return error;
}

enum s3_error s3_may(struct request *request, bool *ret_wait)
{
	struct s3 *s3 = request->s3;
	const char *account = s3->caller.account;

	*ret_wait = false;
	if (request->trusted)
		return S3_OK;
	/* Who is nobody has no buckets, a user of v1 auth is shown what is its own. */
	if (!s3->bucket && (!account || s3->caller.user))
		return S3_OK;
	if (!s3->bucket || s3->operation->method == &s3_bucket_create)
		return may_in_account(request, account, ret_wait);
	enum s3_error unknown = find_speaks(request, ret_wait);
	if (*ret_wait || unknown)
		return unknown;
	if (account && !s3->caller.role &&
	        (request->identity.reseller || strcmp(account, request->account) == 0)) {
		enum s3_error error = own_only(request, request->account, ret_wait);
		if (*ret_wait || error == S3_ServiceUnavailable)
			return error;
		s3->access.own = !error;
	}
	if (looks_twice(request))
		return S3_OK;
	return s3_may_object(request, NULL);
}

/* --- lists of requests --- */

void s3_acl_of_bucket(struct request *request, struct s3_acl *ret_acl)
{
	struct s3_target target = target_of(request, NULL);

	acl_of(request, &target, kept_of(&target, false), ret_acl);
}

void s3_acl_of_object(struct request *request, const struct buf *headers, struct s3_acl *ret_acl)
{
	struct s3_target target = target_of(request, headers);

	acl_of(request, &target, kept_of(&target, true), ret_acl);
}

static const char *name_of_user(const struct request *request, const char *id)
{
	const struct cluster *cluster = request->proxy->cluster;

	for (const struct user *u = cluster->users; u && u->name; u++) {
		if (strcmp(u->name, id) == 0)
			return u->name;
	}
	return NULL;
}

/* Those that are known without asking anybody. */
static const char *name_of(struct request *request, const char *id)
{
	const struct s3_caller *caller = &request->s3->caller;
	const char *owner, *name;

	if (caller->id && strcmp(caller->id, id) == 0)
		return caller->name;
	if (request->container_info.info && request->container_info.info->exists) {
		struct s3_target target = target_of(request, NULL);
		bucket_owner(request, &target, &owner, &name);
		if (strcmp(owner, id) == 0)
			return name;
	}
	return name_of_user(request, id);
}

static void named(struct verify_ask *ask)
{
	struct s3_naming *naming = CONTAINER_OF(ask, struct s3_naming, ask);

	naming->pending = false;
	op_child_end(&naming->request->op);
}

/* Of a project, as the identity service knows it. ERR_BUSY: it is asked, the operation is woken. */
static enum err ask_name(struct request *request, struct s3_grant *grant)
{
	struct s3_naming *n = &request->s3->access.naming;
	const struct keystone *keystone = request_cluster(request)->keystone;
	bool email = grant->kind == S3_GRANTEE_EMAIL;

	if (!keystone)
		return ERR_NOT_FOUND;
	if (n->pending)
		return ERR_BUSY;
	if (n->asked) {
		enum err err = verify_grantee_answer(
		        &n->ask, request_arena(request), &grant->id, &grant->name);
		n->asked = false;
		if (!err)
			grant->kind = S3_GRANTEE_ID;
		return err;
	}
	*n = (struct s3_naming){.request = request, .ask = {.done = named}};
	enum err err = verify_grantee_ask(
	        keystone->verify, &n->ask, email ? NULL : grant->id, email ? grant->id : NULL);
	if (err)
		return err;
	n->asked = n->pending = true;
	op_child_begin(&request->op);
	return ERR_BUSY;
}

enum s3_error s3_acl_resolve(
        struct request *request, struct s3_acl *acl, const char **ret_text, bool *ret_wait)
{
	*ret_wait = false;
	for (unsigned i = 0; i < acl->count; i++) {
		struct s3_grant *g = &acl->grants[i];
		bool email = g->kind == S3_GRANTEE_EMAIL;
		if (!g->id || g->name)
			continue;
		if (!email)
			g->name = name_of(request, g->id);
		enum err err = g->name ? ERR_OK : ask_name(request, g);
		*ret_wait = err == ERR_BUSY;
		if (*ret_wait)
			return S3_OK;
		if (err == ERR_UNAVAILABLE)
			return S3_ServiceUnavailable;
		if (err && email)
			return S3_UnresolvableGrantByEmailAddress;
		if (err) {
			*ret_text = "Invalid id";
			return S3_InvalidArgument;
		}
	}
	return S3_OK;
}

/* Does what others write belong to who owns the bucket? */
static bool takes_over(const struct request *request)
{
	const char *kept = info_header(request->container_info.info, S3_OWNERSHIP),
	           *canned = http_get(request->http, "x-amz-acl");

	if (!kept || strcmp(kept, S3_OBJECT_WRITER) == 0)
		return false;
	return strcmp(kept, S3_OWNER_ENFORCED) == 0 ||
	       (canned && strcmp(canned, "bucket-owner-full-control") == 0);
}

void s3_owner_new(struct request *request, const char **ret_id, const char **ret_name)
{
	const struct s3_caller *caller = &request->s3->caller;
	struct s3_target target = target_of(request, NULL);
	bool creates = request->s3->operation->method == &s3_bucket_create;

	*ret_id = caller->id;
	*ret_name = caller->name;
	if (!creates && (!caller->account || strcmp(caller->account, request->account) == 0 ||
	                        takes_over(request)))
		bucket_owner(request, &target, ret_id, ret_name);
}

enum s3_error s3_acl_said(struct request *request, const char *owner, const char *owner_name,
        struct s3_acl *ret_acl, const char **ret_text)
{
	const char *canned = http_get(request->http, "x-amz-acl"), *bucket_id = NULL,
	           *bucket_name = NULL;
	bool creates = request->s3->operation->method == &s3_bucket_create;
	enum s3_error error;

	if (canned && s3_acl_in_headers(request->http)) {
		*ret_text = "Specifying both Canned ACLs and Header Grants is not allowed";
		return S3_InvalidRequest;
	}
	if (!creates) {
		struct s3_target target = target_of(request, NULL);
		bucket_owner(request, &target, &bucket_id, &bucket_name);
	}
	if (canned) {
		error = s3_acl_canned(request_arena(request), canned, owner, owner_name, bucket_id,
		        bucket_name, ret_acl);
		if (error)
			s3_invalid_argument(request, "x-amz-acl", canned);
		return error;
	}
	error = s3_acl_of_headers(request->http, ret_acl, ret_text);
	ret_acl->owner = owner;
	ret_acl->owner_name = owner_name;
	return error;
}

enum s3_error s3_acl_fits(struct request *request, const struct s3_acl *acl)
{
	const struct info *info = request->container_info.info;
	const char *canned = http_get(request->http, "x-amz-acl");
	bool creates = request->s3->operation->method == &s3_bucket_create;

	if (creates)
		return S3_OK;
	if (s3_owner_enforced(info) &&
	        (!request->object || !canned || strcmp(canned, "bucket-owner-full-control") != 0))
		return S3_AccessControlListNotSupported;
	return s3_acl_is_public(acl) && s3_blocks(info, S3_BLOCK_PUBLIC_ACLS) ? S3_AccessDenied
	                                                                      : S3_OK;
}

bool s3_acl_is_said(const struct request *request)
{
	return http_get(request->http, "x-amz-acl") || s3_acl_in_headers(request->http);
}

enum s3_error s3_acl_take(struct request *request, const char **ret_text, bool *ret_wait)
{
	struct s3 *s3 = request->s3;
	const char *action = s3->operation->action, *id, *name;

	*ret_wait = false;
	if (!s3_acl_is_said(request) ||
	        (strcmp(action, "s3:PutObject") != 0 && strcmp(action, "s3:CreateBucket") != 0))
		return S3_OK;
	if (!s3->acl) {
		struct s3_acl *acl = arena_zalloc(request_arena(request), sizeof(*acl));
		s3_owner_new(request, &id, &name);
		enum s3_error error = s3_acl_said(request, id, name, acl, ret_text);
		if (!error)
			error = s3_acl_fits(request, acl);
		if (error)
			return error;
		s3->acl = acl;
	}
	return s3_acl_resolve(request, s3->acl, ret_text, ret_wait);
}

const char *s3_acl_kept(struct request *request, const struct s3_acl *acl)
{
	AUTO(buf) struct buf text = BUF_NONE;

	s3_acl_print(acl, &text);
	return arena_strdup(request_arena(request), buf_text(&text));
}

const char *s3_acl_new(struct request *request)
{
	struct s3_target target = target_of(request, NULL);
	const char *id, *name, *bucket_id, *bucket_name;
	struct s3_acl own;

	s3_owner_new(request, &id, &name);
	if (request->s3->operation->method == &s3_bucket_create)
		return request->s3->acl && !s3_acl_is_private(request->s3->acl)
		               ? s3_acl_kept(request, request->s3->acl)
		               : NULL;
	bucket_owner(request, &target, &bucket_id, &bucket_name);
	bool foreign = strcmp(id, bucket_id) != 0;
	if (request->s3->acl)
		return foreign || !s3_acl_is_private(request->s3->acl)
		               ? s3_acl_kept(request, request->s3->acl)
		               : NULL;
	if (!foreign)
		return NULL;
	s3_acl_canned(request_arena(request), NULL, id, name, bucket_id, bucket_name, &own);
	return s3_acl_kept(request, &own);
}
