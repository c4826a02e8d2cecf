#include "proxy/segments.h"
#include "proxy/body.h"
#include "proxy/s3/s3.h"

#include "lib/base/kv.h"
#include "lib/base/mem.h"
#include "lib/crypto/md5.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define NEAR_END (4u << 20) /* so much before its end the next segment is opened */
#define AHEAD    (2u << 20) /* bytes of segments that are opened ahead */

struct segment {
	struct buf names;                      /* container, object, etag, each with a NUL; owned */
	const char *container, *object, *etag; /* etag NULL: any */
	uint64_t size;                         /* of the object; UINT64_MAX: any */
	uint64_t offset, len, done;            /* of it: what is wanted, what was taken */
	uint64_t at;                           /* in the whole */
	struct bytes *data;                    /* inline; owned */
	struct info_fetch info, account;
	struct arena arena;
	struct body body;
	bool allowed, opened, ready;
	enum err err;
};

void segments_init(struct segments *s, struct request *request, struct op *op, struct proxy *proxy,
        const char *account, struct manifest *manifest)
{
	*s = (struct segments){.request = request,
	        .op = op,
	        .proxy = proxy,
	        .account = account,
	        .depth = 1,
	        .plan_at = UINT64_MAX};
	s->levels[0] = (struct segments_level){.manifest = *manifest, .len = manifest->size};
	*manifest = (struct manifest){0};
}

/* --- a reader's bytes --- */

/* What of [offset, offset+len) came along with the version. */
static size_t came_along(const struct reader *r, uint64_t offset, uint64_t len, size_t *ret_offset)
{
	const struct backend_reply *reply = r->reply;

	if (!reply->body || offset < r->want_offset || offset >= r->want_offset + reply->body_len)
		return 0;
	uint64_t skip = offset - r->want_offset, left = reply->body_len - skip;
	*ret_offset = reply->body_offset + skip;
	return left < len ? left : len;
}

enum segments_step reader_next(struct reader *r, uint64_t offset, uint64_t len,
        struct bytes **ret_piece, size_t *ret_offset, size_t *ret_len)
{
	enum err err;

	if (!r->reading) {
		size_t n = came_along(r, offset, len, ret_offset);
		if (n) {
			*ret_piece = bytes_ref(r->reply->body);
			*ret_len = n;
			return SEGMENTS_PIECE;
		}
		reader_read(r, offset, len);
		return SEGMENTS_WAIT;
	}
	if (!reader_take(r, &err, ret_piece, ret_offset, ret_len))
		return SEGMENTS_WAIT;
	return err ? SEGMENTS_FAILED : SEGMENTS_PIECE;
}

/* --- one segment --- */

static const char *keep(struct segment *g, size_t at)
{
	return g->names.data + at;
}

static struct segment *segment_new(const char *container, const char *object, const char *etag)
{
	struct segment *g = mem_zalloc(sizeof(*g));

	buf_add(&g->names, container, strlen(container) + 1);
	size_t object_at = g->names.len;
	buf_add(&g->names, object, strlen(object) + 1);
	size_t etag_at = g->names.len;
	if (etag)
		buf_add(&g->names, etag, strlen(etag) + 1);
	arena_init(&g->arena);
	g->container = keep(g, 0);
	g->object = keep(g, object_at);
	g->etag = etag ? keep(g, etag_at) : NULL;
	return g;
}

static void segment_free(struct segment *g)
{
	if (!g)
		return;
	if (g->opened) {
		body_close(&g->body);
		body_done(&g->body);
	}
	arena_done(&g->arena);
	info_fetch_done(&g->info);
	info_fetch_done(&g->account);
	bytes_unref(g->data);
	buf_done(&g->names);
	free(g);
}

/* May who asks read it? True when that is known. */
static bool segment_allowed(struct segments *s, struct segment *g)
{
	struct access access = {s->account, g->container, true, true, false, false, false};
	bool wait = false;

	if (!info_get(&g->info, s->op, s->proxy, s->account, g->container))
		return false;
	if (g->info.err) {
		g->err = ERR_UNAVAILABLE;
		return true;
	}
	/* Who may read a whole of S3's may read its parts. */
	bool part = s3_is_part(s->request, s->account, g->container) ||
	            (s->bucket && s3_segments_of(s->bucket, g->container));
	enum err err =
	        part ? ERR_OK
	             : request_authorize(s->request, &access,
	                       info_header(g->info.info, "X-Container-Read"), &g->account, &wait);
	if (wait)
		return false;
	if (err)
		g->err = err == ERR_UNAVAILABLE ? err : ERR_CONFLICT;
	else if (!g->info.info->exists)
		g->err = ERR_CONFLICT;
	return true;
}

static bool is_etag(const struct segment *g)
{
	const struct buf *headers = &body_head(&g->body)->headers;
	char etag[64];

	if (body_is_slo(&g->body))
		return strcasecmp(kv_get(headers->data, headers->len, S3_ETAG), g->etag) == 0;
	body_etag(&g->body, etag, sizeof(etag));
	return strcasecmp(etag, g->etag) == 0;
}

/* A segment that is another than the manifest means would make a body that never was. */
static enum err segment_check(const struct segments *s, const struct segment *g)
{
	enum err err = body_err(&g->body);

	if (err)
		return err_status(err) >= 500 ? ERR_UNAVAILABLE : ERR_CONFLICT;
	if (body_lock(&g->body))
		return ERR_CONFLICT;
	if ((g->size != UINT64_MAX && body_size(&g->body) != g->size) || (g->etag && !is_etag(g)) ||
	        request_expired(s->request, body_head(&g->body)))
		return ERR_CONFLICT;
	return ERR_OK;
}

/* True when its first bytes are there, or cannot be had (its err). */
static bool segment_ready(struct segments *s, struct segment *g)
{
	if (g->ready || g->data)
		return true;
	if (!g->allowed) {
		if (!segment_allowed(s, g))
			return false;
		g->allowed = true;
	}
	if (!g->err && !g->opened) {
		g->opened = true;
		g->body.raw = true;
		g->body.one = g != s->sub;
		body_open(&g->body, s->request, s->op, s->proxy, &g->arena, g->info.info->policy,
		        s->account, g->container, g->object, g->offset, g->len);
	}
	if (!g->err && !body_ready(&g->body))
		return false;
	if (!g->err)
		g->err = segment_check(s, g);
	g->ready = true;
	return true;
}

/* --- which comes next --- */

static void pop_level(struct segments *s)
{
	manifest_done(&s->levels[--s->depth].manifest);
}

static struct segments_level *top(struct segments *s)
{
	return &s->levels[s->depth - 1];
}

static const struct manifest_segment *find(const struct manifest *m, uint64_t at)
{
	unsigned low = 0, high = m->count;

	while (high - low > 1) {
		unsigned middle = (low + high) / 2;
		if (m->segments[middle].start <= at)
			low = middle;
		else
			high = middle;
	}
	return &m->segments[low];
}

/* Gathers a manifest that another one names. True when all of it is there, or s->plan_err. */
static bool gather(struct segments *s)
{
	struct segment *g = s->sub;
	struct bytes *piece;
	size_t offset, len;

	if (!segment_ready(s, g))
		return false;
	s->plan_err = g->err;
	uint64_t size = g->err ? 0 : body_size(&g->body);
	if (size > MANIFEST_BYTES_MAX)
		s->plan_err = ERR_CONFLICT;
	while (!s->plan_err && s->sub_text.len < size) {
		uint64_t at = s->sub_text.len;
		switch (body_read(&g->body, at, size, &piece, &offset, &len)) {
		case BODY_WAIT:
			return false;
		case BODY_PIECE:
			buf_add(&s->sub_text, piece->data + offset, len);
			bytes_unref(piece);
			break;
		default:
			s->plan_err = ERR_UNAVAILABLE;
		}
	}
	return true;
}

/* The manifest must still be the one that it was when the one above was made. */
static bool is_same(const struct segment *g, const struct manifest_segment *named)
{
	const struct buf *headers = &body_head(&g->body)->headers;
	const char *mark = kv_get(headers->data, headers->len, "X-Static-Large-Object"),
	           *etag = kv_get(headers->data, headers->len, "X-Object-Sysmeta-Slo-Etag");

	return is_true(mark) && (!etag || strcasecmp(etag, named->etag) == 0);
}

/* Where the named manifest is in the whole, within the one that names it. */
static void place_level(const struct segments_level *above, const struct manifest_segment *named,
        struct segments_level *ret)
{
	uint64_t begin = above->start + named->start, end;

	/* begin: without what is left out of the one above. */
	ret->skip = named->has_range ? named->first : 0;
	ret->len = named->length;
	if (begin < above->start + above->skip) {
		uint64_t cut = above->start + above->skip - begin;
		ret->skip += cut;
		ret->len -= cut;
		begin += cut;
	}
	ret->start = begin - above->skip;
	end = above->start + above->len;
	if (ret->len > end - ret->start)
		ret->len = end - ret->start;
}

/* Goes down into the manifest that is named; true when it is there, or s->plan_err. */
static bool push_level(struct segments *s, const struct manifest_segment *named)
{
	struct segments_level next = {0};

	if (s->depth == SEGMENTS_DEPTH) {
		s->plan_err = ERR_CONFLICT;
		return true;
	}
	if (!s->sub) {
		buf_reset(&s->sub_text);
		s->sub = segment_new(named->container, named->object, NULL);
		s->sub->size = UINT64_MAX;
		s->sub->len = UINT64_MAX;
	}
	if (!gather(s))
		return false;
	if (!s->plan_err &&
	        (!is_same(s->sub, named) ||
	                manifest_read(&next.manifest, buf_text(&s->sub_text), s->sub_text.len)))
		s->plan_err = ERR_CONFLICT;
	segment_free(TAKE(s->sub));
	if (s->plan_err)
		return true;
	place_level(top(s), named, &next);
	if (next.manifest.size < next.skip + next.len) {
		manifest_done(&next.manifest);
		s->plan_err = ERR_CONFLICT;
		return true;
	}
	s->levels[s->depth++] = next;
	return true;
}

static struct segment *segment_of(
        const struct manifest_segment *named, uint64_t within, uint64_t len)
{
	struct segment *g;

	if (named->data) {
		AUTO(buf) struct buf data = BUF_NONE;
		manifest_data(named, &data);
		g = mem_zalloc(sizeof(*g));
		g->offset = within;
		g->data = bytes_copy(buf_text(&data), data.len);
		g->err = !g->data ? ERR_NO_MEMORY : data.len < within + len ? ERR_CONFLICT : ERR_OK;
	} else {
		g = segment_new(named->container, named->object, named->etag);
		g->size = named->bytes;
		g->offset = (named->has_range ? named->first : 0) + within;
	}
	g->len = len;
	return g;
}

/* Opens the segment at plan_at; true when it is done, or s->plan_err. */
static bool plan(struct segments *s)
{
	for (;;) {
		while (s->depth > 1 &&
		        (s->plan_at < top(s)->start || s->plan_at >= top(s)->start + top(s)->len))
			pop_level(s);
		const struct segments_level *level = top(s);
		uint64_t own = s->plan_at - level->start + level->skip;
		if (!level->manifest.count || own >= level->manifest.size) {
			s->plan_err = ERR_CONFLICT;
			return true;
		}
		const struct manifest_segment *named = find(&level->manifest, own);
		if (named->is_slo) {
			if (!push_level(s, named))
				return false;
			if (s->plan_err)
				return true;
			continue;
		}
		uint64_t within = own - named->start, len = named->length - within;
		if (len > level->start + level->len - s->plan_at)
			len = level->start + level->len - s->plan_at;
		if (len > s->plan_end - s->plan_at)
			len = s->plan_end - s->plan_at;
		struct segment *g = segment_of(named, within, len);
		g->at = s->plan_at;
		s->open[s->open_count++] = g;
		s->plan_at += len;
		segment_ready(s, g); /* it begins */
		return true;
	}
}

/* Nobody waits for that: without the memory it is done without. */
static bool may_read_ahead(struct segments *s)
{
	struct budget *budget = &s->proxy->budget;
	enum err err;

	if (s->reads_ahead)
		return true;
	if (!budget_tight(budget, 2 * AHEAD))
		s->reads_ahead = credit_take(&s->ahead, budget, s->op, AHEAD, &err);
	if (!s->reads_ahead)
		credit_give(&s->ahead);
	return s->reads_ahead;
}

/* Is there reason, and room, to open another one? */
static bool wants_more(struct segments *s)
{
	uint64_t ahead = 0;

	if (s->plan_at >= s->plan_end || s->plan_err)
		return false;
	if (!s->open_count)
		return true;
	if (s->open_count == SEGMENTS_AHEAD || s->open[0]->len - s->open[0]->done > NEAR_END ||
	        !may_read_ahead(s))
		return false;
	for (unsigned i = 1; i < s->open_count; i++)
		ahead += s->open[i]->len;
	return ahead < AHEAD;
}

static void drop_first(struct segments *s)
{
	segment_free(s->open[0]);
	memmove(s->open, s->open + 1, --s->open_count * sizeof(s->open[0]));
}

static void aim(struct segments *s, uint64_t at, uint64_t end)
{
	bool goes_on = s->open_count ? s->open[0]->at + s->open[0]->done == at : s->plan_at == at;

	if (goes_on && s->plan_end == end)
		return;
	while (s->open_count)
		drop_first(s);
	s->plan_at = at;
	s->plan_end = end;
	s->plan_err = ERR_OK;
}

bool segments_ready(struct segments *s, uint64_t at, uint64_t end, enum err *ret_err)
{
	aim(s, at, end);
	while (wants_more(s)) {
		if (!plan(s))
			break;
	}
	for (unsigned i = 1; i < s->open_count; i++)
		segment_ready(s, s->open[i]);
	*ret_err = ERR_OK;
	if (!s->open_count) {
		*ret_err = s->plan_err;
		return s->plan_err;
	}
	if (!segment_ready(s, s->open[0]))
		return false;
	*ret_err = s->open[0]->err;
	return true;
}

enum segments_step segments_next(struct segments *s, uint64_t at, uint64_t end,
        struct bytes **ret_piece, size_t *ret_offset, size_t *ret_len)
{
	enum body_step step = BODY_PIECE;
	enum err err;

	if (!segments_ready(s, at, end, &err))
		return SEGMENTS_WAIT;
	if (err)
		return SEGMENTS_FAILED;
	struct segment *g = s->open[0];
	uint64_t left = g->len - g->done;
	if (g->data) {
		*ret_piece = bytes_ref(g->data);
		*ret_offset = g->offset;
		*ret_len = left;
	} else {
		step = body_read(&g->body, g->offset + g->done, g->offset + g->len, ret_piece,
		        ret_offset, ret_len);
	}
	if (step != BODY_PIECE)
		return step == BODY_WAIT ? SEGMENTS_WAIT : SEGMENTS_FAILED;
	g->done += *ret_len;
	if (g->done == g->len)
		drop_first(s);
	return SEGMENTS_PIECE;
}

void segments_close(struct segments *s)
{
	while (s->open_count)
		drop_first(s);
	segment_free(TAKE(s->sub));
	s->plan_at = UINT64_MAX;
	credit_give(&s->ahead);
	s->reads_ahead = false;
}

void segments_done(struct segments *s)
{
	segments_close(s);
	while (s->depth)
		pop_level(s);
	buf_done(&s->sub_text);
}
