/* DELETE of a manifest and all that it names, manifests among it: the segments first, and then the
 * manifests. Or, behind the answer: the segments are noted for the expirer, which deletes them once
 * the manifest is gone; if it stays the notes are taken back.
 *
 *   delete
 *   look -> allow -> note -> last -> take back */
#include "proxy/commit.h"
#include "proxy/manifest.h"
#include "proxy/pipeline.h"
#include "proxy/rows.h"
#include "proxy/unit/deleter.h"
#include "proxy/unit/reserved.h"
#include "proxy/unit/slo.h"

#include "lib/base/mem.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- a manifest, read --- */

struct reading {
	struct sub sub;
	struct manifest manifest;
	int status; /* 0: it is one */
	const char *text;
};

static void reading_start(struct reading *r, struct request *request, const char *container,
        const char *object, const char *version)
{
	AUTO(buf) struct buf query = BUF_NONE;

	buf_str(&query, "multipart-manifest=get");
	if (version) {
		buf_str(&query, "&version-id=");
		url_quote(&query, version, "");
	}
	sub_init(&r->sub, request, &unit_slo, SUB_AS_CLIENT, "GET");
	sub_path(&r->sub, request->account, container, object, buf_text(&query));
	sub_start(&r->sub);
}

static void reading_fail(struct reading *r, int status, const char *text)
{
	r->status = status;
	r->text = text;
}

/* True when it is over: manifest, or status and text. */
static bool reading_ready(struct reading *r)
{
	if (!sub_headed(&r->sub))
		return false;
	r->status = 0;
	if (r->sub.status == 404) {
		reading_fail(r, 404, "SLO manifest not found");
	} else if (r->sub.status == 401) {
		reading_fail(r, 401, "401 Unauthorized");
	} else if (!sub_ok(&r->sub)) {
		reading_fail(r, 500, "Unable to load SLO manifest or segment.");
	} else if (!is_true(sub_get(&r->sub, "X-Static-Large-Object"))) {
		reading_fail(r, 400, "Not an SLO manifest");
	} else {
		if (!sub_collect(&r->sub, MANIFEST_BYTES_MAX))
			return false;
		if (r->sub.failed ||
		        manifest_read(&r->manifest, buf_text(&r->sub.text), r->sub.text.len))
			reading_fail(r, 500, "Unable to load SLO manifest");
	}
	sub_done(&r->sub);
	return true;
}

/* --- all of it now --- */

struct item {
	struct item *next;
	bool is_slo; /* still to be looked into */
	int status;
	const char *fault, *version;
	char name[];
};

struct delete
{
	struct report report;
	struct deleter deleter;
	struct item *first, **last, *current; /* owned; current: what was handed out */
	unsigned count, looked;               /* in the list; manifests */
	struct reading reading;
	bool reads, too_many;
};

static void delete_done(struct request *request)
{
	struct delete *d = request->own;

	deleter_done(&d->deleter);
	report_done(&d->report);
	sub_done(&d->reading.sub);
	manifest_done(&d->reading.manifest);
	for (struct item *i = d->first, *next; i; i = next) {
		next = i->next;
		free(i);
	}
	free(d->current);
}

static void append(struct delete *d, struct item *item)
{
	item->next = NULL;
	*d->last = item;
	d->last = &item->next;
	d->count++;
}

static struct item *item_new(const char *name, bool is_slo, const char *version)
{
	struct item *i = mem_zalloc(sizeof(*i) + strlen(name) + 1);

	memcpy(i->name, name, strlen(name) + 1);
	i->is_slo = is_slo;
	i->version = version;
	return i;
}

static struct item *take_first(struct delete *d)
{
	struct item *i = d->first;

	d->first = i->next;
	if (!d->first)
		d->last = &d->first;
	d->count--;
	return i;
}

/* The manifest at the head of the list has been read: what it names comes behind all that is there,
 * and itself behind that. */
static void open_first(struct delete *d)
{
	struct item *i = take_first(d);
	struct manifest *m = &d->reading.manifest;

	i->is_slo = false;
	i->status = d->reading.status;
	i->fault = d->reading.text;
	for (unsigned k = 0; !i->status && k < m->count; k++) {
		if (m->segments[k].path)
			append(d, item_new(m->segments[k].path, m->segments[k].is_slo, NULL));
	}
	append(d, i);
	manifest_done(m);
}

static enum step next(struct deleter *deleter, struct deletion *ret)
{
	struct delete *d = CONTAINER_OF(deleter, struct delete, deleter);
	struct request *request = deleter->request;
	unsigned max = request_cluster(request)->limits.slo_segments * 10;
	const char *container, *object;

	while (d->first && d->first->is_slo) {
		if (d->count > max || d->looked > max) {
			d->too_many = true;
			return STEP_DONE;
		}
		if (!d->reads) {
			d->reads = true;
			d->looked++;
			deleter_cut(request_arena(request), d->first->name, &container, &object);
			reading_start(&d->reading, request, container, object, d->first->version);
		}
		if (!reading_ready(&d->reading))
			return STEP_WAIT;
		d->reads = false;
		open_first(d);
	}
	if (!d->first)
		return STEP_DONE;
	free(d->current);
	d->current = take_first(d);
	*ret = (struct deletion){.name = d->current->name,
	        .version = d->current->version,
	        .status = d->current->status,
	        .fault = d->current->fault};
	return STEP_NEXT;
}

static enum step delete_run(struct op *op)
{
	struct request *request = request_of(op);
	const struct limits *limits = &request_cluster(request)->limits;
	struct delete *d = request->own;

	if (!d) {
		d = request->own = arena_zalloc(request_arena(request), sizeof(*d));
		request->own_done = delete_done;
		d->last = &d->first;
		report_init(&d->report, request);
		d->deleter = (struct deleter){.request = request,
		        .report = &d->report,
		        .maker = &unit_slo,
		        .next = next,
		        .at_once = limits->slo_delete_concurrency,
		        .failures_max = limits->bulk_failed_deletes};
		append(d, item_new(arena_printf(request_arena(request), "/%s/%s",
		                           request->container, request->object),
		                  true, query_get(&request->query, "version-id")));
		if (!d->report.acceptable)
			return deleter_answer(&d->deleter, 406, "");
		report_beat(&d->report, 200, limits->bulk_yield_s, false);
	}
	if (request->http->gone)
		return STEP_DONE;
	if (!deleter_run(&d->deleter))
		return STEP_WAIT;
	if (d->too_many)
		return deleter_answer(
		        &d->deleter, 400, "Too many buffered slo segments to delete.");
	return deleter_answer(&d->deleter, 0, NULL);
}

static const struct op_state states[] = {{"delete", delete_run, 0, 0}};
const struct method slo_delete = {.name = "slo-delete", .states = states, .writes = true};

/* --- segments behind the answer --- */

enum { LOOK, ALLOW, NOTE, LAST, TAKE_BACK };

struct async {
	struct request *request;
	struct reading reading;
	const char *container; /* of all segments */
	struct info_fetch facts, account_info;
	struct row_put *rows;
	const char *type; /* of their rows */
	uint64_t ts;      /* of the notes */
	unsigned open;
	bool failed, noted, taking_back;
	struct sub last;
};

static void async_done(struct request *request)
{
	struct async *a = request->own;

	sub_done(&a->reading.sub);
	sub_done(&a->last);
	manifest_done(&a->reading.manifest);
	info_fetch_done(&a->facts);
	info_fetch_done(&a->account_info);
}

/* NULL when all segments can be left to the expirer: they are in one container, and none is large
 * itself. Else why not. */
static const char *refusal(struct request *request, struct async *a)
{
	const struct manifest *m = &a->reading.manifest;
	AUTO(buf) struct buf names = BUF_NONE;
	bool several = false, large = false;

	for (unsigned i = 0; i < m->count; i++) {
		const struct manifest_segment *s = &m->segments[i];
		if (!s->path)
			continue;
		bool first = !a->container,
		     other = !first && strcmp(a->container, s->container) != 0;
		large |= s->is_slo;
		if (first)
			a->container = arena_strdup(request_arena(request), s->container);
		if (first || (other && !several)) {
			buf_str(&names, first ? "\"" : ", \"");
			url_quote(&names, s->container, "");
			buf_char(&names, '"');
		}
		several |= other;
	}
	if (several)
		return arena_printf(request_arena(request),
		        "All segments must be in one container. Found segments in %s",
		        buf_text(&names));
	return large ? "No segments may be large objects." : NULL;
}

static enum step async_look(struct op *op)
{
	struct request *request = request_of(op);
	struct async *a = request->own;

	if (!a) {
		a = request->own = arena_zalloc(request_arena(request), sizeof(*a));
		a->request = request;
		request->own_done = async_done;
		reading_start(&a->reading, request, request->container, request->object,
		        query_get(&request->query, "version-id"));
	}
	if (request->http->gone)
		return STEP_DONE;
	if (!reading_ready(&a->reading))
		return STEP_WAIT;
	if (a->reading.status)
		return request_fail_html(request, a->reading.status, a->reading.text);
	const char *text = refusal(request, a);
	if (text)
		return request_fail_html(request, 400, text);
	return op_go(op, a->container ? ALLOW : LAST);
}

static enum step async_allow(struct op *op)
{
	struct request *request = request_of(op);
	struct async *a = request->own;
	struct access access = {.account = request->account,
	        .container = a->container,
	        .object = true,
	        .deletes = true};
	bool wait;

	if (request->http->gone)
		return STEP_DONE;
	if (!info_get(&a->facts, op, request->proxy, request->account, a->container))
		return STEP_WAIT;
	if (a->facts.err)
		return request_fail(request, 503);
	enum err err = request_authorize(request, &access,
	        info_header(a->facts.info, "X-Container-Write"), &a->account_info, &wait);
	if (wait)
		return STEP_WAIT;
	return err ? request_err(request, err) : op_go(op, NOTE);
}

static void on_row(struct row_put *put)
{
	struct async *a = put->owner;

	a->open--;
	a->failed |= put->err != ERR_OK;
	op_child_end(&a->request->op);
}

/* Says which object must be gone first: the manifest, or the version that is to be deleted. */
static const char *type_of_rows(struct request *request)
{
	struct arena *arena = request_arena(request);
	const char *version = query_get(&request->query, "version-id");
	const char *container = request->container, *object = request->object;
	uint64_t id;

	if (version && ts_parse(version, &id)) {
		container = versions_container(arena, container);
		object = versions_object(arena, object, id);
	}
	return arena_printf(arena, EXPIRY_AT_ONCE "/%s/%s", container, object);
}

/* A row of the expiry container, or one that takes it back. */
static void note(struct async *a, struct row_put *put, const struct manifest_segment *s)
{
	struct request *request = a->request;

	*put = (struct row_put){
	        .row = {.name = arena_printf(request_arena(request), "%010llu-%s/%s/%s",
	                        (unsigned long long)(a->ts / TS_PER_SECOND), request->account,
	                        s->container, s->object),
	                .content_type = a->type,
	                .etag = "",
	                .ts = a->ts + a->taking_back,
	                .deleted = a->taking_back},
	        .done = on_row,
	        .owner = a,
	        .awaits = !a->taking_back && !request->proxy->backend->plain,
	};
	a->open++;
	op_child_begin(&request->op);
	rows_put(request->proxy, EXPIRY_ACCOUNT, EXPIRY_CONTAINER, put);
}

static void note_all(struct async *a)
{
	const struct manifest *m = &a->reading.manifest;

	a->rows = arena_zalloc(request_arena(a->request), m->count * sizeof(*a->rows));
	for (unsigned i = 0; i < m->count; i++) {
		if (m->segments[i].path)
			note(a, &a->rows[i], &m->segments[i]);
	}
}

static enum step async_note(struct op *op)
{
	struct request *request = request_of(op);
	struct async *a = request->own;

	if (!a->noted) {
		a->noted = true;
		a->ts = hlc_now(request_cluster(request)->hlc);
		a->type = type_of_rows(request);
		note_all(a);
	}
	if (a->open)
		return STEP_WAIT;
	if (a->failed)
		return op_go(op, TAKE_BACK);
	return request->http->gone ? STEP_DONE : op_go(op, LAST);
}

/* As far as it can be: what is left of the notes the expirer drops, since the manifest is there. */
static enum step async_take_back(struct op *op)
{
	struct request *request = request_of(op);
	struct async *a = request->own;

	if (!a->taking_back) {
		a->taking_back = true;
		note_all(a);
	}
	if (a->open)
		return STEP_WAIT;
	if (request->http->gone)
		return STEP_DONE;
	return request_fail(request, a->last.headed ? a->last.status : 503);
}

static enum step async_last(struct op *op)
{
	struct request *request = request_of(op);
	const char *version = query_get(&request->query, "version-id");
	struct async *a = request->own;

	if (request->http->gone)
		return STEP_DONE;
	if (!a->last.x && !a->last.headed) {
		AUTO(buf) struct buf query = BUF_NONE;
		if (version) {
			buf_str(&query, "version-id=");
			url_quote(&query, version, "");
		}
		sub_init(&a->last, request, &unit_slo, SUB_AS_CLIENT, "DELETE");
		sub_path(&a->last, request->account, request->container, request->object,
		        version ? buf_text(&query) : NULL);
		sub_start(&a->last);
	}
	if (!sub_headed(&a->last))
		return STEP_WAIT;
	if (sub_ok(&a->last))
		return request_empty(request, a->last.status);
	return a->noted && a->last.status != 404 ? op_go(op, TAKE_BACK)
	                                         : request_fail(request, a->last.status);
}

static const struct op_state async_states[] = {
        [LOOK] = {"look", async_look, TO(ALLOW) | TO(LAST), 0},
        [ALLOW] = {"allow", async_allow, TO(NOTE), 0},
        [NOTE] = {"note", async_note, TO(LAST) | TO(TAKE_BACK), 0},
        [LAST] = {"last", async_last, TO(TAKE_BACK), 0},
        [TAKE_BACK] = {"take-back", async_take_back, 0, 0},
};
const struct method slo_async_delete = {
        .name = "slo-async-delete", .states = async_states, .writes = true};
