/* upload_claim: who begins to store the whole of an upload says so on its marker first. While
 * anybody does, nobody gives the upload up, and takes its parts: so of Complete and Abort one is
 * first.
 *
 *     UPLOAD_CLAIMS: "SECONDS-ID SECONDS-ID"     since when, and who; the newest first
 *
 * Several may be at it at once, when a list is sent twice: each adds itself, and takes only itself
 * back. The marker is written in place of the one that was looked at, as Abort deletes it: who
 * comes between is seen. (Plain backends know no conditions: there the last word counts.) */
#ifndef PROXY_S3_UPLOAD_CLAIM_H
#define PROXY_S3_UPLOAD_CLAIM_H

#include "proxy/s3/upload.h"

#define UPLOAD_CLAIMS "X-Object-Transient-Sysmeta-S3-Upload-Stores"
/* Longer than it may take to store a whole: then who claimed it has died. */
#define UPLOAD_CLAIM_S 900

/* --- texts; pure. claims: or NULL --- */

/* Is the whole being stored, or may it be? */
bool claims_stand(const char *claims, uint64_t now_s);
/* Those that stand, with that of `id` as of now. Of more than 16 the oldest are one, nobody's: it
 * stands for as long as they would (each try to complete that was answered 503 leaves one). */
const char *claims_with(struct arena *arena, const char *claims, const char *id, uint64_t now_s);
/* Those that stand, but for that of `id`. */
const char *claims_without(struct arena *arena, const char *claims, const char *id, uint64_t now_s);

/* --- on the marker --- */

/* In the method's own state; zeroed. */
struct upload_claim {
	const char *id;
	struct sub write;
	bool looks;
	unsigned undecided;
	/* Outcome. */
	enum s3_error error; /* OK, NoSuchUpload, ServiceUnavailable: nobody knows */
};

/* Claims the upload that was found, which is looked at again where it has changed: what was read of
 * it before is gone. True when it is known. */
bool upload_claim_make(struct request *request, struct upload *upload, struct upload_claim *claim);
/* Takes it back. True when it is, or it was tried. */
bool upload_claim_drop(struct request *request, struct upload *upload, struct upload_claim *claim);
void upload_claim_done(struct upload_claim *claim);

#endif
