/* The rings of a one-machine cloud: made at first start, then read from their files, which an
 * operator may replace by ones built with `cairn ring`. */
#include "node/node.h"

#include "lib/base/mem.h"
#include "ring/builder.h"
#include <limits.h>
#include <stdio.h>

static enum err build(const struct node *node, struct ring **ret_ring)
{
	char ip[] = "127.0.0.1", none[] = "", names[NODE_DEVICES_MAX][16];
	struct ring_dev devs[NODE_DEVICES_MAX];

	for (unsigned i = 0; i < node->device_count; i++) {
		snprintf(names[i], sizeof(names[i]), "d%u", i);
		devs[i] = (struct ring_dev){
		        .region = 1,
		        .zone = 1,
		        .ip = ip,
		        .port = (uint32_t)node->conf.port,
		        .replication_ip = none,
		        .device = names[i],
		        .meta = none,
		        .weight = 100,
		};
	}
	return ring_build((unsigned)node->conf.part_power, (double)node->conf.replicas, devs,
	        node->device_count, ret_ring);
}

static enum err load(const struct node *node, const char *name, struct ring **ret_ring)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/ring/%s.ring.gz", node->conf.state_dir, name);
	enum err err = ring_load(path, ret_ring);
	if (err != ERR_NOT_FOUND)
		return err;
	if ((err = build(node, ret_ring)))
		return err;
	return ring_save(*ret_ring, path);
}

static enum err check(
        const struct node *node, struct ring *ring, const char *name, struct buf *error)
{
	for (uint32_t i = 0; i < ring_dev_limit(ring); i++) {
		if (ring_dev(ring, i) && i >= node->device_count) {
			buf_printf(error,
			        "the %s ring names device %u; the configuration has %u devices",
			        name, i, node->device_count);
			return ERR_CONFIG;
		}
	}
	return ERR_OK;
}

/* One ring alone; its device ids are the places of the devices in the configuration. */
static struct ring_set *only(struct ring *ring)
{
	uint32_t *handles = mem_zalloc((ring_dev_limit(ring) + 1) * sizeof(*handles));

	for (uint32_t i = 0; i < ring_dev_limit(ring); i++)
		handles[i] = i;
	return ring_set_new(&ring, &handles, 1);
}

static enum err open_set(
        const struct node *node, const char *name, struct ring_set *_Atomic *ret, struct buf *error)
{
	struct ring *ring;
	enum err err = load(node, name, &ring);

	if (err) {
		buf_printf(error, "%s/ring/%s.ring.gz: %s", node->conf.state_dir, name,
		        err == ERR_CONFLICT ? "fewer devices than replicas" : err_text(err));
		return err;
	}
	*ret = only(ring);
	return check(node, ring, name, error);
}

enum err node_rings(struct node *node, struct buf *error)
{
	struct cluster *c = &node->cluster;
	char name[32] = "object";
	enum err err;

	if ((err = open_set(node, "account", &c->account_rings, error)) ||
	        (err = open_set(node, "container", &c->container_rings, error)))
		return err;
	for (unsigned i = 0; i < BACKEND_POLICIES; i++) {
		if (!c->policies[i].name)
			continue;
		if (i)
			snprintf(name, sizeof(name), "object-%u", i);
		if ((err = open_set(node, name, &c->policies[i].rings, error)))
			return err;
	}
	return ERR_OK;
}
