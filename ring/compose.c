#include "lib/base/mem.h"
#include "ring/builder_internal.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool alone_fit(struct ring_builder *const *builders, size_t count, struct buf *why)
{
	if (count < 2)
		buf_str(why, "a composite ring needs two or more components");
	for (size_t i = 0; i < count && !why->len; i++) {
		const struct ring_builder *builder = builders[i];
		if (builder->part_power != builders[0]->part_power)
			buf_printf(why, "component %zu has partition power %u, the first has %u",
			        i + 1, builder->part_power, builders[0]->part_power);
		else if (builder->replicas != floor(builder->replicas))
			buf_printf(why,
			        "component %zu has %g replicas, which is not a whole number", i + 1,
			        builder->replicas);
		else if (builder->changed || !builder->rows)
			buf_printf(
			        why, "component %zu has changes that wait for a rebalance", i + 1);
	}
	return !why->len;
}

static void compare_devs(const struct ring_dev *a, const struct ring_dev *b, struct buf *why)
{
	if (a->region == b->region)
		buf_printf(why, "region %u is in more than one component", a->region);
	else if (a->port == b->port && !strcmp(a->ip, b->ip) && !strcmp(a->device, b->device))
		buf_printf(why, "device %s:%u/%s is in more than one component", a->ip, a->port,
		        a->device);
}

static bool together_fit(struct ring_builder *const *builders, size_t count, struct buf *why)
{
	for (size_t i = 0; i < count; i++) {
		for (size_t j = 0; j < i; j++) {
			for (uint32_t a = 0; a < builders[i]->dev_limit; a++) {
				for (uint32_t b = 0; b < builders[j]->dev_limit && !why->len; b++) {
					if (builder_has(builders[i], a) &&
					        builder_has(builders[j], b))
						compare_devs(&builders[i]->devs[a].dev,
						        &builders[j]->devs[b].dev, why);
				}
			}
		}
	}
	return !why->len;
}

/* Appends one component: its devices and its rows, with ids raised past those before. */
static void append(struct ring *ring, const struct ring_builder *builder)
{
	uint32_t offset = ring->dev_limit;
	uint64_t entries =
	        table_entries(builder_parts(builder), builder->rows, builder->last_row_parts);
	uint32_t *to = (uint32_t *)ring->table + ring->rows * ring->parts;

	for (uint64_t entry = 0; entry < entries; entry++)
		to[entry] = builder->table[entry] + offset;
	for (uint32_t id = 0; id < builder->dev_limit; id++) {
		if (builder_has(builder, id))
			ring_dev_copy(&ring->devs[offset + id], &builder->devs[id].dev);
		ring->devs[offset + id].id = offset + id;
	}
	ring->dev_limit += builder->dev_limit;
	ring->rows += builder->rows;
	ring->version += builder->version;
}

enum err ring_compose(
        struct ring_builder *const *builders, size_t count, struct buf *why, struct ring **ret_ring)
{
	AUTO(ring_ref) struct ring_ref ref = {ring_new()};
	struct ring *ring = ref.ring;
	uint64_t rows = 0;
	size_t devs = 0;

	if (!alone_fit(builders, count, why) || !together_fit(builders, count, why))
		return ERR_CONFLICT;
	for (size_t i = 0; i < count; i++) {
		rows += builders[i]->rows;
		devs += builders[i]->dev_limit;
	}
	if (rows > RING_ROWS_MAX || devs > RING_BUILDER_DEVS_MAX) {
		buf_printf(why, "the components have %llu replicas and %zu devices together",
		        (unsigned long long)rows, devs);
		return ERR_CONFLICT;
	}
	ring->part_power = builders[0]->part_power;
	ring->parts = ring->last_row_parts = builder_parts(builders[0]);
	ring->id_bytes = 4;
	ring->table = mem_zalloc(rows * ring->parts * sizeof(uint32_t));
	ring->devs = mem_zalloc(devs * sizeof(*ring->devs));
	for (size_t i = 0; i < count; i++)
		append(ring, builders[i]);
	enum err err = ring_finish(ring);
	if (!err)
		*ret_ring = TAKE(ref.ring);
	return err;
}
