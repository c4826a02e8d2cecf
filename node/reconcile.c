/* state -> (vote -> (undo -> state)) -> (info) -> piece -> (ours -> theirs | rows -> (merge))* ->
 * piece ... -> done
 *
 * A piece is a range of names. Ours tells where its parts end and their digests, theirs the digests
 * of the same parts; those that differ become pieces, and of small ones the rows are compared.
 *
 * vote: one of them has a deletion that the other has not: all primaries are asked whether it
 * counts (proxy/gone.h). One that does not, and never will, is undone, once a majority has the
 * same: that database is forgotten, and gets all that the other has. */
#include "node/reconcile.h"
#include "node/pace.h"
#include "proxy/gone.h"

#include "lib/base/mem.h"
#include "lib/base/ts.h"
#include "lib/log/log.h"
#include <stdlib.h>
#include <string.h>

#define DEADLINE_MS 60000
#define PART_MIN    64 /* rows: parts of so few are not split any more */
#define PART_MAX    4096
#define PARTS       128                   /* the first split aims at so many */
#define UNDO_TICKS  (120 * TS_PER_SECOND) /* who deletes has given up long before */
#define PAGE        256 /* rows in one message: they are applied in one turn of a loop */

enum { STATE, VOTE, UNDO, INFO, PIECE, OURS, THEIRS, ROWS, MERGE };

struct piece {
	char *from, *to; /* owned; "" and NULL: without an end */
	uint32_t limit;  /* rows of its parts; 0: its rows are compared */
};

struct reconcile {
	struct op op;
	struct proxy *proxy;
	struct op *waiter; /* borrowed; NULL once told */
	unsigned refs;
	enum backend_kind kind;
	uint8_t key[16];
	uint64_t before_ts, delete_ts;
	uint32_t devices[2];       /* we, they */
	char *account, *container; /* owned */
	struct place place;        /* who votes */
	struct fan vote, undo;
	struct fan state, info[2], ours, theirs, merge[2];
	struct piece *pieces; /* owned; a stack */
	unsigned piece_count, piece_cap;
	struct piece piece; /* owned: the one at hand */
	uint64_t sent;
	enum err err;
	bool decided, both, undone, told;
	const uint64_t *asked_us; /* borrowed */
	uint64_t began_us;        /* what is at hand; 0: nothing */
	struct timer rest;
	bool rests;
};

static struct reconcile *reconcile_of(struct op *op)
{
	return CONTAINER_OF(op, struct reconcile, op);
}

static struct backend_msg *message(const struct reconcile *r, enum backend_op op)
{
	struct backend_msg *msg = backend_msg_new(op, r->kind);

	backend_msg_path(msg, r->account, r->container, NULL);
	memcpy(msg->key, r->key, 16);
	msg->ts = r->before_ts;
	return msg;
}

static enum step end(struct reconcile *r, enum err err)
{
	r->err = err;
	r->decided = true;
	if (r->waiter)
		op_child_end(r->waiter);
	r->waiter = NULL;
	return STEP_DONE;
}

/* --- what each knows of itself --- */

/* Account, container and no object, each with its NUL. */
static bool take_names(struct reconcile *r, const struct buf *path)
{
	size_t a = path->len ? strnlen(path->data, path->len) : 0;

	if (path->len < 3 || a + 1 >= path->len ||
	        strnlen(path->data + a + 1, path->len - a - 1) + a + 3 != path->len)
		return false;
	r->account = mem_strdup(path->data);
	r->container = r->kind == BACKEND_CONTAINER ? mem_strdup(path->data + a + 1) : NULL;
	return true;
}

static void send_info(struct reconcile *r, unsigned from)
{
	const struct backend_reply *state = &r->state.calls[from].reply;
	struct backend_msg *msg = message(r, BACKEND_DB_MERGE);

	backend_msg_headers(msg, &state->items);
	msg->ts = state->put_ts > state->delete_ts ? state->put_ts : state->delete_ts;
	fan_start(&r->info[from], &r->op, r->proxy, msg, &r->devices[!from], 1, DEADLINE_MS);
}

static void add_piece(struct reconcile *r, const char *from, const char *to, uint32_t limit)
{
	if (r->piece_count == r->piece_cap) {
		r->piece_cap = r->piece_cap ? 2 * r->piece_cap : 16;
		r->pieces = mem_realloc(r->pieces, r->piece_cap * sizeof(*r->pieces));
	}
	r->pieces[r->piece_count++] = (struct piece){
	        .from = mem_strdup(from),
	        .to = to && *to ? mem_strdup(to) : NULL,
	        .limit = limit,
	};
}

static void add_all(struct reconcile *r, uint64_t rows)
{
	uint64_t limit = rows / PARTS;

	if (limit < PART_MIN)
		limit = PART_MIN;
	add_piece(r, "", NULL, limit < PART_MAX ? (uint32_t)limit : PART_MAX);
}

/* Which of them has a deletion that the other has not, nor a later put; 2: none. */
static unsigned deleted_one(const struct reconcile *r)
{
	for (unsigned i = 0; i < 2 && r->kind == BACKEND_CONTAINER; i++) {
		const struct backend_reply *gone = &r->state.calls[i].reply;
		const struct backend_reply *other = &r->state.calls[!i].reply;
		if (gone->delete_ts > gone->put_ts && gone->delete_ts > other->put_ts &&
		        gone->delete_ts > other->delete_ts)
			return i;
	}
	return 2;
}

static enum step reconcile_state(struct op *op)
{
	struct reconcile *r = reconcile_of(op);

	if (!r->state.count) {
		r->began_us = reactor_now_us(op->reactor);
		fan_start(&r->state, op, r->proxy, message(r, BACKEND_DB_STATE), r->devices, 2,
		        DEADLINE_MS);
	}
	if (fan_open(&r->state))
		return STEP_WAIT;
	const struct backend_reply *a = &r->state.calls[0].reply, *b = &r->state.calls[1].reply;
	if ((a->err && a->err != ERR_NOT_FOUND) || (b->err && b->err != ERR_NOT_FOUND))
		return end(r, a->err && a->err != ERR_NOT_FOUND ? a->err : b->err);
	if (a->err && b->err)
		return end(r, ERR_OK);
	if (!take_names(r, a->err ? &b->path : &a->path))
		return end(r, ERR_CORRUPT);
	return op_go(op, deleted_one(r) < 2 ? VOTE : INFO);
}

/* --- a deletion that one of them took --- */

/* Do so many have the same that no other majority lacks what one of them was told, with the help of
 * who took the deletion alone? */
static bool live_agree(const struct reconcile *r)
{
	for (unsigned i = 0; i < r->vote.count; i++) {
		const struct backend_reply *one = &r->vote.calls[i].reply;
		uint64_t same = 0;
		for (unsigned j = 0; j < r->vote.count; j++) {
			const struct backend_call *call = &r->vote.calls[j];
			const struct backend_reply *other = &call->reply;
			if (!other->err && !other->filling && other->delete_ts <= other->put_ts &&
			        memcmp(one->hash, other->hash, sizeof(one->hash)) == 0)
				same |= place_bit(&r->place, call->device);
		}
		if (place_met(&r->place, same))
			return true;
	}
	return false;
}

static enum step reconcile_vote(struct op *op)
{
	struct reconcile *r = reconcile_of(op);
	const struct env *env = r->proxy->cluster->env;

	if (!r->vote.count) {
		place_of_key(proxy_rings(r->proxy->cluster, r->kind, 0), r->key, &r->place);
		fan_start(&r->vote, op, r->proxy, message(r, BACKEND_DB_STATE), r->place.devices,
		        r->place.count, DEADLINE_MS);
	}
	if (fan_open(&r->vote))
		return STEP_WAIT;
	uint64_t delete_ts = r->state.calls[deleted_one(r)].reply.delete_ts;
	enum gone gone = gone_by(&r->vote, &r->place, delete_ts);
	if (gone == GONE_NO_QUESTION || gone == GONE_COUNTS)
		return op_go(op, INFO);
	bool late = env->wall_us(env) / 10 > delete_ts + UNDO_TICKS;
	bool may_undo = gone == GONE_NOT && late && !r->undone && live_agree(r);
	return may_undo ? op_go(op, UNDO) : end(r, ERR_BUSY);
}

static enum step reconcile_undo(struct op *op)
{
	struct reconcile *r = reconcile_of(op);
	unsigned at = deleted_one(r);
	const struct backend_reply *state = &r->state.calls[at].reply;

	if (!r->undo.count) {
		struct backend_msg *msg = message(r, BACKEND_DB_FORGET);
		msg->ts = state->put_ts;
		msg->meta_ts = state->delete_ts;
		memcpy(msg->etag, state->hash, sizeof(msg->etag));
		fan_start(&r->undo, op, r->proxy, msg, &r->devices[at], 1, DEADLINE_MS);
	}
	if (fan_open(&r->undo))
		return STEP_WAIT;
	if (r->undo.calls[0].reply.err)
		return end(r, r->undo.calls[0].reply.err);
	log_info("undeleted", "device=%u account=%s container=%s", r->devices[at],
	        log_quote(r->account), log_quote(r->container));
	r->undone = true;
	fan_done(&r->state);
	free(TAKE(r->account));
	free(TAKE(r->container));
	return op_go(op, STATE);
}

/* --- what each knows of itself, to the other --- */

static void start_info(struct reconcile *r)
{
	const struct backend_reply *a = &r->state.calls[0].reply, *b = &r->state.calls[1].reply;

	r->told = true;
	r->delete_ts = a->delete_ts > b->delete_ts ? a->delete_ts : b->delete_ts;
	bool same = a->items.len == b->items.len &&
	            memcmp(a->items.data, b->items.data, a->items.len) == 0;
	for (unsigned i = 0; i < (r->both ? 2 : 1) && !same; i++) {
		if (!r->state.calls[i].reply.err)
			send_info(r, i);
	}
	if (a->err || b->err || memcmp(a->etag, b->etag, 16) != 0)
		add_all(r, a->size > b->size ? a->size : b->size);
}

static enum step reconcile_info(struct op *op)
{
	struct reconcile *r = reconcile_of(op);

	if (!r->told)
		start_info(r);
	for (unsigned i = 0; i < 2; i++) {
		if (fan_open(&r->info[i]))
			return STEP_WAIT;
		if (r->info[i].count && r->info[i].calls[0].reply.err)
			return end(r, r->info[i].calls[0].reply.err);
	}
	return op_go(op, PIECE);
}

/* --- which rows differ --- */

static void drop_piece(struct piece *piece)
{
	free(piece->from);
	free(piece->to);
	*piece = (struct piece){0};
}

static void on_rested(struct timer *timer)
{
	struct reconcile *r = CONTAINER_OF(timer, struct reconcile, rest);

	r->rests = false;
	op_wake(&r->op);
}

/* After a piece, and after what comes before the first. */
static void rest(struct reconcile *r)
{
	uint64_t now = reactor_now_us(r->op.reactor);

	if (r->began_us && pace_is_wanted(*r->asked_us, now)) {
		r->rests = true;
		r->rest.fire = on_rested;
		timer_set(r->op.reactor, &r->rest, pace_rest_us(now - r->began_us));
	}
	r->began_us = 0;
}

static enum step reconcile_piece(struct op *op)
{
	struct reconcile *r = reconcile_of(op);

	rest(r);
	if (r->rests)
		return STEP_WAIT;
	drop_piece(&r->piece);
	fan_done(&r->ours);
	fan_done(&r->theirs);
	if (!r->piece_count)
		return end(r, ERR_OK);
	r->piece = r->pieces[--r->piece_count];
	r->began_us = reactor_now_us(op->reactor);
	return op_go(op, r->piece.limit ? OURS : ROWS);
}

static struct backend_msg *about_piece(struct reconcile *r, enum backend_op op, uint32_t limit)
{
	struct backend_msg *msg = message(r, op);

	msg->list.marker = backend_msg_strdup(msg, r->piece.from);
	msg->list.end_marker = backend_msg_strdup(msg, r->piece.to);
	msg->list.limit = limit;
	return msg;
}

static enum step reconcile_ours(struct op *op)
{
	struct reconcile *r = reconcile_of(op);

	if (!r->ours.count)
		fan_start(&r->ours, op, r->proxy,
		        about_piece(r, BACKEND_DB_ROW_DIGEST, r->piece.limit), &r->devices[0], 1,
		        DEADLINE_MS);
	if (fan_open(&r->ours))
		return STEP_WAIT;
	const struct backend_reply *ours = &r->ours.calls[0].reply;
	if (ours->err)
		return end(r, ours->err);
	size_t at = 0;
	struct backend_row first;
	bool ended = !ours->more || (backend_rows_next(&ours->rows, &at, &first) && *first.name);
	return ended ? op_go(op, THEIRS) : end(r, ERR_CORRUPT);
}

/* About the parts that ours told. */
static struct backend_msg *same_parts(struct reconcile *r)
{
	const struct backend_reply *ours = &r->ours.calls[0].reply;
	struct backend_msg *msg = about_piece(r, BACKEND_DB_ROW_DIGEST, PART_MAX);
	struct backend_row part;
	unsigned count = 0;
	size_t at = 0;

	while (backend_rows_next(&ours->rows, &at, &part))
		count += *part.name != 0;
	struct backend_row *ends = backend_msg_alloc(msg, (count + 1) * sizeof(*ends));
	at = count = 0;
	while (backend_rows_next(&ours->rows, &at, &part)) {
		if (*part.name)
			ends[count++].name = backend_msg_strdup(msg, part.name);
	}
	for (unsigned i = 0; i < count; i++)
		ends[i].content_type = ends[i].etag = "";
	if (ours->more)
		msg->list.end_marker = ends[count - 1].name;
	msg->rows = ends;
	msg->row_count = count;
	return msg;
}

static void part_differs(struct reconcile *r, const char *from, const char *to,
        const struct backend_row *ours, const struct backend_row *theirs)
{
	uint64_t less = theirs && theirs->count < ours->count ? theirs->count : ours->count;
	bool small = less <= PART_MIN || r->piece.limit == PART_MIN;

	add_piece(r, from, to, small ? 0 : PART_MIN);
}

/* Part by part; what they had no time for counts as different. */
static void take_parts(struct reconcile *r)
{
	const struct backend_reply *ours = &r->ours.calls[0].reply;
	const struct backend_reply *theirs = &r->theirs.calls[0].reply;
	const char *from = r->piece.from;
	struct backend_row a, b;
	size_t i = 0, j = 0;

	while (backend_rows_next(&ours->rows, &i, &a)) {
		bool have = backend_rows_next(&theirs->rows, &j, &b);
		const char *to = *a.name ? a.name : r->piece.to;
		if (!have || a.count != b.count || a.ts != b.ts || a.bytes != b.bytes)
			part_differs(r, from, to, &a, have ? &b : NULL);
		from = a.name;
	}
	if (ours->more)
		add_piece(r, from, r->piece.to, r->piece.limit);
}

static enum step reconcile_theirs(struct op *op)
{
	struct reconcile *r = reconcile_of(op);

	if (!r->theirs.count)
		fan_start(&r->theirs, op, r->proxy, same_parts(r), &r->devices[1], 1, DEADLINE_MS);
	if (fan_open(&r->theirs))
		return STEP_WAIT;
	if (r->theirs.calls[0].reply.err)
		return end(r, r->theirs.calls[0].reply.err);
	take_parts(r);
	return op_go(op, PIECE);
}

/* --- rows --- */

struct rows_to {
	struct backend_msg *msg;
	struct backend_row *rows;
	unsigned count;
};

static void rows_to_init(struct reconcile *r, struct rows_to *to)
{
	to->msg = message(r, BACKEND_DB_MERGE);
	to->rows = backend_msg_alloc(to->msg, 2 * PAGE * sizeof(*to->rows));
	to->count = 0;
	to->msg->ts = 1;
}

static void give(struct rows_to *to, const struct backend_row *row)
{
	struct backend_row *copy = &to->rows[to->count++];

	*copy = *row;
	copy->name = backend_msg_strdup(to->msg, row->name);
	copy->content_type = backend_msg_strdup(to->msg, row->content_type);
	copy->etag = backend_msg_strdup(to->msg, row->etag);
	if (row->ts > to->msg->ts)
		to->msg->ts = row->ts;
}

static bool equal(const struct backend_row *a, const struct backend_row *b)
{
	return a->ts == b->ts && a->deleted == b->deleted && a->bytes == b->bytes &&
	       a->count == b->count && a->totals_ts == b->totals_ts && a->meta_ts == b->meta_ts &&
	       a->policy == b->policy && strcmp(a->etag, b->etag) == 0 &&
	       strcmp(a->content_type, b->content_type) == 0;
}

/* Only one of them knows of the name; `lacks` is who does not. */
static void give_alone(struct reconcile *r, const struct backend_row *row, struct rows_to *has,
        struct rows_to *lacks)
{
	if (row->deleted && row->ts < r->before_ts)
		return;
	if (r->kind == BACKEND_CONTAINER && !row->deleted && row->ts <= r->delete_ts)
		/* Left over from before the container was deleted: nobody takes it any more. */
		give(has, &(struct backend_row){.name = row->name,
		                  .content_type = "",
		                  .etag = "",
		                  .ts = r->delete_ts,
		                  .deleted = true});
	else
		give(lacks, row);
}

/* Both in the order of names; beyond what one side had room for, nothing is known. */
static const char *compare_rows(struct reconcile *r, struct rows_to to[2])
{
	const struct backend_reply *a = &r->ours.calls[0].reply, *b = &r->theirs.calls[0].reply;
	struct backend_row x, y;
	size_t i = 0, j = 0;
	bool have_x = backend_rows_next(&a->rows, &i, &x);
	bool have_y = backend_rows_next(&b->rows, &j, &y);
	const char *last = NULL;

	while (have_x || have_y) {
		if ((!have_x && a->more) || (!have_y && b->more))
			return last;
		int order = !have_x ? 1 : !have_y ? -1 : strcmp(x.name, y.name);
		last = order <= 0 ? x.name : y.name;
		if (order < 0)
			give_alone(r, &x, &to[0], &to[1]);
		else if (order > 0)
			give_alone(r, &y, &to[1], &to[0]);
		else if (!equal(&x, &y)) {
			give(&to[1], &x);
			give(&to[0], &y);
		}
		if (order <= 0)
			have_x = backend_rows_next(&a->rows, &i, &x);
		if (order >= 0)
			have_y = backend_rows_next(&b->rows, &j, &y);
	}
	return a->more || b->more ? last : NULL;
}

static enum step send_rows(struct reconcile *r)
{
	struct rows_to to[2];

	for (unsigned i = 0; i < 2; i++)
		rows_to_init(r, &to[i]);
	const char *last = compare_rows(r, to);
	if (last)
		add_piece(r, last, r->piece.to, 0);
	if (!r->both)
		to[0].count = 0;
	for (unsigned i = 0; i < 2; i++) {
		r->sent += to[i].count;
		to[i].msg->rows = to[i].rows;
		to[i].msg->row_count = to[i].count;
		if (to[i].count)
			fan_start(&r->merge[i], &r->op, r->proxy, to[i].msg, &r->devices[i], 1,
			        DEADLINE_MS);
		else
			backend_msg_unref(to[i].msg);
	}
	return op_go(&r->op, MERGE);
}

static enum step reconcile_rows(struct op *op)
{
	struct reconcile *r = reconcile_of(op);
	struct fan *fans[] = {&r->ours, &r->theirs};

	for (unsigned i = 0; i < 2 && !fans[i]->count; i++)
		fan_start(fans[i], op, r->proxy, about_piece(r, BACKEND_DB_ROW_RANGE, PAGE),
		        &r->devices[i], 1, DEADLINE_MS);
	for (unsigned i = 0; i < 2; i++) {
		if (fan_open(fans[i]))
			return STEP_WAIT;
		if (fans[i]->calls[0].reply.err)
			return end(r, fans[i]->calls[0].reply.err);
	}
	return send_rows(r);
}

static enum step reconcile_merge(struct op *op)
{
	struct reconcile *r = reconcile_of(op);

	for (unsigned i = 0; i < 2; i++) {
		if (fan_open(&r->merge[i]))
			return STEP_WAIT;
		if (r->merge[i].count && r->merge[i].calls[0].reply.err)
			return end(r, r->merge[i].calls[0].reply.err);
	}
	fan_done(&r->merge[0]);
	fan_done(&r->merge[1]);
	return op_go(op, PIECE);
}

static const struct op_state states[] = {
        [STATE] = {"state", reconcile_state, TO(VOTE) | TO(INFO), 0},
        [VOTE] = {"vote", reconcile_vote, TO(INFO) | TO(UNDO), 0},
        [UNDO] = {"undo", reconcile_undo, TO(STATE), 0},
        [INFO] = {"info", reconcile_info, TO(PIECE), 0},
        [PIECE] = {"piece", reconcile_piece, TO(OURS) | TO(ROWS), 0},
        [OURS] = {"ours", reconcile_ours, TO(THEIRS), 0},
        [THEIRS] = {"theirs", reconcile_theirs, TO(PIECE), 0},
        [ROWS] = {"rows", reconcile_rows, TO(MERGE), 0},
        [MERGE] = {"merge", reconcile_merge, TO(PIECE), 0},
};

void reconcile_unref(struct reconcile *r)
{
	if (!r || --r->refs)
		return;
	free(r);
}

static void release(struct op *op)
{
	struct reconcile *r = reconcile_of(op);
	struct fan *fans[] = {&r->vote, &r->undo, &r->state, &r->info[0], &r->info[1], &r->ours,
	        &r->theirs, &r->merge[0], &r->merge[1]};

	timer_cancel(op->reactor, &r->rest);
	for (unsigned i = 0; i < COUNT_OF(fans); i++)
		fan_done(fans[i]);
	while (r->piece_count)
		drop_piece(&r->pieces[--r->piece_count]);
	drop_piece(&r->piece);
	free(r->pieces);
	free(r->account);
	free(r->container);
	reconcile_unref(r);
}

struct reconcile *reconcile_start(struct proxy *proxy, struct op *op, enum backend_kind kind,
        const uint8_t key[16], uint64_t before_ts, const uint32_t devices[2], bool both,
        const uint64_t *asked_us)
{
	struct reconcile *r = mem_zalloc(sizeof(*r));

	r->proxy = proxy;
	r->waiter = op;
	r->refs = 2;
	r->kind = kind;
	memcpy(r->key, key, 16);
	r->before_ts = before_ts;
	r->both = both;
	r->asked_us = asked_us;
	r->devices[0] = devices[0];
	r->devices[1] = devices[1];
	op_child_begin(op);
	op_init(&r->op, proxy->reactor, states, release);
	op_start(&r->op);
	return r;
}

bool reconcile_outcome(const struct reconcile *r, enum err *ret_err, uint64_t *ret_rows)
{
	*ret_err = r->err;
	*ret_rows = r->sent;
	return r->decided;
}
