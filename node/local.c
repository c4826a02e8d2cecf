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
		rows_handle(device->containers, call);
	else
		rows_handle(device->accounts, call);
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

void node_backend_init(struct node *node)
{
	node->backend.send = local_send;
}
