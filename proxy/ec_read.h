/* ec_read: the newest version of an erasure-coded object, and its bytes: what reader.h is for whole
 * replicas, and called by it.
 *
 *   open:  all primaries are asked for their version and drafts, the first k for their fragments.
 *          The newest version that k fragments are known of is read. A newer one with fewer is
 *          ERR_UNAVAILABLE while those that do not answer could complete it, and ignored once they
 *          cannot. One that nobody has committed is committed first, on k + 1 primaries, if need be
 *          after fragments of it were made. A tombstone and a POST, which are whole wherever they
 *          are, need m + 1, and are brought to more when they are on fewer (DESIGN 5.4).
 *   read:  bytes of that version: of the data fragment they are in, or decoded. */
#ifndef PROXY_EC_READ_H
#define PROXY_EC_READ_H

#include "proxy/ec_fetch.h"
#include "proxy/ec_sort.h"

struct ec_rebuild;
struct grants;
struct repair;

struct ec_read {
	struct ec_fetch fetch;
	uint8_t index[PLACE_MAX];
	uint64_t moved; /* of the place: whose fragment may be the one of an older ring */
	uint64_t want_offset, want_len;
	struct fan asked, again; /* again: a GET of the version, when no first one gave it */
	struct fan commit, post; /* a version, its metadata, on those that lack it */
	struct fan sort;         /* what each has of the time that is looked at */
	struct ec_sorted sorted[BACKEND_DRAFTS + 1];
	unsigned sorted_count;
	struct patience patience;
	struct ec_rebuild *rebuild;
	struct repair *repair;
	uint64_t newest_meta, writer; /* writer, grants: see reader_as */
	const struct grants *grants;  /* borrowed */
	uint64_t holders;             /* of the place: known to have a fragment of the version */
	unsigned restarts;
	bool committed, mended;
	bool only_committed; /* drafts that came too late to be sorted may be of another body */
	uint8_t phase;
	/* When ready: */
	enum err err;
	struct backend_reply reply; /* owned: as of a whole object */
	/* Reading on: */
	uint64_t offset, len;
};

struct ec_read *ec_read_open(struct op *op, struct proxy *proxy, unsigned policy,
        const char *account, const char *container, const char *object, uint64_t offset,
        uint64_t len);
/* Call from a state until it returns true. Then err and reply are there. */
bool ec_read_ready(struct ec_read *read);

/* As reader_read and reader_take; `len` may be all that will be read. */
void ec_read_on(struct ec_read *read, uint64_t offset, uint64_t len);
bool ec_read_take(struct ec_read *read, enum err *ret_err, struct bytes **ret_piece,
        size_t *ret_offset, size_t *ret_len);

/* When it is ready, and has not taken that version: can it never become whole? Every primary was
 * asked and has answered (for a writer: has granted the key), and fewer than k have a fragment. */
bool ec_read_is_dead(const struct ec_read *read, uint64_t ts);

void ec_read_close(struct ec_read *read);
void ec_read_free(struct ec_read *read); /* NULL is fine */

#endif
