/* node: one process that hosts a proxy on every core and the object, container and account roles
 * on its devices. Each device belongs to one reactor; a proxy reaches a device of another
 * reactor by a posted message (the `local` backend). */
#ifndef NODE_NODE_H
#define NODE_NODE_H

#include "accountd/accountd.h"
#include "containerd/containerd.h"
#include "lib/conf/conf.h"
#include "lib/device/device.h"
#include "lib/http/edge.h"
#include "lib/wire/client.h"
#include "lib/wire/server.h"
#include "lib/work/work.h"
#include "node/gossip.h"
#include "node/key_manager.h"
#include "objectd/objectd.h"
#include "proxy/proxy.h"
#include "proxy/s3/event_target.h"
#include "proxy/s3/lifecycle_walk.h"
#include <pthread.h>

#define NODE_REACTORS_MAX 64
#define NODE_DEVICES_MAX  256
#define NODE_MEMBERS_MAX  16384 /* devices of other nodes */
#define NODE_RINGS_MAX    (2 + BACKEND_POLICIES)

/* Age at which tombstones may go, once all replicas have them. */
#define NODE_RECLAIM_TICKS (7 * 86400 * TS_PER_SECOND)

struct node_conf {
	const char *bind_ip, *state_dir, *log_level, *tls_cert, *tls_key, *hash_prefix,
	        *hash_suffix;
	const char *cors_allow_origin, *wire_ip, *wire_tls_cert, *wire_tls_key, *wire_tls_ca,
	        *roles, *swift_dir, *identity_url, *identity_key, *reseller_prefix,
	        *reseller_admin_role, *system_reader_roles, *default_domain_id,
	        *service_token_roles, *encryption_secrets, *encryption_active, *s3_kms_keys;
	struct key_manager_options key_manager;
	uint64_t port, wire_port, reactors, replicas, part_power, connections_max, idle_timeout,
	        drain_bytes, cache_bytes, page_bytes, body_bytes, unit_bytes, device_bytes,
	        scrub_rate, scrub_pause, replicate_pause, error_limit, error_window, error_pause,
	        token_life, max_file_size, split_rows, symloop_max, slo_segments, slo_bytes,
	        slo_concurrency, slo_delete_concurrency, slo_yield, bulk_deletes,
	        bulk_failed_deletes, bulk_delete_concurrency, bulk_containers,
	        bulk_failed_extractions, bulk_concurrency, bulk_retries, bulk_yield, sync_interval,
	        sync_concurrency, sync_conn_timeout, lifecycle_day;
	bool slo_async_delete;
	uint64_t split_pace_us; /* no option: least time between pages that a split copies */
	struct unit_options units;
	bool sync_sends, encryption, account_autocreate, allow_open_expired, v1_auth, wire_loopback,
	        names_in_acls;
	struct conf_list key_ids, devices, users, policies, wire_keys, operator_roles,
	        service_roles, project_reader_roles;
};
extern const struct conf_option node_options[];
extern const unsigned node_option_count;

struct node;
struct sender;
struct notifier;

/* The line of the configuration that gives an option, for messages; 0: none does. */
unsigned node_conf_line(const struct node *node, const char *section, const char *key);

/* One file or block device and the roles on it. */
struct node_device {
	struct node *node;
	uint32_t id; /* its handle: place in the configuration */
	unsigned reactor;
	char *name;      /* owned; what rings call it */
	char *path;      /* owned; the folder that holds the stores */
	char *data_path; /* owned; the file or block device */
	bool is_file;
	struct device *device;
	struct disk *disk;         /* borrowed from device */
	struct keystone *keystone; /* NULL: no identity service */
	struct work_pool *pool;    /* owned: a file system that hangs holds up no other's */
	struct objectd *objectd;
	struct objectd_horizon horizon;
	struct containerd *containerd;
	struct accountd *accountd;
	struct jobs *jobs;             /* owned: what runs by itself */
	struct reaper *reaper;         /* owned */
	struct splitter *splitter;     /* owned */
	struct lifecycler *lifecycler; /* owned */
	struct mend *mend;             /* owned; NULL until something was corrupt */
	struct replicator *replicator; /* owned */
	struct work opening;
	struct work sizing;
	uint64_t bytes_max, sized_us;
	unsigned sharing; /* devices on its file system */
	bool is_sizing;
	struct timer retry;
	unsigned retries;
	enum err err; /* why it is not in use */
	atomic_bool ready;
	atomic_uint limited; /* as of a member, when it is asked by wire */
	bool down;           /* said so */
	atomic_bool hung; /* its disk has not ended an operation for long: nothing is asked of it */
	/* It came back empty: what it does not know says nothing (filling.c). Set before it is
	 * ready, cleared on its reactor. */
	atomic_bool filling;
	uint64_t filling_ts; /* what is older must be here before it counts */
	struct work knowing;
	uint64_t asked_us; /* when a client was last at work with it; its reactor's */
	/* For other threads, once a second. */
	struct {
		atomic_uint_least64_t up, objects, used, live, max, unsettled, corrupt, batches,
		        overlay, filling;
		/* Replication: round_us and equal_us say when the last round began (wall clock)
		 * that left nothing out, and that found all equal. */
		atomic_uint_least64_t rounds, differences, round_lags, round_us, equal_us, pushed,
		        push_errors, parts_differ, waiting, to_forget, work_done, work_left,
		        push_rate, to_go_s, round_took_us;
		/* By target: when (monotonic) the last round began that left all primaries of
		 * the newest ring with what the device had; 0: none by the rings of now. */
		atomic_uint_least64_t moved_us[BACKEND_POLICIES + 2];
		atomic_uint_least64_t lifecycle[LIFECYCLE_COUNTS], lifecycle_walks,
		        lifecycle_walking;
	} seen;
};

/* A device of another node, as a ring names it. */
struct node_member {
	char *ip, *name;     /* owned */
	uint32_t port;       /* of its node's wire */
	atomic_uint limited; /* reactors that leave it alone for now */
};

/* The rings of one kind, or policy, that live together. */
struct node_ring {
	char name[24]; /* account, container, object, object-1... */
	enum backend_kind kind;
	unsigned policy;
	struct ring_set *_Atomic *set;       /* the cluster's */
	atomic_uint_least64_t newest, older; /* struct ring_versions */
	/* Requests placed by older ones, and not by this, are refused. */
	atomic_uint_least64_t fenced;
	atomic_uint_least64_t oldest; /* that still counts */
	/* All that our devices hold is with the primaries of this one. */
	atomic_uint_least64_t moved;
	/* Version of one in the folder for which there is no room yet; 0: none. */
	atomic_uint_least64_t waiting;
	/* Of reactor 0. The fence's number, while calls that passed it may be open; when it was
	 * set, and when they had ended: UINT64_MAX: not yet, 0: before our start. */
	uint64_t fence, fenced_us, drained_us;
	uint8_t digest[16]; /* of the newest's bytes; under node->words_lock */
};

#define NODE_WIRE_VALUES 12 /* of its metrics */

struct node_route;

/* One core: its loop, its proxy, its listener. */
struct node_reactor {
	struct node *node;
	unsigned index;
	pthread_t thread;
	struct reactor *reactor;
	struct proxy proxy;
	struct edge *edge;
	struct cache *cache;
	struct task start, stop;
	struct timer snapshot;
	struct work trim;
	uint64_t requests_seen;
	unsigned quiet;    /* seconds without a request */
	struct list calls; /* local.c: sent to devices and not answered */
	struct list open;  /* and those that devices have not ended, in their order */
	/* How many fences had been set when the first of these was sent; told once a second. */
	atomic_uint_least64_t open_since;
	unsigned call_counts[NODE_DEVICES_MAX];
	struct wire_loop *wire_loop;
	struct wire_server *wire_server; /* NULL: nobody reaches it */
	const char **wire_names;         /* owned */
	struct list peers;               /* struct node_peer */
	struct node_route *routes;       /* owned; by handle */
	unsigned route_count;
	atomic_uint_least64_t wire_seen[NODE_WIRE_VALUES]; /* once a second, for other threads */
	bool trimming;
};

struct node {
	struct node_conf conf;
	struct conf *conf_texts;     /* owned */
	bool serves, stores;         /* its roles */
	struct event_targets events; /* owned; of buckets' notifications */
	struct cluster cluster;
	struct hlc hlc;
	struct clock_file *clock;  /* owned; NULL: nobody else writes */
	struct backend backend;    /* local */
	struct keystone *keystone; /* NULL: no identity service */
	struct work_pool *pool;
	struct node_reactor reactors[NODE_REACTORS_MAX];
	unsigned reactor_count;
	struct node_device devices[NODE_DEVICES_MAX];
	unsigned device_count;
	struct node_member *members[NODE_MEMBERS_MAX]; /* by handle - device_count */
	atomic_uint member_count;
	struct node_ring rings[NODE_RINGS_MAX];
	unsigned ring_count;
	pthread_mutex_t rings_lock;   /* held by who changes them, also while that blocks */
	pthread_mutex_t words_lock;   /* never for long; inside rings_lock */
	struct peers *peers;          /* owned; reactor 0 */
	atomic_uint_least64_t fences; /* set since our start */
	atomic_uint devices_pending;  /* and reactors that have not begun */
	atomic_bool serving;
	/* All rings that live are known: before, nothing may count a majority. */
	atomic_bool joined;
	struct timer wait; /* for devices; reactor 0 */
	const char *conf_path;
	char *tls_cert, *tls_key; /* owned texts */
	struct wire_identity wire;
	struct tls_context *wire_tls; /* owned; NULL: plain */
	struct node_swift *swift;     /* owned; NULL: its storage is our own */
	/* Owned; NULL: nothing is synced from here. Set once, on reactor 0. */
	struct sender *_Atomic sender;
	/* Owned; NULL: there are no targets. Set once, on reactor 0. */
	struct notifier *_Atomic notifier;
};

/* --- start.c --- */
/* Reads and checks the configuration; *error says what is wrong with it. */
enum err node_open(struct node *node, const char *conf_path, struct buf *error);
/* Folders, secrets, rings, reactors: all that is made before the loops run. */
enum err node_prepare(struct node *node, struct buf *error);

/* --- check.c --- */
enum err node_check(struct node *node, struct buf *error); /* fills in its roles */

/* --- members.c --- */
/* The handle of each device of the ring, by its id there; owned by the caller. ERR_NOT_FOUND: the
 * newest ring names *ret_stranger here, and the configuration has no such device. */
enum err node_handles(struct node *node, const struct ring *ring, bool newest,
        uint32_t **ret_handles, const struct ring_dev **ret_stranger);
/* Its hlc's slot: its place among the nodes of all newest rings, in the order of these; of a node
 * that is in none a place behind them, by chance. */
void node_take_slot(struct node *node);
/* NULL: a device of this process, or no handle. */
const struct node_member *node_member(const struct node *node, uint32_t handle);

/* --- policies.c --- */
enum err node_policies(struct node *node, struct buf *error);

/* --- rings.c --- */
/* At start: the rings that live, and a newer one that was put beside them. */
enum err node_rings(struct node *node, struct buf *error);
/* The ring instead of all there were. */
enum err node_ring_replace(struct node *node, struct node_ring *rings, struct ring *ring);
/* Looks for newer rings in the folder; any thread that may block. */
void node_rings_look(struct node *node);
/* A ring from elsewhere that is newer, or lives there beside a newer one: kept, and in use beside
 * the ones there are. ERR_EXISTS: it is here, or has settled; ERR_CONFLICT: of the same version and
 * another content, or with a device that is not here; ERR_BUSY: as many live as can (not logged:
 * one in the folder is looked at again when they have settled). */
enum err node_ring_adopt(struct node *node, struct node_ring *rings, struct ring *ring);
/* Only the newest counts from now on: all that others held is on its devices. */
void node_ring_drop_old(struct node *node, struct node_ring *rings);
/* Does so when `has_moved` says of enough devices that all they held is with the newest's
 * primaries. Blocks. */
void node_ring_settle(struct node *node, struct node_ring *rings,
        bool (*has_moved)(void *owner, uint32_t device), void *owner);
/* Durable before it holds: blocks. */
enum err node_ring_fence(struct node *node, struct node_ring *rings, uint64_t version);
/* Once all that live are known: which are fenced, and moved. */
void node_ring_begin(struct node *node, struct node_ring *rings);
/* What this node says of its rings; any thread. */
void node_ring_words(struct node *node, struct gossip *ret_gossip);
/* The bytes of one that lives; from a loop. ERR_NOT_FOUND. */
enum err node_ring_file(struct node_ring *rings, uint64_t version, struct buf *ret_file);
struct ring_versions node_ring_versions(const struct node_ring *rings);
struct node_ring *node_ring_find(struct node *node, enum backend_kind kind, unsigned policy);
void node_ring_metrics(struct node *node, struct buf *out);
/* Was the message placed by a ring that no longer decides? */
bool node_ring_stale(struct node *node, const struct backend_msg *msg);

/* --- devices.c --- */
void node_device_open(struct node_device *device); /* on its reactor */
void node_device_snapshot(struct node_device *device);
void node_metrics(struct proxy *proxy, struct buf *out);
/* --- recon.c --- */
struct recon_ask;
/* Answers by recon_answered; or an error, and does not. */
enum err node_recon(struct proxy *proxy, struct recon_ask *ask);

/* --- filling.c: a device that came back empty has no vote until the others have filled it --- */
/* After it was opened: is it the one that was here? node_device_known() follows, on its reactor. */
void node_filling_look(struct node_device *device);
void node_device_known(struct node_device *device, enum err err);
/* All that others may have acknowledged with its help is here again. */
void node_filling_end(struct node_device *device);

/* --- handle.c --- */
/* On the device's reactor. Before the call ends, *ret_filling says whether it was put to a device
 * that is being filled: then node_filling_answer() amends the reply. One that is not ready, has
 * another ring, or another idea of the time, was not asked what it has: its refusal tells nothing.
 */
void node_device_handle(struct node_device *device, struct backend_call *call, bool *ret_filling);
/* It has no vote in what it cannot know, and says so. */
void node_filling_answer(const struct backend_msg *msg, struct backend_reply *reply);

/* --- repair.c: what the device says is corrupt is fetched from another replica --- */
void node_corrupt(void *owner, uint8_t policy, const uint8_t key[16], uint64_t ts);

/* --- local.c --- */
void node_backend_init(struct node *node);
/* To a device of this process. From a reactor's loop. */
void node_local_send(struct node *node, struct backend_call *call);
/* Once a second, on the reactor: answers for devices that are late. */
void node_backend_tick(struct node_reactor *reactor);
/* All calls to our devices that were sent before fence number `fence` have ended. Any thread. */
bool node_local_drained(const struct node *node, uint64_t fence);
void node_name_device(struct proxy *proxy, uint32_t device, struct buf *out);
bool node_is_local(struct proxy *proxy, uint32_t device);

/* --- wire.c --- */
/* Keys, certificates, addresses: what `--check` may say of them. */
enum err node_wire_check(struct node *node, struct buf *error);
enum err node_wire_try(const struct node *node, struct buf *error);
void node_wire_start(struct node_reactor *reactor); /* on it */
/* To the node that has the device: another, or this one if it is to be reached by wire. */
void node_wire_send(struct node_reactor *reactor, struct backend_call *call);
/* The reactor's connection to a node; NULL: not an address. */
struct wire_client *node_wire_client(struct node_reactor *reactor, const char *ip, uint32_t port);
void node_wire_snapshot(struct node_reactor *reactor);
void node_wire_metrics(const struct node *node, struct buf *out);

struct wire_client *node_wire_client(struct node_reactor *reactor, const char *ip, uint32_t port);

/* --- peers.c: what nodes tell each other --- */
void node_peers_init(struct node *node); /* before the loops run */
void node_peers_tick(struct node *node); /* once a second, on reactor 0 */
/* Answers another node's question. On any reactor. */
enum err node_control(
        void *owner, uint32_t kind, const void *data, size_t len, struct buf *ret_answer);
/* --- peers_tell.c --- */
void node_peers_metrics(struct node *node, struct buf *out);

/* --- main.c --- */
int node_main(int argc, char **argv);
/* A device was opened or given up, or a reactor has begun: after the last, requests are served. */
void node_began(struct node *node);
void node_reload(struct node *node);

/* --- encryption.c: takes the root secrets that conf names into use, beside those there are. --- */
enum err node_encryption(struct node *node, const struct node_conf *conf, struct buf *error);

/* --- sync.c: the realms that conf names, in place of those there are. --- */
enum err node_sync(struct node *node, const struct node_conf *conf, struct buf *error);

#endif
