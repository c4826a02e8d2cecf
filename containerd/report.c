#include "containerd/containerd.h"

#include "lib/backend/points.h"
#include <string.h>

static struct backend_msg *account_msg(const struct rows_report *report)
{
	struct backend_msg *msg = backend_msg_new(BACKEND_DB_UPDATE, BACKEND_ACCOUNT);
	struct backend_row *row = backend_msg_alloc(msg, sizeof(*row));

	backend_msg_path(msg, report->account, NULL, NULL);
	*row = (struct backend_row){
	        .name = backend_msg_strdup(msg, report->container),
	        .content_type = "",
	        .etag = "",
	        .ts = report->put_ts,
	        .count = report->count,
	        .bytes = report->bytes,
	        .totals_ts = report->totals_ts,
	        .policy = report->policy,
	};
	msg->rows = row;
	return msg;
}

/* NULL when its name is that of no range. */
static struct backend_msg *range_msg(const struct rows_report *report)
{
	struct backend_msg *msg = backend_msg_new(BACKEND_DB_SPLIT, BACKEND_CONTAINER);
	struct backend_row *row = backend_msg_alloc(msg, sizeof(*row));
	char *name = (char *)(uintptr_t)backend_msg_strdup(msg, report->container);
	const char *account, *container, *id;

	if (!range_parts(name, &account, &container, &id)) {
		backend_msg_unref(msg);
		return NULL;
	}
	backend_msg_path(msg, account, container, NULL);
	*row = (struct backend_row){
	        .name = id,
	        .content_type = id,
	        .etag = "",
	        .ts = report->put_ts,
	        .count = report->count,
	        .bytes = report->bytes,
	        .totals_ts = report->totals_ts,
	};
	msg->stage = SPLIT_TOTALS;
	msg->meta_ts = UINT64_MAX;
	msg->rows = row;
	return msg;
}

struct backend_msg *containerd_report_msg(const struct rows_report *report)
{
	bool range = strcmp(report->account, RANGES_ACCOUNT) == 0;
	struct backend_msg *msg = range ? range_msg(report) : NULL;

	if (!msg)
		msg = account_msg(report);
	msg->ts = report->totals_ts;
	msg->row_count = 1;
	return msg;
}
