/* What a request asks of a bucket's policy: who it is, and the values of conditions' keys ("Bucket
 * policy condition keys", Service Authorization Reference). */
#include "lib/auth/aws_policy.h"
#include "proxy/s3/access.h"
#include "proxy/s3/config.h"
#include "proxy/s3/s3.h"
#include "proxy/s3/tags.h"

#include "lib/base/kv.h"
#include <stdio.h>
#include <string.h>
#include <strings.h>

struct asked {
	struct request *request;
	const struct s3_target *target;
};

/* A tag in a set that is written as a query; name NULL: the n-th one's name. */
static const char *tag_in(struct arena *arena, const char *tags, const char *name, unsigned n)
{
	struct query query;

	if (!tags)
		return NULL;
	query_parse(arena, tags, &query);
	if (name)
		return query_get(&query, name);
	return n < query.count ? query.pairs[n].name : NULL;
}

static const char *existing_tag(const struct asked *a, const char *name, unsigned n)
{
	const struct buf *headers = a->target->headers;

	return tag_in(request_arena(a->request),
	        headers ? kv_get(headers->data, headers->len, S3_OBJECT_TAGS) : NULL, name, n);
}

static const char *requested_tag(const struct asked *a, const char *name, unsigned n)
{
	return tag_in(
	        request_arena(a->request), http_get(a->request->http, "x-amz-tagging"), name, n);
}

static const char *time_value(const struct asked *a, bool iso)
{
	const struct cluster *cluster = request_cluster(a->request);
	uint64_t now = cluster->env->wall_us(cluster->env);
	char date[ISO_DATE_SIZE];

	if (!iso)
		return arena_printf(
		        request_arena(a->request), "%llu", (unsigned long long)(now / 1000000));
	iso_date_format(now / 10, date);
	return arena_printf(request_arena(a->request), "%.19sZ", date);
}

/* As policies have it: without the prefix that Swift's API has before it. */
static const char *account_of(const struct s3_caller *caller)
{
	const char *name = caller->account ? strchr(caller->account, '_') : NULL;

	return name ? name + 1 : caller->account;
}

/* Of a role, not of its session. */
static const char *principal_arn(struct request *request)
{
	const struct s3_caller *c = &request->s3->caller;
	const struct s3_rights *rights = request->s3->rights;
	const char *path = rights && rights->path ? rights->path : "/",
	           *name = c->role ? c->role : c->user_name;

	return name ? arena_printf(request_arena(request), "arn:aws:iam::%s:%s%s%s", account_of(c),
	                      c->role ? "role" : "user", path, name)
	            : NULL;
}

static const char *aws_value(const struct asked *a, const char *key)
{
	const struct request *request = a->request;
	const struct s3_caller *caller = &request->s3->caller;

	if (strcasecmp(key, "SourceIp") == 0)
		return request->http->remote;
	if (strcasecmp(key, "SecureTransport") == 0)
		return request->proxy->cluster->tls ? "true" : "false";
	if (strcasecmp(key, "Referer") == 0)
		return http_get(request->http, "Referer");
	if (strcasecmp(key, "UserAgent") == 0)
		return http_get(request->http, "User-Agent");
	if (strcasecmp(key, "CurrentTime") == 0)
		return time_value(a, true);
	if (strcasecmp(key, "EpochTime") == 0)
		return time_value(a, false);
	if (strcasecmp(key, "username") == 0)
		return caller->user_name;
	if (strcasecmp(key, "userid") == 0)
		return caller->user_id;
	if (strcasecmp(key, "PrincipalArn") == 0)
		return principal_arn(a->request);
	if (strcasecmp(key, "PrincipalType") == 0)
		return caller->role ? "AssumedRole" : caller->account ? "User" : "Anonymous";
	return strcasecmp(key, "PrincipalAccount") == 0 ? account_of(caller) : NULL;
}

static const char *s3_value(const struct asked *a, const char *key, unsigned n)
{
	const struct request *request = a->request;
	const struct s3_sign *sign = &request->s3->sign;
	bool here = !request->s3->key || a->target->key;

	if (has_prefix(key, "ExistingObjectTag/"))
		return n ? NULL : existing_tag(a, key + strlen("ExistingObjectTag/"), 0);
	if (has_prefix(key, "RequestObjectTag/"))
		return n ? NULL : requested_tag(a, key + strlen("RequestObjectTag/"), 0);
	if (strcasecmp(key, "RequestObjectTagKeys") == 0)
		return requested_tag(a, NULL, n);
	if (n)
		return NULL;
	if (strcasecmp(key, "prefix") == 0)
		return a->target->prefix ? a->target->prefix
		       : here            ? s3_param(request, "prefix")
		                         : NULL;
	if (strcasecmp(key, "delimiter") == 0 || strcasecmp(key, "max-keys") == 0)
		return s3_param(request, key);
	if (strcasecmp(key, "VersionId") == 0)
		return a->target->version;
	if (strcasecmp(key, "signatureversion") == 0)
		return sign->kind == S3_SIGNED_4   ? "AWS4-HMAC-SHA256"
		       : sign->kind == S3_SIGNED_2 ? "AWS"
		                                   : NULL;
	if (strcasecmp(key, "authType") == 0)
		return sign->kind == S3_UNSIGNED ? NULL
		       : sign->in_query          ? "REST-QUERY-STRING"
		                                 : "REST-HEADER";
	return has_prefix(key, "x-amz-") ? http_get(request->http, key) : NULL;
}

static const char *value(void *arg, const char *key, unsigned n)
{
	const struct asked *a = arg;

	if (has_prefix(key, "s3:"))
		return s3_value(a, key + 3, n);
	return n || !has_prefix(key, "aws:") ? NULL : aws_value(a, key + 4);
}

/* The policy of the bucket that the request names is read once. */
static const struct jval *read_policy(
        struct request *request, const struct s3_target *target, struct jroot *other)
{
	struct s3 *s3 = request->s3;
	const char *kept = info_header(target->info, S3_BUCKET_POLICY);
	bool named = target->info == request->container_info.info;
	struct jroot *root = named ? &s3->policy : other;

	if (!root->value && kept && *kept)
		jread_parse(kept, strlen(kept), root);
	return root->value;
}

/* The texts are in the request's arena; `asked` is the caller's. */
static struct s3_policy_ask ask_of(struct request *request, struct asked *asked)
{
	const struct s3_caller *caller = &request->s3->caller;
	const struct s3_target *target = asked->target;

	return (struct s3_policy_ask){
	        .action = target->action,
	        .resource = !target->bucket ? "*"
	                    : target->key   ? arena_printf(request_arena(request), "%s/%s",
	                                              target->bucket, target->key)
	                                    : target->bucket,
	        .account = account_of(caller),
	        .id = caller->id,
	        .user = caller->user_id,
	        .user_name = caller->user_name,
	        .role = caller->role,
	        .session = caller->session,
	        .for_account = request->s3->access.stands,
	        .value = value,
	        .arg = asked,
	};
}

enum s3_verdict s3_policy_attached(
        struct request *request, const struct s3_target *target, const struct jval *policy)
{
	struct asked asked = {request, target};
	struct s3_policy_ask ask = ask_of(request, &asked);

	ask.attached = true;
	return s3_policy_decide(policy, &ask);
}

enum s3_verdict s3_policy_verdict(
        struct request *request, const struct s3_target *target, bool *ret_public)
{
	AUTO(jroot) struct jroot other = JROOT_NONE;
	const struct jval *policy = read_policy(request, target, &other);
	struct asked asked = {request, target};

	*ret_public = false;
	if (!policy)
		return S3_SILENT;
	*ret_public = s3_policy_is_public(policy);
	const struct s3_policy_ask ask = ask_of(request, &asked);
	return s3_policy_decide(policy, &ask);
}

const char *s3_policy_denial(
        struct request *request, const struct s3_target *target, const char *why)
{
	const struct s3_caller *c = &request->s3->caller;
	struct arena *arena = request_arena(request);
	const char *who = c->role ? arena_printf(arena, "arn:aws:sts::%s:assumed-role/%s/%s",
	                                    account_of(c), c->role, c->session)
	                          : principal_arn(request);

	return who ? arena_printf(arena,
	                     "User: %s is not authorized to perform: %s on resource: "
	                     "\"arn:aws:s3:::%s%s%s\" %s",
	                     who, target->action, target->bucket ? target->bucket : "*",
	                     target->key ? "/" : "", target->key ? target->key : "", why)
	           : NULL;
}
