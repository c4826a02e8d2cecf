/* The rings of a node. `ring/NAME.ring.gz` is where an operator puts them (a one-machine cloud
 * makes its own at the first start); the node keeps those that count in
 * `ring/live/NAME-VERSION.ring.gz`. A newer one comes to live beside those before it, and they go
 * when all that they placed has moved (docs/decisions/0004-rings-that-live-together.md). */
#include "node/node.h"
#include "node/secrets.h"
#include "node/swift.h"

#include "lib/base/mem.h"
#include "lib/crypto/md5.h"
#include "lib/log/log.h"
#include "ring/builder.h"
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Fragments of an object, when the ring is of such a policy; else 0. */
static unsigned fragments(const struct node *node, const struct node_ring *r, unsigned *ret_need)
{
	const struct ec *ec =
	        r->kind == BACKEND_OBJECT ? node->cluster.policies[r->policy].ec : NULL;

	*ret_need = ec ? ec->k + 1 : 0;
	return ec ? ec->k + ec->m : 0;
}

#define NOT_ITS_REPLICAS "an erasure-coded policy wants a ring of k + m replicas"

static enum err build(const struct node *node, const struct node_ring *r, struct ring **ret_ring)
{
	char ip[64], none[] = "";
	struct ring_dev devs[NODE_DEVICES_MAX];
	bool wired = node->conf.wire_port;
	unsigned need, wanted = fragments(node, r, &need);

	snprintf(ip, sizeof(ip), "%s", wired ? node->conf.wire_ip : "127.0.0.1");
	for (unsigned i = 0; i < node->device_count; i++) {
		devs[i] = (struct ring_dev){
		        .region = 1,
		        .zone = 1,
		        .ip = ip,
		        .port = (uint32_t)(wired ? node->conf.wire_port : node->conf.port),
		        .replication_ip = none,
		        .device = node->devices[i].name,
		        .meta = none,
		        .weight = 100,
		};
	}
	return ring_build((unsigned)node->conf.part_power,
	        wanted ? wanted : (double)node->conf.replicas, devs, node->device_count, ret_ring);
}

static void inbox_path(const struct node *node, const struct node_ring *r, char path[PATH_MAX])
{
	snprintf(path, PATH_MAX, "%s/ring/%s.ring.gz", node->conf.state_dir, r->name);
}

static void live_path(
        const struct node *node, const struct node_ring *r, uint64_t version, char path[PATH_MAX])
{
	snprintf(path, PATH_MAX, "%s/ring/live/%s-%llu.ring.gz", node->conf.state_dir, r->name,
	        (unsigned long long)version);
}

static void fence_path(const struct node *node, const struct node_ring *r, char path[PATH_MAX])
{
	snprintf(path, PATH_MAX, "%s/ring/live/%s.fence", node->conf.state_dir, r->name);
}

static enum err digest_of(const struct ring *ring, uint8_t digest[16])
{
	AUTO(buf) struct buf text = BUF_NONE;
	enum err err = ring_format(ring, &text);

	if (!err)
		md5_digest(text.data, text.len, digest);
	return err;
}

/* --- sets: never changed, replaced whole --- */

struct retired {
	struct ring_set *set;
	atomic_uint left;
	struct retired_task {
		struct task task;
		struct retired *retired;
	} tasks[];
};

static void on_turn(struct task *task)
{
	struct retired *r = CONTAINER_OF(task, struct retired_task, task)->retired;

	if (atomic_fetch_sub(&r->left, 1) > 1)
		return;
	ring_set_free(r->set);
	free(r);
}

/* Who looked into the set on a loop is done with it when that loop's turn has ended. */
static void retire(struct node *node, struct ring_set *set)
{
	unsigned n = node->reactor_count;
	struct retired *r = mem_zalloc(sizeof(*r) + n * sizeof(r->tasks[0]));

	if (!n) {
		ring_set_free(set);
		free(r);
		return;
	}
	r->set = set;
	atomic_init(&r->left, n);
	for (unsigned i = 0; i < n; i++) {
		r->tasks[i].retired = r;
		r->tasks[i].task.run = on_turn;
		reactor_post(node->reactors[i].reactor, &r->tasks[i].task);
	}
}

static void use(struct node *node, struct node_ring *r, struct ring_set *set)
{
	fragments(node, r, &set->need);
	struct ring_set *old = atomic_exchange(r->set, set);

	struct ring_versions versions = ring_set_versions(set);
	atomic_store(&r->newest, versions.newest);
	atomic_store(&r->older, versions.older);
	atomic_store(&r->oldest, ring_version(set->rings[0]));
	node_take_slot(node);
	if (old)
		retire(node, old);
}

static uint32_t *copy_handles(const struct ring_set *set, unsigned at)
{
	return mem_dup(
	        set->handles[at], (ring_dev_limit(set->rings[at]) + 1) * sizeof(*set->handles[at]));
}

/* The set with one ring more; takes the ring's reference and its handles. */
static struct ring_set *with(const struct ring_set *set, struct ring *ring, uint32_t *handles)
{
	struct ring *rings[RINGS_MAX];
	uint32_t *all[RINGS_MAX];
	unsigned n = 0;

	for (; set && n < set->count; n++) {
		rings[n] = ring_ref(set->rings[n]);
		all[n] = copy_handles(set, n);
	}
	rings[n] = ring;
	all[n] = handles;
	return ring_set_new(rings, all, n + 1);
}

/* --- a newer ring --- */

static enum err add(struct node *node, struct node_ring *r, struct ring *ring, bool newest,
        const struct ring_dev **ret_stranger)
{
	struct ring_set *set = atomic_load(r->set);
	uint8_t digest[16];
	uint32_t *handles;
	enum err err;

	if (set && set->count == RINGS_MAX)
		return ERR_BUSY;
	if ((err = digest_of(ring, digest)) ||
	        (err = node_handles(node, ring, newest, &handles, ret_stranger)))
		return err;
	use(node, r, with(set, ring_ref(ring), handles));
	pthread_mutex_lock(&node->words_lock);
	memcpy(r->digest, digest, sizeof(digest));
	pthread_mutex_unlock(&node->words_lock);
	return ERR_OK;
}

enum err node_ring_replace(struct node *node, struct node_ring *r, struct ring *ring)
{
	const struct ring_dev *stranger;
	uint8_t digest[16];
	uint32_t *handles;
	enum err err;

	if ((err = digest_of(ring, digest)) ||
	        (err = node_handles(node, ring, false, &handles, &stranger)))
		return err;
	use(node, r, with(NULL, ring_ref(ring), handles));
	pthread_mutex_lock(&node->words_lock);
	memcpy(r->digest, digest, sizeof(digest));
	pthread_mutex_unlock(&node->words_lock);
	return ERR_OK;
}

static bool same_as_newest(const struct node_ring *r, const struct ring *ring)
{
	uint8_t digest[16];

	return !digest_of(ring, digest) && memcmp(digest, r->digest, 16) == 0;
}

/* One that lives elsewhere takes its place between ours. */
static enum err adopt_older(struct node *node, struct node_ring *r, struct ring *ring)
{
	const struct ring_set *set = atomic_load(r->set);
	const struct ring_dev *stranger = NULL;
	uint64_t version = ring_version(ring);
	struct ring *rings[RINGS_MAX];
	uint32_t *all[RINGS_MAX], *handles;
	unsigned at = 0;
	char path[PATH_MAX];
	enum err err;

	while (ring_version(set->rings[at]) < version)
		at++;
	if (ring_version(set->rings[at]) == version || (at == 0 && atomic_load(&node->joined)))
		return ERR_EXISTS;
	if (set->count == RINGS_MAX)
		return ERR_BUSY;
	live_path(node, r, version, path);
	if ((err = node_handles(node, ring, false, &handles, &stranger)))
		return err;
	if ((err = ring_save(ring, path))) {
		free(handles);
		return err;
	}
	for (unsigned i = 0; i <= set->count; i++) {
		unsigned from = i > at ? i - 1 : i;
		rings[i] = ring_ref(i == at ? ring : set->rings[from]);
		all[i] = i == at ? handles : copy_handles(set, from);
	}
	use(node, r, ring_set_new(rings, all, set->count + 1));
	log_info("ring", "name=%s version=%llu live=%u", r->name, (unsigned long long)version,
	        (*r->set)->count);
	return ERR_OK;
}

/* For people: the one in use is where they put theirs. A newer one that they have put there stays.
 */
static enum err show(struct node *node, struct node_ring *r, struct ring *ring)
{
	AUTO(ring_ref) struct ring_ref theirs = {NULL};
	char path[PATH_MAX];

	inbox_path(node, r, path);
	if (ring_load(path, &theirs.ring) == ERR_OK &&
	        ring_version(theirs.ring) > ring_version(ring))
		return ERR_OK;
	return ring_save(ring, path);
}

static enum err adopt(struct node *node, struct node_ring *r, struct ring *ring,
        const struct ring_dev **ret_stranger)
{
	char path[PATH_MAX];
	uint64_t version = ring_version(ring), newest = atomic_load(&r->newest);
	bool first = !atomic_load(r->set);
	enum err err;

	if (!first && version == newest)
		return same_as_newest(r, ring) ? ERR_EXISTS : ERR_CONFLICT;
	if (!first && version < newest)
		return adopt_older(node, r, ring);
	if (!first && (*r->set)->count == RINGS_MAX)
		return ERR_BUSY;
	live_path(node, r, version, path);
	if ((err = ring_save(ring, path)))
		return err;
	if ((err = add(node, r, ring, true, ret_stranger))) {
		unlink(path);
		return err == ERR_NOT_FOUND ? ERR_CONFLICT : err;
	}
	if (first)
		return ERR_OK;
	log_info("ring", "name=%s version=%llu live=%u", r->name, (unsigned long long)version,
	        (*r->set)->count);
	return show(node, r, ring);
}

static void refused(const struct node_ring *r, const struct ring *ring, enum err err,
        const struct ring_dev *stranger)
{
	if (stranger)
		log_error("ring-refused", "name=%s version=%llu device=%s next=%s", r->name,
		        (unsigned long long)ring_version(ring), log_quote(stranger->device),
		        log_quote("name it under [devices], and restart"));
	else
		log_error("ring-refused", "name=%s version=%llu why=%s", r->name,
		        (unsigned long long)ring_version(ring),
		        log_quote(err == ERR_CONFLICT ? "another ring of that version is in use"
		                  : err == ERR_RANGE  ? NOT_ITS_REPLICAS
		                                      : err_text(err)));
}

enum err node_ring_adopt(struct node *node, struct node_ring *r, struct ring *ring)
{
	const struct ring_dev *stranger = NULL;

	pthread_mutex_lock(&node->rings_lock);
	enum err err = adopt(node, r, ring, &stranger);
	pthread_mutex_unlock(&node->rings_lock);
	if (err && err != ERR_EXISTS && err != ERR_BUSY)
		refused(r, ring, err, stranger);
	return err;
}

/* Of one in the folder: what came of it. It stays there, and its turn comes when those before it
 * have settled. */
static void mind_waiting(struct node_ring *r, const struct ring *ring, enum err err)
{
	uint64_t waits = err == ERR_BUSY ? ring_version(ring) : 0;

	if (atomic_exchange(&r->waiting, waits) != waits && waits)
		log_warn("ring-waits", "name=%s version=%llu why=%s", r->name,
		        (unsigned long long)waits,
		        log_quote("as many as may live together do; it comes into use when their "
		                  "partitions have moved"));
}

static void look_at(struct node *node, struct node_ring *r)
{
	AUTO(ring_ref) struct ring_ref ref = {NULL};
	char path[PATH_MAX];

	inbox_path(node, r, path);
	enum err err = ring_load(path, &ref.ring);
	if (err) {
		log_error("ring-refused", "path=%s why=%s", log_quote(path),
		        log_quote(err_text(err)));
		return;
	}
	mind_waiting(r, ref.ring, node_ring_adopt(node, r, ref.ring));
}

static void drop_old(struct node *node, struct node_ring *r)
{
	struct ring_set *set = atomic_load(r->set);
	unsigned n = set->count;
	uint64_t versions[RINGS_MAX];
	char path[PATH_MAX];

	for (unsigned i = 0; i < n; i++)
		versions[i] = ring_version(set->rings[i]);
	use(node, r, with(NULL, ring_ref(ring_set_newest(set)), copy_handles(set, n - 1)));
	for (unsigned i = 0; i + 1 < n; i++) {
		live_path(node, r, versions[i], path);
		unlink(path);
	}
	log_info("ring-settled", "name=%s version=%llu", r->name,
	        (unsigned long long)versions[n - 1]);
}

void node_ring_settle(struct node *node, struct node_ring *r,
        bool (*has_moved)(void *owner, uint32_t device), void *owner)
{
	pthread_mutex_lock(&node->rings_lock);
	struct ring_set *set = atomic_load(r->set);
	if (set->count > 1 && gossip_settled(set, has_moved, owner))
		drop_old(node, r);
	bool room = (*r->set)->count < RINGS_MAX;
	pthread_mutex_unlock(&node->rings_lock);
	if (room && atomic_load(&r->waiting))
		look_at(node, r);
}

/* --- fences --- */

enum err node_ring_fence(struct node *node, struct node_ring *r, uint64_t version)
{
	AUTO(buf) struct buf text = BUF_NONE;
	char path[PATH_MAX];

	buf_printf(&text, "%llu\n", (unsigned long long)version);
	fence_path(node, r, path);
	enum err err = file_save(path, text.data, text.len);
	if (!err)
		atomic_store(&r->fenced, version);
	return err;
}

void node_ring_begin(struct node *node, struct node_ring *r)
{
	uint64_t oldest = atomic_load(&r->oldest), fenced = 0;
	char path[PATH_MAX], *text;

	fence_path(node, r, path);
	if (file_load(path, &text) == ERR_OK) {
		fenced = strtoull(text, NULL, 10);
		free(text);
	}
	/* What has settled needs none. */
	atomic_store(&r->fenced, fenced > oldest ? fenced : oldest);
	atomic_store(&r->moved, oldest);
}

/* --- what others are told --- */

struct ring_versions node_ring_versions(const struct node_ring *r)
{
	return (struct ring_versions){atomic_load(&r->newest), atomic_load(&r->older)};
}

void node_ring_words(struct node *node, struct gossip *g)
{
	pthread_mutex_lock(&node->words_lock);
	for (unsigned i = 0; i < node->ring_count; i++) {
		const struct node_ring *r = &node->rings[i];
		struct ring_word *w = &g->rings[g->ring_count++];
		*w = (struct ring_word){.kind = (uint8_t)r->kind,
		        .policy = (uint8_t)r->policy,
		        .live = node_ring_versions(r),
		        .fenced = atomic_load(&r->fenced),
		        .moved = atomic_load(&r->moved)};
		memcpy(w->digest, r->digest, sizeof(w->digest));
	}
	pthread_mutex_unlock(&node->words_lock);
}

enum err node_ring_file(struct node_ring *r, uint64_t version, struct buf *ret_file)
{
	const struct ring_set *set = atomic_load(r->set);

	for (unsigned i = 0; i < set->count; i++) {
		if (ring_version(set->rings[i]) == version)
			return ring_format(set->rings[i], ret_file);
	}
	return ERR_NOT_FOUND;
}

void node_rings_look(struct node *node)
{
	if (node->swift) {
		node_swift_look(node);
		return;
	}
	for (unsigned i = 0; i < node->ring_count; i++)
		look_at(node, &node->rings[i]);
}

/* --- at start --- */

static int by_version(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* Versions of a ring in the live folder, oldest first. */
static unsigned live_versions(
        const struct node *node, const struct node_ring *r, uint64_t versions[RINGS_MAX])
{
	char path[PATH_MAX];
	size_t len = strlen(r->name);
	unsigned n = 0;

	snprintf(path, sizeof(path), "%s/ring/live", node->conf.state_dir);
	DIR *dir = opendir(path);
	for (struct dirent *e; dir && (e = readdir(dir));) {
		char *end;
		if (strncmp(e->d_name, r->name, len) != 0 || e->d_name[len] != '-')
			continue;
		unsigned long long version = strtoull(e->d_name + len + 1, &end, 10);
		if (strcmp(end, ".ring.gz") == 0 && n < RINGS_MAX)
			versions[n++] = version;
	}
	if (dir)
		closedir(dir);
	qsort(versions, n, sizeof(*versions), by_version);
	return n;
}

static enum err bad(struct buf *error, const char *path, enum err err)
{
	buf_printf(error, "%s: %s", path,
	        err == ERR_CONFLICT ? "fewer devices than replicas"
	        : err == ERR_RANGE  ? NOT_ITS_REPLICAS
	                            : err_text(err));
	return err;
}

static enum err load_live(struct node *node, struct node_ring *r, struct buf *error)
{
	const struct ring_dev *stranger;
	uint64_t versions[RINGS_MAX];
	char path[PATH_MAX];
	unsigned n = live_versions(node, r, versions);

	for (unsigned i = 0; i < n; i++) {
		AUTO(ring_ref) struct ring_ref ref = {NULL};
		live_path(node, r, versions[i], path);
		enum err err = ring_load(path, &ref.ring);
		if (err || (err = add(node, r, ref.ring, false, &stranger)))
			return bad(error, path, err);
	}
	return ERR_OK;
}

static enum err load_inbox(struct node *node, struct node_ring *r, struct ring **ret_ring)
{
	char path[PATH_MAX];
	bool makes = node->stores && (!node->conf.wire_port || node->conf.wire_loopback);

	inbox_path(node, r, path);
	enum err err = ring_load(path, ret_ring);
	if (err != ERR_NOT_FOUND || atomic_load(r->set) || !makes)
		return err;
	if ((err = build(node, r, ret_ring)))
		return err;
	return ring_save(*ret_ring, path);
}

static enum err open_ring(struct node *node, struct node_ring *r, struct buf *error)
{
	AUTO(ring_ref) struct ring_ref ref = {NULL};
	const struct ring_dev *stranger = NULL;
	char path[PATH_MAX];
	enum err err = load_live(node, r, error);

	if (err)
		return err;
	inbox_path(node, r, path);
	err = load_inbox(node, r, &ref.ring);
	if (err == ERR_NOT_FOUND && atomic_load(r->set))
		return ERR_OK;
	if (err == ERR_NOT_FOUND) {
		buf_printf(error,
		        "%s is missing: make one with `cairn ring`, the same for all nodes", path);
		return err;
	}
	if (err)
		return bad(error, path, err);
	err = adopt(node, r, ref.ring, &stranger);
	mind_waiting(r, ref.ring, err);
	if (err == ERR_BUSY)
		return ERR_OK;
	if (stranger)
		buf_printf(error,
		        "%s names the device %s at %s port %u, which is not under [devices]", path,
		        stranger->device, stranger->ip, stranger->port);
	else if (err && err != ERR_EXISTS)
		buf_printf(error, "%s: %s", path,
		        err == ERR_CONFLICT ? "another ring of that version was in use"
		        : err == ERR_RANGE  ? NOT_ITS_REPLICAS
		                            : err_text(err));
	return err == ERR_EXISTS ? ERR_OK : err;
}

static struct node_ring *ring_slot(struct node *node, enum backend_kind kind, unsigned policy,
        const char *name, struct ring_set *_Atomic *set)
{
	struct node_ring *r = &node->rings[node->ring_count++];

	r->kind = kind;
	r->policy = policy;
	r->set = set;
	if (policy)
		snprintf(r->name, sizeof(r->name), "%s-%u", name, policy);
	else
		snprintf(r->name, sizeof(r->name), "%s", name);
	return r;
}

enum err node_rings(struct node *node, struct buf *error)
{
	struct cluster *c = &node->cluster;

	pthread_mutex_init(&node->rings_lock, NULL);
	pthread_mutex_init(&node->words_lock, NULL);
	ring_slot(node, BACKEND_ACCOUNT, 0, "account", &c->account_rings);
	ring_slot(node, BACKEND_CONTAINER, 0, "container", &c->container_rings);
	for (unsigned i = 0; i < BACKEND_POLICIES; i++) {
		if (c->policies[i].name)
			ring_slot(node, BACKEND_OBJECT, i, "object", &c->policies[i].rings);
	}
	for (unsigned i = 0; i < node->ring_count; i++) {
		enum err err = node->swift ? node_swift_ring(node, &node->rings[i], error)
		                           : open_ring(node, &node->rings[i], error);
		if (err)
			return err;
	}
	return ERR_OK;
}

struct node_ring *node_ring_find(struct node *node, enum backend_kind kind, unsigned policy)
{
	for (unsigned i = 0; i < node->ring_count; i++) {
		struct node_ring *r = &node->rings[i];
		if (r->kind == kind && (kind != BACKEND_OBJECT || r->policy == policy))
			return r;
	}
	return NULL;
}

bool node_ring_stale(struct node *node, const struct backend_msg *msg)
{
	struct ring_versions theirs = {msg->ring_version, msg->ring_older};

	if (!msg->ring_version)
		return false;
	struct node_ring *r = node_ring_find(node, msg->kind, msg->policy);
	if (!r)
		return false;
	uint64_t fenced = atomic_load_explicit(&r->fenced, memory_order_relaxed);
	/* It may be ahead of us; what it may not is to count older ones, and not this one. */
	return ring_versions_oldest(theirs) < fenced && !ring_versions_hold(theirs, fenced);
}

/* The versions that live and the newest's digest, as labels. */
static void tell_live(const struct node_ring *r, const struct ring_word *w, struct buf *out)
{
	uint64_t list[RINGS_MAX];
	unsigned n = ring_versions_list(w->live, list);

	buf_printf(out, "cairn_ring_info{ring=\"%s\",live=\"", r->name);
	for (unsigned i = 0; i < n; i++)
		buf_printf(out, "%s%llu", i ? " " : "", (unsigned long long)list[i]);
	buf_str(out, "\",digest=\"");
	buf_hex(out, w->digest, sizeof(w->digest));
	buf_str(out, "\"} 1\n");
}

void node_ring_metrics(struct node *node, struct buf *out)
{
	static const char *const names[] = {"version", "oldest", "fenced", "moved", "waiting"};
	struct gossip ours = {0};

	node_ring_words(node, &ours);
	buf_str(out, "# TYPE cairn_ring_info gauge\n");
	for (unsigned i = 0; i < node->ring_count; i++)
		tell_live(&node->rings[i], &ours.rings[i], out);

	for (unsigned n = 0; n < COUNT_OF(names); n++) {
		buf_printf(out, "# TYPE cairn_ring_%s gauge\n", names[n]);
		for (unsigned i = 0; i < node->ring_count; i++) {
			const struct node_ring *r = &node->rings[i];
			uint64_t values[] = {atomic_load(&r->newest), atomic_load(&r->oldest),
			        atomic_load(&r->fenced), atomic_load(&r->moved),
			        atomic_load(&r->waiting)};
			buf_printf(out, "cairn_ring_%s{ring=\"%s\"} %llu\n", names[n], r->name,
			        (unsigned long long)values[n]);
		}
	}
}
