/* The realms of container sync: read at start and again when the node is told to. What was read
 * before stays: requests hold on to it. */
#include "node/node.h"
#include "node/secrets.h"
#include "proxy/unit/sync_realms.h"

#include "lib/base/mem.h"
#include <stdlib.h>
#include <string.h>

/* "//realm/cluster" */
static enum err set_current(struct sync_realms *realms, const char *text, struct buf *error)
{
	char *name = mem_strdup(text + strspn(text, "/"));
	size_t len = strlen(name);

	while (len && name[len - 1] == '/')
		name[--len] = 0;
	const char *slash = strchr(name, '/');
	if (len && (!slash || strchr(slash + 1, '/'))) {
		buf_printf(error, "[container_sync] current wants //REALM/CLUSTER, not '%s'", text);
		free(name);
		return ERR_CONFIG;
	}
	if (len)
		realms->current = name;
	else
		free(name);
	return ERR_OK;
}

static enum err read_file(struct sync_realms *realms, const char *path, struct buf *error)
{
	AUTO(buf) struct buf wrong = BUF_NONE;
	char *text;

	if (!*path)
		return ERR_OK;
	if (file_load(path, &text)) {
		buf_printf(error, "[container_sync] realms cannot be read: '%s'", path);
		return ERR_CONFIG;
	}
	bool good = sync_realms_parse(text, realms, &wrong);
	if (!good)
		buf_printf(error, "%s, %s", path, buf_text(&wrong));
	memset(text, 0, strlen(text));
	free(text);
	return good ? ERR_OK : ERR_CONFIG;
}

enum err node_sync(struct node *node, const struct node_conf *conf, struct buf *error)
{
	struct sync_realms *realms = mem_zalloc(sizeof(*realms));
	enum err err;

	if ((err = read_file(realms, conf->units.sync_realms, error)) ||
	        (err = set_current(realms, conf->units.sync_current, error))) {
		sync_realms_done(realms);
		free(realms);
		return err;
	}
	realms->hosts = mem_strdup(conf->units.sync_hosts);
	realms->full_urls = conf->units.sync_full_urls;
	realms->before = node->cluster.sync;
	node->cluster.sync = realms;
	return ERR_OK;
}
