/* The examples of "Signature calculations for the Authorization header" and "Authenticating
 * requests: using query parameters", Amazon S3 API Reference, and of "Signing and authenticating
 * REST requests" for version 2. */
#include "lib/base/base64.h"
#include "lib/crypto/hmac.h"
#include "proxy/s3/sign.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define SECRET "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
#define SCOPE  "AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request"
#define EMPTY  "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

struct request {
	struct http_req http;
	struct http_header headers[8];
};

static void start(struct request *r, const char *method, const char *target)
{
	memset(r, 0, sizeof(*r));
	arena_init(&r->http.arena);
	r->http.method = method;
	r->http.target = target;
	r->http.headers = r->headers;
}

static void add(struct request *r, const char *name, const char *value)
{
	r->headers[r->http.header_count++] = (struct http_header){name, value};
}

static enum s3_error parse(struct request *r, struct s3_sign *sign)
{
	const char *text;

	return s3_sign_parse(&r->http, sign, &text);
}

static void expect_4(struct request *r, bool as_sent)
{
	AUTO(buf) struct buf text = BUF_NONE;
	char signature[S3_SIGNATURE_SIZE];
	uint8_t key[AWS_KEY];
	struct s3_sign sign;

	assert_int_equal(parse(r, &sign), S3_OK);
	assert_int_equal(sign.kind, S3_SIGNED_4);
	assert_string_equal(sign.access, "AKIAIOSFODNN7EXAMPLE");
	aws_signing_key(SECRET, sign.date, sign.region, sign.service, key);
	s3_sign_text_4(&r->http, &sign, as_sent, &text);
	s3_sign_4(key, text.data, text.len, signature);
	assert_string_equal(signature, sign.signature);
	arena_done(&r->http.arena);
}

static void get_object(void **state)
{
	struct request r;

	(void)state;
	start(&r, "GET", "/test.txt");
	add(&r, "Host", "examplebucket.s3.amazonaws.com");
	add(&r, "Authorization",
	        "AWS4-HMAC-SHA256 Credential=" SCOPE
	        ",SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,Signature="
	        "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
	add(&r, "Range", "bytes=0-9");
	add(&r, "x-amz-content-sha256", EMPTY);
	add(&r, "x-amz-date", "20130524T000000Z");
	expect_4(&r, false);
}

static void put_object(void **state)
{
	struct request r;

	(void)state;
	start(&r, "PUT", "/test$file.text");
	add(&r, "Host", "examplebucket.s3.amazonaws.com");
	add(&r, "Date", "Fri, 24 May 2013 00:00:00 GMT");
	add(&r, "Authorization",
	        "AWS4-HMAC-SHA256 Credential=" SCOPE
	        ",SignedHeaders=date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class,"
	        "Signature=98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
	add(&r, "x-amz-date", "20130524T000000Z");
	add(&r, "x-amz-storage-class", "REDUCED_REDUNDANCY");
	add(&r, "x-amz-content-sha256",
	        "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072");
	expect_4(&r, false);
}

static void listing(void **state)
{
	struct request r;

	(void)state;
	start(&r, "GET", "/?max-keys=2&prefix=J");
	add(&r, "Host", "examplebucket.s3.amazonaws.com");
	add(&r, "Authorization",
	        "AWS4-HMAC-SHA256 Credential=" SCOPE
	        ",SignedHeaders=host;x-amz-content-sha256;x-amz-date,Signature="
	        "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
	add(&r, "x-amz-date", "20130524T000000Z");
	add(&r, "x-amz-content-sha256", EMPTY);
	expect_4(&r, false);
}

static void presigned(void **state)
{
	struct request r;

	(void)state;
	start(&r, "GET",
	        "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE"
	        "%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z"
	        "&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature="
	        "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404");
	add(&r, "Host", "examplebucket.s3.amazonaws.com");
	expect_4(&r, false);
}

static void version_2(void **state)
{
	AUTO(buf) struct buf text = BUF_NONE, signature = BUF_NONE;
	struct s3_sign sign;
	struct request r;
	uint8_t mac[20];

	(void)state;
	start(&r, "GET", "/photos/puppy.jpg");
	add(&r, "Host", "awsexamplebucket1.us-west-1.s3.amazonaws.com");
	add(&r, "Date", "Tue, 27 Mar 2007 19:36:42 +0000");
	add(&r, "Authorization", "AWS AKIAIOSFODNN7EXAMPLE:qgk2+6Sv9/oM7G3qLEjTH1a1l1g=");
	r.headers[1].value = "Tue, 27 Mar 2007 19:36:42 GMT";
	assert_int_equal(parse(&r, &sign), S3_OK);
	r.headers[1].value = "Tue, 27 Mar 2007 19:36:42 +0000";
	s3_sign_text_2(&r.http, &sign, "awsexamplebucket1", false, &text);
	assert_string_equal(buf_text(&text), "GET\n\n\nTue, 27 Mar 2007 19:36:42 +0000\n"
	                                     "/awsexamplebucket1/photos/puppy.jpg");
	hmac_sha1(SECRET, strlen(SECRET), text.data, text.len, mac);
	base64_encode(mac, sizeof(mac), &signature);
	assert_string_equal(buf_text(&signature), sign.signature);
	arena_done(&r.http.arena);
}

static void refusals(void **state)
{
	static const struct {
		const char *target, *authorization;
		enum s3_error error;
	} cases[] = {
	        {"/", "AWS4-HMAC-SHA256", S3_AuthorizationHeaderMalformed},
	        {"/", "AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host, Signature=1",
	                S3_AuthorizationHeaderMalformed},
	        {"/",
	                "AWS4-HMAC-SHA256 Credential=" SCOPE
	                ", SignedHeaders=x-amz-date, Signature=1",
	                S3_AccessDenied},
	        {"/", "AWS nothing", S3_InvalidArgument},
	        {"/", "Basic abc", S3_InvalidArgument},
	        {"/?X-Amz-Signature=1", NULL, S3_AuthorizationQueryParametersError},
	        {"/?AWSAccessKeyId=a", NULL, S3_AccessDenied},
	        {"/?AWSAccessKeyId=a&Signature=b&Expires=c", NULL, S3_AccessDenied},
	        {"/?AWSAccessKeyId=a", "AWS a:b", S3_InvalidArgument},
	};

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(cases); i++) {
		struct s3_sign sign;
		struct request r;
		start(&r, "GET", cases[i].target);
		add(&r, "x-amz-date", "20130524T000000Z");
		add(&r, "x-amz-content-sha256", EMPTY);
		if (cases[i].authorization)
			add(&r, "Authorization", cases[i].authorization);
		assert_int_equal(parse(&r, &sign), cases[i].error);
		arena_done(&r.http.arena);
	}
}

/* Whatever is before 1970 is no date, as Swift's s3api and RGW have it; what is far away is one. */
static void dates(void **state)
{
	static const struct {
		const char *authorization, *date;
		enum s3_error error;
	} cases[] = {
	        {"AWS a:b", "Tue, 07 Jul 1950 21:53:04 GMT", S3_AccessDenied},
	        {"AWS a:b", "Thu, 01 Jan 1970 00:00:00 GMT", S3_OK},
	        {"AWS a:b", "Tue, 07 Jul 9999 21:53:04 GMT", S3_OK},
	        {"AWS a:b", "yesterday", S3_AccessDenied},
	        {"AWS a:b", "19500707T215304Z", S3_AccessDenied},
	        {S3_ALGORITHM " Credential=a/19500707/r/s3/aws4_request, SignedHeaders=host, "
	                      "Signature=b",
	                "19500707T215304Z", S3_AccessDenied},
	        {S3_ALGORITHM " Credential=a/19500707/r/s3/aws4_request, SignedHeaders=host, "
	                      "Signature=b",
	                "Fri, 07 Jul 1950 21:53:04 GMT", S3_AccessDenied},
	};

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(cases); i++) {
		struct s3_sign sign;
		struct request r;
		start(&r, "GET", "/");
		add(&r, "Date", cases[i].date);
		add(&r, "x-amz-content-sha256", EMPTY);
		add(&r, "Authorization", cases[i].authorization);
		assert_int_equal(parse(&r, &sign), cases[i].error);
		arena_done(&r.http.arena);
	}
}

static void times(void **state)
{
	struct s3_sign header = {.kind = S3_SIGNED_4, .at = 100000, .until = INT64_MAX},
	               query = {.kind = S3_SIGNED_4,
	                       .in_query = true,
	                       .at = 100000,
	                       .until = 100060};
	const char *text;

	(void)state;
	assert_int_equal(s3_sign_in_time(&header, 100000 + S3_SKEW_S, &text), S3_OK);
	assert_int_equal(
	        s3_sign_in_time(&header, 100001 + S3_SKEW_S, &text), S3_RequestTimeTooSkewed);
	assert_int_equal(
	        s3_sign_in_time(&header, 99999 - S3_SKEW_S, &text), S3_RequestTimeTooSkewed);
	assert_int_equal(s3_sign_in_time(&query, 100060, &text), S3_OK);
	assert_int_equal(s3_sign_in_time(&query, 100061, &text), S3_AccessDenied);
	assert_int_equal(s3_sign_in_time(&query, 99999 - S3_SKEW_S, &text), S3_AccessDenied);
}

/* What is not signed may have been put in by anybody. */
static void left_out(void **state)
{
	struct s3_sign sign = {.kind = S3_SIGNED_4, .headers = "host;x-amz-date"};
	struct request r;

	(void)state;
	start(&r, "GET", "/");
	add(&r, "X-Amz-Date", "20130524T000000Z");
	add(&r, "Range", "bytes=0-1");
	assert_null(s3_sign_left_out(&r.http, &sign));
	add(&r, "X-Amz-Acl", "public-read");
	assert_string_equal(s3_sign_left_out(&r.http, &sign), "X-Amz-Acl");
	arena_done(&r.http.arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(get_object),
	        cmocka_unit_test(put_object),
	        cmocka_unit_test(listing),
	        cmocka_unit_test(presigned),
	        cmocka_unit_test(version_2),
	        cmocka_unit_test(refusals),
	        cmocka_unit_test(dates),
	        cmocka_unit_test(times),
	        cmocka_unit_test(left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
