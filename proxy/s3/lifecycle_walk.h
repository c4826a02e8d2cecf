/* lifecycle_walk: does what the rules of a bucket say, a page of its names after the other: by
 * requests of our own (errand.h), so that all that S3 keeps to (conditions, locks, versions, parts)
 * holds for it. Nothing goes that was not looked at just before, and only that very version.
 *
 *   rules -> (note) -> list -> rows -> ... -> note         objects and versions, page by page
 *   rules -> uploads -> (abort)*                           then uploads
 *   bucket -> (note) -> list -> marks -> (object -> versions -> manifests) -> sweep -> note
 *                                                          parts that nothing needs any more
 *
 * A page may be done twice. Where a walk of many pages is, is noted in the cloud itself: who goes
 * on, after a restart or as the bucket's new first primary, begins there, and does not begin again
 * on the same day. */
#ifndef PROXY_S3_LIFECYCLE_WALK_H
#define PROXY_S3_LIFECYCLE_WALK_H

#include "proxy/proxy.h"
#include "proxy/sub.h"

enum lifecycle_count {
	LIFECYCLE_SEEN,    /* rows looked at */
	LIFECYCLE_EXPIRED, /* current versions */
	LIFECYCLE_NONCURRENT,
	LIFECYCLE_MOVED,   /* to other storage classes */
	LIFECYCLE_MARKERS, /* delete markers that hid nothing any more */
	LIFECYCLE_ABORTED, /* uploads */
	LIFECYCLE_SWEPT,   /* parts that nothing needed */
	LIFECYCLE_FAILED,
	LIFECYCLE_COUNTS
};
extern const char *const lifecycle_counts[LIFECYCLE_COUNTS];

struct lifecycle_walk {
	/* The caller's */
	struct proxy *proxy;
	const char *account, *container; /* borrowed */
	uint64_t round;                  /* number of the day; 0: no notes are kept */
	uint64_t day_s;
	void (*done)(struct lifecycle_walk *walk); /* of a page, from the loop */
	/* Where it is */
	bool begun, uploads, ended;
	struct buf key, version;   /* owned: what was last looked at */
	uint64_t newer, successor; /* of its key: noncurrent versions so far; time of the last */
	/* Of this walk */
	uint64_t counts[LIFECYCLE_COUNTS];
	unsigned pages;
};

/* Is it a bucket with rules, or the parts of one? Pure; headers: a kv block. */
bool lifecycle_walks(const char *account, const char *container, const struct buf *headers);

/* Zeroed but for the caller's. After each page `done` is called; walk->ended: it was the last. */
void lifecycle_walk_page(struct lifecycle_walk *walk);
void lifecycle_walk_done(struct lifecycle_walk *walk);

/* --- for its parts --- */

void lifecycle_page_over(void *walk, int status); /* of an errand that was a page */

/* lifecycle_sweep.c: the page of a container of parts. */
void lifecycle_sweep_page(struct request *errand, struct lifecycle_walk *walk);

/* lifecycle_note.c: call until they return true. Begins where another has come to, on the same day;
 * tells where it is. A walk of one page is not worth a note. */
struct lifecycle_note {
	struct sub sub; /* sub_done is the caller's */
	bool asked, made, again;
};
bool lifecycle_note_read(
        struct request *request, struct lifecycle_walk *walk, struct lifecycle_note *note);
bool lifecycle_note_write(
        struct request *request, const struct lifecycle_walk *walk, struct lifecycle_note *note);

#endif
