/* Handles of devices, and the rings' devices in their terms: what a ring calls device 3 may be
 * device 7 of another ring. The devices of this process come first, in the order of the
 * configuration; those of other nodes follow as rings name them, and stay. */
#include "node/node.h"

#include "lib/base/mem.h"
#include <stdlib.h>
#include <string.h>

static bool is_own_address(const struct node *node, const struct ring_dev *dev)
{
	const struct node_conf *conf = &node->conf;

	if (!node->stores)
		return false;
	if (!conf->wire_port)
		return true; /* alone: all devices are here, whatever their address was */
	return (dev->port == conf->wire_port && strcmp(dev->ip, conf->wire_ip) == 0) ||
	       (dev->port == conf->port && strcmp(dev->ip, conf->bind_ip) == 0);
}

static bool is_behind(const struct ring_dev *dev, const char *ip, unsigned port)
{
	int order = strcmp(dev->ip, ip);

	return order > 0 || (order == 0 && dev->port > port);
}

static uint32_t own_handle(const struct node *node, const struct ring_dev *dev)
{
	for (unsigned i = 0; i < node->device_count; i++) {
		if (strcmp(node->devices[i].name, dev->device) == 0)
			return i;
	}
	return UINT32_MAX;
}

static uint32_t add_member(struct node *node, const struct ring_dev *dev)
{
	uint32_t at = atomic_load(&node->member_count);

	if (at == NODE_MEMBERS_MAX)
		return UINT32_MAX;
	struct node_member *member = mem_zalloc(sizeof(*member));
	member->ip = mem_strdup(dev->ip);
	member->port = dev->port;
	member->name = mem_strdup(dev->device);
	node->members[at] = member;
	atomic_store(&node->member_count, at + 1);
	return node->device_count + at;
}

static uint32_t member_handle(struct node *node, const struct ring_dev *dev)
{
	for (uint32_t i = 0; i < atomic_load(&node->member_count); i++) {
		const struct node_member *m = node->members[i];
		if (m->port == dev->port && strcmp(m->ip, dev->ip) == 0 &&
		        strcmp(m->name, dev->device) == 0)
			return node->device_count + i;
	}
	return add_member(node, dev);
}

/* This node's place among the addresses of the ring, or among those that are in no ring. */
static unsigned slot(const struct node *node, const struct ring *ring)
{
	const char *lowest = "";
	unsigned port = 0, before = 0;

	if (!node->stores)
		return (unsigned)(node->cluster.boot % HLC_SLOTS);
	for (;;) {
		const struct ring_dev *next = NULL;
		for (uint32_t i = 0; i < ring_dev_limit(ring); i++) {
			const struct ring_dev *dev = ring_dev(ring, i);
			if (!dev || !is_behind(dev, lowest, port))
				continue;
			if (!next || !is_behind(dev, next->ip, next->port))
				next = dev;
		}
		if (!next || is_own_address(node, next))
			return before;
		lowest = next->ip;
		port = next->port;
		before++;
	}
}

enum err node_handles(struct node *node, const struct ring *ring, bool newest,
        uint32_t **ret_handles, const struct ring_dev **ret_stranger)
{
	uint32_t limit = ring_dev_limit(ring);
	uint32_t *handles = mem_zalloc((limit + 1) * sizeof(*handles));

	for (uint32_t i = 0; i < limit; i++) {
		const struct ring_dev *dev = ring_dev(ring, i);
		handles[i] = !dev                        ? UINT32_MAX
		             : is_own_address(node, dev) ? own_handle(node, dev)
		                                         : member_handle(node, dev);
		if (dev && handles[i] == UINT32_MAX && !newest)
			handles[i] = member_handle(node, dev); /* it was here, and is gone */
		if (dev && handles[i] == UINT32_MAX) {
			*ret_stranger = dev;
			free(handles);
			return ERR_NOT_FOUND;
		}
	}
	if (newest)
		atomic_store(&node->hlc.slot, slot(node, ring));
	*ret_handles = handles;
	return ERR_OK;
}

const struct node_member *node_member(const struct node *node, uint32_t handle)
{
	uint32_t at = handle - node->device_count;

	if (handle < node->device_count || at >= atomic_load(&node->member_count))
		return NULL;
	return node->members[at];
}
