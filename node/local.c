/* The `local` backend: a message to a device of this process. The device is given a call of ours in
 * place of the proxy's. So the proxy gets its answer at the deadline, or when the disk is found to
 * hang, and ours, with the message and its buffers, stays for the device until it is done. */
#include "node/node.h"

#include "lib/base/auto.h"
#include "lib/base/mem.h"
#include <stdlib.h>

/* Calls of one reactor to one device that were not answered: bounds what a slow disk can hold. */
#define CALLS_MAX 16384

struct local_call {
	struct backend_call inner;
	struct backend_call *outer; /* NULL once it has its answer */
	struct list link;           /* of the reactor's, while outer is there */
	struct list open;
	uint64_t fences; /* that had been set when it was sent */
	struct node_reactor *from;
	struct node_device *device;
	bool filling; /* the device was, when it was asked */
};

static struct node_device *device_of(struct node *node, uint32_t id)
{
	return id < node->device_count ? &node->devices[id] : NULL;
}

static struct node_reactor *here(struct node *node)
{
	unsigned i = 0;

	while (node->reactors[i].reactor != reactor_current())
		i++;
	return &node->reactors[i];
}

/* What only clients' requests lead to. */
static bool is_for_client(const struct backend_msg *msg)
{
	switch (msg->op) {
	case BACKEND_OBJECT_VERSION:
		return msg->object; /* a handoff asks by the key */
	case BACKEND_OBJECT_STAGE:
	case BACKEND_OBJECT_POST:
	case BACKEND_OBJECT_GRANT:
	case BACKEND_DB_HEAD:
	case BACKEND_DB_UPDATE:
		return true;
	default:
		return false;
	}
}

static void handle(struct task *task)
{
	struct local_call *call = CONTAINER_OF(task, struct local_call, inner.task);
	struct node_device *device = call->device;
	uint64_t deadline_us = call->inner.deadline_us;

	if (is_for_client(call->inner.msg))
		device->asked_us = reactor_now_us(reactor_current());
	if (deadline_us && reactor_now_us(reactor_current()) >= deadline_us)
		backend_finish(&call->inner, ERR_DEADLINE); /* nobody waits for it any more */
	else
		node_device_handle(device, &call->inner, &call->filling);
}

static void answer(struct local_call *call)
{
	struct backend_call *outer = TAKE(call->outer);

	list_remove(&call->link);
	outer->answered = true;
	outer->done(outer);
}

static void on_done(struct backend_call *inner)
{
	struct local_call *call = CONTAINER_OF(inner, struct local_call, inner);

	call->from->call_counts[call->device->id]--;
	list_remove(&call->open);
	if (call->outer) {
		if (call->filling)
			node_filling_answer(inner->msg, &inner->reply);
		call->outer->reply = inner->reply;
		inner->reply = (struct backend_reply){0};
		answer(call);
	}
	backend_call_done(inner);
	free(call);
}

void node_local_send(struct node *node, struct backend_call *outer)
{
	struct node_device *device = device_of(node, outer->device);
	struct node_reactor *from = here(node);

	outer->origin = from->reactor;
	if (!device || atomic_load_explicit(&device->hung, memory_order_relaxed)) {
		backend_finish(outer, ERR_UNAVAILABLE);
		return;
	}
	if (from->call_counts[device->id] == CALLS_MAX) {
		backend_finish(outer, ERR_BUSY);
		return;
	}
	from->call_counts[device->id]++;
	struct local_call *call = mem_zalloc(sizeof(*call));
	call->inner.msg = backend_msg_ref(outer->msg);
	call->inner.device = outer->device;
	call->inner.deadline_us = outer->deadline_us;
	call->inner.done = on_done;
	call->inner.origin = from->reactor;
	call->inner.task.run = handle;
	call->outer = outer;
	call->from = from;
	call->device = device;
	call->fences = atomic_load(&node->fences);
	list_append(&from->calls, &call->link);
	list_append(&from->open, &call->open);
	reactor_post(node->reactors[device->reactor].reactor, &call->inner.task);
}

static void send_call(struct backend *backend, struct backend_call *call)
{
	struct node *node = CONTAINER_OF(backend, struct node, backend);

	if (call->device < node->device_count && !node->conf.wire_loopback)
		node_local_send(node, call);
	else
		node_wire_send(here(node), call);
}

static void tell_open(struct node_reactor *r)
{
	struct list *first = list_first(&r->open);

	atomic_store(&r->open_since, first ? LIST_ENTRY(first, struct local_call, open)->fences
	                                   : atomic_load(&r->node->fences));
}

bool node_local_drained(const struct node *node, uint64_t fence)
{
	for (unsigned i = 0; i < node->reactor_count; i++) {
		if (atomic_load(&node->reactors[i].open_since) < fence)
			return false;
	}
	return true;
}

void node_backend_tick(struct node_reactor *r)
{
	uint64_t now = reactor_now_us(r->reactor);
	struct list late = LIST_INIT(late), *node;

	LIST_EACH_SAFE (n, &r->calls) {
		struct local_call *call = LIST_ENTRY(n, struct local_call, link);
		uint64_t deadline_us = call->inner.deadline_us;
		bool hung = atomic_load_explicit(&call->device->hung, memory_order_relaxed);
		if (!hung && (!deadline_us || now < deadline_us))
			continue;
		call->outer->reply.err = hung ? ERR_UNAVAILABLE : ERR_DEADLINE;
		list_remove(n);
		list_append(&late, n);
	}
	/* Who is told may send again, and so change the reactor's list. */
	while ((node = list_first(&late)))
		answer(LIST_ENTRY(node, struct local_call, link));
	tell_open(r);
}

void node_name_device(struct proxy *proxy, uint32_t device, struct buf *out)
{
	const struct node *node = ((const struct node_reactor *)proxy->node)->node;
	const struct node_member *member = node_member(node, device);

	if (member)
		buf_printf(out, "%s:%u/%s", member->ip, member->port, member->name);
	else if (device < node->device_count)
		buf_printf(out, "here/%s", node->devices[device].name);
	else
		buf_printf(out, "%u", device);
}

bool node_is_local(struct proxy *proxy, uint32_t device)
{
	const struct node_reactor *r = proxy->node;
	const struct node_device *d = device_of(r->node, device);

	return d && d->reactor == r->index;
}

void node_backend_init(struct node *node)
{
	node->backend.send = send_call;
}
