/* (make -> making)* -> wait -> list -> send -> forget -> list | wait */
#include "node/notifier.h"

#include "lib/base/kv.h"
#include "lib/base/mem.h"
#include "lib/broker/broker.h"
#include "lib/http/fetch.h"
#include "lib/log/log.h"
#include "lib/work/work.h"
#include "proxy/ranged.h"
#include "proxy/rows.h"
#include "proxy/s3/event.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAUSE_MS     500
#define DEADLINE_MS  10000
#define PAGE         100
#define CONNECT_MS   5000
#define ANSWER_MS    10000
#define LONGEST_S    60                   /* between tries of a target that fails */
#define BEHIND_TICKS (60 * TS_PER_SECOND) /* so long a row is left to who is first for it */
#define ANSWER_BYTES (1u << 20)

enum { WAIT, MAKE, MAKING, LIST, SEND, FORGET };

enum fate { LEFT, DELIVERED, REFUSED, EXPIRED };

struct told {
	char *name; /* owned: the row's */
	uint64_t ts;
	struct buf text;
	enum fate fate;
	struct row_put forget;
};

struct way {
	struct op op;
	struct notifier *notifier;
	const struct event_target *target; /* borrowed */
	struct fan fan;
	unsigned made;
	struct ranged list;
	struct told page[PAGE];
	unsigned count, open;
	bool listing, full, sending, sent, forgetting;
	unsigned failures; /* in a row */
	uint64_t until_us; /* not tried before */
	struct work work;
	/* Of the thread that sends. */
	struct client *client; /* owned */
	struct broker *broker; /* owned; one of the two */
	char why[96];
	struct {
		atomic_uint_least64_t delivered, refused, expired, failed, failing;
	} seen;
};

struct notifier {
	struct node *node;
	struct proxy *proxy;
	struct work_pool *pool; /* owned: a thread for each target */
	struct way *ways;       /* owned */
	unsigned count;
	atomic_uint_least64_t pending;
};

static struct way *way_of(struct op *op)
{
	return CONTAINER_OF(op, struct way, op);
}

static const struct env *env_of(const struct way *w)
{
	return w->notifier->node->cluster.env;
}

static uint64_t now_us(const struct way *w)
{
	return reactor_now_us(w->notifier->proxy->reactor);
}

/* --- the hidden container --- */

static enum step way_make(struct op *op)
{
	struct way *w = way_of(op);
	struct proxy *proxy = w->notifier->proxy;
	const char *container = w->made ? EVENTS_CONTAINER : NULL;
	struct backend_msg *msg =
	        backend_msg_new(BACKEND_DB_PUT, container ? BACKEND_CONTAINER : BACKEND_ACCOUNT);
	struct place place;

	backend_msg_path(msg, EVENTS_ACCOUNT, container, NULL);
	msg->ts = hlc_now(proxy->cluster->hlc);
	msg->policy = (uint8_t)proxy->cluster->policy_default;
	proxy_place(proxy->cluster, 0, EVENTS_ACCOUNT, container, NULL, &place);
	fan_ask(&w->fan, op, proxy, msg, &place, DEADLINE_MS);
	return op_go(op, MAKING);
}

static enum step way_making(struct op *op)
{
	struct way *w = way_of(op);

	if (fan_open(&w->fan))
		return STEP_WAIT;
	uint64_t there = fan_mask(&w->fan, w->fan.place, ERR_OK) |
	                 fan_mask(&w->fan, w->fan.place, ERR_EXISTS);
	bool made = place_met(w->fan.place, there);
	fan_done(&w->fan);
	w->made += made;
	return op_go(op, made && w->made < 2 ? MAKE : WAIT);
}

/* --- a page --- */

static enum step way_wait(struct op *op)
{
	const struct way *w = way_of(op);

	if (!op->expired)
		return STEP_WAIT;
	if (!atomic_load(w->notifier->proxy->cluster->joined) || now_us(w) < w->until_us)
		return op_go(op, WAIT);
	return op_go(op, w->made < 2 ? MAKE : LIST);
}

/* All nodes must agree, so not the seeded hash of one of them. */
static bool is_ours(const struct way *w, const struct backend_row *row)
{
	const struct node *node = w->notifier->node;
	uint64_t sum = 5381;
	struct place place;
	bool any = false;

	for (const char *p = w->target->name; *p; p++)
		sum = sum * 33 + (unsigned char)*p;
	proxy_place(&node->cluster, 0, EVENTS_ACCOUNT, EVENTS_CONTAINER, NULL, &place);
	if (!place.count)
		return false;
	if (place.devices[sum % place.count] < node->device_count)
		return true;
	for (unsigned i = 0; i < place.count; i++)
		any |= place.devices[i] < node->device_count;
	return any && row->ts + BEHIND_TICKS < env_of(w)->wall_us(env_of(w)) / 10;
}

static void take_row(struct way *w, const struct backend_row *row)
{
	const struct cluster *cluster = &w->notifier->node->cluster;
	struct told *t = &w->page[w->count++];
	uint64_t keep = cluster->units.s3_notify_keep * TS_PER_SECOND;

	*t = (struct told){.name = mem_strdup(row->name), .ts = row->ts};
	if (row->ts + keep < env_of(w)->wall_us(env_of(w)) / 10)
		t->fate = EXPIRED;
	else if (!s3_event_print(cluster->seal, row, &t->text))
		t->fate = REFUSED;
}

static void drop_page(struct way *w)
{
	for (unsigned i = 0; i < w->count; i++) {
		free(w->page[i].name);
		buf_done(&w->page[i].text);
	}
	w->count = 0;
}

static enum step way_list(struct op *op)
{
	struct way *w = way_of(op);
	AUTO(buf) struct buf prefix = BUF_NONE;
	struct backend_row row;
	unsigned rows = 0;

	if (!w->listing) {
		drop_page(w);
		w->listing = true;
		w->list = (struct ranged){.root = {.op = op,
		                                  .proxy = w->notifier->proxy,
		                                  .account = EVENTS_ACCOUNT,
		                                  .container = EVENTS_CONTAINER}};
	}
	buf_printf(&prefix, "%s/", w->target->name);
	if (!ranged_rows(
	            &w->list, &(struct backend_list){.prefix = buf_text(&prefix), .limit = PAGE}))
		return STEP_WAIT;
	w->listing = false;
	for (size_t at = 0;
	        !w->list.err && rows < PAGE && backend_rows_next(w->list.root.rows, &at, &row);) {
		rows++;
		if (is_ours(w, &row))
			take_row(w, &row);
	}
	const struct backend_reply *head = w->list.err ? NULL : w->list.root.reply;
	uint64_t pending = 0;
	for (unsigned p = 0; head && p < BACKEND_POLICIES; p++)
		pending += head->count[p];
	if (head)
		atomic_store(&w->notifier->pending, pending);
	ranged_done(&w->list);
	w->full = rows == PAGE;
	return op_go(op, w->count ? SEND : WAIT);
}

/* --- on a thread of the pool --- */

/* What it will never take, as it stands. */
static bool is_refusal(int status)
{
	return status == 400 || status == 413 || status == 415 || status == 422;
}

static enum fate post(struct way *w, const struct told *t)
{
	AUTO(fetch)
	struct fetch fetch = {.method = "POST",
	        .url = w->target->url,
	        .text = t->text.data,
	        .timeout_ms = ANSWER_MS,
	        .body_max = ANSWER_BYTES};
	enum err err;

	kv_add(&fetch.headers, "Content-Type", "application/json");
	kv_add(&fetch.headers, "User-Agent", "Cairn");
	err = fetch_run(w->client, &fetch);
	if (!err && fetch.status / 100 == 2)
		return DELIVERED;
	if (err)
		snprintf(w->why, sizeof(w->why), "%s", err_name(err));
	else
		snprintf(w->why, sizeof(w->why), "status %d", fetch.status);
	return !err && is_refusal(fetch.status) ? REFUSED : LEFT;
}

static enum fate publish(struct way *w, const struct told *t)
{
	enum err err =
	        broker_publish(w->broker, "application/json", t->text.data, t->text.len, ANSWER_MS);

	if (err)
		snprintf(w->why, sizeof(w->why), "%s", err_name(err));
	return err ? LEFT : DELIVERED;
}

/* In order, up to the first that is not taken. */
static void run(struct work *work)
{
	struct way *w = CONTAINER_OF(work, struct way, work);

	for (unsigned i = 0; i < w->count; i++) {
		struct told *t = &w->page[i];
		if (t->fate == LEFT)
			t->fate = w->broker ? publish(w, t) : post(w, t);
		if (t->fate == LEFT)
			return;
	}
}

/* --- what came of it --- */

static void on_sent(struct work *work)
{
	struct way *w = CONTAINER_OF(work, struct way, work);

	w->sent = true;
	op_child_end(&w->op);
}

static void failed(struct way *w)
{
	uint64_t pause = w->failures < 6 ? 1ull << w->failures : LONGEST_S;

	atomic_fetch_add(&w->seen.failed, 1);
	if (!w->failures++)
		log_warn("notify", "target=%s failed=%s", w->target->name, log_quote(w->why));
	atomic_store(&w->seen.failing, 1);
	w->until_us = now_us(w) + (pause < LONGEST_S ? pause : LONGEST_S) * 1000000;
}

static void worked(struct way *w)
{
	if (w->failures)
		log_info("notify", "target=%s state=%s", w->target->name, log_quote("goes on"));
	w->failures = 0;
	atomic_store(&w->seen.failing, 0);
}

static void count_fates(struct way *w)
{
	bool any = false, left = false;

	for (unsigned i = 0; i < w->count; i++) {
		const struct told *t = &w->page[i];
		atomic_fetch_add(t->fate == DELIVERED ? &w->seen.delivered
		                 : t->fate == REFUSED ? &w->seen.refused
		                                      : &w->seen.expired,
		        t->fate != LEFT);
		if (t->fate == REFUSED || t->fate == EXPIRED)
			log_warn("notify", "target=%s row=%s lost=%s", w->target->name,
			        log_quote(t->name), t->fate == REFUSED ? "refused" : "too old");
		any |= t->fate == DELIVERED || t->fate == REFUSED;
		left |= t->fate == LEFT;
	}
	if (left)
		failed(w);
	else if (any)
		worked(w);
}

static enum step way_send(struct op *op)
{
	struct way *w = way_of(op);

	if (!w->sending) {
		w->sending = true;
		w->sent = false;
		w->work = (struct work){.run = run, .done = on_sent};
		op_child_begin(op);
		if (work_submit(w->notifier->pool, &w->work)) {
			op_child_end(op);
			w->sending = false;
			return op_go(op, WAIT);
		}
	}
	if (!w->sent)
		return STEP_WAIT;
	w->sending = false;
	count_fates(w);
	return op_go(op, FORGET);
}

static void on_forgotten(struct row_put *put)
{
	struct way *w = put->owner;

	w->open--;
	op_child_end(&w->op);
}

static void forget(struct way *w, struct told *t)
{
	t->forget = (struct row_put){
	        .row = {.name = t->name,
	                .content_type = "",
	                .etag = "",
	                .ts = t->ts,
	                .deleted = true},
	        .done = on_forgotten,
	        .owner = w,
	};
	w->open++;
	op_child_begin(&w->op);
	rows_put(w->notifier->proxy, EVENTS_ACCOUNT, EVENTS_CONTAINER, &t->forget);
}

/* A row that is not forgotten, since its container cannot be written, is told again. */
static enum step way_forget(struct op *op)
{
	struct way *w = way_of(op);

	if (!w->forgetting) {
		w->forgetting = true;
		for (unsigned i = 0; i < w->count; i++) {
			if (w->page[i].fate != LEFT)
				forget(w, &w->page[i]);
		}
	}
	if (w->open)
		return STEP_WAIT;
	w->forgetting = false;
	return op_go(op, w->full && !w->failures ? LIST : WAIT);
}

static const struct op_state states[] = {
        [WAIT] = {"wait", way_wait, TO(MAKE) | TO(LIST) | TO(WAIT), PAUSE_MS},
        [MAKE] = {"make", way_make, TO(MAKING), 0},
        [MAKING] = {"making", way_making, TO(MAKE) | TO(WAIT), 0},
        [LIST] = {"list", way_list, TO(SEND) | TO(WAIT), 0},
        [SEND] = {"send", way_send, TO(FORGET) | TO(WAIT), 0},
        [FORGET] = {"forget", way_forget, TO(LIST) | TO(WAIT), 0},
};

/* It runs until the process ends. */
static void release(struct op *op)
{
	(void)op;
}

static enum err way_start(struct notifier *n, struct way *w, const struct event_target *target)
{
	enum err err = target->amqp ? broker_new(target->url, &w->broker)
	                            : client_new(CONNECT_MS, true, &w->client);

	if (err)
		return err;
	w->notifier = n;
	w->target = target;
	op_init(&w->op, n->proxy->reactor, states, release);
	op_start(&w->op);
	return ERR_OK;
}

enum err notifier_start(struct node *node, struct proxy *proxy, struct notifier **ret_notifier)
{
	const struct event_targets *targets = node->cluster.events;
	struct notifier *n = mem_zalloc(sizeof(*n));
	enum err err = work_pool_new(targets->count, targets->count, &n->pool);

	if (err) {
		free(n);
		return err;
	}
	n->node = node;
	n->proxy = proxy;
	n->ways = mem_zalloc(targets->count * sizeof(*n->ways));
	for (unsigned i = 0; i < targets->count; i++) {
		err = way_start(n, &n->ways[n->count], &targets->all[i]);
		if (err)
			log_error("notify", "target=%s err=%s next=\"look at [s3] notify\"",
			        targets->all[i].name, err_name(err));
		else
			n->count++;
	}
	*ret_notifier = n;
	return ERR_OK;
}

void notifier_metrics(const struct notifier *n, struct buf *out)
{
	if (!n)
		return;
	buf_printf(out,
	        "# TYPE cairn_notify_pending gauge\ncairn_notify_pending %llu\n"
	        "# TYPE cairn_notify counter\n",
	        (unsigned long long)atomic_load(&n->pending));
	for (unsigned i = 0; i < n->count; i++) {
		const struct way *w = &n->ways[i];
		const struct {
			const char *what;
			const atomic_uint_least64_t *value;
		} all[] = {{"delivered", &w->seen.delivered}, {"refused", &w->seen.refused},
		        {"expired", &w->seen.expired}, {"failed", &w->seen.failed}};
		for (unsigned k = 0; k < COUNT_OF(all); k++)
			buf_printf(out, "cairn_notify{target=\"%s\",what=\"%s\"} %llu\n",
			        w->target->name, all[k].what,
			        (unsigned long long)atomic_load(all[k].value));
	}
	buf_str(out, "# TYPE cairn_notify_failing gauge\n");
	for (unsigned i = 0; i < n->count; i++)
		buf_printf(out, "cairn_notify_failing{target=\"%s\"} %llu\n",
		        n->ways[i].target->name,
		        (unsigned long long)atomic_load(&n->ways[i].seen.failing));
}
