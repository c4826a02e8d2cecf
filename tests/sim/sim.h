/* sim: several nodes in one process, on one thread, in a time of its own. Everything that happens
 * (network, disks, clocks, who runs next) is drawn from one seed, so a seed replays exactly. The
 * nodes are the real ones: proxy, roles, devices, replication; only what is below `env`, `disk`,
 * `store`, `backend` and `http` is simulated. */
#ifndef TESTS_SIM_SIM_H
#define TESTS_SIM_SIM_H

#include "lib/http/http.h"
#include "lib/http/url.h"
#include "node/node.h"

#define SIM_NODES_MAX 8
#define SIM_MS        1000ull
#define SIM_S         1000000ull
#define SIM_KEYS      3

/* --- world.c: time, chance, nodes, network --- */

struct sim_event {
	uint64_t at_us, order;
	void (*fire)(struct sim_event *event);
	unsigned index; /* in the heap; 0: not in it */
};

uint64_t sim_now(void);
uint64_t sim_draw(uint64_t below); /* 0..below-1 */
bool sim_chance(unsigned percent);
/* Sets or moves an event. */
void sim_after(struct sim_event *event, uint64_t us);
void sim_cancel(struct sim_event *event);

struct sim_env {
	struct env env;
	int64_t skew_us;
};

struct sim_node {
	unsigned index, life; /* life: grows with each start and each crash */
	bool up;
	struct sim_env env;
	struct node *node; /* of this life; those before are left where they are */
	struct reactor *reactor;
	struct sim_disk_image *image; /* survives */
	bool filling;                 /* its disk was replaced, and has not all again yet */
	uint64_t given;               /* the latest time that it gave, in the lives before */
	uint64_t slow;                /* times its disk and its answers take longer */
};

struct sim_world {
	unsigned node_count, replicas;
	struct ec ec; /* of objects; k 0: they are whole */
	struct sim_node nodes[SIM_NODES_MAX];
	bool cut[SIM_NODES_MAX][SIM_NODES_MAX]; /* what [a] sends to [b] is lost */
	unsigned loss;                          /* percent of messages lost */
	unsigned reach; /* so many records, and questions for drafts, are sent to other nodes, then
	                   the sender of the last is cut off; 0: no matter how many */
	uint64_t unsettled; /* writes whose listing row had no majority, of lives that ended */
	uint64_t seed;
	bool verbose, trace; /* trace: each message about an object, too */
	uint64_t split_rows; /* containers with more are split; 0: none */
	bool held;           /* nothing is split, compared or left behind yet: sim_release */
	void (*splits)(unsigned node); /* told when one begins to, or goes on */
};
extern struct sim_world world;

void sim_open(uint64_t seed, unsigned nodes, unsigned replicas);
void sim_start(unsigned node);
void sim_crash(unsigned node);
void sim_wipe(unsigned node); /* it crashes, and finds an empty disk when it starts */
void sim_release(void);
struct sim_node *sim_node_at(unsigned from, uint32_t handle); /* whose device that is, for from */
/* Runs until `us` have passed, or *until says true (NULL: never). */
void sim_run(uint64_t us, const bool *until);

/* --- disk.c --- */
struct sim_disk_image *sim_image_new(void);
/* What a crash leaves: stable writes, and of the others a part. */
void sim_image_crash(struct sim_disk_image *image);
void sim_image_wipe(struct sim_disk_image *image); /* after a crash */
struct sim_node *sim_node_of(struct reactor *reactor);

/* --- store.c --- */
/* Those whose path begins so. */
void sim_stores_crash(const char *prefix);
void sim_stores_wipe(const char *prefix);

/* --- http.c: a request without a socket --- */

struct sim_request {
	struct http_req req;
	struct sim_node *node;
	unsigned life;
	const uint8_t *body;
	size_t body_len, body_at;
	struct bytes *into;
	struct task task;
	struct buf answer; /* body */
	int status;        /* 0: none yet; 599: the node is gone */
	uint64_t stream_left;
	bool done, ended;
	void (*answered)(struct sim_request *request);
	void *owner;
	struct sim_event timeout;
};

/* headers: name, value, ..., NULL. `answered` runs once, from the scheduler; then the request is
 * the callee's to free with sim_request_free. */
struct sim_request *sim_request(unsigned node, const char *method, const char *target,
        const char *const *headers, const void *body, size_t body_len,
        void (*answered)(struct sim_request *request), void *owner);
void sim_request_free(struct sim_request *request);
void sim_requests_crash(unsigned node);

/* --- sign.c --- */

struct sim_signature {
	char date[HTTP_DATE_SIZE], authorization[64];
};

/* By test:tester, now; amz: its one x-amz header, as "name:value". */
void sim_sign(unsigned node, const char *method, const char *amz, const char *path,
        struct sim_signature *ret);

/* --- history.c: what clients saw, and whether one order explains it --- */

/* By S3's If-Match, of the body that the client has read: REPLACE, a PUT in its place; REMOVE, a
 * DELETE, done as well where nothing is. */
enum sim_op {
	SIM_PUT,
	SIM_CREATE,
	SIM_DELETE,
	SIM_GET,
	SIM_LIST,
	SIM_POST,
	SIM_REPLACE,
	SIM_REMOVE
};

/* What a key holds: which PUT the body is of, and which PUT or POST the metadata; 0: absent. */
static inline uint64_t sim_value(uint64_t body, uint64_t meta)
{
	return body << 32 | meta;
}

struct sim_record {
	enum sim_op op;
	unsigned client, key;
	uint64_t value;      /* written, or read: sim_value; of a POST meta alone */
	uint64_t instead;    /* REPLACE, REMOVE: of this body */
	uint64_t begin, end; /* virtual time; end UINT64_MAX: never answered */
	bool sure;           /* the answer said what happened */
	bool failed;         /* CREATE: there was something; POST: nothing; the last two: it did not
	                        happen */
};

void history_reset(void);
struct sim_record *history_begin(enum sim_op op, unsigned client, unsigned key, uint64_t value);
/* False when no order explains the history of some key; says which on stderr. Listings are a
 * register of their own for each key: is it shown? */
bool history_check(bool listings);

/* --- load.c: clients, faults, and the end of a round --- */
bool load_round(uint64_t seed);

#endif
