#include "lib/auth/aws.h"

#include "lib/base/base64.h"
#include "lib/crypto/hmac.h"
#include "lib/crypto/sha256.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define ALGORITHM "AWS4-HMAC-SHA256"

/* --- helpers --- */

static void add_hex(const uint8_t *bytes, size_t len, struct buf *out)
{
	buf_hex(out, bytes, len);
}

static const char *find(const struct aws_pair *pairs, unsigned count, const char *name)
{
	for (unsigned i = 0; i < count; i++) {
		if (strcmp(pairs[i].name, name) == 0)
			return pairs[i].value;
	}
	return NULL;
}

static const char *param(const struct aws_request *r, const char *name)
{
	return find(r->params, r->param_count, name);
}

static const char *header(const struct aws_request *r, const char *name)
{
	return find(r->headers, r->header_count, name);
}

static void add_quoted(const char *text, struct buf *out)
{
	for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
		if (isalnum(*p) || strchr("-_.~", *p))
			buf_char(out, (char)*p);
		else
			buf_printf(out, "%%%02X", *p);
	}
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct aws_pair *)a)->name, ((const struct aws_pair *)b)->name);
}

static int by_name_without_case(const void *a, const void *b)
{
	return strcasecmp(((const struct aws_pair *)a)->name, ((const struct aws_pair *)b)->name);
}

/* The request's parameters, and one more unless its name is NULL, which takes the place of its
 * like. */
static struct aws_pair *sorted(const struct aws_request *r, const struct aws_pair *more,
        int (*order)(const void *, const void *), struct arena *arena, unsigned *ret_count)
{
	struct aws_pair *pairs = arena_alloc(arena, (r->param_count + 1) * sizeof(*pairs));
	unsigned n = 0;

	for (unsigned i = 0; i < r->param_count; i++) {
		if (!more || strcmp(r->params[i].name, more->name) != 0)
			pairs[n++] = r->params[i];
	}
	if (more)
		pairs[n++] = *more;
	if (n)
		qsort(pairs, n, sizeof(*pairs), order);
	*ret_count = n;
	return pairs;
}

static void add_query(const struct aws_request *r, const struct aws_pair *more, struct arena *arena,
        struct buf *out)
{
	unsigned count;
	const struct aws_pair *pairs = sorted(r, more, by_name, arena, &count);

	for (unsigned i = 0; i < count; i++) {
		if (i)
			buf_char(out, '&');
		add_quoted(pairs[i].name, out);
		buf_char(out, '=');
		add_quoted(pairs[i].value, out);
	}
}

static void add_sha1(const char *secret, const struct buf *text, struct buf *out)
{
	uint8_t mac[20];

	hmac_sha1(secret, strlen(secret), text->data, text->len, mac);
	base64_encode(mac, sizeof(mac), out);
}

/* --- versions 0, 1 and 2 --- */

static enum err sign_0(const struct aws_request *r, const char *secret, struct buf *out)
{
	const char *action = param(r, "Action"), *at = param(r, "Timestamp");
	AUTO(buf) struct buf text = BUF_NONE;

	if (!action || !at)
		return ERR_BAD_REQUEST;
	buf_printf(&text, "%s%s", action, at);
	add_sha1(secret, &text, out);
	return ERR_OK;
}

static enum err sign_1(
        const struct aws_request *r, const char *secret, struct arena *arena, struct buf *out)
{
	unsigned count;
	const struct aws_pair *pairs = sorted(r, NULL, by_name_without_case, arena, &count);
	AUTO(buf) struct buf text = BUF_NONE;

	for (unsigned i = 0; i < count; i++)
		buf_printf(&text, "%s%s", pairs[i].name, pairs[i].value);
	add_sha1(secret, &text, out);
	return ERR_OK;
}

static enum err sign_2(
        const struct aws_request *r, const char *secret, struct arena *arena, struct buf *out)
{
	static const struct aws_pair method = {"SignatureMethod", "HmacSHA256"};
	AUTO(buf) struct buf text = BUF_NONE;
	uint8_t mac[32];

	buf_printf(&text, "%s\n%s\n%s\n", r->verb, r->host, r->path);
	add_query(r, &method, arena, &text);
	hmac_sha256(secret, strlen(secret), text.data, text.len, mac);
	base64_encode(mac, sizeof(mac), out);
	return ERR_OK;
}

/* --- version 4 --- */

static void derive(uint8_t key[AWS_KEY], const char *text)
{
	uint8_t next[AWS_KEY];

	hmac_sha256(key, AWS_KEY, text, strlen(text), next);
	memcpy(key, next, AWS_KEY);
}

void aws_signing_key(const char *secret, const char *date, const char *region, const char *service,
        uint8_t ret_key[AWS_KEY])
{
	AUTO(buf) struct buf first = BUF_NONE;

	buf_printf(&first, "AWS4%s", secret);
	hmac_sha256(first.data, first.len, date, strlen(date), ret_key);
	derive(ret_key, region);
	derive(ret_key, service);
	derive(ret_key, "aws4_request");
	explicit_bzero(first.data, first.len);
}

/* What stands behind "Name=" in the Authorization header, or is the parameter X-Amz-Name. */
static const char *said(const struct aws_request *r, const char *name, struct arena *arena)
{
	const char *authorization = header(r, "Authorization");

	if (!authorization)
		return param(r, arena_printf(arena, "X-Amz-%s", name));
	const char *at = strstr(authorization, arena_printf(arena, "%s=", name));
	if (!at)
		return NULL;
	at += strlen(name) + 1;
	return arena_strndup(arena, at, strcspn(at, ","));
}

static const char *date_of(const struct aws_request *r)
{
	const char *date = header(r, "X-Amz-Date");

	return date ? date : param(r, "X-Amz-Date");
}

static const char *trimmed(const char *text, struct arena *arena, bool lower)
{
	char *copy = arena_strdup(arena, text + strspn(text, " \t\r\n"));
	size_t len = strlen(copy);

	while (len && strchr(" \t\r\n", copy[len - 1]))
		copy[--len] = 0;
	for (char *p = copy; lower && *p; p++)
		*p = (char)tolower((unsigned char)*p);
	return copy;
}

static const char *header_in_lower(
        const struct aws_request *r, const char *name, struct arena *arena)
{
	for (unsigned i = 0; i < r->header_count; i++) {
		if (strcmp(trimmed(r->headers[i].name, arena, true), name) == 0)
			return trimmed(r->headers[i].value, arena, false);
	}
	return NULL;
}

/* Boto before 2.9.3 signs the host without its port. */
static bool strips_port(const struct aws_request *r, struct arena *arena)
{
	const char *agent = header_in_lower(r, "user-agent", arena);

	return agent && strncmp(agent, "Boto/2.", 7) == 0 && isdigit((unsigned char)agent[7]) &&
	       agent[8] == '.' && agent[9] >= '0' && agent[9] <= '2';
}

static void add_headers(
        const struct aws_request *r, const char *names, struct arena *arena, struct buf *out)
{
	bool strip = strips_port(r, arena), any = false;

	for (const char *p = names;; p++) {
		size_t len = strcspn(p, ";");
		const char *name = arena_strndup(arena, p, len),
		           *value = header_in_lower(r, name, arena);
		if (value) {
			bool host = strip && strcmp(name, "host") == 0;
			buf_printf(out, "%s%s:%.*s", any ? "\n" : "", name,
			        (int)(host ? strcspn(value, ":") : strlen(value)), value);
			any = true;
		}
		p += len;
		if (!*p)
			break;
	}
	buf_char(out, '\n');
}

static bool is_4(const struct aws_request *r)
{
	const char *authorization = header(r, "Authorization"),
	           *algorithm = param(r, "X-Amz-Algorithm");

	return (authorization && strncmp(authorization, ALGORITHM, strlen(ALGORITHM)) == 0) ||
	       (algorithm && strcmp(algorithm, ALGORITHM) == 0);
}

/* "access/date/region/service/...": the scope behind the access key, and its parts. */
struct scope {
	const char *text, *date, *region, *service;
};

static bool parse_scope(const char *credential, struct arena *arena, struct scope *ret)
{
	const char *slash = credential ? strchr(credential, '/') : NULL;
	char *save = NULL;

	if (!slash)
		return false;
	char *copy = arena_strdup(arena, slash + 1);
	ret->text = slash + 1;
	ret->date = strtok_r(copy, "/", &save);
	ret->region = strtok_r(NULL, "/", &save);
	ret->service = strtok_r(NULL, "/", &save);
	return ret->service;
}

static void finish(const struct scope *scope, const char *secret, const void *text, size_t len,
        struct buf *out)
{
	uint8_t key[AWS_KEY], mac[32];

	aws_signing_key(secret, scope->date, scope->region, scope->service, key);
	hmac_sha256(key, sizeof(key), text, len, mac);
	add_hex(mac, sizeof(mac), out);
	explicit_bzero(key, sizeof(key));
}

static enum err sign_4(
        const struct aws_request *r, const char *secret, struct arena *arena, struct buf *out)
{
	const char *names = said(r, "SignedHeaders", arena), *date = date_of(r);
	AUTO(buf) struct buf canonical = BUF_NONE;
	AUTO(buf) struct buf text = BUF_NONE;
	struct scope scope;
	uint8_t digest[SHA256_BYTES];

	if (!names || !date || !r->body_hash ||
	        !parse_scope(said(r, "Credential", arena), arena, &scope) ||
	        strncmp(date, scope.date, strlen(scope.date)) != 0)
		return ERR_BAD_REQUEST;
	for (const char *p = r->verb; *p; p++)
		buf_char(&canonical, (char)toupper((unsigned char)*p));
	buf_printf(&canonical, "\n%s\n", r->path);
	if (strcasecmp(r->verb, "POST") != 0)
		add_query(r, NULL, arena, &canonical);
	buf_char(&canonical, '\n');
	add_headers(r, names, arena, &canonical);
	buf_printf(&canonical, "\n%s\n%s", names, r->body_hash);
	sha256_digest(canonical.data, canonical.len, digest);
	buf_printf(&text, ALGORITHM "\n%s\n%s\n", date, scope.text);
	add_hex(digest, sizeof(digest), &text);
	finish(&scope, secret, text.data, text.len, out);
	return ERR_OK;
}

/* --- which --- */

enum err aws_sign(
        const struct aws_request *r, const char *secret, struct arena *arena, struct buf *out)
{
	const char *version = param(r, "SignatureVersion");

	if (version && strcmp(version, "0") == 0)
		return sign_0(r, secret, out);
	if (version && strcmp(version, "1") == 0)
		return sign_1(r, secret, arena, out);
	if (version && strcmp(version, "2") == 0)
		return sign_2(r, secret, arena, out);
	return is_4(r) ? sign_4(r, secret, arena, out) : ERR_BAD_REQUEST;
}

/* Algorithm, time, scope and the hash of the request, a line each. */
static bool parse_text(const char *text, struct arena *arena, struct scope *ret_scope)
{
	char *rest = arena_strdup(arena, text), *line;
	const char *lines[4];
	unsigned n = 0;

	for (; (line = strsep(&rest, "\n")); n++) {
		if (n == COUNT_OF(lines))
			return false;
		lines[n] = line;
	}
	return n == COUNT_OF(lines) && strcmp(lines[0], ALGORITHM) == 0 &&
	       parse_scope(arena_printf(arena, "/%s", lines[2]), arena, ret_scope) &&
	       strcmp(lines[2], arena_printf(arena, "%s/%s/%s/aws4_request", ret_scope->date,
	                                ret_scope->region, ret_scope->service)) == 0;
}

enum err aws_sign_text(
        const void *text, size_t len, const char *secret, struct arena *arena, struct buf *out)
{
	static const char *const services[] = {"s3", "iam", "sts"};
	struct scope scope;
	uint8_t mac[20];

	if (len < 4 || memcmp(text, "AWS4", 4) != 0) {
		hmac_sha1(secret, strlen(secret), text, len, mac);
		base64_encode(mac, sizeof(mac), out);
		return ERR_OK;
	}
	if (memchr(text, 0, len) || !parse_text(arena_strndup(arena, text, len), arena, &scope))
		return ERR_BAD_REQUEST;
	for (unsigned i = 0; i < COUNT_OF(services); i++) {
		if (strcmp(scope.service, services[i]) == 0) {
			finish(&scope, secret, text, len, out);
			return ERR_OK;
		}
	}
	return ERR_BAD_REQUEST;
}
