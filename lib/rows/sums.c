#include "lib/rows/sums.h"

#include "lib/base/mem.h"
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#define STEP     4 /* bits of the key that choose a branch */
#define BRANCHES 16
#define LEAF_MAX 32 /* keys; then it gets branches, unless it is at the end of the 64 bits */

struct entry {
	uint8_t key[16];
	uint64_t number[2];
};

struct sums_node {
	struct backend_digest all;
	struct sums_node *branches; /* owned, BRANCHES of them; NULL: a leaf */
	struct entry *entries;      /* owned, of a leaf */
	uint32_t count, cap;
};

static uint64_t top_of(const uint8_t key[16])
{
	uint64_t top;

	memcpy(&top, key, sizeof(top));
	return be64toh(top);
}

/* The first n bits of it, as a number. */
static uint64_t first(uint64_t top, unsigned n)
{
	return n ? top >> (64 - n) : 0;
}

static struct sums_node *branch(const struct sums_node *node, unsigned depth, const uint8_t key[16])
{
	return &node->branches[first(top_of(key), depth + STEP) & (BRANCHES - 1)];
}

static void node_done(struct sums_node *node)
{
	for (unsigned i = 0; i < BRANCHES && node->branches; i++)
		node_done(&node->branches[i]);
	free(node->branches);
	free(node->entries);
}

void sums_done(struct sums *sums)
{
	if (sums->root)
		node_done(sums->root);
	free(TAKE(sums->root));
}

static struct entry *find(const struct sums_node *node, const uint8_t key[16])
{
	for (uint32_t i = 0; i < node->count; i++) {
		if (memcmp(node->entries[i].key, key, 16) == 0)
			return &node->entries[i];
	}
	return NULL;
}

static void append(struct sums_node *node, const struct entry *entry)
{
	if (node->count == node->cap) {
		node->cap = node->cap ? 2 * node->cap : 4;
		node->entries = mem_realloc(node->entries, node->cap * sizeof(*node->entries));
	}
	node->entries[node->count++] = *entry;
}

static bool counts(const uint64_t number[2])
{
	return number[0] || number[1];
}

static void add(struct backend_digest *to, const uint64_t number[2])
{
	to->count += counts(number);
	to->sum[0] += number[0];
	to->sum[1] += number[1];
}

static void sub(struct backend_digest *from, const uint64_t number[2])
{
	from->count -= counts(number);
	from->sum[0] -= number[0];
	from->sum[1] -= number[1];
}

static void grow_branches(struct sums_node *node, unsigned depth)
{
	node->branches = mem_zalloc(BRANCHES * sizeof(*node->branches));
	for (uint32_t i = 0; i < node->count; i++) {
		struct sums_node *to = branch(node, depth, node->entries[i].key);
		append(to, &node->entries[i]);
		add(&to->all, node->entries[i].number);
	}
	free(TAKE(node->entries));
	node->count = node->cap = 0;
}

static struct sums_node *leaf_of(
        const struct sums *sums, const uint8_t key[16], unsigned *ret_depth)
{
	struct sums_node *node = sums->root;
	unsigned depth = 0;

	for (; node && node->branches; depth += STEP)
		node = branch(node, depth, key);
	*ret_depth = depth;
	return node;
}

/* From the root to the leaf: a number instead of another. */
static void recount(
        struct sums *sums, const uint8_t key[16], const struct entry *old, const uint64_t number[2])
{
	struct sums_node *node = sums->root;

	for (unsigned depth = 0;; depth += STEP) {
		if (old)
			sub(&node->all, old->number);
		add(&node->all, number);
		if (!node->branches)
			return;
		node = branch(node, depth, key);
	}
}

void sums_set(struct sums *sums, const uint8_t key[16], const uint64_t number[2])
{
	struct entry new = {.number = {number[0], number[1]}};
	unsigned depth;

	memcpy(new.key, key, 16);
	if (!sums->root)
		sums->root = mem_zalloc(sizeof(*sums->root));
	struct sums_node *leaf = leaf_of(sums, key, &depth);
	struct entry *entry = find(leaf, key);
	recount(sums, key, entry, number);
	if (entry)
		*entry = new;
	else
		append(leaf, &new);
	if (leaf->count > LEAF_MAX && depth + STEP <= 64)
		grow_branches(leaf, depth);
}

void sums_forget(struct sums *sums, const uint8_t key[16])
{
	static const uint64_t nothing[2];
	unsigned depth;
	struct sums_node *leaf = leaf_of(sums, key, &depth);
	struct entry *entry = leaf ? find(leaf, key) : NULL;

	if (!entry)
		return;
	recount(sums, key, entry, nothing);
	*entry = leaf->entries[--leaf->count];
}

bool sums_has(const struct sums *sums, const uint8_t key[16])
{
	unsigned depth;
	const struct sums_node *leaf = leaf_of(sums, key, &depth);

	return leaf && find(leaf, key);
}

struct question {
	uint64_t prefix;
	unsigned bits, fan_out;
	struct backend_digest *parts;
};

static struct backend_digest *part_of(const struct question *q, uint64_t top)
{
	return &q->parts[first(top, q->bits + q->fan_out) & ((1ull << q->fan_out) - 1)];
}

static void tell_leaf(const struct question *q, const struct sums_node *leaf)
{
	for (uint32_t i = 0; i < leaf->count; i++) {
		uint64_t top = top_of(leaf->entries[i].key);
		if (first(top, q->bits) == first(q->prefix, q->bits))
			add(part_of(q, top), leaf->entries[i].number);
	}
}

/* `top`: its first `depth` bits are those of all keys of the node. */
static void tell(
        const struct question *q, const struct sums_node *node, unsigned depth, uint64_t top)
{
	unsigned same = depth < q->bits ? depth : q->bits;

	if (first(top, same) != first(q->prefix, same))
		return;
	if (depth >= q->bits + q->fan_out) {
		struct backend_digest *part = part_of(q, top);
		part->count += node->all.count;
		part->sum[0] += node->all.sum[0];
		part->sum[1] += node->all.sum[1];
		return;
	}
	if (!node->branches) {
		tell_leaf(q, node);
		return;
	}
	for (uint64_t i = 0; i < BRANCHES; i++)
		tell(q, &node->branches[i], depth + STEP, top | i << (64 - depth - STEP));
}

void sums_range(const struct sums *sums, uint64_t prefix, unsigned bits, unsigned fan_out,
        struct backend_digest *parts)
{
	const struct question q = {
	        .prefix = prefix, .bits = bits, .fan_out = fan_out, .parts = parts};

	if (sums->root)
		tell(&q, sums->root, 0, 0);
}
