/* reader: the newest version of an object, by a majority of its primaries, and its bytes.
 *
 *   open:  GET to one primary, VERSION to as many others as make a majority. When they agree, done.
 *          Otherwise all others are asked too; a newest version that is not on a majority is
 *          repaired there first (repair.h), or the reader answers ERR_UNAVAILABLE (DESIGN 5.4).
 *          For a conditional writer all are asked at once.
 *          Who does not answer for a while is done without, if a majority does.
 *   read:  bytes of that version from the device that answered, or, when it fails, from another
 *          that holds the same. */
#ifndef PROXY_READER_H
#define PROXY_READER_H

#include "proxy/proxy.h"
#include "proxy/repair.h"
#include "proxy/seal.h"

struct ec_read;
struct grants;

struct reader {
	struct proxy *proxy;
	struct op *op;      /* woken */
	struct ec_read *ec; /* owned: does it all when the policy is erasure-coded; else NULL */
	const char *account, *container, *object; /* borrowed */
	unsigned policy;
	struct place place;
	unsigned asked; /* place.devices[0..asked): of GET and versions */
	unsigned tried; /* place.devices[0..tried): asked for a GET */
	struct fan get, versions, rest;
	struct patience patience;
	uint64_t began_us;
	bool early; /* its patience is a hedge's, shorter than it may wait */
	struct repair *repair;
	uint64_t writer; /* 0, or who has a lease on the key */
	unsigned restarts;
	uint64_t newest, newest_meta; /* the version that was decided on, and its last POST */
	bool corrupt;                 /* the first device could not read its version */
	uint32_t corrupt_device;
	uint64_t want_offset, want_len; /* when ready: where reply's bytes begin */
	uint64_t ask_offset, ask_len;   /* of what is stored */
	struct unseal unseal;
	const char *customer_key; /* borrowed; SEAL_OPEN, or NULL */

	/* When ready: */
	bool ready;
	enum err err; /* OK, NOT_FOUND (deleted_ts tells), UNAVAILABLE, IO, CORRUPT... */
	const struct backend_reply *reply;  /* headers, size, etag, ts, first bytes */
	const struct backend_reply *stored; /* the same as it is on the devices: when sealed not
	                                       that */
	uint32_t device;                    /* that answered, and holds the handle */
	uint64_t handle;                    /* 0: none */

	/* Reading on: */
	struct fan read;
	uint64_t read_offset, read_len;
	bool reading;
	uint64_t lost; /* of the place: failed a read */
	uint8_t phase;
};

/* Starts. `offset` and `len` say which bytes to bring along (len 0: none); a reader
 * that wants more than it brings along asks for all it will read, UINT64_MAX for the rest. */
void reader_open(struct reader *reader, struct op *op, struct proxy *proxy, unsigned policy,
        const char *account, const char *container, const char *object, uint64_t offset,
        uint64_t len);

/* It reads on behalf of a conditional writer that has a lease on the key, from who granted that
 * (borrowed): right after the open. */
void reader_as(struct reader *reader, uint64_t writer, const struct grants *grants);

/* It may be sealed with a customer's key (SEAL_OPEN; borrowed): right after the open. A body that
 * stays closed (unseal.lock) is not to be read: ERR_FORBIDDEN. */
void reader_key(struct reader *reader, const char *customer_key);

/* When ready: what is locked is read as it is stored, SEAL_HEADER among its headers. */
void reader_verbatim(struct reader *reader);

/* Call from a state until it returns true. */
bool reader_ready(struct reader *reader);

/* Asks for bytes of the version (at most BACKEND_PIECE); one at a time. */
void reader_read(struct reader *reader, uint64_t offset, uint64_t len);

/* True when the bytes are there (*ret_piece: a reference the caller gets, with where they lie in
 * it) or failed for good. */
bool reader_take(struct reader *reader, enum err *ret_err, struct bytes **ret_piece,
        size_t *ret_offset, size_t *ret_len);

/* Lets go of the version on its device. */
void reader_close(struct reader *reader);

/* Frees, and lets go of what was not answered. */
void reader_done(struct reader *reader);

#endif
