/* A device on its reactor: open, serve, statistics. */
#include "node/node.h"
#include "proxy/ec_put.h"
#include "proxy/keystone.h"

#include "lib/cache/cache.h"
#include "lib/log/log.h"
#include "lib/reactor/disk_file.h"
#include "node/jobs.h"
#include "node/lifecycle.h"
#include "node/notifier.h"
#include "node/reaper.h"
#include "node/replicate.h"
#include "node/sender.h"
#include "node/split.h"
#include "node/swift.h"
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#define RETRY_US    20000
#define RETRIES_MAX 250
#define SIZE_US     10000000
#define HUNG_US     5000000 /* an operation that takes longer than any disk that works */

static uint64_t objects(const struct node_device *d)
{
	struct device_stats stats;

	device_stats(d->device, &stats);
	return stats.objects;
}

/* Why a device is left out, for who has to do something about it. */
static const char *reason(enum err err)
{
	switch (err) {
	case ERR_CONFIG:
		return "too small: a device wants room for 4 units ([devices] unit_bytes, "
		       "device_bytes)";
	case ERR_BUSY:
		return "another process has it open";
	case ERR_FORBIDDEN:
		return "not allowed to this user";
	case ERR_FORMAT:
		return "not written by this program, or by a later version of it";
	default:
		return err_text(err);
	}
}

static void opened(struct node_device *d, enum err err)
{
	struct node *node = d->node;

	d->err = err;
	d->ready = !err;
	if (err)
		log_error("device", "id=%u path=%s err=%s why=%s", d->id, log_quote(d->data_path),
		        err_name(err), log_quote(reason(err)));
	else
		log_info("device", "id=%u path=%s objects=%llu", d->id, log_quote(d->data_path),
		        (unsigned long long)objects(d));
	node_began(node);
}

static uint8_t fragment_of(void *owner, uint8_t policy, uint64_t prefix, unsigned bits)
{
	const struct node_device *d = owner;
	const struct cluster *cluster = &d->node->cluster;

	if (!cluster->policies[policy].ec)
		return 0;
	return ec_fragment_of(proxy_rings(cluster, BACKEND_OBJECT, policy), prefix, bits, d->id);
}

static enum err start_roles(struct node_device *d, struct device *device)
{
	struct node_reactor *r = &d->node->reactors[d->reactor];
	enum err err;

	d->device = device;
	hlc_see(&d->node->hlc, device_newest_ts(device));
	if ((err = containerd_start(d->containerd, device)) ||
	        (err = accountd_start(d->accountd, device)))
		return err;
	hlc_see(&d->node->hlc, containerd_newest_ts(d->containerd));
	hlc_see(&d->node->hlc, accountd_newest_ts(d->accountd));
	hlc_see(&d->node->hlc, d->horizon.ts);
	d->objectd = objectd_open(&(struct objectd_options){
	        .device = device,
	        .reactor = r->reactor,
	        .horizon = d->horizon.ts,
	        .fragment_of = fragment_of,
	        .owner = d,
	});
	if ((err = jobs_start(d, &d->jobs)))
		return err;
	if ((err = reaper_start(d, &d->reaper)))
		return err;
	if ((err = splitter_start(d, &d->splitter)))
		return err;
	if ((err = lifecycle_start(d, &d->lifecycler)))
		return err;
	return replicate_start(d, &d->replicator);
}

static void on_opened(void *owner, struct device *device, enum err err)
{
	struct node_device *d = owner;

	if (err || (err = start_roles(d, device)))
		opened(d, err);
	else
		node_filling_look(d);
}

void node_device_known(struct node_device *d, enum err err)
{
	if (!err && atomic_load(&d->filling))
		objectd_forgot(d->objectd, hlc_now(&d->node->hlc));
	opened(d, err);
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static unsigned sharing(const struct node_device *d)
{
	const struct node *node = d->node;
	struct stat st, other;
	unsigned count = 0;

	if (stat(d->path, &st) < 0)
		return 1;
	for (unsigned i = 0; i < node->device_count; i++)
		count += stat(node->devices[i].path, &other) == 0 && other.st_dev == st.st_dev;
	return count ? count : 1;
}

/* What a file device may grow to: nine tenths of its file system, of its share when there are more
 * devices on it, and of what others have left there. What deletes and compaction need must really
 * be there once objects are refused. */
static uint64_t file_bytes_max(const struct node_device *d)
{
	uint64_t limit = d->node->conf.device_bytes;
	struct statvfs fs;
	struct stat st;

	if (statvfs(d->path, &fs) < 0)
		return limit;
	uint64_t has = stat(d->data_path, &st) == 0 ? (uint64_t)st.st_blocks * 512 : 0;
	uint64_t all = (uint64_t)fs.f_blocks * fs.f_frsize / d->sharing;
	uint64_t left = has + (uint64_t)fs.f_bavail * fs.f_frsize / d->sharing;
	uint64_t max = smaller(all, left) / 10 * 9;
	return limit ? smaller(max, limit) : max;
}

/* A process that was killed a moment ago may hold its files a little longer, until the kernel has
 * ended its writes: worth waiting for. */
static void on_retry(struct timer *timer)
{
	node_device_open(CONTAINER_OF(timer, struct node_device, retry));
}

static void open_failed(struct node_device *d, enum err err)
{
	struct reactor *reactor = d->node->reactors[d->reactor].reactor;

	if (err == ERR_BUSY && d->retries++ < RETRIES_MAX) {
		if (d->retries == 1)
			log_warn("device-busy", "id=%u path=%s next=%s", d->id,
			        log_quote(d->data_path),
			        log_quote("waiting for the process that has it open"));
		d->retry.fire = on_retry;
		timer_set(reactor, &d->retry, RETRY_US);
		return;
	}
	opened(d, err);
}

/* What may block for as long as the disk hangs: on a thread of the device's own. */
static void open_run(struct work *work)
{
	struct node_device *d = CONTAINER_OF(work, struct node_device, opening);
	struct reactor *reactor = d->node->reactors[d->reactor].reactor;

	d->sharing = sharing(d);
	d->bytes_max = d->is_file ? file_bytes_max(d) : 0;
	d->err = disk_file_open(reactor, d->data_path, d->is_file, &d->disk);
	if (d->err)
		return;
	if ((d->err = containerd_open(
	             reactor, d->pool, d->path, d->node->conf.split_rows, &d->containerd)) ||
	        (d->err = accountd_open(reactor, d->pool, d->path, &d->accountd)))
		disk_close(TAKE(d->disk));
}

static void open_done(struct work *work)
{
	struct node_device *d = CONTAINER_OF(work, struct node_device, opening);
	const struct node_conf *conf = &d->node->conf;
	struct node_reactor *r = &d->node->reactors[d->reactor];

	if (d->err) {
		open_failed(d, d->err);
		return;
	}
	if (!r->cache)
		r->cache = cache_new(conf->cache_bytes / d->node->reactor_count);
	struct device_options options = {
	        .reactor = r->reactor,
	        .disk = d->disk,
	        .cache = r->cache,
	        .id = d->id,
	        .create = true,
	        .unit_bytes = (uint32_t)conf->unit_bytes,
	        .bytes_max = d->bytes_max,
	        .reclaim_ticks = NODE_RECLAIM_TICKS,
	        .zero_ahead = d->is_file ? 3 : 1, /* a file's reserve is written, or not there */
	        .compact_rate = 64u << 20,
	        .scrub_rate = conf->scrub_rate,
	        .scrub_pause_us = conf->scrub_pause * 1000000,
	        .replay = {[DEVICE_ROLE_OBJECT] = objectd_horizon_replay(&d->horizon),
	                [DEVICE_ROLE_CONTAINER] = containerd_replay(d->containerd),
	                [DEVICE_ROLE_ACCOUNT] = accountd_replay(d->accountd)},
	        .opened = on_opened,
	        .corrupt = node_corrupt,
	        .owner = d,
	};
	device_open(&options);
}

void node_device_open(struct node_device *d)
{
	d->opening.run = open_run;
	d->opening.done = open_done;
	work_submit(d->pool, &d->opening); /* the first of its pool: there is room */
}

static void size_run(struct work *work)
{
	struct node_device *d = CONTAINER_OF(work, struct node_device, sizing);

	d->bytes_max = file_bytes_max(d);
}

static void size_done(struct work *work)
{
	struct node_device *d = CONTAINER_OF(work, struct node_device, sizing);

	d->is_sizing = false;
	device_may_grow(d->device, d->bytes_max);
}

/* Others may have left it more room than at the start. */
static void look_at_size(struct node_device *d)
{
	uint64_t now = reactor_now_us(d->node->reactors[d->reactor].reactor);

	if (!d->ready || !d->is_file || d->is_sizing || now < d->sized_us + SIZE_US ||
	        !d->node->conf.state_dir) /* simulated: there is no file system */
		return;
	d->sized_us = now;
	d->sizing = (struct work){.run = size_run, .done = size_done};
	d->is_sizing = work_submit(d->pool, &d->sizing) == ERR_OK;
}

static void look_whether_hung(struct node_device *d)
{
	bool hung = d->ready && disk_file_stuck_us(d->disk) > HUNG_US;

	if (atomic_exchange(&d->hung, hung) != hung)
		log_warn(hung ? "device-hung" : "device-back", "id=%u path=%s", d->id,
		        log_quote(d->data_path));
}

/* A device that opened and takes no writes any more; said once. */
static void tell_failed(struct node_device *d, const struct device_stats *stats)
{
	if (!stats->failed || d->down)
		return;
	d->down = true;
	log_error("device-failed", "id=%u path=%s next=%s", d->id, log_quote(d->data_path),
	        log_quote("look at the disk (dmesg), then restart the node"));
}

/* Copies what other threads may look at; runs on the device's reactor. */
void node_device_snapshot(struct node_device *d)
{
	struct device_stats stats = {0};

	look_whether_hung(d);
	look_at_size(d);
	if (d->ready)
		device_stats(d->device, &stats);
	tell_failed(d, &stats);
	atomic_store(&d->seen.up, d->ready && !stats.failed && !d->hung);
	atomic_store(&d->seen.objects, stats.objects);
	atomic_store(&d->seen.used, stats.used_bytes);
	atomic_store(&d->seen.live, stats.live_bytes);
	atomic_store(&d->seen.max, stats.bytes_max);
	atomic_store(&d->seen.unsettled, stats.unsettled);
	atomic_store(&d->seen.corrupt, stats.corrupt);
	atomic_store(&d->seen.filling, atomic_load(&d->filling));
	atomic_store(&d->seen.batches, stats.batches);
	if (d->ready) {
		struct rows_stats containers, accounts;
		containerd_stats(d->containerd, &containers);
		accountd_stats(d->accountd, &accounts);
		atomic_store(&d->seen.overlay, containers.overlay_bytes + accounts.overlay_bytes);
	}
	if (d->replicator)
		replicate_snapshot(d->replicator);
}

void node_metrics(struct proxy *proxy, struct buf *out)
{
	struct node *node = ((struct node_reactor *)proxy->node)->node;
	static const char *const names[] = {"up", "objects", "used_bytes", "live_bytes",
	        "max_bytes", "unsettled", "corrupt", "batches", "overlay_bytes", "filling"};

	for (unsigned n = 0; n < COUNT_OF(names); n++) {
		buf_printf(out, "# TYPE cairn_device_%s gauge\n", names[n]);
		for (unsigned i = 0; i < node->device_count; i++) {
			const struct node_device *d = &node->devices[i];
			const atomic_uint_least64_t *values[] = {&d->seen.up, &d->seen.objects,
			        &d->seen.used, &d->seen.live, &d->seen.max, &d->seen.unsettled,
			        &d->seen.corrupt, &d->seen.batches, &d->seen.overlay,
			        &d->seen.filling};
			buf_printf(out, "cairn_device_%s{device=\"%u\"} %llu\n", names[n], i,
			        (unsigned long long)atomic_load(values[n]));
		}
	}
	if (node->keystone)
		buf_printf(out, "# TYPE cairn_identity_fresh gauge\ncairn_identity_fresh %d\n",
		        verify_fresh(node->keystone->verify));
	node_ring_metrics(node, out);
	node_wire_metrics(node, out);
	node_swift_metrics(node, out);
	node_peers_metrics(node, out);
	replicate_metrics(node, out);
	lifecycle_metrics(node, out);
	sender_metrics(node->sender, out);
	notifier_metrics(node->notifier, out);
	buf_str(out, "# TYPE cairn_requests counter\n");
	for (unsigned i = 0; i < node->reactor_count; i++) {
		const struct proxy_stats *s = &node->reactors[i].proxy.stats;
		buf_printf(out,
		        "cairn_requests{reactor=\"%u\"} %llu\ncairn_errors{reactor=\"%u\"} %llu\n"
		        "cairn_unsettled{reactor=\"%u\"} %llu\n"
		        "cairn_handoffs{reactor=\"%u\"} %llu\n"
		        "cairn_hedged_reads{reactor=\"%u\"} %llu\n",
		        i, (unsigned long long)s->requests, i, (unsigned long long)s->errors, i,
		        (unsigned long long)s->unsettled, i, (unsigned long long)s->handoffs, i,
		        (unsigned long long)s->hedged);
	}
}
