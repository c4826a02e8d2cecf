/* document: the XML that comes with a request, as a whole: gathered, compared with what was signed
 * and with the digests that were sent along, and read. */
#ifndef PROXY_S3_DOCUMENT_H
#define PROXY_S3_DOCUMENT_H

#include "lib/xml/xml.h"
#include "proxy/unit/gather.h"

/* The first member of what request->own is; then gather_on_body is the method's body. Zeroed. */
struct s3_document {
	struct gather gather; /* the first member */
	const struct xml *root;
};

enum s3_digest { S3_DIGEST_IF_SENT, S3_DIGEST_NEEDED };

/* STEP_WAIT; STEP_DONE: it has answered; STEP_NEXT: document->root is there, of that name. */
enum step s3_document_read(
        struct request *request, const char *root, size_t max, enum s3_digest digest);
/* The same of one that is no XML: document->gather.text. */
enum step s3_document_text(struct request *request, size_t max, enum s3_digest digest);
/* What that has brought as XML. False: it is none, or has another root. */
bool s3_document_parse(struct request *request, const char *root);
void s3_document_done(struct s3_document *document);

#endif
