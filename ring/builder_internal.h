/* What the builder's files share and nobody else sees. */
#ifndef RING_BUILDER_INTERNAL_H
#define RING_BUILDER_INTERNAL_H

#include "ring/builder.h"
#include "ring/ring_internal.h"

#define NO_DEV 0xffffu /* an entry of the table that has no device */

struct builder_dev {
	struct ring_dev dev; /* a hole has no ip */
	uint32_t parts;      /* entries of the table that name it */
	bool leaving;
};

struct ring_builder {
	unsigned part_power, next_part_power;
	unsigned min_part_hours;
	double replicas, overload;
	uint64_t version;
	bool changed;
	uint8_t id[16]; /* random; zero until the builder is first saved */

	struct builder_dev *devs; /* owned */
	uint32_t dev_limit;

	/* rows whole rows of 2^part_power entries but the last, which may be shorter */
	uint16_t *table; /* owned; NULL before the first rebalance */
	unsigned rows;
	uint32_t last_row_parts;

	uint8_t *hours;     /* owned: hours since each partition moved, 255 for long ago */
	int64_t hours_at_s; /* when `hours` was right; 0 before the first rebalance */
};

static inline uint32_t builder_parts(const struct ring_builder *builder)
{
	return 1u << builder->part_power;
}

static inline uint64_t table_entries(uint32_t parts, unsigned rows, uint32_t last_row_parts)
{
	return rows ? (uint64_t)(rows - 1) * parts + last_row_parts : 0;
}

/* Rows of the table for a replica count, and the length of the last. */
static inline unsigned rows_for(double replicas, uint32_t parts, uint32_t *ret_last_row_parts)
{
	unsigned whole = (unsigned)replicas;
	double rest = replicas - whole;

	*ret_last_row_parts = rest > 0 ? (uint32_t)(rest * parts) : parts;
	return rest > 0 ? whole + 1 : whole;
}

/* Weights so far apart that their quotients lose their meaning are refused. */
static inline bool builder_weight_fits(double weight)
{
	return weight == 0 || (weight >= 1e-6 && weight <= 1e15);
}

static inline bool builder_has(const struct ring_builder *builder, uint32_t id)
{
	return id < builder->dev_limit && ring_dev_exists(&builder->devs[id].dev);
}

/* Counts the entries of each device anew. */
void builder_count_parts(struct ring_builder *builder);

#endif
