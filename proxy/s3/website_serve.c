/* What a bucket's web site answers: nobody signs, errors are pages.
 *
 *   prepare -> site -> look (-> folder) -> Swift's GET
 *                any of them -> page -> stream                 for an error */
#include "proxy/s3/s3.h"

#include "lib/base/kv.h"
#include "lib/base/markup.h"
#include <string.h>

enum { PREPARE, SITE, LOOK, FOLDER, PAGE, STREAM };

struct s3_site {
	const char *key; /* as it was asked for */
	const struct xml *root;
	struct sub look, page;
	enum s3_error error; /* that a page tells of */
};

const struct method *s3_site_route(struct request *request)
{
	struct s3 *s3 = request->s3;
	const struct query none = {0};
	bool reads = strcmp(request->http->method, "GET") == 0 || request->head;

	s3->site = arena_zalloc(request_arena(request), sizeof(*s3->site));
	s3->site->key = s3->key ? s3->key : "";
	request->query = none;
	if (reads || strcmp(request->http->method, "OPTIONS") == 0)
		s3->operation = s3_operation_find(request->http, &none, S3_OBJECT);
	request->container = s3->bucket;
	return !s3->operation ? NULL : reads ? &s3_website : s3->operation->method;
}

void s3_site_done(struct s3_site *site)
{
	sub_done(&site->look);
	sub_done(&site->page);
}

/* --- pages for errors that have none --- */

static void add_item(struct buf *out, const char *name, const char *text)
{
	buf_printf(out, "<li>%s: ", name);
	markup_escape(out, text, strlen(text), "&<>\"");
	buf_str(out, "</li>\n");
}

void s3_site_error(
        struct request *request, enum s3_error error, int status, const char *text, struct buf *out)
{
	const struct s3 *s3 = request->s3;
	const char *reason = swift_error_reason(status);

	buf_printf(out, "<html>\n<head><title>%d %s</title></head>\n<body>\n<h1>%d %s</h1>\n<ul>\n",
	        status, reason, status, reason);
	add_item(out, "Code", s3_error_code(error));
	add_item(out, "Message", text);
	if (error == S3_NoSuchBucket || error == S3_NoSuchWebsiteConfiguration)
		add_item(out, "BucketName", s3->bucket);
	if (error == S3_NoSuchKey)
		add_item(out, "Key", s3->key ? s3->key : "");
	add_item(out, "RequestId", request->trans_id);
	add_item(out, "HostId", request->trans_id);
	buf_str(out, "</ul>\n<hr/>\n</body>\n</html>\n");
}

/* --- answers --- */

static enum step send_to(struct request *request, const char *url, int status)
{
	http_header(request->http, "Location", url);
	return s3_empty(request, status);
}

/* By the site's rules, once it is known (or not yet: 0) what would be answered. */
static bool is_routed(struct request *request, int status, const char **ret_url, int *ret_status)
{
	const char *host = http_get(request->http, "Host");
	const struct s3_website_asked asked = {
	        .key = request->s3->site->key,
	        .protocol = request_cluster(request)->tls ? "https" : "http",
	        .host = host ? host : "",
	        .status = status,
	};
	AUTO(buf) struct buf url = BUF_NONE;

	if (!s3_website_redirect(request->s3->site->root, &asked, &url, ret_status))
		return false;
	*ret_url = arena_strdup(request_arena(request), buf_text(&url));
	return true;
}

static void take_key(struct request *request, const char *key)
{
	request->s3->key = request->object = key;
}

static void ask(struct request *request, struct sub *sub, const char *method, const char *key)
{
	sub_init(sub, request, NULL, SUB_AS_SYSTEM, method);
	sub_path(sub, request->account, request->container, key, NULL);
	sub_start(sub);
}

static enum step fail(struct request *request, enum s3_error error)
{
	struct s3_site *site = request->s3->site;
	int status = s3_error_status(error), to;
	const char *url, *key = xml_text(xml_child(site->root, "ErrorDocument"), "Key");

	if (is_routed(request, status, &url, &to))
		return send_to(request, url, to);
	if (!key || status / 100 != 4)
		return s3_fail(request, error);
	site->error = error;
	ask(request, &site->page, request->http->method, key);
	return op_go(&request->op, PAGE);
}

/* --- what is asked for --- */

static enum step look_for(struct request *request, const char *key)
{
	take_key(request, key);
	ask(request, &request->s3->site->look, "HEAD", key);
	return op_go(&request->op, LOOK);
}

static enum step site_state(struct op *op)
{
	struct request *request = request_of(op);
	struct s3_site *site = request->s3->site;
	const char *kept = info_header(request->container_info.info, S3_WEBSITE), *url, *index;
	int status;

	if (!kept || !*kept || xml_parse(kept, strlen(kept), request_arena(request), &site->root))
		return s3_fail(request, S3_NoSuchWebsiteConfiguration);
	if (is_routed(request, 0, &url, &status))
		return send_to(request, url, status);
	index = s3_website_index(site->root, request_arena(request), site->key);
	return look_for(request, index ? index : site->key);
}

static enum step look(struct op *op)
{
	struct request *request = request_of(op);
	struct s3_site *site = request->s3->site;

	if (request->http->gone)
		return STEP_DONE;
	if (!sub_headed(&site->look))
		return STEP_WAIT;
	if (sub_ok(&site->look)) {
		const char *to = sub_get(&site->look, S3_REDIRECT);
		if (s3_may_object(request, &site->look.headers))
			return fail(request, S3_AccessDenied);
		return to ? send_to(request, to, 301) : s3_pass(request, &object_get);
	}
	if (site->look.status != 404)
		return s3_fail_sub(request, &site->look);
	const char *folder = arena_printf(request_arena(request), "%s/", site->key),
	           *index = s3_website_index(site->root, request_arena(request), folder);
	size_t len = strlen(site->key);
	if (index && len && site->key[len - 1] != '/') {
		sub_done(&site->look);
		ask(request, &site->look, "HEAD", index);
		return op_go(op, FOLDER);
	}
	return fail(request, s3_may_list(request) ? S3_NoSuchKey : S3_AccessDenied);
}

/* There is none of that name: is there a folder, with an index? */
static enum step folder(struct op *op)
{
	struct request *request = request_of(op);
	struct s3_site *site = request->s3->site;

	if (request->http->gone)
		return STEP_DONE;
	if (!sub_headed(&site->look))
		return STEP_WAIT;
	if (sub_ok(&site->look))
		return send_to(request,
		        arena_printf(request_arena(request), "/%s/",
		                request_quoted(request, site->key, NULL)),
		        302);
	return fail(request, s3_may_list(request) ? S3_NoSuchKey : S3_AccessDenied);
}

/* --- the page for an error --- */

static enum step page(struct op *op)
{
	struct request *request = request_of(op);
	struct s3_site *site = request->s3->site;
	const char *key = xml_text(xml_child(site->root, "ErrorDocument"), "Key");
	int status = s3_error_status(site->error);
	struct kv_pair pair;

	if (request->http->gone)
		return STEP_DONE;
	if (!sub_headed(&site->page))
		return STEP_WAIT;
	const char *asked = request->s3->key;
	take_key(request, key);
	bool may = sub_ok(&site->page) && !s3_may_object(request, &site->page.headers);
	take_key(request, asked);
	if (!may) {
		sub_stop(&site->page);
		return s3_fail(request, site->error);
	}
	for (size_t at = 0; kv_next(site->page.headers.data, site->page.headers.len, &at, &pair);)
		http_header(request->http, pair.name, pair.value);
	http_header(request->http, "x-amz-error-code", s3_error_code(site->error));
	http_header(request->http, "x-amz-error-message", s3_error_text(site->error));
	request_headers(request, status);
	if (request->head) {
		http_reply_head(request->http, status, site->page.length);
		return STEP_DONE;
	}
	http_stream(request->http, status, site->page.length);
	return op_go(op, STREAM);
}

static enum step stream(struct op *op)
{
	struct request *request = request_of(op);

	return sub_relay(&request->s3->site->page, request->http);
}

static void on_room(struct request *request)
{
	op_wake(&request->op);
}

static const struct op_state states[] = {
        [PREPARE] = {"prepare", s3_prepare, TO(SITE), 15000},
        [SITE] = {"site", site_state, TO(LOOK) | TO(PAGE), 0},
        [LOOK] = {"look", look, TO(FOLDER) | TO(PAGE), 0},
        [FOLDER] = {"folder", folder, TO(PAGE), 0},
        [PAGE] = {"page", page, TO(STREAM), 0},
        [STREAM] = {"stream", stream, 0, 0},
};
const struct method s3_website = {.name = "s3-website", .states = states, .room = on_room};
