#include "proxy/s3/sign.h"

#include "lib/base/ts.h"
#include "lib/crypto/hmac.h"
#include "lib/crypto/sha256.h"
#include "lib/http/url.h"
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define PARAMS_MAX 128
#define EMPTY_HASH "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

/* --- the query as it was sent --- */

struct param {
	const char *name, *value; /* decoded */
};

static const char *query_of(const struct http_req *http)
{
	const char *question = strchr(http->target, '?');

	return question ? question + 1 : "";
}

/* Returns how many there are; what is beyond PARAMS_MAX is left out, so such a signature is wrong.
 */
static unsigned read_params(
        const struct http_req *http, struct arena *arena, struct param params[PARAMS_MAX])
{
	unsigned count = 0;
	size_t ignored;

	for (const char *p = query_of(http); *p && count < PARAMS_MAX;) {
		size_t len = strcspn(p, "&"), name_len = 0;
		while (name_len < len && p[name_len] != '=')
			name_len++;
		size_t skip = name_len + (name_len < len);
		if (len)
			params[count++] =
			        (struct param){url_unquote_plus(arena, p, name_len, &ignored),
			                url_unquote_plus(arena, p + skip, len - skip, &ignored)};
		p += len + (p[len] == '&');
	}
	return count;
}

static const char *param_of(const struct http_req *http, struct arena *arena, const char *name)
{
	struct param params[PARAMS_MAX];
	unsigned count = read_params(http, arena, params);

	for (unsigned i = 0; i < count; i++) {
		if (strcmp(params[i].name, name) == 0)
			return params[i].value;
	}
	return NULL;
}

/* --- what it says --- */

static bool in_query(const struct http_req *http, const char *name)
{
	const char *query = query_of(http), *at = query;
	size_t len = strlen(name);

	while ((at = strstr(at, name))) {
		if ((at == query || at[-1] == '&') && at[len] == '=')
			return true;
		at += len;
	}
	return false;
}

bool s3_sign_present(const struct http_req *http)
{
	const char *authorization = http_get(http, "Authorization");

	if (authorization &&
	        (strncmp(authorization, "AWS ", 4) == 0 ||
	                strncmp(authorization, S3_ALGORITHM, strlen(S3_ALGORITHM)) == 0))
		return true;
	return in_query(http, "X-Amz-Signature") || in_query(http, "X-Amz-Algorithm") ||
	       in_query(http, "X-Amz-Credential") || in_query(http, "AWSAccessKeyId");
}

/* "20261121T120000Z" */
static bool parse_time(const char *text, int64_t *ret_at)
{
	struct tm tm = {0};
	const char *end = strptime(text, "%Y%m%dT%H%M%SZ", &tm);

	if (!end || *end || strlen(text) != 16)
		return false;
	*ret_at = timegm(&tm);
	return true;
}

/* An access key may have slashes of its own. Some clients know no region. */
bool s3_sign_credential(struct arena *arena, const char *credential, struct s3_sign *s)
{
	char *text = arena_strdup(arena, credential), *parts[4];

	for (int i = 3; i >= 0; i--) {
		char *slash = strrchr(text, '/');
		if (!slash)
			return false;
		*slash = 0;
		parts[i] = slash + 1;
	}
	s->access = text;
	s->date = parts[0];
	s->region = parts[1];
	s->service = parts[2];
	return *text && strlen(s->date) == 8 && *s->service &&
	       strcmp(parts[3], "aws4_request") == 0;
}

static bool signs_host(const char *headers)
{
	for (const char *p = headers; p; p = strchr(p, ';') ? strchr(p, ';') + 1 : NULL) {
		if (strcspn(p, ";") == 4 && strncasecmp(p, "host", 4) == 0)
			return true;
	}
	return false;
}

static enum s3_error parse_time_4(struct http_req *http, struct s3_sign *s, const char **ret_text)
{
	const char *time = http_get(http, "X-Amz-Date"), *date = http_get(http, "Date");
	struct tm tm;

	if (!time && date && !parse_time(date, &s->at) && http_date_parse(date, &s->at)) {
		time_t at = (time_t)s->at;
		char *text = arena_alloc(&http->arena, 17);
		strftime(text, 17, "%Y%m%dT%H%M%SZ", gmtime_r(&at, &tm));
		time = text;
	} else if (!time) {
		time = date;
	}
	if (!time || !parse_time(time, &s->at)) {
		*ret_text = "AWS authentication requires a valid Date or x-amz-date header";
		return S3_AccessDenied;
	}
	s->time = time;
	return S3_OK;
}

/* "AWS4-HMAC-SHA256 Credential=..., SignedHeaders=..., Signature=..." */
static enum s3_error parse_header_4(
        struct http_req *http, const char *text, struct s3_sign *s, const char **ret_text)
{
	const char *credential = NULL;

	for (const char *p = text + strlen(S3_ALGORITHM); *p;) {
		p += strspn(p, ", \t");
		size_t len = strcspn(p, ",");
		const char *item = arena_strndup(&http->arena, p, len);
		if (strncmp(item, "Credential=", 11) == 0)
			credential = item + 11;
		else if (strncmp(item, "SignedHeaders=", 14) == 0)
			s->headers = item + 14;
		else if (strncmp(item, "Signature=", 10) == 0)
			s->signature = item + 10;
		p += len;
	}
	if (!credential || !s->headers || !s->signature) {
		*ret_text =
		        "The authorization header wants Credential, SignedHeaders and Signature.";
		return S3_AuthorizationHeaderMalformed;
	}
	if (!s3_sign_credential(&http->arena, credential, s)) {
		*ret_text = "The authorization header is malformed; the Credential is mal-formed; "
		            "expecting \"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\".";
		return S3_AuthorizationHeaderMalformed;
	}
	s->payload = http_get(http, "X-Amz-Content-Sha256");
	if (!s->payload && strcmp(s->service, "s3") == 0) {
		*ret_text = "Missing required header for this request: x-amz-content-sha256";
		return S3_InvalidRequest;
	}
	s->until = INT64_MAX;
	return parse_time_4(http, s, ret_text);
}

static enum s3_error parse_query_4(struct http_req *http, struct s3_sign *s, const char **ret_text)
{
	struct arena *arena = &http->arena;
	const char *algorithm = param_of(http, arena, "X-Amz-Algorithm"),
	           *credential = param_of(http, arena, "X-Amz-Credential"),
	           *expires = param_of(http, arena, "X-Amz-Expires");
	char *end;

	s->in_query = true;
	s->headers = param_of(http, arena, "X-Amz-SignedHeaders");
	s->signature = param_of(http, arena, "X-Amz-Signature");
	s->time = param_of(http, arena, "X-Amz-Date");
	s->payload = http_get(http, "X-Amz-Content-Sha256");
	if (!s->payload)
		s->payload = S3_PAYLOAD_NONE;
	if (!algorithm || !credential || !expires || !s->headers || !s->signature || !s->time) {
		*ret_text = "Query-string authentication version 4 requires the X-Amz-Algorithm, "
		            "X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, "
		            "and X-Amz-Expires parameters.";
		return S3_AuthorizationQueryParametersError;
	}
	errno = 0;
	long long life = strtoll(expires, &end, 10);
	if (strcmp(algorithm, S3_ALGORITHM) != 0)
		*ret_text = "X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256\"";
	else if (!s3_sign_credential(arena, credential, s))
		*ret_text = "Error parsing the X-Amz-Credential parameter; the Credential is "
		            "mal-formed; expecting "
		            "\"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\".";
	else if (!parse_time(s->time, &s->at))
		*ret_text =
		        "X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"";
	else if (end == expires || *end || errno == ERANGE)
		*ret_text = "X-Amz-Expires should be a number";
	else if (life < 0)
		*ret_text = "X-Amz-Expires must be non-negative";
	else if (life > S3_PRESIGNED_S)
		*ret_text = "X-Amz-Expires must be less than a week (in seconds); that is, the "
		            "given X-Amz-Expires must be less than 604800 seconds";
	else
		s->until = s->at + life - !life; /* 0: not even now */
	return *ret_text ? S3_AuthorizationQueryParametersError : S3_OK;
}

/* "AWS access:signature" */
static enum s3_error parse_header_2(
        struct http_req *http, const char *text, struct s3_sign *s, const char **ret_text)
{
	const char *colon = strrchr(text, ':'), *access = text + 4 + strspn(text + 4, " ");
	const char *date = http_get(http, "X-Amz-Date");

	if (!colon || colon <= access || !colon[1]) {
		*ret_text = "AWS authorization header is invalid.  Expected "
		            "AwsAccessKeyId:signature";
		return S3_InvalidArgument;
	}
	s->access = arena_strndup(&http->arena, access, (size_t)(colon - access));
	s->signature = colon + 1;
	s->until = INT64_MAX;
	if (!date)
		date = http_get(http, "Date");
	if (!date || (!http_date_parse(date, &s->at) && !parse_time(date, &s->at))) {
		*ret_text = "AWS authentication requires a valid Date or x-amz-date header";
		return S3_AccessDenied;
	}
	return S3_OK;
}

static enum s3_error parse_query_2(struct http_req *http, struct s3_sign *s, const char **ret_text)
{
	const char *expires = param_of(http, &http->arena, "Expires");
	char *end = NULL;

	s->in_query = true;
	s->access = param_of(http, &http->arena, "AWSAccessKeyId");
	s->signature = param_of(http, &http->arena, "Signature");
	if (expires)
		s->until = strtoll(expires, &end, 10);
	if (!expires || !s->signature || !s->access) {
		*ret_text = "Query-string authentication requires the Signature, Expires and "
		            "AWSAccessKeyId parameters";
		return S3_AccessDenied;
	}
	if (end == expires || *end || s->until > INT32_MAX) {
		*ret_text = "Invalid date (should be seconds since epoch)";
		return S3_AccessDenied;
	}
	return S3_OK;
}

enum s3_error s3_sign_parse(struct http_req *http, struct s3_sign *s, const char **ret_text)
{
	const char *authorization = http_get(http, "Authorization");
	bool four = in_query(http, "X-Amz-Signature") || in_query(http, "X-Amz-Algorithm") ||
	            in_query(http, "X-Amz-Credential");
	bool two = in_query(http, "AWSAccessKeyId");
	enum s3_error error = S3_OK;

	*s = (struct s3_sign){.until = INT64_MAX};
	*ret_text = NULL;
	s->session = http_get(http, "X-Amz-Security-Token");
	if (!s->session && (four || two))
		s->session = param_of(http, &http->arena, "X-Amz-Security-Token");
	if (s->session && !*s->session)
		s->session = NULL;
	if (authorization && (four || two)) {
		*ret_text =
		        "Only one auth mechanism allowed; only the X-Amz-Algorithm query "
		        "parameter, Signature query string parameter or the Authorization header "
		        "should be specified";
		return S3_InvalidArgument;
	}
	if (authorization && strncmp(authorization, S3_ALGORITHM, strlen(S3_ALGORITHM)) == 0) {
		s->kind = S3_SIGNED_4;
		error = parse_header_4(http, authorization, s, ret_text);
	} else if (authorization && strncmp(authorization, "AWS ", 4) == 0) {
		s->kind = S3_SIGNED_2;
		error = parse_header_2(http, authorization, s, ret_text);
	} else if (authorization) {
		*ret_text = "Unsupported Authorization Type";
		error = S3_InvalidArgument;
	} else if (four) {
		s->kind = S3_SIGNED_4;
		error = parse_query_4(http, s, ret_text);
	} else if (two) {
		s->kind = S3_SIGNED_2;
		error = parse_query_2(http, s, ret_text);
	}
	if (error || s->kind != S3_SIGNED_4)
		return error;
	if (!signs_host(s->headers)) {
		*ret_text = "The host header has to be signed.";
		return S3_AccessDenied;
	}
	if (strncmp(s->time, s->date, 8) != 0) {
		*ret_text = "Invalid credential date. It is not the same as X-Amz-Date.";
		return s->in_query ? S3_AuthorizationQueryParametersError
		                   : S3_AuthorizationHeaderMalformed;
	}
	return S3_OK;
}

enum s3_error s3_sign_in_time(const struct s3_sign *s, int64_t now_s, const char **ret_text)
{
	bool early = s->at > now_s + S3_SKEW_S;

	*ret_text = NULL;
	if (s->in_query && s->until < now_s) {
		*ret_text = "Request has expired";
		return S3_AccessDenied;
	}
	if (s->in_query && early) {
		*ret_text = "Request is not valid yet";
		return S3_AccessDenied;
	}
	if (!s->in_query && s->kind != S3_UNSIGNED && (early || s->at < now_s - S3_SKEW_S))
		return S3_RequestTimeTooSkewed;
	return S3_OK;
}

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
	struct param params[PARAMS_MAX];
	struct encoded all[PARAMS_MAX];
	unsigned count = *query_of(http) ? read_params(http, arena, params) : 0, n = 0;

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

	value += strspn(value, " \t");
	for (; *value; value++) {
		bool blank = *value == ' ' || *value == '\t';
		if (!blank)
			buf_char(out, *value);
		else if (value[1] && value[1] != ' ' && value[1] != '\t')
			buf_char(out, ' ');
	}
	while (out->len > from && out->data[out->len - 1] == ' ')
		out->len--;
}

static void add_header(const struct http_req *http, const char *name, size_t len, struct buf *out)
{
	bool any = false;

	for (size_t i = 0; i < len; i++)
		buf_char(out, (char)tolower((unsigned char)name[i]));
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
        const struct http_req *http, const struct s3_sign *s, bool as_sent, struct buf *out)
{
	struct arena arena;

	arena_init(&arena);
	buf_printf(out, "%s\n", http->method);
	add_path(http, as_sent, &arena, out);
	buf_char(out, '\n');
	add_query(http, s->in_query, &arena, out);
	buf_char(out, '\n');
	for (const char *p = s->headers;; p++) {
		size_t len = strcspn(p, ";");
		if (len)
			add_header(http, p, len, out);
		p += len;
		if (!*p)
			break;
	}
	buf_printf(out, "\n%s\n%s", s->headers, s->payload ? s->payload : EMPTY_HASH);
	arena_done(&arena);
}

void s3_sign_text_4(
        const struct http_req *http, const struct s3_sign *s, bool as_sent, struct buf *out)
{
	AUTO(buf) struct buf canonical = BUF_NONE;
	uint8_t digest[SHA256_BYTES];

	if (s->policy) {
		buf_str(out, s->policy);
		return;
	}
	s3_sign_canonical_4(http, s, as_sent, &canonical);
	sha256_digest(canonical.data, canonical.len, digest);
	buf_printf(out, S3_ALGORITHM "\n%s\n%s/%s/%s/aws4_request\n", s->time, s->date, s->region,
	        s->service);
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
	struct param params[PARAMS_MAX];
	unsigned count = read_params(http, arena, params);
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
