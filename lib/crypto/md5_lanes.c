#include "lib/crypto/md5_lanes.h"

#include "lib/base/auto.h"
#include "lib/base/mem.h"
#include "lib/crypto/md5_blocks.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define LANES_MAX   16
#define LANES_WORTH 3 /* fewer streams are faster one by one */
#define COMPANY     8 /* so many are not made to wait */
#define LARGE       (64u << 10)

struct md5_engine {
	struct reactor *reactor; /* borrowed */
	struct reactor_hook hook;
	struct timer timer; /* wakes the loop at due_us */
	struct md5_job *first, **last;
	unsigned queued, joined;
	uint64_t due_us; /* what is queued waits no longer */
	unsigned lanes;  /* 0: no vector unit that pays */
	void (*kernel)(uint32_t *state, const uint8_t *const *data, size_t blocks);
};

void md5_stream_init(struct md5_stream *stream)
{
	*stream = (struct md5_stream){.state = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476}};
}

void md5_stream_update(struct md5_stream *s, const void *data, size_t len)
{
	const uint8_t *p = data;

	s->len += len;
	if (s->tail_len) {
		size_t n = 64 - s->tail_len < len ? 64 - s->tail_len : len;
		memcpy(s->tail + s->tail_len, p, n);
		s->tail_len += (unsigned)n;
		p += n;
		len -= n;
		if (s->tail_len < 64)
			return;
		md5_blocks(s->state, s->tail, 1);
		s->tail_len = 0;
	}
	md5_blocks(s->state, p, len / 64);
	s->tail_len = (unsigned)(len % 64);
	if (s->tail_len)
		memcpy(s->tail, p + len / 64 * 64, s->tail_len);
}

void md5_stream_final(struct md5_stream *s, uint8_t ret_digest[16])
{
	uint8_t pad[72] = {0x80};
	uint64_t bits = s->len * 8;
	size_t n = (s->tail_len < 56 ? 56 : 120) - s->tail_len;

	memcpy(pad + n, &bits, 8);
	md5_stream_update(s, pad, n + 8);
	memcpy(ret_digest, s->state, 16);
}

/* One lane: a job whose whole blocks are being computed. */
struct lane {
	struct md5_job *job; /* NULL: idle */
	const uint8_t *at;
	size_t blocks;
};

static void finish(struct md5_job *job, const uint8_t *rest)
{
	size_t left = (size_t)((const uint8_t *)job->data + job->len - rest);

	if (left)
		memcpy(job->stream->tail, rest, left);
	job->stream->tail_len = (unsigned)left;
	job->done(job);
}

/* The next job with whole blocks, after the bytes that complete a block begun before; jobs without
 * are done on the way. */
static bool refill(struct md5_job **queue, struct lane *lane)
{
	while (*queue) {
		struct md5_job *job = *queue;
		struct md5_stream *s = job->stream;
		size_t head = s->tail_len ? 64 - s->tail_len : 0;
		*queue = job->next;
		if (job->len < head + 64) {
			md5_stream_update(s, job->data, job->len);
			job->done(job);
			continue;
		}
		md5_stream_update(s, job->data, head);
		s->len += job->len - head;
		*lane = (struct lane){
		        job, (const uint8_t *)job->data + head, (job->len - head) / 64};
		return true;
	}
	lane->job = NULL;
	return false;
}

/* Runs the lanes until fewer than LANES_WORTH are busy. Idle lanes compute on a busy one's data. */
static void run_lanes(struct md5_engine *engine, struct lane *lanes, struct md5_job **queue)
{
	unsigned n = engine->lanes;

	for (;;) {
		const uint8_t *data[LANES_MAX];
		uint32_t state[4 * LANES_MAX];
		unsigned busy = 0, first = 0;
		size_t blocks = SIZE_MAX;
		for (unsigned i = n; i-- > 0;) {
			if (!lanes[i].job && !refill(queue, &lanes[i]))
				continue;
			busy++;
			first = i;
			blocks = lanes[i].blocks < blocks ? lanes[i].blocks : blocks;
		}
		if (busy < LANES_WORTH)
			return;
		for (unsigned i = 0; i < n; i++) {
			const struct lane *l = lanes[i].job ? &lanes[i] : &lanes[first];
			data[i] = l->at;
			for (unsigned w = 0; w < 4; w++)
				state[w * n + i] = l->job->stream->state[w];
		}
		engine->kernel(state, data, blocks);
		for (unsigned i = 0; i < n; i++) {
			struct lane *l = &lanes[i];
			if (!l->job)
				continue;
			for (unsigned w = 0; w < 4; w++)
				l->job->stream->state[w] = state[w * n + i];
			l->at += blocks * 64;
			l->blocks -= blocks;
			if (l->blocks == 0)
				finish(TAKE(l->job), l->at);
		}
	}
}

static bool due(const struct md5_engine *engine)
{
	return !engine->lanes || engine->queued >= COMPANY || engine->queued >= engine->joined ||
	       reactor_now_us(engine->reactor) >= engine->due_us;
}

static bool run_engine(struct reactor_hook *hook)
{
	struct md5_engine *engine = CONTAINER_OF(hook, struct md5_engine, hook);
	struct md5_job *queue = engine->first;
	struct lane lanes[LANES_MAX] = {0};

	if (!queue || !due(engine))
		return false;
	timer_cancel(engine->reactor, &engine->timer);
	engine->first = NULL;
	engine->last = &engine->first;
	engine->queued = 0;
	if (engine->lanes && queue->next && queue->next->next)
		run_lanes(engine, lanes, &queue);
	for (unsigned i = 0; i < LANES_MAX; i++) {
		struct lane *l = &lanes[i];
		if (!l->job)
			continue;
		md5_blocks(l->job->stream->state, l->at, l->blocks);
		finish(l->job, l->at + l->blocks * 64);
	}
	while (queue) {
		struct md5_job *job = queue;
		queue = job->next;
		md5_stream_update(job->stream, job->data, job->len);
		job->done(job);
	}
	return true;
}

static void kernel_avx2(uint32_t *state, const uint8_t *const *data, size_t blocks)
{
	md5_blocks_avx2((uint32_t(*)[8])state, data, blocks);
}

static void kernel_avx512(uint32_t *state, const uint8_t *const *data, size_t blocks)
{
	md5_blocks_avx512((uint32_t(*)[16])state, data, blocks);
}

void md5_engine_limit(struct md5_engine *engine, unsigned lanes_max)
{
	engine->lanes = 0;
	if (lanes_max >= 16 && __builtin_cpu_supports("avx512bw") &&
	        __builtin_cpu_supports("avx512vl")) {
		engine->lanes = 16;
		engine->kernel = kernel_avx512;
	} else if (lanes_max >= 8 && __builtin_cpu_supports("avx2")) {
		engine->lanes = 8;
		engine->kernel = kernel_avx2;
	}
}

static void on_due(struct timer *timer)
{
	(void)timer; /* the hook runs in every turn */
}

enum err md5_engine_new(struct reactor *reactor, struct md5_engine **ret_engine)
{
	struct md5_engine *engine = mem_zalloc(sizeof(*engine));

	engine->reactor = reactor;
	engine->last = &engine->first;
	engine->hook.run = run_engine;
	engine->timer.fire = on_due;
	md5_engine_limit(engine, LANES_MAX);
	reactor_add_hook(reactor, &engine->hook);
	*ret_engine = engine;
	return ERR_OK;
}

void md5_engine_free(struct md5_engine *engine)
{
	if (engine)
		timer_cancel(engine->reactor, &engine->timer);
	free(engine);
}

void md5_engine_submit(struct md5_engine *engine, struct md5_job *job)
{
	uint64_t wait_us = job->len < LARGE ? 0 : job->len / 512;
	uint64_t due_us = reactor_now_us(engine->reactor) + wait_us;

	job->next = NULL;
	*engine->last = job;
	engine->last = &job->next;
	if (engine->queued++ == 0 || due_us < engine->due_us) {
		engine->due_us = due_us;
		timer_set(engine->reactor, &engine->timer, wait_us);
	}
}

void md5_engine_join(struct md5_engine *engine)
{
	engine->joined++;
}

void md5_engine_leave(struct md5_engine *engine)
{
	assert(engine->joined);
	engine->joined--;
}
