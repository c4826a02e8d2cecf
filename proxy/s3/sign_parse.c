/* What a request says of its signature. */
#include "proxy/s3/sign.h"
#include "proxy/s3/sign_query.h"

#include "lib/base/ts.h"
#include "lib/crypto/sha256.h"
#include "lib/http/url.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

static bool in_query(const struct http_req *http, const char *name)
{
	const char *query = sign_query(http), *at = query;
	size_t len = strlen(name);

	while ((at = strstr(at, name))) {
		if ((at == query || at[-1] == '&') && at[len] == '=')
			return true;
		at += len;
	}
	return false;
}

static bool is_4_in_query(const struct http_req *http)
{
	return in_query(http, "X-Amz-Signature") || in_query(http, "X-Amz-Algorithm") ||
	       in_query(http, "X-Amz-Credential");
}

bool s3_sign_in_query(const struct http_req *http)
{
	return is_4_in_query(http) || in_query(http, "AWSAccessKeyId");
}

bool s3_sign_present(const struct http_req *http)
{
	const char *authorization = http_get(http, "Authorization");

	if (authorization &&
	        (strncmp(authorization, "AWS ", 4) == 0 ||
	                strncmp(authorization, S3_ALGORITHM, strlen(S3_ALGORITHM)) == 0))
		return true;
	return s3_sign_in_query(http);
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
	if (!time || !parse_time(time, &s->at) || s->at < 0) {
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
	const char *algorithm = sign_param(http, arena, "X-Amz-Algorithm"),
	           *credential = sign_param(http, arena, "X-Amz-Credential"),
	           *expires = sign_param(http, arena, "X-Amz-Expires");
	char *end;

	s->in_query = true;
	s->headers = sign_param(http, arena, "X-Amz-SignedHeaders");
	s->signature = sign_param(http, arena, "X-Amz-Signature");
	s->time = sign_param(http, arena, "X-Amz-Date");
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
	if (!date || (!http_date_parse(date, &s->at) && !parse_time(date, &s->at)) || s->at < 0) {
		*ret_text = "AWS authentication requires a valid Date or x-amz-date header";
		return S3_AccessDenied;
	}
	return S3_OK;
}

static enum s3_error parse_query_2(struct http_req *http, struct s3_sign *s, const char **ret_text)
{
	const char *expires = sign_param(http, &http->arena, "Expires");
	char *end = NULL;

	s->in_query = true;
	s->access = sign_param(http, &http->arena, "AWSAccessKeyId");
	s->signature = sign_param(http, &http->arena, "Signature");
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
	bool four = is_4_in_query(http), two = in_query(http, "AWSAccessKeyId");
	enum s3_error error = S3_OK;

	*s = (struct s3_sign){.until = INT64_MAX};
	*ret_text = NULL;
	if (two)
		sign_params_to_headers(http, true);
	s->session = http_get(http, "X-Amz-Security-Token");
	if (!s->session && four)
		s->session = sign_param(http, &http->arena, "X-Amz-Security-Token");
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
