#include "proxy/body.h"
#include "proxy/listing.h"
#include "proxy/pipeline.h"

#include "lib/base/kv.h"
#include "lib/crypto/md5.h"
#include <stdio.h>
#include <string.h>

#define LIST_PAGE    10000
#define SEGMENTS_MAX 100000

enum { SEGMENT_NONE, SEGMENT_OPENING, SEGMENT_FIRST, SEGMENT_READING };

void body_open(struct body *b, struct request *request, struct op *op, struct proxy *proxy,
        struct arena *arena, unsigned policy, const char *account, const char *container,
        const char *object, uint64_t first_offset, uint64_t first_len)
{
	b->request = request;
	b->op = op;
	b->proxy = proxy;
	b->arena = arena;
	b->policy = policy;
	b->account = account;
	b->container = container;
	b->object = object;
	reader_open(
	        &b->head, op, proxy, policy, account, container, object, first_offset, first_len);
}

/* --- dynamic large objects --- */

static bool start_dlo(struct body *b, const char *manifest)
{
	size_t len;
	char *path = url_unquote(b->arena, manifest, strlen(manifest), &len);

	while (*path == '/')
		path++;
	char *slash = strchr(path, '/');
	if (!slash || slash == path)
		return false;
	*slash = 0;
	b->is_dlo = true;
	b->segment_container = path;
	b->segment_prefix = slash + 1;
	b->size = 0;
	return true;
}

/* Page after page, through all ranges of their container. */
static void ask_segments(struct body *b)
{
	const char *after = b->segment_count ? b->segments[b->segment_count - 1].name : NULL;

	b->asked = true;
	b->list = (struct ranged){.root = {.op = b->op,
	                                  .proxy = b->proxy,
	                                  .account = b->account,
	                                  .container = b->segment_container}};
	b->page = (struct backend_list){
	        .prefix = b->segment_prefix, .marker = after, .limit = LIST_PAGE};
}

static void add_segment(struct body *b, const struct backend_row *row)
{
	if (b->segment_count == b->segment_room) {
		unsigned room = b->segment_room ? b->segment_room * 2 : 16;
		struct segment *more = arena_alloc(b->arena, room * sizeof(*more));
		if (b->segment_count)
			memcpy(more, b->segments, b->segment_count * sizeof(*more));
		b->segments = more;
		b->segment_room = room;
	}
	b->segments[b->segment_count++] = (struct segment){arena_strdup(b->arena, row->name),
	        arena_strdup(b->arena, row->etag), b->size, row->bytes};
	b->size += row->bytes;
	if (row->ts > b->ts)
		b->ts = row->ts;
	if (row->meta_ts > b->ts)
		b->ts = row->meta_ts;
}

/* True when it was the last page. */
static bool take_segments(struct body *b)
{
	struct backend_row row;
	unsigned rows = 0;

	if (b->list.err == ERR_UNAVAILABLE)
		b->err = ERR_UNAVAILABLE;
	if (b->list.err)
		return true;
	struct unseal_rows sealed = {.keys = b->proxy->cluster->seal,
	        .account = b->account,
	        .container = b->segment_container};
	for (size_t at = 0; backend_rows_next(b->list.root.rows, &at, &row); rows++) {
		row.etag = unseal_row(&sealed, row.etag);
		add_segment(b, &row);
	}
	unseal_rows_done(&sealed);
	return rows < LIST_PAGE || b->segment_count >= SEGMENTS_MAX;
}

static bool segments_ready(struct body *b)
{
	if (!info_get(&b->segment_info, b->op, b->proxy, b->account, b->segment_container))
		return false;
	struct access access = {b->account, true, false, true, false, false, false};
	bool wait = false;
	if (!b->segment_info.err && !b->asked)
		b->err = request_authorize(b->request, &access,
		        info_header(b->segment_info.info, "X-Container-Read"), &b->segment_account,
		        &wait);
	if (wait)
		return false;
	if (b->err) {
		b->listed = true;
		return true;
	}
	if (b->segment_info.err || !b->segment_info.info->exists) {
		b->err = b->segment_info.err;
		b->listed = true;
		return true;
	}
	if (!b->asked)
		ask_segments(b);
	for (;;) {
		if (!ranged_rows(&b->list, &b->page))
			return false;
		bool last = take_segments(b);
		ranged_done(&b->list);
		if (last)
			break;
		ask_segments(b);
	}
	b->listed = true;
	return true;
}

/* What another system keeps in pieces, elsewhere or encrypted: its bytes are not the object's. */
static bool is_foreign(const struct body *b)
{
	static const char *const marks[] = {
	        "X-Static-Large-Object", "X-Object-Sysmeta-Crypto-Body-Meta"};
	const struct buf *headers = &b->head.reply->headers;

	for (unsigned i = b->raw ? 1 : 0; i < COUNT_OF(marks); i++) {
		if (kv_get(headers->data, headers->len, marks[i]))
			return true;
	}
	return false;
}

bool body_ready(struct body *b)
{
	if (!link_ready(b))
		return false;
	if (b->listed)
		return true;
	if (!b->is_dlo) {
		if (b->link.refusal)
			b->err = ERR_CONFLICT;
		else if (!b->err)
			b->err = b->head.err;
		if (!b->err && b->proxy->backend->plain && is_foreign(b))
			b->err = ERR_UNSUPPORTED;
		if (b->err) {
			b->listed = true;
			return true;
		}
		const struct backend_reply *r = b->head.reply;
		b->size = r->size;
		b->ts = r->ts > r->meta_ts ? r->ts : r->meta_ts;
		const char *manifest = kv_get(r->headers.data, r->headers.len, "X-Object-Manifest");
		if (b->raw || !manifest || !*manifest || !start_dlo(b, manifest)) {
			b->listed = true;
			return true;
		}
	}
	return segments_ready(b);
}

bool body_is_dlo(const struct body *b)
{
	return b->is_dlo;
}

enum err body_err(const struct body *b)
{
	return b->err;
}

const struct backend_reply *body_head(const struct body *b)
{
	return b->head.reply;
}

uint64_t body_size(const struct body *b)
{
	return b->size;
}

uint64_t body_ts(const struct body *b)
{
	return b->ts;
}

/* A dynamic large object's is the MD5 of its segments' etags, in double quotes. */
void body_etag(const struct body *b, char *ret_text, size_t size)
{
	char hex[33];

	if (!b->is_dlo) {
		md5_hex(b->head.reply->etag, hex);
		snprintf(ret_text, size, "%s", hex);
		return;
	}
	AUTO(buf) struct buf all = BUF_NONE;
	uint8_t digest[16];
	for (unsigned i = 0; i < b->segment_count; i++)
		buf_str(&all, b->segments[i].etag);
	md5_digest(buf_text(&all), all.len, digest);
	md5_hex(digest, hex);
	snprintf(ret_text, size, "\"%s\"", hex);
}

/* --- what is to be sent --- */

static void add_part(struct body *b, struct body_part part)
{
	if (b->part_count == b->part_room) {
		unsigned room = b->part_room ? b->part_room * 2 : 4;
		struct body_part *more = arena_alloc(b->arena, room * sizeof(*more));
		if (b->part_count)
			memcpy(more, b->parts, b->part_count * sizeof(*more));
		b->parts = more;
		b->part_room = room;
	}
	b->parts[b->part_count++] = part;
}

uint64_t body_add_range(struct body *b, uint64_t start, uint64_t end)
{
	add_part(b, (struct body_part){NULL, start, end});
	return end - start + 1;
}

uint64_t body_add_text(struct body *b, const char *text)
{
	add_part(b, (struct body_part){text, 0, 0});
	return strlen(text);
}

/* What of [offset, offset+len) came along with the version. */
static size_t first_piece(const struct reader *r, uint64_t offset, uint64_t len, size_t *ret_offset)
{
	const struct backend_reply *reply = r->reply;

	if (!reply->body || offset < r->want_offset || offset >= r->want_offset + reply->body_len)
		return 0;
	uint64_t skip = offset - r->want_offset, left = reply->body_len - skip;
	*ret_offset = reply->body_offset + skip;
	return left < len ? left : len;
}

struct bytes *body_take_whole(struct body *b, uint64_t total, size_t *ret_offset, size_t *ret_len)
{
	*ret_offset = *ret_len = 0;
	if (b->is_dlo || b->part_count != 1 || b->parts[0].text)
		return NULL;
	size_t len = first_piece(&b->head, b->parts[0].start, total, ret_offset);
	if (len != total)
		return NULL;
	*ret_len = len;
	return bytes_ref(b->head.reply->body);
}

static enum body_step take_read(
        struct reader *r, struct bytes **ret_piece, size_t *ret_offset, size_t *ret_len)
{
	enum err err;

	if (!reader_take(r, &err, ret_piece, ret_offset, ret_len))
		return BODY_WAIT;
	return err ? BODY_FAILED : BODY_PIECE;
}

/* Bytes of one reader from offset on, at most len. */
static enum body_step next_of(struct reader *r, uint64_t offset, uint64_t len,
        struct bytes **ret_piece, size_t *ret_offset, size_t *ret_len)
{
	if (!r->reading) {
		size_t n = first_piece(r, offset, len, ret_offset);
		if (n) {
			*ret_piece = bytes_ref(r->reply->body);
			*ret_len = n;
			return BODY_PIECE;
		}
		reader_read(r, offset, len);
		return BODY_WAIT;
	}
	return take_read(r, ret_piece, ret_offset, ret_len);
}

static unsigned find_segment(const struct body *b, uint64_t at)
{
	unsigned low = 0, high = b->segment_count;

	while (high - low > 1) {
		unsigned middle = (low + high) / 2;
		if (b->segments[middle].start <= at)
			low = middle;
		else
			high = middle;
	}
	return low;
}

static void close_segment(struct body *b)
{
	reader_close(&b->segment);
	b->segment_state = SEGMENT_NONE;
}

static enum body_step next_of_segments(struct body *b, uint64_t at, uint64_t len,
        struct bytes **ret_piece, size_t *ret_offset, size_t *ret_len)
{
	unsigned index = find_segment(b, at);
	const struct segment *s = &b->segments[index];
	uint64_t offset = at - s->start;

	if (len > s->size - offset)
		len = s->size - offset;
	if (b->segment_state != SEGMENT_NONE && b->segment_index != index) {
		reader_close(&b->segment);
		reader_done(&b->segment);
		b->segment_state = SEGMENT_NONE;
	}
	if (b->segment_state == SEGMENT_NONE) {
		b->segment_index = index;
		b->segment_state = SEGMENT_OPENING;
		reader_open(&b->segment, b->op, b->proxy, b->segment_info.info->policy, b->account,
		        b->segment_container, s->name, offset, len);
	}
	if (!reader_ready(&b->segment))
		return BODY_WAIT;
	const struct backend_reply *r = b->segment.reply;
	char etag[33];
	if (!b->segment.err)
		md5_hex(r->etag, etag);
	/* A segment that changed under us would make a body that never was. */
	if (b->segment.err || r->size != s->size || strcmp(etag, s->etag) != 0)
		return BODY_FAILED;
	b->segment_state = SEGMENT_READING;
	return next_of(&b->segment, offset, len, ret_piece, ret_offset, ret_len);
}

static enum body_step next_text(struct body *b, const struct body_part *part,
        struct bytes **ret_piece, size_t *ret_offset, size_t *ret_len)
{
	*ret_len = strlen(part->text);
	*ret_offset = 0;
	*ret_piece = bytes_copy(part->text, *ret_len);
	b->part_at++;
	return *ret_piece ? BODY_PIECE : BODY_FAILED;
}

enum body_step body_next(
        struct body *b, struct bytes **ret_piece, size_t *ret_offset, size_t *ret_len)
{
	if (b->part_at == b->part_count)
		return BODY_END;
	const struct body_part *part = &b->parts[b->part_at];
	if (part->text)
		return next_text(b, part, ret_piece, ret_offset, ret_len);
	uint64_t at = part->start + b->part_offset, left = part->end - at + 1;
	enum body_step step =
	        b->is_dlo ? next_of_segments(b, at, left, ret_piece, ret_offset, ret_len)
	                  : next_of(&b->head, at, left, ret_piece, ret_offset, ret_len);
	if (step == BODY_PIECE) {
		b->part_offset += *ret_len;
		if (part->start + b->part_offset > part->end) {
			b->part_at++;
			b->part_offset = 0;
		}
	}
	return step;
}

void body_close(struct body *b)
{
	if (b->closed)
		return;
	b->closed = true;
	reader_close(&b->head);
	if (b->segment_state != SEGMENT_NONE)
		close_segment(b);
}

void body_done(struct body *b)
{
	link_done(&b->link);
	reader_done(&b->head);
	reader_done(&b->segment);
	ranged_done(&b->list);
	info_fetch_done(&b->segment_info);
	info_fetch_done(&b->segment_account);
}

static bool tell(const struct cluster *cluster, struct buf *out)
{
	(void)cluster;
	buf_str(out, "\"max_segments\": 1000");
	return true;
}

const struct unit unit_dlo = {.name = "dlo", .info = tell};
