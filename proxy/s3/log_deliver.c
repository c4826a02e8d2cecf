#include "proxy/s3/logging.h"

#include "proxy/errand.h"
#include "proxy/s3/log_record.h"
#include "proxy/s3/s3.h"

#include "lib/base/kv.h"
#include "lib/base/mem.h"
#include "lib/log/log.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define BATCH_BYTES (1u << 20) /* an object of the log, about */
#define KEPT_BYTES  (8u << 20) /* of all that waits, of one loop */
#define DAY_S       86400

/* Of one bucket, to one place. */
struct batch {
	struct hash_node node;
	struct list link;
	struct proxy *proxy;
	struct timer timer;
	struct buf records; /* owned */
	uint64_t since_us;  /* of the first record */
	char *account, *bucket, *owner, *to, *acl;
	bool again; /* it could not be delivered once */
};

struct s3_logs {
	struct hash batches;
	struct list all;
	size_t bytes; /* of all records, those under delivery among them */
	uint64_t dropped;
};

static uint64_t now_us(const struct proxy *proxy)
{
	return proxy->cluster->env->wall_us(proxy->cluster->env);
}

static struct s3_logs *logs_of(struct proxy *proxy)
{
	if (!proxy->s3_logs) {
		proxy->s3_logs = mem_zalloc(sizeof(*proxy->s3_logs));
		list_init(&proxy->s3_logs->all);
	}
	return proxy->s3_logs;
}

static void batch_free(struct batch *b)
{
	b->proxy->s3_logs->bytes -= b->records.len;
	buf_done(&b->records);
	free(b->account);
	free(b->bucket);
	free(b->owner);
	free(b->to);
	free(b->acl);
	free(b);
}

static void batch_unlink(struct batch *b)
{
	timer_cancel(b->proxy->reactor, &b->timer);
	list_remove(&b->link);
	hash_remove(&b->proxy->s3_logs->batches, &b->node);
}

/* --- an object of the log --- */

/* "target format prefix" */
struct place_of_log {
	const char *target, *format, *prefix;
};

static struct place_of_log parse_to(struct arena *arena, const char *to)
{
	size_t n = strcspn(to, " "), m = strcspn(to + n + (to[n] == ' '), " "), ignored;
	const char *format = to + n + (to[n] == ' '), *prefix = format + m + (format[m] == ' ');

	return (struct place_of_log){.target = arena_strndup(arena, to, n),
	        .format = arena_strndup(arena, format, m),
	        .prefix = url_unquote(arena, prefix, strlen(prefix), &ignored)};
}

static const char *key_of(
        struct arena *arena, const struct batch *b, const struct place_of_log *place)
{
	bool by_event = strcmp(place->format, S3_LOG_EVENT) == 0;
	time_t at = (time_t)((by_event ? b->since_us : now_us(b->proxy)) / 1000000);
	/* Unlike those of other loops, nodes and times. */
	uint64_t unique = hlc_now(b->proxy->cluster->hlc) ^ b->proxy->cluster->boot;
	char name[40], day[16];
	struct tm tm;

	if (by_event)
		at -= at % DAY_S;
	gmtime_r(&at, &tm);
	strftime(name, sizeof(name), "%Y-%m-%d-%H-%M-%S", &tm);
	strftime(day, sizeof(day), "%Y/%m/%d", &tm);
	if (strcmp(place->format, S3_LOG_SIMPLE) == 0)
		return arena_printf(
		        arena, "%s%s-%016llX", place->prefix, name, (unsigned long long)unique);
	return arena_printf(arena, "%s%s/" S3_REGION "/%s/%s/%s-%016llX", place->prefix, b->owner,
	        b->bucket, day, name, (unsigned long long)unique);
}

struct delivery {
	struct batch *batch; /* owned by who is told of the errand's end */
	struct place_of_log place;
	struct sub put;
};

static void delivery_done(struct request *request)
{
	struct delivery *d = request->own;

	sub_done(&d->put);
}

static enum step look(struct op *op)
{
	struct request *request = request_of(op);
	struct delivery *d = request->own;
	const struct batch *b = d->batch;

	if (!info_get(&request->container_info, op, request->proxy, request->account,
	            request->container))
		return STEP_WAIT;
	const struct info *info = request->container_info.info;
	if (request->container_info.err) {
		http_reply(request->http, 503, NULL, 0, 0);
		return STEP_DONE;
	}
	if (!info->exists ||
	        !s3_log_may(info, d->place.target, d->place.prefix, b->bucket, b->owner)) {
		http_reply(request->http, 403, NULL, 0, 0);
		return STEP_DONE;
	}
	sub_init(&d->put, request, NULL, SUB_AS_SYSTEM, "PUT");
	sub_path(&d->put, request->account, request->container,
	        key_of(request_arena(request), b, &d->place), NULL);
	sub_header(&d->put, "Content-Type", "text/plain");
	if (*b->acl)
		sub_header(&d->put, S3_OBJECT_ACL, b->acl);
	sub_body_text(&d->put, b->records.data, b->records.len);
	sub_start(&d->put);
	return op_go(op, 1);
}

static enum step put(struct op *op)
{
	struct request *request = request_of(op);
	const struct delivery *d = request->own;

	if (!sub_headed(&d->put))
		return STEP_WAIT;
	http_reply(request->http, d->put.status, NULL, 0, 0);
	return STEP_DONE;
}

static const struct op_state states[] = {
        {"look", look, TO(1), 0},
        {"put", put, 0, 0},
};
static const struct method deliver_method = {.name = "s3-log", .states = states};

static void on_time(struct timer *timer);
static void link_batch(struct batch *b);

static void on_delivered(void *owner, int status)
{
	struct batch *b = owner;
	struct s3_logs *logs = b->proxy->s3_logs;

	if (logs->dropped)
		log_warn("s3-log-dropped", "records=%llu", (unsigned long long)logs->dropped);
	logs->dropped = 0;
	if (status / 100 == 5 && !b->again) {
		b->again = true;
		link_batch(b);
		return;
	}
	if (status / 100 != 2)
		log_warn("s3-log-lost", "account=%s bucket=%s bytes=%zu status=%d",
		        log_quote(b->account), log_quote(b->bucket), b->records.len, status);
	batch_free(b);
}

static void deliver(struct batch *b)
{
	struct arena arena;

	batch_unlink(b);
	arena_init(&arena);
	struct request *request =
	        errand_new(b->proxy, b->account, parse_to(&arena, b->to).target, NULL);
	arena_done(&arena);
	struct delivery *d = arena_zalloc(request_arena(request), sizeof(*d));
	d->batch = b;
	d->place = parse_to(request_arena(request), b->to);
	request->own = d;
	request->own_done = delivery_done;
	errand_start(request, &deliver_method, on_delivered, b);
}

static void on_time(struct timer *timer)
{
	deliver(CONTAINER_OF(timer, struct batch, timer));
}

void s3_log_flush(struct proxy *proxy)
{
	if (!proxy->s3_logs)
		return;
	LIST_EACH_SAFE (node, &proxy->s3_logs->all)
		deliver(LIST_ENTRY(node, struct batch, link));
}

void s3_log_free(struct proxy *proxy)
{
	if (!proxy->s3_logs)
		return;
	LIST_EACH_SAFE (node, &proxy->s3_logs->all) {
		struct batch *b = LIST_ENTRY(node, struct batch, link);
		batch_unlink(b);
		batch_free(b);
	}
	hash_done(&proxy->s3_logs->batches);
	free(TAKE(proxy->s3_logs));
}

/* --- records, together --- */

static uint64_t hash_of(const char *account, const char *bucket, const char *to)
{
	return hash_bytes(account, strlen(account), 1) ^ hash_bytes(bucket, strlen(bucket), 2) ^
	       hash_bytes(to, strlen(to), 3);
}

static void link_batch(struct batch *b)
{
	struct s3_logs *logs = b->proxy->s3_logs;

	hash_insert(&logs->batches, &b->node, hash_of(b->account, b->bucket, b->to));
	list_append(&logs->all, &b->link);
	b->timer.fire = on_time;
	timer_set(b->proxy->reactor, &b->timer, b->proxy->cluster->units.s3_log_interval * 1000000);
}

/* The one that takes another record; of a log by day, of that day. */
static struct batch *find(
        struct s3_logs *logs, const struct s3_log_held *held, const char *bucket, uint64_t at_us)
{
	struct hash_node *node =
	        hash_find(&logs->batches, hash_of(held->account, bucket, held->to));

	for (; node; node = hash_find_next(node)) {
		struct batch *b = CONTAINER_OF(node, struct batch, node);
		if (strcmp(b->account, held->account) == 0 && strcmp(b->bucket, bucket) == 0 &&
		        strcmp(b->to, held->to) == 0 && !b->again &&
		        b->since_us / 1000000 / DAY_S == at_us / 1000000 / DAY_S)
			return b;
	}
	return NULL;
}

static struct batch *batch_new(struct proxy *proxy, const struct s3_log_held *held,
        const char *bucket, const char *owner, uint64_t at_us)
{
	const char *acl = info_header(held->info, S3_LOGGING_ACL);
	struct batch *b = mem_zalloc(sizeof(*b));

	*b = (struct batch){
	        .proxy = proxy,
	        .since_us = at_us,
	        .account = mem_strdup(held->account),
	        .bucket = mem_strdup(bucket),
	        .owner = mem_strdup(owner),
	        .to = mem_strdup(held->to),
	        .acl = mem_strdup(acl ? acl : ""),
	};
	link_batch(b);
	return b;
}

void s3_log_add(
        struct request *request, const struct s3_log_held *held, const struct s3_log_record *record)
{
	struct s3_logs *logs = logs_of(request->proxy);
	AUTO(buf) struct buf line = BUF_NONE;

	s3_log_print(record, &line);
	if (line.err || logs->bytes + line.len > KEPT_BYTES) {
		logs->dropped++;
		return;
	}
	struct batch *b = find(logs, held, record->bucket, record->at_us);
	if (!b)
		b = batch_new(request->proxy, held, record->bucket, record->owner, record->at_us);
	buf_add(&b->records, line.data, line.len);
	logs->bytes += line.len;
	if (b->records.len >= BATCH_BYTES)
		deliver(b);
}
