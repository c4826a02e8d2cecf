/* device: one disk (raw device or file) as a log of typed records shared by the roles on it.
 * See docs/formats.md for the bytes and DESIGN 5.2 for the rules. All calls on the thread of the
 * reactor that owns the device; completions come from its loop. */
#ifndef LIB_DEVICE_DEVICE_H
#define LIB_DEVICE_DEVICE_H

#include "lib/env/disk.h"
#include "lib/reactor/reactor.h"

struct device;

/* --- row records: opaque to the device, in the order of their LSNs --- */

/* One record of a role other than objects. done runs from the loop, in LSN order, when the
 * record is durable (or failed). */
struct device_append {
	uint8_t role;        /* DEVICE_ROLE_... */
	const void *payload; /* borrowed until done; at most DEVICE_PAYLOAD_MAX */
	size_t len;
	void (*done)(struct device_append *append);
	enum err err;               /* out */
	uint64_t lsn;               /* out: strictly growing on a device, for ever */
	struct device_append *next; /* private */
};

enum { DEVICE_ROLE_OBJECT, DEVICE_ROLE_CONTAINER, DEVICE_ROLE_ACCOUNT, DEVICE_ROLES };
#define DEVICE_PAYLOAD_MAX (256u << 10)

void device_append(struct device *device, struct device_append *append);

/* At open: every record of the role with an LSN above its checkpoint, in LSN order. The payload is
 * borrowed for the call. */
struct device_replay {
	void (*record)(struct device_replay *replay, uint64_t lsn, const void *payload, size_t len);
};

/* Says that the role keeps all its records up to lsn elsewhere, durably: they are dead here. */
void device_checkpoint(struct device *device, uint8_t role, uint64_t lsn);

/* LSN of the newest durable record. */
uint64_t device_lsn(const struct device *device);

#endif
