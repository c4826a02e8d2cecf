/* What is signed, and how. */
#include "proxy/s3/sign.h"
#include "proxy/s3/sign_query.h"

#include "lib/base/ts.h"
#include "lib/crypto/hmac.h"
#include "lib/crypto/sha256.h"
#include "lib/http/url.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define CANONICAL_SIZE 480 /* of most */

#define EMPTY_HASH "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

/* --- version 4 --- */

static void quote_all(struct buf *out, const char *text)
{
	for (const char *slash; (slash = strchr(text, '/')); text = slash + 1) {
		struct arena arena;
		arena_init(&arena);
		url_quote(out, arena_strndup(&arena, text, (size_t)(slash - text)), "");
		arena_done(&arena);
		buf_str(out, "%2F");
	}
	url_quote(out, text, "");
}

struct encoded {
	const char *name, *value;
};

static int by_name(const void *a, const void *b)
{
	const struct encoded *x = a, *y = b;
	int order = strcmp(x->name, y->name);

	return order ? order : strcmp(x->value, y->value);
}

static const char *encode(struct arena *arena, const char *text)
{
	AUTO(buf) struct buf out = BUF_NONE;

	quote_all(&out, text);
	return arena_strdup(arena, buf_text(&out));
}

static void add_query(
        const struct http_req *http, bool in_query, struct arena *arena, struct buf *out)
{
	struct sign_param params[SIGN_PARAMS_MAX];
	struct encoded all[SIGN_PARAMS_MAX];
	unsigned count = *sign_query(http) ? sign_params(http, arena, params) : 0, n = 0;

	for (unsigned i = 0; i < count; i++) {
		if (!in_query || strcmp(params[i].name, "X-Amz-Signature") != 0)
			all[n++] = (struct encoded){
			        encode(arena, params[i].name), encode(arena, params[i].value)};
	}
	qsort(all, n, sizeof(*all), by_name);
	for (unsigned i = 0; i < n; i++)
		buf_printf(out, "%s%s=%s", i ? "&" : "", all[i].name, all[i].value);
}

/* Without blanks at its ends, and one for several within. */
static void add_value(struct buf *out, const char *value)
{
	size_t from = out->len;

	for (value += strspn(value, " \t"); *value; value += strspn(value, " \t")) {
		size_t len = strcspn(value, " \t");
		if (out->len > from)
			buf_char(out, ' ');
		buf_add(out, value, len);
		value += len;
	}
}

static void add_header(const struct http_req *http, const char *name, size_t len, struct buf *out)
{
	char *lower = buf_reserve(out, len);
	bool any = false;

	for (size_t i = 0; lower && i < len; i++)
		lower[i] = (char)tolower((unsigned char)name[i]);
	out->len += lower ? len : 0;
	buf_char(out, ':');
	for (unsigned i = 0; i < http->header_count; i++) {
		const struct http_header *h = &http->headers[i];
		if (strlen(h->name) != len || strncasecmp(h->name, name, len) != 0)
			continue;
		if (any)
			buf_char(out, ',');
		add_value(out, h->value);
		any = true;
	}
	buf_char(out, '\n');
}

static void add_line(struct buf *out, const char *text)
{
	buf_str(out, text);
	buf_char(out, '\n');
}

static void add_path(
        const struct http_req *http, bool as_sent, struct arena *arena, struct buf *out)
{
	size_t len = strcspn(http->target, "?"), decoded;

	if (as_sent)
		buf_add(out, http->target, len);
	else
		url_quote(out, url_unquote(arena, http->target, len, &decoded), "");
}

void s3_sign_canonical_4(
        struct http_req *http, const struct s3_sign *s, bool as_sent, struct buf *out)
{
	buf_reserve(out, CANONICAL_SIZE);
	add_line(out, http->method);
	add_path(http, as_sent, &http->arena, out);
	buf_char(out, '\n');
	add_query(http, s->in_query, &http->arena, out);
	buf_char(out, '\n');
	for (const char *p = s->headers;; p++) {
		size_t len = strcspn(p, ";");
		if (len)
			add_header(http, p, len, out);
		p += len;
		if (!*p)
			break;
	}
	buf_char(out, '\n');
	add_line(out, s->headers);
	buf_str(out, s->payload ? s->payload : EMPTY_HASH);
}

void s3_sign_text_4(struct http_req *http, const struct s3_sign *s, bool as_sent, struct buf *out)
{
	AUTO(buf) struct buf canonical = BUF_NONE;
	uint8_t digest[SHA256_BYTES];

	if (s->policy) {
		buf_str(out, s->policy);
		return;
	}
	s3_sign_canonical_4(http, s, as_sent, &canonical);
	sha256_digest(canonical.data, canonical.len, digest);
	const char *scope[] = {s->date, s->region, s->service};
	add_line(out, S3_ALGORITHM);
	add_line(out, s->time);
	for (unsigned i = 0; i < COUNT_OF(scope); i++) {
		buf_str(out, scope[i]);
		buf_char(out, '/');
	}
	add_line(out, "aws4_request");
	buf_hex(out, digest, sizeof(digest));
}

const char *s3_sign_left_out(const struct http_req *http, const struct s3_sign *s)
{
	for (unsigned i = 0; i < http->header_count && !s->policy; i++) {
		const char *name = http->headers[i].name;
		size_t len = strlen(name);
		bool found = false;
		if (strncasecmp(name, "x-amz-", 6) != 0)
			continue;
		for (const char *p = s->headers; !found && *p;) {
			size_t n = strcspn(p, ";");
			found = n == len && strncasecmp(p, name, len) == 0;
			p += n + (p[n] == ';');
		}
		if (!found)
			return name;
	}
	return NULL;
}

void s3_sign_4(const uint8_t key[AWS_KEY], const void *text, size_t len,
        char ret_signature[S3_SIGNATURE_SIZE])
{
	static const char digits[] = "0123456789abcdef";
	uint8_t mac[32];

	hmac_sha256(key, AWS_KEY, text, len, mac);
	for (unsigned i = 0; i < sizeof(mac); i++) {
		ret_signature[2 * i] = digits[mac[i] >> 4];
		ret_signature[2 * i + 1] = digits[mac[i] & 15];
	}
	ret_signature[64] = 0;
}

bool s3_sign_same(const char *a, const char *b)
{
	size_t len = strlen(a);

	return strlen(b) == len && hmac_equal(a, b, len);
}

/* --- version 2 --- */

static const char *header_or_empty(const struct http_req *http, const char *name)
{
	const char *value = http_get(http, name);

	return value ? value : "";
}

static int by_lower_name(const void *a, const void *b)
{
	return strcasecmp(*(const char *const *)a, *(const char *const *)b);
}

static void add_amz_headers(const struct http_req *http, struct arena *arena, struct buf *out)
{
	const char **names = arena_alloc(arena, (http->header_count + 1) * sizeof(*names));
	unsigned n = 0;

	for (unsigned i = 0; i < http->header_count; i++) {
		if (strncasecmp(http->headers[i].name, "x-amz-", 6) == 0)
			names[n++] = http->headers[i].name;
	}
	qsort(names, n, sizeof(*names), by_lower_name);
	for (unsigned i = 0; i < n; i++) {
		if (i == 0 || strcasecmp(names[i - 1], names[i]) != 0)
			add_header(http, names[i], strlen(names[i]), out);
	}
}

/* Parameters that name something, and so are signed. In their order. */
static const char *const signed_params[] = {"accelerate", "acl", "analytics", "cors", "delete",
        "encryption", "inventory", "lifecycle", "location", "logging", "metrics", "notification",
        "object-lock", "ownershipControls", "partNumber", "policy", "policyStatus",
        "publicAccessBlock", "replication", "requestPayment", "response-cache-control",
        "response-content-disposition", "response-content-encoding", "response-content-language",
        "response-content-type", "response-expires", "restore", "retention", "select", "tagging",
        "torrent", "uploadId", "uploads", "versionId", "versioning", "versions", "website"};

static void add_resource(const struct http_req *http, const char *bucket, bool slash,
        struct arena *arena, struct buf *out)
{
	struct sign_param params[SIGN_PARAMS_MAX];
	unsigned count = sign_params(http, arena, params);
	char mark = '?';

	if (bucket)
		buf_printf(out, "/%s", bucket);
	buf_add(out, http->target, strcspn(http->target, "?"));
	if (slash)
		buf_char(out, '/');
	for (unsigned s = 0; s < COUNT_OF(signed_params); s++) {
		for (unsigned i = 0; i < count; i++) {
			if (strcmp(params[i].name, signed_params[s]) != 0)
				continue;
			buf_printf(out, "%c%s", mark, params[i].name);
			if (*params[i].value)
				buf_printf(out, "=%s", params[i].value);
			mark = '&';
		}
	}
}

void s3_sign_text_2(const struct http_req *http, const struct s3_sign *s, const char *bucket,
        bool slash, struct buf *out)
{
	struct arena arena;

	if (s->policy) {
		buf_str(out, s->policy);
		return;
	}
	arena_init(&arena);
	buf_printf(out, "%s\n%s\n%s\n", http->method, header_or_empty(http, "Content-MD5"),
	        header_or_empty(http, "Content-Type"));
	if (s->in_query)
		buf_printf(out, "%lld\n", (long long)s->until);
	else
		buf_printf(out, "%s\n",
		        http_get(http, "X-Amz-Date") ? "" : header_or_empty(http, "Date"));
	add_amz_headers(http, &arena, out);
	add_resource(http, bucket, slash, &arena, out);
	arena_done(&arena);
}
