#include "node/clock.h"

#include "lib/base/mem.h"
#include "lib/crypto/crc32c.h"
#include "lib/log/log.h"
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define MAGIC   0x4b4c4343u /* "CCLK" */
#define VERSION 1
#define AHEAD   (10 * TS_PER_SECOND)
#define EVERY_S 4
#define SLOTS   2   /* written by turns: one of them is whole after any crash */
#define SLOT    512 /* bytes */

struct record {
	uint32_t magic, version;
	uint64_t ts;
	uint32_t spare, crc; /* CRC-32C of what is before it */
};

struct clock_file {
	struct hlc *hlc; /* borrowed */
	int fd;
	unsigned turn;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool stopping, running; /* stopping: under lock */
};

static uint32_t crc_of(const struct record *r)
{
	return crc32c(0, r, offsetof(struct record, crc));
}

static uint64_t read_file(int fd)
{
	uint64_t ts = 0;

	for (unsigned i = 0; i < SLOTS; i++) {
		struct record r;
		if (pread(fd, &r, sizeof(r), i * SLOT) == sizeof(r) && r.magic == MAGIC &&
		        r.version == VERSION && r.crc == crc_of(&r) && r.ts > ts)
			ts = r.ts;
	}
	return ts;
}

static bool write_file(struct clock_file *c, uint64_t ts)
{
	struct record r = {.magic = MAGIC, .version = VERSION, .ts = ts};

	r.crc = crc_of(&r);
	c->turn = (c->turn + 1) % SLOTS;
	return pwrite(c->fd, &r, sizeof(r), c->turn * SLOT) == sizeof(r) && fdatasync(c->fd) == 0;
}

static bool reserve(struct clock_file *c)
{
	return write_file(c, hlc_now(c->hlc) + AHEAD);
}

/* A write that failed is not tried again as if it had not: what is covered ends. */
static void *run(void *arg)
{
	struct clock_file *c = arg;
	bool good = true;

	pthread_mutex_lock(&c->lock);
	while (!c->stopping) {
		struct timespec until;
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_sec += EVERY_S;
		pthread_cond_timedwait(&c->wake, &c->lock, &until);
		if (c->stopping || !good)
			continue;
		pthread_mutex_unlock(&c->lock);
		if (!(good = reserve(c)))
			log_error("clock", "what=cannot be written; covered for %d s",
			        (int)(AHEAD / TS_PER_SECOND - EVERY_S));
		pthread_mutex_lock(&c->lock);
	}
	pthread_mutex_unlock(&c->lock);
	return NULL;
}

static enum err sync_folder(const char *path)
{
	char text[PATH_MAX];

	if (snprintf(text, sizeof(text), "%s", path) >= (int)sizeof(text))
		return ERR_IO;
	int fd = open(dirname(text), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool good = fd >= 0 && fsync(fd) == 0;
	if (fd >= 0)
		close(fd);
	return good ? ERR_OK : ERR_IO;
}

static void init_wake(struct clock_file *c)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&c->wake, &attr);
	pthread_condattr_destroy(&attr);
	pthread_mutex_init(&c->lock, NULL);
}

enum err clock_file_new(const char *path, struct hlc *hlc, struct clock_file **ret_clock)
{
	struct clock_file *c = mem_zalloc(sizeof(*c));

	c->hlc = hlc;
	init_wake(c);
	c->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	uint64_t ts = c->fd < 0 ? 0 : read_file(c->fd);
	if (!hlc_see(hlc, ts))
		log_error("clock", "what=the machine's clock is more than a minute behind what "
		                   "this node gave");
	if (c->fd < 0 || sync_folder(path) || !reserve(c)) {
		clock_file_free(c);
		return ERR_IO;
	}
	c->running = pthread_create(&c->thread, NULL, run, c) == 0;
	if (!c->running) {
		clock_file_free(c);
		return ERR_NO_MEMORY;
	}
	*ret_clock = c;
	return ERR_OK;
}

void clock_file_free(struct clock_file *c)
{
	if (!c)
		return;
	pthread_mutex_lock(&c->lock);
	c->stopping = true;
	pthread_cond_signal(&c->wake);
	pthread_mutex_unlock(&c->lock);
	if (c->running) {
		pthread_join(c->thread, NULL);
		write_file(c, hlc_latest(c->hlc));
	}
	if (c->fd >= 0)
		close(c->fd);
	pthread_cond_destroy(&c->wake);
	pthread_mutex_destroy(&c->lock);
	free(c);
}
