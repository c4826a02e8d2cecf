/* Whose bucket is it? The names of buckets are shared by all accounts: who makes one by S3 writes
 * its account beside the name first, in a hidden container. A container of one's own needs no such
 * entry to be a bucket. */
#include "proxy/s3/s3.h"

#include <ctype.h>
#include <string.h>

static bool container_there(struct request *request, bool *ret_exists)
{
	struct s3 *s3 = request->s3;

	if (!info_get(&request->container_info, &request->op, request->proxy, request->account,
	            s3->bucket))
		return false;
	if (request->container_info.err)
		s3->error = S3_ServiceUnavailable;
	*ret_exists = !s3->error && request->container_info.info->exists;
	return true;
}

static void look_up(struct request *request)
{
	struct s3 *s3 = request->s3;

	sub_init(&s3->look, request, NULL, SUB_AS_SYSTEM, "HEAD");
	sub_path(&s3->look, S3_NAMES_ACCOUNT, S3_NAMES_CONTAINER, s3->bucket, NULL);
	sub_start(&s3->look);
}

/* The names have been asked: go there, or stay where nothing is. */
static bool looked(struct request *request)
{
	struct s3 *s3 = request->s3;
	const char *account = sub_ok(&s3->look) ? sub_get(&s3->look, S3_NAMES_OWNER) : NULL;

	if (!sub_ok(&s3->look) && s3->look.status != 404) {
		s3->error = S3_ServiceUnavailable;
		return true;
	}
	if (!account || (request->account && strcmp(account, request->account) == 0)) {
		s3->found = S3_NOWHERE;
		return true;
	}
	s3->owner_account = request->account = arena_strdup(request_arena(request), account);
	info_fetch_done(&request->container_info);
	request->container_info = (struct info_fetch){0};
	return false;
}

bool s3_bucket_find(struct request *request)
{
	struct s3 *s3 = request->s3;
	bool exists = false;

	if (s3->found || s3->error)
		return true;
	if (request->account && !s3->owner_account) {
		if (!container_there(request, &exists))
			return false;
		if (exists)
			s3->found = S3_OWN;
		if (exists || s3->error)
			return true;
	}
	if (!s3->owner_account) {
		if (!s3->look.x && !s3->look.status)
			look_up(request);
		if (!sub_headed(&s3->look))
			return false;
		if (looked(request))
			goto end;
	}
	if (!container_there(request, &exists))
		return false;
	s3->found = exists ? S3_OTHERS : S3_NOWHERE;
end:
	if (s3->found == S3_NOWHERE && s3->operation->method != &s3_bucket_create)
		s3->error =
		        s3_bucket_name_good(s3->bucket) ? S3_NoSuchBucket : S3_InvalidBucketName;
	return true;
}

void s3_bucket_owner(struct request *request, const char **ret_id, const char **ret_name)
{
	const char *owner = info_header(request->container_info.info, S3_BUCKET_OWNER);
	size_t len = owner ? strcspn(owner, " ") : 0;

	*ret_id = request->s3->caller.id;
	*ret_name = request->s3->caller.name;
	if (!len)
		return;
	*ret_id = arena_strndup(request_arena(request), owner, len);
	*ret_name = owner[len] ? owner + len + 1 : *ret_id;
}

static bool is_address(const char *name)
{
	unsigned dots = 0;

	for (const char *p = name; *p; p++) {
		if (*p != '.' && !isdigit((unsigned char)*p))
			return false;
		dots += *p == '.';
	}
	return dots == 3;
}

bool s3_bucket_name_good(const char *name)
{
	size_t len = strlen(name);

	if (len < 3 || len > 63 || is_address(name))
		return false;
	for (const char *p = name; *p; p++) {
		bool edge = p == name || !p[1],
		     alnum = islower((unsigned char)*p) || isdigit((unsigned char)*p);
		if (!alnum && (edge || (*p != '-' && *p != '.')))
			return false;
		if (*p == '.' && (p[1] == '.' || p[1] == '-' || p[-1] == '-'))
			return false;
	}
	return true;
}
