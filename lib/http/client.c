#include "lib/http/client.h"

#include "lib/base/kv.h"
#include "lib/base/mem.h"
#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define PIECE_BYTES  (256 << 10) /* of one callback at most */
#define CONN_AGE_S   20          /* after which an idle connection is not used again */
#define CONNECTS_MAX 512         /* idle ones that are kept */

struct client {
	CURLM *multi;
	struct list open; /* struct exchange */
	unsigned connect_ms;
	bool check_tls;
};

static void init_once(void)
{
	curl_global_init(CURL_GLOBAL_ALL);
}

bool client_url_good(const char *url)
{
	CURLU *parsed = curl_url();
	char *host = NULL;
	bool good = parsed && curl_url_set(parsed, CURLUPART_URL, url, 0) == CURLUE_OK &&
	            curl_url_get(parsed, CURLUPART_HOST, &host, 0) == CURLUE_OK && *host;

	curl_free(host);
	curl_url_cleanup(parsed);
	return good;
}

enum err client_new(unsigned connect_ms, bool check_tls, struct client **ret_client)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, init_once);
	struct client *client = mem_zalloc(sizeof(*client));
	list_init(&client->open);
	client->connect_ms = connect_ms;
	client->check_tls = check_tls;
	client->multi = curl_multi_init();
	if (!client->multi) {
		free(client);
		return ERR_NO_MEMORY;
	}
	curl_multi_setopt(client->multi, CURLMOPT_MAXCONNECTS, (long)CONNECTS_MAX);
	*ret_client = client;
	return ERR_OK;
}

void client_free(struct client *client)
{
	if (!client)
		return;
	curl_multi_cleanup(client->multi);
	free(client);
}

void client_wake(struct client *client)
{
	curl_multi_wakeup(client->multi);
}

/* --- what curl calls --- */

static size_t on_read(char *into, size_t size, size_t count, void *owner)
{
	struct exchange *x = owner;
	size_t n = x->pull(x, into, size * count);

	return n == EXCHANGE_PAUSE ? CURL_READFUNC_PAUSE : n;
}

static int on_seek(void *owner, curl_off_t offset, int origin)
{
	struct exchange *x = owner;

	if (!x->rewind || offset || origin != SEEK_SET)
		return CURL_SEEKFUNC_CANTSEEK;
	x->rewind(x);
	return CURL_SEEKFUNC_OK;
}

/* Tells of the head once, when what belongs to it is complete. */
static void tell_head(struct exchange *x)
{
	long status = 0;

	if (!x->heading)
		return;
	curl_easy_getinfo(x->handle, CURLINFO_RESPONSE_CODE, &status);
	x->status = (int)status;
	if (status < 200)
		return;
	x->heading = false;
	if (x->head)
		x->head(x);
}

static void take_line(struct exchange *x, const char *line, size_t len)
{
	const char *colon = memchr(line, ':', len);

	if (!colon)
		return;
	size_t name_len = (size_t)(colon - line), at = name_len + 1;
	while (at < len && (line[at] == ' ' || line[at] == '\t'))
		at++;
	while (len > at && strchr(" \t\r\n", line[len - 1]))
		len--;
	if (name_len && !memchr(line, 0, len))
		kv_add_len(&x->answer, line, name_len, line + at, len - at);
}

static size_t on_header(char *line, size_t size, size_t count, void *owner)
{
	struct exchange *x = owner;
	size_t len = size * count;

	if (len >= 5 && memcmp(line, "HTTP/", 5) == 0) {
		buf_reset(&x->answer); /* what came before was 100 Continue */
		x->heading = true;
		return len;
	}
	if (len <= 2 && (len == 0 || line[0] == '\r' || line[0] == '\n')) {
		tell_head(x);
		return len;
	}
	if (!x->heading)
		return len; /* a trailer */
	if (x->answer.len + len > CLIENT_HEAD_MAX) {
		x->too_large = true;
		return 0;
	}
	take_line(x, line, len);
	return len;
}

static size_t on_write(char *data, size_t size, size_t count, void *owner)
{
	struct exchange *x = owner;

	return !x->push || x->push(x, data, size * count) ? size * count : CURL_WRITEFUNC_PAUSE;
}

/* --- requests --- */

static bool is_plain(const struct kv_pair *pair)
{
	return !memchr(pair->name, '\n', pair->name_len) &&
	       !memchr(pair->name, '\r', pair->name_len) &&
	       !memchr(pair->name, ':', pair->name_len) &&
	       !memchr(pair->value, '\n', pair->value_len) &&
	       !memchr(pair->value, '\r', pair->value_len);
}

static enum err add_lines(struct exchange *x)
{
	/* What curl would say by itself. */
	static const char *const none[] = {"Accept:", "Expect:", "Content-Type:"};
	struct curl_slist *lines = NULL;
	struct kv_pair pair;
	enum err err = ERR_OK;

	for (unsigned i = 0; i < COUNT_OF(none); i++) {
		char name[32];
		snprintf(name, sizeof(name), "%.*s", (int)strlen(none[i]) - 1, none[i]);
		if (!kv_get(x->headers, x->headers_len, name))
			lines = curl_slist_append(lines, none[i]);
	}
	for (size_t at = 0; !err && kv_next(x->headers, x->headers_len, &at, &pair);) {
		AUTO(buf) struct buf line = BUF_NONE;
		if (!is_plain(&pair))
			err = ERR_BAD_REQUEST;
		else if (*pair.value)
			buf_printf(&line, "%s: %s", pair.name, pair.value);
		else
			buf_printf(&line, "%s;", pair.name); /* curl's way to say it is empty */
		lines = curl_slist_append(lines, buf_text(&line));
	}
	x->lines = lines;
	return err;
}

static void set_body(struct exchange *x)
{
	CURL *h = x->handle;

	if (!x->body_len && strcmp(x->method, "POST") == 0) {
		curl_easy_setopt(h, CURLOPT_POST, 1L);
		curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE, 0L);
		curl_easy_setopt(h, CURLOPT_POSTFIELDS, "");
		return;
	}
	if (!x->body_len && strcmp(x->method, "PUT") != 0) {
		curl_easy_setopt(h, CURLOPT_NOBODY, (long)(strcmp(x->method, "HEAD") == 0));
		if (strcmp(x->method, "HEAD") != 0)
			curl_easy_setopt(h, CURLOPT_HTTPGET, 1L);
		curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, x->method);
		return;
	}
	curl_easy_setopt(h, CURLOPT_UPLOAD, 1L);
	curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, x->method);
	curl_easy_setopt(h, CURLOPT_INFILESIZE_LARGE, (curl_off_t)x->body_len);
	curl_easy_setopt(h, CURLOPT_UPLOAD_BUFFERSIZE, (long)PIECE_BYTES);
	if (!x->body_len)
		return;
	curl_easy_setopt(h, CURLOPT_READFUNCTION, on_read);
	curl_easy_setopt(h, CURLOPT_READDATA, x);
	curl_easy_setopt(h, CURLOPT_SEEKFUNCTION, on_seek);
	curl_easy_setopt(h, CURLOPT_SEEKDATA, x);
}

static void set_options(struct client *client, struct exchange *x)
{
	CURL *h = x->handle;

	curl_easy_setopt(h, CURLOPT_URL, x->url);
	curl_easy_setopt(h, CURLOPT_PRIVATE, x);
	curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(h, CURLOPT_PROXY, "");
	curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(h, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(h, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT_MS, (long)client->connect_ms);
	curl_easy_setopt(h, CURLOPT_TIMEOUT_MS, (long)x->timeout_ms);
	curl_easy_setopt(h, CURLOPT_TCP_NODELAY, 1L);
	curl_easy_setopt(h, CURLOPT_MAXAGE_CONN, (long)CONN_AGE_S);
	curl_easy_setopt(h, CURLOPT_FRESH_CONNECT, (long)x->once);
	curl_easy_setopt(h, CURLOPT_BUFFERSIZE, (long)PIECE_BYTES);
	curl_easy_setopt(h, CURLOPT_SSL_VERIFYPEER, (long)client->check_tls);
	curl_easy_setopt(h, CURLOPT_SSL_VERIFYHOST, client->check_tls ? 2L : 0L);
	curl_easy_setopt(h, CURLOPT_HTTPHEADER, x->lines);
	curl_easy_setopt(h, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(h, CURLOPT_HEADERDATA, x);
	curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, on_write);
	curl_easy_setopt(h, CURLOPT_WRITEDATA, x);
	if (x->idle_timeout_ms) {
		curl_easy_setopt(h, CURLOPT_LOW_SPEED_LIMIT, 1L);
		curl_easy_setopt(
		        h, CURLOPT_LOW_SPEED_TIME, (long)((x->idle_timeout_ms + 999) / 1000));
	}
	set_body(x);
}

static void close_handle(struct exchange *x)
{
	if (!x->handle)
		return;
	list_remove(&x->link);
	curl_multi_remove_handle(x->client->multi, x->handle);
	curl_easy_cleanup(x->handle);
	curl_slist_free_all(x->lines);
	x->handle = x->lines = NULL;
}

enum err exchange_start(struct client *client, struct exchange *x)
{
	x->client = client;
	x->status = 0;
	x->too_large = x->heading = false;
	x->answer = BUF_NONE;
	enum err err = add_lines(x);
	if (!err && !(x->handle = curl_easy_init()))
		err = ERR_NO_MEMORY;
	if (err) {
		curl_slist_free_all(x->lines);
		x->lines = NULL;
		return err;
	}
	set_options(client, x);
	list_append(&client->open, &x->link);
	curl_multi_add_handle(client->multi, x->handle);
	return ERR_OK;
}

void exchange_go_on(struct exchange *x)
{
	if (x->handle)
		curl_easy_pause(x->handle, CURLPAUSE_CONT);
}

void exchange_abort(struct exchange *x)
{
	close_handle(x);
}

void exchange_release(struct exchange *x)
{
	buf_done(&x->answer);
}

const char *exchange_header(const struct exchange *x, const char *name)
{
	return kv_get(x->answer.data, x->answer.len, name);
}

/* --- the loop --- */

/* A server that refuses an upload early may close while we still send: what it said counts. */
static enum err outcome(const struct exchange *x, CURLcode code)
{
	if (x->too_large)
		return ERR_TOO_LARGE;
	switch (code) {
	case CURLE_OK:
		return ERR_OK;
	case CURLE_OPERATION_TIMEDOUT:
		return ERR_DEADLINE;
	case CURLE_SEND_ERROR:
		return x->status >= 400 ? ERR_OK : ERR_UNAVAILABLE;
	case CURLE_URL_MALFORMAT:
		return ERR_BAD_REQUEST;
	default:
		return ERR_UNAVAILABLE;
	}
}

static void finish(struct exchange *x, CURLcode code)
{
	enum err err = outcome(x, code);

	close_handle(x);
	x->done(x, err);
}

bool client_turn(struct client *client, unsigned wait_ms)
{
	int running, left;
	CURLMsg *message;
	bool ended = false;

	curl_multi_perform(client->multi, &running);
	while ((message = curl_multi_info_read(client->multi, &left))) {
		struct exchange *x;
		char *private;
		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &private);
		x = (void *)private;
		ended = true;
		finish(x, message->data.result);
	}
	if (!ended)
		curl_multi_poll(client->multi, NULL, 0, (int)wait_ms, NULL);
	return !list_empty(&client->open);
}
