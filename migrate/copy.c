/* One object, streamed from side to side through a ring of memory. */
#include "migrate/migrate.h"

#include "lib/base/kv.h"
#include "lib/base/mem.h"
#include "lib/base/ts.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define RING_BYTES (1u << 20)
#define IDLE_MS    60000

/* What a manifest itself says, where one may be. */
#define RAW "multipart-manifest=get"

struct copy {
	struct talk *talk;
	const struct job *job;
	struct exchange get, put;
	struct buf get_url, get_headers, put_url, put_headers;
	unsigned from_logins, to_logins;
	uint64_t size, ts;
	char ring[RING_BYTES];
	size_t head, len; /* bytes in the ring, from head on */
	bool get_paused, put_paused, headed, putting, get_done, put_done, expired, older;
	enum err get_err, put_err;
};

enum outcome { COPIED, NEWER, GONE, OLDER, AGAIN, LOGIN_FROM, LOGIN_TO, WHOLE, FAILED };

static bool on_data(struct exchange *x, const void *data, size_t len)
{
	struct copy *c = x->owner;
	const char *from = data;

	if (c->put_done || x->status != 200)
		return true; /* of no use any more */
	if (len > RING_BYTES - c->len) {
		c->get_paused = true;
		return false;
	}
	while (len) {
		size_t tail = (c->head + c->len) % RING_BYTES;
		size_t n = RING_BYTES - tail < len ? RING_BYTES - tail : len;
		memcpy(c->ring + tail, from, n);
		c->len += n;
		from += n;
		len -= n;
	}
	return true;
}

static void on_head(struct exchange *x)
{
	((struct copy *)x->owner)->headed = true;
}

static void on_get_done(struct exchange *x, enum err err)
{
	struct copy *c = x->owner;

	c->get_done = true;
	c->get_err = err;
}

static size_t pull(struct exchange *x, void *into, size_t room)
{
	struct copy *c = x->owner;
	size_t n = c->len < room ? c->len : room;

	if (!n) {
		c->put_paused = true;
		return EXCHANGE_PAUSE;
	}
	if (n > RING_BYTES - c->head)
		n = RING_BYTES - c->head;
	memcpy(into, c->ring + c->head, n);
	c->head = (c->head + n) % RING_BYTES;
	c->len -= n;
	return n;
}

static void on_put_done(struct exchange *x, enum err err)
{
	struct copy *c = x->owner;

	c->put_done = true;
	c->put_err = err;
}

static void start_get(struct copy *c)
{
	const struct job *job = c->job;
	struct ask ask = {.account = job->from_account,
	        .container = job->container,
	        .object = job->object,
	        .query = job->large ? NULL : RAW};

	side_url(&c->talk->run->from, &ask, &c->get_url, &c->get_headers, &c->from_logins);
	/* It makes the source ask all replicas. One that has what the listing told of is enough. */
	if (job->newest)
		kv_add(&c->get_headers, "X-Newest", "true");
	c->get = (struct exchange){
	        .method = "GET",
	        .url = buf_text(&c->get_url),
	        .headers = c->get_headers.data,
	        .headers_len = c->get_headers.len,
	        .idle_timeout_ms = IDLE_MS,
	        .head = on_head,
	        .push = on_data,
	        .done = on_get_done,
	        .owner = c,
	};
	c->get_err = exchange_start(c->talk->client, &c->get);
	c->get_done = c->get_err != ERR_OK;
}

static void put_headers(struct copy *c)
{
	struct kv_pair pair;
	char ts[TS_TEXT_SIZE];
	const char *etag = exchange_header(&c->get, "Etag");

	for (size_t at = 0; kv_next(c->get.answer.data, c->get.answer.len, &at, &pair);) {
		if (carried_object(pair.name))
			kv_add(&c->put_headers, pair.name, pair.value);
	}
	ts_format(c->ts, ts);
	kv_add(&c->put_headers, "X-Cairn-Timestamp", ts);
	/* The destination refuses what is not that; of a large object's segments there is none. */
	if (etag && !c->job->large)
		kv_add(&c->put_headers, "Etag", etag);
}

/* False: it is not to be put. */
static bool start_put(struct copy *c)
{
	const struct job *job = c->job;
	struct ask ask = {
	        .account = job->to_account, .container = job->container, .object = job->object};
	const char *stamp = exchange_header(&c->get, "X-Timestamp"),
	           *size = exchange_header(&c->get, "Content-Length"),
	           *expires = exchange_header(&c->get, "X-Delete-At");

	c->ts = job->ts;
	if (stamp)
		ts_parse(stamp, &c->ts);
	if (!size || !c->ts)
		return false;
	c->older = !job->newest && c->ts < job->ts;
	if (c->older)
		return false;
	c->size = strtoull(size, NULL, 10);
	c->expired = expires && strtoll(expires, NULL, 10) <= (long long)time(NULL);
	if (c->expired)
		return false;
	side_url(&c->talk->run->to, &ask, &c->put_url, &c->put_headers, &c->to_logins);
	put_headers(c);
	c->put = (struct exchange){
	        .method = "PUT",
	        .url = buf_text(&c->put_url),
	        .headers = c->put_headers.data,
	        .headers_len = c->put_headers.len,
	        .body_len = (int64_t)c->size,
	        .idle_timeout_ms = IDLE_MS,
	        .once = c->size > 0,
	        .pull = pull,
	        .done = on_put_done,
	        .owner = c,
	};
	c->putting = true;
	c->put_err = exchange_start(c->talk->client, &c->put);
	c->put_done = c->put_err != ERR_OK;
	return true;
}

/* What the callbacks left to do: nothing may be started or stopped inside them. False: it ended. */
static bool step(struct copy *c)
{
	if (c->headed && c->get.status == 200 && !c->putting && !start_put(c))
		return false;
	if (c->get_done && (c->get_err || c->get.status != 200))
		return false;
	if (c->put_done)
		return false;
	/* The source fell short. */
	if (c->get_done && c->putting && c->put_paused && !c->len)
		return false;
	if (c->get_paused && RING_BYTES - c->len >= RING_BYTES / 2) {
		c->get_paused = false;
		exchange_go_on(&c->get);
	}
	if (c->put_paused && c->len) {
		c->put_paused = false;
		exchange_go_on(&c->put);
	}
	return true;
}

static bool is_passing(int status)
{
	return status / 100 == 5 || status == 408 || status == 429 || status == 499;
}

static enum outcome judge(const struct copy *c, char *why, size_t size)
{
	const char *large = exchange_header(&c->get, "X-Static-Large-Object");

	if (c->get_err || (!c->headed && !c->get_done))
		return snprintf(why, size, "source: %s", err_text(c->get_err)), AGAIN;
	if (c->older || (c->get.status == 404 && !c->job->newest))
		return OLDER;
	if (c->get.status == 404 || c->expired)
		return GONE;
	if (c->get.status == 401)
		return LOGIN_FROM;
	snprintf(why, size, "the source says %d", c->get.status);
	if (c->get.status != 200)
		return is_passing(c->get.status) ? AGAIN : FAILED;
	if (large && !c->job->large && strcasecmp(large, "true") == 0)
		return WHOLE;
	if (!c->putting)
		return snprintf(why, size, "the source tells no time or length"), FAILED;
	if (!c->put_done || c->put_err)
		return snprintf(why, size, "destination: %s",
		               err_text(c->put_done ? c->put_err : ERR_CLOSED)),
		       AGAIN;
	if (c->put.status == 401)
		return LOGIN_TO;
	snprintf(why, size, "the destination says %d", c->put.status);
	return c->put.status == 201                                ? COPIED
	       : c->put.status == 202                              ? NEWER
	       : is_passing(c->put.status) || c->put.status == 422 ? AGAIN
	                                                           : FAILED;
}

static void copy_done(struct copy *c)
{
	exchange_abort(&c->get);
	exchange_abort(&c->put);
	exchange_release(&c->get);
	exchange_release(&c->put);
	buf_done(&c->get_url);
	buf_done(&c->get_headers);
	buf_done(&c->put_url);
	buf_done(&c->put_headers);
	free(c);
}

/* A manifest that the listing did not tell of is no manifest to copy. */
static bool is_manifest(const struct copy *c)
{
	const char *large = exchange_header(&c->get, "X-Static-Large-Object");

	return c->headed && large && !c->job->large && strcasecmp(large, "true") == 0;
}

static enum outcome try_copy(
        struct talk *talk, const struct job *job, uint64_t *ret_size, char *why, size_t size)
{
	struct copy *c = mem_zalloc(sizeof(*c));
	struct run *run = talk->run;
	AUTO(buf) struct buf error = BUF_NONE;

	c->talk = talk;
	c->job = job;
	start_get(c);
	while (!is_manifest(c) && step(c) && !atomic_load(&run->stopping))
		client_turn(talk->client, 100);
	enum outcome outcome = judge(c, why, size);
	if (outcome == LOGIN_FROM || outcome == LOGIN_TO) {
		bool from = outcome == LOGIN_FROM;
		outcome = side_login(talk, from ? &run->from : &run->to,
		                  from ? c->from_logins : c->to_logins, &error)
		                  ? FAILED
		                  : AGAIN;
		snprintf(why, size, "%s", buf_text(&error));
	}
	*ret_size = c->size;
	copy_done(c);
	return outcome;
}

static void done(struct run *run, const struct job *job, atomic_uint_least64_t *what)
{
	atomic_fetch_add(what, 1);
	atomic_fetch_add(&run->counts.done, 1);
	atomic_fetch_add(&run->counts.done_bytes, job->bytes);
}

static void copy(struct talk *talk, const struct job *job)
{
	struct run *run = talk->run;
	struct job whole = *job;
	char why[200] = "";
	uint64_t size = 0;
	enum outcome outcome;

	for (unsigned tries = 0;; tries++) {
		outcome = try_copy(talk, &whole, &size, why, sizeof(why));
		if (outcome == WHOLE)
			whole.large = true;
		else if (outcome == OLDER)
			whole.newest = true;
		else if (outcome != AGAIN || !talk_again(talk, tries))
			break;
	}
	if (atomic_load(&run->stopping) && outcome == AGAIN)
		return;
	if (outcome == COPIED) {
		atomic_fetch_add(&run->counts.copied_bytes, size);
		done(run, job, &run->counts.copied);
		if (whole.large)
			run_note(run, job->to_account, job->container, job->object,
			        "was a static large object; it is one object now");
	} else if (outcome == NEWER) {
		done(run, job, &run->counts.newer);
	} else if (outcome == GONE) {
		done(run, job, &run->counts.gone);
	} else {
		run_fail(run, job->from_account, job->container, job->object, why);
	}
}

/* --- verify --- */

static enum err head(struct talk *talk, struct side *side, const char *account,
        const struct job *job, struct ask *ask)
{
	ask->method = "HEAD";
	ask->account = account;
	ask->container = job->container;
	ask->object = job->object;
	ask->query = job->large ? NULL : RAW;
	kv_add(&ask->headers, "X-Newest", "true");
	return side_ask(talk, side, ask);
}

/* What differs, or NULL. */
static const char *difference(const struct ask *from, const struct ask *to, bool large)
{
	static const char *const exact[] = {"Content-Length", "X-Timestamp", "Etag"};
	AUTO(buf) struct buf change = BUF_NONE;

	for (unsigned i = 0; i < COUNT_OF(exact) - large; i++) {
		const char *a = ask_header(from, exact[i]), *b = ask_header(to, exact[i]);
		if (!a || !b || strcmp(a, b) != 0)
			return exact[i];
	}
	return headers_change(&from->answer, &to->answer, carried_object, &change) ? "metadata"
	                                                                           : NULL;
}

static void verify(struct talk *talk, const struct job *job)
{
	struct run *run = talk->run;
	AUTO(ask) struct ask from = {.status = 0};
	AUTO(ask) struct ask to = {.status = 0};
	char why[80];
	enum err err = head(talk, &run->from, job->from_account, job, &from);

	if (!err)
		err = head(talk, &run->to, job->to_account, job, &to);
	if (err || from.status != 200 || to.status != 200) {
		snprintf(why, sizeof(why), "source %d, destination %d", from.status, to.status);
		run_fail(run, job->from_account, job->container, job->object,
		        err ? err_text(err) : why);
		return;
	}
	const char *what = difference(&from, &to, job->large);
	if (what) {
		snprintf(why, sizeof(why), "differs in %s", what);
		run_note(run, job->from_account, job->container, job->object, why);
	}
	done(run, job, what ? &run->counts.differ : &run->counts.same);
}

/* --- delete --- */

/* A listing of the source may lag behind what is there. */
static bool is_gone(struct talk *talk, const struct job *job)
{
	struct run *run = talk->run;
	AUTO(ask) struct ask ask = {.status = 0};
	char why[80];
	enum err err = head(talk, &run->from, job->from_account, job, &ask);

	if (!err && ask.status == 404)
		return true;
	if (!err && ask.status == 200) {
		run_note(run, job->from_account, job->container, job->object,
		        "is at the source, though no listing tells: not deleted");
		atomic_fetch_add(&run->counts.same, 1);
		return false;
	}
	snprintf(why, sizeof(why), "delete: the source says %d", ask.status);
	run_fail(run, job->from_account, job->container, job->object, err ? err_text(err) : why);
	return false;
}

/* What the walk saw, and nothing that came later. */
static void remove_object(struct talk *talk, const struct job *job)
{
	if (!is_gone(talk, job))
		return;
	AUTO(ask)
	struct ask ask = {.method = "DELETE",
	        .account = job->to_account,
	        .container = job->container,
	        .object = job->object};
	char ts[TS_TEXT_SIZE], why[80];

	ts_format(job->ts + 1, ts);
	kv_add(&ask.headers, "X-Cairn-Timestamp", ts);
	enum err err = side_ask(talk, &talk->run->to, &ask);
	if (!err && (ask.status == 204 || ask.status == 404)) {
		atomic_fetch_add(&talk->run->counts.deleted, 1);
	} else if (!err && ask.status == 409) {
		atomic_fetch_add(&talk->run->counts.newer, 1);
	} else {
		snprintf(why, sizeof(why), "delete: the destination says %d", ask.status);
		run_fail(talk->run, job->to_account, job->container, job->object,
		        err ? err_text(err) : why);
	}
}

void job_do(struct talk *talk, const struct job *job)
{
	if (job->kind == JOB_COPY)
		copy(talk, job);
	else if (job->kind == JOB_DELETE)
		remove_object(talk, job);
	else
		verify(talk, job);
}
