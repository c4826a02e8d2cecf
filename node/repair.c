#include "node/node.h"

#include "lib/log/log.h"

/* The device has marked the version: the next read of the object fetches it from another replica
 * and writes it here again (proxy/reader.c). */
void node_corrupt(void *owner, uint8_t policy, const uint8_t key[16], uint64_t ts)
{
	const struct node_device *d = owner;

	log_warn("corrupt", "device=%u policy=%u key=%02x%02x%02x%02x ts=%llu", d->id, policy,
	        key[0], key[1], key[2], key[3], (unsigned long long)ts);
}
