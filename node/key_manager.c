#include "node/key_manager.h"

#include "lib/base/kv.h"
#include "lib/http/fetch.h"
#include "lib/http/url.h"
#include "lib/json/jout.h"
#include "lib/json/jread.h"
#include <string.h>
#include <strings.h>

#define CONNECT_MS 5000
#define ANSWER_MS  15000
#define BODY_MAX   (4u << 20) /* a token with its catalog */

struct session {
	const struct key_manager_options *options;
	struct client *client;  /* owned */
	struct buf token, base; /* owned; base: "http://192.0.2.1:9311/v1" */
	const char *option;     /* that is to blame */
	struct buf *error;
};

static enum err blame(struct session *s, const char *option, enum err err)
{
	s->option = option;
	return err;
}

/* An outage may end by itself, anything else wants somebody to mend it. */
static enum err said(int status)
{
	return status / 100 == 5 ? ERR_UNAVAILABLE : ERR_CONFIG;
}

/* `url` with `version` behind it, unless it ends so. */
static void versioned(struct buf *out, const char *url, const char *version)
{
	size_t len = strlen(url), tail = strlen(version);

	while (len && url[len - 1] == '/')
		len--;
	buf_add(out, url, len);
	if (len < tail || memcmp(url + len - tail, version, tail) != 0)
		buf_str(out, version);
}

static enum err run(struct session *s, struct fetch *fetch, const char *option)
{
	fetch->timeout_ms = ANSWER_MS;
	fetch->body_max = BODY_MAX;
	enum err err = fetch_run(s->client, fetch);
	bool silent = err == ERR_UNAVAILABLE || err == ERR_DEADLINE;
	if (!err)
		return ERR_OK;
	buf_printf(s->error, "%s: %s", fetch->url, silent ? "nobody answers" : err_text(err));
	return blame(s, option, silent ? ERR_UNAVAILABLE : ERR_CONFIG);
}

/* --- the identity service --- */

static void login_body(const struct key_manager_options *o, struct buf *out)
{
	struct jout j = {.out = out};

	jout_object(&j, NULL);
	jout_object(&j, "auth");
	jout_object(&j, "identity");
	jout_array(&j, "methods");
	jout_text(&j, NULL, "password");
	jout_end_array(&j);
	jout_object(&j, "password");
	jout_object(&j, "user");
	jout_text(&j, "name", o->username);
	jout_text(&j, "password", o->password);
	jout_object(&j, "domain");
	jout_text(&j, "name", o->user_domain_name);
	jout_end_object(&j);
	jout_end_object(&j);
	jout_end_object(&j);
	jout_end_object(&j);
	jout_object(&j, "scope");
	jout_object(&j, "project");
	jout_text(&j, "name", o->project_name);
	jout_object(&j, "domain");
	jout_text(&j, "name", o->project_domain_name);
	jout_end_object(&j);
	jout_end_object(&j);
	jout_end_object(&j);
	jout_end_object(&j);
	jout_end_object(&j);
}

/* The public endpoint of a key manager, in the region that is wanted. */
static const char *endpoint_in(const struct jval *catalog, const char *region)
{
	const char *type, *interface, *where, *url;

	for (size_t i = 0; i < jread_len(catalog); i++) {
		const struct jval *service = jread_at(catalog, i),
		                  *endpoints = jread_get(service, "endpoints");
		if (!jread_str(jread_get(service, "type"), &type) ||
		        strcmp(type, "key-manager") != 0)
			continue;
		for (size_t e = 0; e < jread_len(endpoints); e++) {
			const struct jval *endpoint = jread_at(endpoints, e);
			if (!jread_str(jread_get(endpoint, "interface"), &interface) ||
			        strcmp(interface, "public") != 0 ||
			        !jread_str(jread_get(endpoint, "url"), &url))
				continue;
			if (!*region || (jread_str(jread_get(endpoint, "region"), &where) &&
			                        strcmp(where, region) == 0))
				return url;
		}
	}
	return NULL;
}

static enum err find_manager(struct session *s, const struct buf *body)
{
	AUTO(jroot) struct jroot root = JROOT_NONE;
	const char *url = s->options->endpoint;

	if (!*url) {
		enum err err = jread_parse(body->data, body->len, &root);
		url = err ? NULL
		          : endpoint_in(jread_get(jread_get(root.value, "token"), "catalog"),
		                    s->options->region);
	}
	if (!url) {
		buf_str(s->error, "the catalog of the identity service names no key-manager");
		return blame(s, "endpoint", ERR_CONFIG);
	}
	versioned(&s->base, url, "/v1");
	return ERR_OK;
}

static enum err login(struct session *s)
{
	AUTO(fetch) struct fetch fetch = {.method = "POST"};
	AUTO(buf) struct buf url = BUF_NONE;
	struct buf text = BUF_NONE;

	if (!*s->options->auth_endpoint) {
		buf_str(s->error, "is wanted where there is a key_id");
		return blame(s, "auth_endpoint", ERR_CONFIG);
	}
	versioned(&url, s->options->auth_endpoint, "/v3");
	buf_str(&url, "/auth/tokens");
	login_body(s->options, &text);
	kv_add(&fetch.headers, "Content-Type", "application/json");
	fetch.url = buf_text(&url);
	fetch.text = buf_text(&text);
	enum err err = run(s, &fetch, "auth_endpoint");
	if (text.data)
		explicit_bzero(text.data, text.cap);
	buf_done(&text);
	if (err)
		return err;
	const char *token = fetch_header(&fetch, "X-Subject-Token");
	if (fetch.status == 201 && token) {
		buf_str(&s->token, token);
		return find_manager(s, &fetch.body);
	}
	bool refused = fetch.status == 401 || fetch.status == 403;
	if (refused)
		buf_printf(s->error, "the identity service refuses %s in project %s (%d)",
		        s->options->username, s->options->project_name, fetch.status);
	else
		buf_printf(s->error, "%s says %d and gives no token", fetch.url, fetch.status);
	return blame(s, refused ? "username" : "auth_endpoint", said(fetch.status));
}

/* --- the manager --- */

/* GET of the secret, or of what is behind its path. */
static enum err get(struct session *s, const char *id, const char *behind, const char *type,
        struct fetch *fetch, struct buf *url)
{
	buf_printf(url, "%s/secrets/", buf_text(&s->base));
	url_quote(url, id, "");
	buf_str(url, behind);
	fetch->method = "GET";
	fetch->url = buf_text(url);
	kv_add(&fetch->headers, "X-Auth-Token", buf_text(&s->token));
	kv_add(&fetch->headers, "Accept", type);
	enum err err = run(s, fetch, "endpoint");
	if (err)
		return err;
	if (fetch->status == 200)
		return ERR_OK;
	const char *what = fetch->status == 404   ? "there is no such secret"
	                   : fetch->status == 403 ? "the user may not have it"
	                   : fetch->status == 401 ? "the token is not taken"
	                                          : "it is not given";
	buf_printf(s->error, "%s: %s (%d)", fetch->url, what, fetch->status);
	return blame(s, fetch->status == 404 || fetch->status == 403 ? "key_id" : "endpoint",
	        said(fetch->status));
}

/* What the manager says it is; what it is not told it takes for an AES key by its length. */
static enum err check_secret(struct session *s, const char *id)
{
	AUTO(fetch) struct fetch fetch = {.method = "GET"};
	AUTO(buf) struct buf url = BUF_NONE;
	AUTO(jroot) struct jroot root = JROOT_NONE;
	const char *algorithm = "aes", *status = "ACTIVE";
	uint64_t bits = KEY_MANAGER_KEY * 8;

	enum err err = get(s, id, "", "application/json", &fetch, &url);
	if (err)
		return err;
	if (jread_parse(fetch.body.data, fetch.body.len, &root)) {
		buf_printf(s->error, "%s: what it says is not JSON", fetch.url);
		return blame(s, "endpoint", ERR_CONFIG);
	}
	jread_str(jread_get(root.value, "algorithm"), &algorithm);
	jread_str(jread_get(root.value, "status"), &status);
	jread_u64(jread_get(root.value, "bit_length"), UINT32_MAX, &bits);
	if (strcasecmp(algorithm, "aes") == 0 && bits == KEY_MANAGER_KEY * 8 &&
	        strcmp(status, "ACTIVE") == 0)
		return ERR_OK;
	buf_printf(s->error, "%s: an active AES key of 256 bit is wanted; it is %s %s of %llu bit",
	        id, status, algorithm, (unsigned long long)bits);
	return blame(s, "key_id", ERR_CONFIG);
}

static enum err get_secret(struct session *s, struct key_manager_key *key)
{
	AUTO(fetch) struct fetch fetch = {.method = "GET"};
	AUTO(buf) struct buf url = BUF_NONE;

	enum err err = check_secret(s, key->id);
	if (err || (err = get(s, key->id, "/payload", "application/octet-stream", &fetch, &url)))
		return err;
	if (fetch.body.len == sizeof(key->bytes)) {
		memcpy(key->bytes, fetch.body.data, sizeof(key->bytes));
		return ERR_OK;
	}
	buf_printf(
	        s->error, "%s: a key of 32 bytes is wanted; it has %zu", key->id, fetch.body.len);
	return blame(s, "key_id", ERR_CONFIG);
}

enum err key_manager_fetch(const struct key_manager_options *options, struct key_manager_key *keys,
        unsigned count, const char **ret_option, struct buf *error)
{
	struct session s = {.options = options, .option = "auth_endpoint", .error = error};
	enum err err = client_new(CONNECT_MS, true, &s.client);

	if (!err)
		err = login(&s);
	for (unsigned i = 0; !err && i < count; i++)
		err = get_secret(&s, &keys[i]);
	client_free(s.client);
	if (s.token.data)
		explicit_bzero(s.token.data, s.token.cap);
	buf_done(&s.token);
	buf_done(&s.base);
	if (!err)
		return ERR_OK;
	for (unsigned i = 0; i < count; i++)
		explicit_bzero(keys[i].bytes, sizeof(keys[i].bytes));
	*ret_option = s.option;
	return err;
}
