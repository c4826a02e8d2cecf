/* A round: clients that put, create, delete, read and list a few names through any node, while
 * nodes crash, links are cut, disks and clocks go wrong; then everything heals, and what the
 * clients saw must have an order, and the replicas must be equal. */
#include "tests/sim/sim.h"

#include "lib/base/kv.h"
#include "lib/base/mem.h"
#include "node/replicate.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CLIENTS  4
#define OPS      12 /* of each client */
#define LARGE    (300u << 10)
#define BODY_MAX (LARGE + 64)

struct client {
	unsigned index, ops_left;
	struct sim_event think;
	struct sim_record *record, *listed[SIM_KEYS];
	enum sim_op op;
	unsigned key;
	uint8_t *body;
	uint64_t read[SIM_KEYS]; /* the body that it has read last, or 0 */
	char etag[SIM_KEYS][40];
};

static struct client clients[CLIENTS];
static unsigned busy;
static bool all_done, healing, wrong;
static bool posts, wipes;      /* may metadata be posted, disks be replaced? */
static bool replaces, removes; /* do they so with just what they have read, by S3? */
static bool storm;             /* all want to create the same name, at the same time */
static bool brings;            /* all bring a name from elsewhere, as of the same time */
static bool lags;              /* one is cut off, that will lag behind in a split */
static unsigned laggard;
static bool rough, lossy; /* and links come and go meanwhile; or much is lost */
static uint64_t next_value;
static char token[128];
static struct sim_event fault, split;

static void fail(const char *what, unsigned status)
{
	fprintf(stderr, "%s: status %u\n", what, status);
	wrong = true;
}

/* Bodies say which value they are, from end to end. */
static size_t make_body(uint64_t value, uint8_t *body)
{
	size_t len = value % 8 == 7 ? LARGE + value % 50 : 20 + value % 200;
	int n = snprintf((char *)body, 32, "v%llu ", (unsigned long long)value);

	for (size_t i = (size_t)n; i < len; i++)
		body[i] = body[i - (size_t)n];
	return len;
}

static uint64_t read_body(const struct buf *answer)
{
	static uint8_t wanted[BODY_MAX];
	uint64_t value = 0;

	if (answer->len < 2 || answer->data[0] != 'v')
		return UINT64_MAX;
	for (size_t i = 1; i < answer->len && answer->data[i] >= '0' && answer->data[i] <= '9'; i++)
		value = value * 10 + (uint64_t)(answer->data[i] - '0');
	size_t len = make_body(value, wanted);
	return len == answer->len && memcmp(wanted, answer->data, len) == 0 ? value : UINT64_MAX;
}

static uint64_t read_meta(const struct sim_request *r)
{
	const char *meta = kv_get(r->req.out.data, r->req.out.len, "X-Object-Meta-V");

	return meta ? strtoull(meta, NULL, 10) : 0;
}

static uint64_t read_value(const struct sim_request *r)
{
	uint64_t body = read_body(&r->answer);

	return body == UINT64_MAX ? body : sim_value(body, read_meta(r));
}

static void think(struct client *c)
{
	if (!c->ops_left) {
		all_done = --busy == 0;
		return;
	}
	c->ops_left--;
	sim_after(&c->think, sim_draw(storm              ? SIM_MS / 2
	                              : lags             ? 100 * SIM_MS
	                              : world.split_rows ? 800 * SIM_MS
	                                                 : 30 * SIM_MS));
}

static void end(struct sim_record *r, uint64_t value)
{
	r->end = sim_now();
	r->sure = true;
	r->value = value;
}

static void take_listing(struct client *c, const struct buf *answer)
{
	bool there[SIM_KEYS] = {false};

	for (size_t at = 0; at + 3 <= answer->len; at += 3) {
		unsigned key = (unsigned)(answer->data[at + 1] - '0');
		if (answer->data[at] != 'k' || key >= SIM_KEYS || there[key])
			fail("a strange listing", 200);
		else
			there[key] = true;
	}
	for (unsigned k = 0; k < SIM_KEYS; k++)
		end(c->listed[k], there[k]);
}

static void take_get(struct client *c, const struct sim_request *r)
{
	const char *etag = kv_get(r->req.out.data, r->req.out.len, "Etag");

	end(c->record, read_value(r));
	c->read[c->key] = read_body(&r->answer);
	snprintf(c->etag[c->key], sizeof(c->etag[c->key]), "%s", etag ? etag : "");
}

/* What the answer says of what happened; where it says nothing the operation stays open. */
static void take(struct client *c, const struct sim_request *r)
{
	int s = r->status;

	if (s == 503 || s == 507 || s == 598 || s == 599 || s == 408)
		return;
	switch (c->op) {
	case SIM_PUT:
	case SIM_CREATE:
		if (s == 201 || (s == 202 && !brings)) {
			end(c->record, c->record->value);
		} else if ((s == 412 || s == 202) && c->op == SIM_CREATE) {
			c->record->failed = true;
			end(c->record, 0);
		} else {
			fail("put", (unsigned)s);
		}
		break;
	case SIM_DELETE:
		c->record->failed = s == 404;
		if (s == 204 || s == 404)
			end(c->record, 0);
		else if (s != 409)
			fail("delete", (unsigned)s);
		break;
	case SIM_GET:
		if (s == 200)
			take_get(c, r);
		else if (s == 404)
			end(c->record, 0);
		else
			fail("get", (unsigned)s);
		break;
	case SIM_POST:
		c->record->failed = s == 404;
		if (s == 202 || s == 404)
			end(c->record, c->record->value);
		else
			fail("post", (unsigned)s);
		break;
	case SIM_REPLACE:
		c->record->failed = s == 412 || s == 404;
		if (s == 200 || s == 412 || s == 404)
			end(c->record, c->record->value);
		else
			fail("replace", (unsigned)s);
		break;
	case SIM_REMOVE:
		c->record->failed = s == 412;
		if (s == 204 || s == 412)
			end(c->record, 0);
		else if (s != 409)
			fail("remove", (unsigned)s);
		break;
	case SIM_LIST:
		if (s == 200 || s == 204)
			take_listing(c, &r->answer);
		else
			fail("list", (unsigned)s);
		break;
	}
}

static void on_answer(struct sim_request *r)
{
	struct client *c = r->owner;

	if (world.verbose)
		fprintf(stderr, "%10llu client %u %s %s -> %d\n", (unsigned long long)sim_now(),
		        c->index, r->req.method, r->req.target, r->status);
	take(c, r);
	sim_request_free(r);
	think(c);
}

static bool pick_node(unsigned *ret_node)
{
	unsigned first = (unsigned)sim_draw(world.node_count);

	for (unsigned i = 0; i < world.node_count; i++) {
		*ret_node = (first + i) % world.node_count;
		if (world.nodes[*ret_node].up && !(lags && *ret_node == laggard))
			return true;
	}
	return false;
}

static void send(struct client *c, unsigned node)
{
	static const char *const methods[] = {"PUT", "PUT", "DELETE", "GET", "GET", "POST"};
	const char *headers[] = {
	        "X-Auth-Token", token, "X-Object-Meta-V", NULL, "If-None-Match", "*", NULL};

	if (brings) {
		headers[4] = "X-Cairn-Timestamp";
		headers[5] = "1600000000.12345";
	}
	char target[64], meta[24];
	size_t len = 0;

	headers[c->op == SIM_CREATE ? 6 : c->op == SIM_PUT || c->op == SIM_POST ? 4 : 2] = NULL;
	if (c->op == SIM_LIST) {
		for (unsigned k = 0; k < SIM_KEYS; k++)
			c->listed[k] = history_begin(SIM_LIST, c->index, k, 0);
		snprintf(target, sizeof(target), "/v1/AUTH_test/c");
	} else {
		bool writes = c->op == SIM_PUT || c->op == SIM_CREATE;
		uint64_t value = writes || c->op == SIM_POST ? ++next_value : 0;
		c->record = history_begin(
		        c->op, c->index, c->key, writes ? sim_value(value, value) : value);
		snprintf(meta, sizeof(meta), "%llu", (unsigned long long)value);
		headers[3] = meta;
		if (writes)
			len = make_body(value, c->body);
		snprintf(target, sizeof(target), "/v1/AUTH_test/c/k%u", c->key);
	}
	sim_request(node, methods[c->op], target, headers, c->body, len, on_answer, c);
}

/* In place of what the client has read, or without a body: away with that. */
static void send_instead(struct client *c, unsigned node)
{
	bool writes = c->op == SIM_REPLACE;
	const char *method = writes ? "PUT" : "DELETE";
	struct sim_signature signature;
	char target[64], amz[48];
	uint64_t value = writes ? ++next_value : 0;

	snprintf(target, sizeof(target), "/c/k%u", c->key);
	snprintf(amz, sizeof(amz), "x-amz-meta-v:%llu", (unsigned long long)value);
	sim_sign(node, method, amz, target, &signature);
	const char *const headers[] = {"Date", signature.date, "Authorization",
	        signature.authorization, "X-Amz-Meta-V", strchr(amz, ':') + 1, "If-Match",
	        c->etag[c->key], NULL};
	c->record = history_begin(c->op, c->index, c->key, sim_value(value, value));
	c->record->instead = c->read[c->key];
	sim_request(node, method, target, headers, c->body, writes ? make_body(value, c->body) : 0,
	        on_answer, c);
}

static void on_think(struct sim_event *e)
{
	static const enum sim_op mix[] = {SIM_PUT, SIM_PUT, SIM_PUT, SIM_CREATE, SIM_DELETE,
	        SIM_GET, SIM_GET, SIM_GET, SIM_LIST};
	static const enum sim_op bring[] = {SIM_CREATE, SIM_CREATE, SIM_GET, SIM_LIST};
	static const enum sim_op rush[] = {SIM_CREATE, SIM_CREATE, SIM_CREATE, SIM_DELETE, SIM_GET};
	struct client *c = CONTAINER_OF(e, struct client, think);
	unsigned node;

	if (!pick_node(&node)) {
		sim_after(&c->think, 20 * SIM_MS);
		return;
	}
	c->op = storm ? rush[sim_draw(COUNT_OF(rush))] : mix[sim_draw(COUNT_OF(mix))];
	if (brings)
		c->op = bring[sim_draw(COUNT_OF(bring))];
	else if (lags) /* what is listed changes */
		c->op = sim_chance(50) ? SIM_PUT : SIM_DELETE;
	else if (posts && sim_chance(20))
		c->op = SIM_POST;
	c->key = storm ? 0 : (unsigned)sim_draw(SIM_KEYS);
	bool instead = c->op <= SIM_CREATE ? replaces : c->op == SIM_DELETE && removes;
	if (instead && c->read[c->key]) {
		c->op = c->op == SIM_DELETE ? SIM_REMOVE : SIM_REPLACE;
		send_instead(c, node);
	} else {
		send(c, node);
	}
}

/* --- what goes wrong --- */

static void heal_links(void)
{
	memset(world.cut, 0, sizeof(world.cut));
	world.loss = world.reach = 0;
}

/* Which version of each name each node has, last digits of its time: to see where one got lost. */
static void tell_versions(void)
{
	for (unsigned k = 0; k < SIM_KEYS; k++) {
		struct place place;
		char name[16];
		snprintf(name, sizeof(name), "k%u", k);
		proxy_place(&world.nodes[0].node->cluster, 0, "AUTH_test", "c", name, &place);
		fprintf(stderr, "           %s", name);
		for (unsigned i = 0; i < place.count; i++) {
			struct sim_node *s = sim_node_at(0, place.devices[i]);
			struct node_device *d = &s->node->devices[0];
			struct device_version v = {0};
			if (!s->up || !d->ready) {
				fprintf(stderr, "  %u: %s", s->index, s->up ? "opening" : "down");
				continue;
			}
			device_find(d->device, 0, place.key, &v);
			fprintf(stderr, "  %u: %llu%s+%llu [%llu]", s->index,
			        (unsigned long long)(v.ts % 10000000000), v.deleted ? "x" : "",
			        (unsigned long long)(v.meta_ts % 10000000000),
			        (unsigned long long)device_lsn(d->device));
		}
		fprintf(stderr, "\n");
	}
}

/* A second one before the first has all again could be the last that had something. */
static bool any_filling(void)
{
	for (unsigned i = 0; i < world.node_count; i++) {
		if (world.nodes[i].filling)
			return true;
	}
	return false;
}

static unsigned draw_fault(void)
{
	static const unsigned when_rough[] = {0, 2, 2, 4, 4, 4, 4, 5, 5, 6, 7, 7, 9},
	                      when_lossy[] = {0, 2, 2, 7, 9, 9, 9, 9};

	return rough   ? when_rough[sim_draw(COUNT_OF(when_rough))]
	       : lossy ? when_lossy[sim_draw(COUNT_OF(when_lossy))]
	               : (unsigned)sim_draw(10);
}

static void on_fault(struct sim_event *e)
{
	unsigned a = (unsigned)sim_draw(world.node_count), b = (unsigned)sim_draw(world.node_count);
	struct sim_node *s = &world.nodes[a];
	unsigned kind = draw_fault();

	if (healing)
		return;
	if (brings && sim_chance(30))
		world.reach = 1 + (unsigned)sim_draw(4);
	if (world.verbose) {
		tell_versions();
		fprintf(stderr, "%10llu fault %u at %u, %u\n", (unsigned long long)sim_now(), kind,
		        a, b);
	}
	switch (kind) {
	case 0:
	case 1:
		if (wipes && sim_chance(30) && !any_filling())
			sim_wipe(a);
		else
			sim_crash(a);
		break;
	case 2:
	case 3:
		for (unsigned i = 0; i < world.node_count; i++)
			sim_start(i);
		break;
	case 4:
		world.cut[a][b] = true;
		break;
	case 5:
		for (unsigned i = 0; i < world.node_count; i++)
			world.cut[a][i] = world.cut[i][a] = i != a;
		break;
	case 6:
	case 7:
		heal_links();
		break;
	case 8:
		s->slow = s->slow ? 0 : 1 + sim_draw(200);
		break;
	default:
		if (!lossy && sim_chance(50))
			s->env.skew_us = (int64_t)sim_draw(8 * SIM_S) - (int64_t)(4 * SIM_S);
		else
			world.loss = (unsigned)sim_draw(lossy ? 60 : 20);
		break;
	}
	sim_after(e, SIM_MS + sim_draw((rough ? 10 : world.split_rows ? 1500 : 150) * SIM_MS));
}

static void catch_up(void)
{
	lags = false;
	heal_links();
	sim_after(&fault, sim_draw(2 * SIM_S));
}

static void on_splits(unsigned node)
{
	if (lags && node == laggard && !healing)
		catch_up();
}

/* One who keeps the container's rows misses some, and is back just when it splits the container:
 * those that it lacks must not be missing in the range. */
static void on_split(struct sim_event *e)
{
	struct place place;

	if (lags && world.held) {
		sim_release();
		sim_after(e, SIM_S);
	} else if (lags) {
		catch_up();
	}
	if (lags || !world.held || healing)
		return;
	lags = true;
	proxy_place(&world.nodes[0].node->cluster, 0, "AUTH_test", "c", NULL, &place);
	/* Most often who comes first when it is split. */
	unsigned i = sim_chance(70) ? 0 : (unsigned)sim_draw(place.count);
	laggard = sim_node_at(0, place.devices[i])->index;
	for (i = 0; i < world.node_count; i++)
		world.cut[laggard][i] = world.cut[i][laggard] = i != laggard;
	sim_after(e, (100 + sim_draw(400)) * SIM_MS);
}

/* --- a round --- */

struct simple {
	bool done;
	int status;
	char token[128];
};

static void on_simple(struct sim_request *r)
{
	struct simple *s = r->owner;
	const char *value = kv_get(r->req.out.data, r->req.out.len, "X-Auth-Token");

	if (value)
		snprintf(s->token, sizeof(s->token), "%s", value);
	s->status = r->status;
	s->done = true;
	sim_request_free(r);
}

static void log_in(void)
{
	const char *const headers[] = {"X-Auth-User", brings ? "test:bringer" : "test:tester",
	        "X-Auth-Key", "testing", NULL};
	struct simple s = {0};

	sim_request(0, "GET", "/auth/v1.0", headers, NULL, 0, on_simple, &s);
	sim_run(10 * SIM_S, &s.done);
	memcpy(token, s.token, sizeof(token));
	if (s.status != 200)
		fail("log in", (unsigned)s.status);
}

static void make_container(void)
{
	const char *const headers[] = {"X-Auth-Token", token, NULL};
	struct simple s = {0};

	sim_request(0, "PUT", "/v1/AUTH_test/c", headers, NULL, 0, on_simple, &s);
	sim_run(30 * SIM_S, &s.done);
	if (s.status != 201)
		fail("make the container", (unsigned)s.status);
}

static void run_clients(unsigned ops)
{
	all_done = false;
	busy = CLIENTS;
	for (unsigned i = 0; i < CLIENTS; i++) {
		clients[i].index = i;
		clients[i].ops_left = ops;
		clients[i].think.fire = on_think;
		if (!clients[i].body)
			clients[i].body = mem_zalloc(BODY_MAX);
		think(&clients[i]);
	}
	sim_run(3600 * SIM_S, &all_done);
	if (!all_done)
		fail("clients that never end", 0);
}

static void heal(void)
{
	healing = true;
	sim_cancel(&fault);
	sim_cancel(&split);
	lags = false;
	sim_release();
	heal_links();
	for (unsigned i = 0; i < world.node_count; i++) {
		world.nodes[i].slow = 0;
		sim_start(i);
	}
	/* Uploads nobody ends, updates left behind, a round of replication. */
	sim_run(120 * SIM_S, NULL);
	if (any_filling())
		fail("a disk that was replaced is not filled", 0);
}

/* Every node reads each name, and lists: the same, even where a row was late. */
static void read_all(void)
{
	bool there[SIM_KEYS];

	for (unsigned node = 0; node < world.node_count; node += 2) {
		for (unsigned k = 0; k <= SIM_KEYS; k++) {
			struct client *c = &clients[0];
			c->op = k == SIM_KEYS ? SIM_LIST : SIM_GET;
			c->key = k;
			c->ops_left = 0;
			busy = 1;
			all_done = false;
			send(c, node);
			sim_run(60 * SIM_S, &all_done);
			const struct sim_record *r = k == SIM_KEYS ? c->listed[0] : c->record;
			if (!r->sure)
				fail("no answer though all is well", 0);
			if (k < SIM_KEYS)
				there[k] = r->value != 0;
			for (unsigned i = 0; k == SIM_KEYS && i < SIM_KEYS; i++) {
				if (there[i] != c->listed[i]->value)
					fail("listed is not what is there, of key", i);
			}
		}
	}
}

static bool same(const struct device_version *a, const struct device_version *b)
{
	return a->ts == b->ts && a->deleted == b->deleted && a->meta_ts == b->meta_ts;
}

/* Straight from the devices. */
static void compare_replicas(void)
{
	for (unsigned k = 0; k < SIM_KEYS; k++) {
		struct cluster *cluster = &world.nodes[0].node->cluster;
		struct device_version first = {0}, other;
		struct place place;
		char name[16];
		snprintf(name, sizeof(name), "k%u", k);
		proxy_place(cluster, 0, "AUTH_test", "c", name, &place);
		for (unsigned i = 0; i < place.count; i++) {
			struct node_device *d = &sim_node_at(0, place.devices[i])->node->devices[0];
			other = (struct device_version){0};
			device_find(d->device, 0, place.key, &other);
			if (i == 0)
				first = other;
			else if (!same(&first, &other))
				fail("replicas that stay different, of key", k);
		}
	}
}

bool load_round(uint64_t seed)
{
	wrong = healing = lags = false;
	history_reset();
	storm = seed % 3 == 0;
	lossy = seed % 24 == 0;
	rough = seed % 12 == 6;
	posts = seed % 7 >= 4;
	wipes = seed % 7 == 3 || seed % 7 == 5;
	brings = seed % 17 == 11 && world.ec.k;
	replaces = seed % 5 == 2 && !brings;
	removes = replaces && seed % 20 >= 10;
	/* Each name becomes a range of its own, while the clients are at it. */
	world.split_rows = seed % 4 == 1 && !storm;
	world.held = world.split_rows && seed % 8 == 5;
	sim_open(seed, world.ec.k ? world.ec.k + world.ec.m : 4 + (unsigned)(seed % 2), 3);
	log_in();
	make_container();
	fault.fire = on_fault;
	split.fire = on_split;
	world.splits = on_splits;
	if (world.held)
		sim_after(&split, (300 + sim_draw(2000)) * SIM_MS);
	else
		sim_after(&fault, sim_draw(100 * SIM_MS));
	run_clients(OPS);
	heal();
	read_all();
	if (world.verbose)
		tell_versions();
	compare_replicas();
	uint64_t unsettled = world.unsettled;
	for (unsigned i = 0; i < world.node_count; i++)
		unsettled += world.nodes[i].node->reactors[0].proxy.stats.unsettled;
	return history_check(!unsettled) && !wrong;
}
