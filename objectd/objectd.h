/* objectd: the storage of objects on one device: answers the BACKEND_OBJECT_ messages. All calls
 * on the reactor that owns the device. */
#ifndef OBJECTD_OBJECTD_H
#define OBJECTD_OBJECTD_H

#include "lib/backend/backend.h"
#include "lib/device/objects.h"

struct objectd;

/* How far it had promised before it started again. In the device's options its replay hook; then
 * in the objectd's. */
struct objectd_horizon {
	struct device_replay replay;
	uint64_t ts; /* 0: nothing */
};
struct device_replay *objectd_horizon_replay(struct objectd_horizon *horizon);

struct objectd_options {
	struct device *device;   /* borrowed, open; outlives the objectd */
	struct reactor *reactor; /* borrowed */
	uint64_t grant_us;       /* length of a lease; 0: 5 seconds */
	uint64_t horizon;        /* as the replay told */
	/* The number, from 1 on, that this device's fragments of keys have which begin with the
	 * first `bits` bits of prefix; 0: none, or not known. NULL: always 0. */
	uint8_t (*fragment_of)(void *owner, uint8_t policy, uint64_t prefix, unsigned bits);
	void *owner;
};

struct objectd *objectd_open(const struct objectd_options *options);

/* The device came back empty: what it knew and promised up to ts, now, has gone. For a minute no
 * writer may bring what is older: there may have been something newer. */
void objectd_forgot(struct objectd *objectd, uint64_t ts);

/* No call may be outstanding. Drops uploads and readers that nobody closed. */
void objectd_close(struct objectd *objectd);

/* Takes the call and answers it with backend_finish, perhaps at once. */
void objectd_handle(struct objectd *objectd, struct backend_call *call);

/* Takes the call and answers it with ERR_UNAVAILABLE; the reply tells what the device has of the
 * key, which is no word on what there is, and up to when it may have promised (VERSION, GRANT). */
void objectd_refuse(struct objectd *objectd, struct backend_call *call);

/* --- listing updates that are open --- */

/* One record with open updates, read back from the log. */
struct objectd_unsettled {
	void (*done)(struct objectd_unsettled *unsettled, enum err err);
	uint64_t lsn; /* out, and in: the next one after this is looked for */
	uint8_t policy, key[16];
	uint64_t ts;                      /* what BACKEND_OBJECT_SETTLED names */
	struct backend_update updates[8]; /* out: texts live until objectd_unsettled_done */
	unsigned update_count;
	uint8_t etag[16]; /* of the record */
	struct device_read read;
};

/* Finds the oldest open record after unsettled->lsn (0: from the start) and reads its updates;
 * done runs from the loop. False, without done, when there is none. */
bool objectd_next_unsettled(struct objectd *objectd, struct objectd_unsettled *unsettled);
void objectd_unsettled_done(struct objectd_unsettled *unsettled);
uint64_t objectd_unsettled_count(const struct objectd *objectd);

#endif
