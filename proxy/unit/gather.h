/* gather: a request's whole body, when it must be there before anything can be done with it. */
#ifndef PROXY_UNIT_GATHER_H
#define PROXY_UNIT_GATHER_H

#include "proxy/credit.h"
#include "proxy/proxy.h"

/* The first member of what request->own is; then gather_on_body is the method's body. Zeroed. */
struct gather {
	struct buf text;      /* owned */
	struct credit credit; /* for it */
	bool receiving, received;
};

/* Call from a state until it returns true; *ret_err: ERR_OK; ERR_TOO_LARGE (more than max bytes);
 * ERR_BUSY (no memory for it); ERR_CLIENT_GONE. */
bool gather_ready(struct request *request, size_t max, enum err *ret_err);
void gather_on_body(struct request *request, struct bytes *piece, bool last);
void gather_done(struct gather *gather);

#endif
