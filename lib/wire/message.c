/* One walk over the fields both writes and reads them, so they cannot part. A field that comes with
 * a later version is walked behind `if (c->version >= N)`, at the end of its struct. */
#include "lib/wire/message.h"

#include "lib/base/arena.h"
#include "lib/base/kv.h"
#include <endian.h>
#include <string.h>

#define CALL_COST   512u
#define ROW_COST    512u
#define LIST_COST   (64u << 10)
#define TEXT_MAX    65535u
#define ITEMS_MAX   (1u << 20) /* rows, updates, settled versions of one message */
#define ROW_MIN     56u        /* bytes of the shortest row */
#define UPDATE_MIN  (8 + ROW_MIN)
#define SETTLED_MIN 25u

struct codec {
	unsigned version;
	bool bad;
	struct buf *out; /* NULL: reads */
	const uint8_t *in;
	size_t left;
	struct backend_msg *msg; /* of which arrays are allocated */
};

static void raw(struct codec *c, void *field, size_t len)
{
	if (c->out) {
		buf_add(c->out, field, len);
	} else if (c->bad || c->left < len) {
		c->bad = true;
		memset(field, 0, len);
	} else {
		memcpy(field, c->in, len);
		c->in += len;
		c->left -= len;
	}
}

static void u8(struct codec *c, uint8_t *field)
{
	raw(c, field, 1);
}

static void u16(struct codec *c, uint16_t *field)
{
	uint16_t v = htole16(*field);

	raw(c, &v, sizeof(v));
	if (!c->out)
		*field = le16toh(v);
}

static void u32(struct codec *c, uint32_t *field)
{
	uint32_t v = htole32(*field);

	raw(c, &v, sizeof(v));
	if (!c->out)
		*field = le32toh(v);
}

static void u64(struct codec *c, uint64_t *field)
{
	uint64_t v = htole64(*field);

	raw(c, &v, sizeof(v));
	if (!c->out)
		*field = le64toh(v);
}

/* Bytes that are only looked at where they lie. */
static const void *span(struct codec *c, size_t len)
{
	const void *at = c->in;

	if (c->bad || c->left < len) {
		c->bad = true;
		return NULL;
	}
	c->in += len;
	c->left -= len;
	return at;
}

/* Length and one, or 0 for NULL; the bytes; a NUL. */
static void text(struct codec *c, const char **field)
{
	uint32_t len = c->out && *field ? (uint32_t)strlen(*field) + 1 : 0;

	u32(c, &len);
	if (c->out) {
		if (len > TEXT_MAX)
			c->bad = true;
		else if (len)
			buf_add(c->out, *field, len);
		return;
	}
	const char *at = len && len <= TEXT_MAX ? span(c, len) : NULL;
	if (len && (!at || memchr(at, 0, len) != at + len - 1))
		c->bad = true;
	*field = c->bad ? NULL : at;
}

/* A text that is always there. */
static void name(struct codec *c, const char **field)
{
	text(c, field);
	if (!*field)
		c->bad = true;
}

/* How many follow, each of at least `least` bytes. */
static void count(struct codec *c, unsigned *field, size_t least)
{
	u32(c, field);
	if (*field > ITEMS_MAX || (!c->out && *field > c->left / least))
		c->bad = true;
	if (c->bad && !c->out)
		*field = 0;
}

static void flags(struct codec *c, bool *const *fields, unsigned n)
{
	uint8_t bits = 0;

	for (unsigned i = 0; c->out && i < n; i++)
		bits |= (uint8_t)(*fields[i] << i);
	u8(c, &bits);
	if (bits >> n)
		c->bad = true;
	for (unsigned i = 0; !c->out && i < n; i++)
		*fields[i] = bits >> i & 1;
}

static void policy(struct codec *c, uint8_t *field)
{
	u8(c, field);
	if (*field >= BACKEND_POLICIES)
		c->bad = true;
}

static void row_fields(struct codec *c, struct backend_row *row)
{
	bool *const bits[] = {&row->deleted, &row->subdir};

	flags(c, bits, COUNT_OF(bits));
	policy(c, &row->policy);
	u64(c, &row->ts);
	u64(c, &row->bytes);
	u64(c, &row->count);
	u64(c, &row->totals_ts);
	u64(c, &row->meta_ts);
	name(c, &row->name);
	text(c, &row->content_type);
	text(c, &row->etag);
}

static void update_fields(struct codec *c, struct backend_update *update)
{
	name(c, &update->account);
	text(c, &update->container);
	row_fields(c, &update->row);
}

static void settled_fields(struct codec *c, struct backend_settled *settled)
{
	policy(c, &settled->policy);
	raw(c, settled->key, sizeof(settled->key));
	u64(c, &settled->ts);
}

/* The array itself: there when writing, of the message's arena when reading. */
#define ARRAY(c, items, n, least, fields)                                                          \
	do {                                                                                       \
		count(c, &(n), least);                                                             \
		if (!(c)->out && (n))                                                              \
			(items) = backend_msg_alloc((c)->msg, (n) * sizeof(*(items)));             \
		for (unsigned i_ = 0; i_ < (n) && !(c)->bad; i_++)                                 \
			fields(c, (void *)(uintptr_t) & (items)[i_]);                              \
	} while (0)

static void headers_field(struct codec *c, struct backend_msg *msg)
{
	uint32_t n = (uint32_t)msg->headers_len;

	u32(c, &n);
	if (c->out) {
		buf_add(c->out, msg->headers, msg->headers_len);
		return;
	}
	msg->headers = n ? span(c, n) : NULL;
	msg->headers_len = c->bad ? 0 : n;
	/* What a MERGE brings is the role's own. */
	if (!c->bad && msg->op != BACKEND_DB_MERGE && !kv_valid(msg->headers, n))
		c->bad = true;
}

static void list_fields(struct codec *c, struct backend_list *list)
{
	bool *const bits[] = {&list->reverse};

	text(c, &list->marker);
	text(c, &list->end_marker);
	text(c, &list->prefix);
	text(c, &list->delimiter);
	text(c, &list->path);
	u32(c, &list->limit);
	flags(c, bits, COUNT_OF(bits));
}

static void fragment_fields(struct codec *c, struct fragment *fragment)
{
	u8(c, &fragment->k);
	u8(c, &fragment->m);
	u8(c, &fragment->index);
	u64(c, &fragment->size);
	raw(c, fragment->etag, sizeof(fragment->etag));
	if (!fragment_ok(fragment))
		c->bad = true;
}

static void call_fields(
        struct codec *c, struct wire_call_head *head, struct backend_msg *msg, bool *has_body)
{
	bool cut = c->out && msg->fragment.k;
	bool leased = c->out && msg->under_lease && c->version >= 3;
	bool knows = c->out && msg->known && !leased && c->version >= 5;
	bool reads = c->out && msg->lease && c->version >= 5;
	bool *const bits[] = {has_body, &msg->newest, &msg->if_lasting, &msg->draft, &cut, &leased,
	        &knows, &reads};

	u32(c, &head->device);
	u64(c, &head->timeout_us);
	u8(c, &msg->op);
	u8(c, &msg->kind);
	policy(c, &msg->policy);
	flags(c, bits, COUNT_OF(bits) - 2 * (c->version < 5));
	raw(c, msg->key, sizeof(msg->key));
	text(c, &msg->account);
	text(c, &msg->container);
	text(c, &msg->object);
	u64(c, &msg->ts);
	u64(c, &msg->ring_version);
	u64(c, &msg->ring_older);
	u64(c, &msg->meta_ts);
	headers_field(c, msg);
	u64(c, &msg->size);
	raw(c, msg->etag, sizeof(msg->etag));
	u64(c, &msg->stage);
	u64(c, &msg->handle);
	u64(c, &msg->offset);
	u64(c, &msg->len);
	ARRAY(c, msg->updates, msg->update_count, UPDATE_MIN, update_fields);
	ARRAY(c, msg->settled, msg->settled_count, SETTLED_MIN, settled_fields);
	ARRAY(c, msg->rows, msg->row_count, ROW_MIN, row_fields);
	list_fields(c, &msg->list);
	ARRAY(c, msg->ranges, msg->range_count, 8, u64);
	u8(c, &msg->range_bits);
	u8(c, &msg->fan_out);
	if (cut)
		fragment_fields(c, &msg->fragment);
	if (leased || knows)
		u64(c, &msg->known);
	if (reads)
		u64(c, &msg->lease);
	if ((leased && (c->version < 3 || knows)) || (knows && !msg->known) ||
	        (reads && !msg->lease))
		c->bad = true;
	if (!c->out)
		msg->under_lease = leased;
}

enum err wire_call_encode(struct buf *out, unsigned version, const struct wire_call_head *head,
        const struct backend_msg *msg)
{
	struct codec c = {.version = version, .out = out};
	struct wire_call_head h = *head;
	bool has_body = msg->body;

	/* Writing changes nothing of it. */
	call_fields(&c, &h, (struct backend_msg *)(uintptr_t)msg, &has_body);
	return out->err ? out->err : c.bad ? ERR_BAD_REQUEST : ERR_OK;
}

/* Each kind has operations of its own, and databases are named. */
static bool is_sound(const struct backend_msg *msg)
{
	if (msg->kind > BACKEND_OBJECT)
		return false;
	if (msg->op > BACKEND_DB_ROWS)
		return true; /* the role says whether it knows it */
	if (msg->op < BACKEND_DB_PUT)
		return msg->kind == BACKEND_OBJECT;
	return msg->kind == BACKEND_ACCOUNT
	               ? msg->account != NULL
	               : msg->kind == BACKEND_CONTAINER && msg->account && msg->container;
}

enum err wire_call_decode(unsigned version, const void *data, size_t len, struct bytes *body,
        struct wire_call_head *ret_head, struct backend_msg **ret_msg)
{
	struct backend_msg *msg = backend_msg_new(0, 0);
	void *copy = arena_alloc(msg->arena, len);
	struct codec c = {.version = version, .in = copy, .left = len, .msg = msg};
	struct wire_call_head head = {0};
	bool has_body = false;

	msg->body = body;
	memcpy(copy, data, len);
	call_fields(&c, &head, msg, &has_body);
	if (!c.bad && has_body && !msg->body && !(msg->body = bytes_new(0)))
		c.bad = true;
	if (c.bad || c.left || has_body != (msg->body != NULL) || !is_sound(msg)) {
		backend_msg_unref(msg);
		return ERR_FORMAT;
	}
	*ret_head = head;
	*ret_msg = msg;
	return ERR_OK;
}

size_t wire_call_cost(const struct backend_msg *msg)
{
	size_t cost = CALL_COST + msg->headers_len + msg->row_count * (size_t)ROW_COST +
	              msg->update_count * (size_t)ROW_COST + (msg->body ? msg->body->len : 0);

	if (msg->op == BACKEND_OBJECT_GET || msg->op == BACKEND_OBJECT_READ)
		cost += msg->len < BACKEND_PIECE ? msg->len : BACKEND_PIECE;
	else if (msg->op >= BACKEND_DB_LIST && msg->op != BACKEND_DB_ROWS)
		cost += LIST_COST;
	return cost;
}

/* --- replies --- */

static const uint16_t codes[ERR_COUNT] = {
        [ERR_BAD_REQUEST] = 1,
        [ERR_UNAUTHORIZED] = 2,
        [ERR_FORBIDDEN] = 3,
        [ERR_NOT_FOUND] = 4,
        [ERR_BAD_METHOD] = 5,
        [ERR_TIMEOUT] = 6,
        [ERR_CONFLICT] = 7,
        [ERR_EXISTS] = 8,
        [ERR_LENGTH_REQUIRED] = 9,
        [ERR_PRECONDITION] = 10,
        [ERR_TOO_LARGE] = 11,
        [ERR_RANGE] = 12,
        [ERR_UNPROCESSABLE] = 13,
        [ERR_CLIENT_GONE] = 14,
        [ERR_INTERNAL] = 15,
        [ERR_NO_MEMORY] = 16,
        [ERR_UNAVAILABLE] = 17,
        [ERR_BUSY] = 18,
        [ERR_STALE_RING] = 19,
        [ERR_DEADLINE] = 20,
        [ERR_CANCELLED] = 21,
        [ERR_CLOSED] = 22,
        [ERR_IO] = 23,
        [ERR_CORRUPT] = 24,
        [ERR_NO_SPACE] = 25,
        [ERR_READ_ONLY] = 26,
        [ERR_FORMAT] = 27,
        [ERR_CONFIG] = 28,
        [ERR_UNSUPPORTED] = 29,
        [ERR_CLOCK] = 30,
        [ERR_MOVED] = 31,
};

uint16_t wire_err_code(enum err err)
{
	if (err == ERR_OK)
		return 0;
	return (unsigned)err < ERR_COUNT && codes[err] ? codes[err] : codes[ERR_INTERNAL];
}

enum err wire_err_from(uint16_t code)
{
	for (unsigned err = ERR_OK; err < ERR_COUNT; err++) {
		if (wire_err_code((enum err)err) == code)
			return (enum err)err;
	}
	return ERR_INTERNAL;
}

static void block(struct codec *c, struct buf *field)
{
	uint32_t len = (uint32_t)field->len;

	u32(c, &len);
	if (c->out) {
		buf_add(c->out, field->data, field->len);
		return;
	}
	const void *at = span(c, len);
	if (at && len)
		buf_add(field, at, len);
	if (field->err)
		c->bad = true;
}

static void reply_headers(struct codec *c, struct buf *headers)
{
	block(c, headers);
	if (!c->out && !kv_valid(headers->data, headers->len))
		c->bad = true;
}

/* Three texts, each with its NUL, or nothing. */
static void reply_path(struct codec *c, struct buf *path)
{
	unsigned nuls = 0;

	block(c, path);
	for (size_t i = 0; i < path->len; i++)
		nuls += !path->data[i];
	if (path->len && (nuls != 3 || path->data[path->len - 1]))
		c->bad = true;
}

static void reply_rows(struct codec *c, struct buf *rows)
{
	struct backend_row row;
	unsigned n = 0;

	if (c->out) {
		for (size_t at = 0; backend_rows_next(rows, &at, &row);)
			n++;
	}
	count(c, &n, ROW_MIN);
	for (size_t at = 0; n && !c->bad; n--) {
		if (c->out)
			backend_rows_next(rows, &at, &row);
		row_fields(c, &row);
		if (!c->out && !c->bad)
			backend_rows_add(rows, &row);
	}
	if (rows->err)
		c->bad = true;
}

/* Counts and bytes of the policies that have any; from version 4 on containers, too. */
static void reply_totals(struct codec *c, struct backend_reply *reply)
{
	uint16_t used = 0;

	for (unsigned p = 0; p < BACKEND_POLICIES; p++)
		used |= (uint16_t)((reply->count[p] || reply->bytes[p] ||
		                           (c->version >= 4 && reply->containers_of[p]))
		                   << p);
	u16(c, &used);
	for (unsigned p = 0; p < BACKEND_POLICIES; p++) {
		if (!(used >> p & 1))
			continue;
		u64(c, &reply->count[p]);
		u64(c, &reply->bytes[p]);
		if (c->version >= 4)
			u64(c, &reply->containers_of[p]);
	}
}

static void database_fields(struct codec *c, struct backend_reply *reply)
{
	u64(c, &reply->put_ts);
	u64(c, &reply->delete_ts);
	reply_totals(c, reply);
	u64(c, &reply->containers);
	policy(c, &reply->policy);
	raw(c, reply->hash, sizeof(reply->hash));
	reply_rows(c, &reply->rows);
	if (c->version >= 3)
		reply_rows(c, &reply->points);
}

static bool is_database(const struct backend_reply *reply)
{
	static const uint8_t none[16];
	bool totals = false;

	for (unsigned p = 0; p < BACKEND_POLICIES; p++)
		totals |= reply->count[p] || reply->bytes[p] || reply->containers_of[p];
	return totals || reply->put_ts || reply->delete_ts || reply->containers || reply->policy ||
	       reply->rows.len || reply->points.len || memcmp(reply->hash, none, sizeof(none)) != 0;
}

static bool has_drafts(const struct backend_reply *reply)
{
	return reply->draft_ts || reply->drafts[0];
}

static void draft_fields(struct codec *c, struct backend_reply *reply)
{
	u64(c, &reply->draft_ts);
	for (unsigned i = 0; i < BACKEND_DRAFTS; i++)
		u64(c, &reply->drafts[i]);
}

static void reply_fields(struct codec *c, struct backend_reply *reply, uint64_t *worked_us)
{
	uint16_t code = wire_err_code(reply->err);
	bool has_body = c->out && reply->body, database = c->out && is_database(reply),
	     cut = c->out && reply->fragment.k, drafts = c->out && has_drafts(reply);
	bool *const bits[] = {&has_body, &database, &reply->deleted, &reply->exact, &reply->more,
	        &cut, &drafts, &reply->filling};

	u16(c, &code);
	if (!c->out)
		reply->err = wire_err_from(code);
	flags(c, bits, COUNT_OF(bits) - (c->version < 3)); /* before, nobody was filled */
	if (c->version >= 2)
		u64(c, worked_us);
	u64(c, &reply->ts);
	u64(c, &reply->meta_ts);
	if (c->version >= 3)
		u64(c, &reply->promised);
	if (c->version >= 5)
		u64(c, &reply->replaced);
	u64(c, &reply->size);
	raw(c, reply->etag, sizeof(reply->etag));
	u64(c, &reply->handle);
	reply_headers(c, &reply->headers);
	reply_path(c, &reply->path);
	block(c, &reply->items);
	if (database)
		database_fields(c, reply);
	if (cut)
		fragment_fields(c, &reply->fragment);
	if (drafts)
		draft_fields(c, reply);
	if (!c->out && !c->bad && has_body && !reply->body && !(reply->body = bytes_new(0)))
		c->bad = true;
	if (has_body != (reply->body != NULL))
		c->bad = true;
}

enum err wire_reply_encode(
        struct buf *out, unsigned version, const struct backend_reply *reply, uint64_t worked_us)
{
	struct codec c = {.version = version, .out = out};

	reply_fields(&c, (struct backend_reply *)(uintptr_t)reply, &worked_us);
	return out->err ? out->err : c.bad ? ERR_BAD_REQUEST : ERR_OK;
}

static void reply_done(struct backend_reply *reply)
{
	buf_done(&reply->headers);
	buf_done(&reply->path);
	buf_done(&reply->rows);
	buf_done(&reply->points);
	buf_done(&reply->items);
	bytes_unref(reply->body);
}

enum err wire_reply_decode(unsigned version, const void *data, size_t len, struct bytes *body,
        struct backend_reply *ret_reply, uint64_t *ret_worked_us)
{
	struct codec c = {.version = version, .in = data, .left = len};
	struct backend_reply reply = {.body = body, .body_len = body ? body->len : 0};
	uint64_t worked_us = 0;

	reply_fields(&c, &reply, &worked_us);
	if (c.bad || c.left) {
		reply_done(&reply);
		return ERR_FORMAT;
	}
	*ret_reply = reply;
	*ret_worked_us = worked_us;
	return ERR_OK;
}
