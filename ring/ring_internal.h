/* What the files of ring/ share and nobody else sees. */
#ifndef RING_RING_INTERNAL_H
#define RING_RING_INTERNAL_H

#include "ring/ring.h"

enum ring_tier { TIER_REGION, TIER_ZONE, TIER_SERVER, TIER_DEVICE, TIER_COUNT };

struct ring {
	_Atomic unsigned refs;
	unsigned part_power, next_part_power;
	unsigned format_version;
	unsigned rows;
	uint64_t parts;
	uint64_t last_row_parts; /* length of the last row, others are whole; 0 without rows */
	uint64_t version;
	unsigned id_bytes; /* 2 or 4, of an entry of the table */
	void *table;       /* owned: rows of uint16_t or uint32_t in our byte order */

	struct ring_dev *devs; /* owned; a hole has no ip */
	uint32_t dev_limit;

	/* For handoffs: places of each device, numbered among those with partitions. */
	uint32_t (*places)[TIER_COUNT]; /* owned, dev_limit of them */
	uint32_t place_count[TIER_COUNT];
};

/* An empty ring with one reference; the fields are for the caller to fill. */
struct ring *ring_new(void);

/* Checks that each assigned device exists, and numbers the places. ERR_CORRUPT. */
enum err ring_finish(struct ring *ring);

static inline uint64_t ring_row_parts(const struct ring *ring, unsigned row)
{
	return row + 1 == ring->rows ? ring->last_row_parts : ring->parts;
}

static inline uint32_t ring_entry(const struct ring *ring, unsigned row, uint64_t part)
{
	uint64_t at = row * ring->parts + part;

	return ring->id_bytes == 2 ? ((const uint16_t *)ring->table)[at]
	                           : ((const uint32_t *)ring->table)[at];
}

static inline bool ring_dev_exists(const struct ring_dev *dev)
{
	return dev->ip != NULL;
}

void ring_dev_copy(struct ring_dev *to, const struct ring_dev *from);
void ring_dev_clear(struct ring_dev *dev);

/* Order by region, zone, address, id; for qsort over pointers to devices. */
int ring_dev_order(const void *a, const void *b);

/* ring_parse without the gzip around it. */
enum err ring_parse_raw(const struct buf *raw, struct ring **ret_ring);

/* Writes data beside path, syncs file and directory, renames into place. */
enum err ring_file_replace(const char *path, const struct buf *data);

/* Reads a whole file of at most size_max bytes. */
enum err ring_file_read(const char *path, size_t size_max, struct buf *data);

#endif
