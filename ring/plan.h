/* plan: the tree of failure domains of a builder, and how many replicas of a partition, and how
 * many entries of the table, each of them should hold. Pure: from devices to numbers. */
#ifndef RING_PLAN_H
#define RING_PLAN_H

#include "ring/builder_internal.h"

#define NO_NODE UINT32_MAX

struct plan_node {
	uint32_t parent, first_child, child_count;
	uint32_t dev;       /* of a leaf; any device below for the others */
	uint32_t live_devs; /* devices with weight at or below it */
	int tier;           /* -1 for the root */

	/* replicas of a partition: by weight alone, for the best dispersion, and as planned */
	double weighted, wanted, target;
	unsigned min, max; /* target rounded down and up */
	unsigned fair_max; /* most replicas if siblings shared evenly: beyond it is "at risk" */

	double share;        /* of a leaf: entries in proportion to its weight alone */
	uint64_t have, want; /* entries of the table */
};

struct plan {
	struct plan_node *nodes; /* owned; the root first, then tier by tier, siblings together */
	uint32_t count;
	uint32_t tier_start[TIER_COUNT + 1]; /* first node of each tier, and the end */
	uint32_t (*path)[TIER_COUNT];        /* owned; nodes of each device id */
};
#define PLAN_NONE ((struct plan){.nodes = NULL})

/* Tree, targets, fair_max; `have` from the builder's counts. The builder has at least as many
 * devices with weight as replicas, or only the tree and fair_max are filled. */
void plan_init(struct plan *plan, const struct ring_builder *builder);
void plan_done(struct plan *plan);
AUTO_DEFINE(plan, plan_done);

/* Sets `want` for a table of that many entries: devices get their target rounded up or down so
 * that the worst of them misses its share by weight by the least, keeping what they have where that
 * is as good. */
void plan_entries(struct plan *plan, const struct ring_builder *builder, uint64_t entries);

/* Largest relative growth of a device from weighted to wanted. */
double plan_required_overload(const struct plan *plan);

#endif
