/* Accounts: GET and HEAD, PUT, POST, DELETE.
 *
 *   GET/HEAD  prepare -> read
 *   PUT/POST  prepare -> write -> wait (-> create -> write, when POST finds none)
 *   DELETE    prepare -> write -> wait */
#include "proxy/db.h"
#include "proxy/quota.h"
#include "proxy/unit/marks.h"
#include "proxy/unit/reserved.h"

#include "lib/base/kv.h"
#include <string.h>

struct account {
	struct db_read read, hidden; /* hidden: containers of versions */
	struct listing listing, hidden_listing;
	struct fan write, create;
	struct buf rows;
	struct buf headers;
};

static void account_done(struct request *request)
{
	struct account *a = request->own;

	credit_give(&a->listing.credit);
	db_read_done(&a->read);
	db_read_done(&a->hidden);
	buf_done(&a->rows);
	fan_done(&a->write);
	fan_done(&a->create);
	buf_done(&a->headers);
}

static struct account *account_of(struct request *request)
{
	if (!request->own) {
		request->own = arena_zalloc(request_arena(request), sizeof(struct account));
		request->own_done = account_done;
	}
	return request->own;
}

static const char *too_long(struct request *request)
{
	unsigned max = request_cluster(request)->limits.max_account_name;
	size_t len = strlen(request->account);

	if (len <= max)
		return NULL;
	return arena_printf(
	        request_arena(request), "Account name length of %zu longer than %u", len, max);
}

static void answer_totals(struct request *request, const struct backend_reply *r)
{
	struct cluster *cluster = request_cluster(request);
	struct arena *arena = request_arena(request);
	uint64_t objects = 0, bytes = 0;
	char ts[TS_TEXT_SIZE];

	for (unsigned p = 0; p < BACKEND_POLICIES; p++) {
		objects += r->count[p];
		bytes += r->bytes[p];
		if (cluster->policies[p].name &&
		        (r->containers_of[p] || r->count[p] || r->bytes[p])) {
			request_header_u64(request,
			        arena_printf(arena, "X-Account-Storage-Policy-%s-Container-Count",
			                cluster->policies[p].name),
			        r->containers_of[p]);
			request_header_u64(request,
			        arena_printf(arena, "X-Account-Storage-Policy-%s-Object-Count",
			                cluster->policies[p].name),
			        r->count[p]);
			request_header_u64(request,
			        arena_printf(arena, "X-Account-Storage-Policy-%s-Bytes-Used",
			                cluster->policies[p].name),
			        r->bytes[p]);
		}
	}
	request_header_u64(request, "X-Account-Container-Count", r->containers);
	request_header_u64(request, "X-Account-Object-Count", objects);
	request_header_u64(request, "X-Account-Bytes-Used", bytes);
	/* One that is not there yet is as if it were made now. */
	ts_format(r->ts ? r->ts : request->ts, ts);
	http_header(request->http, "X-Timestamp", ts);
}

static void answer_acl(struct request *request, const struct backend_reply *r)
{
	const char *acl =
	        kv_get(r->headers.data, r->headers.len, "X-Account-Sysmeta-Core-Access-Control");

	if (acl && *acl && request->identity.owner)
		http_header(request->http, "X-Account-Access-Control", acl);
	const char *domain = kv_get(r->headers.data, r->headers.len, AUTH_PROJECT_DOMAIN);
	if (domain && *domain)
		http_header(request->http, "X-Account-Project-Domain-Id", domain);
}

static const char *hidden_name(struct request *request, const char *name)
{
	return name ? versions_container(request_arena(request), name) : NULL;
}

/* Containers with versions are not listed; what they take is told with those whose they are. */
static void plan_hidden(struct request *request, struct account *a)
{
	struct backend_list *list = &a->listing.list, *hidden = &a->hidden_listing.list;
	const char **last = list->reverse ? &list->marker : &list->end_marker;

	a->hidden_listing = a->listing;
	hidden->prefix = hidden_name(request, list->prefix ? list->prefix : "");
	hidden->marker = hidden_name(request, list->marker);
	hidden->end_marker = hidden_name(request, list->end_marker);
	hidden->path = NULL;
	/* No name of a client's is behind this one. */
	if ((!*last || !**last) && !request->proxy->backend->plain)
		*last = RESERVED;
}

static const struct buf *with_hidden(struct account *a, const struct buf *rows)
{
	const size_t skip = strlen(RESERVED "versions" RESERVED);
	bool reverse = a->listing.list.reverse;
	struct backend_row row, hidden;
	size_t hidden_at = 0;
	bool more = a->hidden.rows && !a->hidden.err &&
	            backend_rows_next(a->hidden.rows, &hidden_at, &hidden);

	if (!more)
		return rows;
	for (size_t at = 0; backend_rows_next(rows, &at, &row);) {
		int order;
		while (more && (order = strcmp(hidden.name + skip, row.name),
		                       reverse ? order > 0 : order < 0))
			more = backend_rows_next(a->hidden.rows, &hidden_at, &hidden);
		if (more && !row.subdir && !hidden.subdir &&
		        strcmp(hidden.name + skip, row.name) == 0)
			row.bytes += hidden.bytes;
		backend_rows_add(&a->rows, &row);
	}
	return &a->rows;
}

static enum step account_read(struct op *op)
{
	struct request *request = request_of(op);
	struct account *a = account_of(request);
	struct cluster *cluster = request_cluster(request);
	static const struct backend_reply nothing;
	static const struct buf no_rows;
	const char *text;
	enum err err;

	if (request->http->gone && !a->read.started)
		return STEP_DONE;
	if (!a->listing.credit.budget && !a->read.started) {
		int status = listing_parse(
		        request, cluster->limits.account_listing_limit, &a->listing, &text);
		if (status)
			return text ? request_fail_text(request, status, text)
			            : request_fail(request, status);
		if ((text = too_long(request)))
			return request_fail_text(request, 400, text);
		plan_hidden(request, a);
	}
	if (!request->head && !listing_credit(request, &a->listing, &err))
		return err ? request_fail(request, 503) : STEP_WAIT;
	bool known = request->head || request->proxy->backend->plain ||
	             db_read(&a->hidden, request, &a->hidden_listing);
	if (!db_read(&a->read, request, request->head ? NULL : &a->listing) || !known)
		return STEP_WAIT;
	const struct backend_reply *r = a->read.reply;
	const struct buf *rows = a->read.rows;
	if (a->read.err == ERR_UNAVAILABLE)
		return request_fail(request, 503);
	if (a->read.err == ERR_NOT_FOUND) {
		if (r->deleted) {
			http_header(request->http, "X-Account-Status", "Deleted");
			return request_fail(request, 410);
		}
		if (!cluster->account_autocreate)
			return request_fail(request, 404);
		r = &nothing;
		rows = &no_rows;
	}
	answer_totals(request, r);
	db_answer_headers(request, r);
	answer_acl(request, r);
	quota_account_answer(request, r);
	marks_account_answer(request, r);
	http_header(request->http, "Content-Type", listing_content_type(a->listing.format));
	if (request->head) {
		request_headers(request, 204);
		http_reply(request->http, 204, NULL, 0, 0);
		return STEP_DONE;
	}
	http_header(request->http, "Vary", "Accept");
	AUTO(buf) struct buf out = BUF_NONE;
	listing_render(
	        &out, a->listing.format, cluster, request->account, NULL, with_hidden(a, rows));
	request_headers(request, out.len ? 200 : 204);
	struct bytes *body = out.len ? bytes_copy(out.data, out.len) : NULL;
	http_reply(request->http, out.len ? 200 : 204, body, 0, out.len);
	return STEP_DONE;
}

static const struct op_state read_states[] = {
        {"prepare", request_prepare, TO(1), 15000},
        {"read", account_read, 0, 0},
};
const struct method account_get = {.name = "account-get", .states = read_states};

/* --- writes --- */

enum { PREPARE, WRITE, WAIT, CREATE };

static const char *collect(struct request *request, struct account *a)
{
	struct arena *arena = request_arena(request);
	const char *acl = http_get(request->http, "X-Account-Access-Control"), *clean, *wrong;

	db_headers(request, "account", &a->headers);
	if (!acl)
		return NULL;
	if ((wrong = acl_account_check(arena, acl, &clean)))
		return arena_printf(
		        arena, "X-Account-Access-Control invalid: %s\n\nInput: %s\n", wrong, acl);
	if (request->identity.owner)
		kv_add(&a->headers, "X-Account-Sysmeta-Core-Access-Control", clean);
	return NULL;
}

static enum step account_write(struct op *op)
{
	struct request *request = request_of(op);
	struct account *a = account_of(request);
	bool deletes = strcmp(request->http->method, "DELETE") == 0;
	const char *text = too_long(request);

	if (deletes && request->query.count)
		return request_fail(request, 400);
	if (!deletes &&
	        !info_get(&request->account_info, op, request->proxy, request->account, NULL))
		return STEP_WAIT;
	if (!deletes && !text && !(text = constraint_metadata(request, "account")) &&
	        !(text = constraint_stored_metadata(
	                  request, "account", request->account_info.info)))
		text = collect(request, a);
	if (text)
		return request_fail_text(request, 400, text);
	const char *domain =
	        deletes ? NULL : auth_project_domain(request, request->account_info.info);
	if (domain)
		kv_add(&a->headers, AUTH_PROJECT_DOMAIN, domain);
	int status = deletes ? 0 : quota_account_headers(request, &a->headers);
	if (!status && !deletes)
		status = marks_account_headers(request, &a->headers);
	if (status)
		return request_fail(request, status);
	db_write(&a->write, request,
	        deletes                                     ? BACKEND_DB_DELETE
	        : strcmp(request->http->method, "PUT") == 0 ? BACKEND_DB_PUT
	                                                    : BACKEND_DB_POST,
	        NULL, &a->headers, 0);
	return op_go(op, WAIT);
}

static enum step account_wait(struct op *op)
{
	struct request *request = request_of(op);
	struct account *a = account_of(request);
	bool puts = strcmp(request->http->method, "PUT") == 0;
	bool posts = strcmp(request->http->method, "POST") == 0, open;
	enum err err = db_outcome(&a->write, &open);

	if (open)
		return STEP_WAIT;
	if (err == ERR_NOT_FOUND && posts && request_cluster(request)->account_autocreate &&
	        !a->create.count) {
		db_write(&a->create, request, BACKEND_DB_PUT, NULL, NULL, 0);
		return op_go(op, CREATE);
	}
	if (err == ERR_OK || err == ERR_EXISTS) {
		info_changed(request_cluster(request), request->account, NULL);
		return request_empty(request, !puts ? 204 : err == ERR_OK ? 201 : 202);
	}
	return request_err(request, err);
}

static enum step account_create(struct op *op)
{
	struct request *request = request_of(op);
	struct account *a = account_of(request);
	bool open;
	enum err err = db_outcome(&a->create, &open);

	if (open)
		return STEP_WAIT;
	if (err != ERR_OK && err != ERR_EXISTS)
		return request_err(request, err);
	fan_done(&a->write);
	request->ts = hlc_now(request_cluster(request)->hlc);
	db_write(&a->write, request, BACKEND_DB_POST, NULL, &a->headers, 0);
	return op_go(op, WAIT);
}

static const struct op_state write_states[] = {
        [PREPARE] = {"prepare", request_prepare, TO(WRITE), 15000},
        [WRITE] = {"write", account_write, TO(WAIT), 0},
        [WAIT] = {"wait", account_wait, TO(CREATE), 0},
        [CREATE] = {"create", account_create, TO(WAIT), 0},
};
const struct method account_put = {.name = "account-put", .states = write_states, .writes = true};
const struct method account_post = {.name = "account-post", .states = write_states, .writes = true};
const struct method account_delete = {
        .name = "account-delete", .states = write_states, .writes = true};
