#include "proxy/s3/document.h"

#include "proxy/s3/s3.h"

#include "lib/base/base64.h"
#include "lib/crypto/md5.h"
#include <string.h>

/* Content-MD5 of the text, when it was sent. */
static enum s3_error check_md5(struct request *request, const struct buf *text)
{
	const char *sent = http_get(request->http, "Content-MD5");
	AUTO(buf) struct buf wanted = BUF_NONE;
	uint8_t digest[16];

	if (!sent)
		return S3_OK;
	if (!base64_decode(sent, strlen(sent), &wanted) || wanted.len != sizeof(digest))
		return S3_InvalidDigest;
	md5_digest(text->data, text->len, digest);
	if (memcmp(wanted.data, digest, sizeof(digest)) == 0)
		return S3_OK;
	s3_error_add(request, "ExpectedDigest", sent);
	return S3_BadDigest;
}

static bool has_digest(const struct http_req *http)
{
	if (http_get(http, "Content-MD5"))
		return true;
	for (unsigned i = 0; i < http->header_count; i++) {
		if (has_prefix(http->headers[i].name, "x-amz-checksum-") ||
		        has_prefix(http->headers[i].name, "x-amz-trailer"))
			return true;
	}
	return false;
}

static enum s3_error check(
        struct request *request, const struct gather *g, enum err err, const char **ret_text)
{
	enum s3_error error;

	if (err == ERR_TOO_LARGE)
		return S3_MalformedXML;
	if (err)
		return S3_ServiceUnavailable;
	error = s3_payload_end(request, ret_text);
	if (error)
		return error;
	if (!g->text.len)
		return S3_MissingRequestBodyError;
	return check_md5(request, &g->text);
}

enum step s3_document_text(struct request *request, size_t max, enum s3_digest digest)
{
	struct s3_document *d = request->own;
	struct gather *g = &d->gather;
	const char *text = NULL;
	enum err err;

	if (digest == S3_DIGEST_NEEDED && !has_digest(request->http))
		return s3_fail_text(request, S3_InvalidRequest,
		        "Missing required header for this request: Content-MD5 OR "
		        "x-amz-checksum-*");
	if (!gather_ready(request, max, &err))
		return STEP_WAIT;
	if (err == ERR_CLIENT_GONE)
		return STEP_DONE;
	enum s3_error error = check(request, g, err, &text);
	if (error)
		return s3_fail_text(request, error, text);
	return STEP_NEXT;
}

bool s3_document_parse(struct request *request, const char *root)
{
	struct s3_document *d = request->own;
	const struct buf *text = &d->gather.text;

	return !xml_parse(text->data, text->len, request_arena(request), &d->root) &&
	       strcmp(d->root->name, root) == 0;
}

enum step s3_document_read(
        struct request *request, const char *root, size_t max, enum s3_digest digest)
{
	enum step step = s3_document_text(request, max, digest);

	if (step == STEP_NEXT && !s3_document_parse(request, root))
		return s3_fail(request, S3_MalformedXML);
	return step;
}

void s3_document_done(struct s3_document *document)
{
	gather_done(&document->gather);
}
