/* (make -> making)* -> list -> (next -> facts -> slot)* -> list -> wait
 * All objects of a container: facts -> walk -> queue -> mark -> next */
#include "node/sender_internal.h"

#include "lib/base/mem.h"
#include "lib/log/log.h"
#include "proxy/unit/versions.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAUSE_MS      1000
#define BUSY_PAUSE_MS 50
#define SLOT_MS       1000
#define DEADLINE_MS   10000
#define PAGE          500
#define REFUSED_MAX   10000
/* Everybody knows by then what was set so long ago. */
#define KNOWN_TICKS (60 * TS_PER_SECOND)
/* By then no writer is left that did not. */
#define WRITERS_TICKS (40 * TS_PER_SECOND)
/* So long a row is left to who is first for it. */
#define BEHIND_TICKS (60 * TS_PER_SECOND)

enum { BUSY, WAIT, MAKE, MAKING, LIST, NEXT, FACTS, SLOT, WALK, QUEUE, MARK };

static struct sender *sender_of(struct op *op)
{
	return CONTAINER_OF(op, struct sender, op);
}

static uint64_t wall(const struct sender *s)
{
	const struct env *env = s->node->cluster.env;

	return env->wall_us(env) / 10;
}

static uint64_t now_us(const struct sender *s)
{
	return reactor_now_us(s->proxy->reactor);
}

/* --- containers --- */

static struct sender_container *find_container(struct sender *s, const char *path)
{
	uint64_t hash = hash_bytes(path, strlen(path), 0);

	for (struct hash_node *n = hash_find(&s->containers, hash); n; n = hash_find_next(n)) {
		struct sender_container *c = CONTAINER_OF(n, struct sender_container, node);
		if (strcmp(c->path, path) == 0)
			return c;
	}
	struct sender_container *c = mem_zalloc(sizeof(*c) + strlen(path) + 1);
	memcpy(c->path, path, strlen(path) + 1);
	hash_insert(&s->containers, &c->node, hash);
	return c;
}

/* Of one that nothing is known of nothing is kept. */
static void drop_container(struct sender *s, struct sender_container *c)
{
	if (!c || c->open || c->failures)
		return;
	hash_remove(&s->containers, &c->node);
	free(c);
}

void sender_left(struct sender *s, struct sender_container *c)
{
	if (c != s->container)
		drop_container(s, c);
}

static void leave_container(struct sender *s)
{
	drop_container(s, TAKE(s->container));
}

void sender_worked(struct sender *s, struct sender_container *c)
{
	if (!c->failures)
		return;
	log_info("container_sync", "container=%s state=%s", log_quote(c->path),
	        log_quote("goes on"));
	c->failures = 0;
	c->until_us = 0;
	atomic_fetch_sub(&s->seen.failing, 1);
}

void sender_failed(struct sender *s, struct sender_container *c, const char *to, const char *why)
{
	uint64_t longest = s->node->conf.sync_interval, pause;

	atomic_fetch_add(&s->seen.failures, 1);
	if (now_us(s) < c->until_us)
		return; /* one of many that were under way */
	if (!c->failures++) {
		atomic_fetch_add(&s->seen.failing, 1);
		log_warn("container_sync", "container=%s to=%s failed=%s", log_quote(c->path),
		        log_quote(to), log_quote(why));
	}
	pause = c->failures < 16 ? 1ull << (c->failures - 1) : longest;
	c->until_us = now_us(s) + (pause < longest ? pause : longest) * 1000000;
}

static uint64_t refused_hash(const char *name, uint64_t ts)
{
	return hash_bytes(name, strlen(name), ts);
}

void sender_refused(struct sender *s, const char *name, uint64_t ts, int status)
{
	atomic_fetch_add(&s->seen.refused, 1);
	log_warn("container_sync", "row=%s refused=%d", log_quote(name), status);
	if (s->refused.count >= REFUSED_MAX)
		return;
	struct sender_refused *r = mem_zalloc(sizeof(*r));
	r->until_us = now_us(s) + s->node->conf.sync_interval * 1000000;
	hash_insert(&s->refused, &r->node, refused_hash(name, ts));
}

static bool is_refused(struct sender *s)
{
	struct hash_node *n = hash_find(&s->refused, refused_hash(s->name, s->row.ts));
	struct sender_refused *r = n ? CONTAINER_OF(n, struct sender_refused, node) : NULL;

	if (!r)
		return false;
	if (now_us(s) < r->until_us)
		return true;
	hash_remove(&s->refused, n);
	free(r);
	return false;
}

/* --- the hidden container --- */

static enum step sender_make(struct op *op)
{
	struct sender *s = sender_of(op);
	struct cluster *c = s->proxy->cluster;
	const char *container = s->made ? SYNC_CONTAINER : NULL;
	struct backend_msg *msg =
	        backend_msg_new(BACKEND_DB_PUT, container ? BACKEND_CONTAINER : BACKEND_ACCOUNT);
	struct place place;

	backend_msg_path(msg, SYNC_ACCOUNT, container, NULL);
	msg->ts = hlc_now(c->hlc);
	msg->policy = (uint8_t)c->policy_default;
	proxy_place(c, 0, SYNC_ACCOUNT, container, NULL, &place);
	fan_ask(&s->fan, op, s->proxy, msg, &place, DEADLINE_MS);
	return op_go(op, MAKING);
}

static enum step sender_making(struct op *op)
{
	struct sender *s = sender_of(op);

	if (fan_open(&s->fan))
		return STEP_WAIT;
	uint64_t there = fan_mask(&s->fan, s->fan.place, ERR_OK) |
	                 fan_mask(&s->fan, s->fan.place, ERR_EXISTS);
	bool made = place_met(s->fan.place, there);
	fan_done(&s->fan);
	s->made += made;
	return op_go(op, made && s->made < 2 ? MAKE : BUSY);
}

/* --- a pass --- */

static enum step sender_wait(struct op *op)
{
	struct sender *s = sender_of(op);

	if (!op->expired)
		return STEP_WAIT;
	buf_reset(&s->marker);
	buf_reset(&s->skip_to);
	s->busy = false;
	if (!atomic_load(s->proxy->cluster->joined))
		return op_go(op, BUSY);
	return op_go(op, s->made < 2 ? MAKE : LIST);
}

static enum step end_pass(struct sender *s)
{
	return op_go(&s->op, s->busy ? BUSY : WAIT);
}

static uint64_t total(const struct backend_reply *r)
{
	uint64_t count = 0;

	for (unsigned p = 0; r && p < BACKEND_POLICIES; p++)
		count += r->count[p];
	return count;
}

static enum step sender_list(struct op *op)
{
	struct sender *s = sender_of(op);

	if (!s->listing) {
		s->listing = true;
		s->list = (struct ranged){.root = {.op = op,
		                                  .proxy = s->proxy,
		                                  .account = SYNC_ACCOUNT,
		                                  .container = SYNC_CONTAINER}};
	}
	if (!ranged_rows(&s->list,
	            &(struct backend_list){.marker = buf_text(&s->marker), .limit = PAGE}))
		return STEP_WAIT;
	s->listing = false;
	enum err err = s->list.err;
	buf_reset(&s->page);
	s->page_at = s->page_rows = 0;
	if (!err) {
		buf_add(&s->page, s->list.root.rows->data, s->list.root.rows->len);
		atomic_store(&s->seen.pending, total(s->list.root.reply));
	}
	ranged_done(&s->list);
	return err ? op_go(op, WAIT) : op_go(op, NEXT);
}

/* Rows of the container at hand are left for a later pass. */
static enum step skip_container(struct sender *s)
{
	buf_reset(&s->skip_to);
	buf_printf(&s->skip_to, "%s/%s/\xff", s->parts.account, s->parts.container);
	return op_go(&s->op, NEXT);
}

static enum step end_page(struct sender *s)
{
	if (s->page_rows < PAGE)
		return end_pass(s);
	buf_reset(&s->marker);
	buf_str(&s->marker, s->name);
	if (strcmp(buf_text(&s->skip_to), buf_text(&s->marker)) > 0) {
		buf_reset(&s->marker);
		buf_str(&s->marker, buf_text(&s->skip_to));
	}
	return op_go(&s->op, LIST);
}

static enum step sender_next(struct op *op)
{
	struct sender *s = sender_of(op);
	AUTO(buf) struct buf path = BUF_NONE;

	leave_container(s);
	info_fetch_done(&s->facts);
	s->facts = (struct info_fetch){0};
	for (;;) {
		if (!backend_rows_next(&s->page, &s->page_at, &s->row))
			return end_page(s);
		s->page_rows++;
		free(s->name);
		s->name = mem_strdup(s->row.name);
		bool left = strcmp(s->name, buf_text(&s->skip_to)) < 0;
		if (!left && !is_refused(s) && !sender_job_runs(s, s->name))
			break;
	}
	buf_reset(&s->names);
	buf_add(&s->names, s->name, strlen(s->name) + 1);
	if (!sync_row_parts(s->names.data, &s->parts))
		return STEP_NEXT;
	buf_printf(&path, "%s/%s", s->parts.account, s->parts.container);
	s->container = find_container(s, buf_text(&path));
	if (now_us(s) < s->container->until_us)
		return skip_container(s);
	return op_go(op, FACTS);
}

/* The primary that is first for it, by its name, is one of ours; or any is, and it was left lying.
 */
static bool is_ours(const struct sender *s)
{
	const struct cluster *c = s->proxy->cluster;
	uint64_t sum = 5381;
	struct place place;
	bool any = false;

	/* All nodes must agree, so not the seeded hash of one of them. */
	for (const char *p = s->parts.object; *p; p++)
		sum = sum * 33 + (unsigned char)*p;
	proxy_place(c, 0, s->parts.account, s->parts.container, NULL, &place);
	if (!place.count)
		return false;
	if (place.devices[sum % place.count] < s->node->device_count)
		return true;
	for (unsigned i = 0; i < place.count; i++)
		any |= place.devices[i] < s->node->device_count;
	return any && s->row.ts + BEHIND_TICKS < wall(s);
}

/* Of what was set otherwise since. */
static enum step remove_row(struct sender *s)
{
	if (!s->facts.info->exists || !sync_since(s->facts.info))
		sender_worked(s, s->container); /* it is not synced any more */
	sender_job_start(s, s->container, &s->row, NULL, NULL);
	return op_go(&s->op, NEXT);
}

/* When it was set last; 0: never, or it is not there. */
static uint64_t since_of(const struct info *info)
{
	const char *text = info->exists ? info_header(info, SYNC_SINCE) : NULL;
	uint64_t since = 0;

	if (text)
		ts_parse(text, &since);
	return since;
}

static enum step sender_facts(struct op *op)
{
	struct sender *s = sender_of(op);

	if (!is_ours(s))
		return op_go(op, NEXT);
	if (!info_get(&s->facts, op, s->proxy, s->parts.account, s->parts.container) ||
	        fan_open(&s->facts.fan))
		return STEP_WAIT;
	if (s->facts.err)
		return skip_container(s);
	const struct info *info = s->facts.info;
	uint64_t since = since_of(info);
	if (since > s->parts.since)
		return op_go(op, SLOT);
	/* We may not know yet; or it was refused. */
	if (since < s->parts.since || !sync_since(info))
		return s->parts.since + KNOWN_TICKS < wall(s) ? op_go(op, SLOT) : skip_container(s);
	const char *key = info_header(info, SYNC_KEY);
	if (!key || !*key) {
		sender_failed(s, s->container, info_header(info, SYNC_TO),
		        "the container has no X-Container-Sync-Key");
		return skip_container(s);
	}
	return op_go(op, *s->parts.object ? SLOT : WALK);
}

static bool has_slot(const struct sender *s)
{
	unsigned most = (unsigned)s->node->conf.sync_concurrency, share = (most + 1) / 2;

	/* One that has failed goes on with one. */
	if (s->container->failures)
		share = 1;
	return s->open < most && s->container->open < share;
}

/* Where it goes; it may be that it may not any more. */
static enum step bring(struct sender *s)
{
	const struct info *info = s->facts.info;
	const char *to = info_header(info, SYNC_TO);
	struct sync_target target = {0};
	AUTO(buf) struct buf error = BUF_NONE;

	bool good = sync_target_parse(s->proxy->cluster->sync, to, &target, &error);
	if (good)
		sender_job_start(s, s->container, &s->row, info, &target);
	else
		sender_failed(s, s->container, to, buf_text(&error));
	buf_done(&target.url);
	s->busy |= good;
	return good ? op_go(&s->op, NEXT) : skip_container(s);
}

static enum step sender_slot(struct op *op)
{
	struct sender *s = sender_of(op);
	const struct info *info = s->facts.info;

	if (now_us(s) < s->container->until_us)
		return skip_container(s);
	if (!has_slot(s) && op->expired)
		return skip_container(s); /* it is slow: others are not to wait for it */
	if (!has_slot(s))
		return STEP_WAIT;
	return since_of(info) == s->parts.since && sync_since(info) ? bring(s) : remove_row(s);
}

/* --- all objects of a container --- */

static const char *walked_to(const struct sender *s)
{
	return *s->row.content_type ? s->row.content_type + 1 : "";
}

static enum step sender_walk(struct op *op)
{
	struct sender *s = sender_of(op);
	bool second = *s->row.content_type == SYNC_SECOND;

	if (second && s->parts.since + WRITERS_TICKS > wall(s))
		return op_go(op, NEXT);
	if (!s->listing) {
		s->listing = true;
		s->list = (struct ranged){.root = {.op = op,
		                                  .proxy = s->proxy,
		                                  .account = s->parts.account,
		                                  .container = s->parts.container}};
	}
	if (!ranged_rows(&s->list, &(struct backend_list){.marker = walked_to(s), .limit = PAGE}))
		return STEP_WAIT;
	s->listing = false;
	enum err err = s->list.err;
	buf_reset(&s->objects);
	if (!err)
		buf_add(&s->objects, s->list.root.rows->data, s->list.root.rows->len);
	ranged_done(&s->list);
	return op_go(op, err ? NEXT : QUEUE);
}

static void on_put(struct row_put *put)
{
	struct sender *s = put->owner;

	s->puts_done++;
	s->put_failed |= put->err != ERR_OK;
	op_child_end(&s->op);
}

static void queue_row(struct sender *s, const char *name, const struct backend_row *object)
{
	struct row_put *put = &s->puts[s->put_count++];

	*put = (struct row_put){
	        .row = {.name = name,
	                .content_type = "text/plain",
	                .etag = "",
	                .ts = object->meta_ts > object->ts ? object->meta_ts : object->ts},
	        .done = on_put,
	        .owner = s,
	};
	op_child_begin(&s->op);
	rows_put(s->proxy, SYNC_ACCOUNT, SYNC_CONTAINER, put);
}

static void queue_rows(struct sender *s)
{
	AUTO(buf) struct buf name = BUF_NONE;
	char since[TS_TEXT_SIZE];
	struct backend_row object;

	ts_format(s->parts.since, since);
	buf_reset(&s->last);
	s->put_count = s->puts_done = 0;
	s->put_failed = false;
	AUTO(buf) struct buf names = BUF_NONE;
	for (size_t at = 0; backend_rows_next(&s->objects, &at, &object);) {
		buf_reset(&name);
		sync_row_name(&name, s->parts.account, s->parts.container, since, object.name);
		buf_add(&names, buf_text(&name), name.len + 1);
		buf_reset(&s->last);
		buf_str(&s->last, object.name);
	}
	buf_done(&s->walked);
	s->walked = names;
	names = BUF_NONE;
	const char *text = s->walked.data;
	for (size_t at = 0; backend_rows_next(&s->objects, &at, &object); text += strlen(text) + 1)
		queue_row(s, text, &object);
}

static enum step sender_queue(struct op *op)
{
	struct sender *s = sender_of(op);

	if (!s->queuing) {
		s->queuing = true;
		queue_rows(s);
	}
	if (s->puts_done < s->put_count)
		return STEP_WAIT;
	s->queuing = false;
	s->busy |= s->put_count > 0;
	return op_go(op, s->put_failed ? NEXT : MARK);
}

/* How far it got is kept with the row; after the second time it goes. */
static enum step sender_mark(struct op *op)
{
	struct sender *s = sender_of(op);
	bool ends = s->put_count < PAGE, second = *s->row.content_type == SYNC_SECOND;

	if (!s->queuing) {
		AUTO(buf) struct buf text = BUF_NONE;
		buf_char(&text, second || ends ? SYNC_SECOND : SYNC_FIRST);
		if (!ends)
			buf_str(&text, buf_text(&s->last));
		buf_reset(&s->walked);
		buf_add(&s->walked, buf_text(&text), text.len + 1);
		s->queuing = true;
		s->puts_done = 0;
		uint64_t now = hlc_now(s->proxy->cluster->hlc);
		s->puts[0] = (struct row_put){
		        .row = {.name = s->name,
		                .content_type = s->walked.data,
		                .etag = "",
		                .ts = now > s->row.ts ? now : s->row.ts + 1,
		                .deleted = second && ends},
		        .done = on_put,
		        .owner = s,
		};
		op_child_begin(op);
		rows_put(s->proxy, SYNC_ACCOUNT, SYNC_CONTAINER, &s->puts[0]);
	}
	if (!s->puts_done)
		return STEP_WAIT;
	s->queuing = false;
	return op_go(op, NEXT);
}

static const struct op_state states[] = {
        [WAIT] = {"wait", sender_wait, TO(MAKE) | TO(LIST) | TO(BUSY), PAUSE_MS},
        [BUSY] = {"busy", sender_wait, TO(MAKE) | TO(LIST) | TO(BUSY), BUSY_PAUSE_MS},
        [MAKE] = {"make", sender_make, TO(MAKING), 0},
        [MAKING] = {"making", sender_making, TO(MAKE) | TO(BUSY), 0},
        [LIST] = {"list", sender_list, TO(NEXT) | TO(WAIT), 0},
        [NEXT] = {"next", sender_next, TO(FACTS) | TO(NEXT) | TO(LIST) | TO(BUSY) | TO(WAIT), 0},
        [FACTS] = {"facts", sender_facts, TO(SLOT) | TO(WALK) | TO(NEXT), 0},
        [SLOT] = {"slot", sender_slot, TO(NEXT), SLOT_MS},
        [WALK] = {"walk", sender_walk, TO(QUEUE) | TO(NEXT), 0},
        [QUEUE] = {"queue", sender_queue, TO(MARK) | TO(NEXT), 0},
        [MARK] = {"mark", sender_mark, TO(NEXT), 0},
};

/* It runs until the process ends. */
static void release(struct op *op)
{
	(void)op;
}

enum err sender_start(struct node *node, struct proxy *proxy, struct sender **ret_sender)
{
	struct sender *s = mem_zalloc(sizeof(*s));
	enum err err = caller_new((unsigned)node->conf.sync_conn_timeout * 1000, &s->caller);

	if (err) {
		free(s);
		return err;
	}
	s->node = node;
	s->proxy = proxy;
	s->puts = mem_zalloc(PAGE * sizeof(*s->puts));
	list_init(&s->jobs);
	op_init(&s->op, proxy->reactor, states, release);
	op_start(&s->op);
	*ret_sender = s;
	return ERR_OK;
}

void sender_metrics(const struct sender *s, struct buf *out)
{
	if (!s)
		return;
	const struct {
		const char *name, *type;
		const atomic_uint_least64_t *value;
	} all[] = {{"puts", "counter", &s->seen.puts}, {"deletes", "counter", &s->seen.deletes},
	        {"bytes", "counter", &s->seen.bytes}, {"present", "counter", &s->seen.present},
	        {"failures", "counter", &s->seen.failures},
	        {"refused", "counter", &s->seen.refused}, {"pending", "gauge", &s->seen.pending},
	        {"failing_containers", "gauge", &s->seen.failing}};

	for (unsigned i = 0; i < COUNT_OF(all); i++)
		buf_printf(out, "# TYPE cairn_container_sync_%s %s\ncairn_container_sync_%s %llu\n",
		        all[i].name, all[i].type, all[i].name,
		        (unsigned long long)atomic_load(all[i].value));
}
