/* ec_put: cuts the body of an upload into fragments (lib/ec/fragment.h) while it comes in, and
 * stages them on the primaries, each its own. Two segments at most are in memory: one fills while
 * the fragments of the other are on their way. A body whose fragments are small is not staged: they
 * travel with the commit. */
#ifndef PROXY_EC_PUT_H
#define PROXY_EC_PUT_H

#include "proxy/proxy.h"

#define EC_INLINE_MAX (32u << 10) /* a fragment up to here travels in the OBJECT_PUT itself */

/* Which fragment each device of the place keeps: its place among the primaries of the newest ring
 * that has it. Returns those (bits of the place) that kept another one by an older ring. Call it in
 * the turn in which the place was made. */
uint64_t ec_indices(
        const struct ring_set *rings, const struct place *place, uint8_t ret_index[PLACE_MAX]);

/* The number (index + 1) of the fragments that the device keeps of keys which begin with the first
 * `bits` bits of prefix; 0: it is none of their primaries, or they are more than a partition. rings
 * may be NULL. */
uint8_t ec_fragment_of(
        const struct ring_set *rings, uint64_t prefix, unsigned bits, uint32_t device);

struct ec_segment {
	struct bytes *data[EC_K_MAX]; /* owned: the body as it came, in pieces */
	unsigned count;
	uint64_t bytes;
	struct fan staged;
	struct credit credit;
};

struct ec_put {
	const struct ec *ec; /* borrowed; NULL: not started, the policy is of whole replicas */
	struct op *op;
	struct proxy *proxy;
	const char *account, *container, *object; /* borrowed */
	const struct place *place;                /* borrowed */
	uint8_t index[PLACE_MAX];
	unsigned policy;
	uint64_t stage, size, archive; /* bytes so far: of the body; staged of each archive */
	struct ec_segment segments[2];
	unsigned filling;
	struct bytes *small[EC_N_MAX]; /* owned: the fragments of a body that is not staged */
	bool staging;                  /* something was sent: to be unstaged when given up */
	bool full, failed;             /* a device had no space; memory was out */
	uint64_t lost;                 /* of the place: failed a piece */
};

/* Names, place and policy as in an OBJECT_PUT. Does nothing when the policy is not coded. */
void ec_put_start(struct ec_put *put, struct op *op, struct proxy *proxy, unsigned policy,
        const struct place *place, const char *account, const char *container, const char *object,
        uint64_t stage);

/* May the next piece be received? Asks for memory first: `rest` bytes of the body are still to
 * come, or UINT64_MAX. The op is woken when it may; ERR_BUSY in *ret_err: waited for too long. */
bool ec_put_room(struct ec_put *put, uint64_t rest, enum err *ret_err);

/* A piece of EC_PIECE bytes, or the last one; takes a reference. After ec_put_room said yes. */
void ec_put_add(struct ec_put *put, struct bytes *piece);
void ec_put_end(struct ec_put *put);

/* Takes the answers that came; true when nothing is on its way. */
bool ec_put_idle(struct ec_put *put);

/* The OBJECT_PUT of each device of the place, like `msg` but with its fragment, as a draft. */
void ec_put_messages(
        struct ec_put *put, struct backend_msg *msg, struct backend_msg *ret_msgs[PLACE_MAX]);

void ec_put_done(struct ec_put *put);

#endif
