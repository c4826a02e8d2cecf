/* Parts that nothing needs any more: those of an upload that is not under way (its marker is gone,
 * or the bucket is), and that no version of its key was made of. They have been left behind by what
 * overwrote the object without knowing of them, or by a proxy that died half-way.
 *
 * First the markers are looked at, then what is there: CompleteMultipartUpload makes the object
 * before it takes the marker away, so what has no marker any more is an object by then, or never
 * will be. And only what is older than a day counts: nobody is at work with that. */
#include "proxy/errand.h"
#include "proxy/manifest.h"
#include "proxy/ranged.h"
#include "proxy/s3/lifecycle_walk.h"
#include "proxy/s3/upload.h"
#include "proxy/s3/version.h"
#include "proxy/unit/legacy_versions.h"
#include "proxy/unit/reserved.h"
#include "proxy/unit/versions.h"

#include "lib/base/kv.h"
#include <stdlib.h>
#include <string.h>

#define PAGE 1000

enum { BUCKET, NOTED, LIST, MARKS, OBJECT, VERSIONS, VERSION, MANIFEST, SWEEP, UNMARK, NOTE };

/* The parts of one upload that are on the page. */
struct group {
	const char *key, *id;
	uint64_t ts; /* of the newest */
	unsigned first, count;
	bool lives;  /* it is under way, or nobody knows */
	bool needed; /* all of them are */
};

struct part {
	const char *name;
	bool needed;
};

struct page {
	struct lifecycle_walk *walk;
	struct lifecycle_note note;
	const char *bucket;
	struct info_fetch info;
	struct ranged list;
	struct part *parts;
	struct group *groups;
	unsigned part_count, group_count, at;
	bool listing, asked;
	struct sub sub;
	/* Of the key at hand. */
	struct jroot rows;
	size_t row_at;
	uint64_t page_at;
	const char *container, *object; /* where what was looked at last is */
	struct group *found;            /* whose object that is */
	struct sweep sweep;
};

static void page_done(struct request *request)
{
	struct page *p = request->own;

	info_fetch_done(&p->info);
	ranged_done(&p->list);
	sub_done(&p->sub);
	sub_done(&p->note.sub);
	jread_done(&p->rows);
	sweep_done(&p->sweep);
}

static struct page *page_of(struct request *request)
{
	return request->own;
}

static enum step go(struct request *request, unsigned state)
{
	page_of(request)->asked = false;
	return op_go(&request->op, state);
}

/* What is not known for certain stays. */
static enum step fail(struct request *request)
{
	struct lifecycle_walk *w = page_of(request)->walk;

	w->counts[LIFECYCLE_FAILED]++;
	w->ended = true;
	return STEP_DONE;
}

static void head(struct request *request, const char *container, const char *object)
{
	struct page *p = page_of(request);

	sub_done(&p->sub);
	sub_init(&p->sub, request, NULL, SUB_AS_SYSTEM, "HEAD");
	sub_path(&p->sub, request->account, container, object, "multipart-manifest=get");
	sub_start(&p->sub);
	p->asked = true;
	p->container = container;
	p->object = object;
}

/* --- which --- */

static enum step look_at_bucket(struct op *op)
{
	struct request *request = request_of(op);
	struct page *p = page_of(request);
	struct lifecycle_walk *w = p->walk;

	if (!info_get(&p->info, op, request->proxy, request->account, p->bucket))
		return STEP_WAIT;
	if (p->info.err)
		return fail(request);
	/* Older ways of keeping versions move objects elsewhere, with what they were made of. */
	if (legacy_versions_location(p->info.info)) {
		w->ended = true;
		return STEP_DONE;
	}
	bool first = !w->begun;
	w->begun = true;
	w->pages++;
	return go(request, first && w->round ? NOTED : LIST);
}

static enum step noted(struct op *op)
{
	struct request *request = request_of(op);
	struct page *p = page_of(request);

	if (!lifecycle_note_read(request, p->walk, &p->note))
		return STEP_WAIT;
	return p->walk->ended ? STEP_DONE : go(request, LIST);
}

static bool is_id(const char *text, size_t len)
{
	return len == UPLOAD_ID_LEN && *text == 'u' &&
	       strspn(text + 1, "0123456789abcdef") >= UPLOAD_ID_LEN - 1;
}

/* "KEY/ID/NNNNN" and what there may be behind it; false: another wrote it. */
static bool cut(struct arena *arena, const char *name, const char **ret_key, const char **ret_id)
{
	const char *number = strrchr(name, '/'), *id = number;

	if (!number || !upload_part_number(number + 1))
		return false;
	while (id > name && id[-1] != '/')
		id--;
	if (id <= name + 1 || !is_id(id, (size_t)(number - id)))
		return false;
	*ret_key = arena_strndup(arena, name, (size_t)(id - 1 - name));
	*ret_id = arena_strndup(arena, id, (size_t)(number - id));
	return true;
}

static void take_row(struct request *request, const struct backend_row *row)
{
	struct page *p = page_of(request);
	struct group *g = p->group_count ? &p->groups[p->group_count - 1] : NULL;
	const char *key, *id;

	if (!cut(request_arena(request), row->name, &key, &id))
		return;
	if (!g || strcmp(g->id, id) != 0 || strcmp(g->key, key) != 0) {
		g = &p->groups[p->group_count++];
		*g = (struct group){.key = key, .id = id, .first = p->part_count};
	}
	p->parts[p->part_count++] =
	        (struct part){.name = arena_strdup(request_arena(request), row->name)};
	g->count++;
	if (g->ts < row->ts)
		g->ts = row->ts;
}

static void take_rows(struct request *request)
{
	struct page *p = page_of(request);
	struct lifecycle_walk *w = p->walk;
	uint64_t now = hlc_now(request_cluster(request)->hlc), day = w->day_s * TS_PER_SECOND;
	struct backend_row row;
	unsigned found = 0;

	p->parts = arena_zalloc(request_arena(request), PAGE * sizeof(*p->parts));
	p->groups = arena_zalloc(request_arena(request), PAGE * sizeof(*p->groups));
	for (size_t at = 0; found < PAGE && backend_rows_next(p->list.root.rows, &at, &row);
	        found++) {
		take_row(request, &row);
		buf_reset(&w->key);
		buf_str(&w->key, row.name);
	}
	for (unsigned i = 0; i < p->group_count; i++) {
		struct group *g = &p->groups[i];
		g->lives = g->ts + day > now || upload_begun(g->id) + day > now;
	}
	w->counts[LIFECYCLE_SEEN] += found;
	w->ended = found < PAGE;
}

static enum step list(struct op *op)
{
	struct request *request = request_of(op);
	struct page *p = page_of(request);
	const struct backend_list page = {
	        .marker = p->walk->key.len ? buf_text(&p->walk->key) : NULL, .limit = PAGE};

	if (!p->listing) {
		p->listing = true;
		p->list.root = (struct db_read){.op = op,
		        .proxy = request->proxy,
		        .account = request->account,
		        .container = request->container};
	}
	if (!ranged_rows(&p->list, &page))
		return STEP_WAIT;
	if (p->list.err && p->list.err != ERR_NOT_FOUND)
		return fail(request);
	if (p->list.err)
		p->walk->ended = true;
	else
		take_rows(request);
	return go(request, MARKS);
}

/* --- are they under way? --- */

static enum step marks(struct op *op)
{
	struct request *request = request_of(op);
	struct arena *arena = request_arena(request);
	struct page *p = page_of(request);

	for (; p->info.info->exists && p->at < p->group_count; p->at++) {
		struct group *g = &p->groups[p->at];
		if (g->lives)
			continue;
		if (!p->asked)
			head(request, upload_container(arena, p->bucket),
			        upload_marker(arena, g->key, g->id));
		if (!sub_headed(&p->sub))
			return STEP_WAIT;
		p->asked = false;
		if (!sub_ok(&p->sub) && p->sub.status != 404)
			return fail(request);
		g->lives = sub_ok(&p->sub);
	}
	p->at = 0;
	return go(request, p->info.info->exists ? OBJECT : SWEEP);
}

/* --- are they needed? --- */

/* The first group of the next key that has one which may be dead. False: there is none. */
static bool next_key(struct page *p)
{
	while (p->at < p->group_count && p->groups[p->at].lives)
		p->at++;
	return p->at < p->group_count;
}

static bool is_key(const struct page *p, unsigned i)
{
	return i < p->group_count && strcmp(p->groups[i].key, p->groups[p->at].key) == 0;
}

static enum step key_over(struct request *request)
{
	struct page *p = page_of(request);
	unsigned next = p->at;

	while (is_key(p, next))
		next++;
	p->at = next;
	p->page_at = 0;
	return go(request, OBJECT);
}

/* Whose is what was looked at? NULL: of none on the page that may be dead. */
static struct group *group_of(struct page *p)
{
	const char *id = sub_ok(&p->sub) ? sub_get(&p->sub, UPLOAD_ID_HEADER) : NULL;

	for (unsigned i = p->at; id && is_key(p, i); i++) {
		if (!p->groups[i].lives && strcmp(p->groups[i].id, id) == 0)
			return &p->groups[i];
	}
	return NULL;
}

/* Is it made of as many as there are? */
static bool needs_all(const struct page *p, const struct group *g)
{
	const char *etag = sub_get(&p->sub, S3_ETAG), *dash = etag ? strchr(etag, '-') : NULL;

	/* One that is of one part for its class's sake has no number there. */
	return etag && (dash ? strtoul(dash + 1, NULL, 10) : 1) == g->count;
}

/* What was looked at is known: on to its manifest, or to what comes next. */
static enum step looked(struct request *request)
{
	struct page *p = page_of(request);

	p->found = group_of(p);
	if (!p->found || needs_all(p, p->found)) {
		if (p->found)
			p->found->needed = true;
		return go(request, p->rows.value ? VERSION : VERSIONS);
	}
	return go(request, MANIFEST);
}

static enum step object(struct op *op)
{
	struct request *request = request_of(op);
	struct page *p = page_of(request);

	if (!next_key(p))
		return go(request, SWEEP);
	if (!p->asked)
		head(request, p->bucket, p->groups[p->at].key);
	if (!sub_headed(&p->sub))
		return STEP_WAIT;
	if (!sub_ok(&p->sub) && p->sub.status != 404)
		return fail(request);
	return looked(request);
}

static bool all_needed(const struct page *p)
{
	for (unsigned i = p->at; is_key(p, i); i++) {
		if (!p->groups[i].lives && !p->groups[i].needed)
			return false;
	}
	return true;
}

/* A page of the key's versions; whether the bucket keeps any is not asked: what is known of that
 * may be some seconds old. */
static enum step versions(struct op *op)
{
	struct request *request = request_of(op);
	struct page *p = page_of(request);

	if (all_needed(p))
		return key_over(request);
	if (!p->asked) {
		p->asked = true;
		s3_versions_ask(request, &p->sub, request->account, p->bucket, p->groups[p->at].key,
		        S3_VERSIONS_PAGE, p->page_at);
	}
	if (!sub_collect(&p->sub, S3_VERSIONS_BYTES))
		return STEP_WAIT;
	p->row_at = 0;
	if (!s3_versions_read(&p->sub, &p->rows))
		return fail(request);
	return p->rows.value ? go(request, VERSION) : key_over(request);
}

static enum step version(struct op *op)
{
	struct request *request = request_of(op);
	struct arena *arena = request_arena(request);
	struct page *p = page_of(request);
	struct s3_version v;

	while (!p->asked) {
		if (!s3_versions_at(&p->rows, p->row_at, &v)) {
			bool more = p->row_at == S3_VERSIONS_PAGE;
			jread_done(&p->rows);
			return more ? go(request, VERSIONS) : key_over(request);
		}
		p->row_at++;
		p->page_at = v.id;
		if (!v.marker)
			head(request, versions_container(arena, p->bucket),
			        versions_object(arena, p->groups[p->at].key, v.id));
	}
	if (!sub_headed(&p->sub))
		return STEP_WAIT;
	if (!sub_ok(&p->sub) && p->sub.status != 404)
		return fail(request);
	return looked(request);
}

static void take_manifest(struct page *p, const struct manifest *m)
{
	const struct group *g = p->found;

	for (unsigned i = 0; i < m->count; i++) {
		for (unsigned k = g->first; m->segments[i].path && k < g->first + g->count; k++)
			p->parts[k].needed |= strcmp(p->parts[k].name, m->segments[i].object) == 0;
	}
}

/* Which of them is it made of? */
static enum step manifest(struct op *op)
{
	struct request *request = request_of(op);
	struct page *p = page_of(request);
	struct manifest m = {0};

	if (!p->asked) {
		p->asked = true;
		sub_done(&p->sub);
		sub_init(&p->sub, request, NULL, SUB_AS_SYSTEM, "GET");
		sub_path(&p->sub, request->account, p->container, p->object,
		        "multipart-manifest=get");
		sub_start(&p->sub);
	}
	if (!sub_collect(&p->sub, MANIFEST_BYTES_MAX))
		return STEP_WAIT;
	/* Gone, or replaced meanwhile: the next walk looks again. */
	if (!sub_ok(&p->sub) || p->sub.failed || group_of(p) != p->found ||
	        manifest_read(&m, buf_text(&p->sub.text), p->sub.text.len))
		p->found->needed = true;
	else
		take_manifest(p, &m);
	manifest_done(&m);
	return go(request, p->rows.value ? VERSION : VERSIONS);
}

/* --- those that are not --- */

static void begin_sweep(struct request *request)
{
	struct page *p = page_of(request);
	struct sweep *s = &p->sweep;

	s->container = request->container;
	s->names = arena_alloc(request_arena(request), (p->part_count + 1) * sizeof(*s->names));
	for (unsigned i = 0; i < p->group_count; i++) {
		const struct group *g = &p->groups[i];
		for (unsigned k = g->first; k < g->first + g->count; k++) {
			if (!g->lives && !g->needed && !p->parts[k].needed)
				s->names[s->count++] = p->parts[k].name;
		}
	}
}

static enum step sweep(struct op *op)
{
	struct request *request = request_of(op);
	struct page *p = page_of(request);

	if (!p->asked)
		begin_sweep(request);
	p->asked = true;
	if (!sweep_run(request, &p->sweep))
		return STEP_WAIT;
	p->walk->counts[LIFECYCLE_SWEPT] += p->sweep.count;
	p->walk->counts[LIFECYCLE_FAILED] += p->sweep.failed;
	p->at = 0;
	return go(request, p->info.info->exists ? NOTE : UNMARK);
}

/* Of a bucket that is gone the uploads are over, too. */
static enum step unmark(struct op *op)
{
	struct request *request = request_of(op);
	struct arena *arena = request_arena(request);
	struct page *p = page_of(request);

	for (; p->at < p->group_count; p->at++) {
		const struct group *g = &p->groups[p->at];
		if (g->lives)
			continue;
		if (!p->asked) {
			p->asked = true;
			sub_done(&p->sub);
			sub_init(&p->sub, request, NULL, SUB_AS_SYSTEM, "DELETE");
			sub_path(&p->sub, request->account, upload_container(arena, p->bucket),
			        upload_marker(arena, g->key, g->id), NULL);
			sub_start(&p->sub);
		}
		if (!sub_headed(&p->sub))
			return STEP_WAIT;
		p->asked = false;
	}
	return go(request, NOTE);
}

static enum step note(struct op *op)
{
	struct request *request = request_of(op);
	struct page *p = page_of(request);

	return lifecycle_note_write(request, p->walk, &p->note) ? STEP_DONE : STEP_WAIT;
}

static const struct op_state states[] = {
        [BUCKET] = {"bucket", look_at_bucket, TO(NOTED) | TO(LIST), 0},
        [NOTED] = {"noted", noted, TO(LIST), 0},
        [LIST] = {"list", list, TO(MARKS), 0},
        [MARKS] = {"marks", marks, TO(OBJECT) | TO(SWEEP), 0},
        [OBJECT] = {"object", object, TO(VERSIONS) | TO(MANIFEST) | TO(SWEEP), 0},
        [VERSIONS] = {"versions", versions, TO(VERSION) | TO(OBJECT), 0},
        [VERSION] = {"version", version, TO(VERSIONS) | TO(VERSION) | TO(MANIFEST) | TO(OBJECT), 0},
        [MANIFEST] = {"manifest", manifest, TO(VERSIONS) | TO(VERSION), 0},
        [SWEEP] = {"sweep", sweep, TO(UNMARK) | TO(NOTE), 0},
        [UNMARK] = {"unmark", unmark, TO(NOTE), 0},
        [NOTE] = {"note", note, 0, 0},
};
static const struct method lifecycle_sweep = {.name = "s3-sweep", .states = states};

void lifecycle_sweep_page(struct request *request, struct lifecycle_walk *w)
{
	struct arena *arena = request_arena(request);
	struct page *p = arena_zalloc(arena, sizeof(*p));

	p->walk = w;
	p->bucket =
	        arena_strndup(arena, request->container, s3_segments_bucket(request->container));
	request->own = p;
	request->own_done = page_done;
	errand_start(request, &lifecycle_sweep, lifecycle_page_over, w);
}
