/* proxy: the Swift API. One struct proxy per reactor; what they share (struct cluster) does not
 * change while they run, but for the counters in it.
 *
 * A request is one operation (lib/op) over a table of states per method; state 0 is always
 * request_prepare: identity, container and account facts, permission. */
#ifndef PROXY_PROXY_H
#define PROXY_PROXY_H

#include "lib/backend/backend.h"
#include "lib/base/hash.h"
#include "lib/base/list.h"
#include "lib/ec/ec.h"
#include "lib/env/hlc.h"
#include "lib/http/http.h"
#include "lib/http/url.h"
#include "lib/op/op.h"
#include "proxy/credit.h"
#include "proxy/hedge.h"
#include "proxy/place.h"
#include "proxy/unit/options.h"

#define REPLICAS_MAX     16 /* of one ring */
#define INFO_GENERATIONS 4096

struct md5_engine;
struct seal_keys;
struct settle;
struct keystone;
struct keystone_caller;
struct auth;
struct name_check;
struct ratelimit;
struct access_log;
struct recon_ask;
struct sync_realms;
struct s3;
struct s3_logs;
struct event_targets;
struct verified;
struct cname;
struct cname_walk;

struct policy {
	const char *name, *aliases; /* borrowed from the configuration; NULL: no such policy */
	struct ring_set *_Atomic rings;
	const struct ec *ec; /* objects are cut into fragments; NULL: whole replicas */
	bool deprecated;
};

struct user {
	const char *name; /* "account:user" */
	const char *key;
	const char *groups; /* comma-separated, without account and user: ".admin", "service" */
};

struct limits {
	uint64_t max_file_size;
	unsigned max_object_name, max_container_name, max_account_name, max_meta_name,
	        max_meta_value, max_meta_count, max_meta_overall, max_header_size,
	        container_listing_limit, account_listing_limit, extra_header_count, symloop_max,
	        slo_segments, slo_concurrency, slo_delete_concurrency, slo_yield_s, bulk_deletes,
	        bulk_failed_deletes, bulk_delete_concurrency, bulk_retries, bulk_containers,
	        bulk_failed_extractions, bulk_concurrency, bulk_yield_s;
	uint64_t slo_bytes;
	bool slo_async_delete;
};

/* Shared by all proxies of a process; read-only but for the atomics. */
struct cluster {
	const struct env *env;
	struct hlc *hlc;
	struct ring_set *_Atomic account_rings, *_Atomic container_rings;
	struct policy policies[BACKEND_POLICIES];
	unsigned policy_default;
	struct ring_name hash_prefix, hash_suffix;
	struct user *users; /* NULL-named at the end; none: v1 auth is off */
	uint8_t token_secret[32];
	unsigned token_life_s;
	const struct keystone *keystone; /* NULL: no identity service's tokens are taken */
	struct limits limits;
	struct unit_options units;
	const struct name_check *name_check;    /* NULL: any name will do */
	struct access_log *access;              /* NULL: nobody wants it */
	struct ratelimit *ratelimit;            /* NULL: no limits */
	struct cname *cname;                    /* NULL: names are taken as they are */
	const struct event_targets *events;     /* of buckets' notifications; NULL: none */
	const struct seal_keys *_Atomic seal;   /* NULL: nothing is encrypted */
	const struct sync_realms *_Atomic sync; /* NULL: there are none */
	bool one_clock;                         /* no other node writes */
	bool serves;                            /* clients; else only who watches it */
	atomic_bool *joined;                    /* borrowed: until then it cannot */
	bool account_autocreate, allow_open_expired, tls;
	const char *cors_allow_origin;
	/* Bumped when an account or container changes; cached facts carry the value they saw. */
	atomic_uint_least64_t generations[INFO_GENERATIONS];
	atomic_uint_least64_t next_stage, next_trans;
	uint64_t boot; /* random: makes transaction ids of restarts differ */
};

struct proxy_stats {
	uint64_t requests, errors, open, unsettled, handoffs, hedged;
};

/* A key of S3's signature version 4 of a user of v1 auth. */
#define S3_KEYS      64
#define S3_KEY_SCOPE 48
struct s3_key {
	const struct user *user; /* NULL: none */
	char scope[S3_KEY_SCOPE];
	uint8_t key[32];
};

struct proxy {
	struct cluster *cluster; /* borrowed */
	struct reactor *reactor; /* borrowed */
	struct backend *backend; /* borrowed */
	struct md5_engine *md5;  /* owned */
	struct settle *settle;   /* owned */
	/* Is the device owned by this reactor? Reads prefer those. */
	bool (*is_local)(struct proxy *proxy, uint32_t device);
	/* What people call a device; NULL: by its number. */
	void (*name_device)(struct proxy *proxy, uint32_t device, struct buf *out);
	/* Appends Prometheus text; NULL: none. */
	void (*metrics)(struct proxy *proxy, struct buf *out);
	/* Answers swift-recon (unit/recon.h); NULL: nobody does. */
	enum err (*recon)(struct proxy *proxy, struct recon_ask *ask);
	void *node;           /* theirs */
	struct budget budget; /* of bodies under way */
	struct hash infos;    /* struct info */
	struct list info_lru;
	unsigned info_count;
	struct hash row_queues; /* rows.c */
	struct hash ranges;     /* ranges.c */
	struct hash pages;      /* pages.c */
	struct list page_lru;
	size_t page_bytes, page_bytes_max;
	unsigned handoffs_open; /* handoff.c */
	struct hedge hedge;
	struct proxy_stats stats;
	struct buf access_line, access_metrics; /* access.c */
	struct s3_logs *s3_logs;                /* s3/log_deliver.c; NULL: none yet */
	struct s3_key s3_keys[S3_KEYS];         /* s3/login.c */
};

/* Fills the caller's storage. page_bytes_max bounds the kept listings, body_bytes_max the bodies
 * under way. */
enum err proxy_init(struct proxy *proxy, struct cluster *cluster, struct reactor *reactor,
        struct backend *backend, size_t page_bytes_max, size_t body_bytes_max);
/* No request may be under way. */
void proxy_done(struct proxy *proxy);
extern const struct limits limits_default; /* Swift's */

/* --- fan.c: one message to several devices --- */

/* How long a read waits for the replicas that would do, before it asks those that are left: one
 * that hangs must not make its clients wait until the deadline. */
#define PATIENCE_US 2000000

struct patience {
	struct timer timer;
	struct op *op; /* woken when it is over */
	bool over;
};
void patience_start(struct patience *patience, struct op *op);
void patience_start_for(struct patience *patience, struct op *op, uint64_t us);
void patience_done(struct patience *patience); /* harmless when never started */

struct fan {
	struct op *op;       /* woken at each answer */
	struct proxy *proxy; /* borrowed */
	unsigned count, answered;
	struct backend_call *calls; /* owned */
	struct place *place;        /* owned; NULL unless fan_ask started it */
	struct hlc *hlc;            /* borrowed; sees the times in the answers */
	struct patience rest;       /* with those that are not needed; see fan_wait_rest */
};

/* Sends msg (moved) to each device. deadline_ms bounds every call. */
void fan_start(struct fan *fan, struct op *op, struct proxy *proxy, struct backend_msg *msg,
        const uint32_t *devices, unsigned count, unsigned deadline_ms);
/* The i-th of msgs (each moved; NULL: none is sent) to the i-th device. */
void fan_start_each(struct fan *fan, struct op *op, struct proxy *proxy, struct backend_msg **msgs,
        const uint32_t *devices, unsigned count, unsigned deadline_ms);
/* The same to all devices of the place, which the message is addressed to. */
void fan_ask(struct fan *fan, struct op *op, struct proxy *proxy, struct backend_msg *msg,
        const struct place *place, unsigned deadline_ms);
/* From here on, for so long at most, it waits for all: fan_waits says so. */
void fan_wait_rest(struct fan *fan, uint64_t us);
bool fan_waits(const struct fan *fan);
/* Have enough devices (of the fan_ask) said so? */
bool fan_says(const struct fan *fan, enum err err);
bool fan_knows(const struct fan *fan); /* ERR_OK or ERR_NOT_FOUND */
unsigned fan_with(const struct fan *fan, enum err err);
/* Those of the place that have answered so, as place_met wants them. */
uint64_t fan_mask(const struct fan *fan, const struct place *place, enum err err);
/* Those that said what they know: ERR_OK or ERR_NOT_FOUND. */
static inline uint64_t fan_known(const struct fan *fan, const struct place *place)
{
	return fan_mask(fan, place, ERR_OK) | fan_mask(fan, place, ERR_NOT_FOUND);
}
static inline bool fan_open(const struct fan *fan)
{
	return fan->answered < fan->count;
}
/* Lets go of calls that were not answered: their operation no longer waits for them. Harmless on a
 * fan never started. */
void fan_done(struct fan *fan);

/* --- placement --- */

/* The rings of a kind (and, for objects, of a policy: NULL when there is none). They hold until the
 * loop's turn ends. */
const struct ring_set *proxy_rings(
        const struct cluster *cluster, enum backend_kind kind, unsigned policy);

/* Where a path is kept: an account's without container, a container's without object. */
void proxy_place(const struct cluster *cluster, unsigned policy, const char *account,
        const char *container, const char *object, struct place *ret_place);

/* Moves devices owned by this reactor to the front; returns how many from there are enough. */
unsigned proxy_prefer_local(struct proxy *proxy, struct place *place);

/* --- info.c: what requests must know of accounts and containers --- */

struct info {
	struct hash_node node;
	struct list lru;
	unsigned refs;
	uint64_t generation, asked_us; /* asked_us: it is no older than that */
	bool exists, deleted;
	uint8_t policy;
	uint64_t objects, bytes, policy_objects[BACKEND_POLICIES], policy_bytes[BACKEND_POLICIES];
	struct buf headers; /* kv block, with system metadata */
	char path[];        /* "account" or "account/container" */
};

/* A fetch under way, embedded in the request. */
struct info_fetch {
	struct fan fan;
	struct info *info; /* owned reference once done without error */
	enum err err;
	bool started, done;
	bool counts; /* the caller's: of an account with a quota, the totals of now are wanted */
	bool lacks;  /* the caller's: that it is not there may be a second old, where another node
	                has made it since */
	uint64_t generation, asked_us;
};

/* Call from a state until it returns true; then fetch->err or fetch->info tells. Missing is no
 * error: info->exists is false. ERR_UNAVAILABLE without a majority. */
bool info_get(struct info_fetch *fetch, struct op *op, struct proxy *proxy, const char *account,
        const char *container);
void info_fetch_done(struct info_fetch *fetch);
void info_unref(struct info *info);
void info_forget_all(struct proxy *proxy);

/* After a change to an account or container, before the client hears of it. */
void info_changed(struct cluster *cluster, const char *account, const char *container);
const char *info_header(const struct info *info, const char *name);

/* --- request.c --- */

struct identity {
	const char *user;    /* "account:user", or the identity service's id; NULL: anonymous */
	const char **groups; /* v1 auth: with user and account among them; NULL-terminated */
	const struct keystone_caller *keystone; /* known by the identity service */
	bool owner;                             /* may see and set what only account owners may */
	bool reseller;
};

/* Leave to do what is asked for in place of an identity: somebody who may has signed it. */
struct permit {
	const char *account, *container; /* that it is good for; container NULL: all of them */
	/* Of a temporary URL: when it ends, in seconds since 1970 (0: it is none), and how browsers
	 * are to show it. */
	int64_t expires;
	const char *filename; /* or NULL */
	bool shown_inline;
};

struct unit;

/* Where a request comes from that another one makes (sub.h). */
struct sub_origin {
	struct request *parent;
	const struct unit *maker; /* its unit: the request goes through those behind; NULL: all */
	int rights;               /* enum sub_rights */
	const char *account, *container, *object;
};

struct request {
	struct op op;
	struct http_req *http;
	struct proxy *proxy;
	const struct method *method;
	char trans_id[48];
	const char *path;          /* without query, as sent */
	const char *remapped_from; /* what was sent when path is another (host.h), or NULL */
	const char *storage_host;  /* what the name stands for that it calls us by, or NULL */
	struct cname_walk *cname;  /* unit/cname.h's own */
	const char *account, *container, *object; /* decoded; NULL where the path ends */
	struct query query;
	struct identity identity;
	const struct permit *permit; /* or NULL */
	struct auth *auth;           /* auth.c's own; NULL: nothing yet */
	struct s3 *s3;               /* s3/s3.h; NULL: it speaks Swift's API */
	uint64_t ts;                 /* of this request */
	uint64_t set_ts;             /* what X-Cairn-Timestamp says its write happened at, or 0 */
	bool head, replied, identified;
	bool synced;       /* another cluster brings what it has (unit/container_sync.c) */
	bool policy_known; /* once it is over: that of its container */
	uint8_t policy;
	const char *origin; /* CORS: the Origin of an actual request */
	struct info_fetch container_info, account_info;
	void *own; /* the method's own state, in the request's arena */
	void (*own_done)(struct request *request);
	struct list subs;       /* requests it makes, that are not over */
	struct request *parent; /* who makes this one; NULL: a client */
	bool trusted;           /* made by ourselves: may do everything */
	/* pipeline.h */
	uint8_t first_unit, entered, passed;
	void *unit_own;            /* of the unit that is looking; gone when the next one looks */
	bool authorized;           /* what was to be checked before that, has been */
	struct versions *versions; /* unit/versions.h; NULL: nothing to do with any */
	uint64_t versions_bytes;   /* of a container: of its versions */
	struct request_end *ends;
};

/* Something to be released with the request. In its arena. */
struct request_end {
	struct request_end *next;
	void (*run)(struct request_end *end);
};
void request_at_end(struct request *request, struct request_end *end);

/* Sets a header of the request, for what comes behind in the pipeline; the texts live as long as
 * the request. NULL: removes it. */
void request_set_header(struct request *request, const char *name, const char *value);

struct method {
	const char *name;
	const struct op_state *states;
	/* Body pieces, if the method wants a body. */
	void (*body)(struct request *request, struct bytes *piece, bool last);
	void (*room)(struct request *request);
	bool writes; /* needs the write ACL */
};

extern const struct http_handler proxy_handler;

/* origin: NULL for a client's. */
void request_begin(struct http_req *http, const struct sub_origin *origin);

/* Of a request with nobody behind it (errand.h): all but the operation and its id is filled in. */
void request_begin_own(struct request *request, const struct method *method);

/* Gives a request that is not past its pipeline another method, whose first state goes on there:
 * `return request_become(...)`. */
enum step request_become(struct request *request, const struct method *method);
/* The method of its path, from the beginning: `return request_route(...)`. */
enum step request_route(struct request *request);

struct request *request_of(struct op *op);
struct arena *request_arena(struct request *request);
struct cluster *request_cluster(struct request *request);

/* What is asked for: which path, and what kind of method. */
struct access {
	const char *account, *container; /* NULL: the path ends before */
	bool object;
	bool reads, posts, options, deletes;
};

/* May the request do this? The account's own ACL is asked too, which may take a fetch: call again
 * while *ret_wait. ret_err: ERR_OK, ERR_UNAUTHORIZED, ERR_FORBIDDEN, ERR_UNAVAILABLE. */
enum err request_authorize(struct request *request, const struct access *access, const char *acl,
        struct info_fetch *account_info, bool *ret_wait);

/* Who asks? Call from the first state until it is over: STEP_WAIT, or STEP_DONE when it has
 * answered, or STEP_NEXT. */
enum step request_identify(struct op *op);

/* Common state 0: goes to state 1, or answers. */
enum step request_prepare(struct op *op);

/* Answers with Swift's body for that status and ends the operation: `return request_fail(...)`. */
enum step request_fail(struct request *request, int status);
/* The same with a plain text body. */
enum step request_fail_text(struct request *request, int status, const char *text);
/* Text of its own under the type of Swift's standard bodies. */
enum step request_fail_html(struct request *request, int status, const char *text);
enum step request_err(struct request *request, enum err err);
/* Answers with an empty body. */
enum step request_empty(struct request *request, int status);
/* Is it past the object's X-Delete-At? Who may open such (X-Open-Expired) finds it there until it
 * is reaped. */
bool request_expired(const struct request *request, const struct backend_reply *object);
/* The time a write of this request gets: now, or what was set. */
uint64_t request_time(const struct request *request);
/* Sets the headers every answer has; http_reply and the like follow. */
void request_headers(struct request *request, int status);
void request_header_u64(struct request *request, const char *name, uint64_t value);

/* Percent-encoded, "first/second" (second may be NULL), as headers name paths. In the arena. */
const char *request_quoted(struct request *request, const char *first, const char *second);

/* Copies the request's headers of a prefix (case ignored) into a block, names title-cased. */
void request_copy_headers(struct request *request, struct buf *block, const char *prefix);
bool has_prefix(const char *text, const char *prefix); /* case ignored */
bool is_true(const char *text);                        /* Swift's config_true_value */
/* "x-object-meta-a_b" -> "X-Object-Meta-A-B", in place: WSGI knows no difference. */
void title_case(char *name);

/* --- methods, one file each --- */
extern const struct method account_get, account_put, account_post, account_delete;
extern const struct method container_get, container_put, container_post, container_delete;
extern const struct method object_get, object_put, object_post, object_delete, object_copy;
extern const struct method any_options, info_get_method, auth_get, plain_get;

/* --- the small pure ones --- */

/* acl.c. Cleans a container ACL (Swift's clean_acl); NULL with *ret_error set when it is bad. */
char *acl_clean(struct arena *arena, const char *header, const char *value, const char **ret_error);
/* May these groups (NULL-terminated) or this referrer use the ACL? *ret_listing: .rlistings. */
bool acl_group_allowed(const char *acl, const char *const *groups);
/* Steps through the groups, users and roles of an ACL (NULL at its end): all but the referrers. */
const char *acl_next_group(struct arena *arena, const char **acl);
bool acl_referrer_allowed(const char *acl, const char *referer);
bool acl_rlistings(const char *acl);
/* Account ACL (JSON): "admin", "read-write", "read-only" or NULL. */
const char *acl_account_access(const char *json, const char *const *groups);
/* NULL when the JSON is a good account ACL; otherwise what is wrong. *ret_clean: canonical text. */
const char *acl_account_check(struct arena *arena, const char *json, const char **ret_clean);

/* auth.c: known by a signature to be who this token of the identity service is for. */
void auth_become(struct request *request, const char *token, const struct verified *user);
/* The account of the project that such a token is for. */
const char *auth_account(struct request *request, const struct verified *user);
/* Who asks is who asks the other. */
void auth_inherit(struct request *request, const struct request *parent);
/* What WWW-Authenticate says besides Swift's realm; NULL: nothing. */
const char *auth_challenge(const struct request *request);
/* What an account that is written to, or made, is to keep in AUTH_PROJECT_DOMAIN; NULL: what is
 * there. */
#define AUTH_PROJECT_DOMAIN "X-Account-Sysmeta-Project-Domain-Id"
const char *auth_project_domain(struct request *request, const struct info *account);

/* tempauth.c */
bool tempauth_is_token(const char *text);
/* Known by a signature to be that user. */
void tempauth_become(struct request *request, const struct user *user);
/* False: the token is not valid. */
bool tempauth_identify(struct request *request, const char *token, const char *service);
/* By ownership, reseller roles or the container's ACL; sets identity.owner. */
bool tempauth_authorize(struct request *request, const struct access *access, const char *acl);
int tempauth_prefix(const char *account); /* 0 AUTH_, 1 SERVICE_, -1 neither */

/* constraints.c: NULL when fine, else the text of the 400. */
const char *constraint_metadata(struct request *request, const char *type);
/* The same bounds for what is stored (info) and the request's together. */
const char *constraint_stored_metadata(
        struct request *request, const char *type, const struct info *info);
const char *constraint_delete_at(struct request *request, uint64_t *ret_at);

/* Swift's text for a status. */
const char *swift_error_body(struct arena *arena, int status);
const char *swift_error_reason(int status); /* "Not Found" */
/* Both, a line each. */
const char *swift_error_lines(struct arena *arena, int status);

#endif
