/* rest: a control service's HTTP side. One table of routes tells method, path, policy rule, handler
 * and the status of success; all else is done here once: matching, the caller's token, reading and
 * bounding the body, errors in the API's own form, the access line, metrics, --print-api.
 *
 * A handler runs on a thread of the service's pool and may block. It returns ERR_OK, having written
 * its answer to req->out, or an error with what to do about it in req->error. */
#ifndef LIB_REST_REST_H
#define LIB_REST_REST_H

#include "lib/auth/policy.h"
#include "lib/base/arena.h"
#include "lib/http/http.h"
#include "lib/http/url.h"
#include "lib/json/jout.h"
#include "lib/json/jread.h"
#include "lib/work/work.h"
#include <stdatomic.h>

#define REST_PARAMS_MAX 8

enum rest_method { REST_GET, REST_PUT, REST_POST, REST_PATCH, REST_DELETE, REST_METHODS };

enum {
	REST_OPEN = 1,  /* without a token, too */
	REST_BODY = 2,  /* wants a JSON object */
	REST_LOOP = 4,  /* never blocks: runs on the loop */
	REST_LATER = 8, /* asks for its rule itself (rest_allow), once it knows the target */
};

struct rest_req;

struct rest_route {
	enum rest_method method; /* GET answers HEAD, too */
	const char *path;        /* "/v3/users/{user_id}" */
	enum err (*handle)(struct rest_req *req);
	const char *rule; /* of the policy; NULL: none is asked for */
	unsigned flags;
	int success;
	const void *own; /* the service's */
};

/* How an API tells of errors. */
struct rest_dialect {
	/* 0: as err.def has it. */
	int (*status)(enum err err);
	void (*body)(int status, const char *text, struct buf *out);
};

/* Who asks. Texts belong to the request's arena. */
struct rest_caller {
	bool known; /* it has shown a token that is valid */
	const char *user_id, *project_id, *domain_id, *user_domain_id;
	bool system;               /* scoped to the whole */
	struct policy_facts facts; /* for rules */
	const void *token;         /* the service's */
};

struct rest_service {
	const char *name;
	const struct rest_route *routes;
	unsigned route_count;
	const struct rest_dialect *dialect;
	const struct policy *policy;
	struct work_pool *pool;
	size_t body_max;
	const char *public_url; /* of links, without a path; NULL: as the client reached us */
	/* Fills req->caller from the headers; on the loop if it can be, ERR_BUSY asks for a thread.
	 * ERR_UNAUTHORIZED: there is a token, and it is not valid. */
	enum err (*authenticate)(struct rest_req *req);
	/* Hears of each request that changes something, once it is answered: its event
	 * (lib/rest/audit.h), as JSON. On a loop: must not block. NULL: nobody. */
	void (*audit)(const struct rest_req *req, const char *event);
	bool audit_logins; /* of those, too, that come for a token */
	void *owner;
	atomic_uint open;       /* requests under way */
	struct rest_node *tree; /* of rest_prepare */
};

struct rest_req {
	struct rest_service *service;
	struct http_req *http;
	const struct rest_route *route;
	struct arena *arena; /* the request's */
	const char *path;    /* undecoded, without the query */
	struct query query;
	const char *params[REST_PARAMS_MAX]; /* decoded, in the path's order */
	struct rest_caller caller;
	const struct jval *body; /* an object; NULL: none */
	char id[48];             /* req-UUID */

	/* The answer. */
	int status; /* 0: the route's */
	struct buf out, headers;
	struct jout json; /* writes to out */
	struct buf error; /* what is wrong, for people */
	bool asked;       /* the route's rule */
	bool head;        /* HEAD: the answer is GET's, without its body */

	const char *actor, *made; /* for its event: who has logged in, the id of what was made */

	void *own;                              /* the handler's */
	enum err (*then)(struct rest_req *req); /* of rest_move */
	struct work_pool *then_pool;

	/* private */
	struct jroot root;
	struct buf raw;
	struct work work;
	enum err err;
};

/* Checks the table (a programmer's mistakes abort) and builds what finds a route. */
void rest_prepare(struct rest_service *service);
void rest_done(struct rest_service *service);

/* The edge's, with the service as owner. */
extern const struct http_handler rest_handler;

/* A path's part by its name in the route. */
const char *rest_param(const struct rest_req *req, const char *name);

/* Sets a header of the answer. */
void rest_header(struct rest_req *req, const char *name, const char *value);

/* Does the policy allow the route, given what is asked for? ERR_FORBIDDEN, or without any token
 * ERR_UNAUTHORIZED, with a text. */
enum err rest_allow(struct rest_req *req, const struct policy_fact *target, unsigned count);

/* As above, by another rule than the route's. */
enum err rest_allow_as(
        struct rest_req *req, const char *rule, const struct policy_fact *target, unsigned count);

/* A handler ends with it: goes on in `then`, on a thread of another pool: for what takes long and
 * must keep nobody else waiting. A full pool is 503. */
enum err rest_move(
        struct rest_req *req, struct work_pool *pool, enum err (*then)(struct rest_req *req));

/* `err` with a text for people. */
enum err rest_fail(struct rest_req *req, enum err err, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

/* The tables as JSON. */
void rest_print_api(const struct rest_service *service, struct buf *out);

#endif
