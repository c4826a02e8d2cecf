/* recon: how a node is doing, in the JSON that swift-recon reads
 * (swift/common/middleware/recon.py). The proxy routes, the node knows (node/recon.c). */
#ifndef PROXY_UNIT_RECON_H
#define PROXY_UNIT_RECON_H

#include "lib/work/work.h"
#include "proxy/proxy.h"

#define RECON_PREFIX "/recon/"

/* A question under way; in the request's arena. */
struct recon_ask {
	struct work work; /* of who answers */
	struct request *request;
	const char *check, *type; /* "replication", "object"; type may be NULL */
	/* The answer: */
	struct buf out; /* JSON */
	enum err err;   /* ERR_NOT_FOUND: no such check */
	bool asked, answered;
};

/* Once the answer is there, from the request's loop. */
void recon_answered(struct recon_ask *ask);

extern const struct method recon_get;

#endif
