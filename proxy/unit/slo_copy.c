/* COPY, or PUT with X-Copy-From, of a manifest itself: it is read, and put again as a client would,
 * with all checks.
 *
 *   read -> put */
#include "proxy/manifest.h"
#include "proxy/pipeline.h"
#include "proxy/sub.h"
#include "proxy/unit/slo.h"
#include "proxy/unit/symlink.h"

#include "lib/base/kv.h"
#include <string.h>
#include <strings.h>

enum { READ, PUT };

#define ANSWER_MAX (1u << 20)

struct copy {
	const char *account, *container, *object;          /* the source */
	const char *to_account, *to_container, *to_object; /* the destination */
	struct sub source, put;
	const char *modified; /* the source's */
	struct buf told;      /* kv block: user metadata that both have; owned */
};

static void copy_done(struct request *request)
{
	struct copy *c = request->own;

	sub_done(&c->source);
	sub_done(&c->put);
	buf_done(&c->told);
}

static const char *account_of(struct request *request, const char *header)
{
	const char *value = http_get(request->http, header);
	size_t len;

	return value ? url_unquote(request_arena(request), value, strlen(value), &len)
	             : request->account;
}

static bool split(struct request *request, const char *value, const char **ret_container,
        const char **ret_object)
{
	return value &&
	       link_split(request_arena(request), value + (*value == '/'), ret_container,
	               ret_object) &&
	       utf8_valid(*ret_container, strlen(*ret_container)) &&
	       utf8_valid(*ret_object, strlen(*ret_object));
}

/* Where from, and where to; false: the header is none. */
static bool setup(struct request *request, struct copy *c)
{
	bool copies = strcmp(request->http->method, "COPY") == 0;

	c->account = c->to_account = request->account;
	c->container = c->to_container = request->container;
	c->object = c->to_object = request->object;
	if (copies) {
		c->to_account = account_of(request, "Destination-Account");
		return split(request, http_get(request->http, "Destination"), &c->to_container,
		        &c->to_object);
	}
	c->account = account_of(request, "X-Copy-From-Account");
	return split(request, http_get(request->http, "X-Copy-From"), &c->container, &c->object);
}

static enum step relay(struct request *request, struct sub *sub)
{
	struct kv_pair pair;

	for (size_t at = 0; kv_next(sub->headers.data, sub->headers.len, &at, &pair);) {
		if (!has_prefix(pair.name, "X-Trans-Id") &&
		        !has_prefix(pair.name, "X-Openstack-Request-Id"))
			http_header(request->http, pair.name, pair.value);
	}
	request_headers(request, sub->status);
	http_reply_text(request->http, sub->status, buf_text(&sub->text));
	return STEP_DONE;
}

/* Does the new one take the header over from the source? */
static bool is_kept(const char *name)
{
	static const char *const names[] = {"Content-Disposition", "Content-Encoding",
	        "Cache-Control", "Content-Language", "Expires", "X-Robots-Tag", "X-Delete-At"};

	for (unsigned i = 0; i < COUNT_OF(names); i++) {
		if (strcasecmp(name, names[i]) == 0)
			return true;
	}
	return has_prefix(name, "X-Object-Meta-");
}

static void start_put(struct request *request, struct copy *c)
{
	static const char *const without[] = {"X-Copy-From", "X-Copy-From-Account", "Destination",
	        "Destination-Account", "Etag", "Range", "If-Match", "If-None-Match",
	        "If-Modified-Since", "If-Unmodified-Since", "X-Fresh-Metadata", NULL};
	bool fresh = is_true(http_get(request->http, "X-Fresh-Metadata"));
	const char *type = http_get(request->http, "Content-Type");
	const struct buf *headers = &c->source.headers;
	struct kv_pair pair;

	sub_init(&c->put, request, &unit_tempauth, SUB_AS_CLIENT, "PUT");
	sub_path(&c->put, c->to_account, c->to_container, c->to_object, "multipart-manifest=put");
	sub_copy_headers(&c->put, without);
	for (size_t at = 0; kv_next(headers->data, headers->len, &at, &pair);) {
		bool takes = (!fresh && is_kept(pair.name)) ||
		             (strcasecmp(pair.name, "Content-Type") == 0 && !(type && *type));
		if (takes && (!http_get(request->http, pair.name) || (type && !*type)))
			sub_header(&c->put, pair.name, pair.value);
		if (!fresh && has_prefix(pair.name, "X-Object-Meta-") &&
		        !http_get(request->http, pair.name))
			kv_add(&c->told, pair.name, pair.value);
	}
	sub_body_text(&c->put, buf_text(&c->source.text), c->source.text.len);
	sub_start(&c->put);
}

static enum step copy_read(struct op *op)
{
	static const char *const without[] = {"X-Copy-From", "X-Copy-From-Account", "Destination",
	        "Destination-Account", "Range", NULL};
	struct request *request = request_of(op);
	struct copy *c = request->own;

	if (!c) {
		c = request->own = arena_zalloc(request_arena(request), sizeof(*c));
		request->own_done = copy_done;
		if (!setup(request, c))
			return request_fail_text(request, 412,
			        "Destination header must be of the form <container name>/<object "
			        "name>");
		sub_init(&c->source, request, &unit_slo, SUB_AS_CLIENT, "GET");
		sub_path(&c->source, c->account, c->container, c->object,
		        "multipart-manifest=get&format=raw");
		sub_copy_headers(&c->source, without);
		sub_start(&c->source);
	}
	if (!sub_collect(&c->source, MANIFEST_BYTES_MAX))
		return STEP_WAIT;
	if (request->http->gone)
		return STEP_DONE;
	if (!sub_ok(&c->source))
		return relay(request, &c->source);
	if (c->source.failed)
		return request_fail(request, 503);
	c->modified = sub_get(&c->source, "Last-Modified");
	start_put(request, c);
	return op_go(op, PUT);
}

static enum step copy_put(struct op *op)
{
	struct request *request = request_of(op);
	struct copy *c = request->own;
	AUTO(buf) struct buf path = BUF_NONE;
	struct kv_pair pair;

	if (!sub_collect(&c->put, ANSWER_MAX))
		return STEP_WAIT;
	if (request->http->gone)
		return STEP_DONE;
	if (!sub_ok(&c->put))
		return relay(request, &c->put);
	url_quote(&path, c->container, "");
	buf_char(&path, '/');
	url_quote(&path, c->object, "");
	http_header(request->http, "X-Copied-From", buf_text(&path));
	buf_reset(&path);
	url_quote(&path, c->account, "");
	http_header(request->http, "X-Copied-From-Account", buf_text(&path));
	if (c->modified)
		http_header(request->http, "X-Copied-From-Last-Modified", c->modified);
	for (size_t at = 0; kv_next(c->told.data, c->told.len, &at, &pair);)
		http_header(request->http, pair.name, pair.value);
	request_copy_headers(request, &request->http->out, "X-Object-Meta-");
	return relay(request, &c->put);
}

static const struct op_state states[] = {
        [READ] = {"read", copy_read, TO(PUT), 0},
        [PUT] = {"put", copy_put, 0, 0},
};
const struct method slo_copy = {.name = "slo-copy", .states = states};
