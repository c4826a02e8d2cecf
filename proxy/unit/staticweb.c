/* staticweb: containers as web sites, for who does not say who he is, or says X-Web-Mode: an index
 * in place of a directory, listings as HTML, pages for errors. What Swift asks of itself on the
 * way, this asks by requests with the rights of the client.
 *
 *   prepare -> run (-> stream) */
#include "proxy/pipeline.h"
#include "proxy/ranged.h"
#include "proxy/sub.h"
#include "proxy/unit/shown.h"
#include "proxy/unit/web_page.h"

#include "lib/base/kv.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define ROWS_MAX 10000
#define TEXT_MAX (256u << 10) /* of an answer that a page for errors may replace */

enum { PREPARE, RUN, STREAM };

struct web {
	struct sub sub, page; /* page: for an error */
	enum step (*next)(struct request *request);
	const char *index, *error, *listings, *label, *css, *dir_type; /* NULL: not set */
	struct ranged list;
	struct backend_list asked;
	struct info_fetch account_info;
	int status; /* that a page for errors is looked for */
	struct buf text;
	struct sub *source; /* of what is streamed */
};

static bool reads(const struct request *request)
{
	return strcmp(request->http->method, "GET") == 0 || request->head;
}

static void web_done(struct request *request)
{
	struct web *web = request->own;

	sub_done(&web->sub);
	sub_done(&web->page);
	ranged_done(&web->list);
	info_fetch_done(&web->account_info);
	buf_done(&web->text);
}

/* A container's X-Container-Meta-Web-*, without blanks; NULL: there is none. */
static const char *setting(struct request *request, const char *name)
{
	const char *value = info_header(request->container_info.info,
	        arena_printf(request_arena(request), "X-Container-Meta-Web-%s", name));
	size_t len;

	if (!value)
		return NULL;
	value += strspn(value, " \t");
	len = strlen(value);
	while (len && (value[len - 1] == ' ' || value[len - 1] == '\t'))
		len--;
	return len ? arena_strndup(request_arena(request), value, len) : NULL;
}

static bool ends_with_slash(const struct request *request)
{
	size_t len = strlen(request->path);

	return len && request->path[len - 1] == '/';
}

/* --- answers --- */

static enum step redirect(struct request *request)
{
	const struct cluster *cluster = request_cluster(request);
	const char *host = http_get(request->http, "Host"), *base = cluster->units.web_base;
	AUTO(buf) struct buf to = BUF_NONE;

	if (base && *base)
		buf_str(&to, base);
	else if (host)
		buf_printf(&to, "http%s://%s", cluster->tls ? "s" : "", host);
	buf_str(&to, "/v1/");
	url_quote(&to, request->account, "");
	buf_char(&to, '/');
	url_quote(&to, request->container, "");
	if (request->object) {
		buf_char(&to, '/');
		url_quote(&to, request->object, "");
	}
	buf_char(&to, '/');
	http_header(request->http, "Location", buf_text(&to));
	return request_fail(request, 301);
}

static bool is_own(const char *name)
{
	return strcasecmp(name, "X-Trans-Id") == 0 ||
	       strcasecmp(name, "X-Openstack-Request-Id") == 0 ||
	       has_prefix(name, "Access-Control-") || strcasestr(name, "-Sysmeta-");
}

/* What another request was answered, with that status. */
static enum step relay(struct request *request, struct sub *sub, int status)
{
	struct web *web = request->own;
	struct kv_pair pair;

	for (size_t at = 0; kv_next(sub->headers.data, sub->headers.len, &at, &pair);) {
		if (!is_own(pair.name))
			http_header(request->http, pair.name, pair.value);
	}
	request_headers(request, status);
	if (request->head) {
		http_reply_head(
		        request->http, status, sub->length == HTTP_UNTIL_END ? 0 : sub->length);
		return STEP_DONE;
	}
	http_stream(request->http, status, sub->length);
	web->source = sub;
	return op_go(&request->op, STREAM);
}

/* The error itself: what was answered, or our own text. */
static enum step plain_error(struct request *request)
{
	struct web *web = request->own;
	size_t len = web->text.len;

	if (!len && web->sub.headed)
		return relay(request, &web->sub, web->status);
	if (!len)
		return request_fail(request, web->status);
	http_header(request->http, "Content-Type", "text/html; charset=UTF-8");
	request_headers(request, web->status);
	if (request->head)
		http_reply_head(request->http, web->status, len);
	else
		http_reply_text(request->http, web->status, buf_text(&web->text));
	return STEP_DONE;
}

static enum step error_page(struct request *request)
{
	struct web *web = request->own;

	if (!sub_headed(&web->page))
		return STEP_WAIT;
	return sub_ok(&web->page) ? relay(request, &web->page, web->status) : plain_error(request);
}

/* An error, for which the site may have a page: "404" and its X-Container-Meta-Web-Error. */
static enum step fail(struct request *request, int status)
{
	struct web *web = request->own;

	web->status = status;
	if (!web->error)
		return plain_error(request);
	sub_init(&web->page, request, &unit_staticweb, SUB_AS_CLIENT, "GET");
	sub_path(&web->page, request->account, request->container,
	        arena_printf(request_arena(request), "%d%s", status, web->error), NULL);
	sub_start(&web->page);
	web->next = error_page;
	return STEP_WAIT;
}

/* --- listings --- */

static enum step send_page(struct request *request)
{
	struct web *web = request->own;

	http_header(request->http, "Content-Type", "text/html; charset=UTF-8");
	if (request->permit) /* a page is there to be looked at */
		((struct permit *)request->permit)->shown_inline = true;
	request_headers(request, 200);
	if (request->head)
		http_reply_head(request->http, 200, web->text.len);
	else
		http_reply_text(request->http, 200, buf_text(&web->text));
	return STEP_DONE;
}

static void add_param(struct buf *out, const char *name, const char *value)
{
	buf_str(out, out->len ? "&amp;" : "?");
	buf_printf(out, "%s=", name);
	url_quote(out, value, "");
}

/* A signature for a prefix goes with each link. Its prefix, or NULL. */
static const char *permitted(struct request *request, struct buf *ret_query)
{
	const char *question = strchr(request->http->target, '?');
	static const char *const names[] = {
	        "temp_url_expires", "temp_url_sig", "temp_url_ip_range"};
	struct query query;

	if (!request->permit || !question)
		return NULL;
	query_parse(request_arena(request), question + 1, &query);
	const char *prefix = query_get(&query, "temp_url_prefix");
	if (!prefix)
		return NULL;
	add_param(ret_query, "temp_url_prefix", prefix);
	for (unsigned i = 0; i < COUNT_OF(names); i++) {
		const char *value = query_get(&query, names[i]);
		if (value && *value)
			add_param(ret_query, names[i], value);
	}
	if (query_get(&query, "inline"))
		buf_str(ret_query, "&amp;inline");
	return prefix;
}

/* "/v1/account/container/...", or the site's own name in place of the first three. */
static const char *label_of(struct request *request, const struct web *web)
{
	struct arena *arena = request_arena(request);
	const char *object = request->object ? request->object : "";

	if (web->label)
		return arena_printf(arena, "%s/%s", web->label, object);
	return arena_printf(arena, "/v1/%s/%s/%s", request->account, request->container, object);
}

/* Versions are shown as what they are. */
static void take_rows(struct request *request, struct web *web, struct buf *out)
{
	struct backend_row row;
	struct shown shown;

	for (size_t at = 0; backend_rows_next(web->list.root.rows, &at, &row);) {
		if (row.subdir) {
			backend_rows_add(out, &row);
			continue;
		}
		shown_make(&row, request->account, request->container, &shown);
		row.bytes = shown.bytes;
		row.content_type = shown.content_type;
		backend_rows_add(out, &row);
		shown_done(&shown);
	}
}

static struct web_page page_of(struct request *request, const struct web *web)
{
	return (struct web_page){.label = label_of(request, web),
	        .css = web->css,
	        .prefix = request->object,
	        .index = web->index,
	        .query = ""};
}

static enum step listed(struct request *request)
{
	struct web *web = request->own;
	struct web_page page = page_of(request, web);
	AUTO(buf) struct buf rows = BUF_NONE, query = BUF_NONE;

	if (!ranged_rows(&web->list, &web->asked))
		return STEP_WAIT;
	sub_done(&web->sub);
	if (web->list.err)
		return fail(request, web->list.err == ERR_NOT_FOUND ? 404 : 503);
	take_rows(request, web, &rows);
	if (request->object && !rows.len)
		return fail(request, 404);
	const char *above = permitted(request, &query);
	page.query = buf_text(&query);
	page.has_parent = request->object && strlen(request->object) > (above ? strlen(above) : 0);
	web_page_listing(&page, &rows, &web->text);
	return send_page(request);
}

/* May who asks read the container? Call again while *ret_wait. */
static enum err may_read(struct request *request, bool *ret_wait)
{
	struct web *web = request->own;
	struct access access = {
	        .account = request->account, .container = request->container, .reads = true};

	return request_authorize(request, &access,
	        info_header(request->container_info.info, "X-Container-Read"), &web->account_info,
	        ret_wait);
}

/* May who asks list it? Then rows of that prefix are asked for, and `next` looks at them. */
static enum step ask_rows(struct request *request, const char *prefix, unsigned limit,
        enum step (*next)(struct request *))
{
	struct web *web = request->own;
	bool wait;
	enum err err = may_read(request, &wait);

	if (wait)
		return STEP_WAIT;
	if (err) {
		sub_done(&web->sub);
		return fail(request, err_status(err));
	}
	web->list.root = (struct db_read){.op = &request->op,
	        .proxy = request->proxy,
	        .account = request->account,
	        .container = request->container};
	web->asked = (struct backend_list){.prefix = prefix, .delimiter = "/", .limit = limit};
	web->next = next;
	return STEP_NEXT;
}

static enum step list(struct request *request)
{
	struct web *web = request->own;
	struct web_page page = page_of(request, web);

	web->next = list;
	if (is_true(web->listings))
		return ask_rows(request, request->object, ROWS_MAX, listed);
	sub_done(&web->sub);
	web_page_disabled(&page, &web->text);
	return fail(request, 404);
}

/* --- an object, a directory of that name, or neither --- */

static void ask(struct request *request, const char *object, const char *query)
{
	struct web *web = request->own;

	sub_done(&web->sub);
	sub_init(&web->sub, request, &unit_staticweb, SUB_AS_CLIENT, request->http->method);
	sub_path(&web->sub, request->account, request->container, object, query);
	sub_copy_headers(&web->sub, NULL);
	sub_start(&web->sub);
}

static bool good(const struct sub *sub)
{
	return sub->status / 100 == 2 || sub->status / 100 == 3;
}

static enum step probed(struct request *request)
{
	struct web *web = request->own;

	if (!ranged_rows(&web->list, &web->asked))
		return STEP_WAIT;
	if (!web->list.err && web->list.root.rows && web->list.root.rows->len)
		return redirect(request);
	sub_done(&web->sub);
	return fail(request, 404);
}

static enum step directory(struct request *request)
{
	struct web *web = request->own;

	if (ends_with_slash(request))
		return list(request);
	web->next = directory;
	return ask_rows(
	        request, arena_printf(request_arena(request), "%s/", request->object), 1, probed);
}

static enum step indexed(struct request *request)
{
	struct web *web = request->own;

	if (!sub_headed(&web->sub))
		return STEP_WAIT;
	if (good(&web->sub))
		return request->object && !ends_with_slash(request)
		               ? redirect(request)
		               : relay(request, &web->sub, web->sub.status);
	if (web->sub.status != 404)
		return request->object ? relay(request, &web->sub, web->sub.status)
		                       : fail(request, web->sub.status);
	return request->object ? directory(request) : list(request);
}

static void ask_index(struct request *request)
{
	struct web *web = request->own;
	const char *object = request->object ? request->object : "";
	size_t len = strlen(object);
	bool slash = len && object[len - 1] != '/';

	ask(request,
	        arena_printf(
	                request_arena(request), "%s%s%s", object, slash ? "/" : "", web->index),
	        NULL);
	web->next = indexed;
}

static bool is_directory(const struct web *web)
{
	const char *type = sub_get(&web->sub, "Content-Type");

	return type && strcmp(type, web->dir_type ? web->dir_type : "application/directory") == 0 &&
	       web->sub.length <= 1;
}

static enum step found(struct request *request)
{
	struct web *web = request->own;

	if (!sub_headed(&web->sub))
		return STEP_WAIT;
	bool none = good(&web->sub) ? is_directory(web) : web->sub.status == 404;
	if (!none || (!web->listings && !web->index))
		return relay(request, &web->sub, web->sub.status);
	if (!web->index)
		return directory(request);
	ask_index(request);
	return STEP_WAIT;
}

/* --- a container --- */

static enum step container(struct request *request)
{
	struct web *web = request->own;
	bool wait;
	enum err err = may_read(request, &wait);

	if (wait)
		return STEP_WAIT;
	if (err)
		return fail(request, err_status(err));
	if (!web->listings && !web->index) {
		web->error = NULL;
		if (is_true(http_get(request->http, "X-Web-Mode")) || request->permit)
			return fail(request, 404);
		web_done(request);
		request->own = NULL;
		request->own_done = NULL;
		return request_become(request, &container_get);
	}
	if (!ends_with_slash(request))
		return redirect(request);
	if (!web->index)
		return list(request);
	ask_index(request);
	return STEP_WAIT;
}

/* --- the request --- */

static enum step prepare(struct op *op)
{
	struct request *request = request_of(op);
	const struct op_state *states = op->states;
	enum step step;

	if (request->http->gone)
		return STEP_DONE;
	step = pipeline_enter(request);
	if (step != STEP_NEXT || op->states != states)
		return step;
	step = request_identify(op);
	if (step != STEP_NEXT)
		return step;
	struct web *web = request->own = arena_zalloc(request_arena(request), sizeof(*web));
	request->own_done = web_done;
	web->index = setting(request, "Index");
	web->error = setting(request, "Error");
	web->listings = setting(request, "Listings");
	web->label = setting(request, "Listings-Label");
	web->css = setting(request, "Listings-Css");
	web->dir_type = setting(request, "Directory-Type");
	const char *question = strchr(request->http->target, '?');
	if (request->object) {
		ask(request, request->object, request->permit || !question ? NULL : question + 1);
		web->next = found;
	} else {
		web->next = container;
	}
	return op_go(op, RUN);
}

static enum step run(struct op *op)
{
	struct request *request = request_of(op);
	const struct op_state *states = op->states;
	enum step step;

	if (request->http->gone)
		return STEP_DONE;
	do
		step = ((struct web *)request->own)->next(request);
	while (step == STEP_NEXT && op->states == states && op->state == RUN);
	return step;
}

static enum step stream(struct op *op)
{
	struct request *request = request_of(op);

	return sub_relay(((struct web *)request->own)->source, request->http);
}

static void on_room(struct request *request)
{
	if (!request->op.finished)
		op_wake(&request->op);
}

static const struct op_state states[] = {
        [PREPARE] = {"prepare", prepare, TO(RUN), 15000},
        [RUN] = {"run", run, TO(STREAM), 0},
        [STREAM] = {"stream", stream, 0, 0},
};
static const struct method web_get = {.name = "web", .states = states, .room = on_room};

/* Who shows a token gets the API; others, of a container that is a site, the site. */
static enum step enter(struct request *request)
{
	bool mode = is_true(http_get(request->http, "X-Web-Mode"));
	bool known = http_get(request->http, "X-Auth-Token") ||
	             http_get(request->http, "X-Storage-Token");

	if (request->parent || !request->container || !reads(request) ||
	        request->method == &web_get || (known && !mode && !request->permit) ||
	        (request->method != &object_get && request->method != &container_get))
		return STEP_NEXT;
	if (!info_get(&request->container_info, &request->op, request->proxy, request->account,
	            request->container))
		return STEP_WAIT;
	const struct info *info = request->container_info.info;
	if (request->container_info.err || !info->exists)
		return STEP_NEXT;
	bool site = setting(request, "Index") || setting(request, "Listings");
	bool pages = !request->permit && !request->object && (mode || setting(request, "Error"));
	return site || pages ? request_become(request, &web_get) : STEP_NEXT;
}

static bool tell(const struct cluster *cluster, struct buf *out)
{
	(void)cluster;
	(void)out;
	return true;
}

const struct unit unit_staticweb = {.name = "staticweb", .enter = enter, .info = tell};
