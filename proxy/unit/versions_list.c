/* GET of a container with ?versions: the rows of the container and of the one with its versions, by
 * name, an object's from the newest on.
 *
 *   prepare -> read */
#include "proxy/listing.h"
#include "proxy/ranged.h"
#include "proxy/seal.h"
#include "proxy/unit/reserved.h"
#include "proxy/unit/shown.h"
#include "proxy/unit/versions.h"

#include "lib/base/mem.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct item {
	const char *name;
	unsigned order; /* among those of the same name */
	size_t at, len; /* its text */
};

/* The version that a name leads to. */
struct current {
	const char *name;
	uint64_t id;
	struct backend_row row;
	bool told;
};

struct both {
	struct listing listing, hidden_listing;
	struct ranged named, hidden;
	const char *hidden_name;
	struct buf texts; /* owned, of items */
	struct item *items;
	/* In the listing's order: */
	struct current *current;
	const char **plain, **subdirs; /* objects that are no versions; common prefixes */
	const char *latest;            /* the last name whose current version has been told */
	bool continues;                /* within the versions of the marker */
	unsigned item_count, current_count, plain_count, subdir_count;
};

static void list_done(struct request *request)
{
	struct both *l = request->own;

	credit_give(&l->listing.credit);
	ranged_done(&l->named);
	ranged_done(&l->hidden);
	buf_done(&l->texts);
}

/* --- what is asked of the versions --- */

static const char *escaped(struct request *request, const char *name, const char *more)
{
	AUTO(buf) struct buf out = BUF_NONE;

	versions_escape(name, &out);
	buf_str(&out, more);
	return arena_strdup(request_arena(request), buf_text(&out));
}

/* The text of a 400, or NULL. */
static const char *plan(struct request *request, struct both *l)
{
	const char *at = query_get(&request->query, "version_marker");
	const struct backend_list *list = &l->listing.list;
	struct backend_list *hidden = &l->hidden_listing.list;
	uint64_t id;

	l->hidden_listing = l->listing;
	if (at && !list->marker)
		return "version_marker param requires marker";
	if (list->marker && !at)
		hidden->marker = escaped(request, list->marker, "\x01\x01:");
	else if (at && strcmp(at, "null") == 0)
		hidden->marker = escaped(request, list->marker, "\x01\x01");
	else if (at && !ts_parse(at, &id))
		return "invalid version_marker param";
	l->continues = at && strcmp(at, "null") != 0;
	if (l->continues)
		hidden->marker = versions_object(request_arena(request), list->marker, id);
	if (list->delimiter && strpbrk(list->delimiter, "0123456789.\x01"))
		return "invalid delimiter param";
	hidden->end_marker = NULL;
	hidden->path = NULL;
	if (list->prefix)
		hidden->prefix = escaped(request, list->prefix, "");
	return NULL;
}

/* --- rows --- */

static int order(const struct both *l, const char *a, const char *b)
{
	return l->listing.list.reverse ? strcmp(b, a) : strcmp(a, b);
}

static bool among(const struct both *l, const char *const *names, unsigned count, const char *name)
{
	unsigned low = 0, high = count;

	while (low < high) {
		unsigned middle = (low + high) / 2;
		int o = order(l, names[middle], name);
		if (o == 0)
			return true;
		if (o < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

static void add(struct request *request, struct both *l, const struct backend_row *row,
        const char *name, const char *container, const char *id, bool latest)
{
	struct item *item = &l->items[l->item_count];
	struct backend_row own = *row;
	AUTO(buf) struct buf more = BUF_NONE;
	struct shown shown;

	*item = (struct item){.name = arena_strdup(request_arena(request), name),
	        .order = l->item_count,
	        .at = l->texts.len};
	l->item_count++;
	own.name = item->name;
	if (row->subdir) {
		listing_json_subdir(&l->texts, item->name);
	} else {
		shown_make(&own, request->account, container, &shown);
		buf_printf(&more, ", \"version_id\": \"%s\", \"is_latest\": %s", id,
		        latest ? "true" : "false");
		if (!shown.version)
			listing_json_link(&more, &shown);
		listing_json_object(&l->texts, &own, &shown, buf_text(&more));
		shown_done(&shown);
	}
	item->len = l->texts.len - item->at;
}

/* Objects that are no versions are told; of the others, which is the current one. */
static void take_named(struct request *request, struct both *l)
{
	const struct seal_keys *keys = request_cluster(request)->seal;
	struct unseal_rows sealed = {
	        keys, request->account, request->container, NULL, NULL, BUF_NONE};
	struct arena *arena = request_arena(request);
	struct backend_row row;

	for (size_t at = 0; backend_rows_next(l->named.root.rows, &at, &row);) {
		struct shown shown;
		if (row.subdir) {
			add(request, l, &row, row.name, request->container, "", false);
			l->subdirs[l->subdir_count++] = row.name;
			continue;
		}
		row.etag = arena_strdup(arena, unseal_row(&sealed, row.etag));
		shown_make(&row, request->account, request->container, &shown);
		if (shown.version) {
			l->current[l->current_count++] =
			        (struct current){row.name, shown.version, row, false};
		} else {
			add(request, l, &row, row.name, request->container, "null", true);
			l->plain[l->plain_count++] = row.name;
		}
		shown_done(&shown);
	}
	unseal_rows_done(&sealed);
}

static struct current *current_of(struct both *l, const char *name)
{
	unsigned low = 0, high = l->current_count;

	while (low < high) {
		unsigned middle = (low + high) / 2;
		int o = order(l, l->current[middle].name, name);
		if (o == 0)
			return &l->current[middle];
		if (o < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

/* Was the newest version of that name on a page before? */
static bool is_continued(const struct both *l, const char *name)
{
	const char *marker = l->listing.list.marker;

	return l->continues && !l->listing.list.reverse && marker && strcmp(marker, name) == 0;
}

static void take_version(struct request *request, struct both *l, const struct backend_row *row,
        const char *name, uint64_t id)
{
	struct current *current = current_of(l, name);
	bool latest = current && current->id == id;
	bool known = current || is_continued(l, name) ||
	             (l->latest && strcmp(l->latest, name) == 0) ||
	             among(l, l->plain, l->plain_count, name);
	char text[TS_TEXT_SIZE];

	if (!latest && !known && strcmp(row->content_type, VERSIONS_MARKER) == 0)
		latest = true;
	if (latest && current)
		current->told = true;
	else if (latest)
		l->latest = arena_strdup(request_arena(request), name);
	ts_format(id, text);
	add(request, l, row, name, l->hidden_name, text, latest);
}

static void take_hidden(struct request *request, struct both *l)
{
	const struct seal_keys *keys = request_cluster(request)->seal;
	struct unseal_rows sealed = {keys, request->account, l->hidden_name, NULL, NULL, BUF_NONE};
	struct backend_row row;
	uint64_t id;

	for (size_t at = 0; backend_rows_next(l->hidden.root.rows, &at, &row);) {
		AUTO(buf) struct buf name = BUF_NONE;
		if (row.subdir) {
			if (versions_unescape(row.name, strlen(row.name), &name) &&
			        !among(l, l->subdirs, l->subdir_count, buf_text(&name)))
				add(request, l, &row, buf_text(&name), l->hidden_name, "", false);
			continue;
		}
		if (!versions_parse(row.name, &name, &id))
			continue;
		row.etag = unseal_row(&sealed, row.etag);
		take_version(request, l, &row, buf_text(&name), id);
	}
	unseal_rows_done(&sealed);
}

/* Links whose version is not on this page, or nowhere. */
static void take_rest(struct request *request, struct both *l)
{
	char text[TS_TEXT_SIZE];

	for (unsigned i = 0; i < l->current_count; i++) {
		const struct current *c = &l->current[i];
		ts_format(c->id, text);
		if (!c->told)
			add(request, l, &c->row, c->name, request->container, text, true);
	}
}

static int by_name(const void *a, const void *b)
{
	const struct item *left = a, *right = b;
	int order = strcmp(left->name, right->name);

	return order ? order : (left->order > right->order) - (left->order < right->order);
}

static int by_name_reverse(const void *a, const void *b)
{
	const struct item *left = a, *right = b;
	int order = strcmp(right->name, left->name);

	return order ? order : (left->order > right->order) - (left->order < right->order);
}

static void sort(struct both *l, struct buf *out)
{
	bool reverse = l->listing.list.reverse;

	if (l->item_count)
		qsort(l->items, l->item_count, sizeof(*l->items),
		        reverse ? by_name_reverse : by_name);
	buf_char(out, '[');
	for (unsigned i = 0; i < l->item_count && i < l->listing.list.limit; i++) {
		if (i)
			buf_str(out, ", ");
		buf_add(out, l->texts.data + l->items[i].at, l->items[i].len);
	}
	buf_char(out, ']');
}

/* --- the request --- */

static enum step prepare(struct request *request, struct both *l)
{
	const char *format = query_get(&request->query, "format"), *text;
	const char *accept = http_get(request->http, "Accept");
	int status = listing_parse(request,
	        request_cluster(request)->limits.container_listing_limit, &l->listing, &text);

	if (status)
		return text ? request_fail_text(request, status, text)
		            : request_fail(request, status);
	bool json = format ? l->listing.format == LISTING_JSON
	                   : !accept || !*accept || strcasestr(accept, "application/json") ||
	                             strstr(accept, "*/*") || strcasestr(accept, "application/*");
	if (!json)
		return request_fail(request, 406);
	if ((text = plan(request, l)))
		return request_fail_text(request, 400, text);
	l->hidden_name = versions_container(request_arena(request), request->container);
	l->named.totals = true;
	l->named.root = (struct db_read){.op = &request->op,
	        .proxy = request->proxy,
	        .account = request->account,
	        .container = request->container};
	l->hidden.root = (struct db_read){.op = &request->op,
	        .proxy = request->proxy,
	        .account = request->account,
	        .container = l->hidden_name};
	return STEP_NEXT;
}

static void answer(struct request *request, struct both *l)
{
	struct arena *arena = request_arena(request);
	size_t room = 2 * (size_t)l->listing.list.limit + 1;
	AUTO(buf) struct buf out = BUF_NONE;

	room += l->listing.list.limit;
	l->items = arena_alloc(arena, room * sizeof(*l->items));
	l->current = arena_alloc(arena, room * sizeof(*l->current));
	l->plain = arena_alloc(arena, room * sizeof(*l->plain));
	l->subdirs = arena_alloc(arena, room * sizeof(*l->subdirs));
	take_named(request, l);
	if (!l->hidden.err)
		take_hidden(request, l);
	take_rest(request, l);
	sort(l, &out);
	container_totals(request, &l->named);
	db_answer_headers(request, l->named.root.reply);
	http_header(request->http, "Content-Type", listing_content_type(LISTING_JSON));
	http_header(request->http, "Vary", "Accept");
	request_headers(request, 200);
	http_reply_text(request->http, 200, buf_text(&out));
}

static enum step list_read(struct op *op)
{
	struct request *request = request_of(op);
	struct both *l = request->own;
	enum err err;

	if (!l) {
		l = request->own = arena_zalloc(request_arena(request), sizeof(*l));
		request->own_done = list_done;
		enum step step = prepare(request, l);
		if (step != STEP_NEXT)
			return step;
	}
	if (request->http->gone && !l->named.root.started)
		return STEP_DONE;
	if (!listing_credit(request, &l->listing, &err))
		return err ? request_fail(request, 503) : STEP_WAIT;
	bool named = ranged_rows(&l->named, &l->listing.list);
	bool hidden = ranged_rows(&l->hidden, &l->hidden_listing.list);
	if (!named || !hidden)
		return STEP_WAIT;
	if (l->named.err)
		return request_err(request, l->named.err);
	if (l->hidden.err && l->hidden.err != ERR_NOT_FOUND)
		return request_err(request, l->hidden.err);
	answer(request, l);
	return STEP_DONE;
}

static const struct op_state states[] = {
        {"prepare", request_prepare, TO(1), 15000},
        {"read", list_read, 0, 0},
};
const struct method versions_list = {.name = "versions-list", .states = states};
