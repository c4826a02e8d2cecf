/* rings_rig: rings of a few devices, each in a zone of its own. */
#ifndef TESTS_LIB_RINGS_RIG_H
#define TESTS_LIB_RINGS_RIG_H

#include "tests/lib/test.h"

#include "lib/base/mem.h"
#include "proxy/place.h"
#include "ring/builder.h"

#define RIG_DEVICES_MAX 8

static inline struct ring *rig_ring(unsigned power, unsigned replicas, unsigned devices)
{
	char ip[] = "127.0.0.1", none[] = "", names[RIG_DEVICES_MAX][4];
	struct ring_dev devs[RIG_DEVICES_MAX];
	struct ring *ring;

	for (unsigned i = 0; i < devices; i++) {
		snprintf(names[i], sizeof(names[i]), "d%u", i % 10);
		devs[i] = (struct ring_dev){.region = 1,
		        .zone = i,
		        .ip = ip,
		        .port = 6200,
		        .replication_ip = none,
		        .device = names[i],
		        .meta = none,
		        .weight = 100};
	}
	assert_int_equal(ring_build(power, replicas, devs, devices, &ring), ERR_OK);
	return ring;
}

/* One ring alone; handles are its ids. */
static inline struct ring_set *rig_rings(unsigned power, unsigned replicas, unsigned devices)
{
	struct ring *ring = rig_ring(power, replicas, devices);
	uint32_t *handles = mem_zalloc(devices * sizeof(*handles));

	for (uint32_t i = 0; i < devices; i++)
		handles[i] = i;
	return ring_set_new(&ring, &handles, 1);
}

#endif
