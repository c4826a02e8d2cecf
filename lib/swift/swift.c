/* A call is queued by its loop and handled on the thread, as one of three things:
 *
 *   a question   one request, one answer
 *   an upload    STAGE* -> PUT: one request whose body comes in pieces
 *   a download   GET -> READ*: one answer whose body is taken in pieces
 *
 * The thread alone looks at them; only `incoming` is shared. */
#include "lib/swift/swift.h"

#include "lib/base/kv.h"
#include "lib/base/list.h"
#include "lib/base/mem.h"
#include "lib/http/client.h"
#include "lib/log/log.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CALLS_MAX   8192
#define TICK_MS     500
#define IDLE_US     900000000ull /* of what nobody asks for any more */
#define LISTING_MAX (64u << 20)
#define SECOND_US   1000000ull

struct swift {
	struct backend backend;
	struct swift_options options;
	struct swift_stats stats;
	struct client *client;
	pthread_t thread;
	pthread_mutex_t lock;
	struct list incoming; /* struct job; under lock */
	bool stopping;        /* under lock */
	struct list questions, uploads, downloads;
	uint64_t next_handle, swept_us;
	unsigned strange; /* downloads to be cut off */
};

/* A call on its way. */
struct job {
	struct list link;
	struct swift *swift;
	struct backend_call *call; /* borrowed until it is finished */
	struct swift_ask ask;
	uint64_t expires_us; /* 0: never */
	/* A question's. */
	struct exchange x;
	size_t sent;
	struct buf text;
};

struct upload {
	struct list link;
	struct swift *swift;
	uint64_t stage, used_us;
	uint32_t device;
	struct swift_ask ask;
	struct exchange x;
	struct list pieces; /* struct job: STAGEs whose bytes are not all sent */
	size_t taken;       /* of the first piece */
	struct job *last;   /* the PUT */
	bool paused, ended;
	enum err err; /* how it ended; OK: the server answered */
};

struct download {
	struct list link;
	struct swift *swift;
	uint64_t handle, used_us, ts;
	struct swift_ask ask;
	struct exchange x;
	struct job *job;     /* who waits for bytes, or NULL */
	struct bytes *piece; /* owned: being filled */
	size_t want;         /* bytes of it */
	struct buf spare;    /* came after the piece was full */
	uint64_t next, end;  /* of the object: first byte not handed out; where it stops */
	bool known, good, paused, ended;
	bool strange; /* bytes come that are not what was asked for */
};

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * SECOND_US + (uint64_t)t.tv_nsec / 1000;
}

/* --- jobs --- */

static void finish(struct job *job, enum err err)
{
	struct swift *s = job->swift;

	atomic_fetch_sub(&s->stats.open, 1);
	backend_finish(job->call, err);
	list_remove(&job->link);
	swift_ask_done(&job->ask);
	buf_done(&job->text);
	exchange_release(&job->x);
	free(job);
}

static enum err read_head(struct job *job, const struct exchange *x)
{
	if (x->status >= 500) {
		atomic_fetch_add(&job->swift->stats.failed, 1);
		log_debug("swift", "method=%s url=%s status=%d", x->method, log_quote(x->url),
		        x->status);
	}
	return swift_read_head(job->call->msg, x->status, x->answer.data, x->answer.len,
	        job->swift->options.policies, &job->call->reply);
}

/* Cut off, or none came. */
static enum err no_answer(struct swift *s, const struct exchange *x, enum err err)
{
	atomic_fetch_add(&s->stats.failed, 1);
	log_debug("swift", "method=%s url=%s err=%s", x->method, log_quote(x->url), err_name(err));
	return err == ERR_DEADLINE ? err : ERR_UNAVAILABLE;
}

static uint64_t left_ms(const struct job *job)
{
	uint64_t now = now_us();

	if (!job->expires_us)
		return 0;
	return job->expires_us > now + 1000 ? (job->expires_us - now) / 1000 : 1;
}

/* --- questions --- */

static size_t pull_body(struct exchange *x, void *into, size_t room)
{
	struct job *job = x->owner;
	const struct backend_msg *msg = job->call->msg;
	size_t n = msg->size - job->sent < room ? msg->size - job->sent : room;

	memcpy(into, msg->body->data + job->sent, n);
	job->sent += n;
	return n;
}

static void rewind_body(struct exchange *x)
{
	((struct job *)x->owner)->sent = 0;
}

static bool take_text(struct exchange *x, const void *data, size_t len)
{
	struct job *job = x->owner;

	if (x->status / 100 == 2 && job->call->msg->op == BACKEND_DB_LIST)
		buf_add(&job->text, data, len);
	return true;
}

static enum err read_answer(struct job *job)
{
	const struct backend_msg *msg = job->call->msg;
	enum err err = read_head(job, &job->x);

	if (err || msg->op != BACKEND_DB_LIST)
		return err;
	if (job->text.err)
		return job->text.err;
	err = swift_read_rows(msg, job->text.data, job->text.len, job->swift->options.policies,
	        &job->call->reply);
	return err ? ERR_UNAVAILABLE : ERR_OK;
}

static void on_answered(struct exchange *x, enum err err)
{
	struct job *job = x->owner;

	finish(job, err ? no_answer(job->swift, x, err) : read_answer(job));
}

static void start_question(struct job *job)
{
	struct swift *s = job->swift;
	const struct backend_msg *msg = job->call->msg;

	job->text.size_max = LISTING_MAX;
	job->x = (struct exchange){
	        .method = job->ask.method,
	        .url = buf_text(&job->ask.url),
	        .headers = job->ask.headers.data,
	        .headers_len = job->ask.headers.len,
	        .timeout_ms = left_ms(job),
	        .push = take_text,
	        .done = on_answered,
	        .owner = job,
	};
	if (msg->op == BACKEND_OBJECT_PUT && msg->body) {
		job->x.body_len = (int64_t)msg->size;
		job->x.pull = pull_body;
		job->x.rewind = rewind_body;
	}
	atomic_fetch_add(&s->stats.asked, 1);
	list_append(&s->questions, &job->link);
	enum err err = exchange_start(s->client, &job->x);
	if (err)
		finish(job, err);
}

/* --- uploads --- */

static struct upload *find_upload(struct swift *s, uint64_t stage, uint32_t device)
{
	LIST_EACH (node, &s->uploads) {
		struct upload *u = LIST_ENTRY(node, struct upload, link);
		if (u->stage == stage && u->device == device)
			return u;
	}
	return NULL;
}

static void free_upload(struct upload *u)
{
	exchange_abort(&u->x);
	exchange_release(&u->x);
	list_remove(&u->link);
	swift_ask_done(&u->ask);
	atomic_fetch_sub(&u->swift->stats.uploads, 1);
	free(u);
}

static void answer_last(struct upload *u)
{
	struct job *job = TAKE(u->last);
	enum err err = u->err;

	if (!err)
		err = read_head(job, &u->x);
	/* What went over the network must be what the server kept. */
	if (!err && memcmp(job->call->reply.etag, job->call->msg->etag, 16) != 0)
		err = ERR_IO;
	finish(job, err);
	free_upload(u);
}

/* An early refusal is the PUT's to tell; a full disk is worth knowing at once. */
static enum err piece_err(const struct upload *u)
{
	if (u->err)
		return u->err;
	return u->x.status == 507 ? ERR_NO_SPACE : u->x.status >= 500 ? ERR_UNAVAILABLE : ERR_OK;
}

static void end_upload(struct upload *u, enum err err)
{
	u->ended = true;
	u->err = err;
	LIST_EACH_SAFE (node, &u->pieces)
		finish(LIST_ENTRY(node, struct job, link), piece_err(u));
	if (u->last)
		answer_last(u);
}

static void on_uploaded(struct exchange *x, enum err err)
{
	struct upload *u = x->owner;

	end_upload(u, err ? no_answer(u->swift, x, err) : ERR_OK);
}

static size_t pull_piece(struct exchange *x, void *into, size_t room)
{
	struct upload *u = x->owner;
	struct list *first = list_first(&u->pieces);

	if (!first) {
		u->paused = !u->last;
		return u->last ? 0 : EXCHANGE_PAUSE;
	}
	struct job *job = LIST_ENTRY(first, struct job, link);
	const struct bytes *body = job->call->msg->body;
	size_t n = body->len - u->taken < room ? body->len - u->taken : room;
	memcpy(into, body->data + u->taken, n);
	u->taken += n;
	if (u->taken == body->len) {
		u->taken = 0;
		finish(job, ERR_OK);
	}
	return n;
}

static void start_upload(struct job *job)
{
	struct swift *s = job->swift;
	struct upload *u = mem_zalloc(sizeof(*u));

	u->swift = s;
	u->stage = job->call->msg->stage;
	u->device = job->call->device;
	u->ask = job->ask;
	job->ask = (struct swift_ask){0};
	list_init(&u->pieces);
	list_append(&s->uploads, &u->link);
	atomic_fetch_add(&s->stats.uploads, 1);
	atomic_fetch_add(&s->stats.asked, 1);
	u->x = (struct exchange){
	        .method = u->ask.method,
	        .url = buf_text(&u->ask.url),
	        .headers = u->ask.headers.data,
	        .headers_len = u->ask.headers.len,
	        .body_len = EXCHANGE_CHUNKED,
	        .once = true,
	        .pull = pull_piece,
	        .done = on_uploaded,
	        .owner = u,
	};
	list_append(&u->pieces, &job->link);
	u->used_us = now_us();
	enum err err = exchange_start(s->client, &u->x);
	if (err)
		end_upload(u, err);
}

static void go_on(struct upload *u)
{
	u->used_us = now_us();
	if (u->paused) {
		u->paused = false;
		exchange_go_on(&u->x);
	}
}

static void add_piece(struct job *job)
{
	const struct backend_msg *msg = job->call->msg;
	struct upload *u = find_upload(job->swift, msg->stage, job->call->device);

	if (!msg->body || !msg->body->len) {
		finish(job, ERR_BAD_REQUEST);
	} else if (!u && msg->offset == 0) {
		start_upload(job);
	} else if (!u) {
		finish(job, ERR_UNAVAILABLE);
	} else if (u->ended) {
		finish(job, piece_err(u));
	} else {
		list_append(&u->pieces, &job->link);
		go_on(u);
	}
}

static void put_staged(struct job *job)
{
	struct upload *u = find_upload(job->swift, job->call->msg->stage, job->call->device);

	if (!u) {
		finish(job, ERR_UNAVAILABLE);
		return;
	}
	u->last = job;
	if (u->ended)
		answer_last(u);
	else
		go_on(u);
}

static void unstage(struct job *job)
{
	struct upload *u = find_upload(job->swift, job->call->msg->stage, job->call->device);

	if (u) {
		u->last = NULL;
		if (!u->ended)
			end_upload(u, ERR_CANCELLED);
		free_upload(u);
	}
	finish(job, ERR_OK);
}

/* --- downloads --- */

static void free_download(struct download *d)
{
	exchange_abort(&d->x);
	exchange_release(&d->x);
	list_remove(&d->link);
	swift_ask_done(&d->ask);
	buf_done(&d->spare);
	bytes_unref(d->piece);
	atomic_fetch_sub(&d->swift->stats.downloads, 1);
	free(d);
}

static void hand_out(struct download *d)
{
	struct job *job = TAKE(d->job);
	struct backend_reply *reply = &job->call->reply;

	d->next += d->want;
	reply->body = TAKE(d->piece);
	reply->body_len = d->want;
	if (reply->body)
		reply->body->len = d->want;
	if (d->next < d->end && job->call->msg->op == BACKEND_OBJECT_GET)
		reply->handle = d->handle;
	d->want = 0;
	d->used_us = now_us();
	finish(job, ERR_OK);
}

static bool is_full(const struct download *d)
{
	return d->job && d->known && (!d->want || d->piece->len == d->want);
}

static void fill(struct download *d, const char *data, size_t len)
{
	size_t n = d->want - d->piece->len < len ? d->want - d->piece->len : len;

	memcpy(d->piece->data + d->piece->len, data, n);
	d->piece->len += n;
	buf_add(&d->spare, data + n, len - n);
}

/* Room for what the call asks for of what is there; false when memory is out. */
static bool make_room(struct download *d, uint64_t len)
{
	uint64_t left = d->end - d->next;

	d->want = left < len ? left : len;
	d->want = d->want < BACKEND_PIECE ? d->want : BACKEND_PIECE;
	if (d->want && !(d->piece = bytes_new(d->want)))
		return false;
	if (d->want && d->spare.len) {
		struct buf spare = d->spare;
		d->spare = BUF_NONE;
		fill(d, spare.data, spare.len);
		buf_done(&spare);
	}
	return true;
}

static void on_download_head(struct exchange *x)
{
	struct download *d = x->owner;
	const struct backend_msg *msg = d->job ? d->job->call->msg : NULL;

	if (!msg || (x->status != 206 && (x->status != 200 || msg->offset)))
		return;
	struct backend_reply *reply = &d->job->call->reply;
	if (read_head(d->job, x))
		return;
	if (d->ts && reply->ts != d->ts)
		return; /* another version took its place */
	bool ends = msg->op == BACKEND_OBJECT_GET && msg->len <= reply->size - msg->offset;
	d->good = msg->offset <= reply->size;
	d->ts = reply->ts;
	d->next = msg->offset;
	d->end = ends ? msg->offset + msg->len : reply->size;
	d->known = d->good && make_room(d, msg->len);
}

static bool take_bytes(struct exchange *x, const void *data, size_t len)
{
	struct download *d = x->owner;

	if (!d->known && x->status / 100 == 2) {
		d->swift->strange += !d->strange;
		d->strange = true;
		return false;
	}
	if (!d->known)
		return true;
	if (!d->job) {
		d->paused = true;
		return false;
	}
	fill(d, data, len);
	if (is_full(d))
		hand_out(d);
	return true;
}

/* Nothing there from that offset on: what there is, without bytes. */
static void ask_head(struct download *d)
{
	struct job *job = TAKE(d->job);
	AUTO(buf) struct buf headers = d->ask.headers;
	struct kv_pair pair;

	job->ask = (struct swift_ask){.method = "HEAD", .url = d->ask.url};
	d->ask.url = d->ask.headers = BUF_NONE;
	for (size_t at = 0; kv_next(headers.data, headers.len, &at, &pair);) {
		if (strcmp(pair.name, "Range") != 0)
			kv_add(&job->ask.headers, pair.name, pair.value);
	}
	free_download(d);
	start_question(job);
}

static void on_downloaded(struct exchange *x, enum err err)
{
	struct download *d = x->owner;

	d->ended = true;
	if (err)
		err = no_answer(d->swift, x, err);
	if (!d->job) {
		if (err || d->next == d->end || !d->spare.len)
			free_download(d);
		return;
	}
	if (!err && x->status == 416) {
		ask_head(d);
		return;
	}
	if (!err && is_full(d)) { /* nothing was to come */
		hand_out(d);
	} else {
		struct job *job = TAKE(d->job);
		if (!err && !d->known)
			err = x->status / 100 == 2 ? ERR_IO : read_head(job, x);
		finish(job, err == ERR_DEADLINE || err == ERR_NOT_FOUND || err == ERR_IO
		                    ? err
		                    : ERR_UNAVAILABLE);
	}
	free_download(d);
}

static void fetch(struct download *d)
{
	d->x = (struct exchange){
	        .method = d->ask.method,
	        .url = buf_text(&d->ask.url),
	        .headers = d->ask.headers.data,
	        .headers_len = d->ask.headers.len,
	        .head = on_download_head,
	        .push = take_bytes,
	        .done = on_downloaded,
	        .owner = d,
	};
	d->known = d->good = d->paused = d->ended = d->strange = false;
	atomic_fetch_add(&d->swift->stats.asked, 1);
	enum err err = exchange_start(d->swift->client, &d->x);
	if (err) {
		finish(TAKE(d->job), err);
		free_download(d);
	}
}

static void start_download(struct job *job)
{
	struct swift *s = job->swift;
	struct download *d = mem_zalloc(sizeof(*d));

	d->swift = s;
	d->handle = ++s->next_handle;
	d->job = job;
	d->ask = job->ask;
	d->used_us = now_us();
	job->ask = (struct swift_ask){0};
	list_append(&s->downloads, &d->link);
	atomic_fetch_add(&s->stats.downloads, 1);
	fetch(d);
}

static struct download *find_download(struct swift *s, uint64_t handle)
{
	LIST_EACH (node, &s->downloads) {
		struct download *d = LIST_ENTRY(node, struct download, link);
		if (d->handle == handle)
			return d;
	}
	return NULL;
}

/* Bytes from elsewhere in the object: another request, for the same version. */
static void fetch_again(struct download *d, struct job *job)
{
	exchange_abort(&d->x);
	exchange_release(&d->x);
	swift_ask_done(&d->ask);
	bytes_unref(TAKE(d->piece));
	buf_reset(&d->spare);
	d->ask = job->ask;
	job->ask = (struct swift_ask){0};
	d->job = job;
	fetch(d);
}

static void read_on(struct job *job)
{
	struct download *d = find_download(job->swift, job->call->msg->handle);
	const struct backend_msg *msg = job->call->msg;

	if (!d || d->job || !msg->len) {
		finish(job, ERR_NOT_FOUND);
		return;
	}
	d->used_us = now_us();
	if (msg->offset != d->next || msg->offset >= d->end) {
		fetch_again(d, job);
		return;
	}
	d->job = job;
	if (!make_room(d, msg->len)) {
		finish(TAKE(d->job), ERR_NO_MEMORY);
		return;
	}
	if (is_full(d)) {
		hand_out(d);
	} else if (d->ended) {
		finish(TAKE(d->job), ERR_IO);
		free_download(d);
	} else if (d->paused) {
		d->paused = false;
		exchange_go_on(&d->x);
	}
}

static void close_download(struct job *job)
{
	struct download *d = find_download(job->swift, job->call->msg->handle);

	if (d && d->job)
		finish(TAKE(d->job), ERR_CANCELLED); /* nobody waits for it any more */
	if (d)
		free_download(d);
	finish(job, ERR_OK);
}

/* --- the thread --- */

static void handle(struct job *job)
{
	const struct backend_msg *msg = job->call->msg;

	switch ((enum backend_op)msg->op) {
	case BACKEND_OBJECT_STAGE:
		add_piece(job);
		break;
	case BACKEND_OBJECT_UNSTAGE:
		unstage(job);
		break;
	case BACKEND_OBJECT_READ:
		read_on(job);
		break;
	case BACKEND_OBJECT_CLOSE:
		close_download(job);
		break;
	case BACKEND_OBJECT_GET:
		if (msg->len)
			start_download(job);
		else
			start_question(job);
		break;
	case BACKEND_OBJECT_PUT:
		if (msg->stage)
			put_staged(job);
		else
			start_question(job);
		break;
	default:
		start_question(job);
	}
}

static bool is_late(const struct job *job, uint64_t now)
{
	return job && job->expires_us && now >= job->expires_us;
}

static void sweep_uploads(struct swift *s, uint64_t now)
{
	LIST_EACH_SAFE (node, &s->uploads) {
		struct upload *u = LIST_ENTRY(node, struct upload, link);
		struct list *first = list_first(&u->pieces);
		bool late = is_late(u->last, now) ||
		            (first && is_late(LIST_ENTRY(first, struct job, link), now));
		if (late) {
			exchange_abort(&u->x);
			end_upload(u, ERR_DEADLINE);
		} else if (now - u->used_us > IDLE_US && !u->last && !first) {
			free_upload(u);
		}
	}
}

static void sweep_downloads(struct swift *s, uint64_t now)
{
	LIST_EACH_SAFE (node, &s->downloads) {
		struct download *d = LIST_ENTRY(node, struct download, link);
		if (is_late(d->job, now)) {
			finish(TAKE(d->job), ERR_DEADLINE);
			free_download(d);
		} else if (!d->job && now - d->used_us > IDLE_US) {
			free_download(d);
		}
	}
}

/* Their bytes may be many: nothing may be stopped from within a callback. */
static void cut_off_strange(struct swift *s)
{
	LIST_EACH_SAFE (node, &s->downloads) {
		struct download *d = LIST_ENTRY(node, struct download, link);
		if (!d->strange)
			continue;
		if (d->job)
			finish(TAKE(d->job), ERR_IO);
		free_download(d);
	}
	s->strange = 0;
}

/* Moves what came in; false: the thread is to end. */
static bool take_incoming(struct swift *s, struct list *ret_jobs)
{
	pthread_mutex_lock(&s->lock);
	list_splice(ret_jobs, &s->incoming);
	bool stopping = s->stopping;
	pthread_mutex_unlock(&s->lock);
	return !stopping;
}

static void *run(void *arg)
{
	struct swift *s = arg;
	struct list jobs = LIST_INIT(jobs), *node;

	while (take_incoming(s, &jobs)) {
		while ((node = list_first(&jobs))) {
			list_remove(node);
			handle(LIST_ENTRY(node, struct job, link));
		}
		uint64_t now = now_us();
		if (now - s->swept_us > TICK_MS * 1000) {
			s->swept_us = now;
			sweep_uploads(s, now);
			sweep_downloads(s, now);
		}
		client_turn(s->client, TICK_MS);
		if (s->strange)
			cut_off_strange(s);
	}
	bytes_cache_drop();
	return NULL;
}

/* --- on the loops --- */

static bool does_nothing(const struct backend_msg *msg)
{
	return msg->op == BACKEND_OBJECT_RELEASE || msg->op == BACKEND_OBJECT_SETTLED ||
	       msg->op == BACKEND_DB_UPDATE;
}

/* What is known of names beyond their listing: nothing. */
static bool is_unknown(const struct backend_msg *msg)
{
	return msg->op == BACKEND_DB_ROWS;
}

static bool needs_no_route(const struct backend_msg *msg)
{
	return msg->op == BACKEND_OBJECT_UNSTAGE || msg->op == BACKEND_OBJECT_CLOSE;
}

static enum err prepare(struct swift *s, struct job *job)
{
	struct swift_route route = {0};
	const struct backend_msg *msg = job->call->msg;
	enum err err = ERR_OK;

	if (needs_no_route(msg))
		return ERR_OK;
	if (!s->options.route(s->options.owner, msg, job->call->device, &route)) {
		err = ERR_UNAVAILABLE;
	} else {
		swift_ask_of(msg, &route, &job->ask);
		err = !job->ask.method   ? ERR_UNSUPPORTED
		      : job->ask.url.err ? job->ask.url.err
		                         : job->ask.headers.err;
	}
	swift_route_done(&route);
	return err;
}

static void queue(struct swift *s, struct job *job)
{
	pthread_mutex_lock(&s->lock);
	list_append(&s->incoming, &job->link);
	pthread_mutex_unlock(&s->lock);
	client_wake(s->client);
}

static void send_call(struct backend *backend, struct backend_call *call)
{
	struct swift *s = CONTAINER_OF(backend, struct swift, backend);
	const struct backend_msg *msg = call->msg;

	call->origin = reactor_current();
	if (does_nothing(msg) || is_unknown(msg)) {
		backend_finish(call, ERR_OK);
		return;
	}
	struct job *job = mem_zalloc(sizeof(*job));
	job->swift = s;
	job->call = call;
	list_init(&job->link);
	uint64_t now = reactor_now_us(call->origin), deadline = call->deadline_us;
	if (deadline)
		job->expires_us = now_us() + (deadline > now ? deadline - now : 0);
	bool busy = atomic_fetch_add(&s->stats.open, 1) >= CALLS_MAX && !needs_no_route(msg);
	enum err err = busy ? ERR_BUSY : prepare(s, job);
	if (err)
		finish(job, err);
	else
		queue(s, job);
}

enum err swift_new(const struct swift_options *options, struct swift **ret_swift)
{
	struct swift *s = mem_zalloc(sizeof(*s));

	s->backend.send = send_call;
	s->backend.plain = true;
	s->options = *options;
	list_init(&s->incoming);
	list_init(&s->questions);
	list_init(&s->uploads);
	list_init(&s->downloads);
	pthread_mutex_init(&s->lock, NULL);
	enum err err = client_new(options->connect_ms, true, &s->client);
	if (!err && pthread_create(&s->thread, NULL, run, s))
		err = ERR_NO_MEMORY;
	if (err) {
		client_free(s->client);
		free(s);
		return err;
	}
	*ret_swift = s;
	return ERR_OK;
}

void swift_free(struct swift *s)
{
	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	s->stopping = true;
	pthread_mutex_unlock(&s->lock);
	client_wake(s->client);
	pthread_join(s->thread, NULL);
	client_free(s->client);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

struct backend *swift_backend(struct swift *s)
{
	return &s->backend;
}

const struct swift_stats *swift_stats(const struct swift *s)
{
	return &s->stats;
}
