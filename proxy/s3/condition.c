#include "proxy/s3/condition.h"

#include "proxy/put.h"
#include "proxy/s3/s3.h"
#include "proxy/unit/symlink.h"

#include <string.h>

/* HEAD: true when it is there. */
static bool head(struct request *request, struct s3_condition *c, const char *query)
{
	if (!c->asked) {
		c->asked = true;
		sub_done(&c->sub);
		sub_init(&c->sub, request, NULL, SUB_AS_SYSTEM, "HEAD");
		sub_path(&c->sub, request->account, request->s3->bucket, request->s3->key, query);
		sub_start(&c->sub);
	}
	return sub_headed(&c->sub);
}

static enum s3_error judge(const struct request *request, const struct s3_condition *c)
{
	const char *match = http_get(request->http, "If-Match"),
	           *none = http_get(request->http, "If-None-Match"), *etag;

	if (c->sub.status == 404)
		return match ? S3_NoSuchKey : S3_OK;
	if (!sub_ok(&c->sub))
		return S3_ServiceUnavailable;
	etag = sub_get(&c->sub, S3_ETAG);
	if (!etag)
		etag = sub_get(&c->sub, "Etag");
	if ((match && !s3_etag_is(match, etag ? etag : "")) ||
	        (none && s3_etag_is(none, etag ? etag : "")))
		return S3_PreconditionFailed;
	return S3_OK;
}

/* True: what is in the key's place itself does not tell its etag. */
static bool leads_on(const struct s3_condition *c)
{
	return sub_ok(&c->sub) &&
	       (sub_get(&c->sub, LINK_TARGET) || sub_get(&c->sub, "X-Static-Large-Object"));
}

bool s3_condition_met(struct request *request, struct s3_condition *c, enum s3_error *ret_error)
{
	const char *match = http_get(request->http, "If-Match"),
	           *none = http_get(request->http, "If-None-Match"), *ts;

	*ret_error = S3_OK;
	if (!match && (!none || strcmp(none, "*") == 0))
		return true;
	if (!c->looked) {
		if (!head(request, c, "symlink=get&multipart-manifest=get"))
			return false;
		c->looked = true;
		ts = sub_ok(&c->sub) ? sub_get(&c->sub, "X-Timestamp") : NULL;
		c->ts = ts ? arena_strdup(request_arena(request), ts) : NULL;
		c->asked = !leads_on(c);
	}
	if (!head(request, c, NULL))
		return false;
	*ret_error = judge(request, c);
	request_set_header(request, "If-Match", NULL);
	request_set_header(request, "If-None-Match", c->ts ? NULL : "*");
	if (c->ts)
		request_set_header(request, PUT_IF_THERE, c->ts);
	return true;
}

void s3_condition_done(struct s3_condition *c)
{
	sub_done(&c->sub);
}
