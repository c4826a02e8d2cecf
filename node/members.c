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

struct addresses {
	const struct ring_dev *of[HLC_SLOTS];
	unsigned count;
};

static bool has(const struct addresses *a, const struct ring_dev *dev)
{
	for (unsigned i = 0; i < a->count; i++) {
		if (a->of[i]->port == dev->port && strcmp(a->of[i]->ip, dev->ip) == 0)
			return true;
	}
	return false;
}

/* Up to this node's own. */
static bool count_addresses(const struct node *node, const struct ring *ring, struct addresses *a)
{
	for (uint32_t i = 0; i < ring_dev_limit(ring); i++) {
		const struct ring_dev *dev = ring_dev(ring, i);
		if (!dev || has(a, dev))
			continue;
		if (is_own_address(node, dev))
			return true;
		if (a->count < COUNT_OF(a->of))
			a->of[a->count++] = dev;
	}
	return false;
}

void node_take_slot(struct node *node)
{
	struct addresses before = {.count = 0};
	bool found = false;

	for (unsigned i = 0; i < node->ring_count && !found; i++) {
		const struct ring_set *set = atomic_load(node->rings[i].set);
		found = set && count_addresses(node, ring_set_newest(set), &before);
	}
	unsigned slot = before.count % HLC_SLOTS;
	if (!found)
		slot += (unsigned)(node->cluster.boot % (HLC_SLOTS - slot));
	atomic_store(&node->hlc.slot, slot);
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
