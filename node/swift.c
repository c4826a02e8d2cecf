/* A node whose storage is a Swift cluster: its swift.conf, its rings, and where messages go by
 * them. The folder is looked at again every RELOAD_S seconds, as Swift's own proxies do. */
#include "node/swift.h"
#include "node/node.h"

#include "lib/base/mem.h"
#include "lib/log/log.h"
#include "lib/swift/swift.h"
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#define RELOAD_S   15
#define CONNECT_MS 1000
#define LINE_BYTES 4096

struct node_swift {
	struct node *node;
	struct swift *swift;
	struct work look;
	unsigned seconds;
	bool looking;
	struct timespec changed[NODE_RINGS_MAX];
};

/* --- swift.conf --- */

struct reading {
	struct node *node;
	struct buf *error;
	const char *path;
	unsigned line;
	char section[64];
	int policy; /* of the section; -1: none */
	bool hashes, is_default, ec[BACKEND_POLICIES];
};

static enum err wrong_line(struct reading *r, const char *what)
{
	buf_printf(r->error, "%s:%u: %s", r->path, r->line, what);
	return ERR_CONFIG;
}

static enum err begin_section(struct reading *r, char *text)
{
	char *end = strchr(text, ']');

	if (!end)
		return wrong_line(r, "expected [section]");
	*end = 0;
	snprintf(r->section, sizeof(r->section), "%s", text + 1);
	r->policy = -1;
	if (strncmp(r->section, "storage-policy:", 15) != 0)
		return ERR_OK;
	unsigned long index = strtoul(r->section + 15, &end, 10);
	if (end == r->section + 15 || *end || index >= BACKEND_POLICIES)
		return wrong_line(r, "storage policies have an index below 16 here");
	r->policy = (int)index;
	r->node->cluster.policies[index].aliases = "";
	return ERR_OK;
}

static bool is_yes(const char *value)
{
	static const char *const words[] = {"true", "1", "yes", "on", "t", "y"};

	for (unsigned i = 0; i < COUNT_OF(words); i++) {
		if (strcasecmp(value, words[i]) == 0)
			return true;
	}
	return false;
}

static void take_policy(struct reading *r, const char *key, const char *value)
{
	struct cluster *c = &r->node->cluster;
	struct policy *policy = &c->policies[r->policy];

	if (strcmp(key, "name") == 0) {
		policy->name = mem_strdup(value);
	} else if (strcmp(key, "aliases") == 0) {
		policy->aliases = mem_strdup(value);
	} else if (strcmp(key, "deprecated") == 0) {
		policy->deprecated = is_yes(value);
	} else if (strcmp(key, "policy_type") == 0) {
		r->ec[r->policy] = strcasecmp(value, "replication") != 0;
	} else if (strcmp(key, "default") == 0 && is_yes(value)) {
		c->policy_default = (unsigned)r->policy;
		r->is_default = true;
	}
}

static void take_hash(struct reading *r, const char *key, const char *value)
{
	struct cluster *c = &r->node->cluster;
	struct ring_name name = {mem_strdup(value), strlen(value)};

	if (strcmp(key, "swift_hash_path_prefix") == 0)
		c->hash_prefix = name;
	else if (strcmp(key, "swift_hash_path_suffix") == 0)
		c->hash_suffix = name;
	r->hashes |= name.len > 0;
}

static void take_constraint(struct reading *r, const char *key, const char *value)
{
	struct limits *l = &r->node->cluster.limits;
	const struct {
		const char *key;
		unsigned *limit;
	} known[] = {
	        {"max_object_name_length", &l->max_object_name},
	        {"max_container_name_length", &l->max_container_name},
	        {"max_account_name_length", &l->max_account_name},
	        {"max_meta_name_length", &l->max_meta_name},
	        {"max_meta_value_length", &l->max_meta_value},
	        {"max_meta_count", &l->max_meta_count},
	        {"max_meta_overall_size", &l->max_meta_overall},
	        {"max_header_size", &l->max_header_size},
	        {"extra_header_count", &l->extra_header_count},
	        {"container_listing_limit", &l->container_listing_limit},
	        {"account_listing_limit", &l->account_listing_limit},
	};

	if (strcmp(key, "max_file_size") == 0)
		l->max_file_size = strtoull(value, NULL, 10);
	for (unsigned i = 0; i < COUNT_OF(known); i++) {
		if (strcmp(key, known[i].key) == 0)
			*known[i].limit = (unsigned)strtoul(value, NULL, 10);
	}
}

static char *trim(char *text)
{
	text += strspn(text, " \t");
	size_t len = strlen(text);
	while (len && strchr(" \t\r\n", text[len - 1]))
		text[--len] = 0;
	return text;
}

static enum err take_line(struct reading *r, char *line)
{
	bool goes_on = *line == ' ' || *line == '\t';
	char *text = trim(line);

	if (!*text || *text == '#' || *text == ';')
		return ERR_OK;
	if (*text == '[')
		return begin_section(r, text);
	bool limits = strcmp(r->section, "swift-constraints") == 0;
	if (r->policy < 0 && !limits && strcmp(r->section, "swift-hash") != 0)
		return ERR_OK;
	size_t len = strcspn(text, "=:");
	if (goes_on || !text[len])
		return wrong_line(r, "expected key = value on one line");
	text[len] = 0;
	char *key = trim(text), *value = trim(text + len + 1);
	if (r->policy >= 0)
		take_policy(r, key, value);
	else if (limits)
		take_constraint(r, key, value);
	else
		take_hash(r, key, value);
	return ERR_OK;
}

/* What is no policy for us has no name that could be chosen, and no ring. */
static enum err check_policies(struct reading *r)
{
	struct cluster *c = &r->node->cluster;
	unsigned count = 0;

	for (unsigned p = 0; p < BACKEND_POLICIES; p++) {
		count += c->policies[p].aliases != NULL;
		if (c->policies[p].aliases && !c->policies[p].name) {
			buf_printf(r->error, "%s: [storage-policy:%u] has no name", r->path, p);
			return ERR_CONFIG;
		}
		if (!r->ec[p])
			continue;
		log_warn("swift-policy", "index=%u name=%s next=%s", p,
		        log_quote(c->policies[p].name),
		        log_quote("it is erasure-coded: what is in it is not served here"));
		c->policies[p].name = NULL;
	}
	if (count)
		return c->policies[c->policy_default].name ? ERR_OK : ERR_CONFIG;
	c->policies[0].name = "Policy-0";
	c->policies[0].aliases = "";
	return ERR_OK;
}

static enum err read_conf(struct reading *r)
{
	char line[LINE_BYTES];
	enum err err = ERR_OK;
	FILE *file = fopen(r->path, "re");

	if (!file) {
		buf_printf(r->error, "%s:%u: [swift] dir: %s cannot be read", r->node->conf_path,
		        node_conf_line(r->node, "swift", "dir"), r->path);
		return ERR_CONFIG;
	}
	while (!err && fgets(line, sizeof(line), file)) {
		r->line++;
		err = strlen(line) + 1 == sizeof(line) ? wrong_line(r, "line is too long")
		                                       : take_line(r, line);
	}
	fclose(file);
	if (!err && !r->hashes)
		err = wrong_line(r, "[swift-hash] wants a swift_hash_path_suffix or prefix");
	if (!err && (err = check_policies(r)) && !r->error->len)
		buf_printf(r->error, "%s: the default policy is none that is served here", r->path);
	return err;
}

enum err node_swift_conf(struct node *node, struct buf *error)
{
	char path[PATH_MAX];
	struct reading reading = {.node = node, .error = error, .path = path, .policy = -1};

	snprintf(path, sizeof(path), "%s/swift.conf", node->conf.swift_dir);
	node->swift = mem_zalloc(sizeof(*node->swift));
	return read_conf(&reading);
}

static enum err wrong(struct node *node, struct buf *error, const char *section, const char *key,
        const char *what)
{
	buf_printf(error, "%s:%u: [%s] %s: %s", node->conf_path, node_conf_line(node, section, key),
	        section, key, what);
	return ERR_CONFIG;
}

enum err node_swift_check(struct node *node, struct buf *error)
{
	const struct node_conf *conf = &node->conf;

	if (!node->swift)
		return ERR_OK;
	if (node->stores)
		return wrong(node, error, "swift", "dir",
		        "only for roles = proxy: its storage is a Swift cluster");
	if (*conf->hash_prefix)
		return wrong(node, error, "cluster", "hash_prefix", "swift.conf says what it is");
	if (*conf->hash_suffix)
		return wrong(node, error, "cluster", "hash_suffix", "swift.conf says what it is");
	if (conf->policies.count)
		return wrong(node, error, "cluster", "policy", "swift.conf says which there are");
	if (conf->wire_keys.count || conf->wire_port)
		return wrong(node, error, "wire", conf->wire_port ? "port" : "key",
		        "Swift's servers do not speak it");
	if (conf->encryption)
		return wrong(node, error, "encryption", "enabled",
		        "not with [swift] dir: encryption is for Cairn's own devices");
	return ERR_OK;
}

/* --- rings --- */

static void ring_path(const struct node *node, const struct node_ring *r, char path[PATH_MAX])
{
	snprintf(path, PATH_MAX, "%s/%s.ring.gz", node->conf.swift_dir, r->name);
}

static bool has_changed(struct node *node, const struct node_ring *r, const char *path)
{
	struct timespec *known = &node->swift->changed[r - node->rings];
	struct stat st;

	if (stat(path, &st) < 0)
		return false;
	bool same = st.st_mtim.tv_sec == known->tv_sec && st.st_mtim.tv_nsec == known->tv_nsec;
	*known = st.st_mtim;
	return !same;
}

enum err node_swift_ring(struct node *node, struct node_ring *r, struct buf *error)
{
	AUTO(ring_ref) struct ring_ref ref = {NULL};
	char path[PATH_MAX];

	ring_path(node, r, path);
	has_changed(node, r, path);
	enum err err = ring_load(path, &ref.ring);
	if (!err && !ring_rows(ref.ring))
		err = ERR_CONFLICT;
	if (!err)
		err = node_ring_replace(node, r, ref.ring);
	if (err)
		buf_printf(error, "%s: %s", path,
		        err == ERR_CONFLICT ? "nothing was ever assigned in it" : err_text(err));
	return err;
}

static void look(struct node *node)
{
	char path[PATH_MAX];

	for (unsigned i = 0; i < node->ring_count; i++) {
		AUTO(buf) struct buf error = BUF_NONE;
		ring_path(node, &node->rings[i], path);
		if (!has_changed(node, &node->rings[i], path))
			continue;
		if (node_swift_ring(node, &node->rings[i], &error))
			log_error("ring-refused", "why=%s", log_quote(buf_text(&error)));
		else
			log_info("ring", "path=%s", log_quote(path));
	}
}

void node_swift_look(struct node *node)
{
	pthread_mutex_lock(&node->rings_lock);
	look(node);
	pthread_mutex_unlock(&node->rings_lock);
}

static void on_look(struct work *work)
{
	struct node_swift *s = CONTAINER_OF(work, struct node_swift, look);

	node_swift_look(s->node);
}

static void on_looked(struct work *work)
{
	CONTAINER_OF(work, struct node_swift, look)->looking = false;
}

void node_swift_tick(struct node *node)
{
	struct node_swift *s = node->swift;

	if (!s || s->looking || ++s->seconds < RELOAD_S)
		return;
	s->seconds = 0;
	s->look.run = on_look;
	s->look.done = on_looked;
	s->looking = work_submit(node->pool, &s->look) == ERR_OK;
}

/* --- where messages go --- */

/* The addressed device's place among the primaries, and how many there are. */
static bool replica_of(const struct ring_set *rings, const uint8_t key[16], uint32_t device,
        unsigned *ret_at, unsigned *ret_count)
{
	struct place place;

	place_of_key(rings, key, &place);
	*ret_count = place.count;
	for (unsigned i = 0; i < place.count; i++) {
		*ret_at = i;
		if (place.devices[i] == device)
			return true;
	}
	return false;
}

/* Each replica that is written tells its share of the others, and that of the next one, so that all
 * are told also when one is away. */
static void share_out(const struct node *node, const struct ring_set *rings, const uint8_t key[16],
        unsigned at, unsigned count, struct swift_told *told)
{
	struct place place;

	place_of_key(rings, key, &place);
	told->partition = ring_partition(ring_set_newest(rings), key);
	for (unsigned i = 0; i < place.count; i++) {
		const struct node_member *m = node_member(node, place.devices[i]);
		if (!m || (i % count != at && i % count != (at + 1) % count))
			continue;
		buf_printf(&told->hosts, "%s%s:%u", told->hosts.len ? "," : "", m->ip, m->port);
		buf_printf(&told->devices, "%s%s", told->devices.len ? "," : "", m->name);
	}
}

static struct ring_name name_of(const char *text)
{
	return (struct ring_name){text, text ? strlen(text) : 0};
}

static void tell(const struct node *node, const struct backend_msg *msg, uint32_t device,
        struct swift_route *route)
{
	const struct cluster *c = &node->cluster;
	bool object = msg->kind == BACKEND_OBJECT;
	unsigned at, count;
	uint8_t key[16];

	if (!replica_of(proxy_rings(c, msg->kind, msg->policy), msg->key, device, &at, &count))
		return;
	ring_hash_path(c->hash_prefix, c->hash_suffix, name_of(msg->account),
	        name_of(object ? msg->container : NULL), name_of(NULL), key);
	share_out(node, object ? c->container_rings : c->account_rings, key, at, count,
	        &route->parent);
	uint64_t delete_at = object ? swift_delete_at(msg) : 0;
	if (!delete_at)
		return;
	swift_expirer_container(msg->key, delete_at, route->expirer_container);
	ring_hash_path(c->hash_prefix, c->hash_suffix, name_of(SWIFT_EXPIRER_ACCOUNT),
	        name_of(route->expirer_container), name_of(NULL), key);
	share_out(node, c->container_rings, key, count - 1 - at, count, &route->expirer);
}

static bool route(
        void *owner, const struct backend_msg *msg, uint32_t device, struct swift_route *ret_route)
{
	const struct node *node = owner;
	const struct ring_set *rings = proxy_rings(&node->cluster, msg->kind, msg->policy);
	const struct node_member *m = node_member(node, device);

	if (!rings || !m)
		return false;
	ret_route->spot = (struct swift_spot){.ip = m->ip,
	        .device = m->name,
	        .port = m->port,
	        .partition = ring_partition(ring_set_newest(rings), msg->key),
	        .next_part_power = ring_next_part_power(ring_set_newest(rings))};
	if (swift_tells(msg))
		tell(node, msg, device, ret_route);
	return true;
}

enum err node_swift_start(struct node *node, struct backend **ret_backend)
{
	struct swift_options options = {.route = route, .owner = node, .connect_ms = CONNECT_MS};

	node->swift->node = node;
	for (unsigned p = 0; p < BACKEND_POLICIES; p++)
		options.policies[p] = node->cluster.policies[p].name;
	enum err err = swift_new(&options, &node->swift->swift);
	if (!err)
		*ret_backend = swift_backend(node->swift->swift);
	return err;
}

void node_swift_metrics(const struct node *node, struct buf *out)
{
	if (!node->swift)
		return;
	const struct swift_stats *s = swift_stats(node->swift->swift);
	buf_printf(out,
	        "# TYPE cairn_swift_asked counter\ncairn_swift_asked %llu\n"
	        "# TYPE cairn_swift_failed counter\ncairn_swift_failed %llu\n"
	        "# TYPE cairn_swift_open gauge\ncairn_swift_open %u\n"
	        "# TYPE cairn_swift_uploads gauge\ncairn_swift_uploads %u\n"
	        "# TYPE cairn_swift_downloads gauge\ncairn_swift_downloads %u\n",
	        (unsigned long long)s->asked, (unsigned long long)s->failed, s->open, s->uploads,
	        s->downloads);
}
