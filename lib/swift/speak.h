/* speak: our messages as requests to Swift's account, container and object servers
 * (/device/partition/account/container/object), and their answers as our replies. Pure; whatever
 * a server says is from outside. What has no equivalent there: docs/migration.md. */
#ifndef LIB_SWIFT_SPEAK_H
#define LIB_SWIFT_SPEAK_H

#include "lib/backend/backend.h"

/* Where one message goes. */
struct swift_spot {
	const char *ip, *device; /* borrowed */
	uint32_t port;
	uint64_t partition;
	unsigned next_part_power; /* while it is being increased, or 0 */
};

/* Servers that the addressed one tells of its change: a container's, an account's. Lists with
 * commas, as headers have them; empty: none. */
struct swift_told {
	struct buf hosts, devices;
	uint64_t partition;
};

/* Everything about a message that the rings decide. */
struct swift_route {
	struct swift_spot spot;
	/* Of the object's container, or the container's account; the queue of what expires. */
	struct swift_told parent, expirer;
	char expirer_container[24];
};
void swift_route_done(struct swift_route *route);

struct swift_ask {
	const char *method;      /* NULL: there is nothing to ask */
	struct buf url, headers; /* owned; headers: kv block */
};
void swift_ask_done(struct swift_ask *ask);

/* The request without its body. */
void swift_ask_of(
        const struct backend_msg *msg, const struct swift_route *route, struct swift_ask *ret_ask);

/* Does a server tell others, because a client changes something? */
bool swift_tells(const struct backend_msg *msg);

/* The queue of what expires at `at`: the container's name in Swift's account for that, as all of
 * its servers compute it. */
#define SWIFT_EXPIRER_ACCOUNT ".expiring_objects"
void swift_expirer_container(const uint8_t key[16], uint64_t at, char ret_name[24]);
/* The message's X-Delete-At, or 0. */
uint64_t swift_delete_at(const struct backend_msg *msg);

/* Status and headers (a kv block) into the reply; policies: their names, by index. */
enum err swift_read_head(const struct backend_msg *msg, int status, const void *headers,
        size_t headers_len, const char *const policies[BACKEND_POLICIES],
        struct backend_reply *reply);

/* The body of a listing into reply->rows; ERR_FORMAT. */
enum err swift_read_rows(const struct backend_msg *msg, const void *text, size_t len,
        const char *const policies[BACKEND_POLICIES], struct backend_reply *reply);

#endif
