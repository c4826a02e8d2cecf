/* What a replicator says of itself. */
#include "node/replicate_internal.h"

#define MEAN_SECONDS 16

static uint64_t lacking(const struct ranges *ranges)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < ranges->count; i++)
		sum += ranges->items[i].lacks;
	return sum;
}

/* Of the partitions that were not looked at yet it is taken to be as of the others. */
static double of_all(const struct replicator *r, uint64_t found)
{
	return r->part ? (double)found * (double)(r->parts - r->part) / (double)r->part : 0;
}

void replicate_end_survey(struct replicator *r)
{
	if (r->kind == BACKEND_OBJECT)
		r->later[r->target] = (double)r->later_found + of_all(r, r->later_found);
}

/* What is known to be there to do: to be brought to others, and to be handed off. */
static void count_waiting(const struct replicator *r, uint64_t *ret_lacks, uint64_t *ret_strays)
{
	uint64_t here = lacking(&r->digests) + lacking(&r->keys) + r->change_count - r->change_at;
	bool strays = r->peer == REPLICATE_NOBODY;

	*ret_lacks = strays ? 0 : here;
	*ret_strays = strays ? here : 0;
	for (uint32_t i = r->found_at; i < r->found_count; i++) {
		const struct found *f = &r->found[i];
		*(f->peer == REPLICATE_NOBODY ? ret_strays : ret_lacks) += f->range.lacks;
	}
}

/* Databases are a few, and nobody knows what rows they lack: they count for nothing here. */
static struct progress_left left_of(const struct replicator *r, uint64_t lacks, uint64_t strays)
{
	struct progress_left left = {0};

	for (unsigned i = 0; i < TARGETS; i++)
		left.later += r->later[i];
	if (r->op.state == WAIT || r->kind != BACKEND_OBJECT)
		return left;
	left.pushes = (double)lacks + of_all(r, r->lacks_found);
	left.forgets = (double)strays + of_all(r, r->strays_found);
	return left;
}

static double dealt_with(struct replicator *r)
{
	uint64_t done = r->objects_done;

	r->objects_done = 0;
	return (double)done;
}

static void see_rate(struct replicator *r, uint64_t pushed)
{
	r->push_rate += ((double)(pushed - r->pushed_before) - r->push_rate) / MEAN_SECONDS;
	r->pushed_before = pushed;
	atomic_store(&r->device->seen.push_rate, (uint64_t)(r->push_rate + 0.5));
}

void replicate_snapshot(struct replicator *r)
{
	struct node_device *d = r->device;
	uint64_t lacks, strays;

	count_waiting(r, &lacks, &strays);
	const struct progress_left left = left_of(r, lacks, strays);
	see_rate(r, atomic_load(&d->seen.pushed));
	progress_tick(&r->progress, dealt_with(r), &left, replicate_see_clients(r));
	double seconds = progress_seconds(&r->progress, &left);
	atomic_store(&d->seen.waiting, lacks);
	atomic_store(&d->seen.to_forget, strays + (uint64_t)left.later);
	atomic_store(&d->seen.work_done, (uint64_t)r->progress.done);
	atomic_store(&d->seen.work_left, (uint64_t)progress_weight(&left));
	atomic_store(&d->seen.to_go_s, (uint64_t)(seconds + 0.5));
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

uint64_t replicate_moved_us(
        const struct node_device *device, enum backend_kind kind, unsigned policy)
{
	unsigned target = kind == BACKEND_OBJECT      ? policy
	                  : kind == BACKEND_CONTAINER ? TARGET_CONTAINERS
	                                              : TARGET_ACCOUNTS;

	return atomic_load(&device->seen.moved_us[target]);
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
	metric(node, out, "to_forget", "gauge", SEEN(to_forget), false);
	metric(node, out, "work_done", "gauge", SEEN(work_done), false);
	metric(node, out, "work_left", "gauge", SEEN(work_left), false);
	metric(node, out, "to_go_seconds", "gauge", SEEN(to_go_s), false);
	metric(node, out, "complete_seconds", "gauge", SEEN(round_us), true);
	metric(node, out, "equal_seconds", "gauge", SEEN(equal_us), true);
	metric(node, out, "took_seconds", "gauge", SEEN(round_took_us), true);
#undef SEEN
}
