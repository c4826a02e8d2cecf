#include "lib/env/env.h"

#include "lib/base/auto.h"
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

static uint64_t read_clock(clockid_t id)
{
	struct timespec now;

	clock_gettime(id, &now);
	return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

static uint64_t real_mono(const struct env *env)
{
	(void)env;
	return read_clock(CLOCK_MONOTONIC);
}

static uint64_t real_wall(const struct env *env)
{
	(void)env;
	return read_clock(CLOCK_REALTIME);
}

static void real_random(const struct env *env, void *ret_bytes, size_t len)
{
	(void)env;
	for (size_t at = 0; at < len;) {
		ssize_t n = getrandom((char *)ret_bytes + at, len - at, 0);
		if (n < 0)
			abort();
		at += (size_t)n;
	}
}

const struct env *env_real(void)
{
	static const struct env real = {real_mono, real_wall, real_random};

	return &real;
}

static struct env_fake *fake_of(const struct env *env)
{
	return (struct env_fake *)(void *)(uintptr_t)env;
}

static uint64_t fake_mono(const struct env *env)
{
	return fake_of(env)->mono_us;
}

static uint64_t fake_wall(const struct env *env)
{
	return fake_of(env)->wall_us;
}

/* splitmix64: any seed gives a full-period stream. */
static void fake_random(const struct env *env, void *ret_bytes, size_t len)
{
	uint8_t *out = ret_bytes;
	uint64_t *seed = &fake_of(env)->seed;

	for (size_t i = 0; i < len; i++) {
		uint64_t z = *seed += 0x9e3779b97f4a7c15u;
		z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
		z = (z ^ z >> 27) * 0x94d049bb133111ebu;
		out[i] = (uint8_t)(z >> 56);
	}
}

void env_fake_init(struct env_fake *fake, uint64_t seed)
{
	*fake = (struct env_fake){
	        .env = {fake_mono, fake_wall, fake_random},
	        .mono_us = 1000000,
	        .wall_us = 1700000000000000,
	        .seed = seed,
	};
}
