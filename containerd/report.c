#include "containerd/containerd.h"

struct backend_msg *containerd_report_msg(const struct rows_report *report)
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
	msg->ts = report->totals_ts;
	msg->rows = row;
	msg->row_count = 1;
	return msg;
}
