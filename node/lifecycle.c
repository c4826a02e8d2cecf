/* wait -> find -> (page -> rest)* -> find -> ... -> wait */
#include "node/lifecycle.h"

#include "node/pace.h"
#include "proxy/s3/lifecycle.h"

#include "lib/base/mem.h"
#include "lib/log/log.h"
#include <stdlib.h>
#include <string.h>

#define PAUSE_MS 100
/* Days that are shorter than true ones are for tests: these want to know soon. */
#define WALKS_A_TEST_DAY 10

enum { WAIT, FIND, PAGE, REST };

struct lifecycler {
	struct op op;
	struct node_device *device;
	struct rows_walk find;
	struct lifecycle_walk walk;
	uint64_t round, page_us;
	struct timer timer;
	bool finding, found, paging, paged, resting, rested;
};

static struct lifecycler *lifecycler_of(struct op *op)
{
	return CONTAINER_OF(op, struct lifecycler, op);
}

static uint64_t day_s(const struct lifecycler *l)
{
	return l->device->node->conf.lifecycle_day;
}

/* Which day, or part of a test's day, it is. */
static uint64_t round_now(const struct lifecycler *l)
{
	const struct env *env = l->device->node->cluster.env;
	uint64_t length_us = day_s(l) * 1000000;

	return 1 + env->wall_us(env) /
	                   (day_s(l) == LIFECYCLE_DAY ? length_us : length_us / WALKS_A_TEST_DAY);
}

static enum step lifecycle_wait(struct op *op)
{
	struct lifecycler *l = lifecycler_of(op);
	uint64_t round = round_now(l);

	if (!op->expired)
		return STEP_WAIT;
	if (!atomic_load(&l->device->node->joined) || round == l->round)
		return op_go(op, WAIT);
	l->round = round;
	memset(l->find.after, 0, sizeof(l->find.after));
	return op_go(op, FIND);
}

static void on_found(struct rows_walk *find)
{
	struct lifecycler *l = CONTAINER_OF(find, struct lifecycler, find);

	l->found = true;
	op_child_end(&l->op);
}

static bool is_ours(const struct lifecycler *l, const char *account, const char *container)
{
	struct place place;

	proxy_place(&l->device->node->cluster, 0, account, container, NULL, &place);
	return place.count && place.devices[0] == l->device->id;
}

static void on_page(struct lifecycle_walk *walk)
{
	struct lifecycler *l = CONTAINER_OF(walk, struct lifecycler, walk);

	l->paged = true;
	op_child_end(&l->op);
}

static void begin(struct lifecycler *l)
{
	struct node_reactor *r = &l->device->node->reactors[l->device->reactor];

	l->walk = (struct lifecycle_walk){.proxy = &r->proxy,
	        .account = l->find.account,
	        .container = l->find.container,
	        .round = l->round,
	        .day_s = day_s(l),
	        .done = on_page};
}

static void let_go(struct lifecycler *l)
{
	free(TAKE(l->find.account));
	free(TAKE(l->find.container));
}

static enum step lifecycle_find(struct op *op)
{
	struct lifecycler *l = lifecycler_of(op);

	if (!l->finding) {
		l->finding = true;
		l->found = false;
		l->find.wanted = lifecycle_walks;
		l->find.done = on_found;
		op_child_begin(op);
		containerd_walk_next(l->device->containerd, &l->find);
	}
	if (!l->found)
		return STEP_WAIT;
	l->finding = false;
	if (l->find.err) {
		let_go(l);
		return op_go(op, WAIT);
	}
	if (l->find.account && is_ours(l, l->find.account, l->find.container)) {
		begin(l);
		return op_go(op, PAGE);
	}
	let_go(l);
	return op_go(op, FIND);
}

static void tell(struct lifecycler *l)
{
	for (unsigned i = 0; i < LIFECYCLE_COUNTS; i++) {
		atomic_fetch_add(&l->device->seen.lifecycle[i], l->walk.counts[i]);
		l->walk.counts[i] = 0;
	}
}

static enum step lifecycle_page(struct op *op)
{
	struct lifecycler *l = lifecycler_of(op);

	if (!l->paging) {
		l->paging = true;
		l->paged = false;
		l->page_us = reactor_now_us(op->reactor);
		atomic_store(&l->device->seen.lifecycle_walking, 1);
		op_child_begin(op);
		lifecycle_walk_page(&l->walk);
	}
	if (!l->paged)
		return STEP_WAIT;
	l->paging = false;
	tell(l);
	return op_go(op, REST);
}

static void on_rested(struct timer *timer)
{
	struct lifecycler *l = CONTAINER_OF(timer, struct lifecycler, timer);

	l->rested = true;
	op_wake(&l->op);
}

static enum step lifecycle_rest(struct op *op)
{
	struct lifecycler *l = lifecycler_of(op);

	if (!l->resting) {
		l->resting = true;
		l->rested = false;
		l->timer.fire = on_rested;
		uint64_t took_us = reactor_now_us(op->reactor) - l->page_us;
		timer_set(op->reactor, &l->timer,
		        day_s(l) == LIFECYCLE_DAY ? pace_rest_us(took_us) : 0);
	}
	if (!l->rested)
		return STEP_WAIT;
	l->resting = false;
	if (!l->walk.ended)
		return op_go(op, PAGE);
	log_debug("lifecycle", "account=%s container=%s pages=%u", log_quote(l->find.account),
	        log_quote(l->find.container), l->walk.pages);
	atomic_store(&l->device->seen.lifecycle_walking, 0);
	atomic_fetch_add(&l->device->seen.lifecycle_walks, 1);
	lifecycle_walk_done(&l->walk);
	let_go(l);
	return op_go(op, FIND);
}

static const struct op_state states[] = {
        [WAIT] = {"wait", lifecycle_wait, TO(FIND) | TO(WAIT), PAUSE_MS},
        [FIND] = {"find", lifecycle_find, TO(PAGE) | TO(FIND) | TO(WAIT), 0},
        [PAGE] = {"page", lifecycle_page, TO(REST), 0},
        [REST] = {"rest", lifecycle_rest, TO(PAGE) | TO(FIND), 0},
};

static void release(struct op *op)
{
	free(lifecycler_of(op));
}

enum err lifecycle_start(struct node_device *device, struct lifecycler **ret_lifecycler)
{
	struct node_reactor *r = &device->node->reactors[device->reactor];
	struct lifecycler *l = mem_zalloc(sizeof(*l));

	l->device = device;
	op_init(&l->op, r->reactor, states, release);
	op_start(&l->op);
	*ret_lifecycler = l;
	return ERR_OK;
}

void lifecycle_metrics(struct node *node, struct buf *out)
{
	buf_str(out, "# TYPE cairn_lifecycle counter\n# TYPE cairn_lifecycle_walks counter\n"
	             "# TYPE cairn_lifecycle_walking gauge\n");
	for (unsigned i = 0; i < node->device_count; i++) {
		struct node_device *d = &node->devices[i];
		for (unsigned k = 0; k < LIFECYCLE_COUNTS; k++)
			buf_printf(out, "cairn_lifecycle{device=\"%u\",what=\"%s\"} %llu\n", i,
			        lifecycle_counts[k],
			        (unsigned long long)atomic_load(&d->seen.lifecycle[k]));
		buf_printf(out,
		        "cairn_lifecycle_walks{device=\"%u\"} %llu\n"
		        "cairn_lifecycle_walking{device=\"%u\"} %llu\n",
		        i, (unsigned long long)atomic_load(&d->seen.lifecycle_walks), i,
		        (unsigned long long)atomic_load(&d->seen.lifecycle_walking));
	}
}
