#include "migrate/migrate.h"

#include "lib/base/kv.h"
#include "lib/base/mem.h"
#include "lib/http/fetch.h"
#include "lib/http/url.h"
#include <stdlib.h>
#include <string.h>

#define CONNECT_MS 10000
#define IDLE_MS    60000
#define TRIES_MAX  6
#define BODY_MAX   (256u << 20)

enum err talk_init(struct talk *talk, struct run *run)
{
	*talk = (struct talk){.run = run};
	return client_new(CONNECT_MS, true, &talk->client);
}

void talk_done(struct talk *talk)
{
	client_free(talk->client);
	talk->client = NULL;
}

bool talk_again(struct talk *talk, unsigned tries)
{
	struct timespec pause = {.tv_nsec = 100000000};

	if (tries >= TRIES_MAX)
		return false;
	for (unsigned i = 0; i < 1u << tries && !atomic_load(&talk->run->stopping); i++)
		nanosleep(&pause, NULL);
	return !atomic_load(&talk->run->stopping);
}

void side_init(struct side *side, const char *name, const struct side_conf *conf)
{
	*side = (struct side){.name = name, .conf = *conf};
	pthread_mutex_init(&side->lock, NULL);
	side->base = mem_strdup(conf->url);
	side->token = mem_strdup(conf->token);
}

void side_done(struct side *side)
{
	pthread_mutex_destroy(&side->lock);
	free(side->base);
	free(side->token);
}

void ask_done(struct ask *ask)
{
	buf_done(&ask->headers);
	buf_done(&ask->answer);
	buf_done(&ask->body);
}

const char *ask_header(const struct ask *ask, const char *name)
{
	return kv_get(ask->answer.data, ask->answer.len, name);
}

/* --- one request --- */

static enum err ask_once(struct talk *talk, const char *method, const char *url,
        const struct buf *headers, struct ask *ask)
{
	AUTO(fetch)
	struct fetch fetch = {
	        .method = method,
	        .url = url,
	        .idle_timeout_ms = IDLE_MS,
	        .body_max = BODY_MAX,
	        .stop = &talk->run->stopping,
	};

	buf_add(&fetch.headers, headers->data, headers->len);
	enum err err = fetch_run(talk->client, &fetch);
	buf_done(&ask->answer);
	buf_done(&ask->body);
	ask->status = fetch.status;
	ask->answer = fetch.answer;
	ask->body = fetch.body;
	fetch.answer = fetch.body = BUF_NONE;
	return err;
}

/* --- tokens --- */

/* The account's URL, without the account. */
static char *base_of(const char *url)
{
	size_t len = strlen(url);

	while (len && url[len - 1] == '/')
		len--;
	while (len && url[len - 1] != '/')
		len--;
	return mem_strndup(url, len ? len - 1 : 0);
}

static enum err get_token(struct talk *talk, struct side *side, struct buf *error)
{
	AUTO(buf) struct buf headers = BUF_NONE;
	AUTO(ask) struct ask ask = {.status = 0};

	kv_add(&headers, "X-Auth-User", side->conf.user);
	kv_add(&headers, "X-Auth-Key", side->conf.key);
	enum err err = ask_once(talk, "GET", side->conf.auth, &headers, &ask);
	const char *token = ask_header(&ask, "X-Auth-Token"),
	           *url = ask_header(&ask, "X-Storage-Url");
	if (err || ask.status / 100 != 2 || !token || !url) {
		buf_printf(error, "[%s] auth: %s gives no token", side->name, side->conf.auth);
		if (err)
			buf_printf(error, ": %s", err_text(err));
		else
			buf_printf(error, " (it says %d)", ask.status);
		return err ? err : ask.status / 100 == 5 ? ERR_UNAVAILABLE : ERR_UNAUTHORIZED;
	}
	free(side->token);
	side->token = mem_strdup(token);
	if (!*side->conf.url) {
		free(side->base);
		side->base = base_of(url);
	}
	side->logins++;
	return ERR_OK;
}

enum err side_login(struct talk *talk, struct side *side, unsigned logins, struct buf *error)
{
	enum err err = ERR_OK;

	if (!*side->conf.auth) {
		if (!logins)
			return ERR_OK; /* the token that was given is all there is */
		buf_printf(error, "[%s] token is not taken any more", side->name);
		return ERR_UNAUTHORIZED;
	}
	pthread_mutex_lock(&side->lock);
	if (side->logins == logins)
		err = get_token(talk, side, error);
	pthread_mutex_unlock(&side->lock);
	return err;
}

void side_url(struct side *side, const struct ask *ask, struct buf *ret_url, struct buf *headers,
        unsigned *ret_logins)
{
	const char *names[] = {ask->account, ask->container, ask->object};

	pthread_mutex_lock(&side->lock);
	buf_str(ret_url, side->base);
	kv_add(headers, "X-Auth-Token", side->token);
	*ret_logins = side->logins;
	pthread_mutex_unlock(&side->lock);
	for (unsigned i = 0; i < COUNT_OF(names) && names[i]; i++) {
		buf_char(ret_url, '/');
		url_quote(ret_url, names[i], "");
	}
	if (ask->query)
		buf_printf(ret_url, "?%s", ask->query);
}

enum err side_ask(struct talk *talk, struct side *side, struct ask *ask)
{
	for (unsigned tries = 0;; tries++) {
		AUTO(buf) struct buf url = BUF_NONE;
		AUTO(buf) struct buf headers = BUF_NONE;
		AUTO(buf) struct buf error = BUF_NONE;
		unsigned logins;
		side_url(side, ask, &url, &headers, &logins);
		buf_add(&headers, ask->headers.data, ask->headers.len);
		enum err err = ask_once(talk, ask->method, buf_text(&url), &headers, ask);
		bool expired = !err && ask->status == 401 && *side->conf.auth && tries == 0;
		if (expired)
			err = side_login(talk, side, logins, &error);
		bool well = !err && ask->status / 100 != 5 && ask->status != 429 && !expired;
		if (well || err == ERR_BAD_REQUEST || err == ERR_CANCELLED)
			return err;
		if (!talk_again(talk, tries))
			return err ? err : ERR_UNAVAILABLE;
	}
}
