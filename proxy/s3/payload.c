#include "proxy/s3/payload.h"

#include "proxy/s3/s3.h"

#include "lib/crypto/sha256.h"
#include <stdio.h>
#include <string.h>
#include <strings.h>

static bool is_hash(const char *text)
{
	return strlen(text) == 64 && strspn(text, "0123456789abcdefABCDEF") == 64;
}

enum s3_error s3_payload_begin(struct request *request, const char **ret_text)
{
	struct s3 *s3 = request->s3;
	const char *hash = s3->sign.kind == S3_SIGNED_4
	                           ? s3->sign.payload
	                           : http_get(request->http, "X-Amz-Content-Sha256");

	if (!hash || strcmp(hash, S3_PAYLOAD_NONE) == 0)
		return S3_OK;
	if (has_prefix(hash, S3_PAYLOAD_STREAM))
		return S3_NotImplemented;
	if (!is_hash(hash)) {
		*ret_text = "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-AWS4-HMAC-"
		            "SHA256-PAYLOAD, or a valid sha256 value.";
		return S3_InvalidArgument;
	}
	s3->payload.wanted = hash;
	if (request->http->has_length && !request->http->content_length && !request->http->chunked)
		return S3_OK; /* nobody would look at a body that is not there */
	s3->payload.sha256 = sha256_new();
	return S3_OK;
}

void s3_payload_see(struct request *request, const struct bytes *piece, bool last)
{
	struct s3_payload *p = &request->s3->payload;
	uint8_t digest[SHA256_BYTES];
	char hex[2 * SHA256_BYTES + 1];

	if (!p->sha256)
		return;
	if (piece)
		sha256_add(p->sha256, piece->data, piece->len);
	if (!last)
		return;
	sha256_end(p->sha256, digest);
	p->sha256 = NULL;
	for (unsigned i = 0; i < sizeof(digest); i++)
		snprintf(hex + 2 * i, 3, "%02x", digest[i]);
	if (strcasecmp(hex, p->wanted) != 0)
		p->error = S3_XAmzContentSHA256Mismatch;
}

enum s3_error s3_payload_end(struct request *request, const char **ret_text)
{
	*ret_text = request->s3->payload.error_text;
	return request->s3->payload.error;
}

void s3_payload_done(struct s3_payload *payload)
{
	sha256_free(payload->sha256);
	payload->sha256 = NULL;
}
