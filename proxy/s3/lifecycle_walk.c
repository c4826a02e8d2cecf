#include "proxy/s3/lifecycle_walk.h"

#include "proxy/errand.h"
#include "proxy/s3/deletion.h"
#include "proxy/s3/lifecycle.h"
#include "proxy/s3/tags.h"
#include "proxy/s3/transition.h"
#include "proxy/s3/upload.h"
#include "proxy/unit/reserved.h"
#include "proxy/unit/versions.h"

#include "lib/base/kv.h"
#include "lib/log/log.h"
#include <stdlib.h>
#include <string.h>

#define PAGE       1000
#define PAGE_BYTES (16u << 20)
#define AT_ONCE    8

const char *const lifecycle_counts[LIFECYCLE_COUNTS] = {
        "seen", "expired", "noncurrent", "moved", "markers", "aborted", "swept", "failed"};

enum { RULES, NOTED, LIST, ROWS, UPLOADS, ABORT, NOTE };

/* One that is due: to be deleted, or moved. */
struct due {
	struct s3_deletion deletion; /* the first member */
	struct s3_transition transition;
	struct page *page;
	enum lifecycle_count kind;
	bool latest;
	uint64_t successor, newer; /* of a noncurrent version */
	bool runs, moves, moved;
};

struct page {
	struct lifecycle_walk *walk;
	struct lifecycle rules;
	struct sub sub;
	bool asked;
	struct lifecycle_note note;
	struct jroot rows;
	size_t count, at; /* rows */
	struct due *due;
	unsigned due_count, next;
	struct ranged markers;
	bool listing, full;
	const char **uploads; /* markers' names of those that end */
	unsigned upload_count, upload_at;
	bool aborting, aborted;
	int abort_status;
};

static void page_done(struct request *request)
{
	struct page *p = request->own;

	for (unsigned i = 0; i < p->due_count; i++)
		s3_deletion_done(&p->due[i].deletion);
	sub_done(&p->sub);
	sub_done(&p->note.sub);
	jread_done(&p->rows);
	ranged_done(&p->markers);
}

static struct page *page_of(struct request *request)
{
	return request->own;
}

/* By the clock that objects get their times from, which may be ahead for a while after a restart.
 */
static uint64_t now_of(struct request *request)
{
	return hlc_now(request_cluster(request)->hlc);
}

static struct sub *ask(struct request *request, const char *method, const char *account,
        const char *container, const char *object, const char *query)
{
	struct page *p = page_of(request);

	sub_done(&p->sub);
	sub_init(&p->sub, request, NULL, SUB_AS_SYSTEM, method);
	sub_path(&p->sub, account, container, object, query);
	p->asked = true;
	return &p->sub;
}

static enum step go(struct request *request, unsigned state)
{
	page_of(request)->asked = false;
	return op_go(&request->op, state);
}

static enum step over(struct request *request, bool failed)
{
	struct lifecycle_walk *w = page_of(request)->walk;

	w->counts[LIFECYCLE_FAILED] += failed;
	w->ended |= failed;
	return STEP_DONE;
}

static enum step noted(struct op *op)
{
	struct request *request = request_of(op);
	struct page *p = page_of(request);

	if (!lifecycle_note_read(request, p->walk, &p->note))
		return STEP_WAIT;
	return p->walk->ended ? over(request, false) : go(request, LIST);
}

static enum step note(struct op *op)
{
	struct request *request = request_of(op);
	struct page *p = page_of(request);

	return lifecycle_note_write(request, p->walk, &p->note) ? over(request, false) : STEP_WAIT;
}

/* --- what is to be looked at --- */

/* All names that any rule may concern begin so. */
static const char *common_prefix(struct request *request, const struct lifecycle *rules)
{
	const char *first = NULL;
	size_t len = 0;

	for (unsigned i = 0; i < rules->count; i++) {
		const char *prefix = rules->rules[i].prefix ? rules->rules[i].prefix : "";
		if (!rules->rules[i].enabled)
			continue;
		if (!first)
			len = strlen(first = prefix);
		for (size_t k = 0; k < len; k++) {
			if (prefix[k] != first[k])
				len = k;
		}
	}
	return first ? arena_strndup(request_arena(request), first, len) : NULL;
}

/* Who says nothing of it has small objects stay; but for tests, whose days are shorter and whose
 * objects are small. */
static uint64_t least_of(const struct info *info, uint64_t day_s)
{
	const char *said = info_header(info, S3_TRANSITION_MIN);
	bool counts =
	        said && *said ? strcmp(said, S3_TRANSITION_ALL_128K) == 0 : day_s == LIFECYCLE_DAY;

	return counts ? S3_TRANSITION_SIZE_MIN : 0;
}

static enum step rules(struct op *op)
{
	struct request *request = request_of(op);
	struct page *p = page_of(request);
	struct lifecycle_walk *w = p->walk;

	if (!info_get(&request->container_info, op, request->proxy, request->account,
	            request->container))
		return STEP_WAIT;
	if (request->container_info.err)
		return over(request, true);
	const struct info *info = request->container_info.info;
	if (!info->exists || !lifecycle_parse(info_header(info, S3_LIFECYCLE),
	                             request_arena(request), &p->rules)) {
		w->ended = true;
		return over(request, false);
	}
	p->rules.least = least_of(info, w->day_s);
	bool first = !w->begun;
	w->begun = true;
	w->pages++;
	return go(request, w->uploads ? UPLOADS : first && w->round ? NOTED : LIST);
}

static void start_list(struct request *request)
{
	struct page *p = page_of(request);
	const struct lifecycle_walk *w = p->walk;
	AUTO(buf) struct buf query = BUF_NONE;

	buf_printf(&query, "versions&format=json&limit=%u", PAGE);
	query_add(&query, "prefix", common_prefix(request, &p->rules));
	query_add(&query, "marker", buf_text(&w->key));
	if (w->key.len)
		query_add(&query, "version_marker", buf_text(&w->version));
	sub_start(
	        ask(request, "GET", request->account, request->container, NULL, buf_text(&query)));
}

/* --- rows --- */

struct row {
	const char *key, *version;
	const char *id; /* the same, also of S3's "null" where that is one of those kept */
	const char *class;
	bool marker, latest;
	uint64_t bytes, ts;
};

static bool row_at(const struct page *p, size_t i, struct row *ret_row)
{
	const struct jval *v = jread_at(p->rows.value, i);
	const char *type = "", *date = "";
	struct row row = {.version = "null"};
	bool null = false;

	if (!jread_str(jread_get(v, "name"), &row.key))
		return false;
	jread_str(jread_get(v, "version_id"), &row.version);
	jread_bool(jread_get(v, "null_version"), &null);
	jread_bool(jread_get(v, "is_latest"), &row.latest);
	jread_str(jread_get(v, "storage_class"), &row.class);
	jread_u64(jread_get(v, "bytes"), UINT64_MAX, &row.bytes);
	if (jread_str(jread_get(v, "content_type"), &type))
		row.marker = strcmp(type, VERSIONS_MARKER) == 0;
	if (jread_str(jread_get(v, "last_modified"), &date))
		iso_date_parse(date, &row.ts);
	row.id = row.version;
	if (null)
		row.version = "null";
	*ret_row = row;
	return true;
}

static bool is_key(const struct page *p, size_t i, const char *key)
{
	struct row row;

	return row_at(p, i, &row) && strcmp(row.key, key) == 0;
}

/* What a HEAD has found, in place of what the listing said. */
static struct lifecycle_object object_of(const char *key, const struct sub *head)
{
	uint64_t modified = s3_modified(head);

	return (struct lifecycle_object){.key = key,
	        .tags = sub_get(head, S3_OBJECT_TAGS),
	        .class = sub_get(head, S3_CLASS),
	        .size = head->length,
	        .ts = modified ? modified : LIFECYCLE_NEVER};
}

static bool still_due(struct s3_deletion *d, const struct sub *head)
{
	struct page *p = page_of(d->request);
	const struct due *due = CONTAINER_OF(d, struct due, deletion);
	struct lifecycle_object object = object_of(d->key, head);
	uint64_t now = now_of(d->request), day_s = p->walk->day_s, at = LIFECYCLE_NEVER;
	const struct lifecycle_rule *rule;

	if (due->kind == LIFECYCLE_EXPIRED)
		at = object.ts == LIFECYCLE_NEVER
		             ? LIFECYCLE_NEVER
		             : lifecycle_expires(&p->rules, &object, day_s, &rule);
	if (due->kind == LIFECYCLE_NONCURRENT) {
		const char *size = sub_get(head, "X-Object-Sysmeta-Slo-Size");
		if (size && *size)
			object.size = strtoull(size, NULL, 10);
		object.ts = due->successor;
		at = lifecycle_noncurrent_expires(&p->rules, &object, due->newer, day_s);
	}
	return due->kind == LIFECYCLE_MARKERS || at <= now;
}

static const char *wanted_class(struct s3_transition *t, const struct sub *head)
{
	const struct due *due = CONTAINER_OF(t, struct due, transition);
	struct page *p = due->page;
	struct lifecycle_object object = object_of(t->key, head);

	if (!due->latest)
		object.ts = due->successor;
	return object.ts == LIFECYCLE_NEVER
	               ? NULL
	               : lifecycle_moves(&p->rules, &object,
	                         due->latest ? LIFECYCLE_CURRENT : due->newer,
	                         now_of(due->deletion.request), p->walk->day_s);
}

static void on_moved(struct s3_transition *t)
{
	struct due *due = CONTAINER_OF(t, struct due, transition);

	due->moved = true;
	op_child_end(&due->deletion.request->op);
}

static void start_move(struct request *request, struct due *due)
{
	struct page *p = page_of(request);
	uint64_t id = 0;

	if (!due->latest && !ts_parse(due->deletion.version, &id))
		id = 0;
	due->moves = true;
	due->transition = (struct s3_transition){.proxy = request->proxy,
	        .account = request->account,
	        .bucket = request->container,
	        .key = due->deletion.key,
	        .version = id,
	        .day_s = p->walk->day_s,
	        .wanted = wanted_class,
	        .done = on_moved};
	op_child_begin(&request->op);
	s3_transition_start(&due->transition);
}

static void add_due(struct request *request, const struct row *row, enum lifecycle_count kind)
{
	struct page *p = page_of(request);
	struct due *due = &p->due[p->due_count++];

	*due = (struct due){.kind = kind,
	        .page = p,
	        .latest = row->latest,
	        .successor = p->walk->successor,
	        .newer = p->walk->newer,
	        .deletion = {.request = request,
	                .key = row->key,
	                .version = kind == LIFECYCLE_EXPIRED ? NULL
	                           : kind == LIFECYCLE_MOVED ? row->id
	                                                     : row->version,
	                .still = still_due}};
}

static void look_at_row(struct request *request, const struct row *row, bool alone)
{
	struct page *p = page_of(request);
	uint64_t now = now_of(request), day_s = p->walk->day_s;
	const struct lifecycle_rule *rule;
	struct lifecycle_object object = {.key = row->key,
	        .any_tags = lifecycle_wants_tags(&p->rules),
	        .class = row->class,
	        .size = row->bytes,
	        .ts = row->ts};
	uint64_t newer = row->latest ? LIFECYCLE_CURRENT : p->walk->newer;
	unsigned before = p->due_count;

	if (!row->latest) {
		object.ts = p->walk->successor;
		if (lifecycle_noncurrent_expires(&p->rules, &object, p->walk->newer, day_s) <= now)
			add_due(request, row, LIFECYCLE_NONCURRENT);
	} else if (row->marker) {
		if (alone && lifecycle_marker_expires(&p->rules, &object, day_s) <= now)
			add_due(request, row, LIFECYCLE_MARKERS);
	} else if (lifecycle_expires(&p->rules, &object, day_s, &rule) <= now) {
		add_due(request, row, LIFECYCLE_EXPIRED);
	}
	if (p->due_count == before && !row->marker &&
	        lifecycle_moves(&p->rules, &object, newer, now, day_s))
		add_due(request, row, LIFECYCLE_MOVED);
}

/* The last row of a page that is full is the next one's: whether it is its key's only one is not
 * known before. */
static void look_at_rows(struct request *request)
{
	struct page *p = page_of(request);
	struct lifecycle_walk *w = p->walk;
	size_t found = jread_len(p->rows.value);
	struct row row;

	p->full = found == PAGE;
	p->count = found - p->full;
	p->due = arena_zalloc(request_arena(request), (p->count + 1) * sizeof(*p->due));
	for (size_t i = 0; i < p->count && row_at(p, i, &row); i++) {
		bool first = strcmp(buf_text(&w->key), row.key) != 0;
		if (first) {
			buf_reset(&w->key);
			buf_str(&w->key, row.key);
			w->newer = 0;
		}
		look_at_row(request, &row, first && !is_key(p, i + 1, row.key));
		w->newer += !row.latest;
		w->successor = row.ts;
		buf_reset(&w->version);
		buf_str(&w->version, row.id);
	}
	w->counts[LIFECYCLE_SEEN] += p->count;
}

static enum step list(struct op *op)
{
	struct request *request = request_of(op);
	struct page *p = page_of(request);

	if (!p->asked)
		start_list(request);
	if (!sub_collect(&p->sub, PAGE_BYTES))
		return STEP_WAIT;
	if (!sub_ok(&p->sub) || p->sub.failed ||
	        jread_parse(p->sub.text.data, p->sub.text.len, &p->rows))
		return over(request, true);
	look_at_rows(request);
	return go(request, ROWS);
}

static void count(struct page *p, const struct due *due)
{
	enum s3_error error = due->deletion.error;
	if (due->moves) {
		p->walk->counts[LIFECYCLE_MOVED] += due->transition.outcome == TRANSITION_MADE;
		p->walk->counts[LIFECYCLE_FAILED] += due->transition.outcome == TRANSITION_FAILED;
	} else if (!error)
		p->walk->counts[due->kind]++;
	else if (error != S3_PreconditionFailed && error != S3_AccessDenied)
		p->walk->counts[LIFECYCLE_FAILED]++;
}

static bool run(struct request *request, struct due *due)
{
	if (due->kind == LIFECYCLE_MOVED) {
		if (!due->moves)
			start_move(request, due);
		return due->moved;
	}
	request->s3->key = due->deletion.key;
	return s3_deletion_run(&due->deletion);
}

static enum step rows(struct op *op)
{
	struct request *request = request_of(op);
	struct page *p = page_of(request);
	struct lifecycle_walk *w = p->walk;
	unsigned open = 0;

	for (unsigned i = 0; i < p->due_count && open < AT_ONCE; i++) {
		struct due *due = &p->due[i];
		if (i >= p->next) {
			p->next = i + 1;
			due->runs = true;
		}
		if (!due->runs)
			continue;
		if (!run(request, due)) {
			open++;
			continue;
		}
		due->runs = false;
		count(p, due);
		s3_deletion_done(&due->deletion);
	}
	if (open)
		return STEP_WAIT;
	if (!p->full)
		w->uploads = true;
	if (w->uploads) {
		buf_reset(&w->key);
		buf_reset(&w->version);
	}
	return w->uploads ? go(request, UPLOADS) : go(request, NOTE);
}

/* --- uploads --- */

static bool ends_uploads(const struct lifecycle *rules)
{
	for (unsigned i = 0; i < rules->count; i++) {
		if (rules->rules[i].enabled && rules->rules[i].abort.set)
			return true;
	}
	return false;
}

static void look_at_uploads(struct request *request)
{
	struct page *p = page_of(request);
	struct lifecycle_walk *w = p->walk;
	struct arena *arena = request_arena(request);
	struct backend_row row;
	unsigned found = 0;

	p->uploads = arena_zalloc(arena, PAGE * sizeof(*p->uploads));
	for (size_t at = 0; backend_rows_next(p->markers.root.rows, &at, &row) && found < PAGE;
	        found++) {
		AUTO(buf) struct buf key = BUF_NONE;
		const char *id;
		buf_reset(&w->key);
		buf_str(&w->key, row.name);
		if (!upload_parse_marker(row.name, &key, &id))
			continue;
		const struct lifecycle_object upload = {
		        .key = buf_text(&key), .any_tags = true, .ts = upload_begun(id)};
		if (lifecycle_upload_ends(&p->rules, &upload, w->day_s) <= now_of(request))
			p->uploads[p->upload_count++] = arena_strdup(arena, row.name);
	}
	w->counts[LIFECYCLE_SEEN] += found;
	w->ended = found < PAGE;
}

static enum step uploads(struct op *op)
{
	struct request *request = request_of(op);
	struct page *p = page_of(request);
	struct lifecycle_walk *w = p->walk;

	if (!ends_uploads(&p->rules)) {
		w->ended = true;
		return go(request, NOTE);
	}
	if (!p->listing) {
		p->listing = true;
		p->markers.root = (struct db_read){.op = op,
		        .proxy = request->proxy,
		        .account = request->account,
		        .container = upload_container(request_arena(request), request->container)};
	}
	const struct backend_list page = {
	        .marker = w->key.len ? buf_text(&w->key) : NULL, .limit = PAGE};
	if (!ranged_rows(&p->markers, &page))
		return STEP_WAIT;
	if (p->markers.err && p->markers.err != ERR_NOT_FOUND)
		return over(request, true);
	if (p->markers.err)
		w->ended = true;
	else
		look_at_uploads(request);
	return go(request, ABORT);
}

static void on_aborted(void *owner, int status)
{
	struct request *request = owner;
	struct page *p = page_of(request);

	p->aborted = true;
	p->abort_status = status;
	op_child_end(&request->op);
}

/* As AbortMultipartUpload does it. */
static void start_abort(struct request *request, const char *marker)
{
	AUTO(buf) struct buf key = BUF_NONE;
	const char *id;

	upload_parse_marker(marker, &key, &id);
	struct request *errand =
	        errand_new(request->proxy, request->account, request->container, buf_text(&key));
	struct query_pair *pair = arena_zalloc(request_arena(errand), sizeof(*pair));
	*pair = (struct query_pair){"uploadId", arena_strdup(request_arena(errand), id)};
	errand->query = (struct query){.pairs = pair, .count = 1};
	errand->http->method = "DELETE";
	errand->s3->operation = s3_operation_find(errand->http, &errand->query, S3_OBJECT);
	op_child_begin(&request->op);
	errand_start(errand, errand->s3->operation->method, on_aborted, request);
}

static enum step abort_uploads(struct op *op)
{
	struct request *request = request_of(op);
	struct page *p = page_of(request);
	uint64_t *counts = p->walk->counts;

	for (; p->upload_at < p->upload_count; p->upload_at++) {
		if (!p->aborting) {
			p->aborting = true;
			p->aborted = false;
			start_abort(request, p->uploads[p->upload_at]);
		}
		if (!p->aborted)
			return STEP_WAIT;
		p->aborting = false;
		bool gone = p->abort_status / 100 == 2;
		counts[LIFECYCLE_ABORTED] += gone;
		counts[LIFECYCLE_FAILED] += !gone && p->abort_status != 404;
	}
	return p->walk->ended ? go(request, NOTE) : over(request, false);
}

/* --- */

static const struct op_state states[] = {
        [RULES] = {"rules", rules, TO(NOTED) | TO(LIST) | TO(UPLOADS), 0},
        [NOTED] = {"noted", noted, TO(LIST), 0},
        [LIST] = {"list", list, TO(ROWS), 0},
        [ROWS] = {"rows", rows, TO(UPLOADS) | TO(NOTE), 0},
        [UPLOADS] = {"uploads", uploads, TO(ABORT) | TO(NOTE), 0},
        [ABORT] = {"abort", abort_uploads, TO(NOTE), 0},
        [NOTE] = {"note", note, 0, 0},
};
static const struct method lifecycle_page = {.name = "s3-lifecycle", .states = states};

bool lifecycle_walks(const char *account, const char *container, const struct buf *headers)
{
	const char *kept = kv_get(headers->data, headers->len, S3_LIFECYCLE);

	return *account != '.' && !reserved_name(container) &&
	       (s3_segments_bucket(container) || (kept && *kept));
}

void lifecycle_page_over(void *owner, int status)
{
	struct lifecycle_walk *w = owner;

	(void)status;
	w->done(w);
}

void lifecycle_walk_page(struct lifecycle_walk *w)
{
	struct request *request = errand_new(w->proxy, w->account, w->container, NULL);

	if (s3_segments_bucket(w->container)) {
		lifecycle_sweep_page(request, w);
		return;
	}
	struct page *p = arena_zalloc(request_arena(request), sizeof(*p));

	p->walk = w;
	request->own = p;
	request->own_done = page_done;
	errand_start(request, &lifecycle_page, lifecycle_page_over, w);
}

void lifecycle_walk_done(struct lifecycle_walk *w)
{
	buf_done(&w->key);
	buf_done(&w->version);
	*w = (struct lifecycle_walk){0};
}
