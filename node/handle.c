/* What a device says to a message; nothing is kept here. */
#include "node/node.h"

/* Does the answer depend on what a device does not know? Then one that is being filled gives none.
 */
static bool refuses_filling(const struct backend_msg *msg)
{
	switch (msg->op) {
	case BACKEND_OBJECT_POST:
		return msg->update_count; /* a client's; others bring what they have */
	case BACKEND_OBJECT_GET:
		return !msg->draft; /* a fragment that it has is as good as any */
	case BACKEND_OBJECT_VERSION:
	case BACKEND_OBJECT_GRANT:
	case BACKEND_DB_DELETE:
	case BACKEND_DB_POST:
	case BACKEND_DB_HEAD:
	case BACKEND_DB_LIST:
	case BACKEND_DB_ROWS:
	case BACKEND_DB_SPLIT:
		return true;
	default:
		return false;
	}
}

static void refuse(struct objectd *objectd, struct backend_call *call)
{
	if (call->msg->kind == BACKEND_OBJECT)
		objectd_refuse(objectd, call);
	else
		backend_finish(call, ERR_UNAVAILABLE);
}

static enum err is_fit(const struct node_device *device, const struct backend_msg *msg)
{
	if (!device->ready)
		return ERR_UNAVAILABLE;
	if (node_ring_stale(device->node, msg))
		return ERR_STALE_RING;
	return hlc_see(&device->node->hlc, msg->ts) ? ERR_OK : ERR_CLOCK;
}

void node_device_handle(struct node_device *device, struct backend_call *call, bool *ret_filling)
{
	enum err err = is_fit(device, call->msg);

	*ret_filling = !err && atomic_load_explicit(&device->filling, memory_order_relaxed);
	if (err)
		backend_finish(call, err);
	else if (*ret_filling && refuses_filling(call->msg))
		refuse(device->objectd, call);
	else if (call->msg->kind == BACKEND_OBJECT)
		objectd_handle(device->objectd, call);
	else if (call->msg->kind == BACKEND_CONTAINER)
		containerd_handle(device->containerd, call);
	else
		accountd_handle(device->accountd, call);
}

void node_filling_answer(const struct backend_msg *msg, struct backend_reply *reply)
{
	switch (msg->op) {
	case BACKEND_OBJECT_DELETE: /* what there was (who only brings it, asks not), */
		if ((reply->err == ERR_OK || reply->err == ERR_NOT_FOUND) && msg->update_count)
			reply->err = ERR_UNAVAILABLE;
		return;
	case BACKEND_DB_UPDATE: /* that there is no such container, or that rows belong here, */
		if (reply->err == ERR_OK || reply->err == ERR_NOT_FOUND)
			reply->err = ERR_UNAVAILABLE;
		return;
	case BACKEND_DB_PUT: /* and that it is new, it cannot know */
		if (reply->err == ERR_OK)
			reply->err = ERR_UNAVAILABLE;
		return;
	case BACKEND_OBJECT_GET: /* nor what it has not, */
		if (reply->err == ERR_NOT_FOUND)
			reply->err = ERR_UNAVAILABLE;
		reply->filling = true;
		return;
	case BACKEND_OBJECT_VERSION:
	case BACKEND_OBJECT_GRANT:
	case BACKEND_OBJECT_DIGEST:
	case BACKEND_OBJECT_KEYS:
	case BACKEND_DB_DIGEST:
	case BACKEND_DB_KEYS:
	case BACKEND_DB_STATE:
		reply->filling = true;
		return;
	default:
		return;
	}
}
