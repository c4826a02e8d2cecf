/* What was put:     look -> read -> put -> forget
 * What was deleted: delete -> forget */
#include "node/sender_internal.h"

#include "proxy/commit.h"
#include "proxy/params.h"
#include "proxy/segments.h"
#include "proxy/unit/symlink.h"

#include "lib/base/kv.h"
#include "lib/base/mem.h"
#include "lib/crypto/md5.h"
#include "lib/log/log.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define ANSWER_MS 60000 /* for a request without a body; of silence for one with */

enum { BEGIN, LOOK, READ, PUT, DELETE, FORGET };

struct sender_job {
	struct op op;
	struct list link;
	struct sender *sender;
	struct sender_container *container;
	char *name, *cut; /* owned: the row's; the same in parts */
	struct sync_row parts;
	uint64_t ts; /* the row's */
	bool deleted, brings;
	struct info *info; /* owned */
	char *to;          /* owned: URL of the container there */
	const struct sync_realm *realm;
	struct reader reader;
	struct outcall call;
	enum err call_err;
	struct row_put forget;
	uint64_t given, size;
	bool reading, calling, called, wanted, forgotten;
};

static struct sender_job *job_of(struct op *op)
{
	return CONTAINER_OF(op, struct sender_job, op);
}

bool sender_job_runs(const struct sender *sender, const char *name)
{
	LIST_EACH (node, &sender->jobs) {
		if (strcmp(LIST_ENTRY(node, struct sender_job, link)->name, name) == 0)
			return true;
	}
	return false;
}

/* --- requests to the other cluster --- */

static void on_done(struct outcall *call, enum err err)
{
	struct sender_job *job = call->owner;

	job->called = true;
	job->call_err = err;
	op_child_end(&job->op);
}

static void on_want(struct outcall *call)
{
	struct sender_job *job = call->owner;

	job->wanted = true;
	op_wake(&job->op);
}

/* Signed as Swift's daemon does it, over the path as it is sent. */
static void sign(struct sender_job *job, const char *method, const char *path, const char *ts)
{
	const struct env *env = job->sender->node->cluster.env;
	const char *key = info_header(job->info, SYNC_KEY);
	struct buf *headers = &job->call.headers;
	char made[SYNC_SIGNATURE_SIZE], nonce[33];
	AUTO(buf) struct buf text = BUF_NONE;
	uint8_t random[16];

	if (!job->realm) {
		kv_add(headers, SYNC_KEY, key);
		return;
	}
	env->random(env, random, sizeof(random));
	md5_hex(random, nonce);
	sync_sign(method, path, ts, nonce, job->realm->key, key, made);
	buf_printf(&text, "%s %s %s", job->realm->name, nonce, made);
	kv_add(headers, "X-Container-Sync-Auth", buf_text(&text));
}

/* call.headers may have some already. */
static void send(struct sender_job *job, const char *method, uint64_t at, const char *query)
{
	struct outcall *call = &job->call;
	const char *begin = strstr(job->to, "://"), *path;
	AUTO(buf) struct buf plain = BUF_NONE, quoted = BUF_NONE;
	struct arena arena;
	char ts[TS_TEXT_SIZE];
	size_t len;

	begin = begin ? begin + 3 : job->to;
	path = begin + strcspn(begin, "/");
	arena_init(&arena);
	url_quote(&quoted, url_unquote(&arena, path, strlen(path), &len), "");
	arena_done(&arena);
	buf_char(&quoted, '/');
	url_quote(&quoted, job->parts.object, "");
	buf_printf(
	        &call->url, "%.*s%s%s", (int)(path - job->to), job->to, buf_text(&quoted), query);
	ts_format(at, ts);
	kv_add(&call->headers, "X-Timestamp", ts);
	sign(job, method, buf_text(&quoted), ts);
	kv_add(&call->headers, "User-Agent", "Cairn container-sync");
	call->method = method;
	call->done = on_done;
	call->want = on_want;
	call->owner = job;
	if (call->body_len)
		call->idle_timeout_ms = ANSWER_MS;
	else
		call->timeout_ms = ANSWER_MS;
	job->called = job->wanted = false;
	job->calling = true;
	op_child_begin(&job->op);
	caller_send(job->sender->caller, call);
}

/* Its status; 0 when none came. */
static int take_status(struct sender_job *job)
{
	int status = job->call_err ? 0 : job->call.x.status;

	job->calling = false;
	return status;
}

static void let_go(struct sender_job *job)
{
	outcall_release(&job->call);
	if (job->reading) {
		reader_close(&job->reader);
		reader_done(&job->reader);
		job->reader = (struct reader){0};
		job->reading = false;
	}
}

/* --- how it ends --- */

static enum step fail(struct sender_job *job, const char *why)
{
	let_go(job);
	sender_failed(job->sender, job->container, job->to, why);
	return STEP_DONE;
}

/* Is the object at fault, or the way there? */
static enum step fail_with(struct sender_job *job, const char *method, int status)
{
	char why[64];

	if (status == 0)
		snprintf(why, sizeof(why), "%s: %s", method, err_name(job->call_err));
	else
		snprintf(why, sizeof(why), "%s: %d", method, status);
	if (status / 100 != 4 || status == 401 || status == 403 || status == 404 || status == 408 ||
	        status == 429)
		return fail(job, why);
	let_go(job);
	sender_refused(job->sender, job->name, job->ts, status);
	sender_worked(job->sender, job->container);
	return STEP_DONE;
}

static void on_forgotten(struct row_put *put)
{
	struct sender_job *job = put->owner;

	job->forgotten = true;
	op_child_end(&job->op);
}

/* What has changed since has a later time, and a row of its own. */
static enum step job_forget(struct op *op)
{
	struct sender_job *job = job_of(op);

	if (!job->forget.done) {
		job->forget = (struct row_put){
		        .row = {.name = job->name,
		                .content_type = "",
		                .etag = "",
		                .ts = job->ts,
		                .deleted = true},
		        .done = on_forgotten,
		        .owner = job,
		};
		op_child_begin(op);
		rows_put(job->sender->proxy, SYNC_ACCOUNT, SYNC_CONTAINER, &job->forget);
	}
	if (!job->forgotten)
		return STEP_WAIT;
	if (job->brings)
		sender_worked(job->sender, job->container);
	return STEP_DONE;
}

static enum step forget(struct sender_job *job)
{
	let_go(job);
	return op_go(&job->op, FORGET);
}

/* --- an object --- */

static enum step job_begin(struct op *op)
{
	struct sender_job *job = job_of(op);

	if (!job->brings)
		return op_go(op, FORGET);
	return op_go(op, job->deleted ? DELETE : LOOK);
}

/* Is it there already? It may have been brought from there. */
static enum step job_look(struct op *op)
{
	struct sender_job *job = job_of(op);
	const char *text;
	uint64_t there;

	if (!job->calling)
		send(job, "HEAD", job->ts, "?symlink=get");
	if (!job->called)
		return STEP_WAIT;
	int status = take_status(job);
	if (status / 100 == 2) {
		text = exchange_header(&job->call.x, "X-Timestamp");
		if (text && ts_parse(text, &there) && there >= job->ts) {
			atomic_fetch_add(&job->sender->seen.present, 1);
			return forget(job);
		}
	} else if (status != 404 && (status != 401 || job->realm)) {
		/* (By the key alone Swift's servers let nobody look.) */
		return fail_with(job, "HEAD", status);
	}
	outcall_release(&job->call);
	return op_go(op, READ);
}

/* Not what only this cluster makes of it. */
static void add_headers(struct sender_job *job)
{
	static const struct {
		const char *stored, *sent;
	} links[] = {{LINK_TARGET, "X-Symlink-Target"}, {LINK_ACCOUNT, "X-Symlink-Target-Account"},
	        {LINK_ETAG, "X-Symlink-Target-Etag"}, {LINK_BYTES, "X-Symlink-Target-Bytes"}};
	const struct backend_reply *r = job->reader.reply;
	struct buf *headers = &job->call.headers;
	AUTO(buf) struct buf type = BUF_NONE;
	struct kv_pair pair;
	char etag[33];

	for (size_t at = 0; kv_next(r->headers.data, r->headers.len, &at, &pair);) {
		if (strcasecmp(pair.name, "Content-Type") == 0) {
			params_without(pair.value, "swift_bytes", &type);
			kv_add(headers, pair.name, buf_text(&type));
			continue;
		}
		for (unsigned i = 0; i < COUNT_OF(links); i++) {
			if (strcasecmp(pair.name, links[i].stored) == 0)
				kv_add(headers, links[i].sent, pair.value);
		}
		if (!strcasestr(pair.name, "-Sysmeta-"))
			kv_add(headers, pair.name, pair.value);
	}
	md5_hex(r->etag, etag);
	kv_add(headers, "Etag", etag);
}

static bool is_over(const struct sender_job *job)
{
	const struct backend_reply *r = job->reader.reply;
	const char *at = kv_get(r->headers.data, r->headers.len, "X-Delete-At");
	const struct env *env = job->sender->node->cluster.env;

	return at && strtoull(at, NULL, 10) <= env->wall_us(env) / 1000000;
}

static bool is_version(const struct sender_job *job)
{
	const struct backend_reply *r = job->reader.reply;

	return kv_get(r->headers.data, r->headers.len, LINK_VERSION);
}

/* The next bytes, when they are there. */
static bool give(struct sender_job *job)
{
	struct bytes *piece;
	size_t offset, len;

	switch (reader_next(
	        &job->reader, job->given, job->size - job->given, &piece, &offset, &len)) {
	case SEGMENTS_PIECE:
		job->given += len;
		job->wanted = false;
		outcall_give(&job->call, piece, offset, len);
		return true;
	case SEGMENTS_FAILED:
		job->wanted = false;
		job->given = UINT64_MAX;
		return false;
	default:
		return false;
	}
}

/* Nobody but its client has the key. */
static enum step forget_locked(struct sender_job *job)
{
	log_warn("sync-locked", "path=%s/%s/%s err=\"encrypted with a client's key: not sent\"",
	        job->parts.account, job->parts.container, job->parts.object);
	return forget(job);
}

/* A reader that failed may be an object that was deleted, or replaced, just now: then there is
 * another row. */
static enum step job_read(struct op *op)
{
	struct sender_job *job = job_of(op);

	if (!job->reading) {
		job->reading = true;
		job->given = 0;
		reader_open(&job->reader, op, job->sender->proxy, job->info->policy,
		        job->parts.account, job->parts.container, job->parts.object, 0, UINT64_MAX);
	}
	if (!job->reader.ready && !reader_ready(&job->reader))
		return STEP_WAIT;
	if (job->reader.err == ERR_NOT_FOUND)
		return forget(job);
	if (job->reader.err)
		return fail(job, "GET here failed");
	if (is_over(job) || is_version(job))
		return forget(job);
	if (job->reader.unseal.lock == SEAL_WANTS_KEY)
		return forget_locked(job);
	const struct backend_reply *r = job->reader.reply;
	job->size = r->size;
	if (job->size && !job->given && !give(job))
		return job->given == UINT64_MAX ? fail(job, "GET here failed") : STEP_WAIT;
	job->call.body_len = job->size;
	add_headers(job);
	send(job, "PUT", r->meta_ts > r->ts ? r->meta_ts : r->ts, "");
	return op_go(op, PUT);
}

static enum step job_put(struct op *op)
{
	struct sender_job *job = job_of(op);

	if (!job->called) {
		if (job->wanted && !give(job) && job->given == UINT64_MAX)
			outcall_stop(&job->call);
		return STEP_WAIT;
	}
	int status = take_status(job);
	if (job->given == UINT64_MAX)
		return fail(job, "GET here failed");
	if (status / 100 != 2)
		return fail_with(job, "PUT", status);
	atomic_fetch_add(&job->sender->seen.puts, 1);
	atomic_fetch_add(&job->sender->seen.bytes, job->size);
	return forget(job);
}

/* --- what was deleted --- */

static enum step job_delete(struct op *op)
{
	struct sender_job *job = job_of(op);

	if (!job->calling)
		send(job, "DELETE", job->ts, "");
	if (!job->called)
		return STEP_WAIT;
	int status = take_status(job);
	/* Nothing is there, or something newer. */
	if (status / 100 != 2 && status != 404 && status != 409)
		return fail_with(job, "DELETE", status);
	atomic_fetch_add(&job->sender->seen.deletes, 1);
	return forget(job);
}

static const struct op_state states[] = {
        [BEGIN] = {"begin", job_begin, TO(LOOK) | TO(DELETE) | TO(FORGET), 0},
        [LOOK] = {"look", job_look, TO(READ) | TO(FORGET), 0},
        [READ] = {"read", job_read, TO(PUT) | TO(FORGET), 0},
        [PUT] = {"put", job_put, TO(FORGET), 0},
        [DELETE] = {"delete", job_delete, TO(FORGET), 0},
        [FORGET] = {"forget", job_forget, 0, 0},
};

static void release(struct op *op)
{
	struct sender_job *job = job_of(op);
	struct sender *sender = job->sender;

	list_remove(&job->link);
	job->container->open--;
	sender->open--;
	sender_left(sender, job->container);
	info_unref(job->info);
	free(job->to);
	free(job->name);
	free(job->cut);
	free(job);
	op_wake(&sender->op);
}

void sender_job_start(struct sender *sender, struct sender_container *container,
        const struct backend_row *row, const struct info *info, const struct sync_target *target)
{
	struct sender_job *job = mem_zalloc(sizeof(*job));

	job->sender = sender;
	job->container = container;
	job->name = mem_strdup(row->name);
	job->cut = mem_strdup(row->name);
	sync_row_parts(job->cut, &job->parts);
	job->ts = row->ts;
	job->deleted = strcmp(row->content_type, SYNC_DELETED) == 0;
	job->brings = target;
	if (target) {
		job->info = (struct info *)info;
		job->info->refs++;
		job->to = mem_strdup(buf_text(&target->url));
		job->realm = target->realm;
	}
	container->open++;
	sender->open++;
	list_append(&sender->jobs, &job->link);
	op_init(&job->op, sender->proxy->reactor, states, release);
	op_start(&job->op);
}
