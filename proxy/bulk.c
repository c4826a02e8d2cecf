/* Bulk delete: DELETE or POST of an account with ?bulk-delete and a body of lines, each the quoted
 * path of an object or an empty container (swift/common/middleware/bulk.py). Each line stands for
 * a request of its own, with its own permission.
 *
 *   receive -> next -> facts -> (object | container -> row)* -> next ... -> answer */
#include "proxy/bulk.h"

#include "proxy/commit.h"
#include "proxy/db.h"
#include "proxy/drop.h"
#include "proxy/pipeline.h"

#include "lib/base/kv.h"
#include "lib/json/jout.h"
#include <stdlib.h>
#include <string.h>

enum { RECEIVE, NEXT, FACTS, OBJECT, CONTAINER, ROW };

#define LINES_MAX  10000
#define FAILED_MAX 1000
#define BYTES_MAX  (16u << 20)

struct bulk {
	struct request *request;
	struct buf body, errors; /* errors: a kv block of path and status */
	struct credit credit;    /* for the body */
	size_t at;
	bool receiving, received;
	unsigned lines, deleted, missing, failed;
	const char *path, *container, *object; /* of this line, decoded; object NULL: a container */
	struct info_fetch facts, account_info;
	struct commit commit;
	struct drop drop;
	struct row_put row;
	bool row_done, started;
	const char *refusal; /* status line of a body that cannot be worked on */
	struct listing listing;
};

static void bulk_done(struct request *request)
{
	struct bulk *b = request->own;

	buf_done(&b->body);
	buf_done(&b->errors);
	credit_give(&b->credit);
	info_fetch_done(&b->facts);
	info_fetch_done(&b->account_info);
	commit_done(&b->commit);
	drop_done(&b->drop);
}

static const char *status_line(int status)
{
	switch (status) {
	case 400:
		return "400 Bad Request";
	case 401:
		return "401 Unauthorized";
	case 403:
		return "403 Forbidden";
	case 404:
		return "404 Not Found";
	case 409:
		return "409 Conflict";
	case 412:
		return "412 Precondition Failed";
	case 413:
		return "413 Request Entity Too Large";
	case 507:
		return "507 Insufficient Storage";
	default:
		return "503 Service Unavailable";
	}
}

/* --- answers in three formats --- */

static void xml_text(struct buf *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '&')
			buf_str(out, "&amp;");
		else if (*text == '<')
			buf_str(out, "&lt;");
		else if (*text == '>')
			buf_str(out, "&gt;");
		else
			buf_char(out, *text);
	}
}

static void render_xml(struct bulk *b, const char *status, struct buf *out)
{
	struct kv_pair pair;

	buf_printf(out,
	        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<delete>\n"
	        "<number_deleted>%u</number_deleted>\n<number_not_found>%u</number_not_found>\n"
	        "<response_body></response_body>\n<response_status>%s</"
	        "response_status>\n<errors>\n",
	        b->deleted, b->missing, status);
	for (size_t at = 0; kv_next(b->errors.data, b->errors.len, &at, &pair);) {
		buf_str(out, "<object><name>");
		xml_text(out, pair.name);
		buf_printf(out, "</name><status>%s</status></object>\n", pair.value);
	}
	buf_str(out, "</errors>\n</delete>\n");
}

static void render_json(struct bulk *b, const char *status, struct buf *out)
{
	struct kv_pair pair;
	bool first = true;

	buf_printf(out,
	        "{\"Number Deleted\": %u, \"Number Not Found\": %u, \"Response Body\": \"\", "
	        "\"Response Status\": \"%s\", \"Errors\": [",
	        b->deleted, b->missing, status);
	for (size_t at = 0; kv_next(b->errors.data, b->errors.len, &at, &pair); first = false) {
		buf_str(out, first ? "[" : ", [");
		jout_ascii(out, pair.name);
		buf_printf(out, ", \"%s\"]", pair.value);
	}
	buf_str(out, "]}");
}

static void render_plain(struct bulk *b, const char *status, struct buf *out)
{
	struct kv_pair pair;

	buf_printf(out,
	        "Number Deleted: %u\nNumber Not Found: %u\nResponse Body: \nResponse Status: %s\n"
	        "Errors:\n",
	        b->deleted, b->missing, status);
	for (size_t at = 0; kv_next(b->errors.data, b->errors.len, &at, &pair);)
		buf_printf(out, "%s, %s\n", pair.name, pair.value);
}

static enum step answer(struct request *request, struct bulk *b)
{
	AUTO(buf) struct buf out = BUF_NONE;
	const char *status = b->refusal;

	if (!status)
		status = b->failed                  ? "400 Bad Request"
		         : b->deleted || b->missing ? "200 OK"
		                                    : "400 Bad Request";
	http_header(request->http, "Content-Type", listing_content_type(b->listing.format));
	if (b->listing.format == LISTING_JSON)
		render_json(b, status, &out);
	else if (b->listing.format == LISTING_PLAIN)
		render_plain(b, status, &out);
	else
		render_xml(b, status, &out);
	request_headers(request, 200);
	http_reply_text(request->http, 200, buf_text(&out));
	return STEP_DONE;
}

/* --- the body --- */

static void want(struct bulk *b)
{
	struct request *request = b->request;
	const struct http_req *http = request->http;
	size_t size = http->has_length && http->content_length < BYTES_MAX ? http->content_length
	                                                                   : BYTES_MAX;
	enum err err;

	if (!credit_take(&b->credit, &request->proxy->budget, &request->op, size, &err)) {
		b->refusal = err ? status_line(503) : NULL;
		return;
	}
	struct bytes *into = bytes_new(64u << 10);
	if (into) {
		b->receiving = true;
		http_body_want(request->http, into);
	}
}

static void on_body(struct request *request, struct bytes *piece, bool last)
{
	struct bulk *b = request->own;

	if (b && b->receiving) {
		b->receiving = false;
		b->received = last;
		if (piece)
			buf_add(&b->body, piece->data, piece->len);
		op_wake(&request->op);
	}
	bytes_unref(piece);
}

static enum step bulk_receive(struct op *op)
{
	struct request *request = request_of(op);
	struct bulk *b = request->own;
	const char *text;

	if (request->http->gone)
		return STEP_DONE;
	if (!b) {
		const char *type = http_get(request->http, "Content-Type");
		if (type && *type && !has_prefix(type, "text/plain"))
			return request_fail(request, 406);
		b = request->own = arena_zalloc(request_arena(request), sizeof(*b));
		b->request = request;
		b->body.size_max = BYTES_MAX;
		request->own_done = bulk_done;
		int status = listing_parse(request, 1, &b->listing, &text);
		if (status == 406)
			return request_fail(request, status);
	}
	enum step step = request_identify(op);
	if (step != STEP_NEXT)
		return step;
	if (!request->identity.user)
		return request_fail(request, 401);
	if (b->body.err) {
		b->refusal = status_line(413);
		return answer(request, b);
	}
	if (b->received)
		return op_go(op, NEXT);
	if (!b->receiving)
		want(b);
	return b->refusal ? answer(request, b) : STEP_WAIT;
}

/* --- one line after the other --- */

static void note(struct bulk *b, int status)
{
	if (status == 204) {
		b->deleted++;
	} else if (status == 404) {
		b->missing++;
	} else {
		b->failed++;
		kv_add(&b->errors, b->path, status_line(status));
	}
}

static enum step noted(struct op *op, struct bulk *b, int status)
{
	note(b, status);
	return op_go(op, NEXT);
}

/* "/container/object" or "container"; false when it is no path. */
static bool cut(struct bulk *b, const char *line, size_t len)
{
	struct arena *arena = request_arena(b->request);
	size_t decoded;

	while (len && (line[len - 1] == '\r' || line[len - 1] == ' '))
		len--;
	b->path = arena_strndup(arena, line, len);
	char *path = url_unquote(arena, line, len, &decoded);
	if (strlen(path) != decoded || !utf8_valid(path, decoded))
		return false;
	while (*path == '/')
		path++;
	char *slash = strchr(path, '/');
	b->container = path;
	b->object = NULL;
	if (slash) {
		*slash = 0;
		b->object = slash[1] ? slash + 1 : NULL;
	}
	return *path;
}

static enum step bulk_next(struct op *op)
{
	struct request *request = request_of(op);
	struct bulk *b = request->own;

	if (request->http->gone)
		return STEP_DONE;
	if (op->children)
		return STEP_WAIT; /* answers of the line before that came after its majority */
	info_fetch_done(&b->facts);
	info_fetch_done(&b->account_info);
	commit_done(&b->commit);
	drop_done(&b->drop);
	b->facts = b->account_info = (struct info_fetch){0};
	b->commit = (struct commit){0};
	b->row_done = b->started = false;
	if (b->at >= b->body.len || b->failed >= FAILED_MAX)
		return answer(request, b);
	const char *line = b->body.data + b->at;
	size_t len = strcspn(line, "\n");
	b->at += len + 1;
	if (len == 0 || strspn(line, " \t\r") >= len)
		return STEP_NEXT;
	if (++b->lines > LINES_MAX) {
		b->refusal = status_line(413);
		return answer(request, b);
	}
	if (!cut(b, line, len)) {
		note(b, 412);
		return STEP_NEXT;
	}
	return op_go(op, FACTS);
}

static enum step bulk_facts(struct op *op)
{
	struct request *request = request_of(op);
	struct bulk *b = request->own;
	bool wait;

	if (!info_get(&b->facts, op, request->proxy, request->account, b->container))
		return STEP_WAIT;
	if (b->facts.err)
		return noted(op, b, 503);
	const struct info *info = b->facts.info;
	struct access access = {.account = request->account,
	        .container = true,
	        .object = b->object,
	        .deletes = true};
	const char *acl = b->object ? info_header(info, "X-Container-Write") : NULL;
	enum err err = request_authorize(request, &access, acl, &b->account_info, &wait);
	if (wait)
		return STEP_WAIT;
	if (err)
		return noted(op, b, err_status(err));
	if (!info->exists)
		return noted(op, b, 404);
	return op_go(op, b->object ? OBJECT : CONTAINER);
}

static enum step bulk_object(struct op *op)
{
	struct request *request = request_of(op);
	struct bulk *b = request->own;
	struct backend_row row = {.deleted = true};

	if (!b->started) {
		b->started = true;
		commit_message(&b->commit, BACKEND_OBJECT_DELETE, op, request->proxy,
		        b->facts.info->policy, request->account, b->container, b->object);
		commit_updates(&b->commit, &row, 0, 0);
		commit_start(&b->commit);
	}
	if (!commit_ready(&b->commit))
		return STEP_WAIT;
	return noted(op, b, b->commit.err ? err_status(b->commit.err) : 204);
}

static enum step bulk_container(struct op *op)
{
	struct request *request = request_of(op);
	struct bulk *b = request->own;

	if (!b->started) {
		b->started = true;
		request->ts = hlc_now(request_cluster(request)->hlc);
		b->drop.ts = request->ts;
		b->drop.read.root = (struct db_read){.op = op,
		        .proxy = request->proxy,
		        .account = request->account,
		        .container = b->container};
	}
	if (!drop_ready(&b->drop))
		return STEP_WAIT;
	enum err err = b->drop.err;
	info_changed(request_cluster(request), request->account, b->container);
	if (err && err != ERR_EXISTS)
		return noted(op, b, err_status(err));
	b->started = false;
	return op_go(op, ROW);
}

static void on_row(struct row_put *put)
{
	struct bulk *b = CONTAINER_OF(put, struct bulk, row);

	b->row_done = true;
	op_child_end(put->owner);
}

static enum step bulk_row(struct op *op)
{
	struct request *request = request_of(op);
	struct bulk *b = request->own;

	if (!b->started) {
		b->started = true;
		b->row = (struct row_put){
		        .row = {.name = b->container, .ts = request->ts, .deleted = true},
		        .done = on_row,
		        .owner = op,
		};
		op_child_begin(op);
		rows_put(request->proxy, request->account, NULL, &b->row);
	}
	if (!b->row_done)
		return STEP_WAIT;
	return noted(op, b, b->row.err ? 503 : 204);
}

static const struct op_state states[] = {
        [RECEIVE] = {"receive", bulk_receive, TO(NEXT), 0},
        [NEXT] = {"next", bulk_next, TO(FACTS), 0},
        [FACTS] = {"facts", bulk_facts, TO(OBJECT) | TO(CONTAINER) | TO(NEXT), 0},
        [OBJECT] = {"object", bulk_object, TO(NEXT), 0},
        [CONTAINER] = {"container", bulk_container, TO(ROW) | TO(NEXT), 0},
        [ROW] = {"row", bulk_row, TO(NEXT), 0},
};
const struct method bulk_delete = {.name = "bulk-delete", .states = states, .body = on_body};

bool bulk_wanted(const struct request *request)
{
	const char *method = request->http->method;

	return (strcmp(method, "DELETE") == 0 || strcmp(method, "POST") == 0) &&
	       query_get(&request->query, "bulk-delete");
}

static bool tell(const struct cluster *cluster, struct buf *out)
{
	(void)cluster;
	buf_printf(out, "\"max_deletes_per_request\": %u, \"max_failed_deletes\": %u", LINES_MAX,
	        FAILED_MAX);
	return true;
}

const struct unit unit_bulk_delete = {.name = "bulk_delete", .info = tell};
