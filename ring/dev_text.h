/* dev_text: how people write devices: d4r1z2-10.0.0.1:6200R10.1.0.1:6300/sdb_some notes
 * (id, region, zone, address, replication address, name, meta; each with its own first letter,
 * all but a few optional, IPv6 in brackets), to add, to search and to change them. */
#ifndef RING_DEV_TEXT_H
#define RING_DEV_TEXT_H

#include "ring/ring.h"

enum dev_field {
	DEV_ID = 1,
	DEV_REGION = 2,
	DEV_ZONE = 4,
	DEV_IP = 8,
	DEV_PORT = 16,
	DEV_REPLICATION_IP = 32,
	DEV_REPLICATION_PORT = 64,
	DEV_NAME = 128,
	DEV_META = 256,
	DEV_WEIGHT = 512,
};

struct dev_text {
	unsigned given;      /* of enum dev_field */
	struct ring_dev dev; /* texts owned; those not given are NULL */
};
#define DEV_TEXT_NONE ((struct dev_text){.given = 0})

/* ERR_BAD_REQUEST when the text says nothing or has something left over; the result then still
 * wants its done. */
enum err dev_text_parse(const char *text, struct dev_text *ret_text);
void dev_text_done(struct dev_text *text);
AUTO_DEFINE(dev_text, dev_text_done);

/* One field as an option gives it. Addresses may be host names. ERR_BAD_REQUEST. */
enum err dev_text_set(struct dev_text *text, enum dev_field field, const char *value);

/* All given fields are the device's; meta need only be part of the device's. */
bool dev_text_matches(const struct dev_text *text, const struct ring_dev *dev);

/* d0r1z2-10.0.0.1:6200R10.0.0.1:6200/sdb_"meta" */
void dev_text_print(const struct ring_dev *dev, struct buf *out);

#endif
