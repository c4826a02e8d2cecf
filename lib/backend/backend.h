/* backend: how the proxy asks storage devices. Message-shaped: a message is built once, is
 * read-only when sent and owns all it points at, so the same message goes to every replica,
 * in this process (`local`) or over a wire. Replies own what they carry.
 *
 * A call is sent from a reactor's loop and its `done` runs from that same reactor's loop, exactly
 * once, also when the device is gone (ERR_UNAVAILABLE) or the deadline passed (ERR_DEADLINE).
 *
 * Who answers: objectd the OBJECT_ messages, containerd and accountd the DB_ messages of their
 * kind. Contract: DESIGN 5.4. */
#ifndef LIB_BACKEND_BACKEND_H
#define LIB_BACKEND_BACKEND_H

#include "lib/base/buf.h"
#include "lib/base/bytes.h"
#include "lib/ec/fragment.h"
#include "lib/reactor/reactor.h"
#include <stdatomic.h>

enum backend_op {
	/* One piece of a large body, before its OBJECT_PUT: stage names the upload, offset and body
	 * the piece (whole multiples of BACKEND_PIECE but for the last). OK means written, not
	 * durable. Stages that are never put are dropped by OBJECT_UNSTAGE. */
	BACKEND_OBJECT_STAGE,
	BACKEND_OBJECT_UNSTAGE,
	/* Stores a version: headers, size, etag, ts; the body inline (body) or staged (stage != 0).
	 * OK means durable, and visible from then on. ERR_CONFLICT when the device knows a version
	 * or tombstone with ts >= this one (reply.ts says which). Carries updates. A repair brings
	 * meta_ts too, when headers are those of a later POST, which counts between copies of one
	 * version; the same one again is taken by a device that cannot read its own. */
	BACKEND_OBJECT_PUT,
	/* Replaces the metadata of the newest version by headers; ts is that of the POST, reply.ts
	 * that of the version. ERR_NOT_FOUND, ERR_CONFLICT as above. Carries updates. */
	BACKEND_OBJECT_POST,
	/* Writes a tombstone. OK when a live version was there, ERR_NOT_FOUND when none was (the
	 * tombstone is durable in both cases), reply.ts, deleted and drafts telling what was;
	 * ERR_CONFLICT as above. Carries updates. With `if_lasting` ERR_PRECONDITION, and nothing
	 * is written, when the version there expires. */
	BACKEND_OBJECT_DELETE,
	/* Newest version known, from memory: reply.ts, reply.deleted. ERR_NOT_FOUND: nothing at
	 * all. A tombstone answers OK with deleted. */
	BACKEND_OBJECT_VERSION,
	/* Headers, size, etag of the newest version, and its first bytes: the body from
	 * offset, up to len bytes or as much as one piece has (reply.body may be shorter: 0 bytes
	 * with len 0 is HEAD). With more to come reply.handle pins the version until
	 * OBJECT_CLOSE. ERR_NOT_FOUND: none, or deleted (reply.deleted, reply.ts tell). Asked by
	 * key alone (no names), reply.path has the names. */
	BACKEND_OBJECT_GET,
	/* Bytes of a pinned version: offset, len; a reply of at most one piece. */
	BACKEND_OBJECT_READ,
	BACKEND_OBJECT_CLOSE,
	/* Conditional writes: a short lease in memory on the key for `stage` (the writer's id,
	 * which its messages have as handle), and the newest version as OBJECT_VERSION tells it.
	 * What others write waits for its end. ERR_BUSY: another writer holds it. RELEASE with ts
	 * 0: nothing was written. Otherwise, and when it runs out, what is older than ts is refused
	 * for a minute: ERR_CONFLICT where ts, or newer, is here, ERR_BUSY where it is not. */
	BACKEND_OBJECT_GRANT,
	BACKEND_OBJECT_RELEASE,
	/* The listing updates that these records carry have reached their majority: msg->settled,
	 * of any keys of the device. Rides in a later batch; OK at once. */
	BACKEND_OBJECT_SETTLED,

	/* Accounts and containers as ordered rows of names with exact totals.
	 * PUT creates or updates (headers merged: an empty value removes); OK created, ERR_EXISTS
	 * when it was there (also success). DELETE: ERR_CONFLICT when rows are left, ERR_NOT_FOUND.
	 * POST: ERR_NOT_FOUND. HEAD: headers and totals. UPDATE: merges rows, last writer wins; a
	 * row for a container that is not there is ERR_NOT_FOUND. LIST: HEAD plus rows in order.
	 * ROWS: what is known of the names of msg->rows, also that they were deleted, in their
	 * order. */
	BACKEND_DB_PUT,
	BACKEND_DB_DELETE,
	BACKEND_DB_POST,
	BACKEND_DB_HEAD,
	BACKEND_DB_UPDATE,
	BACKEND_DB_LIST,
	BACKEND_DB_ROWS,

	/* Replicas are compared by what they hold in ranges of keys: those whose first range_bits
	 * bits are those of msg->ranges[i] (ascending). A tombstone older than `ts` says no more
	 * than nothing would, where nothing else is known of its key.
	 * DIGEST: a backend_digest for each of the 1 << fan_out equal parts of each range, over
	 * versions and tombstones, but tombstones older than ts. KEYS: a backend_key for each of
	 * them, those tombstones too, in order; at most len (0: as many as fit), and then
	 * reply.more. Both from memory. */
	BACKEND_OBJECT_DIGEST,
	BACKEND_OBJECT_KEYS,
	/* The same of accounts and containers: a digest over what each knows of itself and the
	 * hash of its live rows; a backend_db_key of each. */
	BACKEND_DB_DIGEST,
	BACKEND_DB_KEYS,
	/* What one knows of itself: reply.items (opaque: for MERGE), path, put_ts, delete_ts; etag:
	 * the hash of its live rows, containers: their number. ERR_NOT_FOUND: nothing at all. */
	BACKEND_DB_STATE,
	/* Brings another replica's knowledge: headers are what its STATE gave (len 0: none), rows
	 * as in UPDATE, but also to what is deleted. Merges to the same in any order.
	 * ERR_NOT_FOUND: rows for what is not known. */
	BACKEND_DB_MERGE,
	/* Rows and tombstones with list.marker < name <= list.end_marker ("": to the end).
	 * ROW_DIGEST: pieces of list.limit rows, told as rows: name, the last in the piece, count,
	 * and a sum in ts and bytes; the last piece, to the end, has the name "". With msg->rows
	 * these names say where pieces end, and one more follows. Tombstones older than ts do not
	 * count. reply.more: it ended early. ROW_RANGE: all of them, up to limit; reply.more. */
	BACKEND_DB_ROW_DIGEST,
	BACKEND_DB_ROW_RANGE,

	/* Erasure-coded objects. An OBJECT_PUT with a fragment stores that: size and body are those
	 * of the fragment archive. With `draft` it is durable but beside the version there was,
	 * until OBJECT_COMMIT (of that ts) makes it the version, or OBJECT_DROP ends it. ERR_BUSY:
	 * too many drafts of the key are undecided. ERR_DEADLINE: from its writer (handle != 0, not
	 * by a repair) later than BACKEND_DRAFT_S after ts, by the device's clock. OBJECT_VERSION
	 * and OBJECT_GET tell the drafts that are newer than the version; OBJECT_GET gives the
	 * newest of all, or with `draft` that of ts, draft or not (ERR_NOT_FOUND, with what is
	 * known, when it is not there). OBJECT_COMMIT: also OK when it is the version already;
	 * ERR_NOT_FOUND: no such draft, or of another body than etag says (of zeros: any);
	 * ERR_CONFLICT: the version is newer. */
	BACKEND_OBJECT_COMMIT,
	BACKEND_OBJECT_DROP,
	/* What is known of the key is forgotten, durably and without a tombstone, if that is still
	 * exactly ts and meta_ts (of the last POST, or 0), live or deleted: for devices that are no
	 * primary of it, once all primaries have it. ERR_NOT_FOUND: nothing is known; ERR_CONFLICT:
	 * something else. */
	BACKEND_OBJECT_FORGET,

	/* An account or container goes from here, durably and with all its rows, if it is still
	 * what STATE told: ts its put_ts, meta_ts its delete_ts, etag its hash. For devices that
	 * are no primary of it, once all primaries have all of it; and where it is deleted by what
	 * does not count (proxy/gone.h). ERR_NOT_FOUND: nothing is known; ERR_CONFLICT: it changed;
	 * ERR_BUSY: another one goes. */
	BACKEND_DB_FORGET,

	/* Containers in ranges (lib/backend/points.h): takes a point, by msg->stage. meta_ts is the
	 * delete_ts that its sender knows: ERR_CONFLICT when there was a later one; also for a ts
	 * older than what was taken. ERR_BUSY: what moved is not all gone from here yet. From then
	 * on an UPDATE of names behind the point is ERR_MOVED, unless list.marker is the id of that
	 * point, not yet moved: so its sender brings those rows to that range too. DELETE names in
	 * msg->rows the ids of all points there are, else it is ERR_CONFLICT. Replies tell the
	 * points. */
	BACKEND_DB_SPLIT,

	/* The listing updates that are still open of the version ts (and meta_ts, if not 0), a
	 * tombstone too: reply.rows, of each a row whose name and content_type are its account and
	 * container, and its row behind it; none: they are settled. ERR_NOT_FOUND: it is not the
	 * version here. For who brings it to other primaries: they must not depend on this device
	 * alone. */
	BACKEND_OBJECT_UPDATES,
};

enum backend_kind { BACKEND_ACCOUNT, BACKEND_CONTAINER, BACKEND_OBJECT };

#define BACKEND_PIECE      (1u << 20)   /* bytes of one staged or read piece */
#define BACKEND_INLINE_MAX (256u << 10) /* a body up to here travels in OBJECT_PUT itself */
#define BACKEND_POLICIES   16
#define BACKEND_DRAFTS     14 /* of one key, on one device */
#define BACKEND_DRAFT_S    40 /* seconds after its ts that a draft is taken from its writer */

#define BACKEND_STILL_S 30 /* seconds: longer than a proxy goes by what it knew of a container */

#define BACKEND_RANGES_MAX  4096  /* of one message */
#define BACKEND_DIGESTS_MAX 16384 /* of one reply */
#define BACKEND_KEYS_MAX    8192

/* What a range of keys holds: equal ones hold the same, as far as 128 bits can tell. Little-endian
 * in a reply, as are keys. */
struct backend_digest {
	uint64_t count, sum[2];
};
struct backend_key {
	uint8_t key[16];
	uint64_t ts, meta_ts; /* meta_ts: last POST, or ts */
	uint8_t deleted, corrupt;
	uint8_t misplaced; /* the fragment is another device's */
	uint8_t pad[5];
};

struct backend_db_key {
	uint8_t key[16], hash[16]; /* hash: of headers and live rows */
	uint64_t put_ts, delete_ts, created_ts;
	uint8_t policy, pad[7];
};

/* A row of a listing: an object in a container, or a container in an account. */
struct backend_row {
	const char *name;         /* borrowed from the message or reply */
	const char *content_type; /* objects; "" otherwise. A subdir entry has subdir set */
	const char *etag;         /* objects: 32 hex digits or what was set in its place */
	uint64_t ts;              /* when it was put or deleted; last writer wins */
	uint64_t bytes;           /* object's size, or the container's total */
	uint64_t count;           /* containers: objects in it */
	uint64_t totals_ts;       /* containers: bytes and count are as of then; 0: not carried */
	uint64_t meta_ts;         /* objects: last POST that changed content_type, or 0 */
	uint8_t policy;
	bool deleted;
	bool subdir; /* listings: a common prefix; only name is set */
};

/* A listing update that an object record carries until a majority of the container has it. */
struct backend_update {
	const char *account, *container; /* where the row goes */
	struct backend_row row;
};

/* A version whose listing updates are settled. */
struct backend_settled {
	uint8_t policy, key[16];
	uint64_t ts;
};

struct backend_list {
	const char *marker, *end_marker, *prefix, *delimiter; /* "" or NULL: none */
	const char *path;                                     /* NULL: none; "" is a path */
	uint32_t limit;
	bool reverse;
};

struct backend_msg {
	atomic_uint refs;
	uint8_t op, kind, policy;
	bool newest; /* unused by devices; for proxies in between */
	bool if_lasting;
	uint8_t key[16];                          /* ring hash of the path */
	const char *account, *container, *object; /* as kind asks; else NULL */
	uint64_t ts;
	uint64_t ring_version; /* the newest its sender placed the key by; 0: not by a ring */
	uint64_t ring_older;   /* and those beside it: see ring_versions in proxy/place.h */
	uint64_t meta_ts;      /* OBJECT_PUT that repairs: of the last POST, or 0 */
	const void *headers;   /* kv block */
	size_t headers_len;
	uint64_t size;    /* of the whole body */
	uint8_t etag[16]; /* MD5 of the whole body */
	uint64_t stage, handle, offset, len;
	struct bytes *body; /* owned reference; NULL: none */
	const struct backend_update *updates;
	unsigned update_count;
	const struct backend_settled *settled;
	unsigned settled_count;
	const struct backend_row *rows;
	unsigned row_count;
	struct backend_list list;
	const uint64_t *ranges;      /* the bits at the top */
	unsigned range_count;        /* up to BACKEND_RANGES_MAX */
	uint8_t range_bits, fan_out; /* together at most 64 */
	struct fragment fragment;    /* OBJECT_PUT; k 0: a whole object */
	bool draft;
	bool under_lease; /* OBJECT_PUT: ERR_BUSY when handle holds none */
	/* under_lease: the deletion its writer has seen, or 0; OBJECT_GRANT: the version that is to
	 * be replaced, or 0; OBJECT_POST: the version it is for, or 0: it has no place at a later
	 * one, ERR_CONFLICT. */
	uint64_t known;
	uint64_t lease; /* OBJECT_PUT of a draft that a reader makes: the conditional writer it
	                   reads for, or 0; of what has its time from elsewhere: its writer */
	bool if_absent; /* OBJECT_PUT and its STAGEs, of a plain backend: ERR_PRECONDITION when a
	                   version is there, as far as the device knows; else unused */
	struct arena *arena;        /* private: what the pointers above live in */
	struct backend_msg *parent; /* private: or they live in this one */
};

struct backend_reply {
	enum err err;
	bool deleted;
	uint64_t ts;        /* version: when it was put or deleted */
	uint64_t meta_ts;   /* of the last POST, or ts; databases: last PUT or header set */
	struct buf headers; /* kv block, owned */
	struct buf path;    /* account, container and object, each with a NUL; owned */
	uint64_t size;      /* of a tombstone in the way: the ts of what it replaced, or 0 */
	uint8_t etag[16];
	struct bytes *body;   /* owned reference */
	uint64_t body_offset; /* offset inside body->data where the answer's bytes begin */
	size_t body_len;
	uint64_t handle;
	/* accounts and containers */
	uint64_t put_ts, delete_ts;
	uint64_t count[BACKEND_POLICIES], bytes[BACKEND_POLICIES];
	uint64_t containers; /* accounts: rows that are live, and of each policy */
	uint64_t containers_of[BACKEND_POLICIES];
	uint8_t policy;
	/* Equal hashes: equal live rows and headers. A LIST tells that of before it read its rows:
	 * they are as new, or newer where they changed meanwhile (not exact). */
	uint8_t hash[16];
	bool exact;
	struct buf rows;  /* encoded, see backend_rows_*; owned */
	struct buf items; /* backend_digest or backend_key, back to back; owned */
	bool more;        /* there are more than these; VERSION: the fragment is another one's */
	/* Objects in fragments: ts, meta_ts and deleted are of the committed version (0: none). */
	struct fragment fragment; /* OBJECT_GET; k 0: a whole object */
	uint64_t promised; /* nothing older is taken of this key, unless who promised that had seen
	                    * it: see OBJECT_GRANT; or 0 */
	uint64_t replaced; /* the latest promise to who was to replace a version; or 0 */
	/* OBJECT_GET: the draft it gives; 0: the committed version. DIGEST and KEYS with `draft`:
	 * the oldest in those ranges. */
	uint64_t draft_ts;
	uint64_t drafts[BACKEND_DRAFTS]; /* that are there, the newest first; 0: no more */
	/* DIGEST, KEYS, DB_STATE: it came back empty and is being filled; it may have known more.
	 * OBJECT_GET, VERSION and GRANT (ERR_UNAVAILABLE): the same; ts and drafts tell what it has
	 * of the key.
	 */
	bool filling;
	struct buf points; /* containers in ranges: see lib/backend/points.h; owned */
};

struct backend_call {
	struct backend_msg *msg; /* owned reference */
	uint32_t device;         /* id in the ring */
	uint64_t deadline_us;    /* monotonic; 0: none */
	void (*done)(struct backend_call *call);
	void *owner;   /* the caller's */
	bool answered; /* reply is filled; set before done */
	struct backend_reply reply;
	/* private to the backend */
	struct reactor *origin;
	struct task task;
	void *backend_data;
};

struct backend {
	void (*send)(struct backend *backend, struct backend_call *call);
	/* Its devices are another system's (lib/swift), which knows no grants, drafts or digests:
	 * OBJECT_GRANT only tells the version, and each device decides on `if_absent` by itself. A
	 * STAGE carries what its OBJECT_PUT will say (headers, ts, handle, if_absent), and that
	 * cannot be sent again. Listing rows are the devices' own business: DB_UPDATE and SETTLED
	 * do nothing. Objects are asked by their names, not by key alone. */
	bool plain;
};

static inline void backend_send(struct backend *backend, struct backend_call *call)
{
	backend->send(backend, call);
}

/* A message with one reference and an arena of its own; fill it before the first send. Text goes
 * in by backend_msg_strdup and the like. */
struct backend_msg *backend_msg_new(enum backend_op op, enum backend_kind kind);
struct backend_msg *backend_msg_ref(struct backend_msg *msg);
void backend_msg_unref(struct backend_msg *msg); /* NULL is fine; any thread */
const char *backend_msg_strdup(struct backend_msg *msg, const char *text);
void *backend_msg_alloc(struct backend_msg *msg, size_t size);

/* Copies account, container and object names (NULL where the kind has none). */
void backend_msg_path(
        struct backend_msg *msg, const char *account, const char *container, const char *object);
void backend_msg_headers(struct backend_msg *msg, const struct buf *block);

/* The same message at another time: ts, and that of the rows it carries (their meta_ts, if set).
 * The first one stays as it is, and lives as long as its copy. */
struct backend_msg *backend_msg_at(struct backend_msg *msg, uint64_t ts);

/* For those that answer: sets reply.err and delivers the call to its origin. Any thread. */
void backend_finish(struct backend_call *call, enum err err);

/* Frees what the reply owns and drops the message. */
void backend_call_done(struct backend_call *call);

/* Rows in a reply: encoded back to back; names and texts NUL-terminated inside the block. */
void backend_rows_add(struct buf *rows, const struct backend_row *row);
bool backend_rows_next(const struct buf *rows, size_t *at, struct backend_row *ret_row);

/* Updates in a reply, as OBJECT_UPDATES has them; taken into a message that was not sent yet. */
void backend_updates_add(struct buf *rows, const struct backend_update *update);
void backend_msg_updates(struct backend_msg *msg, const struct buf *rows);

#endif
