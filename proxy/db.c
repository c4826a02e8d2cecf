#include "proxy/db.h"

#include "lib/base/kv.h"
#include "lib/base/mem.h"
#include "lib/base/mutant.h"
#include "proxy/gone.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define DEADLINE_MS 10000
#define REST_US     500000 /* as Swift waits for the last replicas */

static struct backend_msg *message(enum backend_op op, const char *account, const char *container)
{
	struct backend_msg *msg =
	        backend_msg_new(op, container ? BACKEND_CONTAINER : BACKEND_ACCOUNT);

	backend_msg_path(msg, account, container, NULL);
	return msg;
}

static struct backend_msg *list_message(const struct db_read *read, const struct backend_list *list)
{
	struct backend_msg *msg =
	        message(list ? BACKEND_DB_LIST : BACKEND_DB_HEAD, read->account, read->container);

	place_address(&read->place, msg);
	if (list) {
		msg->list = *list;
		msg->list.marker = backend_msg_strdup(msg, list->marker);
		msg->list.end_marker = backend_msg_strdup(msg, list->end_marker);
		msg->list.prefix = backend_msg_strdup(msg, list->prefix);
		msg->list.delimiter = backend_msg_strdup(msg, list->delimiter);
		msg->list.path = backend_msg_strdup(msg, list->path);
	}
	return msg;
}

static void start(struct db_read *read, const struct backend_list *list)
{
	struct place *place = &read->place;

	proxy_place(read->proxy->cluster, 0, read->account, read->container, NULL, place);
	unsigned need = proxy_prefer_local(read->proxy, place);
	read->started = true;
	patience_start(&read->patience, read->op);
	fan_start(&read->list, read->op, read->proxy, list_message(read, read->known ? NULL : list),
	        place->devices, 1, DEADLINE_MS);
	if (need > 1)
		fan_start(&read->heads, read->op, read->proxy, list_message(read, NULL),
		        place->devices + 1, need - 1, DEADLINE_MS);
}

/* More rows than wanted, as some may turn out to be none. */
#define SPARE_ROWS 100

static unsigned asked_rows(const struct db_read *read, const struct backend_list *list)
{
	unsigned limit = list ? list->limit : 0;

	/* Another system's devices have a limit of their own. */
	return limit && !read->proxy->backend->plain ? limit + SPARE_ROWS : limit;
}

static void start_all(struct db_read *read, const struct backend_list *list)
{
	struct backend_msg *msg = list_message(read, list);

	read->second = true;
	patience_start(&read->patience, read->op);
	msg->list.limit = asked_rows(read, list);
	fan_ask(&read->all, read->op, read->proxy, msg, &read->place, DEADLINE_MS);
}

static bool known(const struct backend_call *call)
{
	return call->answered && (call->reply.err == ERR_OK || call->reply.err == ERR_NOT_FOUND);
}

static bool same(const struct backend_call *a, const struct backend_call *b)
{
	return known(a) && known(b) && a->reply.err == b->reply.err &&
	       memcmp(a->reply.hash, b->reply.hash, sizeof(a->reply.hash)) == 0;
}

static void settle(struct db_read *read, const struct backend_reply *reply)
{
	read->reply = reply;
	read->rows = &reply->rows;
	read->err = reply->err;
	read->exact = reply->exact;
	read->done = true;
}

/* Rows that came while the page was read are on one replica, for all we know. */
static bool may_stand_for_others(const struct db_read *read, const struct backend_call *call)
{
	return call->reply.exact || call->reply.err || read->place.count == 1 ||
	       read->proxy->backend->plain;
}

static bool agree(struct db_read *read)
{
	const struct backend_call *first = &read->list.calls[0];

	if (!known(first) || !may_stand_for_others(read, first))
		return false;
	if (read->known && memcmp(first->reply.hash, read->known, sizeof(first->reply.hash)) != 0)
		return false;
	for (unsigned i = 0; i < read->heads.count && !MUTANT(list_of_one); i++) {
		if (!same(first, &read->heads.calls[i]))
			return false;
	}
	settle(read, &first->reply);
	return true;
}

static bool majority_agrees(struct db_read *read)
{
	const struct fan *all = &read->all;

	for (unsigned i = 0; i < all->count; i++) {
		uint64_t equals = 0;
		if (!may_stand_for_others(read, &all->calls[i]))
			continue;
		for (unsigned j = 0; j < all->count; j++) {
			if (same(&all->calls[i], &all->calls[j]))
				equals |= place_bit(&read->place, all->calls[j].device);
		}
		if (place_met(&read->place, equals)) {
			settle(read, &all->calls[i].reply);
			return true;
		}
	}
	return false;
}

static void fail(struct db_read *read, enum err err)
{
	read->err = err;
	read->done = true;
}

/* The pages of those that have answered. False when there is nothing to merge. */
static bool collect(struct db_read *read)
{
	const struct fan *all = &read->all;
	const struct backend_reply *best = NULL, *gone = NULL;
	enum gone verdict = gone_by(all, &read->place, 0);

	for (unsigned i = 0; i < all->count; i++) {
		const struct backend_reply *r = &all->calls[i].reply;
		if (!known(&all->calls[i]))
			continue;
		if (r->err == ERR_NOT_FOUND) {
			gone = !gone || r->delete_ts > gone->delete_ts ? r : gone;
			continue;
		}
		read->pages.bits[read->pages.count] = place_bit(&read->place, all->calls[i].device);
		read->pages.pages[read->pages.count++] = &r->rows;
		if (!best || r->put_ts > best->put_ts)
			best = r;
	}
	if (!fan_knows(all) || verdict == GONE_OPEN) {
		fail(read, ERR_UNAVAILABLE);
	} else if (gone && (!best || (gone->delete_ts > best->put_ts && verdict != GONE_NOT))) {
		settle(read, gone);
	} else {
		read->reply = best;
		return true;
	}
	return false;
}

/* A page tells no tombstones: whether a name is new on one replica or deleted on the other is asked
 * of those that gave the pages. */
static bool ask_names(struct db_read *read)
{
	uint32_t devices[PLACE_MAX];
	AUTO(buf) struct buf disputed = BUF_NONE;
	struct backend_row row;
	unsigned count = 0, n = 0;

	if (read->pages.count < 2 || (read->proxy->backend->plain && read->pages.need > 1))
		return false;
	listing_disputed(&read->pages, &disputed);
	for (size_t at = 0; backend_rows_next(&disputed, &at, &row);)
		n++;
	if (!n)
		return false;
	struct backend_msg *msg = message(BACKEND_DB_ROWS, read->account, read->container);
	place_address(&read->place, msg);
	struct backend_row *rows = backend_msg_alloc(msg, n * sizeof(*rows));
	for (size_t at = 0; backend_rows_next(&disputed, &at, &row);)
		rows[msg->row_count++].name = backend_msg_strdup(msg, row.name);
	msg->rows = rows;
	for (unsigned i = 0; i < read->all.count; i++) {
		const struct backend_call *call = &read->all.calls[i];
		for (unsigned p = 0; p < read->pages.count; p++) {
			if (read->pages.pages[p] == &call->reply.rows)
				devices[count++] = call->device;
		}
	}
	fan_start(&read->names, read->op, read->proxy, msg, devices, count, DEADLINE_MS);
	return true;
}

static void on_brought(struct row_put *put)
{
	struct db_read *read = put->owner;

	read->brought++;
	op_child_end(read->op);
}

/* They go where such rows always go: while it is split, perhaps not there where they were found. */
static void bring(struct db_read *read)
{
	struct backend_row row;

	for (size_t at = 0; backend_rows_next(&read->bring, &at, &row);)
		read->bring_count++;
	read->brings = mem_zalloc((read->bring_count + 1) * sizeof(*read->brings));
	read->brings_sent = true;
	unsigned n = 0;
	for (size_t at = 0; backend_rows_next(&read->bring, &at, &row); n++) {
		read->brings[n] = (struct row_put){.row = row, .done = on_brought, .owner = read};
		op_child_begin(read->op);
		rows_put(read->proxy, read->of_account ? read->of_account : read->account,
		        read->of_account ? read->of_container : read->container, &read->brings[n]);
	}
}

static bool brought(struct db_read *read)
{
	if (read->brought < read->bring_count)
		return false;
	for (unsigned i = 0; i < read->bring_count; i++) {
		if (read->brings[i].err)
			read->err = ERR_UNAVAILABLE;
	}
	read->done = true;
	return true;
}

/* What the pages, and those asked of names, come to. */
static bool told(struct db_read *read, const struct backend_list *list)
{
	struct listing_pages *pages = &read->pages;

	for (unsigned i = 0; i < read->names.count; i++) {
		const struct backend_call *call = &read->names.calls[i];
		if (call->reply.err) {
			fail(read, ERR_UNAVAILABLE);
			return true;
		}
		unsigned n = pages->count + pages->states++;
		pages->pages[n] = &call->reply.rows;
		pages->bits[n] = place_bit(&read->place, call->device);
	}
	listing_merge(pages, list ? list->limit : 0, &read->merged, &read->bring);
	read->rows = &read->merged;
	bring(read);
	return brought(read);
}

/* No majority agrees: the merge of what a majority says. */
static bool merged(struct db_read *read, const struct backend_list *list)
{
	struct listing_pages *pages = &read->pages;

	if (!read->collected) {
		read->collected = true;
		pages->asked = asked_rows(read, list);
		pages->reverse = list && list->reverse;
		if (!collect(read))
			return read->done;
		pages->need = listing_need(pages, &read->place);
		/* Where one does not know of the container at all, its rows cannot be brought. */
		pages->place = fan_with(&read->all, ERR_NOT_FOUND) || read->proxy->backend->plain
		                       ? NULL
		                       : &read->place;
		if (ask_names(read))
			return false;
	}
	if (fan_open(&read->names))
		return false;
	return read->brings_sent ? brought(read) : told(read, list);
}

/* What a majority agreed on, without the spare rows. */
static void cut(struct db_read *read, const struct backend_list *list)
{
	struct listing_pages page = {.pages = {read->rows}, .count = 1, .need = 1};

	if (!list)
		return;
	page.reverse = list->reverse;
	listing_merge(&page, list->limit, &read->merged, NULL);
	read->rows = &read->merged;
}

static bool first_asked(struct db_read *read, const struct backend_list *list)
{
	bool open = fan_open(&read->list) || fan_open(&read->heads);

	if (open && !read->patience.over)
		return false;
	if (agree(read))
		return true;
	bool again = read->known && !open;
	read->known = NULL;
	if (again) {
		fan_done(&read->list);
		fan_done(&read->heads);
		start(read, list);
	} else {
		start_all(read, list);
	}
	return false;
}

static bool ready(struct db_read *read, const struct backend_list *list)
{
	if (!read->started) {
		start(read, list);
		return false;
	}
	if (!read->second)
		return first_asked(read, list);
	if (!read->collected && majority_agrees(read)) {
		cut(read, list);
		return true;
	}
	if (!read->collected && fan_open(&read->all) &&
	        (!read->patience.over || !fan_knows(&read->all) ||
	                gone_by(&read->all, &read->place, 0) == GONE_OPEN))
		return false;
	return merged(read, list);
}

static void gather_points(struct db_read *read, const struct fan *fan, uint64_t delete_ts)
{
	struct backend_row point;

	for (unsigned i = 0; i < fan->count; i++) {
		const struct backend_reply *reply = &fan->calls[i].reply;
		if (!known(&fan->calls[i]))
			continue;
		for (size_t at = 0; backend_rows_next(&reply->points, &at, &point);) {
			if (point.ts > delete_ts)
				points_join(&read->points, &point);
		}
	}
}

/* A deletion that did not make it to a majority counts for nothing. */
static bool counts(const struct db_read *read, const struct backend_reply *reply)
{
	return read->err || !read->container || reply->delete_ts <= read->reply->put_ts;
}

bool db_read_of(struct db_read *read, const struct backend_list *list)
{
	const struct fan *fans[] = {&read->list, &read->heads, &read->all, &read->names};
	uint64_t delete_ts = 0;

	if (read->done)
		return true;
	if (!ready(read, list))
		return false;
	for (unsigned f = 0; f < COUNT_OF(fans); f++) {
		for (unsigned i = 0; i < fans[f]->count; i++) {
			const struct backend_call *call = &fans[f]->calls[i];
			if (known(call) && counts(read, &call->reply) &&
			        call->reply.delete_ts > delete_ts)
				delete_ts = call->reply.delete_ts;
		}
	}
	for (unsigned f = 0; f < COUNT_OF(fans); f++)
		gather_points(read, fans[f], delete_ts);
	return true;
}

bool db_read(struct db_read *read, struct request *request, const struct listing *listing)
{
	read->op = &request->op;
	read->proxy = request->proxy;
	read->account = request->account;
	read->container = request->container;
	return db_read_of(read, listing ? &listing->list : NULL);
}

void db_read_done(struct db_read *read)
{
	patience_done(&read->patience);
	fan_done(&read->list);
	fan_done(&read->heads);
	fan_done(&read->all);
	fan_done(&read->names);
	free(read->brings);
	buf_done(&read->bring);
	buf_done(&read->merged);
	buf_done(&read->points);
}

void db_write(struct fan *fan, struct request *request, enum backend_op op, const char *container,
        const struct buf *headers, unsigned policy)
{
	struct backend_msg *msg = message(op, request->account, container);
	struct place place;

	proxy_place(request_cluster(request), 0, request->account, container, NULL, &place);

	msg->ts = request->ts;
	msg->policy = (uint8_t)policy;
	if (headers)
		backend_msg_headers(msg, headers);
	fan_ask(fan, &request->op, request->proxy, msg, &place, DEADLINE_MS);
	/* Who reads there cannot tell which replica has the newer headers. */
	if (request->proxy->backend->plain)
		fan_wait_rest(fan, REST_US);
}

enum err db_outcome(const struct fan *fan, bool *ret_open)
{
	static const enum err sure[] = {ERR_CONFLICT, ERR_NOT_FOUND};
	uint64_t ok = fan_mask(fan, fan->place, ERR_OK);
	uint64_t exists = fan_mask(fan, fan->place, ERR_EXISTS);

	*ret_open = fan_waits(fan);
	if (*ret_open)
		return ERR_UNAVAILABLE;
	if (place_met(fan->place, ok | exists))
		return exists ? ERR_EXISTS : ERR_OK;
	for (unsigned i = 0; i < COUNT_OF(sure); i++) {
		if (fan_says(fan, sure[i]) &&
		        (sure[i] != ERR_NOT_FOUND || gone_by(fan, fan->place, 0) != GONE_OPEN))
			return sure[i];
	}
	*ret_open = fan_open(fan);
	/* A refusal for rows still there counts even when others have fewer rows. */
	if (!*ret_open && fan_with(fan, ERR_CONFLICT))
		return ERR_CONFLICT;
	return ERR_UNAVAILABLE;
}

static const char *const owner_headers[] = {"X-Container-Read", "X-Container-Write",
        "X-Container-Sync-Key", "X-Container-Sync-To", "X-Account-Meta-Temp-Url-Key",
        "X-Account-Meta-Temp-Url-Key-2", "X-Container-Meta-Temp-Url-Key",
        "X-Container-Meta-Temp-Url-Key-2", "X-Account-Access-Control"};

static bool only_for_owners(const char *name)
{
	for (unsigned i = 0; i < COUNT_OF(owner_headers); i++) {
		if (strcasecmp(name, owner_headers[i]) == 0)
			return true;
	}
	return false;
}

static bool passes(const char *name, const char *type)
{
	static const char *const plain[] = {"X-Container-Read", "X-Container-Write",
	        "X-Container-Sync-Key", "X-Container-Sync-To", "X-Versions-Location",
	        "X-Container-Rfc-Compliant-Etags"};

	if (has_prefix(name, "X-") && has_prefix(name + 2, type) &&
	        has_prefix(name + 2 + strlen(type), "-Sysmeta-"))
		return true;
	if (has_prefix(name, "X-") && has_prefix(name + 2, type) &&
	        has_prefix(name + 2 + strlen(type), "-Meta-"))
		return name[2 + strlen(type) + 6] != 0;
	if (strcmp(type, "account") == 0)
		return strcasecmp(name, "X-Account-Rfc-Compliant-Etags") == 0;
	for (unsigned i = 0; strcmp(type, "container") == 0 && i < COUNT_OF(plain); i++) {
		if (strcasecmp(name, plain[i]) == 0)
			return true;
	}
	return false;
}

void db_headers(struct request *request, const char *type, struct buf *block)
{
	struct arena *arena = request_arena(request);

	for (unsigned i = 0; i < request->http->header_count; i++) {
		const struct http_header *h = &request->http->headers[i];
		bool removes = has_prefix(h->name, "X-Remove-");
		char *name = removes ? arena_printf(arena, "X-%s", h->name + 9)
		                     : arena_strdup(arena, h->name);
		if (!passes(name, type) || (only_for_owners(name) && !request->identity.owner))
			continue;
		/* An explicit new value in the same request wins over its removal. */
		if (removes && http_get(request->http, name))
			continue;
		title_case(name);
		kv_add(block, name, removes ? "" : h->value);
	}
}

void db_answer_headers(struct request *request, const struct backend_reply *reply)
{
	struct kv_pair pair;

	for (size_t at = 0; kv_next(reply->headers.data, reply->headers.len, &at, &pair);) {
		if (!*pair.value || strcasestr(pair.name, "-Sysmeta-"))
			continue;
		if (only_for_owners(pair.name) && !request->identity.owner)
			continue;
		http_header(request->http, pair.name, pair.value);
	}
}
