/* env: the only door to side effects that tests must control: clocks and random bytes here,
 * disks in disk.h. A daemon uses env_real(); a test or simulation hands in its own table. */
#ifndef LIB_ENV_ENV_H
#define LIB_ENV_ENV_H

#include <stddef.h>
#include <stdint.h>

struct env {
	uint64_t (*mono_us)(const struct env *env); /* monotonic, any start */
	uint64_t (*wall_us)(const struct env *env); /* since 1970, may jump */
	void (*random)(const struct env *env, void *ret_bytes, size_t len);
};

/* The machine's own clocks and getrandom(2). Any thread. */
const struct env *env_real(void);

/* A clock that stands still until moved, and random bytes that repeat from a seed. One thread. */
struct env_fake {
	struct env env;
	uint64_t mono_us, wall_us, seed;
};
void env_fake_init(struct env_fake *fake, uint64_t seed);

#endif
