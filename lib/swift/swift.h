/* swift: a backend whose devices are those of another cloud: OpenStack Swift's account, container
 * and object servers, driven as Swift's own proxy drives them. One thread speaks HTTP for all
 * loops. Large bodies stream: the first STAGE begins the PUT, and a GET with more to come goes on
 * where READ asks for it. What is promised less than by our own devices: docs/migration.md. */
#ifndef LIB_SWIFT_SWIFT_H
#define LIB_SWIFT_SWIFT_H

#include "lib/swift/speak.h"

struct swift_options {
	/* Where the message to that device goes; from the loop that sends it. False: nowhere. */
	bool (*route)(void *owner, const struct backend_msg *msg, uint32_t device,
	        struct swift_route *ret_route);
	void *owner;
	const char *policies[BACKEND_POLICIES]; /* names; borrowed */
	unsigned connect_ms;
};

struct swift_stats {
	atomic_uint_least64_t asked, failed; /* requests; those without an answer, or with a 5xx */
	atomic_uint open, uploads, downloads;
};

struct swift;

/* Starts the thread. */
enum err swift_new(const struct swift_options *options, struct swift **ret_swift);
/* For tests: no call may be open; NULL is fine. */
void swift_free(struct swift *swift);

struct backend *swift_backend(struct swift *swift);
const struct swift_stats *swift_stats(const struct swift *swift);

#endif
