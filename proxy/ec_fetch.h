/* ec_fetch: the fragments of one version of an object, from the devices that hold them. Asked for
 * are fragments (bits) of one segment, or parts of them; what a device does not give, or not in
 * time, is made out of k others.
 *
 * One thing is wanted at a time. All on the loop of its operation. */
#ifndef PROXY_EC_FETCH_H
#define PROXY_EC_FETCH_H

#include "proxy/proxy.h"

struct ec_source {
	bool usable;         /* a device has it, and has not failed */
	bool told;           /* by the device; else it is thought to have it */
	uint32_t device;     /* that has it */
	uint64_t handle;     /* on that device; 0: none */
	struct fan io;       /* a GET or READ of it */
	struct bytes *bytes; /* owned; what is there of it, NULL: nothing */
	size_t at;           /* in bytes */
	uint64_t segment;
	uint32_t from, len;
};

struct ec_fetch {
	const struct ec *ec; /* borrowed */
	struct op *op;
	struct proxy *proxy;
	const char *account, *container, *object; /* borrowed */
	unsigned policy;
	struct place place;
	uint64_t ts, size; /* of the version; size: the whole body's */
	uint8_t etag[16];  /* the whole body's: two writers may have had the same ts */
	struct ec_source sources[EC_N_MAX];
	struct ec_plan *plan; /* owned; the last one, NULL: none yet */
	/* What is wanted: */
	uint32_t wanted; /* bits of fragments; 0: nothing */
	uint64_t segment;
	uint32_t from, len;
	struct patience patience;
	bool decodes; /* something wanted has to be made */
};

/* Before: ec, op, proxy, the names, policy and place are set. */
void ec_fetch_add(struct ec_fetch *fetch, unsigned index, uint32_t device, uint64_t handle);
/* A device that has some fragment of it, probably this one. */
void ec_fetch_try(struct ec_fetch *fetch, unsigned index, uint32_t device);
/* Bytes of a fragment's start that came along; takes a reference. */
void ec_fetch_keep(struct ec_fetch *fetch, unsigned index, const struct backend_reply *reply);

unsigned ec_fetch_usable(const struct ec_fetch *fetch); /* how many sources */

/* Wants bytes [from, from + len) of the fragments of a segment. */
void ec_fetch_want(
        struct ec_fetch *fetch, uint32_t wanted, uint64_t segment, uint32_t from, uint32_t len);

/* Call from a state until it returns true: ERR_OK, or ERR_IO when too few are left. */
bool ec_fetch_ready(struct ec_fetch *fetch, enum err *ret_err);

/* A wanted fragment: where its byte `from` lies. */
const uint8_t *ec_fetch_bytes(const struct ec_fetch *fetch, unsigned index);

/* Forgets the bytes. */
void ec_fetch_drop(struct ec_fetch *fetch);

/* Lets go of the version on its devices. */
void ec_fetch_close(struct ec_fetch *fetch);
void ec_fetch_done(struct ec_fetch *fetch);

#endif
