/* What a replicator says of itself. */
#include "node/replicate_internal.h"

#define MEAN_SECONDS 16
#define LESS_SECONDS 24

static uint64_t lacking(const struct ranges *ranges)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < ranges->count; i++)
		sum += ranges->items[i].lacks;
	return sum;
}

/* A mean of the last `over` seconds, or since it began. */
static void slide(double *rate, uint64_t count, unsigned seconds, unsigned over)
{
	unsigned n = !seconds || seconds > over ? over : seconds;

	*rate += ((double)count - *rate) / n;
}

/* What waits becomes less by our work and by that of others, who bring the same. */
static void see_waiting(struct replicator *r, uint64_t waiting)
{
	uint64_t less = waiting < r->waiting_before ? r->waiting_before - waiting : 0;

	slide(&r->less_rate, less, r->busy_seconds, LESS_SECONDS);
	r->waiting_before = waiting;
}

void replicate_snapshot(struct replicator *r)
{
	struct node_device *d = r->device;
	uint64_t pushed = atomic_load(&d->seen.pushed);

	replicate_see_clients(r);
	/* What is dealt with by then; the pace goes up and down all the time, so it is a mean. */
	bool idle = pushed == r->pushed_before && r->dealt == r->dealt_before;
	r->busy_seconds = idle && r->rate < 1 ? 0 : r->busy_seconds + 1;
	slide(&r->rate, pushed - r->pushed_before, r->busy_seconds, MEAN_SECONDS);
	slide(&r->dealt_rate, r->dealt - r->dealt_before, r->busy_seconds, MEAN_SECONDS);
	r->pushed_before = pushed;
	r->dealt_before = r->dealt;
	atomic_store(&d->seen.push_rate, (uint64_t)(r->rate + 0.5));
	uint64_t waiting =
	        lacking(&r->digests) + lacking(&r->keys) + r->change_count - r->change_at;
	for (uint32_t i = r->found_at; i < r->found_count; i++)
		waiting += r->found[i].range.lacks;
	atomic_store(&d->seen.waiting, waiting);
	see_waiting(r, waiting);
	double rate = r->dealt_rate > r->less_rate ? r->dealt_rate : r->less_rate;
	atomic_store(&d->seen.to_go_s, rate >= 1 ? (uint64_t)((double)waiting / rate) : 0);
	if (r->parts_differ > atomic_load(&d->seen.parts_differ))
		atomic_store(&d->seen.parts_differ, r->parts_differ);
}

static void metric(const struct node *node, struct buf *out, const char *name, const char *type,
        size_t offset, bool seconds)
{
	buf_printf(out, "# TYPE cairn_replicate_%s %s\n", name, type);
	for (unsigned i = 0; i < node->device_count; i++) {
		const struct node_device *d = &node->devices[i];
		const atomic_uint_least64_t *value = (const void *)((const char *)d + offset);
		uint64_t v = atomic_load(value);
		if (seconds)
			buf_printf(out, "cairn_replicate_%s{device=\"%u\"} %llu.%06llu\n", name, i,
			        (unsigned long long)(v / 1000000),
			        (unsigned long long)(v % 1000000));
		else
			buf_printf(out, "cairn_replicate_%s{device=\"%u\"} %llu\n", name, i,
			        (unsigned long long)v);
	}
}

uint64_t replicate_agreed_us(
        const struct node_device *device, enum backend_kind kind, unsigned policy)
{
	unsigned target = kind == BACKEND_OBJECT      ? policy
	                  : kind == BACKEND_CONTAINER ? TARGET_CONTAINERS
	                                              : TARGET_ACCOUNTS;

	return atomic_load(&device->seen.agreed_us[target]);
}

void replicate_metrics(const struct node *node, struct buf *out)
{
#define SEEN(field) offsetof(struct node_device, seen.field)
	metric(node, out, "rounds", "counter", SEEN(rounds), false);
	metric(node, out, "pushed", "counter", SEEN(pushed), false);
	metric(node, out, "push_errors", "counter", SEEN(push_errors), false);
	metric(node, out, "differences", "gauge", SEEN(differences), false);
	metric(node, out, "lagging", "gauge", SEEN(round_lags), false);
	metric(node, out, "partitions", "gauge", SEEN(parts_differ), false);
	metric(node, out, "waiting", "gauge", SEEN(waiting), false);
	metric(node, out, "push_rate", "gauge", SEEN(push_rate), false);
	metric(node, out, "to_go_seconds", "gauge", SEEN(to_go_s), false);
	metric(node, out, "complete_seconds", "gauge", SEEN(round_us), true);
	metric(node, out, "equal_seconds", "gauge", SEEN(equal_us), true);
	metric(node, out, "took_seconds", "gauge", SEEN(round_took_us), true);
#undef SEEN
}
