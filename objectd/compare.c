/* DIGEST and KEYS: what ranges of keys hold, from memory, a slice of the loop at a time. */
#include "objectd/objectd_internal.h"

#include "lib/base/mem.h"
#include <stdlib.h>

#define SLICE 8192 /* entries: some hundred microseconds */

struct compare {
	struct task task;
	struct objectd *objectd;
	struct backend_call *call;
	struct device_range range;
	unsigned at;     /* which of the ranges */
	unsigned drafts; /* 0: versions are looked at; n: the n-th space of drafts */
	unsigned keys_left;
	struct backend_digest *sums; /* owned; NULL: keys are asked for */
};

static void next_range(struct compare *c)
{
	const struct backend_msg *msg = c->call->msg;

	c->range = (struct device_range){
	        .policy = c->drafts ? device_draft(msg->policy, c->drafts - 1) : msg->policy,
	        .bits = msg->range_bits,
	        .fan_out = msg->fan_out,
	        .prefix = msg->ranges[c->at],
	        .before_ts = msg->ts,
	        .fragment = c->drafts ? 0
	                              : objectd_fragment_of(c->objectd, msg->policy,
	                                        msg->ranges[c->at], msg->range_bits),
	};
	device_range_start(&c->range);
}

static unsigned step(struct compare *c, unsigned most)
{
	struct device *device = c->objectd->device;

	if (c->drafts)
		return device_range_oldest(device, &c->range, &c->call->reply.draft_ts, most);
	if (c->sums)
		return device_range_digest(device, &c->range,
		        c->sums + ((size_t)c->at << c->call->msg->fan_out), most);
	if (most > c->keys_left)
		most = c->keys_left;
	unsigned n = device_range_keys(device, &c->range, &c->call->reply.items, most);
	c->keys_left -= n;
	return n;
}

static bool is_over(const struct compare *c)
{
	return c->at == c->call->msg->range_count || !(c->drafts || c->sums || c->keys_left);
}

static void step_on(struct compare *c)
{
	const struct backend_msg *msg = c->call->msg;

	if (++c->at == msg->range_count && msg->draft && c->drafts < DEVICE_DRAFTS) {
		c->at = 0;
		c->drafts++;
	}
	if (c->at < msg->range_count)
		next_range(c);
}

static void end(struct compare *c)
{
	const struct backend_msg *msg = c->call->msg;
	struct backend_reply *reply = &c->call->reply;

	if (c->sums)
		buf_add(&reply->items, c->sums,
		        ((size_t)msg->range_count << msg->fan_out) * sizeof(*c->sums));
	reply->more = !c->drafts && c->at < msg->range_count;
	backend_finish(c->call, reply->items.err);
	free(c->sums);
	free(c);
}

static void on_slice(struct task *task)
{
	struct compare *c = CONTAINER_OF(task, struct compare, task);
	unsigned left = SLICE;

	while (left && !is_over(c)) {
		unsigned looked = step(c, left);
		left -= looked ? looked : 1;
		if (c->range.done)
			step_on(c);
	}
	if (is_over(c))
		end(c);
	else
		reactor_post(c->objectd->reactor, &c->task);
}

static bool is_good(const struct backend_msg *msg)
{
	return msg->range_count && msg->range_count <= BACKEND_RANGES_MAX && msg->fan_out <= 14 &&
	       msg->range_bits + msg->fan_out <= 64 &&
	       (size_t)msg->range_count << msg->fan_out <= BACKEND_DIGESTS_MAX;
}

void compare_start(struct objectd *o, struct backend_call *call)
{
	const struct backend_msg *msg = call->msg;

	if (!is_good(msg)) {
		backend_finish(call, ERR_BAD_REQUEST);
		return;
	}
	struct compare *c = mem_zalloc(sizeof(*c));
	c->objectd = o;
	c->call = call;
	c->keys_left =
	        msg->len && msg->len < BACKEND_KEYS_MAX ? (unsigned)msg->len : BACKEND_KEYS_MAX;
	if (msg->op == BACKEND_OBJECT_DIGEST)
		c->sums = mem_zalloc(((size_t)msg->range_count << msg->fan_out) * sizeof(*c->sums));
	next_range(c);
	c->task.run = on_slice;
	on_slice(&c->task);
}
