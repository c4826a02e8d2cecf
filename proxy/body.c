#include "proxy/body.h"
#include "proxy/listing.h"
#include "proxy/pipeline.h"
#include "proxy/s3/class.h"
#include "proxy/s3/upload.h"
#include "proxy/s3/version.h"
#include "proxy/unit/reserved.h"
#include "proxy/unit/shown.h"

#include "lib/base/kv.h"
#include "lib/crypto/md5.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIST_PAGE    10000
#define SEGMENTS_MAX 100000

void body_key(struct body *b)
{
	if (b->request)
		reader_key(&b->head, http_get(b->request->http, SEAL_OPEN));
}

enum seal_lock body_lock(const struct body *b)
{
	return b->head.unseal.lock;
}

void body_verbatim(struct body *b)
{
	reader_verbatim(&b->head);
	b->size = b->head.reply->size;
}

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
	b->link.offset = first_offset;
	b->link.len = first_len;
	reader_open(
	        &b->head, op, proxy, policy, account, container, object, first_offset, first_len);
	body_key(b);
}

/* --- dynamic large objects --- */

static bool start_dlo(struct body *b, const char *manifest)
{
	size_t len;
	char *path = url_unquote(b->arena, manifest, strlen(manifest), &len);

	while (*path == '/')
		path++;
	char *slash = strchr(path, '/');
	if (!slash || slash == path || strlen(path) != len || !utf8_valid(path, len))
		return false;
	*slash = 0;
	b->is_dlo = true;
	b->segment_container = path;
	b->segment_prefix = slash + 1;
	b->size = 0;
	arena_init(&b->manifest.arena);
	return true;
}

/* Page after page, through all ranges of their container. */
static void ask_segments(struct body *b)
{
	b->asked = true;
	b->list = (struct ranged){.root = {.op = b->op,
	                                  .proxy = b->proxy,
	                                  .account = b->account,
	                                  .container = b->segment_container}};
	b->page = (struct backend_list){
	        .prefix = b->segment_prefix, .marker = b->last_name, .limit = LIST_PAGE};
}

static void add_segment(struct body *b, const struct backend_row *row)
{
	struct manifest *m = &b->manifest;

	if (m->count == b->segment_room) {
		unsigned room = b->segment_room ? b->segment_room * 2 : 16;
		struct manifest_segment *more = arena_alloc(&m->arena, room * sizeof(*more));
		if (m->count)
			memcpy(more, m->segments, m->count * sizeof(*more));
		m->segments = more;
		b->segment_room = room;
	}
	b->last_name = arena_strdup(&m->arena, row->name);
	m->segments[m->count++] = (struct manifest_segment){
	        .container = b->segment_container,
	        .object = b->last_name,
	        .etag = arena_strdup(&m->arena, row->etag),
	        .bytes = row->bytes,
	        .start = b->size,
	        .length = row->bytes,
	};
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
		struct shown shown;
		row.etag = unseal_row(&sealed, row.etag);
		shown_make(&row, b->account, b->segment_container, &shown);
		if (shown.version || shown.s3_etag) {
			row.etag = shown.s3_etag ? shown.s3_etag : shown.etag;
			row.bytes = shown.bytes;
		}
		add_segment(b, &row);
		shown_done(&shown);
	}
	unseal_rows_done(&sealed);
	return rows < LIST_PAGE || b->manifest.count >= SEGMENTS_MAX;
}

/* May who asks list them? True when that is known; else b->err says why not. */
static bool may_list(struct body *b)
{
	struct access access = {b->account, b->segment_container, false, true, false, false, false};
	bool wait;

	if (!info_get(&b->segment_info, b->op, b->proxy, b->account, b->segment_container))
		return false;
	b->err = b->segment_info.err;
	if (b->err || b->asked)
		return true;
	b->err = request_authorize(b->request, &access,
	        info_header(b->segment_info.info, "X-Container-Read"), &b->segment_account, &wait);
	return !wait;
}

static bool list_segments(struct body *b)
{
	if (!may_list(b))
		return false;
	if (!b->err && !b->segment_info.info->exists)
		b->err = ERR_NOT_FOUND;
	if (b->err)
		return true;
	if (!b->asked)
		ask_segments(b);
	for (;;) {
		if (!ranged_rows(&b->list, &b->page))
			return false;
		bool last = take_segments(b);
		ranged_done(&b->list);
		if (last)
			return true;
		ask_segments(b);
	}
}

/* Of an object that S3 has made of parts; NULL: it is none. */
static const char *bucket_of(const struct body *b)
{
	const struct buf *headers = &b->head.reply->headers;
	bool own = !b->is_dlo && strcmp(b->head.account, b->account) == 0;

	return own && kv_get(headers->data, headers->len, UPLOAD_ID_HEADER)
	               ? versions_container_of(b->head.container)
	               : NULL;
}

static void have_segments(struct body *b)
{
	b->segment_count = b->manifest.count;
	b->manifest.size = b->size;
	b->segments = arena_alloc(b->arena, sizeof(*b->segments));
	segments_init(b->segments, b->request, b->op, b->proxy, b->account, &b->manifest);
	b->segments->bucket = bucket_of(b);
}

/* --- static large objects --- */

static const char *header(const struct body *b, const char *name)
{
	const struct buf *headers = &b->head.reply->headers;

	return kv_get(headers->data, headers->len, name);
}

/* The manifest from its first byte on: what was asked for may have been a range of the whole. */
static void open_whole(struct body *b)
{
	const char *account = b->head.account, *container = b->head.container,
	           *object = b->head.object;

	reader_close(&b->head);
	reader_done(&b->head);
	b->whole = true;
	reader_open(
	        &b->head, b->op, b->proxy, b->policy, account, container, object, 0, UINT64_MAX);
	body_key(b);
}

/* True when all of the manifest is in b->text, or b->err. */
static bool gather_manifest(struct body *b)
{
	const struct reader *head = &b->head;
	struct bytes *piece;
	size_t offset, len;

	if (head->reply->size > MANIFEST_BYTES_MAX)
		b->err = ERR_FORMAT;
	while (!b->err && b->text.len < head->reply->size) {
		uint64_t at = b->text.len;
		switch (reader_next(&b->head, at, head->reply->size - at, &piece, &offset, &len)) {
		case SEGMENTS_WAIT:
			return false;
		case SEGMENTS_FAILED:
			b->err = ERR_UNAVAILABLE;
			break;
		case SEGMENTS_PIECE:
			buf_add(&b->text, piece->data + offset, len);
			bytes_unref(piece);
		}
	}
	return true;
}

static void show_anew(struct body *b)
{
	AUTO(buf) struct buf text = BUF_NONE;

	manifest_write_raw(&b->manifest, &text);
	b->shown = bytes_copy(buf_text(&text), text.len);
	if (!b->shown)
		b->err = ERR_UNAVAILABLE;
	b->size = text.len;
}

/* What a version that Swift made long ago does not say of itself is in its manifest. */
static bool says_all(const struct body *b)
{
	const char *size = header(b, "X-Object-Sysmeta-Slo-Size"),
	           *etag = header(b, "X-Object-Sysmeta-Slo-Etag");

	return size && *size && etag && *etag;
}

static bool read_manifest(struct body *b)
{
	const struct reader *head = &b->head;

	b->is_slo = !b->anew;
	if (b->is_slo && b->head_only && !b->parts_wanted && says_all(b)) {
		b->size = strtoull(header(b, "X-Object-Sysmeta-Slo-Size"), NULL, 10);
		return true;
	}
	if (!b->whole && (head->want_offset || head->want_len != UINT64_MAX)) {
		open_whole(b);
		return false;
	}
	if (!gather_manifest(b))
		return false;
	if (!b->err && manifest_read(&b->manifest, buf_text(&b->text), b->text.len))
		b->err = ERR_FORMAT;
	buf_done(&b->text);
	b->text = BUF_NONE;
	if (b->err)
		return true;
	if (b->anew) {
		show_anew(b);
		return true;
	}
	b->size = b->manifest.size;
	have_segments(b);
	return true;
}

/* What another system keeps encrypted: its bytes are not the object's. */
static bool is_foreign(const struct body *b)
{
	return header(b, "X-Object-Sysmeta-Crypto-Body-Meta");
}

/* Of which kind is it? True when all is known of it. */
/* S3 knows no time of a POST: what is said anew, an access control list or tags, makes no newer
 * object. */
static bool is_for_s3(const struct body *b)
{
	const struct request *request = b->request;

	return request && (request->s3 || (request->parent && request->parent->s3));
}

static bool look(struct body *b)
{
	const struct backend_reply *r = b->head.reply;

	b->is_slo = false;
	if (b->link.refusal)
		b->err = ERR_CONFLICT;
	else if (!b->err)
		b->err = b->head.err;
	if (!b->err && b->proxy->backend->plain && is_foreign(b))
		b->err = ERR_UNSUPPORTED;
	if (b->err)
		return true;
	b->size = r->size;
	b->ts = is_for_s3(b) || r->ts > r->meta_ts ? s3_written(r) : r->meta_ts;
	if ((!b->raw || b->anew || (b->one && header(b, S3_ETAG))) &&
	        is_true(header(b, "X-Static-Large-Object")))
		return read_manifest(b);
	const char *manifest = header(b, "X-Object-Manifest");
	return b->raw || !manifest || !*manifest || !start_dlo(b, manifest);
}

bool body_ready(struct body *b)
{
	if (b->listed)
		return true;
	if (!link_ready(b) || (b->whole && !reader_ready(&b->head)))
		return false;
	if (!b->is_dlo && !look(b) && !b->is_dlo)
		return false;
	if (b->is_dlo && !list_segments(b))
		return false;
	if (b->is_dlo && !b->err)
		have_segments(b);
	b->listed = true;
	return true;
}

bool body_is_dlo(const struct body *b)
{
	return b->is_dlo;
}

bool body_is_slo(const struct body *b)
{
	return b->is_slo;
}

static bool parse_part(const char *text, uint64_t *ret_part)
{
	char *end;

	text += strspn(text, " ");
	if (strspn(text, "+0123456789") < strcspn(text, " "))
		return false;
	*ret_part = strtoull(text, &end, 10);
	return *ret_part > 0 && !end[strspn(end, " ")];
}

const char *body_part(const struct body *b, const char *text, const char *range, uint64_t *ret_part,
        struct range *ret_range)
{
	*ret_part = 0;
	if (!text || !b->is_slo)
		return NULL;
	if (!parse_part(text, ret_part))
		return "Part number must be an integer greater than 0";
	if (range)
		return "Range requests are not supported with part number queries";
	*ret_range = (struct range){1, 0};
	if (b->segments && *ret_part <= b->segment_count) {
		const struct manifest_segment *s =
		        &b->segments->levels[0].manifest.segments[*ret_part - 1];
		*ret_range = (struct range){s->start, s->start + (s->length ? s->length - 1 : 0)};
	}
	return NULL;
}

const char *body_part_type(const struct body *b, uint64_t part)
{
	return b->segments && part && part <= b->segment_count
	               ? b->segments->levels[0].manifest.segments[part - 1].type
	               : NULL;
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

uint64_t body_newest(const struct body *b)
{
	const struct backend_reply *r = b->head.reply;

	return r->ts > r->meta_ts ? r->ts : r->meta_ts;
}

/* A large object's is in double quotes. */
void body_etag(const struct body *b, char *ret_text, size_t size)
{
	char hex[33];

	if (b->is_slo && says_all(b)) {
		snprintf(ret_text, size, "\"%s\"", header(b, "X-Object-Sysmeta-Slo-Etag"));
	} else if (b->is_slo) {
		manifest_etag(&b->segments->levels[0].manifest, hex);
		snprintf(ret_text, size, "\"%s\"", hex);
	} else if (b->is_dlo) {
		AUTO(buf) struct buf all = BUF_NONE;
		uint8_t digest[16];
		const struct manifest *m =
		        b->segments ? &b->segments->levels[0].manifest : &b->manifest;
		for (unsigned i = 0; i < m->count; i++)
			buf_str(&all, m->segments[i].etag);
		md5_digest(buf_text(&all), all.len, digest);
		md5_hex(digest, hex);
		snprintf(ret_text, size, "\"%s\"", hex);
	} else {
		uint8_t digest[16];
		if (b->shown)
			md5_digest(b->shown->data, b->shown->len, digest);
		md5_hex(b->shown ? digest : b->head.reply->etag, hex);
		snprintf(ret_text, size, "%s", hex);
	}
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

struct bytes *body_take_whole(struct body *b, uint64_t total, size_t *ret_offset, size_t *ret_len)
{
	const struct reader *head = &b->head;
	struct bytes *piece;

	*ret_offset = *ret_len = 0;
	if (b->segments || b->part_count != 1 || b->parts[0].text)
		return NULL;
	if (b->shown) {
		*ret_offset = b->parts[0].start;
		*ret_len = total;
		return bytes_ref(b->shown);
	}
	uint64_t start = b->parts[0].start;
	if (head->reading || !head->reply->body || start < head->want_offset ||
	        start + total > head->want_offset + head->reply->body_len)
		return NULL;
	reader_next(&b->head, start, total, &piece, ret_offset, ret_len);
	return piece;
}

bool body_begins(struct body *b, enum err *ret_err)
{
	*ret_err = ERR_OK;
	if (!b->segments)
		return true;
	for (unsigned i = 0; i < b->part_count; i++) {
		const struct body_part *part = &b->parts[i];
		if (!part->text)
			return segments_ready(b->segments, part->start, part->end + 1, ret_err);
	}
	return true;
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

enum body_step body_read(struct body *b, uint64_t at, uint64_t end, struct bytes **ret_piece,
        size_t *ret_offset, size_t *ret_len)
{
	enum segments_step step;

	if (b->shown) {
		*ret_piece = bytes_ref(b->shown);
		*ret_offset = at;
		*ret_len = end - at;
		return BODY_PIECE;
	}
	step = b->segments ? segments_next(b->segments, at, end, ret_piece, ret_offset, ret_len)
	                   : reader_next(&b->head, at, end - at, ret_piece, ret_offset, ret_len);
	return step == SEGMENTS_PIECE  ? BODY_PIECE
	       : step == SEGMENTS_WAIT ? BODY_WAIT
	                               : BODY_FAILED;
}

enum body_step body_next(
        struct body *b, struct bytes **ret_piece, size_t *ret_offset, size_t *ret_len)
{
	if (b->part_at == b->part_count)
		return BODY_END;
	const struct body_part *part = &b->parts[b->part_at];
	if (part->text)
		return next_text(b, part, ret_piece, ret_offset, ret_len);
	enum body_step step = body_read(
	        b, part->start + b->part_offset, part->end + 1, ret_piece, ret_offset, ret_len);
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
	if (b->segments)
		segments_close(b->segments);
}

void body_done(struct body *b)
{
	link_done(&b->link);
	reader_done(&b->head);
	if (b->segments)
		segments_done(b->segments);
	manifest_done(&b->manifest);
	bytes_unref(b->shown);
	buf_done(&b->text);
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
