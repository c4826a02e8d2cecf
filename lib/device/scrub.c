/* Scrub: reads every version and piece again at a set rate, from the disk, and checks the CRCs.
 * What fails is marked and told to the node, which fetches it from a peer. Order: that of the
 * index, policy by policy, for ever. */
#include "lib/device/device_internal.h"

#include "lib/base/mem.h"
#include <stdlib.h>
#include <string.h>

#define PAUSE_US 10000u
#define ROUND_US 60000000u

static uint64_t round_us(const struct device *device)
{
	return device->options.scrub_pause_us ? device->options.scrub_pause_us : ROUND_US;
}

struct scrub {
	struct device *device;
	struct timer timer;
	struct device_read read, piece;
	struct device_extent *extents; /* owned: of the version being checked */
	uint32_t extent_count, extent_at;
	uint8_t policy, key[16];
	uint64_t debt_us; /* time that what was read is worth */
	bool busy, stop;
};

static void step(struct scrub *s);

static void on_timer(struct timer *timer)
{
	step(CONTAINER_OF(timer, struct scrub, timer));
}

/* Sleeps as long as the bytes just read are to take. */
static void wait(struct scrub *s, uint64_t bytes)
{
	s->busy = false;
	if (s->stop)
		return;
	s->device->stats.scrubbed_bytes += bytes;
	s->debt_us += bytes * 1000000 / s->device->options.scrub_rate;
	uint64_t pause = s->debt_us < PAUSE_US ? 0 : s->debt_us;
	if (pause)
		s->debt_us = 0;
	timer_set(s->device->reactor, &s->timer, pause);
}

/* To the next key, or the next policy, or around. */
static bool advance(struct scrub *s)
{
	for (int i = 15; i >= 0; i--) {
		if (++s->key[i])
			return true;
	}
	s->policy = (uint8_t)((s->policy + 1) % DEVICE_SPACES);
	return s->policy != 0;
}

static void next_piece(struct scrub *s, uint64_t bytes);

static void on_piece(struct device_read *read, enum err err)
{
	struct scrub *s = CONTAINER_OF(read, struct scrub, piece);
	const struct device_extent *done = &s->extents[s->extent_at++];

	(void)err; /* marked and told by the read */
	device_read_done(read);
	device_extents_release(s->device, done, 1);
	next_piece(s, done->len);
}

static void next_piece(struct scrub *s, uint64_t bytes)
{
	if (s->stop) {
		device_extents_release(
		        s->device, s->extents + s->extent_at, s->extent_count - s->extent_at);
		s->extent_at = s->extent_count;
	}
	if (s->extent_at == s->extent_count) {
		free(s->extents);
		s->extents = NULL;
		s->extent_count = s->extent_at = 0;
		advance(s);
	}
	wait(s, bytes);
}

static void on_record(struct device_read *read, enum err err)
{
	struct scrub *s = CONTAINER_OF(read, struct scrub, read);
	struct device_version version;

	if (!err && !device_find(s->device, s->policy, s->key, &version) && version.extents) {
		const struct extent_list *list = object_extents(s->device, version.at);
		s->extents = mem_dup(list->extents, list->count * sizeof(*list->extents));
		s->extent_count = list->count;
		device_extents_pin(s->device, s->extents, s->extent_count);
	}
	uint32_t len = err ? 0 : read->len;
	device_read_done(read);
	next_piece(s, len);
}

static void step(struct scrub *s)
{
	struct device *device = s->device;
	struct device_version version;

	if (s->stop)
		return;
	s->busy = true;
	if (s->extent_at < s->extent_count) {
		s->piece = (struct device_read){.done = on_piece, .fresh = true};
		device_read_extent(device, s->policy, s->key, &s->extents[s->extent_at], &s->piece);
		return;
	}
	if (!device_next(device, s->policy, s->key, &version)) {
		memset(s->key, 0, 16);
		s->policy = (uint8_t)((s->policy + 1) % BACKEND_POLICIES);
		s->busy = false;
		if (s->policy == 0) {
			for (uint32_t u = 0; u < device->unit_count; u++) {
				struct unit *unit = &device->units[u];
				if (unit->type == UNIT_LOG || unit->type == UNIT_EXTENT)
					unit->stuck = false; /* repaired, perhaps */
			}
		}
		timer_set(device->reactor, &s->timer, s->policy ? 0 : round_us(device));
		return;
	}
	if (version.corrupt) {
		/* Still not mended: whoever mends is told once a round. */
		if (device->options.corrupt)
			device->options.corrupt(
			        device->options.owner, s->policy, s->key, version.ts);
		advance(s);
		wait(s, 0);
		return;
	}
	s->read = (struct device_read){.done = on_record, .fresh = true};
	device_read_version(device, s->policy, s->key, &version, &s->read);
}

void scrub_start(struct device *device)
{
	if (!device->options.scrub_rate)
		return;
	struct scrub *s = mem_zalloc(sizeof(*s));
	s->device = device;
	s->timer.fire = on_timer;
	device->scrub = s;
	timer_set(device->reactor, &s->timer, round_us(device));
}

void scrub_stop(struct device *device)
{
	struct scrub *s = device->scrub;

	if (!s)
		return;
	s->stop = true;
	timer_cancel(device->reactor, &s->timer);
	if (!s->busy && s->extents)
		next_piece(s, 0);
}

bool scrub_busy(const struct device *device)
{
	return device->scrub && device->scrub->busy;
}

void scrub_free(struct device *device)
{
	if (device->scrub)
		free(device->scrub->extents);
	free(device->scrub);
	device->scrub = NULL;
}
