/* Devices for the ring tests. */
#ifndef TESTS_UNIT_RING_CLUSTER_H
#define TESTS_UNIT_RING_CLUSTER_H

#include "ring/builder.h"
#include "tests/lib/test.h"

/* Adds one device; the test fails when that does not work. */
static inline uint32_t cluster_add(struct ring_builder *builder, unsigned region, unsigned zone,
        unsigned host, unsigned disk, double weight)
{
	char ip[64], name[32];
	uint32_t id = UINT32_MAX;

	snprintf(ip, sizeof(ip), "10.%u.%u.%u", region, zone, host);
	snprintf(name, sizeof(name), "d%u", disk);
	struct ring_dev dev = {.region = region,
	        .zone = zone,
	        .ip = ip,
	        .port = 6200,
	        .device = name,
	        .weight = weight};
	assert_int_equal(ring_builder_add(builder, &dev, &id), ERR_OK);
	return id;
}

static inline struct ring_builder *cluster_new(unsigned part_power, double replicas, unsigned hours,
        unsigned regions, unsigned zones, unsigned hosts, unsigned disks)
{
	struct ring_builder *builder = NULL;

	assert_int_equal(ring_builder_new(part_power, replicas, hours, &builder), ERR_OK);
	for (unsigned region = 1; region <= regions; region++) {
		for (unsigned zone = 1; zone <= zones; zone++) {
			for (unsigned host = 1; host <= hosts; host++) {
				for (unsigned disk = 0; disk < disks; disk++)
					cluster_add(builder, region, zone, host, disk, 100);
			}
		}
	}
	return builder;
}

static inline struct ring_rebalance cluster_rebalance(
        struct ring_builder *builder, uint64_t seed, int64_t now_s)
{
	AUTO(buf) struct buf why = BUF_NONE;
	struct ring_rebalance result;

	assert_int_equal(ring_builder_rebalance(builder, seed, now_s, &result), ERR_OK);
	assert_int_equal(ring_builder_validate(builder, &why), ERR_OK);
	return result;
}

static inline struct ring *cluster_ring(const struct ring_builder *builder)
{
	struct ring *ring = NULL;

	assert_int_equal(ring_builder_ring(builder, &ring), ERR_OK);
	return ring;
}

#endif
