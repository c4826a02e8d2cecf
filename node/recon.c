/* What the node answers swift-recon. What it does not count, because it works differently or nobody
 * has asked for it yet, is null, as it is with Swift before a daemon's first pass. On a thread of
 * the pool: files are read. */
#include "node/node.h"

#include "lib/crypto/md5.h"
#include "lib/json/jout.h"
#include "proxy/unit/recon.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SWIFT_CONF "/etc/swift/swift.conf"
#define FILE_MAX   (64u << 20)
#define LINE_BYTES 4096

struct question {
	const struct node *node;
	struct jout *out;
	const char *type; /* or NULL */
};

static double now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void add_f64(struct jout *out, const char *name, double number)
{
	AUTO(buf) struct buf text = BUF_NONE;

	jout_f64(&text, number);
	jout_raw(out, name, buf_text(&text));
}

static uint64_t sum(const struct node *node, size_t offset)
{
	uint64_t total = 0;

	for (unsigned i = 0; i < node->device_count; i++) {
		const atomic_uint_least64_t *value =
		        (const void *)((const char *)&node->devices[i] + offset);
		total += atomic_load(value);
	}
	return total;
}
#define SUM(node, field) sum(node, offsetof(struct node_device, seen.field))

static void nulls(struct question *q, const char *const *names)
{
	jout_object(q->out, NULL);
	for (; *names; names++)
		jout_null(q->out, *names);
	jout_end_object(q->out);
}

/* --- of the machine --- */

static void each_line(const char *path, void (*line)(void *owner, char *text), void *owner)
{
	char text[LINE_BYTES];
	FILE *file = fopen(path, "re");

	while (file && fgets(text, sizeof(text), file))
		line(owner, text);
	if (file)
		fclose(file);
}

static void version(struct question *q)
{
	jout_object(q->out, NULL);
	jout_text(q->out, "version", CAIRN_VERSION);
	jout_end_object(q->out);
}

static void mem_line(void *owner, char *line)
{
	struct question *q = owner;
	char *colon = strchr(line, ':');

	if (!colon)
		return;
	*colon = 0;
	char *value = colon + 1 + strspn(colon + 1, " \t");
	value[strcspn(value, "\n")] = 0;
	jout_text(q->out, line, value);
}

static void mem(struct question *q)
{
	jout_object(q->out, NULL);
	each_line("/proc/meminfo", mem_line, q);
	jout_end_object(q->out);
}

static void load_line(void *owner, char *line)
{
	struct question *q = owner;
	char tasks[32];
	double one, five, fifteen;
	long last;

	if (sscanf(line, "%lf %lf %lf %31s %ld", &one, &five, &fifteen, tasks, &last) != 5)
		return;
	add_f64(q->out, "1m", one);
	add_f64(q->out, "5m", five);
	add_f64(q->out, "15m", fifteen);
	jout_text(q->out, "tasks", tasks);
	jout_int(q->out, "processes", last);
}

static void load(struct question *q)
{
	jout_object(q->out, NULL);
	each_line("/proc/loadavg", load_line, q);
	jout_end_object(q->out);
}

static void mount_line(void *owner, char *line)
{
	struct question *q = owner;
	char *save = NULL, *device = strtok_r(line, " ", &save), *path = strtok_r(NULL, " ", &save);

	if (!path)
		return;
	jout_object(q->out, NULL);
	jout_text(q->out, "device", device);
	jout_text(q->out, "path", path);
	jout_end_object(q->out);
}

static void mounted(struct question *q)
{
	jout_array(q->out, NULL);
	each_line("/proc/mounts", mount_line, q);
	jout_end_array(q->out);
}

static void socket_line(void *owner, char *line)
{
	struct question *q = owner;
	long use, orphan, wait, alloc, pages;

	if (sscanf(line, "TCP: inuse %ld orphan %ld tw %ld alloc %ld mem %ld", &use, &orphan, &wait,
	            &alloc, &pages) == 5) {
		jout_int(q->out, "tcp_in_use", use);
		jout_int(q->out, "orphan", orphan);
		jout_int(q->out, "time_wait", wait);
		jout_int(q->out, "tcp_mem_allocated_bytes", pages * sysconf(_SC_PAGESIZE));
	} else if (sscanf(line, "TCP6: inuse %ld", &use) == 1) {
		jout_int(q->out, "tcp6_in_use", use);
	}
}

static void sockstat(struct question *q)
{
	jout_object(q->out, NULL);
	each_line("/proc/net/sockstat", socket_line, q);
	each_line("/proc/net/sockstat6", socket_line, q);
	jout_end_object(q->out);
}

static void time_of_day(struct question *q)
{
	add_f64(q->out, NULL, now_s());
}

/* --- files that all nodes share --- */

/* False: it cannot be read. */
static bool file_md5(const char *path, char ret_hex[33])
{
	AUTO(buf) struct buf text = {.size_max = FILE_MAX};
	FILE *file = fopen(path, "re");
	uint8_t digest[16];
	size_t n = 0;

	if (!file)
		return false;
	do {
		char *room = buf_reserve(&text, 65536);
		n = room ? fread(room, 1, 65536, file) : 0;
		text.len += n;
	} while (n);
	bool whole = !ferror(file) && !text.err;
	fclose(file);
	md5_digest(text.data, text.len, digest);
	md5_hex(digest, ret_hex);
	return whole;
}

/* As it was put there; where that is gone, as we would write it. */
static void ring_md5(struct question *q)
{
	const struct node *node = q->node;
	const char *swift = node->conf.swift_dir;
	char path[4096], hex[33];

	jout_object(q->out, NULL);
	for (unsigned i = 0; i < node->ring_count; i++) {
		const struct node_ring *r = &node->rings[i];
		snprintf(path, sizeof(path), "%s%s/%s.ring.gz",
		        *swift ? swift : node->conf.state_dir, *swift ? "" : "/ring", r->name);
		if (!file_md5(path, hex)) {
			pthread_mutex_lock(&((struct node *)node)->words_lock);
			md5_hex(r->digest, hex);
			pthread_mutex_unlock(&((struct node *)node)->words_lock);
		}
		jout_text(q->out, path, hex);
	}
	jout_end_object(q->out);
}

static void swift_conf_md5(struct question *q)
{
	const char *dir = q->node->conf.swift_dir;
	char path[4096], hex[33];

	snprintf(path, sizeof(path), "%s/swift.conf", *dir ? dir : "/etc/swift");
	jout_object(q->out, NULL);
	jout_text(q->out, SWIFT_CONF, file_md5(path, hex) ? hex : NULL);
	jout_end_object(q->out);
}

/* --- devices --- */

static void unmounted(struct question *q)
{
	jout_array(q->out, NULL);
	for (unsigned i = 0; i < q->node->device_count; i++) {
		const struct node_device *d = &q->node->devices[i];
		if (atomic_load(&d->seen.up))
			continue;
		jout_object(q->out, NULL);
		jout_text(q->out, "device", d->name);
		jout_bool(q->out, "mounted", false);
		jout_end_object(q->out);
	}
	jout_end_array(q->out);
}

static void disk_usage(struct question *q)
{
	jout_array(q->out, NULL);
	for (unsigned i = 0; i < q->node->device_count; i++) {
		const struct node_device *d = &q->node->devices[i];
		uint64_t size = atomic_load(&d->seen.max), used = atomic_load(&d->seen.used);
		bool up = atomic_load(&d->seen.up) && size;
		jout_object(q->out, NULL);
		jout_text(q->out, "device", d->name);
		jout_bool(q->out, "mounted", up);
		if (up) {
			jout_int(q->out, "size", (int64_t)size);
			jout_int(q->out, "used", (int64_t)used);
			jout_int(q->out, "avail", size > used ? (int64_t)(size - used) : 0);
		} else {
			jout_text(q->out, "size", "");
			jout_text(q->out, "used", "");
			jout_text(q->out, "avail", "");
		}
		jout_end_object(q->out);
	}
	jout_end_array(q->out);
}

static void devices(struct question *q)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/devices", q->node->conf.state_dir);
	jout_object(q->out, NULL);
	jout_array(q->out, path);
	for (unsigned i = 0; i < q->node->device_count; i++)
		jout_text(q->out, NULL, q->node->devices[i].name);
	jout_end_array(q->out);
	jout_end_object(q->out);
}

static void quarantined(struct question *q)
{
	jout_object(q->out, NULL);
	jout_int(q->out, "objects", (int64_t)SUM(q->node, corrupt));
	jout_int(q->out, "containers", 0);
	jout_int(q->out, "accounts", 0);
	jout_object(q->out, "policies");
	jout_end_object(q->out);
	jout_end_object(q->out);
}

static void drive_audit(struct question *q)
{
	jout_object(q->out, NULL);
	jout_int(q->out, "drive_audit_errors", (int64_t)SUM(q->node, corrupt));
	jout_end_object(q->out);
}

/* --- what works by itself --- */

static void async(struct question *q)
{
	jout_object(q->out, NULL);
	jout_int(q->out, "async_pending", (int64_t)SUM(q->node, unsettled));
	add_f64(q->out, "async_pending_last", now_s());
	jout_end_object(q->out);
}

/* When the last round ended that left nothing out, of the device where that is longest ago (0:
 * never), and how long the longest took. Seconds. */
static void rounds(const struct node *node, double *ret_last, double *ret_took)
{
	uint64_t last = UINT64_MAX, took = 0;

	for (unsigned i = 0; i < node->device_count; i++) {
		const struct node_device *d = &node->devices[i];
		uint64_t began = atomic_load(&d->seen.round_us);
		uint64_t us = atomic_load(&d->seen.round_took_us);
		last = began < last ? began : last;
		took = us > took ? us : took;
	}
	*ret_last = last == UINT64_MAX ? 0 : (double)last / 1e6;
	*ret_took = (double)took / 1e6;
}

/* Accounts, containers and objects go in the same rounds. Swift tells minutes of objects. */
static void replication(struct question *q)
{
	bool objects = !q->type || strcmp(q->type, "object") == 0;
	double last, took;

	rounds(q->node, &last, &took);
	jout_object(q->out, NULL);
	add_f64(q->out, "replication_time", objects ? took / 60 : took);
	add_f64(q->out, "replication_last", last);
	jout_object(q->out, "replication_stats");
	jout_int(q->out, "attempted", (int64_t)SUM(q->node, rounds));
	jout_int(q->out, "failure", (int64_t)SUM(q->node, push_errors));
	jout_int(q->out, "success", (int64_t)SUM(q->node, pushed));
	jout_end_object(q->out);
	if (objects) {
		add_f64(q->out, "object_replication_time", took / 60);
		add_f64(q->out, "object_replication_last", last);
	}
	jout_end_object(q->out);
}

static void reconstruction(struct question *q)
{
	double last, took;

	rounds(q->node, &last, &took);
	jout_object(q->out, NULL);
	add_f64(q->out, "object_reconstruction_last", last);
	add_f64(q->out, "object_reconstruction_time", took / 60);
	jout_end_object(q->out);
}

static void auditor(struct question *q)
{
	static const char *const accounts[] = {"account_audits_passed",
	        "account_auditor_pass_completed", "account_audits_since", "account_audits_failed",
	        NULL},
	                         *const containers[] = {"container_audits_passed",
	                                 "container_auditor_pass_completed",
	                                 "container_audits_since", "container_audits_failed", NULL},
	                         *const objects[] = {"object_auditor_stats_ALL",
	                                 "object_auditor_stats_ZBF", NULL};

	nulls(q, *q->type == 'a' ? accounts : *q->type == 'c' ? containers : objects);
}

static void updater(struct question *q)
{
	static const char *const containers[] = {"container_updater_sweep", NULL},
	                         *const objects[] = {"object_updater_sweep", "object_updater_stats",
	                                 "object_updater_last", NULL};

	nulls(q, *q->type == 'c' ? containers : objects);
}

static void expirer(struct question *q)
{
	static const char *const names[] = {"object_expiration_pass", "expired_last_pass", NULL};

	nulls(q, names);
}

static void sharding(struct question *q)
{
	static const char *const names[] = {
	        "sharding_stats", "sharding_time", "sharding_last", NULL};

	nulls(q, names);
}

static void relinker(struct question *q)
{
	static const char *const names[] = {"devices", "workers", NULL};

	nulls(q, names);
}

static const struct {
	const char *check;
	void (*answer)(struct question *q);
	const char *types; /* words; NULL: any or none */
	bool type_wanted;
} checks[] = {{"version", version, NULL, false}, {"mem", mem, NULL, false},
        {"load", load, NULL, false}, {"mounted", mounted, NULL, false},
        {"sockstat", sockstat, NULL, false}, {"time", time_of_day, NULL, false},
        {"ringmd5", ring_md5, NULL, false}, {"swiftconfmd5", swift_conf_md5, NULL, false},
        {"unmounted", unmounted, NULL, false}, {"diskusage", disk_usage, NULL, false},
        {"devices", devices, NULL, false}, {"quarantined", quarantined, NULL, false},
        {"driveaudit", drive_audit, NULL, false}, {"async", async, NULL, false},
        {"sharding", sharding, NULL, false}, {"relinker", relinker, NULL, false},
        {"replication", replication, "account container object", false},
        {"reconstruction", reconstruction, "object", true},
        {"auditor", auditor, "account container object", true},
        {"updater", updater, "container object", true}, {"expirer", expirer, "object", true}};

static bool is_word_of(const char *words, const char *word)
{
	const char *at = strstr(words, word);
	size_t len = strlen(word);

	return at && len > 5 && (at == words || at[-1] == ' ') && (!at[len] || at[len] == ' ');
}

static void run(struct work *work)
{
	struct recon_ask *ask = CONTAINER_OF(work, struct recon_ask, work);
	const struct node_reactor *r = ask->request->proxy->node;
	struct jout out = {.out = &ask->out};
	struct question q = {r->node, &out, ask->type};

	ask->err = ERR_NOT_FOUND;
	for (unsigned i = 0; i < COUNT_OF(checks); i++) {
		const char *types = checks[i].types;
		if (strcmp(checks[i].check, ask->check) != 0)
			continue;
		if (types && (ask->type ? !is_word_of(types, ask->type) : checks[i].type_wanted))
			return;
		checks[i].answer(&q);
		ask->err = ask->out.err;
	}
}

static void done(struct work *work)
{
	recon_answered(CONTAINER_OF(work, struct recon_ask, work));
}

enum err node_recon(struct proxy *proxy, struct recon_ask *ask)
{
	struct node_reactor *r = proxy->node;

	ask->work.run = run;
	ask->work.done = done;
	return work_submit(r->node->pool, &ask->work);
}
