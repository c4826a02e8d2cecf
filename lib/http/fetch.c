#include "lib/http/fetch.h"

#include "lib/base/kv.h"
#include <string.h>

#define TURN_MS 200 /* until `stop` is looked at again */

struct fetching {
	struct exchange x;
	struct fetch *fetch;
	size_t sent;
	bool done;
	enum err err;
};

static size_t on_pull(struct exchange *x, void *into, size_t room)
{
	struct fetching *f = x->owner;
	size_t left = strlen(f->fetch->text) - f->sent, n = left < room ? left : room;

	memcpy(into, f->fetch->text + f->sent, n);
	f->sent += n;
	return n;
}

static void on_rewind(struct exchange *x)
{
	struct fetching *f = x->owner;

	f->sent = 0;
}

static bool on_bytes(struct exchange *x, const void *data, size_t len)
{
	struct fetching *f = x->owner;

	buf_add(&f->fetch->body, data, len);
	return true;
}

static void on_done(struct exchange *x, enum err err)
{
	struct fetching *f = x->owner;

	f->done = true;
	f->err = err ? err : f->fetch->body.err;
}

static void wipe(struct buf *buf)
{
	if (buf->data)
		explicit_bzero(buf->data, buf->cap);
	buf_done(buf);
}

static enum err turn(struct client *client, struct fetching *f)
{
	const atomic_bool *stop = f->fetch->stop;
	enum err err = exchange_start(client, &f->x);

	if (err)
		return err;
	while (!f->done && !(stop && atomic_load(stop)))
		client_turn(client, TURN_MS);
	if (f->done)
		return f->err;
	exchange_abort(&f->x);
	return ERR_CANCELLED;
}

enum err fetch_run(struct client *client, struct fetch *fetch)
{
	struct fetching f = {
	        .x = {.method = fetch->method,
	                .url = fetch->url,
	                .headers = fetch->headers.data,
	                .headers_len = fetch->headers.len,
	                .body_len = fetch->text ? (int64_t)strlen(fetch->text) : 0,
	                .timeout_ms = fetch->timeout_ms,
	                .idle_timeout_ms = fetch->idle_timeout_ms,
	                .pull = on_pull,
	                .rewind = on_rewind,
	                .push = on_bytes,
	                .done = on_done},
	        .fetch = fetch,
	};

	f.x.owner = &f;
	wipe(&fetch->answer);
	wipe(&fetch->body);
	fetch->body.size_max = fetch->body_max;
	enum err err = turn(client, &f);
	fetch->status = f.x.status;
	fetch->answer = f.x.answer;
	return err;
}

void fetch_done(struct fetch *fetch)
{
	wipe(&fetch->headers);
	wipe(&fetch->answer);
	wipe(&fetch->body);
}

const char *fetch_header(const struct fetch *fetch, const char *name)
{
	return kv_get(fetch->answer.data, fetch->answer.len, name);
}
