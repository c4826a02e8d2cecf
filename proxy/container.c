/* Containers: GET and HEAD, PUT, POST, DELETE.
 *
 *   GET/HEAD  prepare -> read
 *   PUT       prepare -> check (-> account) (-> sync) -> write -> wait -> row
 *   POST      prepare -> check (-> sync) -> write -> wait
 *   DELETE    prepare -> check -> empty (-> still) -> write -> wait (-> drop) -> row
 *
 * A container in ranges is deleted when no range has a row; each is asked to stay as it is
 * meanwhile.
 */
#include "proxy/db.h"
#include "proxy/drop.h"
#include "proxy/pages.h"
#include "proxy/quota.h"
#include "proxy/sync_queue.h"
#include "proxy/unit/reserved.h"

#include "lib/base/kv.h"
#include <string.h>
#include <strings.h>

struct container {
	struct ranged read;
	struct listing listing;
	struct fan write, create;
	struct drop drop;
	struct buf headers;
	struct buf sync_name; /* of the row that queues all objects there are; empty: none */
	struct row_put row, sync;
	unsigned policy;
	int status;
	bool row_sent, row_done, sync_sent, sync_done, creating;
};

static void container_done(struct request *request)
{
	struct container *c = request->own;

	credit_give(&c->listing.credit);
	drop_done(&c->drop);
	ranged_done(&c->read);
	fan_done(&c->write);
	fan_done(&c->create);
	buf_done(&c->headers);
	buf_done(&c->sync_name);
}

static struct container *container_of(struct request *request)
{
	if (!request->own) {
		request->own = arena_zalloc(request_arena(request), sizeof(struct container));
		request->own_done = container_done;
	}
	return request->own;
}

void container_totals(struct request *request, const struct ranged *read)
{
	const struct backend_reply *r = read->root.reply;
	const struct policy *policy =
	        &request_cluster(request)->policies[r->policy % BACKEND_POLICIES];
	uint64_t objects = 0, bytes = 0;
	char ts[TS_TEXT_SIZE], date[HTTP_DATE_SIZE];

	for (unsigned p = 0; p < BACKEND_POLICIES; p++) {
		objects += read->count[p];
		bytes += read->bytes[p];
	}
	request_header_u64(request, "X-Container-Object-Count", objects);
	request_header_u64(request, "X-Container-Bytes-Used", bytes);
	ts_format(r->ts, ts);
	http_header(request->http, "X-Timestamp", ts);
	uint64_t changed = r->meta_ts > r->put_ts ? r->meta_ts : r->put_ts;
	http_date_format((int64_t)((changed + TS_PER_SECOND - 1) / TS_PER_SECOND), date);
	http_header(request->http, "Last-Modified", date);
	http_header(request->http, "Accept-Ranges", "bytes");
	if (policy->name)
		http_header(request->http, "X-Storage-Policy", policy->name);
}

static enum step answer_list(struct request *request, struct container *c)
{
	struct bytes *body = pages_render(request->proxy, request, &c->listing, &c->read.root);
	size_t len = body ? body->len : 0;

	request_headers(request, len ? 200 : 204);
	http_reply(request->http, len ? 200 : 204, body, 0, len);
	return STEP_DONE;
}

static enum step container_read(struct op *op)
{
	struct request *request = request_of(op);
	struct container *c = container_of(request);
	const char *text;
	enum err err;

	if (request->http->gone && !c->read.root.started)
		return STEP_DONE;
	if (!c->listing.credit.budget && !c->read.root.started) {
		int status = listing_parse(request,
		        request_cluster(request)->limits.container_listing_limit, &c->listing,
		        &text);
		if (status)
			return text ? request_fail_text(request, status, text)
			            : request_fail(request, status);
	}
	if (!request->head && !listing_credit(request, &c->listing, &err))
		return err ? request_fail(request, 503) : STEP_WAIT;
	if (!ranged_read(&c->read, request, request->head ? NULL : &c->listing))
		return STEP_WAIT;
	if (c->read.err)
		return request_err(request, c->read.err);
	container_totals(request, &c->read);
	db_answer_headers(request, c->read.root.reply);
	http_header(request->http, "Content-Type", listing_content_type(c->listing.format));
	http_header(request->http, "Vary", "Accept");
	if (request->head) {
		request_headers(request, 204);
		http_reply(request->http, 204, NULL, 0, 0);
		return STEP_DONE;
	}
	return answer_list(request, c);
}

static const struct op_state read_states[] = {
        {"prepare", request_prepare, TO(1), 15000},
        {"read", container_read, 0, 0},
};
const struct method container_get = {.name = "container-get", .states = read_states};

/* --- writes --- */

enum { PREPARE, CHECK, ACCOUNT, SYNC, WRITE, WAIT, DROP, ROW };

static bool is_put(const struct request *request)
{
	return strcmp(request->http->method, "PUT") == 0;
}

static bool is_delete(const struct request *request)
{
	return strcmp(request->http->method, "DELETE") == 0;
}

static bool list_names(const char *list, const char *name)
{
	while (*list) {
		size_t len = strcspn(list, ", ");
		if (len == strlen(name) && strncasecmp(list, name, len) == 0)
			return true;
		list += len + (list[len] != 0);
	}
	return false;
}

/* The policy a PUT asks for; NULL when it is fine, else the text of the 400. */
static const char *choose_policy(struct request *request, struct container *c)
{
	struct cluster *cluster = request_cluster(request);
	const struct info *info = request->container_info.info;
	const char *name = http_get(request->http, "X-Storage-Policy");

	c->policy = info->exists ? info->policy : cluster->policy_default;
	if (!name || !*name)
		return NULL;
	for (unsigned i = 0; i < BACKEND_POLICIES; i++) {
		const struct policy *p = &cluster->policies[i];
		if (!p->rings || (strcasecmp(p->name, name) != 0 && !list_names(p->aliases, name)))
			continue;
		if (p->deprecated)
			return arena_printf(
			        request_arena(request), "Storage Policy '%s' is deprecated", name);
		c->policy = i;
		return NULL;
	}
	return arena_printf(request_arena(request), "Invalid X-Storage-Policy '%s'", name);
}

/* What was queued for another cluster until now is not meant for this one. */
static void set_synced(struct request *request, struct container *c)
{
	const struct info *info = request->container_info.info;
	const char *to = kv_get(c->headers.data, c->headers.len, SYNC_TO),
	           *old = info_header(info, SYNC_TO);
	char since[TS_TEXT_SIZE];

	if (!to || request->proxy->backend->plain || (sync_since(info) && strcmp(to, old) == 0))
		return;
	ts_format(hlc_now(request_cluster(request)->hlc), since);
	if (*to)
		sync_row_name(&c->sync_name, request->account, request->container, since, "");
	kv_add(&c->headers, SYNC_SINCE, since); /* `to` is in there: gone from here on */
}

static const char *collect(struct request *request, struct container *c)
{
	static const char *const acls[] = {"X-Container-Read", "X-Container-Write"};
	struct arena *arena = request_arena(request);
	struct http_req *http = request->http;
	const char *error = NULL;

	for (unsigned i = 0; i < http->header_count; i++) {
		for (unsigned a = 0; a < COUNT_OF(acls); a++) {
			if (strcasecmp(http->headers[i].name, acls[a]) != 0)
				continue;
			http->headers[i].value =
			        acl_clean(arena, acls[a], http->headers[i].value, &error);
			if (error)
				return error;
		}
	}
	if ((error = quota_container_headers(request)) ||
	        (error = constraint_metadata(request, "container")) ||
	        (error = constraint_stored_metadata(
	                 request, "container", request->container_info.info)))
		return error;
	db_headers(request, "container", &c->headers);
	set_synced(request, c);
	return NULL;
}

static enum step next_write(struct op *op)
{
	return op_go(op, container_of(request_of(op))->sync_name.len ? SYNC : WRITE);
}

static enum step container_check(struct op *op)
{
	struct request *request = request_of(op);
	struct container *c = container_of(request);
	const struct info *info = request->container_info.info;
	unsigned max = request_cluster(request)->limits.max_container_name;
	size_t len = strlen(request->container);
	const char *text = NULL;

	if (!is_delete(request))
		text = collect(request, c);
	if (!text && is_put(request))
		text = choose_policy(request, c);
	if (text)
		return request_fail_text(request, 400, text);
	if (len > max && is_put(request) && !reserved_name(request->container))
		return request_fail_html(request, 400,
		        arena_printf(request_arena(request),
		                "Container name length of %zu longer than %u", len, max));
	max = request_cluster(request)->limits.max_account_name;
	if (strlen(request->account) > max && is_put(request))
		return request_fail_html(request, 400,
		        arena_printf(request_arena(request),
		                "Account name length of %zu longer than %u",
		                strlen(request->account), max));
	if (!is_put(request))
		return !info->exists        ? request_fail(request, 404)
		       : is_delete(request) ? op_go(op, DROP)
		                            : next_write(op);
	if (info->exists && c->policy != info->policy)
		return request_fail(request, 409);
	return op_go(op, ACCOUNT);
}

static void on_sync(struct row_put *put)
{
	struct container *c = CONTAINER_OF(put, struct container, sync);

	c->sync_done = true;
	op_child_end(put->owner);
}

/* All objects there are, are to be synced. Before it is set: a client that is refused here, and
 * tries again, has set nothing yet. */
static enum step container_sync(struct op *op)
{
	struct request *request = request_of(op);
	struct container *c = container_of(request);
	static const char first[] = {SYNC_FIRST, 0};

	if (!c->sync_sent) {
		c->sync_sent = true;
		c->sync = (struct row_put){
		        .row = {.name = buf_text(&c->sync_name),
		                .content_type = first,
		                .etag = "",
		                .ts = hlc_now(request_cluster(request)->hlc)},
		        .done = on_sync,
		        .owner = op,
		};
		op_child_begin(op);
		rows_put(request->proxy, SYNC_ACCOUNT, SYNC_CONTAINER, &c->sync);
	}
	if (!c->sync_done)
		return STEP_WAIT;
	if (c->sync.err)
		return request_fail(request, 503);
	return op_go(op, WRITE);
}

static enum step container_account(struct op *op)
{
	struct request *request = request_of(op);
	struct container *c = container_of(request);
	bool open;

	if (!info_get(&request->account_info, op, request->proxy, request->account, NULL))
		return STEP_WAIT;
	if (request->account_info.err)
		return request_fail(request, 503);
	if (request->account_info.info->exists)
		return next_write(op);
	if (!request_cluster(request)->account_autocreate || request->account_info.info->deleted)
		return request_fail(request, 404);
	if (!c->creating) {
		AUTO(buf) struct buf headers = BUF_NONE;
		const char *domain = auth_project_domain(request, request->account_info.info);
		if (domain)
			kv_add(&headers, AUTH_PROJECT_DOMAIN, domain);
		c->creating = true;
		db_write(&c->create, request, BACKEND_DB_PUT, NULL, domain ? &headers : NULL, 0);
		return STEP_WAIT;
	}
	enum err err = db_outcome(&c->create, &open);
	if (open)
		return STEP_WAIT;
	if (err != ERR_OK && err != ERR_EXISTS)
		return request_fail(request, 503);
	info_changed(request_cluster(request), request->account, NULL);
	return next_write(op);
}

/* With all its ranges. */
static enum step container_drop(struct op *op)
{
	struct request *request = request_of(op);
	struct container *c = container_of(request);

	if (!c->drop.ts) {
		c->drop.ts = request->ts;
		c->drop.read.root = (struct db_read){.op = op,
		        .proxy = request->proxy,
		        .account = request->account,
		        .container = request->container};
	}
	if (!drop_ready(&c->drop))
		return STEP_WAIT;
	info_changed(request_cluster(request), request->account, request->container);
	if (c->drop.err && c->drop.err != ERR_EXISTS)
		return request_err(request, c->drop.err);
	c->status = 204;
	return op_go(op, ROW);
}

static enum step container_write(struct op *op)
{
	struct request *request = request_of(op);
	struct container *c = container_of(request);

	db_write(&c->write, request, is_put(request) ? BACKEND_DB_PUT : BACKEND_DB_POST,
	        request->container, &c->headers, c->policy);
	return op_go(op, WAIT);
}

static enum step container_wait(struct op *op)
{
	struct request *request = request_of(op);
	struct container *c = container_of(request);
	bool open;
	enum err err = db_outcome(&c->write, &open);

	if (open)
		return STEP_WAIT;
	info_changed(request_cluster(request), request->account, request->container);
	if (err != ERR_OK && err != ERR_EXISTS)
		return request_err(request, err);
	c->status = !is_put(request) ? 204 : err == ERR_OK ? 201 : 202;
	return is_put(request) ? op_go(op, ROW) : request_empty(request, c->status);
}

static void on_row(struct row_put *put)
{
	struct container *c = CONTAINER_OF(put, struct container, row);

	c->row_done = true;
	op_child_end(put->owner);
}

/* The account learns of the container before the client does. */
static enum step container_row(struct op *op)
{
	struct request *request = request_of(op);
	struct container *c = container_of(request);

	if (!c->row_sent) {
		c->row_sent = true;
		c->row = (struct row_put){
		        .row = {.name = request->container,
		                .ts = request->ts,
		                .policy = (uint8_t)c->policy,
		                .deleted = is_delete(request)},
		        .done = on_row,
		        .owner = op,
		};
		op_child_begin(op);
		rows_put(request->proxy, request->account, NULL, &c->row);
	}
	if (!c->row_done)
		return STEP_WAIT;
	return c->row.err ? request_fail(request, 503) : request_empty(request, c->status);
}

static const struct op_state write_states[] = {
        [PREPARE] = {"prepare", request_prepare, TO(CHECK), 15000},
        [CHECK] = {"check", container_check, TO(ACCOUNT) | TO(DROP) | TO(SYNC) | TO(WRITE), 0},
        [ACCOUNT] = {"account", container_account, TO(SYNC) | TO(WRITE), 0},
        [WRITE] = {"write", container_write, TO(WAIT), 0},
        [SYNC] = {"sync", container_sync, TO(WRITE), 0},
        [WAIT] = {"wait", container_wait, TO(ROW), 0},
        [DROP] = {"drop", container_drop, TO(ROW), 0},
        [ROW] = {"row", container_row, 0, 0},
};
const struct method container_put = {
        .name = "container-put", .states = write_states, .writes = true};
const struct method container_post = {
        .name = "container-post", .states = write_states, .writes = true};
const struct method container_delete = {
        .name = "container-delete", .states = write_states, .writes = true};
