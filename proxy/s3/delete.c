/* DeleteObject and DeleteObjects.
 *
 *   DeleteObject   prepare -> delete
 *   DeleteObjects  prepare -> read -> delete */
#include "proxy/s3/deletion.h"
#include "proxy/s3/document.h"
#include "proxy/s3/logging.h"
#include "proxy/s3/s3.h"
#include "proxy/s3/version.h"

#include <stdlib.h>
#include <string.h>

/* --- DeleteObject --- */

static void one_done(struct request *request)
{
	s3_deletion_done(request->own);
}

static struct s3_deletion *one(struct request *request)
{
	const struct http_req *http = request->http;
	struct s3_deletion *d = arena_zalloc(request_arena(request), sizeof(*d));

	request->own = d;
	request->own_done = one_done;
	d->request = request;
	d->key = request->object;
	d->version = s3_param(request, "versionId");
	d->if_etag = http_get(http, "If-Match");
	d->if_time = http_get(http, "x-amz-if-match-last-modified-time");
	d->if_size = http_get(http, "x-amz-if-match-size");
	return d;
}

static enum step delete_one(struct op *op)
{
	struct request *request = request_of(op);
	struct s3_deletion *d = request->own ? request->own : one(request);

	if (!s3_deletion_run(d))
		return STEP_WAIT;
	if (d->error)
		return s3_fail_text(request, d->error, d->text);
	if (d->marker)
		http_header(request->http, "x-amz-delete-marker", "true");
	if (d->version || d->marker_id)
		http_header(
		        request->http, "x-amz-version-id", d->version ? d->version : d->marker_id);
	return s3_empty(request, 204);
}

static const struct op_state one_states[] = {
        {"prepare", s3_prepare, TO(1), 15000},
        {"delete", delete_one, 0, 0},
};
const struct method s3_object_delete = {.name = "s3-object-delete", .states = one_states};

/* --- DeleteObjects --- */

#define KEYS_MAX  1000
#define BYTES_MAX (8u << 20) /* keys of 1,024 bytes, each byte of them written as a reference */
#define AT_ONCE   16

enum { PREPARE, READ, DELETE };

struct many {
	struct s3_document document; /* the first member */
	struct s3_deletion slots[AT_ONCE];
	bool used[AT_ONCE];
	const struct xml *next;
	struct buf xml; /* owned */
	bool quiet;
};

static void many_done(struct request *request)
{
	struct many *m = request->own;

	for (unsigned i = 0; i < AT_ONCE; i++)
		s3_deletion_done(&m->slots[i]);
	buf_done(&m->xml);
	s3_document_done(&m->document);
}

/* Is every element one that says what is to be deleted? */
static enum s3_error check_keys(const struct xml *root)
{
	unsigned count = 0;

	for (const struct xml *x = root->first; x; x = x->next) {
		if (strcmp(x->name, "Quiet") == 0)
			continue;
		if (strcmp(x->name, "Object") != 0 || ++count > KEYS_MAX || !xml_text(x, "Key"))
			return S3_MalformedXML;
		if (!*xml_text(x, "Key"))
			return S3_UserKeyMustBeSpecified;
	}
	return count ? S3_OK : S3_MalformedXML;
}

static enum step read_many(struct op *op)
{
	struct request *request = request_of(op);
	struct many *m = request->own;
	enum step step;

	if (!m) {
		m = request->own = arena_zalloc(request_arena(request), sizeof(*m));
		request->own_done = many_done;
	}
	step = s3_document_read(request, "Delete", BYTES_MAX, S3_DIGEST_NEEDED);
	if (step != STEP_NEXT)
		return step;
	const struct xml *root = m->document.root;
	enum s3_error error = check_keys(root);
	if (error)
		return s3_fail(request, error);
	const char *quiet = xml_text(root, "Quiet");
	m->quiet = quiet && is_true(quiet);
	m->next = xml_child(root, "Object");
	s3_xml_begin(&m->xml, "DeleteResult");
	return op_go(op, DELETE);
}

static void tell(struct many *m, const struct s3_deletion *d)
{
	struct buf *out = &m->xml;

	if (!d->error && m->quiet)
		return;
	buf_str(out, d->error ? "<Error>" : "<Deleted>");
	s3_xml_text(out, "Key", d->key);
	if (d->version)
		s3_xml_text(out, "VersionId", d->version);
	if (d->error) {
		s3_xml_text(out, "Code", s3_error_code(d->error));
		s3_xml_text(out, "Message", d->text ? d->text : s3_error_text(d->error));
	} else if (d->marker) {
		s3_xml_bool(out, "DeleteMarker", true);
		s3_xml_text(out, "DeleteMarkerVersionId", d->marker_id);
	}
	buf_str(out, d->error ? "</Error>" : "</Deleted>");
}

static void take(struct request *request, struct many *m, struct s3_deletion *d)
{
	const struct xml *x = m->next;
	const char *version = xml_text(x, "VersionId");

	*d = (struct s3_deletion){
	        .request = request,
	        .key = xml_text(x, "Key"),
	        .version = version && *version ? version : NULL,
	        .if_etag = xml_text(x, "ETag"),
	        .if_time = xml_text(x, "LastModifiedTime"),
	        .if_size = xml_text(x, "Size"),
	};
	m->next = xml_next(x);
}

/* Runs a slot, over one key after the other. False: it waits. */
static bool run(struct request *request, struct many *m, unsigned i)
{
	struct s3_deletion *d = &m->slots[i];

	for (;;) {
		if (m->used[i]) {
			if (!s3_deletion_run(d))
				return false;
			tell(m, d);
			s3_log_key(request, d->key, d->version, d->error);
			s3_deletion_done(d);
			m->used[i] = false;
		}
		if (!m->next)
			return true;
		take(request, m, d);
		m->used[i] = true;
	}
}

static enum step delete_many(struct op *op)
{
	struct request *request = request_of(op);
	struct many *m = request->own;
	bool over = true;

	for (unsigned i = 0; i < AT_ONCE; i++)
		over &= run(request, m, i);
	if (!over)
		return STEP_WAIT;
	buf_str(&m->xml, "</DeleteResult>");
	return s3_reply_xml(request, &m->xml);
}

static const struct op_state many_states[] = {
        [PREPARE] = {"prepare", s3_prepare, TO(READ), 15000},
        [READ] = {"read", read_many, TO(DELETE), 0},
        [DELETE] = {"delete", delete_many, 0, 0},
};
const struct method s3_objects_delete = {
        .name = "s3-objects-delete", .states = many_states, .body = gather_on_body};
