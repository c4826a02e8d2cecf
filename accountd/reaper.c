#include "accountd/accountd.h"

void accountd_next_deleted(struct accountd *accountd, struct rows_reap *reap)
{
	rows_next_deleted((struct rows *)accountd, reap);
}

struct backend_msg *accountd_reap_list(const char *account, const char *marker, uint32_t limit)
{
	struct backend_msg *msg = backend_msg_new(BACKEND_DB_LIST, BACKEND_ACCOUNT);

	backend_msg_path(msg, account, NULL, NULL);
	msg->list.marker = backend_msg_strdup(msg, marker);
	msg->list.limit = limit;
	return msg;
}

struct backend_msg *accountd_reap_row(
        const char *account, const struct backend_row *row, uint64_t ts)
{
	struct backend_msg *msg = backend_msg_new(BACKEND_DB_UPDATE, BACKEND_ACCOUNT);
	struct backend_row *copy = backend_msg_alloc(msg, sizeof(*copy));

	backend_msg_path(msg, account, NULL, NULL);
	*copy = (struct backend_row){
	        .name = backend_msg_strdup(msg, row->name),
	        .content_type = "",
	        .etag = "",
	        .ts = ts,
	        .policy = row->policy,
	        .deleted = true,
	};
	msg->ts = ts;
	msg->rows = copy;
	msg->row_count = 1;
	return msg;
}
