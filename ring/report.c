/* How good a ring is, measured as swift-ring-builder measures it. */
#include "lib/base/mem.h"
#include "ring/plan.h"
#include <math.h>
#include <stdlib.h>

static double total_weight(const struct ring_builder *builder)
{
	double sum = 0;

	for (uint32_t id = 0; id < builder->dev_limit; id++) {
		if (builder_has(builder, id))
			sum += builder->devs[id].dev.weight;
	}
	return sum;
}

static double dev_balance(const struct builder_dev *dev, double entries_of_one_weight)
{
	if (!(dev->dev.weight > 0))
		return dev->parts ? RING_BALANCE_WORST : 0;
	return 100.0 * dev->parts / (dev->dev.weight * entries_of_one_weight) - 100.0;
}

static double entries_of_one_weight(const struct ring_builder *builder)
{
	double weight = total_weight(builder);

	return weight > 0 ? builder_parts(builder) * builder->replicas / weight : 0;
}

double ring_builder_dev_balance(const struct ring_builder *builder, uint32_t id)
{
	if (!builder_has(builder, id))
		return 0;
	return dev_balance(&builder->devs[id], entries_of_one_weight(builder));
}

double ring_builder_balance(const struct ring_builder *builder)
{
	double one = entries_of_one_weight(builder), worst = 0;

	for (uint32_t id = 0; id < builder->dev_limit; id++) {
		if (builder_has(builder, id))
			worst = fmax(worst, fabs(dev_balance(&builder->devs[id], one)));
	}
	return worst;
}

/* Devices of one partition, duplicates included. */
static unsigned devs_of(const struct ring_builder *builder, uint32_t part, uint16_t *devs)
{
	uint32_t parts = builder_parts(builder);
	unsigned count = 0;

	for (unsigned row = 0; row < builder->rows; row++) {
		if (row + 1 < builder->rows || part < builder->last_row_parts)
			devs[count++] = builder->table[(uint64_t)row * parts + part];
	}
	return count;
}

/* Calls each(node, replicas) for every node of a tier that holds some of a partition. */
static unsigned tier_counts(const struct plan *plan, const uint16_t *devs, unsigned dev_count,
        int tier, uint32_t *nodes, unsigned *counts)
{
	unsigned found = 0;

	for (unsigned i = 0; i < dev_count; i++) {
		uint32_t node = plan->path[devs[i]][tier];
		unsigned at = 0;
		while (at < found && nodes[at] != node)
			at++;
		if (at == found) {
			nodes[found] = node;
			counts[found++] = 0;
		}
		counts[at]++;
	}
	return found;
}

double ring_builder_dispersion(const struct ring_builder *builder)
{
	AUTO(plan) struct plan plan = PLAN_NONE;
	uint32_t parts = builder_parts(builder);
	uint64_t at_risk = 0;

	if (!builder->rows)
		return 0;
	plan_init(&plan, builder);
	for (uint32_t part = 0; part < parts; part++) {
		uint16_t devs[RING_ROWS_MAX];
		unsigned dev_count = devs_of(builder, part, devs), worst = 0;

		for (int tier = 0; tier < TIER_COUNT; tier++) {
			uint32_t nodes[RING_ROWS_MAX];
			unsigned counts[RING_ROWS_MAX], risk = 0;
			unsigned found = tier_counts(&plan, devs, dev_count, tier, nodes, counts);
			for (unsigned i = 0; i < found; i++) {
				unsigned fair = plan.nodes[nodes[i]].fair_max;
				risk += counts[i] > fair ? counts[i] - fair : 0;
			}
			worst = risk > worst ? risk : worst;
		}
		at_risk += worst;
	}
	return 100.0 * (double)at_risk / (parts * builder->replicas);
}

double ring_builder_required_overload(const struct ring_builder *builder)
{
	AUTO(plan) struct plan plan = PLAN_NONE;

	plan_init(&plan, builder);
	return plan_required_overload(&plan);
}

static void node_name(
        const struct ring_builder *builder, const struct plan_node *node, struct buf *name)
{
	const struct ring_dev *dev = &builder->devs[node->dev].dev;

	buf_reset(name);
	buf_printf(name, "r%u", dev->region);
	if (node->tier >= TIER_ZONE)
		buf_printf(name, "z%u", dev->zone);
	if (node->tier >= TIER_SERVER)
		buf_printf(name, "-%s", dev->ip);
	if (node->tier >= TIER_DEVICE)
		buf_printf(name, "/%s", dev->device);
}

static void report_node(const struct ring_builder *builder, const struct plan *plan, uint32_t at,
        const uint64_t *with, ring_tier_fn *each, void *context)
{
	AUTO(buf) struct buf name = BUF_NONE;
	const struct plan_node *node = &plan->nodes[at];
	unsigned with_count = builder->rows + 1;
	const uint64_t *mine = with + (size_t)at * with_count;
	uint64_t at_risk = 0, placed = 0;

	for (unsigned i = 1; i < with_count; i++) {
		placed += mine[i] * i;
		if (i > node->fair_max)
			at_risk += mine[i] * (i - node->fair_max);
	}
	if (at > 0 && placed > 0) {
		node_name(builder, node, &name);
		struct ring_tier_report report = {.name = buf_text(&name),
		        .placed = placed,
		        .dispersion = 100.0 * (double)at_risk / (double)placed,
		        .replicas_max = node->fair_max,
		        .with = mine,
		        .with_count = with_count};
		each(context, &report);
	}
	for (uint32_t i = 0; i < node->child_count; i++)
		report_node(builder, plan, node->first_child + i, with, each, context);
}

void ring_builder_report(const struct ring_builder *builder, ring_tier_fn *each, void *context)
{
	AUTO(plan) struct plan plan = PLAN_NONE;
	uint32_t parts = builder_parts(builder);
	unsigned with_count = builder->rows + 1;

	if (!builder->rows)
		return;
	plan_init(&plan, builder);
	uint64_t *with = mem_zalloc((size_t)plan.count * with_count * sizeof(*with));
	for (uint32_t at = 0; at < plan.count; at++)
		with[(size_t)at * with_count] = parts;
	for (uint32_t part = 0; part < parts; part++) {
		uint16_t devs[RING_ROWS_MAX];
		unsigned dev_count = devs_of(builder, part, devs);

		for (int tier = 0; tier < TIER_COUNT; tier++) {
			uint32_t nodes[RING_ROWS_MAX];
			unsigned counts[RING_ROWS_MAX];
			unsigned found = tier_counts(&plan, devs, dev_count, tier, nodes, counts);
			for (unsigned i = 0; i < found; i++) {
				with[(size_t)nodes[i] * with_count]--;
				with[(size_t)nodes[i] * with_count + counts[i]]++;
			}
		}
	}
	report_node(builder, &plan, 0, with, each, context);
	free(with);
}
