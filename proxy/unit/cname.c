#include "proxy/unit/cname.h"

#include "proxy/pipeline.h"

#include "lib/base/mem.h"
#include "lib/dns/dns.h"
#include "lib/work/work.h"
#include <arpa/inet.h>
#include <ctype.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define THREADS     4
#define QUEUE_MAX   256
#define NAMES_MAX   10000
#define NONE_S      60 /* so long it is kept that a name stands for none */
#define TTL_MAX_S   86400
#define US_A_SECOND 1000000ull

/* What a name stands for; "": nothing. */
struct known {
	struct hash_node node;
	struct list lru;
	uint64_t until_us;
	char *target; /* in name's memory */
	char name[];
};

struct cname {
	struct dns_servers servers;
	struct work_pool *pool;
	pthread_mutex_t lock; /* of what is below */
	struct hash known;
	struct list lru;
};

/* From one name to the next, for one request. In its arena. */
struct cname_walk {
	struct work work;
	struct request *request;
	const struct cname *cname;
	uint64_t tries;
	char name[DNS_NAME_SIZE], found[DNS_NAME_SIZE];
	uint32_t ttl_s;
	enum err err;
	bool asking, asked; /* asked: err and found are of `name` */
};

/* --- what is known --- */

static uint64_t hash_of(const char *name)
{
	return hash_bytes(name, strlen(name), 0);
}

static void forget(struct cname *c, struct known *k)
{
	hash_remove(&c->known, &k->node);
	list_remove(&k->lru);
	free(k);
}

static struct known *find(struct cname *c, const char *name)
{
	for (struct hash_node *n = hash_find(&c->known, hash_of(name)); n; n = hash_find_next(n)) {
		struct known *k = CONTAINER_OF(n, struct known, node);
		if (strcmp(k->name, name) == 0)
			return k;
	}
	return NULL;
}

static bool recall(struct cname *c, const char *name, uint64_t now_us, char ret[DNS_NAME_SIZE])
{
	pthread_mutex_lock(&c->lock);
	struct known *k = find(c, name);
	bool knows = k && now_us < k->until_us;
	if (knows)
		memcpy(ret, k->target, strlen(k->target) + 1);
	pthread_mutex_unlock(&c->lock);
	return knows;
}

static void keep(struct cname *c, const char *name, const char *target, uint64_t until_us)
{
	size_t name_size = strlen(name) + 1, target_size = strlen(target) + 1;
	struct known *k = mem_zalloc(sizeof(*k) + name_size + target_size), *old;

	memcpy(k->name, name, name_size);
	k->target = k->name + name_size;
	memcpy(k->target, target, target_size);
	k->until_us = until_us;
	pthread_mutex_lock(&c->lock);
	if ((old = find(c, name)))
		forget(c, old);
	else if (c->known.count >= NAMES_MAX)
		forget(c, LIST_ENTRY(c->lru.next, struct known, lru));
	hash_insert(&c->known, &k->node, hash_of(name));
	list_append(&c->lru, &k->lru);
	pthread_mutex_unlock(&c->lock);
}

/* --- asking --- */

static void run(struct work *work)
{
	struct cname_walk *w = CONTAINER_OF(work, struct cname_walk, work);

	w->err = dns_cname(&w->cname->servers, w->name, w->found, &w->ttl_s);
}

static void on_asked(struct work *work)
{
	struct cname_walk *w = CONTAINER_OF(work, struct cname_walk, work);
	struct request *request = w->request;
	uint64_t ttl_s = w->err == ERR_NOT_FOUND ? NONE_S : w->err ? 0 : w->ttl_s;

	if (w->err)
		w->found[0] = 0;
	if (ttl_s > TTL_MAX_S)
		ttl_s = TTL_MAX_S;
	if (ttl_s)
		keep(request_cluster(request)->cname, w->name, w->found,
		        reactor_now_us(request->proxy->reactor) + ttl_s * US_A_SECOND);
	w->asking = false;
	w->asked = true;
	op_child_end(&request->op);
}

static enum step ask(struct op *op)
{
	struct request *request = request_of(op);
	struct cname_walk *w = request->cname;

	if (w->asking)
		return STEP_WAIT;
	if (request->http->gone)
		return STEP_DONE;
	if (w->asked)
		return request_route(request);
	w->work = (struct work){.run = run, .done = on_asked};
	w->asking = true;
	op_child_begin(op);
	if (work_submit(request_cluster(request)->cname->pool, &w->work) == ERR_OK)
		return STEP_WAIT;
	w->asking = false;
	op_child_end(op);
	return request_fail(request, 503);
}

static const struct op_state states[] = {{"ask", ask, 0, 0}};
const struct method cname_method = {.name = "cname", .states = states};

/* --- names --- */

static bool is_ours(const char *domains, const char *name)
{
	size_t len = strlen(name);

	for (domains += strspn(domains, ", "); *domains; domains += strspn(domains, ", ")) {
		size_t n = strcspn(domains, ", ");
		const char *domain = domains;
		domains += n;
		if (*domain == '.')
			domain++, n--;
		if (n && len >= n && strncasecmp(name + len - n, domain, n) == 0 &&
		        (len == n || name[len - n - 1] == '.'))
			return true;
	}
	return false;
}

/* The host without its port, in small letters; "" when it is too long to be one. False: an address,
 * or none. */
static bool host_name(const struct request *request, char ret_name[DNS_NAME_SIZE])
{
	const char *host = http_get(request->http, "Host");
	uint8_t address[16];

	if (!host || *host == '[')
		return false;
	const char *port = strrchr(host, ':');
	size_t len = port && strchr(host, ':') == port ? (size_t)(port - host) : strlen(host);
	if (len >= DNS_NAME_SIZE)
		len = 0;
	for (size_t i = 0; i < len; i++)
		ret_name[i] = (char)tolower((unsigned char)host[i]);
	ret_name[len] = 0;
	return *host && inet_pton(AF_INET, ret_name, address) != 1 &&
	       inet_pton(AF_INET6, ret_name, address) != 1;
}

/* The next name, where it is known. */
static bool next_name(struct request *request, struct cname_walk *w)
{
	if (w->asked)
		return true;
	return recall(request_cluster(request)->cname, w->name,
	        reactor_now_us(request->proxy->reactor), w->found);
}

bool cname_wanted(struct request *request)
{
	char name[DNS_NAME_SIZE];

	return request_cluster(request)->cname && host_name(request, name) &&
	       !is_ours(request_cluster(request)->units.cname_storage, name);
}

enum step cname_look(struct request *request, const char **ret_text)
{
	struct cname *c = request_cluster(request)->cname;
	const struct unit_options *o = &request_cluster(request)->units;
	struct cname_walk *w = request->cname;

	if (request->storage_host || !cname_wanted(request))
		return STEP_NEXT;
	if (!w) {
		w = request->cname = arena_zalloc(request_arena(request), sizeof(*w));
		w->request = request;
		w->cname = c;
		host_name(request, w->name);
	}
	for (; w->tries < o->cname_depth; w->tries++) {
		if (*w->name && !next_name(request, w))
			return STEP_WAIT;
		w->asked = false;
		if (!*w->found || strcasecmp(w->found, w->name) == 0) {
			*ret_text = "CNAME lookup failed to resolve to a valid domain";
			return STEP_DONE;
		}
		if (is_ours(o->cname_storage, w->found)) {
			request->storage_host = w->found;
			return STEP_NEXT;
		}
		memcpy(w->name, w->found, sizeof(w->name));
		for (char *p = w->name; *p; p++)
			*p = (char)tolower((unsigned char)*p);
	}
	*ret_text = arena_printf(request_arena(request), "CNAME lookup failed after %llu tries",
	        (unsigned long long)o->cname_depth);
	return STEP_DONE;
}

enum err cname_new(const struct unit_options *options, struct cname **ret_cname)
{
	struct dns_servers servers;
	const char *domains = options->cname_storage;

	*ret_cname = NULL;
	if (!dns_servers_parse(options->cname_servers, &servers))
		return ERR_CONFIG;
	if (!domains[strspn(domains, ", ")])
		return ERR_OK;
	struct cname *c = mem_zalloc(sizeof(*c));
	c->servers = servers;
	list_init(&c->lru);
	pthread_mutex_init(&c->lock, NULL);
	enum err err = work_pool_new(THREADS, QUEUE_MAX, &c->pool);
	if (err) {
		free(c);
		return err;
	}
	*ret_cname = c;
	return ERR_OK;
}

static bool tell(const struct cluster *cluster, struct buf *out)
{
	buf_printf(out, "\"lookup_depth\": %llu", (unsigned long long)cluster->units.cname_depth);
	return cluster->cname;
}

const struct unit unit_cname_lookup = {.name = "cname_lookup", .info = tell};
