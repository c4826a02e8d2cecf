/* Questions to a peer and to the device itself: digests of ranges, then of the parts of those that
 * differ, then keys; and from the answers what is to be brought. */
#include "node/replicate_internal.h"

#include <stdlib.h>
#include <string.h>

#define DEADLINE_MS 30000
#define FAN_OUT     4    /* a range that differs is split into 16 */
#define KEYS_EASY   64   /* a range of so few keys is not split any more */
#define KEYS_A_TIME 4096 /* entries that one KEYS asks for */

/* --- questions --- */

void replicate_add_range(struct ranges *ranges, const struct range *range)
{
	if (ranges->count == ranges->cap) {
		ranges->cap = ranges->cap ? 2 * ranges->cap : 256;
		ranges->items = mem_realloc(ranges->items, ranges->cap * sizeof(*ranges->items));
	}
	ranges->items[ranges->count++] = *range;
}

static void add_found(struct replicator *r, const struct range *range)
{
	if (r->found_count == r->found_cap) {
		r->found_cap = r->found_cap ? 2 * r->found_cap : 256;
		r->found = mem_realloc(r->found, r->found_cap * sizeof(*r->found));
	}
	r->found[r->found_count++] = (struct found){r->peer, r->newest, *range};
	if (r->peer == REPLICATE_NOBODY)
		r->strays_found += range->lacks;
	else
		r->lacks_found += range->lacks;
}

void replicate_look_closer(struct replicator *r, const struct range *range)
{
	bool small = range->count <= KEYS_EASY || range->bits + FAN_OUT > 64;

	replicate_add_range(small ? &r->keys : &r->digests, range);
}

static int by_prefix(const void *a, const void *b)
{
	const struct range *x = a, *y = b;

	return x->prefix < y->prefix ? -1 : x->prefix > y->prefix;
}

/* Takes from the end what one message may ask for: ranges of one size. */
static void take_ranges(struct replicator *r, struct ranges *ranges, unsigned most)
{
	uint64_t keys = 0;

	r->asked_count = 0;
	while (ranges->count && r->asked_count < most) {
		const struct range *last = &ranges->items[ranges->count - 1];
		if (r->asked_count &&
		        (last->bits != r->asked[0].bits || keys + last->count > KEYS_A_TIME))
			break;
		keys += last->count;
		r->asked[r->asked_count++] = *last;
		ranges->count--;
	}
	qsort(r->asked, r->asked_count, sizeof(*r->asked), by_prefix);
}

static struct backend_msg *question(struct replicator *r)
{
	bool objects = r->kind == BACKEND_OBJECT;
	enum backend_op keys = objects ? BACKEND_OBJECT_KEYS : BACKEND_DB_KEYS;
	enum backend_op digest = objects ? BACKEND_OBJECT_DIGEST : BACKEND_DB_DIGEST;
	struct backend_msg *msg = backend_msg_new(r->asked_keys ? keys : digest, r->kind);
	uint64_t *ranges = backend_msg_alloc(msg, r->asked_count * sizeof(*ranges));

	for (unsigned i = 0; i < r->asked_count; i++)
		ranges[i] = r->asked[i].prefix;
	msg->policy = objects ? (uint8_t)r->target : 0;
	msg->ts = r->before_ts;
	msg->draft = objects && replicate_is_filling(r);
	msg->ranges = ranges;
	msg->range_count = r->asked_count;
	msg->range_bits = r->asked[0].bits;
	msg->fan_out = r->fan_out;
	return msg;
}

enum step replicate_ask(struct op *op)
{
	struct replicator *r = replicator_of(op);
	uint32_t devices[] = {r->device->id, r->peer};

	if (!r->digests.count && !r->keys.count)
		return op_go(op, PEER);
	r->asked_keys = r->keys.count >= BACKEND_RANGES_MAX || !r->digests.count;
	if (r->asked_keys) {
		r->fan_out = 0;
		take_ranges(r, &r->keys, BACKEND_RANGES_MAX);
	} else {
		/* Whole partitions are expected to be equal, parts of them are known not to be. */
		bool whole = r->digests.items[r->digests.count - 1].bits == r->bits &&
		             !r->digests.items[r->digests.count - 1].count;
		r->fan_out = whole ? 0 : FAN_OUT;
		take_ranges(r, &r->digests,
		        whole ? BACKEND_RANGES_MAX : BACKEND_DIGESTS_MAX >> FAN_OUT);
	}
	fan_start(&r->fan, op, r->proxy, question(r), devices, r->peer == REPLICATE_NOBODY ? 1 : 2,
	        DEADLINE_MS);
	return op_go(op, ANSWER);
}

/* --- answers --- */

static uint32_t at_least_one(uint64_t n)
{
	return n == 0 ? 1 : n < UINT32_MAX ? (uint32_t)n : UINT32_MAX;
}

/* We have nothing there to bring: to know what it is they have would cost much, and help nobody. (A
 * database is made equal by either side.) */
static bool is_theirs_alone(struct replicator *r, const struct backend_digest *ours,
        const struct backend_digest *theirs)
{
	if (r->kind != BACKEND_OBJECT || ours->count ||
	        (replicate_is_filling(r) &&
	                theirs->count <= KEYS_EASY)) /* it may be younger than asked for */
		return false;
	r->differences += theirs->count;
	replicate_doubt(r);
	return true;
}

/* Where they have more objects than we, that is for them to bring; a database either side does. */
static uint32_t brings(const struct replicator *r, uint64_t prefix,
        const struct backend_digest *ours, const struct backend_digest *theirs)
{
	uint8_t key[16];

	if (r->kind != BACKEND_OBJECT)
		return at_least_one(ours->count > theirs->count ? ours->count - theirs->count
		                                                : theirs->count - ours->count);
	replicate_first_key(prefix, key);
	if (ours->count < theirs->count || replicate_is_filling(r) || replicate_leaves(r, key))
		return 0;
	return at_least_one(ours->count - theirs->count);
}

/* What we hold of it goes when the older rings do. */
static void see_later(struct replicator *r, uint64_t prefix, uint64_t count)
{
	struct place place;
	uint8_t key[16];

	replicate_first_key(prefix, key);
	place_of_key(replicate_rings(r), key, &place);
	/* Counted once: of the peers, when it is the first. */
	bool stays = place_bit(&place, r->device->id) & place.sets[0];
	if (!stays && r->peer == place.devices[0])
		r->later_found += count;
}

/* theirs NULL: nobody has anything. */
static bool take_digests(struct replicator *r, const struct buf *ours, const struct buf *theirs)
{
	size_t count = (size_t)r->asked_count << r->fan_out;
	bool moves = r->surveys && r->kind == BACKEND_OBJECT && replicate_rings(r)->count > 1;

	if (ours->len != count * sizeof(struct backend_digest) ||
	        (theirs && theirs->len != ours->len))
		return false;
	for (size_t i = 0; i < count; i++) {
		const struct range *from = &r->asked[i >> r->fan_out];
		unsigned bits = from->bits + r->fan_out;
		uint64_t part = i & ((1ull << r->fan_out) - 1);
		uint64_t prefix = from->prefix | (r->fan_out ? part << (64 - bits) : 0);
		struct backend_digest a, b = {0};
		memcpy(&a, ours->data + i * sizeof(a), sizeof(a));
		if (theirs)
			memcpy(&b, theirs->data + i * sizeof(b), sizeof(b));
		if (moves)
			see_later(r, prefix, a.count);
		if (memcmp(&a, &b, sizeof(a)) == 0)
			continue;
		if (is_theirs_alone(r, &a, &b))
			continue;
		uint64_t most = a.count > b.count ? a.count : b.count;
		const struct range range = {.prefix = prefix,
		        .bits = (uint8_t)bits,
		        .count = at_least_one(most),
		        .lacks = brings(r, prefix, &a, &b)};
		r->parts_differ += bits == r->bits;
		if (r->surveys)
			add_found(r, &range);
		else
			replicate_look_closer(r, &range);
	}
	return true;
}

static void add_change(struct replicator *r, const struct backend_key *version, uint8_t part)
{
	if (r->change_count == r->change_cap) {
		r->change_cap = r->change_cap ? 2 * r->change_cap : 256;
		r->changes = mem_realloc(r->changes, r->change_cap * sizeof(*r->changes));
	}
	r->changes[r->change_count++] = (struct change){*version, part};
}

bool replicate_leaves(const struct replicator *r, const uint8_t key[16])
{
	struct place place;
	unsigned i = 0;

	if (!r->leaves || r->peer == REPLICATE_NOBODY)
		return false;
	place_of_key(replicate_rings(r), key, &place);
	while (i < place.count && place.devices[i] == r->peer)
		i++;
	return i < place.count && place.devices[i] != r->device->id;
}

static bool is_left(struct replicator *r, const uint8_t key[16])
{
	if (!replicate_leaves(r, key))
		return false;
	r->left++;
	replicate_left_out(r);
	return true;
}

static void judge(
        struct replicator *r, const struct backend_key *ours, const struct backend_key *theirs)
{
	enum replicate_need need = replicate_need(ours, theirs, r->before_ts);

	r->differences += replicate_differs(ours, theirs, r->before_ts);
	if (replicate_is_filling(r)) {
		if (replicate_lacks(ours, theirs, r->before_ts, r->device->filling_ts))
			replicate_doubt(r);
		return;
	}
	if (need == REPLICATE_UNREADABLE)
		replicate_left_out(r);
	else if (need != REPLICATE_NOTHING && !is_left(r, ours->key))
		add_change(r, ours, need == REPLICATE_METADATA ? REPAIR_METADATA : REPAIR_WHOLE);
}

/* Databases are joined, whoever has what. */
static void judge_database(struct replicator *r, const void *ours, const void *theirs)
{
	struct backend_key version = {0};

	if (ours && theirs && memcmp(ours, theirs, sizeof(struct backend_db_key)) == 0)
		return;
	memcpy(version.key, ours ? ours : theirs, 16);
	r->differences++;
	if (!is_left(r, version.key))
		add_change(r, &version, REPAIR_WHOLE);
}

static void judge_item(struct replicator *r, const void *ours, const void *theirs)
{
	struct backend_key a, b;

	if (r->kind != BACKEND_OBJECT) {
		judge_database(r, ours, theirs);
		return;
	}
	if (ours)
		memcpy(&a, ours, sizeof(a));
	if (theirs)
		memcpy(&b, theirs, sizeof(b));
	judge(r, ours ? &a : NULL, theirs ? &b : NULL);
}

/* All that we have of keys that are not ours; a database's key comes first too. */
static void take_strays(struct replicator *r, const struct backend_reply *ours)
{
	size_t size = r->kind == BACKEND_OBJECT ? sizeof(struct backend_key)
	                                        : sizeof(struct backend_db_key);
	struct backend_key key = {0};

	for (size_t at = 0; ours->items.len - at >= size; at += size) {
		memcpy(&key, ours->items.data + at, r->kind == BACKEND_OBJECT ? size : 16);
		r->differences++;
		if (!key.corrupt && !replicate_is_filling(r))
			add_change(r, &key, REPAIR_WHOLE);
	}
}

/* Both in the order of keys. What one side had no room for is left to the next round. */
static void take_keys(
        struct replicator *r, const struct backend_reply *ours, const struct backend_reply *theirs)
{
	size_t size = r->kind == BACKEND_OBJECT ? sizeof(struct backend_key)
	                                        : sizeof(struct backend_db_key);
	size_t i = 0, j = 0;

	if (ours->more || theirs->more) {
		replicate_left_out(r);
		replicate_doubt(r);
	}
	for (;;) {
		const char *a = ours->items.len - i < size ? NULL : ours->items.data + i;
		const char *b = theirs->items.len - j < size ? NULL : theirs->items.data + j;
		if ((!a && (ours->more || !b)) || (!b && (theirs->more || !a)))
			return;
		int order = !a ? 1 : !b ? -1 : memcmp(a, b, 16); /* the key comes first */
		judge_item(r, order <= 0 ? a : NULL, order >= 0 ? b : NULL);
		i += order <= 0 ? size : 0;
		j += order >= 0 ? size : 0;
	}
}

/* What they have only as a draft may have been acknowledged, with the help of what was here. */
static bool is_open_there(const struct replicator *r, const struct backend_reply *theirs)
{
	return theirs->draft_ts && theirs->draft_ts < r->device->filling_ts;
}

enum step replicate_answer(struct op *op)
{
	struct replicator *r = replicator_of(op);

	if (fan_open(&r->fan))
		return STEP_WAIT;
	bool alone = r->peer == REPLICATE_NOBODY;
	const struct backend_reply *ours = &r->fan.calls[0].reply;
	const struct backend_reply *theirs = alone ? NULL : &r->fan.calls[1].reply;
	if (ours->err || (theirs && theirs->err))
		return replicate_leave_peer(r);
	if (theirs && (theirs->filling || is_open_there(r, theirs)))
		replicate_doubt(r);
	if (!r->asked_keys && !take_digests(r, &ours->items, theirs ? &theirs->items : NULL))
		return replicate_leave_peer(r);
	if (r->asked_keys && alone)
		take_strays(r, ours);
	else if (r->asked_keys)
		take_keys(r, ours, theirs);
	fan_done(&r->fan);
	return op_go(op, r->change_count ? PUSH : ASK);
}
