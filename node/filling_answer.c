/* What a device that is being filled may say (filling.c): pure. */
#include "node/node.h"

bool node_filling_refuses(const struct backend_msg *msg)
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

void node_filling_refuse(struct objectd *objectd, struct backend_call *call)
{
	if (call->msg->kind == BACKEND_OBJECT)
		objectd_refuse(objectd, call);
	else
		backend_finish(call, ERR_UNAVAILABLE);
}

void node_filling_answer(const struct backend_msg *msg, struct backend_reply *reply)
{
	switch (msg->op) {
	case BACKEND_OBJECT_DELETE: /* that there was nothing (who only brings it, asks not), */
		if (reply->err == ERR_NOT_FOUND && msg->update_count)
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
		reply->filling = true;
		return;
	default:
		return;
	}
}
