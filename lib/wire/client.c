/*
 *            first call             connected, hello done
 *   IDLE ----------------> DIALING -----------------------> UP
 *                             |                              |
 *                             | refused, silent, wrong key   | lost
 *                             v        after a while         v
 *                           DOWN <-------------------------- DOWN ---> DIALING (calls fail at once)
 */
#include "lib/wire/client.h"

#include "lib/base/mem.h"
#include "lib/log/log.h"
#include "lib/wire/link.h"
#include "lib/wire/tls.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DIAL_US     2000000
#define BACKOFF_MIN 50000u
#define BACKOFF_MAX 2000000u
#define SLOTS_MIN   64u
#define NO_DEVICE   UINT32_MAX
#define ASK_COST    512u

/* Sent or waiting to be. A call whose deadline passed stays, without its caller, until the server
 * answers or the connection ends: it still has its share of the credit. */
struct pending {
	struct list link;
	struct wire_client *client;
	struct backend_call *call; /* NULL: answered already, or an ask */
	struct wire_ask *ask;
	struct backend_msg *msg; /* owned; NULL: an ask */
	struct buf payload;      /* of an ask */
	struct timer deadline;
	uint64_t deadline_us;
	uint32_t device, stream;
	size_t cost;
	bool is_ask, sent;
};

struct device {
	char *name;      /* owned */
	uint32_t remote; /* by the server's list; NO_DEVICE */
};

struct wire_client {
	struct wire_client_options options; /* ip owned */
	struct reactor *reactor;
	enum { IDLE, DIALING, UP, DOWN } state;
	bool was_down; /* calls do not wait for the dialling */
	bool told;     /* the trouble was logged */
	bool leaving;
	struct sockaddr_storage address;
	socklen_t address_len;
	int dialing_fd;
	struct io dial;
	struct timer retry, patience;
	uint64_t backoff_us;
	struct wire_link *link; /* owned until it is gone; NULL: none */
	struct list sent, waiting;
	unsigned count;
	size_t credit, used;
	/* By stream: the lower half is the slot, the upper a count that tells it from the one
	 * before there. */
	struct pending **slots; /* owned */
	uint16_t *turns;        /* owned */
	uint16_t *unused;       /* owned; free slots */
	unsigned slot_count, unused_count;
	struct device *devices; /* owned */
	unsigned device_count;
	struct buf names; /* what the server calls its devices, each with its NUL */
	struct wire_client_stats stats;
};

/* --- slots --- */

static void grow_slots(struct wire_client *c)
{
	unsigned count = c->slot_count ? c->slot_count * 2 : SLOTS_MIN;

	c->slots = mem_realloc(c->slots, count * sizeof(*c->slots));
	c->turns = mem_realloc(c->turns, count * sizeof(*c->turns));
	c->unused = mem_realloc(c->unused, count * sizeof(*c->unused));
	for (unsigned i = count; i-- > c->slot_count;) {
		c->slots[i] = NULL;
		c->turns[i] = 0;
		c->unused[c->unused_count++] = (uint16_t)i;
	}
	c->slot_count = count;
}

static uint32_t slot_take(struct wire_client *c, struct pending *p)
{
	if (!c->unused_count)
		grow_slots(c);
	unsigned i = c->unused[--c->unused_count];
	c->slots[i] = p;
	return (uint32_t)++c->turns[i] << 16 | i;
}

static struct pending *slot_find(const struct wire_client *c, uint32_t stream)
{
	unsigned i = stream & 0xffff;

	return i < c->slot_count && c->slots[i] && c->slots[i]->stream == stream ? c->slots[i]
	                                                                         : NULL;
}

static void pending_free(struct pending *p)
{
	struct wire_client *c = p->client;

	timer_cancel(c->reactor, &p->deadline);
	list_remove(&p->link);
	if (p->sent) {
		c->slots[p->stream & 0xffff] = NULL;
		c->unused[c->unused_count++] = (uint16_t)(p->stream & 0xffff);
		c->used -= p->cost;
	}
	c->count--;
	backend_msg_unref(p->msg);
	buf_done(&p->payload);
	free(p);
}

/* --- sending --- */

static uint64_t left_us(const struct wire_client *c, uint64_t deadline_us)
{
	uint64_t now = reactor_now_us(c->reactor);

	return !deadline_us ? 0 : deadline_us > now ? deadline_us - now : 1;
}

/* Once a call: at its deadline, or when it ends. */
static void note_outcome(const struct pending *p, enum err err)
{
	const struct wire_client_options *options = &p->client->options;

	if (p->call && options->answered)
		options->answered(options->owner, p->device, err);
}

static void tell(struct backend_call *call, struct wire_ask *ask, enum err err)
{
	if (call) {
		call->reply.err = err;
		call->answered = true;
		call->done(call);
	} else if (ask) {
		ask->done(ask, err, NULL, 0);
	}
}

static void end(struct pending *p, enum err err)
{
	note_outcome(p, err);
	struct backend_call *call = TAKE(p->call);
	struct wire_ask *ask = TAKE(p->ask);
	pending_free(p);
	tell(call, ask, err);
}

static enum err encode(struct wire_client *c, const struct pending *p)
{
	struct wire_call_head head = {
	        .device = c->devices[p->device].remote,
	        .timeout_us = left_us(c, p->deadline_us),
	};

	if (head.device == NO_DEVICE)
		return ERR_UNAVAILABLE;
	buf_reset(&c->options.loop->scratch);
	return wire_call_encode(&c->options.loop->scratch, c->link->version, &head, p->msg);
}

static void transmit(struct wire_client *c, struct pending *p)
{
	const struct buf *head = p->is_ask ? &p->payload : &c->options.loop->scratch;
	struct bytes *body = p->msg ? p->msg->body : NULL;

	p->stream = slot_take(c, p);
	p->sent = true;
	c->used += p->cost;
	c->stats.calls++;
	list_remove(&p->link);
	list_append(&c->sent, &p->link);
	wire_link_send(c->link, p->is_ask ? WIRE_ASK : WIRE_CALL, p->stream, head->data, head->len,
	        body, 0, body ? body->len : 0);
}

/* With an error it waits as before. */
static enum err try_transmit(struct wire_client *c, struct pending *p)
{
	enum err err = p->is_ask ? p->payload.err : encode(c, p);

	if (!err)
		transmit(c, p);
	return err;
}

static bool has_credit(const struct wire_client *c, const struct pending *p)
{
	return !c->used || c->used + p->cost <= c->credit;
}

static void send_waiting(struct wire_client *c)
{
	struct list *node;

	while (c->state == UP && (node = list_first(&c->waiting))) {
		struct pending *p = LIST_ENTRY(node, struct pending, link);
		if (!has_credit(c, p))
			break;
		enum err err = try_transmit(c, p);
		if (err)
			end(p, err);
	}
}

static void on_deadline(struct timer *timer)
{
	struct pending *p = CONTAINER_OF(timer, struct pending, deadline);

	p->client->stats.late++;
	if (p->sent) {
		note_outcome(p, ERR_DEADLINE);
		tell(TAKE(p->call), TAKE(p->ask), ERR_DEADLINE);
	} else {
		end(p, ERR_DEADLINE);
	}
}

static void dial(struct wire_client *c);

static struct pending *pending_new(struct wire_client *c, uint64_t deadline_us)
{
	struct pending *p = mem_zalloc(sizeof(*p));

	p->client = c;
	p->deadline_us = deadline_us;
	p->deadline.fire = on_deadline;
	if (deadline_us)
		timer_set(c->reactor, &p->deadline, left_us(c, deadline_us));
	list_append(&c->waiting, &p->link);
	c->count++;
	return p;
}

static enum err admits(const struct wire_client *c)
{
	if (c->leaving || c->state == DOWN || (c->state == DIALING && c->was_down))
		return ERR_UNAVAILABLE;
	return c->count >= WIRE_CALLS_MAX ? ERR_BUSY : ERR_OK;
}

void wire_client_send(struct wire_client *c, uint32_t device, struct backend_call *call)
{
	enum err err = admits(c);

	call->origin = c->reactor;
	if (!err && c->state == UP &&
	        (device >= c->device_count || c->devices[device].remote == NO_DEVICE))
		err = ERR_UNAVAILABLE;
	if (err) {
		backend_finish(call, err);
		return;
	}
	struct pending *p = pending_new(c, call->deadline_us);
	p->call = call;
	p->msg = backend_msg_ref(call->msg);
	p->device = device;
	p->cost = wire_call_cost(call->msg);
	if (c->state == IDLE)
		dial(c);
	if (c->state != UP || list_first(&c->waiting) != &p->link || !has_credit(c, p))
		return;
	if ((err = try_transmit(c, p))) {
		pending_free(p);
		backend_finish(call, err);
	}
}

static void refuse_ask(struct task *task)
{
	struct wire_ask *ask = CONTAINER_OF(task, struct wire_ask, task);

	ask->done(ask, ask->err, NULL, 0);
}

void wire_ask(struct wire_client *c, struct wire_ask *ask, uint32_t kind, const void *data,
        size_t len, uint64_t timeout_us)
{
	if ((ask->err = admits(c))) {
		ask->task.run = refuse_ask;
		reactor_post(c->reactor, &ask->task);
		return;
	}
	struct pending *p = pending_new(c, reactor_now_us(c->reactor) + timeout_us);
	p->is_ask = true;
	p->ask = ask;
	p->cost = ASK_COST;
	buf_le32(&p->payload, kind);
	buf_add(&p->payload, data, len);
	if (c->state == IDLE)
		dial(c);
	if (c->state == UP && list_first(&c->waiting) == &p->link && has_credit(c, p))
		(void)try_transmit(c, p); /* memory was out: it waits */
}

/* --- answers --- */

static void on_closed(struct backend_call *call)
{
	backend_call_done(call);
	free(call);
}

/* A version that was pinned for nobody. */
static void unpin(struct wire_client *c, const struct pending *p, uint64_t handle)
{
	struct backend_call *call = mem_zalloc(sizeof(*call));

	call->msg = backend_msg_new(BACKEND_OBJECT_CLOSE, BACKEND_OBJECT);
	call->msg->policy = p->msg->policy;
	memcpy(call->msg->key, p->msg->key, sizeof(call->msg->key));
	call->msg->handle = handle;
	call->done = on_closed;
	wire_client_send(c, p->device, call);
}

static void on_answer(struct wire_client *c, struct wire_message *m)
{
	struct pending *p = slot_find(c, m->frame.stream);
	struct backend_reply reply;
	uint64_t worked_us;
	struct bytes *body = TAKE(m->body);

	if (!p || p->is_ask) {
		bytes_unref(body);
		wire_link_fail(c->link, ERR_FORMAT);
		return;
	}
	if (wire_reply_decode(
	            c->link->version, m->head, m->frame.head_len, body, &reply, &worked_us)) {
		wire_link_fail(c->link, ERR_FORMAT);
		return;
	}
	if (!p->call) {
		struct backend_call late = {.reply = reply};
		if (reply.handle)
			unpin(c, p, reply.handle);
		backend_call_done(&late);
	} else {
		p->call->reply = reply;
	}
	end(p, reply.err);
	send_waiting(c);
}

static void on_told(struct wire_client *c, struct wire_message *m)
{
	struct pending *p = slot_find(c, m->frame.stream);

	if (!p || !p->is_ask || m->frame.head_len < 2) {
		wire_link_fail(c->link, ERR_FORMAT);
		return;
	}
	struct wire_ask *ask = TAKE(p->ask);
	pending_free(p);
	if (ask)
		ask->done(ask, wire_err_from((uint16_t)(m->head[0] | m->head[1] << 8)), m->head + 2,
		        m->frame.head_len - 2);
	send_waiting(c);
}

/* --- the connection --- */

static void say(struct wire_client *c, enum err err)
{
	if (!err)
		log_info("wire-up", "peer=%s port=%u version=%u", c->options.ip, c->options.port,
		        c->link->version);
	else if (!c->told)
		log_warn("wire-down", "peer=%s port=%u err=%s", c->options.ip, c->options.port,
		        err_name(err));
	c->told = err;
	if (c->options.changed)
		c->options.changed(c->options.owner, err);
}

static void fail_all(struct wire_client *c, enum err err)
{
	struct list all = LIST_INIT(all), *node;

	list_splice(&all, &c->sent);
	list_splice(&all, &c->waiting);
	while ((node = list_first(&all)))
		end(LIST_ENTRY(node, struct pending, link), err);
}

static void go_down(struct wire_client *c, enum err err)
{
	uint16_t jitter;

	c->state = DOWN;
	c->stats.up = false;
	timer_cancel(c->reactor, &c->patience);
	for (unsigned i = 0; i < c->device_count; i++)
		c->devices[i].remote = NO_DEVICE;
	if (err == ERR_UNAUTHORIZED || err == ERR_FORBIDDEN || err == ERR_UNSUPPORTED)
		c->stats.refused++;
	say(c, err);
	c->was_down = true;
	c->backoff_us = c->backoff_us * 2 < BACKOFF_MIN   ? BACKOFF_MIN
	                : c->backoff_us * 2 > BACKOFF_MAX ? BACKOFF_MAX
	                                                  : c->backoff_us * 2;
	const struct env *env = reactor_env(c->reactor);
	env->random(env, &jitter, sizeof(jitter));
	if (!c->leaving)
		timer_set(
		        c->reactor, &c->retry, c->backoff_us - c->backoff_us / 4 * jitter / 65536);
	fail_all(c, ERR_UNAVAILABLE);
}

struct owned_link {
	struct wire_link link;
	struct wire_client *client; /* NULL: it has let go of it */
};

static struct wire_client *client_of(struct wire_link *link)
{
	return CONTAINER_OF(link, struct owned_link, link)->client;
}

static void release(struct wire_client *c)
{
	fail_all(c, ERR_UNAVAILABLE);
	for (unsigned i = 0; i < c->device_count; i++)
		free(c->devices[i].name);
	free(c->devices);
	free(c->slots);
	free(c->turns);
	free(c->unused);
	buf_done(&c->names);
	free((char *)(uintptr_t)c->options.ip);
	free(c);
}

static void count_link(struct wire_client *c)
{
	c->stats.bytes_in += c->link->bytes_in;
	c->stats.bytes_out += c->link->bytes_out;
}

static void let_go(struct wire_client *c)
{
	count_link(c);
	CONTAINER_OF(c->link, struct owned_link, link)->client = NULL;
	c->link = NULL;
}

static void on_lost(struct wire_link *link, enum err err)
{
	struct wire_client *c = client_of(link);

	c->stats.losses += c->state == UP;
	let_go(c);
	go_down(c, err);
}

static void on_gone(struct wire_link *link)
{
	free(CONTAINER_OF(link, struct owned_link, link));
}

static enum err on_challenge(struct wire_client *c, const struct wire_message *m)
{
	struct buf *out = &c->options.loop->scratch;

	buf_reset(out);
	enum err err = wire_hello_prove(
	        &c->link->hello, c->options.identity, m->head, m->frame.head_len, out);
	if (err)
		return err;
	wire_link_send(c->link, WIRE_PROOF, 0, out->data, out->len, NULL, 0, 0);
	wire_link_session_out(c->link);
	wire_link_session_in(c->link);
	return ERR_OK;
}

static uint32_t remote_of(const struct wire_client *c, const char *name)
{
	const char *p = c->names.data, *stop = p + c->names.len;

	for (uint32_t n = 0; p < stop; n++, p += strlen(p) + 1) {
		if (strcmp(p, name) == 0)
			return n;
	}
	return NO_DEVICE;
}

/* Credit u64, then the names of the devices, each with its NUL. */
static enum err on_welcome(struct wire_client *c, const struct wire_message *m)
{
	size_t len = m->frame.head_len;

	if (len < 8 || (len > 8 && m->head[len - 1]))
		return ERR_FORMAT;
	c->credit = 0;
	for (unsigned i = 0; i < 8; i++)
		c->credit |= (uint64_t)m->head[i] << 8 * i;
	buf_reset(&c->names);
	buf_add(&c->names, m->head + 8, len - 8);
	if (c->names.err)
		return ERR_NO_MEMORY;
	for (unsigned i = 0; i < c->device_count; i++)
		c->devices[i].remote = remote_of(c, c->devices[i].name);
	return ERR_OK;
}

static void on_up(struct wire_client *c)
{
	c->state = UP;
	c->was_down = false;
	c->backoff_us = 0;
	c->stats.connects++;
	c->stats.up = true;
	c->stats.version = c->link->version;
	timer_cancel(c->reactor, &c->patience);
	say(c, ERR_OK);
	send_waiting(c);
}

static const enum err reasons[] = {ERR_CLOSED, ERR_UNSUPPORTED, ERR_FORBIDDEN, ERR_UNAUTHORIZED};

static enum err refusal(const struct wire_message *m)
{
	unsigned reason = m->frame.head_len == 2 ? m->head[0] : 0;

	return reasons[reason < COUNT_OF(reasons) ? reason : 0];
}

static void on_frame(struct wire_link *link, struct wire_message *m)
{
	struct wire_client *c = client_of(link);
	enum err err = ERR_FORMAT;

	if (c->state == UP && m->frame.type == WIRE_ANSWER) {
		on_answer(c, m);
		return;
	}
	bytes_unref(TAKE(m->body));
	if (c->state == UP && m->frame.type == WIRE_TOLD) {
		on_told(c, m);
		return;
	}
	if (m->frame.type == WIRE_PING && link->trusted)
		return;
	if (!link->trusted && m->frame.type == WIRE_CHALLENGE)
		err = on_challenge(c, m);
	else if (!link->trusted && m->frame.type == WIRE_REFUSE)
		err = refusal(m);
	else if (link->trusted && c->state == DIALING && m->frame.type == WIRE_WELCOME &&
	         !(err = on_welcome(c, m)))
		on_up(c);
	if (err)
		wire_link_fail(link, err);
}

static const struct wire_link_ops link_ops = {on_frame, on_lost, on_gone};

static void greet(struct wire_client *c)
{
	struct buf *out = &c->options.loop->scratch;
	struct owned_link *owned = mem_zalloc(sizeof(*owned));
	struct tls_session *tls = c->options.tls ? tls_session_new(c->options.tls, false) : NULL;

	owned->client = c;
	c->link = &owned->link;
	wire_link_start(c->link, c->options.loop, c->dialing_fd, tls, &link_ops);
	c->dialing_fd = -1;
	buf_reset(out);
	wire_hello_start(&c->link->hello, c->options.identity, reactor_env(c->reactor), out);
	wire_link_send(c->link, WIRE_HELLO, 0, out->data, out->len, NULL, 0, 0);
}

static void on_dialed(struct io *io, int result)
{
	struct wire_client *c = CONTAINER_OF(io, struct wire_client, dial);

	if (!c->leaving && result == 0) {
		greet(c);
		return;
	}
	close(c->dialing_fd);
	c->dialing_fd = -1;
	if (c->leaving)
		release(c);
	else
		go_down(c, result == -ECANCELED ? ERR_DEADLINE : ERR_CLOSED);
}

/* Neither connected nor welcome in time. */
static void on_patience(struct timer *timer)
{
	struct wire_client *c = CONTAINER_OF(timer, struct wire_client, patience);

	if (c->link)
		wire_link_fail(c->link, ERR_DEADLINE);
	else if (c->dialing_fd >= 0)
		io_cancel(c->reactor, &c->dial);
	else
		go_down(c, ERR_NO_MEMORY);
}

static void dial(struct wire_client *c)
{
	c->state = DIALING;
	c->dialing_fd = socket(c->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	timer_set(c->reactor, &c->patience, c->dialing_fd < 0 ? 0 : DIAL_US);
	if (c->dialing_fd < 0)
		return;
	c->dial.done = on_dialed;
	io_connect(c->reactor, &c->dial, c->dialing_fd, (struct sockaddr *)&c->address,
	        c->address_len);
}

static void on_retry(struct timer *timer)
{
	dial(CONTAINER_OF(timer, struct wire_client, retry));
}

enum err wire_client_new(const struct wire_client_options *options, struct wire_client **ret_client)
{
	struct wire_client *c = mem_zalloc(sizeof(*c));
	enum err err = wire_address(options->ip, options->port, &c->address, &c->address_len);

	if (err) {
		free(c);
		return err;
	}
	c->options = *options;
	c->options.ip = mem_strdup(options->ip);
	c->reactor = options->loop->reactor;
	c->dialing_fd = -1;
	c->retry.fire = on_retry;
	c->patience.fire = on_patience;
	list_init(&c->sent);
	list_init(&c->waiting);
	*ret_client = c;
	return ERR_OK;
}

void wire_client_free(struct wire_client *c)
{
	if (!c)
		return;
	c->leaving = true;
	timer_cancel(c->reactor, &c->retry);
	timer_cancel(c->reactor, &c->patience);
	if (c->link) {
		struct wire_link *link = c->link;
		let_go(c);
		wire_link_close(link);
	}
	if (c->dialing_fd >= 0)
		io_cancel(c->reactor, &c->dial);
	else
		release(c);
}

uint32_t wire_client_device(struct wire_client *c, const char *name)
{
	for (uint32_t i = 0; i < c->device_count; i++) {
		if (strcmp(c->devices[i].name, name) == 0)
			return i;
	}
	c->devices = mem_realloc(c->devices, (c->device_count + 1) * sizeof(*c->devices));
	c->devices[c->device_count] =
	        (struct device){mem_strdup(name), c->state == UP ? remote_of(c, name) : NO_DEVICE};
	return c->device_count++;
}

void wire_client_stats(const struct wire_client *c, struct wire_client_stats *ret_stats)
{
	*ret_stats = c->stats;
	ret_stats->open = c->count;
	if (c->link) {
		ret_stats->bytes_in += c->link->bytes_in;
		ret_stats->bytes_out += c->link->bytes_out;
	}
}
