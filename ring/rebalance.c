/* Rebalance. The table is split tier by tier from the root down: each node hands the entries it
 * holds to its children so that every child gets the number the plan wants, and of every
 * partition no fewer and no more than its target rounded down and up. An entry that has a home
 * stays where it is unless one of the two asks for a move; an entry without a home floats, and
 * is free until the last tier has placed it. A partition moves once, so before the first split
 * the entries that must leave their homes claim that move. Within a node four steps follow:
 *   shed    entries beyond a child's maximum of their partition begin to float,
 *   place   floating entries go to the child that lacks most,
 *   shift   entries move straight from a child that has too much to one that lacks,
 *   chain   what is left is evened out along shortest paths of such moves.
 * Partitions are taken in random order, anew in each node, so that the devices that share
 * partitions with one device are many. */
#include "lib/base/mem.h"
#include "ring/plan.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define UNPLACED NO_NODE

struct group {                 /* the entries of one partition in one node */
	uint32_t first, count; /* in `order` */
};

struct rebalance {
	struct ring_builder *builder;
	struct plan *plan;
	uint32_t parts;
	uint32_t entries;
	uint64_t random;

	uint16_t *homes; /* device of each entry that has a home, else NO_DEV */
	uint32_t *at;    /* node that holds each entry, one tier deeper after each split */
	bool *locked;    /* partitions no further entry of which may leave its home */
	uint8_t *leaves; /* tier from which on an entry floats though it has a home */

	uint32_t *order;  /* entries by node, then by partition */
	uint32_t *starts; /* first of each node in order */
	uint32_t *
	        needy; /* by node: children that lacked at the start, from the node's first_child */
	uint32_t *needy_count; /* by node */

	/* of the node being split */
	int tier; /* of its children */
	uint32_t first_child, child_count;
	struct group *groups;
	uint32_t group_count;
	uint32_t *group_of; /* partition to group */
	uint32_t *lacking;  /* a heap of children, or a list of them */
	uint32_t lacking_count;
	uint32_t *forced; /* children that must hold something of every partition */
	uint32_t forced_count;
	uint32_t *chain_from;  /* child that a search reached this one from */
	uint32_t *chain_entry; /* and the entry that would move */
	uint32_t *queue;       /* of the search, by child */
	uint32_t *heads;       /* lists of the entries of each child */
	uint32_t *next, *prev; /* by entry */
};

static uint64_t random_next(struct rebalance *re)
{
	uint64_t z = (re->random += 0x9e3779b97f4a7c15ull); /* splitmix64, public domain */

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

static uint32_t random_below(struct rebalance *re, uint32_t limit)
{
	return (uint32_t)(((random_next(re) >> 32) * limit) >> 32);
}

static uint32_t part_of(const struct rebalance *re, uint32_t entry)
{
	return entry & (re->parts - 1);
}

static struct plan_node *node_of(const struct rebalance *re, uint32_t node)
{
	return &re->plan->nodes[node];
}

static int64_t excess(const struct rebalance *re, uint32_t node)
{
	return (int64_t)node_of(re, node)->have - (int64_t)node_of(re, node)->want;
}

static unsigned count_in(const struct rebalance *re, const struct group *group, uint32_t node)
{
	unsigned count = 0;

	for (uint32_t i = 0; i < group->count; i++)
		count += re->at[re->order[group->first + i]] == node;
	return count;
}

static bool may_leave(const struct rebalance *re, uint32_t entry)
{
	return re->homes[entry] == NO_DEV || !re->locked[part_of(re, entry)];
}

/* Takes an entry out of its child; one with a home loses it, and so its partition's turn. */
static void lift(struct rebalance *re, uint32_t entry)
{
	if (re->homes[entry] != NO_DEV) {
		const uint32_t *path = re->plan->path[re->homes[entry]];
		for (int tier = re->tier; tier < TIER_COUNT; tier++)
			node_of(re, path[tier])->have--;
		re->homes[entry] = NO_DEV;
		re->locked[part_of(re, entry)] = true;
	} else if (re->at[entry] != UNPLACED) {
		node_of(re, re->at[entry])->have--;
	}
	re->at[entry] = UNPLACED;
}

static void put(struct rebalance *re, uint32_t entry, uint32_t child)
{
	assert(re->at[entry] == UNPLACED);
	re->at[entry] = child;
	node_of(re, child)->have++;
}

#define ALL_OF(tiers) ((int64_t)(tiers) << 40)

/* How much it helps that an entry leaves: first by the number of tiers, from this one down, that
 * hold too much where it is, since what leaves elsewhere must be made up for by other moves;
 * then by how much too much. */
static int64_t leave_score(const struct rebalance *re, uint32_t entry, int top_tier)
{
	int64_t tiers = 0, total = 0;

	if (re->homes[entry] == NO_DEV)
		return INT64_MAX; /* no data moves */
	for (int tier = top_tier; tier < TIER_COUNT; tier++) {
		int64_t over = excess(re, re->plan->path[re->homes[entry]][tier]);
		tiers += over > 0;
		total += over;
	}
	return ALL_OF(tiers) + total;
}

/* The entry of a partition that should rather leave a child, or false when none may. */
static bool pick_leaver(
        const struct rebalance *re, const struct group *group, uint32_t child, uint32_t *ret_entry)
{
	int64_t best = INT64_MIN;

	for (uint32_t i = 0; i < group->count; i++) {
		uint32_t entry = re->order[group->first + i];
		if (re->at[entry] != child || !may_leave(re, entry))
			continue;
		int64_t score = leave_score(re, entry, re->tier);
		if (score > best) {
			best = score;
			*ret_entry = entry;
		}
	}
	return best > INT64_MIN;
}

/* --- shed ---------------------------------------------------------------------------------- */

static void shed_overfull(struct rebalance *re, const struct group *group)
{
	for (uint32_t i = 0; i < group->count; i++) {
		uint32_t child = re->at[re->order[group->first + i]], entry;
		if (child == UNPLACED)
			continue;
		while (count_in(re, group, child) > node_of(re, child)->max &&
		        pick_leaver(re, group, child, &entry))
			lift(re, entry);
	}
}

/* A child that must hold some of every partition and lacks this one, when nothing floats that
 * could fill it: the fullest sibling that can spare one gives it up. */
static void shed_for_forced(struct rebalance *re, const struct group *group)
{
	for (uint32_t f = 0; f < re->forced_count; f++) {
		uint32_t poor = re->forced[f], entry = 0;
		int64_t most = INT64_MIN;

		if (count_in(re, group, poor) >= node_of(re, poor)->min ||
		        count_in(re, group, UNPLACED) > 0)
			continue;
		for (uint32_t i = 0; i < group->count; i++) {
			uint32_t child = re->at[re->order[group->first + i]], leaver;
			if (count_in(re, group, child) > node_of(re, child)->min &&
			        excess(re, child) > most &&
			        pick_leaver(re, group, child, &leaver)) {
				most = excess(re, child);
				entry = leaver;
			}
		}
		if (most > INT64_MIN)
			lift(re, entry);
	}
}

/* --- place --------------------------------------------------------------------------------- */

static void heap_down(struct rebalance *re, uint32_t at)
{
	uint32_t *heap = re->lacking;

	for (;;) {
		uint32_t least = at, left = 2 * at + 1;
		for (uint32_t i = left; i <= left + 1 && i < re->lacking_count; i++) {
			if (excess(re, heap[i]) < excess(re, heap[least]))
				least = i;
		}
		if (least == at)
			return;
		uint32_t node = heap[at];
		heap[at] = heap[least];
		heap[least] = node;
		at = least;
	}
}

static void heap_up(struct rebalance *re, uint32_t at)
{
	uint32_t *heap = re->lacking;

	while (at > 0 && excess(re, heap[at]) < excess(re, heap[(at - 1) / 2])) {
		uint32_t node = heap[at];
		heap[at] = heap[(at - 1) / 2];
		heap[(at - 1) / 2] = node;
		at = (at - 1) / 2;
	}
}

/* Room for one more of that partition: by the plan, or if that fails, by count of devices. */
static bool has_room(
        const struct rebalance *re, const struct group *group, uint32_t child, bool by_plan)
{
	const struct plan_node *node = node_of(re, child);
	unsigned held = count_in(re, group, child);

	return held < node->live_devs && (!by_plan || held < node->max);
}

/* Places one floating entry; the heap has its order again afterwards. */
static void place(struct rebalance *re, const struct group *group, uint32_t entry)
{
	uint32_t set_aside[RING_ROWS_MAX + 1];
	uint32_t aside = 0, chosen = UNPLACED;

	for (uint32_t f = 0; f < re->forced_count; f++) {
		uint32_t child = re->forced[f];
		if (count_in(re, group, child) < node_of(re, child)->min &&
		        has_room(re, group, child, true) &&
		        (chosen == UNPLACED || excess(re, child) < excess(re, chosen)))
			chosen = child;
	}
	if (chosen != UNPLACED) {
		put(re, entry, chosen);
		for (uint32_t i = 0; i < re->lacking_count; i++) {
			if (re->lacking[i] == chosen)
				heap_down(re, i);
		}
		return;
	}
	/* Only children that hold the partition already can be out of room: they are few. */
	while (re->lacking_count && aside < COUNT_OF(set_aside)) {
		uint32_t top = re->lacking[0];
		if (has_room(re, group, top, true)) {
			chosen = top;
			break;
		}
		set_aside[aside++] = top;
		re->lacking[0] = re->lacking[--re->lacking_count];
		heap_down(re, 0);
	}
	if (chosen != UNPLACED) {
		put(re, entry, chosen);
		heap_down(re, 0);
	}
	for (uint32_t i = 0; i < aside; i++) {
		if (chosen == UNPLACED && has_room(re, group, set_aside[i], false)) {
			chosen = set_aside[i];
			put(re, entry, chosen);
		}
		re->lacking[re->lacking_count++] = set_aside[i];
		heap_up(re, re->lacking_count - 1);
	}
	for (uint32_t i = 0; i < re->child_count && chosen == UNPLACED; i++) {
		if (has_room(re, group, re->first_child + i, false)) {
			chosen = re->first_child + i;
			put(re, entry, chosen);
		}
	}
	/* A node is given no more of a partition than it has devices. */
	assert(chosen != UNPLACED);
}

/* --- shift --------------------------------------------------------------------------------- */

static void list_lacking(struct rebalance *re)
{
	re->lacking_count = 0;
	for (uint32_t i = 0; i < re->child_count; i++) {
		if (excess(re, re->first_child + i) < 0)
			re->lacking[re->lacking_count++] = re->first_child + i;
	}
}

/* Entries of a partition below a node of a deeper tier, as far as they are settled. */
static unsigned count_below(const struct rebalance *re, const struct group *group, uint32_t node)
{
	int tier = node_of(re, node)->tier;
	unsigned count = 0;

	for (uint32_t i = 0; i < group->count; i++) {
		uint32_t entry = re->order[group->first + i];
		count += re->homes[entry] != NO_DEV && re->leaves[entry] > tier &&
		         re->plan->path[re->homes[entry]][tier] == node;
	}
	return count;
}

/* Some device below lacks an entry and may take one of this partition. */
static bool reaches_needy(const struct rebalance *re, const struct group *group, uint32_t node)
{
	const struct plan_node *at = node_of(re, node);

	if (at->tier == TIER_DEVICE)
		return true;
	for (uint32_t i = 0; i < re->needy_count[node]; i++) {
		uint32_t child = re->needy[at->first_child + i];
		if (excess(re, child) < 0 &&
		        count_below(re, group, child) < node_of(re, child)->max &&
		        reaches_needy(re, group, child))
			return true;
	}
	return false;
}

/* What a pass of shifts insists on beyond the balance of this tier. */
enum pass { ANY_SHIFT, GOOD_SOURCE, GOOD_BOTH, PASSES };

/* Moves an entry to some child that lacks. */
static bool shift_entry(
        struct rebalance *re, const struct group *group, uint32_t entry, enum pass pass)
{
	uint32_t start = random_below(re, re->lacking_count);

	for (uint32_t i = 0; i < re->lacking_count; i++) {
		uint32_t at = (start + i) % re->lacking_count;
		uint32_t child = re->lacking[at];
		if (!has_room(re, group, child, true) ||
		        (pass == GOOD_BOTH && !reaches_needy(re, group, child)))
			continue;
		lift(re, entry);
		put(re, entry, child);
		if (excess(re, child) >= 0)
			re->lacking[at] = re->lacking[--re->lacking_count];
		return true;
	}
	return false;
}

/* The entry of a partition that it helps most to move, of those not tried yet. */
static bool pick_shift(const struct rebalance *re, const struct group *group, enum pass pass,
        const bool *tried, uint32_t *ret_index)
{
	int64_t best = pass == ANY_SHIFT ? INT64_MIN : ALL_OF(TIER_COUNT - re->tier) - 1;
	bool found = false;

	for (uint32_t i = 0; i < group->count; i++) {
		uint32_t entry = re->order[group->first + i], child = re->at[entry];
		if (tried[i] || excess(re, child) <= 0 || !may_leave(re, entry) ||
		        count_in(re, group, child) <= node_of(re, child)->min)
			continue;
		int64_t score = leave_score(re, entry, re->tier);
		if (score > best) {
			best = score;
			*ret_index = i;
			found = true;
		}
	}
	return found;
}

static void shift_all(struct rebalance *re, enum pass pass)
{
	for (uint32_t g = 0; g < re->group_count && re->lacking_count; g++) {
		const struct group *group = &re->groups[g];
		bool tried[RING_ROWS_MAX] = {false};
		uint32_t index;

		while (re->lacking_count && pick_shift(re, group, pass, tried, &index)) {
			shift_entry(re, group, re->order[group->first + index], pass);
			tried[index] = true;
		}
	}
}

/* --- chain --------------------------------------------------------------------------------- */

static bool may_move(const struct rebalance *re, uint32_t entry, uint32_t to)
{
	const struct group *group = &re->groups[re->group_of[part_of(re, entry)]];
	uint32_t from = re->at[entry];

	return may_leave(re, entry) && count_in(re, group, from) > node_of(re, from)->min &&
	       has_room(re, group, to, true);
}

static void lists_remove(struct rebalance *re, uint32_t entry)
{
	uint32_t next = re->next[entry], prev = re->prev[entry];

	if (prev == UNPLACED)
		re->heads[re->at[entry] - re->first_child] = next;
	else
		re->next[prev] = next;
	if (next != UNPLACED)
		re->prev[next] = prev;
}

static void lists_insert(struct rebalance *re, uint32_t entry)
{
	uint32_t *head = &re->heads[re->at[entry] - re->first_child];

	re->next[entry] = *head;
	re->prev[entry] = UNPLACED;
	if (*head != UNPLACED)
		re->prev[*head] = entry;
	*head = entry;
}

static void lists_fill(struct rebalance *re)
{
	for (uint32_t i = 0; i < re->child_count; i++)
		re->heads[i] = UNPLACED;
	for (uint32_t g = 0; g < re->group_count; g++) {
		for (uint32_t i = 0; i < re->groups[g].count; i++)
			lists_insert(re, re->order[re->groups[g].first + i]);
	}
}

/* Breadth first from all children that have too much; the first that lacks ends it. The queue
 * holds the reached children from its start and the others from its end. */
static uint32_t search(struct rebalance *re)
{
	uint32_t head = 0, tail = 0, open = re->child_count;
	uint32_t *queue = re->queue;

	for (uint32_t i = 0; i < re->child_count; i++) {
		uint32_t child = re->first_child + i;
		re->chain_from[i] = UNPLACED;
		if (excess(re, child) > 0)
			queue[tail++] = child;
		else if (node_of(re, child)->max > 0)
			queue[--open] = child;
	}
	while (head < tail && open < re->child_count) {
		uint32_t from = queue[head++];
		uint32_t entry = re->heads[from - re->first_child];
		for (; entry != UNPLACED && open < re->child_count; entry = re->next[entry]) {
			for (uint32_t i = open; i < re->child_count; i++) {
				uint32_t to = queue[i];
				if (!may_move(re, entry, to))
					continue;
				re->chain_from[to - re->first_child] = from;
				re->chain_entry[to - re->first_child] = entry;
				if (excess(re, to) < 0)
					return to;
				queue[i] = queue[open++];
				queue[tail++] = to;
			}
		}
	}
	return UNPLACED;
}

/* Moves along the path that ends at `to`, last step first, so that every step finds the room it
 * counted on; a step that another one of the same partition has spoilt ends it there. */
static void follow(struct rebalance *re, uint32_t to)
{
	while (re->chain_from[to - re->first_child] != UNPLACED) {
		uint32_t from = re->chain_from[to - re->first_child];
		uint32_t entry = re->chain_entry[to - re->first_child];
		if (!may_move(re, entry, to))
			return;
		lists_remove(re, entry);
		lift(re, entry);
		put(re, entry, to);
		lists_insert(re, entry);
		to = from;
	}
}

static void chain_all(struct rebalance *re)
{
	uint64_t tries = re->child_count;

	for (uint32_t i = 0; i < re->child_count; i++) {
		int64_t lacks = -excess(re, re->first_child + i);
		tries += lacks > 0 ? 2 * (uint64_t)lacks : 0;
	}
	lists_fill(re);
	while (tries-- > 0) {
		uint32_t to = search(re);
		if (to == UNPLACED)
			return;
		follow(re, to);
	}
}

/* --- a node -------------------------------------------------------------------------------- */

/* An entry that leaves its home from this tier on forgets it here. */
static uint16_t home_at(struct rebalance *re, uint32_t entry)
{
	if (re->leaves[entry] <= re->tier)
		re->homes[entry] = NO_DEV;
	return re->homes[entry];
}

/* Gathers the node's entries by partition, and takes the partitions in random order. */
static void group_entries(struct rebalance *re, uint32_t first, uint32_t end)
{
	re->group_count = 0;
	for (uint32_t i = first; i < end;) {
		struct group group = {.first = i};
		uint32_t part = part_of(re, re->order[i]);

		for (; i < end && part_of(re, re->order[i]) == part; i++) {
			uint16_t home = home_at(re, re->order[i]);
			re->at[re->order[i]] =
			        home == NO_DEV ? UNPLACED : re->plan->path[home][re->tier];
			group.count++;
		}
		uint32_t swap = random_below(re, re->group_count + 1);
		re->groups[re->group_count] = re->groups[swap];
		re->groups[swap] = group;
		re->group_count++;
	}
	for (uint32_t g = 0; g < re->group_count; g++)
		re->group_of[part_of(re, re->order[re->groups[g].first])] = g;
}

static void place_all(struct rebalance *re)
{
	re->lacking_count = 0;
	for (uint32_t i = 0; i < re->child_count; i++) {
		if (node_of(re, re->first_child + i)->max > 0) {
			re->lacking[re->lacking_count++] = re->first_child + i;
			heap_up(re, re->lacking_count - 1);
		}
	}
	for (uint32_t g = 0; g < re->group_count; g++) {
		const struct group *group = &re->groups[g];
		uint32_t turn = random_below(re, group->count);
		for (uint32_t i = 0; i < group->count; i++) {
			uint32_t entry = re->order[group->first + (i + turn) % group->count];
			if (re->at[entry] == UNPLACED)
				place(re, group, entry);
		}
	}
}

static void split_node(struct rebalance *re, uint32_t at, uint32_t first, uint32_t end)
{
	re->first_child = node_of(re, at)->first_child;
	re->child_count = node_of(re, at)->child_count;
	group_entries(re, first, end);

	re->forced_count = 0;
	for (uint32_t i = 0; i < re->child_count; i++) {
		if (node_of(re, re->first_child + i)->min > 0)
			re->forced[re->forced_count++] = re->first_child + i;
	}
	for (uint32_t g = 0; g < re->group_count && re->child_count > 1; g++) {
		shed_overfull(re, &re->groups[g]);
		shed_for_forced(re, &re->groups[g]);
	}
	place_all(re);

	list_lacking(re);
	for (int pass = PASSES - 1; pass >= 0 && re->lacking_count; pass--)
		shift_all(re, (enum pass)pass);
	if (re->lacking_count)
		chain_all(re);
}

/* Sorts the entries by the node that holds them, and within a node by partition. */
static void sort_entries(struct rebalance *re)
{
	uint32_t sum = 0;

	memset(re->starts, 0, (re->plan->count + 1) * sizeof(*re->starts));
	for (uint32_t entry = 0; entry < re->entries; entry++)
		re->starts[re->at[entry]]++;
	for (uint32_t node = 0; node <= re->plan->count; node++) {
		uint32_t count = node < re->plan->count ? re->starts[node] : 0;
		re->starts[node] = sum;
		sum += count;
	}
	for (uint32_t part = 0; part < re->parts; part++) {
		for (uint32_t entry = part; entry < re->entries; entry += re->parts)
			re->order[re->starts[re->at[entry]]++] = entry;
	}
	/* each start has run on to the next node's; step them back */
	memmove(re->starts + 1, re->starts, re->plan->count * sizeof(*re->starts));
	re->starts[0] = 0;
}

/* --- before the first split ------------------------------------------------------------------ */

/* How many entries of a partition are below a node, by their homes. */
static unsigned homes_below(const struct rebalance *re, uint32_t part, uint32_t node, int tier)
{
	unsigned count = 0;

	for (uint32_t entry = part; entry < re->entries; entry += re->parts)
		count += re->homes[entry] != NO_DEV &&
		         re->plan->path[re->homes[entry]][tier] == node;
	return count;
}

/* The highest tier at which an entry had better leave; TIER_COUNT when it need not leave at
 * all, which is when no place on its path has more of the partition than it may. */
static int tier_to_leave(const struct rebalance *re, uint32_t part, uint32_t entry)
{
	const uint32_t *path = re->plan->path[re->homes[entry]];
	int highest = TIER_COUNT;
	bool must = false;

	for (int tier = TIER_COUNT - 1; tier >= 0; tier--) {
		const struct plan_node *node = node_of(re, path[tier]);
		unsigned held = homes_below(re, part, path[tier], tier);
		must |= held > node->max;
		if (held > node->max || (held > node->min && excess(re, path[tier]) > 0))
			highest = tier;
	}
	return must ? highest : TIER_COUNT;
}

/* A partition moves once, so the entry that must leave has the first claim, whatever tier finds
 * out: one on a device without weight, then one where replicas crowd. */
static void claim_moves(struct rebalance *re)
{
	for (uint32_t part = 0; part < re->parts; part++) {
		int64_t best = INT64_MIN;
		uint32_t leaver = 0;
		int from = TIER_COUNT;

		for (uint32_t entry = part; entry < re->entries && !re->locked[part];
		        entry += re->parts) {
			if (re->homes[entry] == NO_DEV)
				continue;
			int tier = tier_to_leave(re, part, entry);
			int64_t score = leave_score(re, entry, 0);
			if (!node_of(re, re->plan->path[re->homes[entry]][TIER_DEVICE])->live_devs)
				score += ALL_OF(TIER_COUNT + 1);
			if (tier == TIER_COUNT || score <= best)
				continue;
			best = score;
			leaver = entry;
			from = tier;
		}
		if (from == TIER_COUNT)
			continue;
		re->leaves[leaver] = (uint8_t)from;
		re->locked[part] = true;
		for (int tier = from; tier < TIER_COUNT; tier++)
			node_of(re, re->plan->path[re->homes[leaver]][tier])->have--;
	}
}

static void list_needy(struct rebalance *re)
{
	for (uint32_t at = 1; at < re->plan->count; at++) {
		uint32_t parent = node_of(re, at)->parent;
		if (excess(re, at) < 0)
			re->needy[node_of(re, parent)->first_child + re->needy_count[parent]++] =
			        at;
	}
}

static void split_tree(struct rebalance *re)
{
	memset(re->at, 0, re->entries * sizeof(*re->at)); /* all in the root, node 0 */
	memset(re->leaves, TIER_COUNT, re->entries);
	claim_moves(re);
	list_needy(re);
	for (int tier = 0; tier < TIER_COUNT; tier++) {
		uint32_t first = tier ? re->plan->tier_start[tier - 1] : 0;
		uint32_t end = re->plan->tier_start[tier];

		re->tier = tier;
		sort_entries(re);
		for (uint32_t at = first; at < end; at++) {
			if (re->starts[at] < re->starts[at + 1])
				split_node(re, at, re->starts[at], re->starts[at + 1]);
		}
	}
}

static struct rebalance *rebalance_new(struct ring_builder *builder, struct plan *plan,
        uint16_t *homes, bool *locked, uint32_t entries)
{
	struct rebalance *re = mem_zalloc(sizeof(*re));
	uint32_t parts = builder_parts(builder);

	*re = (struct rebalance){.builder = builder,
	        .plan = plan,
	        .parts = parts,
	        .entries = entries,
	        .homes = homes,
	        .locked = locked};
	re->leaves = mem_zalloc(entries);
	re->needy = mem_zalloc((plan->count + 1) * sizeof(*re->needy));
	re->needy_count = mem_zalloc(plan->count * sizeof(*re->needy_count));
	re->at = mem_zalloc(entries * sizeof(*re->at));
	re->order = mem_zalloc(entries * sizeof(*re->order));
	re->next = mem_zalloc(entries * sizeof(*re->next));
	re->prev = mem_zalloc(entries * sizeof(*re->prev));
	re->groups = mem_zalloc(parts * sizeof(*re->groups));
	re->group_of = mem_zalloc(parts * sizeof(*re->group_of));
	re->starts = mem_zalloc((plan->count + 2) * sizeof(*re->starts));
	uint32_t **per_child[] = {&re->lacking, &re->forced, &re->chain_from, &re->chain_entry,
	        &re->queue, &re->heads};
	for (size_t i = 0; i < COUNT_OF(per_child); i++)
		*per_child[i] = mem_zalloc(plan->count * sizeof(uint32_t));
	return re;
}

static void rebalance_free(struct rebalance *re)
{
	void *owned[] = {re->leaves, re->needy, re->needy_count, re->at, re->order, re->next,
	        re->prev, re->groups, re->group_of, re->starts, re->lacking, re->forced,
	        re->chain_from, re->chain_entry, re->queue, re->heads, re};

	for (size_t i = 0; i < COUNT_OF(owned); i++)
		free(owned[i]);
}

/* --- the builder --------------------------------------------------------------------------- */

/* Hours since each partition moved, as of now. */
static void let_hours_pass(struct ring_builder *builder, int64_t now_s)
{
	int64_t passed = (now_s - builder->hours_at_s) / 3600;
	uint32_t parts = builder_parts(builder);

	if (passed <= 0)
		return;
	for (uint32_t part = 0; part < parts; part++) {
		int64_t hours = builder->hours[part] + (passed < 255 ? passed : 255);
		builder->hours[part] = (uint8_t)(hours < 255 ? hours : 255);
	}
	builder->hours_at_s = now_s;
}

/* Where each entry of the new table is now; entries on leaving devices lose their home, and
 * their partition then stays put otherwise: it has one replica less already. */
static void find_homes(
        struct ring_builder *builder, uint32_t entries, uint16_t *homes, bool *locked)
{
	uint32_t parts = builder_parts(builder);
	uint64_t known = table_entries(parts, builder->rows, builder->last_row_parts);

	for (uint32_t part = 0; part < parts; part++)
		locked[part] = builder->hours[part] < builder->min_part_hours;
	for (uint32_t entry = 0; entry < entries; entry++) {
		homes[entry] = entry < known ? builder->table[entry] : NO_DEV;
		if (homes[entry] == NO_DEV || !builder->devs[homes[entry]].leaving)
			continue;
		homes[entry] = NO_DEV;
		locked[entry & (parts - 1)] = true;
	}
}

static unsigned drop_leaving(struct ring_builder *builder)
{
	unsigned dropped = 0;

	for (uint32_t id = 0; id < builder->dev_limit; id++) {
		if (!builder->devs[id].leaving)
			continue;
		ring_dev_clear(&builder->devs[id].dev);
		builder->devs[id].leaving = false;
		dropped++;
	}
	while (builder->dev_limit && !builder_has(builder, builder->dev_limit - 1))
		builder->dev_limit--;
	return dropped;
}

/* Takes over the new table; a partition that changed starts its hours anew. */
static uint64_t take_table(
        struct ring_builder *builder, uint16_t *table, unsigned rows, uint32_t last_row_parts)
{
	uint32_t parts = builder_parts(builder);
	uint64_t known = table_entries(parts, builder->rows, builder->last_row_parts);
	uint64_t entries = table_entries(parts, rows, last_row_parts), moved = 0;

	for (uint64_t entry = 0; entry < entries; entry++) {
		if (entry < known && builder->table[entry] == table[entry])
			continue;
		builder->hours[entry & (parts - 1)] = 0;
		moved++;
	}
	free(builder->table);
	builder->table = table;
	builder->rows = rows;
	builder->last_row_parts = last_row_parts;
	builder_count_parts(builder);
	return moved;
}

static unsigned live_devs(const struct ring_builder *builder)
{
	unsigned live = 0;

	for (uint32_t id = 0; id < builder->dev_limit; id++)
		live += builder_has(builder, id) && builder->devs[id].dev.weight > 0;
	return live;
}

enum err ring_builder_rebalance(struct ring_builder *builder, uint64_t seed, int64_t now_s,
        struct ring_rebalance *ret_result)
{
	AUTO(plan) struct plan plan = PLAN_NONE;
	uint32_t parts = builder_parts(builder), last_row_parts;
	unsigned rows = rows_for(builder->replicas, parts, &last_row_parts);
	uint32_t entries = (uint32_t)table_entries(parts, rows, last_row_parts);

	if (builder->next_part_power)
		return ERR_BUSY;
	if (live_devs(builder) < builder->replicas)
		return ERR_CONFLICT;

	uint16_t *table = mem_zalloc(entries * sizeof(*table));
	bool *locked = mem_zalloc(parts * sizeof(*locked));
	let_hours_pass(builder, now_s);
	find_homes(builder, entries, table, locked);
	ret_result->removed = drop_leaving(builder);
	for (uint32_t id = 0; id < builder->dev_limit; id++)
		builder->devs[id].parts = 0;
	for (uint32_t entry = 0; entry < entries; entry++) {
		if (table[entry] != NO_DEV)
			builder->devs[table[entry]].parts++;
	}
	plan_init(&plan, builder);
	plan_entries(&plan, builder, entries);

	struct rebalance *re = rebalance_new(builder, &plan, table, locked, entries);
	re->random = seed;
	split_tree(re);
	for (uint32_t entry = 0; entry < entries; entry++)
		table[entry] = (uint16_t)node_of(re, re->at[entry])->dev;
	rebalance_free(re);
	free(locked);

	ret_result->moved = take_table(builder, table, rows, last_row_parts);
	builder->changed = false;
	builder->version++;
	ret_result->balance = ring_builder_balance(builder);
	ret_result->dispersion = ring_builder_dispersion(builder);
	return ERR_OK;
}
