#include "tests/sim/sim.h"

#include "lib/base/mem.h"
#include "lib/log/log.h"
#include "lib/wire/message.h"
#include "node/replicate.h"
#include "ring/builder.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WALL_US 1700000000000000ull

struct sim_world world;

/* --- chance and time --- */

static uint64_t now_us, order;
static struct sim_event **heap;
static unsigned heap_count, heap_cap;

static uint64_t next_random(void)
{
	uint64_t z = (world.seed += 0x9e3779b97f4a7c15u);

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

uint64_t sim_draw(uint64_t below)
{
	return next_random() % below;
}

bool sim_chance(unsigned percent)
{
	return sim_draw(100) < percent;
}

uint64_t sim_now(void)
{
	return now_us;
}

static bool sooner(const struct sim_event *a, const struct sim_event *b)
{
	return a->at_us != b->at_us ? a->at_us < b->at_us : a->order < b->order;
}

static void heap_set(unsigned i, struct sim_event *e)
{
	heap[i] = e;
	e->index = i;
}

static void heap_fix(unsigned i, struct sim_event *e)
{
	for (; i > 1 && sooner(e, heap[i / 2]); i /= 2)
		heap_set(i, heap[i / 2]);
	for (unsigned child; (child = i * 2) <= heap_count; i = child) {
		if (child < heap_count && sooner(heap[child + 1], heap[child]))
			child++;
		if (!sooner(heap[child], e))
			break;
		heap_set(i, heap[child]);
	}
	heap_set(i, e);
}

void sim_cancel(struct sim_event *e)
{
	unsigned i = e->index;

	if (!i)
		return;
	struct sim_event *last = heap[heap_count--];
	e->index = 0;
	if (last != e)
		heap_fix(i, last);
}

void sim_after(struct sim_event *e, uint64_t us)
{
	sim_cancel(e);
	e->at_us = now_us + us;
	e->order = ++order;
	if (heap_count + 2 > heap_cap) {
		heap_cap = heap_cap ? heap_cap * 2 : 1024;
		heap = mem_realloc(heap, heap_cap * sizeof(*heap));
	}
	heap_count++;
	heap_fix(heap_count, e);
}

/* In place of liburing's: nothing here does real operations, and each turn of a loop would enter
 * the kernel to hear so. */
struct io_uring;
int io_uring_submit_and_get_events(struct io_uring *ring);
int io_uring_submit_and_get_events(struct io_uring *ring)
{
	(void)ring;
	return 0;
}

/* --- what a node sees of the machine --- */

static uint64_t env_mono(const struct env *env)
{
	(void)env;
	return now_us;
}

static uint64_t env_wall(const struct env *env)
{
	const struct sim_env *e = CONTAINER_OF(env, const struct sim_env, env);

	return (uint64_t)((int64_t)(WALL_US + now_us) + e->skew_us);
}

static void env_random(const struct env *env, void *bytes, size_t len)
{
	uint8_t *at = bytes;

	(void)env;
	for (size_t i = 0; i < len; i++)
		at[i] = (uint8_t)next_random();
}

struct sim_node *sim_node_of(struct reactor *reactor)
{
	for (unsigned i = 0; i < world.node_count; i++) {
		if (world.nodes[i].reactor == reactor)
			return &world.nodes[i];
	}
	return NULL;
}

/* --- the network --- */

struct sim_call {
	struct backend_call inner;
	struct backend_call *outer; /* NULL once it has its answer */
	struct sim_node *from, *to;
	unsigned from_life, to_life;
	struct sim_event way, deadline;
	struct task task;
	bool held;      /* inner is with a role */
	bool filling;   /* its device was, when that began */
	enum err early; /* what the sender hears without an answer */
};

static void maybe_free(struct sim_call *c)
{
	if (c->outer || c->held || c->way.index || c->deadline.index)
		return;
	backend_call_done(&c->inner);
	free(c);
}

static void answer(struct sim_call *c, enum err err)
{
	struct backend_call *outer = c->outer;

	c->outer = NULL;
	sim_cancel(&c->deadline);
	if (outer && c->from->life == c->from_life)
		backend_finish(outer, err);
	maybe_free(c);
}

static void on_deadline(struct sim_event *e)
{
	answer(CONTAINER_OF(e, struct sim_call, deadline), ERR_DEADLINE);
}

static uint64_t travel(const struct sim_call *c)
{
	uint64_t us = c->from == c->to ? 1 + sim_draw(10) : 30 + sim_draw(300);

	if (c->from != c->to && sim_chance(3))
		us += sim_draw(20 * SIM_MS); /* others overtake it */
	return us * (1 + (c->to->slow + c->from->slow) / 2);
}

static bool arrives(const struct sim_node *from, const struct sim_node *to)
{
	return from == to ||
	       (!world.cut[from->index][to->index] && !(world.loss && sim_chance(world.loss)));
}

/* Another node gets what the wire has of it, no more. */
static struct backend_msg *carried(const struct backend_msg *msg)
{
	AUTO(buf) struct buf out = BUF_NONE;
	struct wire_call_head head = {0};
	struct backend_msg *back;

	if (wire_call_encode(&out, WIRE_VERSION_MAX, &head, msg) ||
	        wire_call_decode(WIRE_VERSION_MAX, out.data, out.len,
	                msg->body ? bytes_ref(msg->body) : NULL, &head, &back))
		abort();
	return back;
}

static void carry_reply(const struct backend_reply *reply, struct backend_reply *ret)
{
	AUTO(buf) struct buf out = BUF_NONE;
	uint64_t worked_us;

	if (wire_reply_encode(&out, WIRE_VERSION_MAX, reply, 0) ||
	        wire_reply_decode(WIRE_VERSION_MAX, out.data, out.len,
	                reply->body ? bytes_copy(reply->body->data + reply->body_offset,
	                                      reply->body_len)
	                            : NULL,
	                ret, &worked_us))
		abort();
}

static void on_reply(struct sim_event *e)
{
	struct sim_call *c = CONTAINER_OF(e, struct sim_call, way);

	if (!c->outer || c->from->life != c->from_life) {
		c->outer = NULL;
		sim_cancel(&c->deadline);
		maybe_free(c);
		return;
	}
	enum err err = c->inner.reply.err;
	if (c->from == c->to) {
		c->outer->reply = c->inner.reply;
		c->inner.reply = (struct backend_reply){0};
	} else {
		carry_reply(&c->inner.reply, &c->outer->reply);
	}
	answer(c, err);
}

/* Of a container: the rows that are brought, or told, and the hash of all. */
static void trace_container(const struct sim_call *c, const char *what)
{
	const struct backend_msg *m = c->inner.msg;
	const struct backend_reply *r = &c->inner.reply;
	struct backend_row row;

	fprintf(stderr, "%10llu %u>%u %s op %u %s", (unsigned long long)now_us, c->from->index,
	        c->to->index, what, m->op, m->container);
	for (unsigned i = 0; *what == '>' && i < m->row_count; i++)
		fprintf(stderr, " %s%s", m->rows[i].name, m->rows[i].deleted ? "x" : "");
	if (*what == '<')
		fprintf(stderr, " err %u hash %02x%02x rows", r->err, r->etag[0], r->etag[1]);
	for (size_t at = 0; *what == '<' && backend_rows_next(&r->rows, &at, &row);)
		fprintf(stderr, " %s%s", row.name, row.deleted ? "x" : "");
	fprintf(stderr, "\n");
}

/* What is asked of objects and the containers that list them, and answered. */
static void trace(const struct sim_call *c, const char *what)
{
	const struct backend_msg *m = c->inner.msg;
	const struct backend_reply *r = &c->inner.reply;

	if (!world.trace || c->outer == NULL)
		return;
	if (m->kind == BACKEND_CONTAINER && m->container)
		trace_container(c, what);
	if (m->kind != BACKEND_OBJECT || !m->object)
		return;
	fprintf(stderr, "%10llu %u>%u %s op %u %s ts %llu writer %llu", (unsigned long long)now_us,
	        c->from->index, c->to->index, what, m->op, m->object,
	        (unsigned long long)(m->ts % 10000000000),
	        (unsigned long long)((m->stage ? m->stage : m->handle) % 10000));
	if (*what == '<')
		fprintf(stderr, " err %u ts %llu%s", r->err,
		        (unsigned long long)(r->ts % 10000000000), r->deleted ? "x" : "");
	fprintf(stderr, "\n");
}

/* From the role, on its reactor. */
static void on_done(struct backend_call *inner)
{
	struct sim_call *c = CONTAINER_OF(inner, struct sim_call, inner);

	if (c->filling)
		node_filling_answer(inner->msg, &inner->reply);
	trace(c, "<");
	c->held = false;
	c->way.fire = on_reply;
	if (arrives(c->to, c->from))
		sim_after(&c->way, travel(c));
	else
		maybe_free(c);
}

static void handle(struct task *task)
{
	struct sim_call *c = CONTAINER_OF(task, struct sim_call, task);

	trace(c, ">");
	node_device_handle(&c->to->node->devices[0], &c->inner, &c->filling);
}

static void on_refused(struct sim_event *e)
{
	answer(CONTAINER_OF(e, struct sim_call, way), ERR_UNAVAILABLE);
}

static void on_arrival(struct sim_event *e)
{
	struct sim_call *c = CONTAINER_OF(e, struct sim_call, way);

	if (!c->to->up) {
		/* A machine that is off says nothing; one whose process died refuses. */
		c->way.fire = on_refused;
		if (sim_chance(70) && arrives(c->to, c->from))
			sim_after(&c->way, travel(c));
		else
			maybe_free(c);
		return;
	}
	c->to_life = c->to->life;
	c->held = true;
	c->inner.origin = c->to->reactor;
	c->inner.done = on_done;
	c->task.run = handle;
	reactor_post(c->to->reactor, &c->task);
}

/* Handle 0 is the node's own device, the others follow in order. */
struct sim_node *sim_node_at(unsigned from, uint32_t handle)
{
	unsigned i = handle == 0 ? from : handle <= from ? handle - 1 : handle;

	return i < world.node_count ? &world.nodes[i] : NULL;
}

static uint32_t handle_of(unsigned from, unsigned node)
{
	return node == from ? 0 : node < from ? node + 1 : node;
}

static void maybe_cut(const struct sim_node *from, const struct backend_msg *msg)
{
	bool counts =
	        msg->kind == BACKEND_OBJECT &&
	        (msg->op == BACKEND_OBJECT_PUT || (msg->op == BACKEND_OBJECT_GET && msg->draft));

	if (!counts || !world.reach || --world.reach)
		return;
	for (unsigned i = 0; i < world.node_count; i++)
		world.cut[from->index][i] = world.cut[i][from->index] = i != from->index;
}

static void sim_send(struct backend *backend, struct backend_call *outer)
{
	struct node *node = CONTAINER_OF(backend, struct node, backend);
	struct sim_node *from = sim_node_of(node->reactors[0].reactor);
	struct sim_node *to = sim_node_at(from->index, outer->device);

	outer->origin = from->reactor;
	if (outer->msg->kind == BACKEND_CONTAINER && outer->msg->op == BACKEND_DB_SPLIT)
		world.splits(from->index);
	if (!to) {
		backend_finish(outer, ERR_UNAVAILABLE);
		return;
	}
	struct sim_call *c = mem_zalloc(sizeof(*c));
	c->inner.msg = from == to ? backend_msg_ref(outer->msg) : carried(outer->msg);
	c->inner.device = 0;
	c->inner.deadline_us = outer->deadline_us;
	c->outer = outer;
	c->from = from;
	c->to = to;
	c->from_life = from->life;
	if (outer->deadline_us) {
		c->deadline.fire = on_deadline;
		sim_after(&c->deadline,
		        outer->deadline_us > now_us ? outer->deadline_us - now_us : 0);
	}
	c->way.fire = on_arrival;
	if (arrives(from, to))
		sim_after(&c->way, travel(c));
	if (from != to)
		maybe_cut(from, outer->msg);
}

/* --- nodes --- */

/* In place of node/filling.c: what that would note in files. */
void node_filling_look(struct node_device *d)
{
	d->filling_ts = hlc_now(&d->node->hlc) + 60 * TS_PER_SECOND;
	atomic_store(&d->filling, sim_node_of(d->node->reactors[0].reactor)->filling);
	node_device_known(d, ERR_OK);
}

void node_filling_end(struct node_device *d)
{
	atomic_store(&d->filling, false);
	sim_node_of(d->node->reactors[0].reactor)->filling = false;
}

void node_began(struct node *node)
{
	atomic_fetch_sub(&node->devices_pending, 1);
}

/* All nodes have the same. */
static struct ring *shared_ring(unsigned replicas)
{
	static struct ring *rings[SIM_NODES_MAX + 1];
	char ip[] = "10.0.0.1", none[] = "", names[SIM_NODES_MAX][16];
	struct ring_dev devs[SIM_NODES_MAX];

	for (unsigned i = 0; i < world.node_count && !rings[replicas]; i++) {
		snprintf(names[i], sizeof(names[i]), "d%u", i);
		devs[i] = (struct ring_dev){.region = 1,
		        .zone = i,
		        .ip = ip,
		        .port = 6200,
		        .replication_ip = none,
		        .device = names[i],
		        .meta = none,
		        .weight = 100};
	}
	if (!rings[replicas] && ring_build(6, replicas, devs, world.node_count, &rings[replicas]))
		abort();
	return ring_ref(rings[replicas]);
}

static struct ring_set *make_rings(unsigned from, unsigned replicas)
{
	uint32_t *handles = mem_zalloc((world.node_count + 1) * sizeof(*handles));
	struct ring *ring = shared_ring(replicas);

	for (unsigned i = 0; i < world.node_count; i++)
		handles[i] = handle_of(from, i);
	return ring_set_new(&ring, &handles, 1);
}

static struct node *make_node(struct sim_node *s)
{
	static atomic_bool serves = true;
	static struct user users[] = {{"test:tester", "testing", ".admin"},
	        {"test:bringer", "testing", ".admin .reseller_admin"}, {NULL, NULL, NULL}};
	struct node *node = mem_zalloc(sizeof(*node));
	struct cluster *c = &node->cluster;
	struct node_reactor *r = &node->reactors[0];
	struct node_device *d = &node->devices[0];
	char path[32];

	node->conf = (struct node_conf){.unit_bytes = 4 << 20,
	        .lifecycle_day = 86400,
	        .device_bytes = 96 << 20,
	        .cache_bytes = 1 << 20,
	        .scrub_pause = 60,
	        .replicate_pause = 2,
	        .split_rows = world.split_rows,
	        .split_pace_us = world.split_rows ? sim_draw(400 * SIM_MS) : 0,
	        .replicas = world.replicas};
	node->serves = node->stores = true;
	hlc_init(&node->hlc, &s->env.env);
	c->env = &s->env.env;
	c->hlc = &node->hlc;
	c->serves = true;
	c->joined = &serves;
	atomic_store(&node->joined, !world.held);
	c->users = users;
	c->token_life_s = 86400;
	c->hash_suffix = (struct ring_name){"sim", 3};
	c->limits = limits_default;
	c->units.s3 = true;
	c->account_autocreate = true;
	c->account_rings = make_rings(s->index, world.replicas);
	c->container_rings = make_rings(s->index, world.replicas);
	struct ring_set *objects =
	        make_rings(s->index, world.ec.k ? world.ec.k + world.ec.m : world.replicas);
	objects->need = world.ec.k ? world.ec.k + 1 : 0;
	c->policies[0] = (struct policy){.name = "gold",
	        .aliases = "",
	        .rings = objects,
	        .ec = world.ec.k ? &world.ec : NULL};
	c->env->random(c->env, &c->boot, sizeof(c->boot));
	atomic_store(&c->next_stage, c->boot | 1);
	atomic_store(&c->hlc->slots, HLC_SLOTS);
	atomic_store(&c->hlc->slot, s->index);
	hlc_see(c->hlc, s->given);
	node->backend.send = sim_send;
	node->reactor_count = 1;
	node->device_count = 1;
	atomic_store(&node->devices_pending, 1);
	r->node = node;
	r->reactor = s->reactor;
	list_init(&r->calls);
	list_init(&r->open);
	if (proxy_init(&r->proxy, c, s->reactor, &node->backend, 1 << 20, 64 << 20))
		abort();
	r->proxy.node = r;
	snprintf(path, sizeof(path), "sim%u", s->index);
	d->node = node;
	d->name = mem_strdup("d");
	d->path = mem_strdup(path);
	d->data_path = mem_strdup(path);
	d->is_file = true;
	if (work_pool_new(0, 4096, &d->pool))
		abort();
	return node;
}

void sim_start(unsigned index)
{
	struct sim_node *s = &world.nodes[index];

	if (s->up)
		return;
	s->life++;
	if (reactor_new(&s->env.env, 64, &s->reactor))
		abort();
	s->node = make_node(s);
	s->up = true;
	reactor_turn(s->reactor, false);
	node_device_open(&s->node->devices[0]);
}

void sim_release(void)
{
	world.held = false;
	for (unsigned i = 0; i < world.node_count; i++)
		atomic_store(&world.nodes[i].node->joined, true);
}

void sim_crash(unsigned index)
{
	struct sim_node *s = &world.nodes[index];

	if (!s->up)
		return;
	s->up = false;
	s->life++;
	world.unsettled += s->node->reactors[0].proxy.stats.unsettled;
	s->given = hlc_latest(&s->node->hlc); /* as node/clock.c has it */
	sim_requests_crash(index);
	sim_image_crash(s->image);
	sim_stores_crash(s->node->devices[0].path);
}

void sim_wipe(unsigned index)
{
	struct sim_node *s = &world.nodes[index];
	char path[32];

	sim_crash(index);
	snprintf(path, sizeof(path), "sim%u", index);
	sim_image_wipe(s->image);
	sim_stores_wipe(path);
	s->filling = true;
}

void sim_open(uint64_t seed, unsigned nodes, unsigned replicas)
{
	world.seed = seed;
	world.node_count = nodes;
	world.replicas = replicas;
	for (unsigned i = 0; i < nodes; i++) {
		struct sim_node *s = &world.nodes[i];
		s->index = i;
		s->env.env = (struct env){env_mono, env_wall, env_random};
		s->image = sim_image_new();
		sim_start(i);
	}
	sim_run(50 * SIM_MS, NULL);
}

/* Turns of the loops, in an order drawn anew each time, until none has anything to do. */
static void turn_all(void)
{
	unsigned first = (unsigned)sim_draw(world.node_count), idle = 0;

	for (unsigned i = first; idle < world.node_count; i++) {
		struct sim_node *s = &world.nodes[i % world.node_count];
		if (s->up && reactor_turn(s->reactor, false))
			idle = 0;
		else
			idle++;
	}
}

static uint64_t next_time(uint64_t end)
{
	uint64_t next = heap_count && heap[1]->at_us < end ? heap[1]->at_us : end;

	for (unsigned i = 0; i < world.node_count; i++) {
		uint64_t at = world.nodes[i].up ? reactor_next_timer(world.nodes[i].reactor) : next;
		if (at < next)
			next = at;
	}
	return next;
}

void sim_run(uint64_t us, const bool *until)
{
	uint64_t end = now_us + us;

	for (;;) {
		turn_all();
		if (until && *until)
			return;
		uint64_t next = next_time(end);
		if (next > now_us)
			now_us = next;
		bool any = false;
		while (heap_count && heap[1]->at_us <= now_us) {
			struct sim_event *e = heap[1];
			sim_cancel(e);
			e->fire(e);
			any = true;
		}
		if (now_us >= end && !any)
			return;
	}
}
