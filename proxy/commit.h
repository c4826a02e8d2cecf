/* commit: the end of every object write: the record on a majority of the primaries, then the
 * listing rows on a majority of their containers, then word to the devices that the rows are
 * settled (DESIGN 5.4).
 *
 *   (grant first -> grant rest (-> look) | versions) -> record -> rows -> settle */
#ifndef PROXY_COMMIT_H
#define PROXY_COMMIT_H

#include "proxy/grants.h"
#include "proxy/proxy.h"
#include "proxy/reader.h"
#include "proxy/rows.h"

#define COMMIT_ROWS 5

struct ec_put;
struct s3_event;

struct commit {
	struct op *op;
	struct proxy *proxy;
	struct backend_msg *msg; /* owned until sent; carries the updates */
	struct place place;
	struct ec_put *fragments; /* borrowed until commit_done; NULL: whole replicas */
	struct fan decision;      /* COMMIT of the drafts */
	struct reader look;       /* what is there, where drafts leave it open */
	bool only_if_absent;      /* If-None-Match: * */
	uint64_t only_if_at; /* only in place of the version, or its POST, of this time; or 0 */
	bool set_time;       /* its ts is not ours to change: a later version wins */
	const char *synced;  /* sync_since() of the container, borrowed: commit_updates
	                        queues it for the other cluster */
	const struct s3_event *event; /* borrowed: commit_updates notes it; NULL: none */
	struct grants grants;
	struct fan versions, record;
	uint64_t known; /* POST: the version it is for; else the newest there when the key was
	                   granted */
	unsigned tries; /* times that it had to begin again */
	struct row_put rows[COMMIT_ROWS];
	unsigned row_count, rows_done;
	uint8_t phase;
	bool settles;
	/* Outcome, when commit_ready said true. */
	enum err err;     /* OK; NOT_FOUND (delete of nothing, POST to it); PRECONDITION; CONFLICT
	                     (set_time, or a plain backend: a later version; POST: deleted since,
	                     and it may have been there before); NO_SPACE; CLOCK; UNAVAILABLE */
	bool passed;      /* of OK and UNAVAILABLE: a later write was in the way */
	bool unsettled;   /* some listing row reached no majority */
	enum err row_err; /* of the row in the object's own container */
};

/* A message for an object of the request's account, with its place, of now. The caller fills
 * headers, body and the like, then hands it to commit_start. */
struct backend_msg *commit_message(struct commit *commit, enum backend_op op, struct op *owner,
        struct proxy *proxy, unsigned policy, const char *account, const char *container,
        const char *object);

/* The rows that ride with the record: the object's own (row->ts: of the version that a POST has
 * read, whose size and hash these are; else 0), and its expiry (old_at: when an expiry row is known
 * to be there and must go; at: the new one; 0 none). The message has its headers already: by
 * X-Object-Sysmeta-Container-Update-Override-{Etag,Size,Content-Type} they say what the row has
 * instead. */
void commit_updates(
        struct commit *commit, const struct backend_row *row, uint64_t old_at, uint64_t at);

/* For a DELETE of what a read has found: makes its time, and those of its rows, one just behind
 * that, so that what was written meanwhile stays. `began`: hlc_now before the read. Nothing is far
 * older than the read, or tombstones that a node has missed would be reclaimed before it is back.
 * Call between commit_message and commit_updates; a later version then means ERR_CONFLICT. */
void commit_behind(struct commit *commit, const struct backend_reply *found, uint64_t began);

/* Such a time. */
uint64_t commit_time_behind(uint64_t found, uint64_t began);

void commit_start(struct commit *commit);
bool commit_ready(struct commit *commit);

/* After the last child of the op has ended. */
void commit_done(struct commit *commit);

/* Where objects that expire are kept, in order of time: rows "seconds-account/container/object". */
#define EXPIRY_ACCOUNT   ".cairn"
#define EXPIRY_CONTAINER "expiry"
/* Content type of a row that does not ask when the object expires: every version that is not newer
 * than the row goes. With "/container/object" behind it: once that one, as old as the row or older,
 * is gone; if it is still there EXPIRY_WAIT_S later, the row goes. */
#define EXPIRY_AT_ONCE "application/async-deleted"
#define EXPIRY_WAIT_S  60

/* Whose answer to a POST says that it went to a version older than `ts`: bits of the place. Of
 * fragments it is lost there when the draft of `ts` becomes the version. */
uint64_t commit_astray(const struct fan *posted, const struct place *place, uint64_t ts);

#endif
