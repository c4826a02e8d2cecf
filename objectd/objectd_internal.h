/* What the files of objectd share: write.c changes versions, stage.c takes large bodies,
 * read.c answers reads, compare.c tells what ranges of keys hold, lease.c keeps
 * keys for conditional writers, horizon.c how far it has promised, objectd.c is the rest. */
#ifndef OBJECTD_OBJECTD_INTERNAL_H
#define OBJECTD_OBJECTD_INTERNAL_H

#include "objectd/objectd.h"

#define UPLOADS_MAX 65536u
#define HANDLES_MAX 65536u
#define PIECES_MAX  16384u     /* pieces of one upload: 16 GiB; a record holds fewer */
#define IDLE_MAX_US 900000000u /* uploads and handles nobody touched this long are dropped */
#define SWEEP_US    10000000u
#define GRANT_US    5000000u
#define PROMISE_US  60000000u /* longer than any message is under way */
#define GRANTS_MAX  65536u

struct upload {
	struct hash_node node;
	uint64_t stage;
	struct list list; /* of all uploads */
	uint64_t used_us;
	struct device_extent *extents; /* owned; len 0: not there yet */
	uint32_t count, cap;
	unsigned flying;
	enum err err;
	bool dropped;
	void (*quiet)(struct upload *upload); /* when nothing is in flight any more, or NULL */
	void *quiet_owner;
	struct objectd *objectd;
};

struct objectd {
	struct device *device;   /* borrowed */
	struct reactor *reactor; /* borrowed */
	uint64_t grant_us;
	struct hash locks; /* keys being written: struct write */
	struct hash leases;
	struct list promises; /* leases that ended, the oldest first */
	struct hash uploads;
	struct list upload_list;
	struct hash handles;
	struct list handle_list;
	uint64_t next_handle;
	struct timer sweep;
	struct horizon *horizon; /* owned; horizon.c */
	uint64_t floor, floor_until_us;
	uint8_t (*fragment_of)(void *owner, uint8_t policy, uint64_t prefix, unsigned bits);
	void *owner;
};

static inline uint64_t objectd_hash(const uint8_t key[16], uint8_t policy)
{
	uint64_t h;

	__builtin_memcpy(&h, key + 4, 8);
	return h + policy;
}

/* objectd.c */
void objectd_reply_version(struct backend_call *call, const struct device_version *version);
/* The number that fragments should have here; 0: not known. */
uint8_t objectd_fragment_of(
        const struct objectd *objectd, uint8_t policy, uint64_t prefix, unsigned bits);
/* Is this known to be another device's fragment? */
bool objectd_misplaced(const struct objectd *objectd, const struct backend_msg *msg,
        const struct device_version *version);
/* The drafts of the message's key into the reply. */
void objectd_reply_drafts(struct objectd *objectd, struct backend_call *call);

/* fragment.c: the header of a fragment is kept as the first of the record's headers. */
void fragment_add(struct buf *headers, const struct fragment *fragment);
/* ret_fragment k 0: none; `headers` without it. ERR_CORRUPT: one that cannot be. */
enum err fragment_split(
        const void *block, size_t len, struct fragment *ret_fragment, struct buf *headers);

/* Its number, by the record's headers; 0: it is none. */
uint8_t fragment_number(const void *block, size_t len);

/* write.c */
void write_start(struct objectd *objectd, struct backend_call *call);

/* lease.c */
enum err lease_take(struct objectd *objectd, const struct backend_msg *msg);
void lease_release(struct objectd *objectd, struct backend_call *call);
/* A write that comes now: true when it waits for the end of another's lease, or was refused. */
bool lease_stops(struct objectd *objectd, struct backend_call *call);
/* Below this nothing is taken of the key, but from who has the lease; 0: no such promise. */
uint64_t lease_promised(struct objectd *objectd, const struct backend_msg *msg);
/* The latest promise of the key to who was to replace a version; 0: none. */
uint64_t lease_replaced(struct objectd *objectd, const struct backend_msg *msg);
void leases_drop(struct objectd *objectd);

/* horizon.c */
void horizon_open(struct objectd *objectd, uint64_t ts);
void horizon_close(struct objectd *objectd);
/* A GRANT that must wait until its promise is durable enough: write_start comes again. */
bool horizon_waits(struct objectd *objectd, struct backend_call *call);
/* What who writes the message must come after, be it promised or not; 0: nothing. */
uint64_t horizon_floor(const struct objectd *objectd, const struct backend_msg *msg);
/* Up to there anything may have been promised before the start; 0: that is long ago. */
uint64_t horizon_forgotten(const struct objectd *objectd);

/* stage.c */
void stage_write(struct objectd *objectd, struct backend_call *call);
void stage_drop(struct objectd *objectd, struct backend_call *call);
struct upload *stage_find(struct objectd *objectd, uint64_t stage);
void stage_free(struct upload *upload); /* releases its space; waits for what is in flight */
void stage_sweep(struct objectd *objectd, bool all);

/* updates.c */
void updates_get(struct objectd *objectd, struct backend_call *call);

/* compare.c */
void compare_start(struct objectd *objectd, struct backend_call *call);

/* read.c */
void read_get(struct objectd *objectd, struct backend_call *call);
void read_more(struct objectd *objectd, struct backend_call *call);
void read_close(struct objectd *objectd, struct backend_call *call);
void read_sweep(struct objectd *objectd, bool all);

#endif
