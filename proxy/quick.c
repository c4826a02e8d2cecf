/* OPTIONS and /info. */
#include "proxy/pipeline.h"
#include "proxy/proxy.h"

#include <string.h>
#include <strings.h>

/* --- OPTIONS (swift/proxy/controllers/base.py OPTIONS) --- */

static const char *allow_of(const struct request *request)
{
	return request->object ? "OPTIONS, GET, HEAD, PUT, POST, DELETE, COPY"
	                       : "OPTIONS, GET, HEAD, PUT, POST, DELETE";
}

static bool list_has(const char *list, const char *word, const char *separators)
{
	while (list && *list) {
		size_t len = strcspn(list, separators);
		if ((len == 1 && *list == '*') ||
		        (len == strlen(word) && strncasecmp(list, word, len) == 0))
			return true;
		list += len + (list[len] != 0);
	}
	return false;
}

static enum step options_plain(struct request *request)
{
	http_header(request->http, "Allow", allow_of(request));
	return request_empty(request, 200);
}

static enum step options_answer(struct op *op)
{
	struct request *request = request_of(op);
	struct http_req *http = request->http;
	const char *origin = http_get(http, "Origin");
	const char *method = http_get(http, "Access-Control-Request-Method");
	const char *headers = http_get(http, "Access-Control-Request-Headers");
	const struct info *info = request->container_info.info;
	const char *allowed = info_header(info, "X-Container-Meta-Access-Control-Allow-Origin");
	const char *age = info_header(info, "X-Container-Meta-Access-Control-Max-Age");
	const char *more = info_header(info, "X-Container-Meta-Access-Control-Allow-Headers");
	const char *cluster = request_cluster(request)->cors_allow_origin;

	if (!origin || !request->container)
		return options_plain(request);
	bool cluster_allows = list_has(cluster, origin, ", ");
	bool container_allows = list_has(allowed, origin, " ");
	if (!method || !(cluster_allows || container_allows) ||
	        !list_has(allow_of(request), method, ", ")) {
		http_header(http, "Allow", allow_of(request));
		return request_empty(request, 401);
	}
	bool any = container_allows ? strcmp(allowed, "*") == 0 : strcmp(cluster, "*") == 0;
	http_header(http, "Access-Control-Allow-Origin", any ? "*" : origin);
	if (age)
		http_header(http, "Access-Control-Max-Age", age);
	http_header(http, "Access-Control-Allow-Methods", allow_of(request));
	if (headers && *headers)
		http_header(http, "Access-Control-Allow-Headers", headers);
	else if (more)
		http_header(http, "Access-Control-Allow-Headers", more);
	http_header(http, "Vary",
	        any ? "Access-Control-Request-Headers" : "Origin, Access-Control-Request-Headers");
	return options_plain(request);
}

static const struct op_state options_states[] = {
        {"prepare", request_prepare, TO(1), 15000},
        {"answer", options_answer, 0, 0},
};
const struct method any_options = {.name = "options", .states = options_states};

/* --- /info --- */

static void info_policies(const struct cluster *cluster, struct buf *out)
{
	bool first = true;

	buf_str(out, "\"policies\": [");
	for (unsigned i = 0; i < BACKEND_POLICIES; i++) {
		const struct policy *p = &cluster->policies[i];
		if (!p->rings || p->deprecated)
			continue;
		buf_printf(out, "%s{\"name\": \"%s\", \"aliases\": \"%s%s%s\"%s}",
		        first ? "" : ", ", p->name, p->name, *p->aliases ? ", " : "", p->aliases,
		        i == cluster->policy_default ? ", \"default\": true" : "");
		first = false;
	}
	buf_str(out, "]");
}

static enum step info_answer(struct op *op)
{
	struct request *request = request_of(op);
	const struct cluster *cluster = request_cluster(request);
	const struct limits *l = &cluster->limits;
	AUTO(buf) struct buf out = BUF_NONE;

	if (request->http->gone)
		return STEP_DONE;
	if (strcmp(request->http->method, "GET") != 0 && !request->head &&
	        strcmp(request->http->method, "OPTIONS") != 0)
		return request_fail(request, 405);
	if (strcmp(request->http->method, "OPTIONS") == 0) {
		http_header(request->http, "Allow", "GET, HEAD, OPTIONS");
		return request_empty(request, 200);
	}
	buf_printf(&out,
	        "{\"swift\": {\"version\": \"cairn-%s\", \"strict_cors_mode\": true, "
	        "\"account_autocreate\": %s, \"allow_open_expired\": %s, "
	        "\"allow_account_management\": true, "
	        "\"max_file_size\": %llu, \"max_meta_name_length\": %u, "
	        "\"max_meta_value_length\": %u, \"max_meta_count\": %u, "
	        "\"max_meta_overall_size\": %u, \"max_header_size\": %u, "
	        "\"max_object_name_length\": %u, \"container_listing_limit\": %u, "
	        "\"account_listing_limit\": %u, \"max_account_name_length\": %u, "
	        "\"max_container_name_length\": %u, \"extra_header_count\": %u, "
	        "\"valid_api_versions\": [\"v1\", \"v1.0\"], ",
	        CAIRN_VERSION, cluster->account_autocreate ? "true" : "false",
	        cluster->allow_open_expired ? "true" : "false",
	        (unsigned long long)l->max_file_size, l->max_meta_name, l->max_meta_value,
	        l->max_meta_count, l->max_meta_overall, l->max_header_size, l->max_object_name,
	        l->container_listing_limit, l->account_listing_limit, l->max_account_name,
	        l->max_container_name, l->extra_header_count);
	info_policies(cluster, &out);
	buf_char(&out, '}');
	pipeline_info(cluster, &out);
	buf_char(&out, '}');
	http_header(request->http, "Content-Type", "application/json; charset=UTF-8");
	request_headers(request, 200);
	if (request->head)
		http_reply_head(request->http, 200, out.len);
	else
		http_reply_text(request->http, 200, buf_text(&out));
	return STEP_DONE;
}

static const struct op_state info_states[] = {{"info", info_answer, 0, 0}};
const struct method info_get_method = {.name = "info", .states = info_states};

static bool tell_crossdomain(const struct cluster *cluster, struct buf *out)
{
	(void)cluster;
	(void)out;
	return true;
}

/* Its file is answered in request.c. */
const struct unit unit_crossdomain = {.name = "crossdomain", .info = tell_crossdomain};
