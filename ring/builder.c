#include "ring/builder.h"

#include "lib/base/mem.h"
#include "ring/builder_internal.h"
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define ENTRIES_MAX (1u << 28)
#define TEXT_MAX    4096u /* of a device's name, address or meta */

static bool fits(unsigned part_power, double replicas)
{
	return replicas >= 1 && replicas <= RING_ROWS_MAX &&
	       ldexp(ceil(replicas), (int)part_power) <= ENTRIES_MAX;
}

enum err ring_builder_new(unsigned part_power, double replicas, unsigned min_part_hours,
        struct ring_builder **ret_builder)
{
	if (part_power > RING_PART_POWER_MAX || !fits(part_power, replicas) || min_part_hours > 255)
		return ERR_RANGE;

	struct ring_builder *builder = mem_zalloc(sizeof(*builder));
	builder->part_power = part_power;
	builder->replicas = replicas;
	builder->min_part_hours = min_part_hours;
	builder->hours = mem_zalloc(builder_parts(builder));
	if (getrandom(builder->id, sizeof(builder->id), 0) != sizeof(builder->id))
		abort();
	*ret_builder = builder;
	return ERR_OK;
}

void ring_builder_free(struct ring_builder *builder)
{
	if (!builder)
		return;
	for (uint32_t id = 0; id < builder->dev_limit; id++)
		ring_dev_clear(&builder->devs[id].dev);
	free(builder->devs);
	free(builder->table);
	free(builder->hours);
	free(builder);
}

void builder_count_parts(struct ring_builder *builder)
{
	uint64_t entries =
	        table_entries(builder_parts(builder), builder->rows, builder->last_row_parts);

	for (uint32_t id = 0; id < builder->dev_limit; id++)
		builder->devs[id].parts = 0;
	for (uint64_t entry = 0; entry < entries; entry++)
		builder->devs[builder->table[entry]].parts++;
}

/* --- devices ------------------------------------------------------------------------------- */

static bool same_device(const struct ring_dev *a, const struct ring_dev *b)
{
	return a->port == b->port && !strcmp(a->ip, b->ip) && !strcmp(a->device, b->device);
}

static bool find_device(const struct ring_builder *builder, const struct ring_dev *dev,
        uint32_t but_id, uint32_t *ret_id)
{
	for (uint32_t id = 0; id < builder->dev_limit; id++) {
		if (id != but_id && builder_has(builder, id) &&
		        same_device(&builder->devs[id].dev, dev)) {
			*ret_id = id;
			return true;
		}
	}
	return false;
}

static bool good_text(const char *text)
{
	return strnlen(text, TEXT_MAX + 1) <= TEXT_MAX;
}

static bool good_dev(const struct ring_dev *dev)
{
	return builder_weight_fits(dev->weight) && dev->ip[0] && good_text(dev->ip) &&
	       dev->device[0] && good_text(dev->device) && good_text(dev->replication_ip) &&
	       good_text(dev->meta) && dev->port <= UINT16_MAX &&
	       dev->replication_port <= UINT16_MAX && dev->region <= INT32_MAX &&
	       dev->zone <= INT32_MAX;
}

/* What was left out of a description. */
static struct ring_dev completed(const struct ring_dev *dev)
{
	struct ring_dev whole = *dev;

	if (!whole.replication_ip || !whole.replication_ip[0])
		whole.replication_ip = whole.ip;
	if (!whole.replication_port)
		whole.replication_port = whole.port;
	if (!whole.meta)
		whole.meta = (char *)(uintptr_t) "";
	return whole;
}

enum err ring_builder_add(
        struct ring_builder *builder, const struct ring_dev *dev, uint32_t *ret_id)
{
	struct ring_dev whole = completed(dev);
	uint32_t id = 0;

	if (builder->next_part_power)
		return ERR_BUSY;
	if (!good_dev(&whole))
		return ERR_RANGE;
	if (find_device(builder, &whole, UINT32_MAX, ret_id))
		return ERR_EXISTS;
	while (builder_has(builder, id))
		id++;
	if (id >= RING_BUILDER_DEVS_MAX)
		return ERR_TOO_LARGE;
	if (id == builder->dev_limit) {
		builder->devs = mem_realloc(builder->devs, (id + 1) * sizeof(*builder->devs));
		builder->dev_limit++;
	}
	builder->devs[id] = (struct builder_dev){0};
	ring_dev_copy(&builder->devs[id].dev, &whole);
	builder->devs[id].dev.id = id;
	builder->changed = true;
	builder->version++;
	*ret_id = id;
	return ERR_OK;
}

/* A device that may still be changed. */
static enum err changeable(const struct ring_builder *builder, uint32_t id)
{
	if (!builder_has(builder, id))
		return ERR_NOT_FOUND;
	return builder->devs[id].leaving ? ERR_CONFLICT : ERR_OK;
}

static void note_change(struct ring_builder *builder)
{
	builder->changed = true;
	builder->version++;
}

enum err ring_builder_remove(struct ring_builder *builder, uint32_t id)
{
	if (!builder_has(builder, id))
		return ERR_NOT_FOUND;
	if (builder->next_part_power)
		return ERR_BUSY;
	builder->devs[id].dev.weight = 0;
	builder->devs[id].leaving = true;
	note_change(builder);
	return ERR_OK;
}

enum err ring_builder_set_weight(struct ring_builder *builder, uint32_t id, double weight)
{
	enum err err = changeable(builder, id);

	if (err)
		return err;
	if (!builder_weight_fits(weight))
		return ERR_RANGE;
	builder->devs[id].dev.weight = weight;
	note_change(builder);
	return ERR_OK;
}

enum err ring_builder_set_region(struct ring_builder *builder, uint32_t id, uint32_t region)
{
	enum err err = changeable(builder, id);

	if (err)
		return err;
	if (region > INT32_MAX)
		return ERR_RANGE;
	builder->devs[id].dev.region = region;
	note_change(builder);
	return ERR_OK;
}

enum err ring_builder_set_zone(struct ring_builder *builder, uint32_t id, uint32_t zone)
{
	enum err err = changeable(builder, id);

	if (err)
		return err;
	if (zone > INT32_MAX)
		return ERR_RANGE;
	builder->devs[id].dev.zone = zone;
	note_change(builder);
	return ERR_OK;
}

enum err ring_builder_set_info(
        struct ring_builder *builder, uint32_t id, const struct ring_dev *info)
{
	struct ring_dev changed = completed(info), copy;
	uint32_t other;

	if (!builder_has(builder, id))
		return ERR_NOT_FOUND;
	struct ring_dev *dev = &builder->devs[id].dev;
	changed.id = id;
	changed.region = dev->region;
	changed.zone = dev->zone;
	changed.weight = dev->weight;
	if (!good_dev(&changed))
		return ERR_RANGE;
	if (find_device(builder, &changed, id, &other))
		return ERR_EXISTS;
	ring_dev_copy(&copy, &changed);
	ring_dev_clear(dev);
	*dev = copy;
	builder->version++;
	return ERR_OK;
}

uint32_t ring_builder_dev_limit(const struct ring_builder *builder)
{
	return builder->dev_limit;
}

const struct ring_dev *ring_builder_dev(const struct ring_builder *builder, uint32_t id)
{
	return builder_has(builder, id) ? &builder->devs[id].dev : NULL;
}

bool ring_builder_dev_leaving(const struct ring_builder *builder, uint32_t id)
{
	return builder_has(builder, id) && builder->devs[id].leaving;
}

uint32_t ring_builder_dev_parts(const struct ring_builder *builder, uint32_t id)
{
	return builder_has(builder, id) ? builder->devs[id].parts : 0;
}

/* --- the whole ring ------------------------------------------------------------------------ */

enum err ring_builder_set_replicas(struct ring_builder *builder, double replicas)
{
	uint32_t parts = builder_parts(builder), last;

	if (!fits(builder->part_power, replicas))
		return ERR_RANGE;
	unsigned rows = rows_for(replicas, parts, &last);
	if (rows != builder->rows || last != builder->last_row_parts)
		builder->changed = true;
	builder->replicas = replicas;
	builder->version++;
	return ERR_OK;
}

enum err ring_builder_set_overload(struct ring_builder *builder, double overload)
{
	if (!isfinite(overload) || overload < 0)
		return ERR_RANGE;
	builder->overload = overload;
	return ERR_OK;
}

enum err ring_builder_set_min_part_hours(struct ring_builder *builder, unsigned hours)
{
	if (hours > 255)
		return ERR_RANGE;
	builder->min_part_hours = hours;
	return ERR_OK;
}

void ring_builder_pretend_hours_passed(struct ring_builder *builder)
{
	memset(builder->hours, 255, builder_parts(builder));
	builder->hours_at_s = 0;
}

void ring_builder_facts(const struct ring_builder *builder, struct ring_builder_facts *ret_facts)
{
	*ret_facts = (struct ring_builder_facts){.part_power = builder->part_power,
	        .next_part_power = builder->next_part_power,
	        .parts = builder_parts(builder),
	        .version = builder->version,
	        .replicas = builder->replicas,
	        .overload = builder->overload,
	        .min_part_hours = builder->min_part_hours,
	        .moved_at_s = builder->hours_at_s,
	        .balanced = builder->rows > 0,
	        .changed = builder->changed};
	for (size_t i = 0; i < sizeof(builder->id); i++) {
		ret_facts->id[2 * i] = "0123456789abcdef"[builder->id[i] >> 4];
		ret_facts->id[2 * i + 1] = "0123456789abcdef"[builder->id[i] & 15];
	}
}

enum err ring_builder_validate(const struct ring_builder *builder, struct buf *why)
{
	uint32_t parts = builder_parts(builder);
	uint64_t entries = table_entries(parts, builder->rows, builder->last_row_parts);

	if (!builder->rows)
		return ERR_NOT_FOUND;
	for (uint64_t entry = 0; entry < entries; entry++) {
		uint16_t id = builder->table[entry];
		uint64_t part = entry & (parts - 1);
		if (!builder_has(builder, id)) {
			buf_printf(why, "partition %u, replica %u has no device", (unsigned)part,
			        (unsigned)(entry / parts));
			return ERR_CORRUPT;
		}
		for (uint64_t other = part; other < entry; other += parts) {
			if (builder->table[other] != id)
				continue;
			buf_printf(why, "partition %u has two replicas on device %u",
			        (unsigned)part, id);
			return ERR_CORRUPT;
		}
	}
	return ERR_OK;
}

/* --- from and to rings --------------------------------------------------------------------- */

enum err ring_builder_from_ring(
        const struct ring *ring, unsigned min_part_hours, struct ring_builder **ret_builder)
{
	AUTO(ring_builder_ref) struct ring_builder_ref ref = {NULL};
	double replicas = ring_replicas(ring);
	enum err err;

	if (ring->part_power > RING_PART_POWER_MAX || ring->dev_limit > RING_BUILDER_DEVS_MAX ||
	        ring->rows == 0)
		return ERR_UNSUPPORTED;
	if ((err = ring_builder_new(ring->part_power, replicas, min_part_hours, &ref.builder)))
		return err == ERR_RANGE ? ERR_UNSUPPORTED : err;

	struct ring_builder *builder = ref.builder;
	builder->next_part_power = ring->next_part_power;
	builder->version = ring->version;
	builder->dev_limit = ring->dev_limit;
	builder->devs = mem_zalloc(ring->dev_limit * sizeof(*builder->devs));
	for (uint32_t id = 0; id < ring->dev_limit; id++) {
		if (ring_dev_exists(&ring->devs[id]))
			ring_dev_copy(&builder->devs[id].dev, &ring->devs[id]);
		if (!builder_weight_fits(ring->devs[id].weight))
			return ERR_UNSUPPORTED;
	}
	/* An empty last row (a fraction smaller than one partition) is no row to a builder. */
	builder->rows = rows_for(replicas, builder_parts(builder), &builder->last_row_parts);
	uint64_t entries =
	        table_entries(builder_parts(builder), builder->rows, builder->last_row_parts);
	builder->table = mem_zalloc(entries * sizeof(*builder->table));
	for (uint64_t entry = 0; entry < entries; entry++)
		builder->table[entry] = (uint16_t)ring_entry(ring, 0, entry);
	builder_count_parts(builder);
	*ret_builder = TAKE(ref.builder);
	return ERR_OK;
}

enum err ring_builder_ring(const struct ring_builder *builder, struct ring **ret_ring)
{
	AUTO(ring_ref) struct ring_ref ref = {ring_new()};
	struct ring *ring = ref.ring;
	uint64_t entries =
	        table_entries(builder_parts(builder), builder->rows, builder->last_row_parts);

	if (!builder->rows)
		return ERR_NOT_FOUND;
	ring->part_power = builder->part_power;
	ring->parts = builder_parts(builder);
	ring->next_part_power = builder->next_part_power;
	ring->rows = builder->rows;
	ring->last_row_parts = builder->last_row_parts;
	ring->version = builder->version;
	ring->id_bytes = 2;
	ring->table = mem_dup(builder->table, entries * sizeof(*builder->table));
	ring->devs = mem_zalloc(builder->dev_limit * sizeof(*ring->devs));
	ring->dev_limit = builder->dev_limit;
	for (uint32_t id = 0; id < builder->dev_limit; id++) {
		if (builder_has(builder, id))
			ring_dev_copy(&ring->devs[id], &builder->devs[id].dev);
	}
	enum err err = ring_finish(ring);
	if (!err)
		*ret_ring = TAKE(ref.ring);
	return err;
}

enum err ring_build(unsigned part_power, double replicas, const struct ring_dev *devs,
        size_t dev_count, struct ring **ret_ring)
{
	AUTO(ring_builder_ref) struct ring_builder_ref ref = {NULL};
	struct ring_rebalance result;
	enum err err = ring_builder_new(part_power, replicas, 0, &ref.builder);

	for (size_t i = 0; i < dev_count && !err; i++) {
		uint32_t id;
		err = ring_builder_add(ref.builder, &devs[i], &id);
	}
	if (err || (err = ring_builder_rebalance(ref.builder, 1, 0, &result)))
		return err;
	return ring_builder_ring(ref.builder, ret_ring);
}

/* --- partition power ----------------------------------------------------------------------- */

enum err ring_builder_prepare_increase(struct ring_builder *builder)
{
	if (builder->next_part_power || !builder->rows)
		return ERR_CONFLICT;
	if (builder->part_power >= RING_PART_POWER_MAX ||
	        !fits(builder->part_power + 1, builder->replicas))
		return ERR_RANGE;
	builder->next_part_power = builder->part_power + 1;
	builder->version++;
	return ERR_OK;
}

/* Each partition becomes two neighbours on the same devices. */
enum err ring_builder_increase(struct ring_builder *builder)
{
	uint32_t parts = builder_parts(builder);
	uint64_t entries = table_entries(parts, builder->rows, builder->last_row_parts);

	if (builder->next_part_power != builder->part_power + 1)
		return ERR_CONFLICT;
	if (!fits(builder->next_part_power, builder->replicas) ||
	        builder->next_part_power > RING_PART_POWER_MAX)
		return ERR_RANGE;
	uint16_t *table = mem_zalloc(2 * entries * sizeof(*table));
	uint8_t *hours = mem_zalloc(2 * (size_t)parts);
	for (uint64_t entry = 0; entry < entries; entry++)
		table[2 * entry] = table[2 * entry + 1] = builder->table[entry];
	for (uint32_t part = 0; part < parts; part++)
		hours[2 * part] = hours[2 * part + 1] = builder->hours[part];
	free(builder->table);
	free(builder->hours);
	builder->table = table;
	builder->hours = hours;
	builder->last_row_parts *= 2;
	builder->part_power = builder->next_part_power;
	builder->version++;
	builder_count_parts(builder);
	return ERR_OK;
}

enum err ring_builder_cancel_increase(struct ring_builder *builder)
{
	if (builder->next_part_power != builder->part_power + 1)
		return ERR_CONFLICT;
	builder->next_part_power = builder->part_power;
	builder->version++;
	return ERR_OK;
}

enum err ring_builder_finish_increase(struct ring_builder *builder)
{
	if (!builder->next_part_power || builder->next_part_power != builder->part_power)
		return ERR_CONFLICT;
	builder->next_part_power = 0;
	builder->version++;
	return ERR_OK;
}
