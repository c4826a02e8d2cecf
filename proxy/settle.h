/* settle: tells devices that listing updates have reached their majority. Nobody waits for it, so
 * words to one device are gathered and travel together. */
#ifndef PROXY_SETTLE_H
#define PROXY_SETTLE_H

#include "proxy/proxy.h"

struct settle;

struct settle *settle_new(struct proxy *proxy);
void settle_free(struct settle *settle); /* what was not sent yet is settled later by others */

/* The record of this key and timestamp on that device is settled. */
void settle_add(struct settle *settle, uint32_t device, unsigned policy, const uint8_t key[16],
        uint64_t ts);

#endif
