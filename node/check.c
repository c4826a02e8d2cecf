/* What options must be beyond their type and range: found by `--check` and before anything is
 * touched. */
#include "node/node.h"
#include "node/swift.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static enum err wrong(const struct node *node, struct buf *error, const char *what, const char *is)
{
	buf_printf(error, "%s: %s, not '%s'", node->conf_path, what, is);
	return ERR_CONFIG;
}

static enum err check_address(const struct node *node, struct buf *error)
{
	struct in6_addr any;

	if (inet_pton(AF_INET, node->conf.bind_ip, &any) == 1 ||
	        inet_pton(AF_INET6, node->conf.bind_ip, &any) == 1)
		return ERR_OK;
	return wrong(
	        node, error, "[node] bind_ip must be an IPv4 or IPv6 address", node->conf.bind_ip);
}

static enum err check_tls(const struct node *node, struct buf *error)
{
	const char *cert = node->conf.tls_cert, *key = node->conf.tls_key;

	if (!*cert != !*key)
		return wrong(node, error, "[http] tls_cert and tls_key go together", "one");
	return ERR_OK;
}

/* A device is told from another by the first word, its folder. */
static bool same_word(const char *a, const char *b)
{
	size_t n = strcspn(a, " \t");

	return n == strcspn(b, " \t") && memcmp(a, b, n) == 0;
}

static enum err check_device(
        const struct node *node, const struct conf_list *list, unsigned at, struct buf *error)
{
	const char *item = list->items[at], *disk = item + strcspn(item, " \t");
	struct stat st;

	if (*item == '.' || memchr(item, '/', (size_t)(disk - item)))
		return wrong(node, error,
		        "[devices] device wants a folder's name (without '/', not beginning with "
		        "'.') and perhaps a block device",
		        item);
	disk += strspn(disk, " \t");
	for (unsigned i = 0; i < at; i++) {
		const char *other = list->items[i] + strcspn(list->items[i], " \t");
		other += strspn(other, " \t");
		if (same_word(item, list->items[i]) || (*disk && strcmp(disk, other) == 0))
			return wrong(node, error, "[devices] each device is named once", item);
	}
	/* One that is gone today is left out at start; the others serve. */
	if (*disk && stat(disk, &st) == 0 && !S_ISBLK(st.st_mode))
		return wrong(node, error, "[devices] this must be a block device", disk);
	return ERR_OK;
}

static enum err check_devices(const struct node *node, struct buf *error)
{
	const struct conf_list *list = &node->conf.devices;
	enum err err = ERR_OK;

	if (!node->stores && list->count)
		return wrong(node, error, "[devices] device is for nodes with the role storage",
		        list->items[0]);
	if (!node->stores)
		return ERR_OK;
	if (!list->count || list->count > NODE_DEVICES_MAX) {
		buf_printf(error, "%s: [devices] wants 1 to %u lines `device = NAME`, not %u",
		        node->conf_path, NODE_DEVICES_MAX, list->count);
		return ERR_CONFIG;
	}
	for (unsigned i = 0; !err && i < list->count; i++)
		err = check_device(node, list, i, error);
	return err;
}

static enum err check_secrets(const struct node *node, struct buf *error)
{
	if (node->swift || *node->conf.hash_prefix || *node->conf.hash_suffix)
		return ERR_OK;
	return wrong(node, error,
	        "[cluster] hash_suffix must be a secret that never changes (`openssl rand -hex "
	        "16` makes one)",
	        "");
}

static bool next_word(const char **at, char *ret_word, size_t size)
{
	size_t len = strcspn(*at += strspn(*at, " ,\t"), " ,\t");

	snprintf(ret_word, size, "%.*s", (int)len, *at);
	*at += len;
	return len > 0;
}

static enum err read_roles(struct node *node, struct buf *error)
{
	const char *at = node->conf.roles;
	char word[32];

	while (next_word(&at, word, sizeof(word))) {
		if (strcmp(word, "proxy") == 0)
			node->serves = true;
		else if (strcmp(word, "storage") == 0)
			node->stores = true;
		else
			return wrong(node, error, "[node] roles are proxy and storage", word);
	}
	if (node->serves || node->stores)
		return ERR_OK;
	return wrong(node, error, "[node] roles wants proxy, storage or both", node->conf.roles);
}

enum err node_check(struct node *node, struct buf *error)
{
	enum err err;

	if ((err = read_roles(node, error)) || (err = node_swift_check(node, error)))
		return err;
	if ((err = check_address(node, error)) || (err = check_tls(node, error)) ||
	        (err = check_secrets(node, error)))
		return err;
	if ((err = node_wire_check(node, error)))
		return err;
	return check_devices(node, error);
}
