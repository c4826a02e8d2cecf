/* builder: makes and changes rings. A builder remembers what a ring does not: when each
 * partition last moved, the overload, which devices are leaving. It never looks at the clock or
 * a source of chance by itself: time and seed come in as arguments, so the same calls give the
 * same ring. One thread at a time per builder. */
#ifndef RING_BUILDER_H
#define RING_BUILDER_H

#include "ring/ring.h"

#define RING_PART_POWER_MAX   24u
#define RING_BUILDER_DEVS_MAX 65535u /* what a file of format 1 can name */
#define RING_BALANCE_WORST    999.99 /* a device that should be empty is not */

struct ring_builder;
struct ring_builder_ref {
	struct ring_builder *builder;
};

/* ERR_RANGE unless part_power <= RING_PART_POWER_MAX, 1 <= replicas <= RING_ROWS_MAX and
 * min_part_hours <= 255. */
enum err ring_builder_new(unsigned part_power, double replicas, unsigned min_part_hours,
        struct ring_builder **ret_builder);
void ring_builder_free(struct ring_builder *builder); /* NULL is fine */
static inline void ring_builder_ref_drop(struct ring_builder_ref *ref)
{
	ring_builder_free(ref->builder);
}
AUTO_DEFINE(ring_builder_ref, ring_builder_ref_drop);

/* The state file (docs/formats/ring.md). Load: ERR_NOT_FOUND; ERR_FORMAT when it is none of
 * ours, ERR_CORRUPT when it fails its checksum or does not hold together. Save replaces the file
 * whole or not at all. */
enum err ring_builder_load(const char *path, struct ring_builder **ret_builder);
enum err ring_builder_parse(const void *data, size_t len, struct ring_builder **ret_builder);
enum err ring_builder_save(const struct ring_builder *builder, const char *path);

/* What a ring still knows: devices and assignments. ERR_UNSUPPORTED past the builder's limits. */
enum err ring_builder_from_ring(
        const struct ring *ring, unsigned min_part_hours, struct ring_builder **ret_builder);

/* A ring as it is now. ERR_NOT_FOUND before the first rebalance. */
enum err ring_builder_ring(const struct ring_builder *builder, struct ring **ret_ring);

/* --- devices: all of these take effect at the next rebalance ------------------------------- */

/* Copies the description; its id is ignored and the lowest free one is given. An empty
 * replication_ip or a replication_port of 0 means the same as ip and port; a NULL meta means "".
 * ERR_EXISTS when another device has the same ip, port and name (ret_id tells which);
 * ERR_RANGE for a weight that is neither 0 nor between 1e-6 and 1e15, or an empty
 * name; ERR_BUSY while the partition
 * power grows; ERR_TOO_LARGE when there are too many. */
enum err ring_builder_add(
        struct ring_builder *builder, const struct ring_dev *dev, uint32_t *ret_id);

/* ERR_NOT_FOUND for an unknown id; ERR_BUSY while the partition power grows. */
enum err ring_builder_remove(struct ring_builder *builder, uint32_t id);

/* ERR_NOT_FOUND; ERR_CONFLICT for a device that is being removed; ERR_RANGE. */
enum err ring_builder_set_weight(struct ring_builder *builder, uint32_t id, double weight);
enum err ring_builder_set_region(struct ring_builder *builder, uint32_t id, uint32_t region);
enum err ring_builder_set_zone(struct ring_builder *builder, uint32_t id, uint32_t zone);

/* Takes addresses, ports, name and meta from `info`; moves nothing. ERR_EXISTS as for add. */
enum err ring_builder_set_info(
        struct ring_builder *builder, uint32_t id, const struct ring_dev *info);

/* Length of the device list, and a device of it or NULL. Borrowed until the next change. */
uint32_t ring_builder_dev_limit(const struct ring_builder *builder);
const struct ring_dev *ring_builder_dev(const struct ring_builder *builder, uint32_t id);
bool ring_builder_dev_leaving(const struct ring_builder *builder, uint32_t id);
uint32_t ring_builder_dev_parts(const struct ring_builder *builder, uint32_t id);

/* --- the whole ring ------------------------------------------------------------------------ */

enum err ring_builder_set_replicas(struct ring_builder *builder, double replicas);
enum err ring_builder_set_overload(struct ring_builder *builder, double overload);
enum err ring_builder_set_min_part_hours(struct ring_builder *builder, unsigned hours);
void ring_builder_pretend_hours_passed(struct ring_builder *builder);

struct ring_builder_facts {
	unsigned part_power, next_part_power; /* next: 0 when none */
	uint64_t parts, version;
	double replicas, overload;
	unsigned min_part_hours;
	int64_t moved_at_s; /* Unix time of the last rebalance, 0 when none */
	bool balanced;      /* there are assignments */
	bool changed;       /* devices or replicas changed since the last rebalance */
	char id[33];
};
void ring_builder_facts(const struct ring_builder *builder, struct ring_builder_facts *ret_facts);

struct ring_rebalance {
	uint64_t moved;   /* replicas that have another device now */
	unsigned removed; /* devices that left */
	double balance, dispersion;
};

/* Assigns what has no device, takes replicas off leaving devices, spreads replicas that share a
 * failure domain, and evens out the devices, moving at most one replica of a partition that has
 * a home, and none that moved in the last min_part_hours. ERR_CONFLICT when there are fewer
 * devices with weight than replicas; ERR_BUSY while the partition power grows; nothing is
 * changed then. */
enum err ring_builder_rebalance(struct ring_builder *builder, uint64_t seed, int64_t now_s,
        struct ring_rebalance *ret_result);

/* Percent by which the worst device misses its share by weight. */
double ring_builder_balance(const struct ring_builder *builder);
double ring_builder_dev_balance(const struct ring_builder *builder, uint32_t id);

/* Percent of replicas that share a failure domain more than the topology forces them to, each
 * counted at its worst tier. 0 before the first rebalance. */
double ring_builder_dispersion(const struct ring_builder *builder);

/* The overload at which that could be 0. */
double ring_builder_required_overload(const struct ring_builder *builder);

/* The report by tier: one call per region, zone, address and device with partitions. */
struct ring_tier_report {
	const char *name; /* "r1z2-10.0.0.1" */
	uint64_t placed;  /* replicas there */
	double dispersion;
	unsigned replicas_max; /* of one partition, when well dispersed */
	const uint64_t *with;  /* with[i]: partitions that have i replicas there */
	unsigned with_count;
};
typedef void ring_tier_fn(void *context, const struct ring_tier_report *report);
void ring_builder_report(const struct ring_builder *builder, ring_tier_fn *each, void *context);

/* Every assignment names a device, no partition has a device twice. ERR_CORRUPT with a sentence
 * in why, ERR_NOT_FOUND before the first rebalance. */
enum err ring_builder_validate(const struct ring_builder *builder, struct buf *why);

/* --- growing the partition power: prepare, increase, finish; cancel before finish ----------- */

/* ERR_CONFLICT when it is not this step's turn; ERR_RANGE past RING_PART_POWER_MAX. */
enum err ring_builder_prepare_increase(struct ring_builder *builder);
enum err ring_builder_increase(struct ring_builder *builder);
enum err ring_builder_cancel_increase(struct ring_builder *builder);
enum err ring_builder_finish_increase(struct ring_builder *builder);

/* --- composite rings ----------------------------------------------------------------------- */

/* The rows of all components one after the other: what one region's builder decides never
 * touches another's. At least two, of one partition power, with whole replica counts, balanced,
 * sharing no region and no device: else ERR_CONFLICT with a sentence in why. */
enum err ring_compose(struct ring_builder *const *builders, size_t count, struct buf *why,
        struct ring **ret_ring);

/* --- the one-machine cloud ----------------------------------------------------------------- */

/* A balanced ring over devices, in one call: devs[i] gets id i. */
enum err ring_build(unsigned part_power, double replicas, const struct ring_dev *devs,
        size_t dev_count, struct ring **ret_ring);

#endif
