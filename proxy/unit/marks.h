/* marks: what reseller administrators say of accounts, and their users can neither change nor see:
 * X-Account-Read-Only, X-Account-Global-Write-Ratelimit. Kept as Swift keeps it, in system
 * metadata. */
#ifndef PROXY_UNIT_MARKS_H
#define PROXY_UNIT_MARKS_H

#include "lib/base/buf.h"
#include <stdbool.h>

struct request;
struct backend_reply;

#define MARK_READ_ONLY       "X-Account-Sysmeta-Read-Only"
#define MARK_WRITE_RATELIMIT "X-Account-Sysmeta-Global-Write-Ratelimit"

/* Does it change one of them? Then it must get past what they say; who may is looked at later. */
bool marks_changed(const struct request *request);
/* Adds those of the request to what is stored; a status to refuse it with, or 0. */
int marks_account_headers(struct request *request, struct buf *headers);
void marks_account_answer(struct request *request, const struct backend_reply *reply);

#endif
