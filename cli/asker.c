#include "cli/asker.h"

#include "lib/base/kv.h"
#include "lib/base/mem.h"
#include "lib/env/env.h"
#include "lib/http/client.h"
#include "proxy/operator.h"
#include <stdlib.h>
#include <string.h>

#define CONNECT_MS 5000
#define ANSWER_MS  30000
#define BODY_MAX   (64u << 20)
#define TRIES_MAX  6 /* a tenth of a second after the first, twice as long after each */

struct asker {
	const struct state *state; /* borrowed */
	struct client *client;
	struct buf base;     /* owned; "http://127.0.0.1:8080" */
	struct list waiting; /* to be tried again */
	unsigned open, open_max, retries;
	bool refused; /* the secret cannot be read any more */
};

/* One request. */
struct asking {
	struct exchange x;
	struct list link; /* of waiting */
	struct asker *asker;
	const char *method;
	char *target, *url, *body; /* owned */
	size_t sent;
	struct buf headers; /* owned */
	unsigned tries;
	uint64_t due_us;
	asker_done *done;
	struct asked asked;
};

static uint64_t now_us(void)
{
	return env_real()->mono_us(env_real());
}

struct asker *asker_new(const struct state *state, unsigned concurrency)
{
	struct asker *asker = mem_zalloc(sizeof(*asker));

	asker->state = state;
	asker->open_max = concurrency;
	list_init(&asker->waiting);
	state_url(state, &asker->base);
	/* It is this machine, and what is asked is signed. */
	if (client_new(CONNECT_MS, false, &asker->client) == ERR_OK)
		return asker;
	fprintf(stderr, "cairn: there is no memory\n");
	asker_free(asker);
	return NULL;
}

void asker_free(struct asker *asker)
{
	if (!asker)
		return;
	client_free(asker->client);
	buf_done(&asker->base);
	free(asker);
}

unsigned asker_retries(const struct asker *asker)
{
	return asker->retries;
}

static void finish(struct asking *a)
{
	a->asker->open--;
	if (a->done)
		a->done(&a->asked);
	buf_done(&a->asked.body);
	buf_done(&a->headers);
	free(a->target);
	free(a->url);
	free(a->body);
	free(a);
}

static bool on_bytes(struct exchange *x, const void *data, size_t len)
{
	struct asking *a = x->owner;

	buf_add(&a->asked.body, data, len);
	return true;
}

static size_t on_pull(struct exchange *x, void *into, size_t room)
{
	struct asking *a = x->owner;
	size_t left = strlen(a->body) - a->sent, n = left < room ? left : room;

	memcpy(into, a->body + a->sent, n);
	a->sent += n;
	return n;
}

static void on_rewind(struct exchange *x)
{
	struct asking *a = x->owner;

	a->sent = 0;
}

static void on_done(struct exchange *x, enum err err)
{
	struct asking *a = x->owner;

	exchange_release(x);
	a->asked.status = err || a->asked.body.err ? 0 : x->status;
	bool again = !a->asked.status || a->asked.status / 100 == 5;
	if (!again || a->tries >= TRIES_MAX) {
		finish(a);
		return;
	}
	a->asker->retries++;
	a->due_us = now_us() + (100000ull << a->tries);
	list_append(&a->asker->waiting, &a->link);
}

static void try(struct asking *a)
{
	char time[24], sign[65], what[32];

	a->tries++;
	a->sent = 0;
	buf_reset(&a->headers);
	buf_reset(&a->asked.body);
	snprintf(what, sizeof(what), "dispersion %s", a->method);
	if (a->asker->refused || !state_sign(a->asker->state, what, a->target, time, sign)) {
		a->asker->refused = true;
		finish(a);
		return;
	}
	kv_add(&a->headers, OPERATOR_TIME, time);
	kv_add(&a->headers, OPERATOR_SIGN, sign);
	a->x = (struct exchange){.method = a->method,
	        .url = a->url,
	        .headers = a->headers.data,
	        .headers_len = a->headers.len,
	        .body_len = (int64_t)strlen(a->body),
	        .timeout_ms = ANSWER_MS,
	        .pull = on_pull,
	        .rewind = on_rewind,
	        .push = on_bytes,
	        .done = on_done,
	        .owner = a};
	if (exchange_start(a->asker->client, &a->x) != ERR_OK)
		finish(a);
}

static void turn(struct asker *asker)
{
	uint64_t now = now_us();

	LIST_EACH_SAFE (node, &asker->waiting) {
		struct asking *a = LIST_ENTRY(node, struct asking, link);
		if (a->due_us > now)
			continue;
		list_remove(&a->link);
		try(a);
	}
	client_turn(asker->client, 100);
}

void asker_start(struct asker *asker, const char *method, const char *target, const char *body,
        asker_done *done, void *owner, unsigned number)
{
	struct asking *a = mem_zalloc(sizeof(*a));
	AUTO(buf) struct buf url = BUF_NONE;

	while (asker->open >= asker->open_max)
		turn(asker);
	buf_printf(&url, "%s%s", buf_text(&asker->base), target);
	a->asker = asker;
	a->method = method;
	a->target = mem_strdup(target);
	a->url = buf_take(&url);
	a->body = mem_strdup(body ? body : "");
	a->done = done;
	a->asked = (struct asked){.body = {.size_max = BODY_MAX},
	        .target = a->target,
	        .number = number,
	        .owner = owner};
	asker->open++;
	try(a);
}

void asker_wait(struct asker *asker)
{
	while (asker->open)
		turn(asker);
}

struct got {
	int status;
	struct buf *body;
};

static void on_got(struct asked *asked)
{
	struct got *got = asked->owner;

	got->status = asked->status;
	if (got->body)
		buf_add(got->body, asked->body.data, asked->body.len);
}

int asker_get(struct asker *asker, const char *method, const char *target, struct buf *ret_body)
{
	struct got got = {.body = ret_body};

	asker_start(asker, method, target, NULL, on_got, &got, 0);
	asker_wait(asker);
	return got.status;
}
