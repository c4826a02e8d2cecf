/* CORS: its rules; the OPTIONS request that a browser sends first.
 *
 *   bucket -> answered */
#include "proxy/s3/cors.h"

#include "lib/auth/aws_policy.h"
#include "proxy/s3/config.h"
#include "proxy/s3/logging.h"
#include "proxy/s3/s3.h"

#include <string.h>
#include <strings.h>

/* --- rules --- */

static bool is_one_of(const char *text, const char *const *all)
{
	for (; *all; all++) {
		if (strcmp(*all, text) == 0)
			return true;
	}
	return false;
}

static bool rule_good(const struct xml *rule, const char **ret_text)
{
	static const char *const methods[] = {"GET", "PUT", "POST", "DELETE", "HEAD", NULL};

	if (strcmp(rule->name, "CORSRule") != 0 || !xml_child(rule, "AllowedOrigin") ||
	        !xml_child(rule, "AllowedMethod"))
		return false;
	for (const struct xml *e = rule->first; e; e = e->next) {
		const char *star = strchr(e->text, '*');
		bool wild = strcmp(e->name, "AllowedOrigin") == 0 ||
		            strcmp(e->name, "AllowedHeader") == 0;
		if (wild && star && strchr(star + 1, '*')) {
			*ret_text = "AllowedOrigin and AllowedHeader can not have more than one "
			            "wildcard.";
			return false;
		}
		if (strcmp(e->name, "AllowedMethod") == 0 && !is_one_of(e->text, methods)) {
			*ret_text = "Found unsupported HTTP method in CORS config.";
			return false;
		}
		if (strpbrk(e->text, "\r\n") && wild)
			return false;
	}
	return true;
}

bool s3_cors_good(const struct xml *root, const char **ret_text)
{
	unsigned count = 0;

	*ret_text = NULL;
	for (const struct xml *rule = root->first; rule; rule = rule->next) {
		if (!rule_good(rule, ret_text) || ++count > S3_CORS_RULES)
			return false;
	}
	return count;
}

void s3_cors_tell(const char *kept, struct buf *out)
{
	buf_str(out, kept);
}

static bool allows_header(const struct xml *rule, const char *name)
{
	for (const struct xml *e = xml_child(rule, "AllowedHeader"); e; e = xml_next(e)) {
		if (s3_policy_like(e->text, name, true))
			return true;
	}
	return false;
}

static bool allows_headers(const struct xml *rule, const char *headers)
{
	char name[256];

	for (const char *p = headers ? headers : ""; *p;) {
		p += strspn(p, ", ");
		size_t len = strcspn(p, ", ");
		if (len >= sizeof(name))
			return false;
		memcpy(name, p, len);
		name[len] = 0;
		if (len && !allows_header(rule, name))
			return false;
		p += len;
	}
	return true;
}

static bool allows_origin(const struct xml *rule, const char *origin)
{
	for (const struct xml *e = xml_child(rule, "AllowedOrigin"); e; e = xml_next(e)) {
		if (s3_policy_like(e->text, origin, false))
			return true;
	}
	return false;
}

static bool allows_method(const struct xml *rule, const char *method)
{
	for (const struct xml *e = xml_child(rule, "AllowedMethod"); e; e = xml_next(e)) {
		if (strcmp(e->text, method) == 0)
			return true;
	}
	return false;
}

const struct xml *s3_cors_find(
        const struct xml *root, const char *origin, const char *method, const char *headers)
{
	for (const struct xml *rule = root->first; rule; rule = rule->next) {
		if (allows_origin(rule, origin) && allows_method(rule, method) &&
		        allows_headers(rule, headers))
			return rule;
	}
	return NULL;
}

/* --- answers --- */

static const struct xml *rules_of(struct request *request)
{
	const struct info *info = request->container_info.info;
	const char *kept = info ? info_header(info, S3_CORS) : NULL;
	const struct xml *root;

	return kept && *kept && !xml_parse(kept, strlen(kept), request_arena(request), &root)
	               ? root
	               : NULL;
}

static void add_joined(
        struct request *request, const char *header, const struct xml *rule, const char *element)
{
	AUTO(buf) struct buf all = BUF_NONE;

	for (const struct xml *e = xml_child(rule, element); e; e = xml_next(e))
		buf_printf(&all, "%s%s", all.len ? ", " : "", e->text);
	if (all.len)
		http_header(request->http, header, buf_text(&all));
}

static void add_rule(struct request *request, const struct xml *rule, const char *origin)
{
	bool any = allows_origin(rule, "*");
	const char *age = xml_text(rule, "MaxAgeSeconds");

	http_header(request->http, "Access-Control-Allow-Origin", any ? "*" : origin);
	if (!any)
		http_header(request->http, "Access-Control-Allow-Credentials", "true");
	http_header(request->http, "Vary",
	        "Origin, Access-Control-Request-Headers, Access-Control-Request-Method");
	add_joined(request, "Access-Control-Allow-Methods", rule, "AllowedMethod");
	add_joined(request, "Access-Control-Expose-Headers", rule, "ExposeHeader");
	if (age)
		http_header(request->http, "Access-Control-Max-Age", age);
}

void s3_cors_answer(struct request *request)
{
	const char *origin = http_get(request->http, "Origin"),
	           *method = http_get(request->http, "Access-Control-Request-Method");
	const struct xml *root = origin ? rules_of(request) : NULL, *rule;

	if (!root || strcmp(request->http->method, "OPTIONS") == 0)
		return;
	rule = s3_cors_find(root, origin, method ? method : request->http->method, NULL);
	if (rule)
		add_rule(request, rule, origin);
}

/* --- OPTIONS: asked without a signature --- */

static enum step preflight(struct op *op)
{
	struct request *request = request_of(op);
	const char *origin = http_get(request->http, "Origin"),
	           *method = http_get(request->http, "Access-Control-Request-Method"),
	           *headers = http_get(request->http, "Access-Control-Request-Headers");

	if (request->http->gone)
		return STEP_DONE;
	if (!s3_bucket_find(request))
		return STEP_WAIT;
	s3_log_hold(request);
	if (request->s3->error)
		return s3_fail(request, request->s3->error);
	if (!origin)
		return s3_fail_text(request, S3_BadRequest,
		        "Insufficient information. Origin request header needed.");
	if (!method)
		return s3_fail_text(
		        request, S3_BadRequest, "Invalid Access-Control-Request-Method: null");
	const struct xml *root = rules_of(request), *rule;
	if (!root)
		return s3_fail_text(request, S3_AccessForbidden,
		        "CORSResponse: CORS is not enabled for this bucket.");
	rule = s3_cors_find(root, origin, method, headers);
	if (!rule)
		return s3_fail_text(request, S3_AccessForbidden,
		        "CORSResponse: This CORS request is not allowed. This is usually because "
		        "the evaluation of Origin, request method / Access-Control-Request-Method "
		        "or Access-Control-Request-Headers are not whitelisted by the resource's "
		        "CORS spec.");
	add_rule(request, rule, origin);
	if (headers)
		http_header(request->http, "Access-Control-Allow-Headers", headers);
	return s3_empty(request, 200);
}

static const struct op_state preflight_states[] = {{"bucket", preflight, 0, 15000}};
const struct method s3_preflight = {.name = "s3-preflight", .states = preflight_states};
