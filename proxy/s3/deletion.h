/* deletion: one key, or one version of it, is deleted as S3 has it: by requests of our own, to
 * which access has been granted before.
 *
 *   where nothing is versioned        (look ->) delete
 *   versioned                         (look ->) mark
 *   suspended                         named -> nulls -> mark as null -> unlink -> delete null
 *   versioned, with `still`           look -> link -> mark -> unlink (-> unmark)
 *   a version                         look -> current (-> other -> move to it) -> delete -> after
 *                                     (-> newest -> link to it -> check)
 *   the version "null"                named (-> nulls) -> as a version
 *
 * When the current version goes, the newest that is left becomes it. */
#ifndef PROXY_S3_DELETION_H
#define PROXY_S3_DELETION_H

#include "proxy/s3/error.h"
#include "proxy/s3/parts.h"
#include "proxy/sub.h"

struct s3_deletion {
	/* Wanted; all borrowed. */
	const char *key, *version;
	const char *if_etag, *if_time, *if_size; /* NULL: any will do */
	/* Asked about what is found, before it goes: is it still to? Just that goes then. NULL:
	 * yes. */
	bool (*still)(struct s3_deletion *deletion, const struct sub *head);
	/* Outcome. */
	enum s3_error error;
	const char *text;      /* NULL: the error's own */
	bool marker;           /* a delete marker was made, or has been deleted */
	const char *marker_id; /* of that, or NULL */
	/* private */
	struct request *request;
	struct sub sub;
	struct s3_parts parts; /* of what is deleted */
	uint8_t step, tries, again;
	struct timer timer;
	bool asked, over, pauses;
	uint64_t page_at;  /* the last version on the page before */
	uint64_t id;       /* of the version that goes, or is linked to */
	uint64_t linked;   /* to that one in its place */
	uint64_t marked;   /* the delete marker that was made */
	uint64_t found_at; /* when what is there was written */
};

/* Call again until it is true. */
bool s3_deletion_run(struct s3_deletion *deletion);
void s3_deletion_done(struct s3_deletion *deletion);

#endif
