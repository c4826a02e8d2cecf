/* The parts of an upload: their names, the listing of them, and how they go. */
#include "proxy/s3/upload.h"

#include "proxy/seal.h"

#include <string.h>

#define PAGE 2000
#define OLDER_MAX                                                                                  \
	100000 /* more of one upload are left to the daily look for parts (lifecycle_sweep.c) */
#define NUMBER_LEN 5
#define MARK_LEN   16

/* --- names --- */

const char *upload_part(struct arena *arena, const char *key, const char *id, unsigned number)
{
	return arena_printf(arena, "%s/%s/%05u", key, id, number);
}

static const char *new_name(struct request *request, const struct upload *u, unsigned number)
{
	const struct env *env = request_cluster(request)->env;
	uint64_t random;

	env->random(env, &random, sizeof(random));
	return arena_printf(request_arena(request), "%s/%s/%05u-%016llx", request->s3->key, u->id,
	        number, (unsigned long long)random);
}

unsigned upload_part_number(const char *end)
{
	size_t len = strcspn(end, "-");
	char number[NUMBER_LEN + 1];

	if (len != NUMBER_LEN ||
	        (end[len] && (strlen(end + len + 1) != MARK_LEN ||
	                             strspn(end + len + 1, "0123456789abcdef") != MARK_LEN)))
		return 0;
	memcpy(number, end, NUMBER_LEN);
	number[NUMBER_LEN] = 0;
	return upload_number(number);
}

static const char *container_of(struct request *request, const struct upload *u)
{
	return upload_segments(
	        request_arena(request), request->s3->bucket, upload_header(u, S3_CLASS));
}

struct upload_part *upload_part_begin(
        struct request *request, const struct upload *u, unsigned number)
{
	struct upload_part *p = arena_zalloc(request_arena(request), sizeof(*p));

	*p = (struct upload_part){.id = u->id,
	        .container = container_of(request, u),
	        .object = new_name(request, u, number)};
	return request->s3->part = p;
}

/* --- which there are --- */

static void begin(struct request *request, const struct upload *u, struct upload_parts *p)
{
	arena_init(&p->arena);
	p->begun = true;
	p->container = container_of(request, u);
	p->prefix = arena_printf(&p->arena, "%s/%s/", request->s3->key, u->id);
	/* Other keys may begin with the name of a part: they have a slash behind it. */
	p->list = (struct backend_list){.prefix = p->prefix,
	        .delimiter = "/",
	        .marker = p->after ? arena_printf(&p->arena, "%s%05u~", p->prefix, p->after) : NULL,
	        .end_marker = p->up_to ? arena_printf(&p->arena, "%s%05u~", p->prefix, p->up_to)
	                               : arena_printf(&p->arena, "%s2", p->prefix),
	        .limit = PAGE};
}

static void ask(struct request *request, struct upload_parts *p)
{
	p->asked = true;
	p->read = (struct ranged){.root = {.op = &request->op,
	                                  .proxy = request->proxy,
	                                  .account = request->account,
	                                  .container = p->container}};
}

/* Room for one more, of what doubles in the arena. */
static void *grow(struct arena *arena, void *items, unsigned count, size_t size)
{
	if (count & (count - 1) || count == 1)
		return items;
	void *more = arena_alloc(arena, (count ? 2 * (size_t)count : 2) * size);
	if (count)
		memcpy(more, items, count * size);
	return more;
}

static void add_older(struct upload_parts *p, const char *end)
{
	if (!p->wants_older || p->older_count == OLDER_MAX)
		return;
	p->older = grow(&p->arena, p->older, p->older_count, sizeof(*p->older));
	p->older[p->older_count++] = arena_strdup(&p->arena, end);
}

/* The newest of a page that has this number. */
static void add(struct upload_parts *p, struct unseal_rows *sealed, unsigned number,
        const struct backend_row *row)
{
	struct upload_row *last = p->count ? &p->rows[p->count - 1] : NULL;
	const char *end = row->name + strlen(p->prefix);

	if (last && last->number == number && last->ts > row->ts) {
		add_older(p, end);
		return;
	}
	if (last && last->number == number) {
		add_older(p, last->end);
	} else {
		p->rows = grow(&p->arena, p->rows, p->count, sizeof(*p->rows));
		last = &p->rows[p->count++];
	}
	*last = (struct upload_row){.number = number,
	        .bytes = row->bytes,
	        .ts = row->ts,
	        .end = arena_strdup(&p->arena, end),
	        .etag = arena_strdup(&p->arena, unseal_row(sealed, row->etag)),
	        .type = arena_strdup(&p->arena, row->content_type)};
}

/* True when there are no further ones, or no more are wanted. */
static bool take(struct request *request, struct upload_parts *p)
{
	struct unseal_rows sealed = {.keys = request_cluster(request)->seal,
	        .account = request->account,
	        .container = p->container};
	size_t skip = strlen(p->prefix);
	struct backend_row row, newest = {0};
	unsigned found = 0, at_hand = 0;
	const char *last = NULL;

	for (size_t at = 0; backend_rows_next(p->read.root.rows, &at, &row); found++) {
		unsigned number = row.subdir ? 0 : upload_part_number(row.name + skip);
		last = row.name;
		if (!number)
			continue;
		if (number == at_hand && newest.ts > row.ts) {
			add_older(p, row.name + skip);
			continue;
		}
		if (number == at_hand)
			add_older(p, newest.name + skip);
		else if (at_hand)
			add(p, &sealed, at_hand, &newest);
		newest = row;
		at_hand = number;
	}
	if (at_hand)
		add(p, &sealed, at_hand, &newest);
	unseal_rows_done(&sealed);
	p->list.marker = last ? arena_strdup(&p->arena, last) : NULL;
	return found < p->list.limit || (p->max && p->count > p->max);
}

bool upload_parts_read(
        struct request *request, const struct upload *u, struct upload_parts *p, enum err *ret_err)
{
	*ret_err = ERR_OK;
	if (!p->begun)
		begin(request, u, p);
	while (!p->ended) {
		if (!p->asked)
			ask(request, p);
		if (!ranged_rows(&p->read, &p->list))
			return false;
		if (p->read.err && p->read.err != ERR_NOT_FOUND)
			*ret_err = p->read.err;
		p->ended = p->read.err || take(request, p);
		ranged_done(&p->read);
		p->asked = false;
	}
	return true;
}

void upload_parts_done(struct upload_parts *p)
{
	if (p->asked)
		ranged_done(&p->read);
	if (p->begun)
		arena_done(&p->arena);
	*p = (struct upload_parts){0};
}

bool upload_part_follows(struct request *request, const struct upload *u, struct upload_parts *p,
        unsigned number, enum err *ret_err)
{
	struct cluster *cluster = request_cluster(request);

	*ret_err = ERR_OK;
	if (cluster->one_clock)
		return true;
	p->after = number - 1;
	p->up_to = number;
	if (!upload_parts_read(request, u, p, ret_err))
		return false;
	if (p->count)
		hlc_see(cluster->hlc, p->rows[0].ts);
	return true;
}

/* --- one that came too late --- */

bool upload_part_late(struct request *request, struct upload_part *p, bool *ret_over)
{
	struct arena *arena = request_arena(request);

	if (!p->sub.parent) {
		sub_init(&p->sub, request, NULL, SUB_AS_SYSTEM, "HEAD");
		sub_path(&p->sub, request->account, upload_container(arena, request->s3->bucket),
		        upload_marker(arena, request->s3->key, p->id), NULL);
		sub_start(&p->sub);
	}
	if (!sub_headed(&p->sub))
		return false;
	*ret_over = p->sub.status == 404;
	return true;
}

/* --- sweep --- */

static void sweep_unless(struct sweep *s, const char *end,
        bool (*keeps)(const void *owner, const char *end), const void *owner)
{
	if (!keeps || !keeps(owner, end))
		s->names[s->count++] = end;
}

void sweep_parts(struct sweep *s, struct upload_parts *p,
        bool (*keeps)(const void *owner, const char *end), const void *owner)
{
	s->container = p->container;
	s->prefix = p->prefix;
	s->names = arena_alloc(&p->arena, (p->count + p->older_count + 1) * sizeof(*s->names));
	for (unsigned i = 0; i < p->count; i++)
		sweep_unless(s, p->rows[i].end, keeps, owner);
	for (unsigned i = 0; i < p->older_count; i++)
		sweep_unless(s, p->older[i], keeps, owner);
}

static void sweep_next(struct request *request, struct sweep *s, struct sub *sub)
{
	AUTO(buf) struct buf name = BUF_NONE;

	buf_str(&name, s->prefix ? s->prefix : "");
	buf_str(&name, s->names[s->next++]);
	sub_init(sub, request, NULL, SUB_AS_SYSTEM, "DELETE");
	sub_path(sub, request->account, s->container, buf_text(&name), NULL);
	sub_start(sub);
}

bool sweep_run(struct request *request, struct sweep *s)
{
	bool open = false;

	for (unsigned i = 0; i < SWEEP_AT_ONCE; i++) {
		struct sub *sub = &s->subs[i];
		for (;;) {
			if (sub->parent && !sub_headed(sub)) {
				open = true;
				break;
			}
			if (sub->parent && !sub_ok(sub) && sub->status != 404)
				s->failed = true;
			sub_done(sub);
			if (s->next == s->count)
				break;
			sweep_next(request, s, sub);
		}
	}
	return !open;
}

void sweep_done(struct sweep *s)
{
	for (unsigned i = 0; i < SWEEP_AT_ONCE; i++)
		sub_done(&s->subs[i]);
}
