/* objects_rig: a device and an objectd on a fake disk, driven by calls that wait for the answer.
 * A test includes objects_rig.c: as a library it would pull the real device into tests that have
 * a fake of it. */
#ifndef TESTS_LIB_OBJECTS_RIG_H
#define TESTS_LIB_OBJECTS_RIG_H

#include "lib/cache/cache.h"
#include "objectd/objectd.h"
#include "tests/lib/disk_fake.h"

struct rig {
	struct reactor *reactor; /* owned */
	struct env_fake env;
	struct cache *cache; /* owned; NULL: none */
	struct disk_fake *fake;
	struct device *device;
	struct objectd *objectd;
	struct objectd_horizon horizon;
	struct disk *disk; /* opened instead of the fake when set; the device's from then on */
	struct device_options options;
	enum err err; /* of opening */
	bool opened, closed;
	bool alone;       /* no other replicas: tombstones go when they are old */
	unsigned corrupt; /* versions told as unreadable */
	uint8_t (*fragment_of)(void *rig, uint8_t policy, uint64_t prefix, unsigned bits);
};

#define RIG_UNIT (4u << 20)

/* A reactor, no device. `cache_bytes` 0: no cache. */
void rig_init(struct rig *rig, size_t cache_bytes);
void rig_done(struct rig *rig);

/* Opens what is on the fake disk, or a new device there; waits. */
enum err rig_open(struct rig *rig);
/* Lets go of device and disk content as a crash does: nothing is written any more. */
void rig_crash(struct rig *rig);
void rig_close(struct rig *rig);

/* The fake's bytes replaced by `image` of `size` bytes, which is freed. */
void rig_image(struct rig *rig, uint8_t *image, uint64_t size);

/* Runs the loop until nothing is left to do but timers. */
void rig_idle(struct rig *rig);
/* Moves the clock and runs. */
void rig_sleep(struct rig *rig, uint64_t us);

/* A message about the object `name`; its key is the MD5 of the name. */
struct backend_msg *rig_msg(enum backend_op op, const char *name, uint64_t ts);
struct rig_call {
	struct backend_call call;
	struct rig *rig;
	bool done;
};
/* Sends, and waits for the answer. The caller ends the call with backend_call_done. */
void rig_send(struct rig *rig, struct rig_call *call, struct backend_msg *msg);
void rig_start(struct rig *rig, struct rig_call *call, struct backend_msg *msg);
void rig_wait(struct rig *rig, struct rig_call *call);

/* Bytes that only a name and a timestamp give. */
void rig_pattern(const char *name, uint64_t ts, uint8_t *dst, size_t len);

struct backend_msg *rig_put_msg(const char *name, uint64_t ts, size_t len);
enum err rig_put(struct rig *rig, const char *name, uint64_t ts, size_t len);
enum err rig_put_staged(struct rig *rig, const char *name, uint64_t ts, size_t len);
enum err rig_post(struct rig *rig, const char *name, uint64_t ts, const char *value);
enum err rig_delete(struct rig *rig, const char *name, uint64_t ts);
/* ERR_OK when the whole body is there and right; ret_ts may be NULL. */
enum err rig_get(struct rig *rig, const char *name, uint64_t *ret_ts, uint64_t *ret_size);
enum err rig_version(struct rig *rig, const char *name, uint64_t *ret_ts, bool *ret_deleted);

#endif
