/* The `local` backend: a message to a device of this process. */
#include "node/node.h"

#include "lib/base/auto.h"

static struct node_device *device_of(struct node *node, uint32_t id)
{
	return id < node->device_count ? &node->devices[id] : NULL;
}

static void handle(struct task *task)
{
	struct backend_call *call = CONTAINER_OF(task, struct backend_call, task);
	struct node_device *device = call->backend_data;

	if (!device->ready)
		backend_finish(call, ERR_UNAVAILABLE);
	else if (call->msg->kind == BACKEND_OBJECT)
		objectd_handle(device->objectd, call);
	else if (call->msg->kind == BACKEND_CONTAINER)
		containerd_handle(device->containerd, call);
	else
		accountd_handle(device->accountd, call);
}

static void local_send(struct backend *backend, struct backend_call *call)
{
	struct node *node = CONTAINER_OF(backend, struct node, backend);
	struct node_device *device = device_of(node, call->device);

	call->origin = reactor_current();
	if (!device) {
		backend_finish(call, ERR_UNAVAILABLE);
		return;
	}
	call->backend_data = device;
	call->task.run = handle;
	reactor_post(node->reactors[device->reactor].reactor, &call->task);
}

bool node_is_local(struct proxy *proxy, uint32_t device)
{
	const struct node_reactor *r = proxy->node;
	const struct node_device *d = device_of(r->node, device);

	return d && d->reactor == r->index;
}

void node_backend_init(struct node *node)
{
	node->backend.send = local_send;
}
