/* wait -> prepare (-> pick)* -> create (-> bound) -> accept -> (read -> write -> pace)* -> move ->
 * wait
 *                 (-> hint -> mark) -> wait
 *
 * prepare  a majority promises to take no older proposal, and tells of the latest they took
 * pick     a name in the middle, when there is none
 * create   the range, and where it ends
 * accept   a majority takes the proposal: what is written behind it from now on goes to both
 * read..   all rows behind it are brought to a majority of the range, from a majority
 * move     a majority refuses those names from now on, and sends on who asks for them
 * hint     a range tells its container of the point, so that nobody has to come by this range
 *
 * Each step may be done twice, by whoever comes. */
#include "node/split.h"

#include "lib/backend/points.h"
#include "lib/base/mem.h"
#include "lib/base/mutant.h"
#include "lib/log/log.h"
#include "lib/rows/row.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAUSE_MS    500
#define DEADLINE_MS 10000
#define LOOKS       16 /* at what does not concern us, in one go */
#define PAGE        1000
#define PIECES      64 /* of rows, to find the middle */
#define PIECE_MAX   4096
#define PACE_MIN_US 500

enum { WAIT, PREPARE, PICK, CREATE, BOUND, ACCEPT, READ, WRITE, PACE, MOVE, HINT, MARK };

struct splitter {
	struct op op;
	struct node_device *device;
	struct proxy *proxy;
	struct rows_split split; /* owned: the one at hand */
	char *parts;             /* owned: of a range, the names of its container */
	const char *root_account, *root_container;
	struct place place; /* its devices */
	struct fan fan;
	bool asked;
	uint64_t ts, delete_ts, rows;
	uint8_t policy;
	struct buf points; /* all that a majority knows */
	struct buf pieces; /* rows: the ends of pieces */
	struct buf cursor; /* a name */
	char *after;       /* owned: the point at hand */
	char id[RANGE_ID_MAX + 1];
	uint64_t point_ts, copied, accepted;
	struct patience patience;
	uint64_t read_us;
	bool more;
};

static struct splitter *splitter_of(struct op *op)
{
	return CONTAINER_OF(op, struct splitter, op);
}

static void let_go(struct splitter *s)
{
	rows_split_done(&s->split);
	free(TAKE(s->parts));
	free(TAKE(s->after));
	buf_reset(&s->points);
	buf_reset(&s->pieces);
	buf_reset(&s->cursor);
	s->rows = s->copied = s->delete_ts = 0;
}

static enum step go(struct splitter *s, unsigned state)
{
	fan_done(&s->fan);
	s->asked = false;
	if (state == WAIT)
		let_go(s);
	return op_go(&s->op, state);
}

/* --- messages --- */

static struct backend_msg *message(
        const struct splitter *s, enum backend_op op, const char *account, const char *container)
{
	struct backend_msg *msg = backend_msg_new(op, BACKEND_CONTAINER);

	backend_msg_path(msg, account, container, NULL);
	msg->ts = s->ts;
	return msg;
}

static struct backend_msg *stage_message(const struct splitter *s, enum split_stage stage,
        const char *account, const char *container)
{
	struct backend_msg *msg = message(s, BACKEND_DB_SPLIT, account, container);
	struct backend_row *row = backend_msg_alloc(msg, sizeof(*row));

	msg->stage = stage;
	msg->meta_ts = stage == SPLIT_PREPARE || stage == SPLIT_MOVED ? UINT64_MAX : s->delete_ts;
	if (stage == SPLIT_PREPARE)
		return msg;
	*row = (struct backend_row){.name = backend_msg_strdup(msg, s->after),
	        .content_type = backend_msg_strdup(msg, s->id),
	        .etag = "",
	        .ts = s->point_ts};
	msg->rows = row;
	msg->row_count = 1;
	return msg;
}

/* To all devices of the path; the outcome is the fan's. */
static void ask(struct splitter *s, struct backend_msg *msg)
{
	struct place place;

	proxy_place(s->proxy->cluster, 0, msg->account, msg->container, NULL, &place);
	fan_ask(&s->fan, &s->op, s->proxy, msg, &place, DEADLINE_MS);
	s->asked = true;
}

static void ask_stage(struct splitter *s, enum split_stage stage)
{
	ask(s, stage_message(s, stage, s->split.account, s->split.container));
}

/* The path of the range at hand. */
static void range_of(
        const struct splitter *s, struct buf *room, const char **ret_account, const char **ret_name)
{
	range_path(s->root_account, s->root_container, s->id, room, ret_account, ret_name);
}

/* True while it is open; then *ret_ok. */
static bool is_open(const struct splitter *s, bool *ret_ok)
{
	*ret_ok = fan_says(&s->fan, ERR_OK);
	return !*ret_ok && fan_open(&s->fan);
}

/* --- which --- */

/* Without progress for so long, for each primary before us. */
static uint64_t take_over_us(const struct splitter *s)
{
	return (s->device->node->conf.replicate_pause + 1) * 1500000;
}

/* How many of its primaries come before us; -1: it is none of ours. */
static int rank(struct splitter *s)
{
	proxy_place(s->proxy->cluster, 0, s->split.account, s->split.container, NULL, &s->place);
	for (unsigned i = 0; i < s->place.count; i++) {
		if (s->place.devices[i] == s->device->id)
			return (int)i;
	}
	return -1;
}

static bool take_names(struct splitter *s)
{
	const char *id;

	s->root_account = s->split.account;
	s->root_container = s->split.container;
	if (strcmp(s->split.account, RANGES_ACCOUNT) != 0)
		return true;
	s->parts = mem_strdup(s->split.container);
	return range_parts(s->parts, &s->root_account, &s->root_container, &id);
}

static enum step splitter_wait(struct op *op)
{
	struct splitter *s = splitter_of(op);

	if (!op->expired)
		return STEP_WAIT;
	if (!atomic_load(&s->device->node->joined))
		return op_go(op, WAIT);
	for (unsigned i = 0; i < LOOKS; i++) {
		if (!containerd_next_split(s->device->containerd, &s->split))
			break;
		int before = rank(s);
		if (before >= 0 && s->split.idle_us >= (uint64_t)before * take_over_us(s) &&
		        take_names(s))
			return go(s, PREPARE);
		let_go(s);
	}
	return go(s, WAIT);
}

/* --- what there is --- */

static void gather(struct splitter *s)
{
	struct backend_row point;

	for (unsigned i = 0; i < s->fan.count; i++) {
		const struct backend_call *call = &s->fan.calls[i];
		if (call->answered && call->reply.delete_ts > s->delete_ts)
			s->delete_ts = call->reply.delete_ts;
	}
	for (unsigned i = 0; i < s->fan.count; i++) {
		const struct backend_reply *reply = &s->fan.calls[i].reply;
		if (!s->fan.calls[i].answered)
			continue;
		for (size_t at = 0; backend_rows_next(&reply->points, &at, &point);) {
			if (point.ts > s->delete_ts)
				points_join(&s->points, &point);
		}
		uint64_t rows = 0;
		for (unsigned p = 0; p < BACKEND_POLICIES; p++)
			rows += reply->count[p];
		if (!reply->err)
			s->policy = reply->policy;
		if (!reply->err && rows > s->rows)
			s->rows = rows;
	}
}

static void take_point(struct splitter *s, const struct backend_row *point)
{
	free(s->after);
	s->after = mem_strdup(point->name);
	snprintf(s->id, sizeof(s->id), "%s", point->content_type);
	s->point_ts = point->ts;
}

/* What moved on some device is to be so on a majority before anything else moves. */
static bool finds_half_moved(struct splitter *s)
{
	struct backend_row point, known;
	uint64_t mask = 0;

	for (size_t at = 0; backend_rows_next(&s->points, &at, &point);) {
		if (point.deleted)
			continue;
		for (unsigned i = 0; i < s->fan.count; i++) {
			const struct backend_call *call = &s->fan.calls[i];
			if (call->answered &&
			        points_with_id(&call->reply.points, point.content_type, &known) &&
			        !known.deleted)
				mask |= place_bit(s->fan.place, call->device);
		}
		if (!place_met(s->fan.place, mask))
			take_point(s, &point);
		return !place_met(s->fan.place, mask);
	}
	return false;
}

static bool finds_unknown(struct splitter *s)
{
	struct backend_row point;

	for (size_t at = 0; s->parts && backend_rows_next(&s->points, &at, &point);) {
		if (!point.deleted && !point.totals_ts) {
			take_point(s, &point);
			return true;
		}
	}
	return false;
}

static enum step splitter_prepare(struct op *op)
{
	struct splitter *s = splitter_of(op);
	struct backend_row point;
	bool ok;

	if (!s->asked) {
		s->ts = hlc_now(s->proxy->cluster->hlc);
		ask_stage(s, SPLIT_PREPARE);
	}
	if (is_open(s, &ok))
		return STEP_WAIT;
	if (!ok)
		return go(s, WAIT);
	gather(s);
	if (finds_half_moved(s))
		return go(s, MOVE);
	if (finds_unknown(s))
		return go(s, HINT);
	if (points_proposed(&s->points, &point)) {
		take_point(s, &point);
		s->point_ts = s->ts;
		return go(s, CREATE);
	}
	return go(s, s->rows > s->device->node->conf.split_rows ? PICK : WAIT);
}

/* --- the middle --- */

static void ask_pieces(struct splitter *s)
{
	struct backend_msg *msg =
	        message(s, BACKEND_DB_ROW_DIGEST, s->split.account, s->split.container);
	uint64_t limit = s->rows / PIECES;

	place_address(&s->place, msg);
	msg->ts = 0;
	msg->list.marker = backend_msg_strdup(msg, buf_text(&s->cursor));
	msg->list.limit = limit < 1 ? 1 : limit > PIECE_MAX ? PIECE_MAX : (uint32_t)limit;
	fan_start(&s->fan, &s->op, s->proxy, msg, &s->device->id, 1, DEADLINE_MS);
	s->asked = true;
}

static bool find_middle(const struct buf *pieces, struct backend_row *ret_piece)
{
	struct backend_row piece;
	uint64_t all = 0, before = 0;

	for (size_t at = 0; backend_rows_next(pieces, &at, &piece);)
		all += piece.count;
	for (size_t at = 0; backend_rows_next(pieces, &at, &piece);) {
		if (*piece.name)
			*ret_piece = piece;
		before += piece.count;
		if (*piece.name && 2 * before >= all)
			return before < all;
	}
	return false;
}

static void new_id(struct splitter *s)
{
	const struct env *env = s->proxy->cluster->env;
	uint64_t noise;

	env->random(env, &noise, sizeof(noise));
	snprintf(s->id, sizeof(s->id), "%016llx%016llx", (unsigned long long)s->ts,
	        (unsigned long long)noise);
}

static enum step splitter_pick(struct op *op)
{
	struct splitter *s = splitter_of(op);
	struct backend_row piece, middle;
	const char *last = NULL;

	if (!s->asked)
		ask_pieces(s);
	if (fan_open(&s->fan))
		return STEP_WAIT;
	const struct backend_reply *reply = &s->fan.calls[0].reply;
	if (reply->err)
		return go(s, WAIT);
	for (size_t at = 0; backend_rows_next(&reply->rows, &at, &piece);) {
		backend_rows_add(&s->pieces, &piece);
		last = *piece.name ? piece.name : last;
	}
	if (reply->more && last) {
		buf_reset(&s->cursor);
		buf_str(&s->cursor, last);
		return go(s, PICK);
	}
	if (!find_middle(&s->pieces, &middle))
		return go(s, WAIT);
	free(s->after);
	s->after = mem_strdup(middle.name);
	s->point_ts = s->ts;
	new_id(s);
	return go(s, CREATE);
}

/* --- the range --- */

static enum step splitter_create(struct op *op)
{
	struct splitter *s = splitter_of(op);
	AUTO(buf) struct buf room = BUF_NONE;
	const char *account, *name;

	if (!s->asked) {
		range_of(s, &room, &account, &name);
		struct backend_msg *msg = message(s, BACKEND_DB_PUT, account, name);
		msg->policy = s->policy;
		ask(s, msg);
	}
	uint64_t there = fan_mask(&s->fan, s->fan.place, ERR_OK) |
	                 fan_mask(&s->fan, s->fan.place, ERR_EXISTS);
	if (place_met(s->fan.place, there))
		return go(s, points_cut(&s->points) ? BOUND : ACCEPT);
	return fan_open(&s->fan) ? STEP_WAIT : go(s, WAIT);
}

/* Behind the last point the names are another range's. */
static struct backend_msg *bound_message(
        const struct splitter *s, const char *account, const char *name)
{
	struct backend_msg *msg = stage_message(s, SPLIT_MOVED, account, name);
	struct backend_row *row = backend_msg_alloc(msg, sizeof(*row)), cut;

	points_find(&s->points, points_cut(&s->points), &cut); /* not the proposed one */
	for (size_t at = 0; backend_rows_next(&s->points, &at, &cut) && cut.deleted;)
		;
	*row = (struct backend_row){.name = backend_msg_strdup(msg, cut.name),
	        .content_type = backend_msg_strdup(msg, cut.content_type),
	        .etag = "",
	        .ts = cut.ts};
	msg->rows = row;
	return msg;
}

static enum step splitter_bound(struct op *op)
{
	struct splitter *s = splitter_of(op);
	AUTO(buf) struct buf room = BUF_NONE;
	const char *account, *name;
	bool ok;

	if (!s->asked) {
		range_of(s, &room, &account, &name);
		ask(s, bound_message(s, account, name));
	}
	if (is_open(s, &ok))
		return STEP_WAIT;
	return go(s, ok ? ACCEPT : WAIT);
}

static enum step splitter_accept(struct op *op)
{
	struct splitter *s = splitter_of(op);
	bool ok;

	if (!s->asked)
		ask_stage(s, SPLIT_ACCEPT);
	if (is_open(s, &ok))
		return STEP_WAIT;
	if (!ok)
		return go(s, WAIT);
	if (MUTANT(split_copies_nothing))
		return go(s, MOVE);
	s->accepted = fan_mask(&s->fan, s->fan.place, ERR_OK);
	s->place = *s->fan.place;
	buf_reset(&s->cursor);
	buf_str(&s->cursor, s->after);
	return go(s, READ);
}

/* --- copying --- */

static void ask_page(struct splitter *s)
{
	struct backend_msg *msg =
	        message(s, BACKEND_DB_ROW_RANGE, s->split.account, s->split.container);
	uint32_t devices[PLACE_MAX];
	unsigned count = 0;

	place_address(&s->place, msg);
	msg->list.marker = backend_msg_strdup(msg, buf_text(&s->cursor));
	msg->list.limit = PAGE;
	for (unsigned i = 0; i < s->place.count; i++) {
		if (s->accepted >> i & 1)
			devices[count++] = s->place.devices[i];
	}
	fan_start(&s->fan, &s->op, s->proxy, msg, devices, count, DEADLINE_MS);
	s->asked = true;
	s->read_us = reactor_now_us(s->proxy->reactor);
}

/* Somebody else was faster. */
static bool has_moved(const struct splitter *s)
{
	struct backend_row point;

	for (unsigned i = 0; i < s->fan.count; i++) {
		const struct backend_call *call = &s->fan.calls[i];
		if (call->answered && points_with_id(&call->reply.points, s->id, &point) &&
		        !point.deleted)
			return true;
	}
	return false;
}

struct side {
	const struct backend_reply *reply;
	size_t at;
	struct backend_row row;
	bool live;
};

static void step_side(struct side *side)
{
	side->live = backend_rows_next(&side->reply->rows, &side->at, &side->row);
}

/* The next name of any side, and what all of them know of it. False at the end of what all tell. */
static bool join_next(struct side *sides, unsigned count, struct backend_row *ret_row)
{
	const char *name = NULL;
	bool first = true;

	*ret_row = (struct backend_row){0};
	for (unsigned i = 0; i < count; i++) {
		if (!sides[i].live && sides[i].reply->more)
			return false;
		if (sides[i].live && (!name || strcmp(sides[i].row.name, name) < 0))
			name = sides[i].row.name;
	}
	if (!name)
		return false;
	for (unsigned i = 0; i < count; i++) {
		if (!sides[i].live || strcmp(sides[i].row.name, name) != 0)
			continue;
		struct backend_row row = sides[i].row, known = *ret_row;
		if (first)
			*ret_row = row;
		else
			row_join(BACKEND_CONTAINER, &row, &known, ret_row);
		first = false;
		step_side(&sides[i]);
	}
	return true;
}

/* The page as the majority knows it; s->cursor goes to its end. */
static void take_page(struct splitter *s, struct buf *rows)
{
	struct side sides[PLACE_MAX];
	struct backend_row row;
	unsigned count = 0;

	s->more = false;
	for (unsigned i = 0; i < s->fan.count; i++) {
		const struct backend_call *call = &s->fan.calls[i];
		if (!call->answered || call->reply.err)
			continue;
		sides[count] = (struct side){.reply = &call->reply};
		step_side(&sides[count++]);
		s->more |= call->reply.more;
	}
	const char *last = NULL;
	while (join_next(sides, count, &row)) {
		backend_rows_add(rows, &row);
		last = row.name;
	}
	if (last) {
		buf_reset(&s->cursor);
		buf_str(&s->cursor, last);
	}
}

static void send_page(struct splitter *s, const struct buf *rows)
{
	AUTO(buf) struct buf room = BUF_NONE;
	const char *account, *name;
	struct backend_row row, *copies;
	unsigned n = 0;

	range_of(s, &room, &account, &name);
	struct backend_msg *msg = message(s, BACKEND_DB_MERGE, account, name);
	for (size_t at = 0; backend_rows_next(rows, &at, &row);)
		n++;
	msg->rows = copies = backend_msg_alloc(msg, n * sizeof(*copies));
	for (size_t at = 0; backend_rows_next(rows, &at, &row); msg->row_count++) {
		struct backend_row *copy = &copies[msg->row_count];
		*copy = row;
		copy->name = backend_msg_strdup(msg, row.name);
		copy->content_type = backend_msg_strdup(msg, row.content_type);
		copy->etag = backend_msg_strdup(msg, row.etag);
	}
	s->copied += n;
	ask(s, msg);
}

static enum step splitter_read(struct op *op)
{
	struct splitter *s = splitter_of(op);
	AUTO(buf) struct buf rows = BUF_NONE;

	if (!s->asked)
		ask_page(s);
	if (has_moved(s))
		return go(s, MOVE);
	bool enough = place_met(&s->place, fan_mask(&s->fan, &s->place, ERR_OK)) ||
	              (MUTANT(split_copies_one) && fan_with(&s->fan, ERR_OK));
	if (!enough)
		return fan_open(&s->fan) ? STEP_WAIT : go(s, WAIT);
	take_page(s, &rows);
	fan_done(&s->fan);
	if (!rows.len)
		return go(s, s->more ? WAIT : MOVE);
	send_page(s, &rows);
	return op_go(op, WRITE);
}

static enum step splitter_write(struct op *op)
{
	struct splitter *s = splitter_of(op);
	bool ok;

	if (is_open(s, &ok))
		return STEP_WAIT;
	if (!ok)
		return go(s, WAIT);
	uint64_t took_us = reactor_now_us(s->proxy->reactor) - s->read_us;
	uint64_t least_us = s->device->node->conf.split_pace_us;
	patience_start_for(&s->patience, op, took_us < least_us ? least_us : took_us);
	return go(s, PACE);
}

/* As long again as the page took: clients come first. */
static enum step splitter_pace(struct op *op)
{
	struct splitter *s = splitter_of(op);

	if (!s->patience.over)
		return STEP_WAIT;
	patience_done(&s->patience);
	return go(s, s->more ? READ : MOVE);
}

/* --- the end --- */

static enum step splitter_move(struct op *op)
{
	struct splitter *s = splitter_of(op);
	bool ok;

	if (!s->asked)
		ask_stage(s, SPLIT_MOVED);
	if (is_open(s, &ok))
		return STEP_WAIT;
	if (ok)
		log_info("split", "account=%s container=%s id=%s rows=%llu",
		        log_quote(s->root_account), log_quote(s->root_container), s->id,
		        (unsigned long long)s->copied);
	return go(s, WAIT);
}

static enum step splitter_hint(struct op *op)
{
	struct splitter *s = splitter_of(op);
	bool ok;

	if (!s->asked)
		ask(s, stage_message(s, SPLIT_MOVED, s->root_account, s->root_container));
	if (is_open(s, &ok))
		return STEP_WAIT;
	return go(s, ok ? MARK : WAIT);
}

/* Any time of totals says that the container knows of the point. */
static enum step splitter_mark(struct op *op)
{
	struct splitter *s = splitter_of(op);
	bool ok;

	if (!s->asked) {
		struct backend_msg *msg =
		        stage_message(s, SPLIT_TOTALS, s->split.account, s->split.container);
		((struct backend_row *)(uintptr_t)msg->rows)->totals_ts = 1;
		ask(s, msg);
	}
	if (is_open(s, &ok))
		return STEP_WAIT;
	return go(s, WAIT);
}

static const struct op_state states[] = {
        [WAIT] = {"wait", splitter_wait, TO(PREPARE) | TO(WAIT), PAUSE_MS},
        [PREPARE] = {"prepare", splitter_prepare,
                TO(PICK) | TO(CREATE) | TO(MOVE) | TO(HINT) | TO(WAIT), 0},
        [PICK] = {"pick", splitter_pick, TO(PICK) | TO(CREATE) | TO(WAIT), 0},
        [CREATE] = {"create", splitter_create, TO(BOUND) | TO(ACCEPT) | TO(WAIT), 0},
        [BOUND] = {"bound", splitter_bound, TO(ACCEPT) | TO(WAIT), 0},
        [ACCEPT] = {"accept", splitter_accept, TO(READ) | TO(MOVE) | TO(WAIT), 0},
        [READ] = {"read", splitter_read, TO(WRITE) | TO(MOVE) | TO(WAIT), 0},
        [WRITE] = {"write", splitter_write, TO(PACE) | TO(WAIT), 0},
        [PACE] = {"pace", splitter_pace, TO(READ) | TO(MOVE), 0},
        [MOVE] = {"move", splitter_move, TO(WAIT), 0},
        [HINT] = {"hint", splitter_hint, TO(MARK) | TO(WAIT), 0},
        [MARK] = {"mark", splitter_mark, TO(WAIT), 0},
};

static void release(struct op *op)
{
	struct splitter *s = splitter_of(op);

	let_go(s);
	buf_done(&s->points);
	buf_done(&s->pieces);
	buf_done(&s->cursor);
	free(s);
}

enum err splitter_start(struct node_device *device, struct splitter **ret_splitter)
{
	struct node_reactor *r = &device->node->reactors[device->reactor];
	struct splitter *s = mem_zalloc(sizeof(*s));

	s->device = device;
	s->proxy = &r->proxy;
	op_init(&s->op, r->reactor, states, release);
	op_start(&s->op);
	*ret_splitter = s;
	return ERR_OK;
}
