/* disk: one device or file as a row of bytes, written and read asynchronously. Completions are
 * always delivered from the loop of the reactor that owns the disk, never inside the call that
 * asked. The real one is lib/reactor/disk_file.h; tests put a faulty or recording one in its
 * place. Buffers, lengths and offsets are multiples of 4096 (O_DIRECT). */
#ifndef LIB_ENV_DISK_H
#define LIB_ENV_DISK_H

#include "lib/err/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#define DISK_BLOCK 4096u

struct disk;

/* One operation; the caller owns it and leaves it alone until done runs. A short read, or a
 * write that stays short, is ERR_IO; ERR_NO_SPACE, ERR_READ_ONLY as they come. EAGAIN and EINTR
 * never show. */
struct disk_io {
	void (*done)(struct disk_io *io, enum err err);
	void *private_[16]; /* the implementation's */
};

struct disk_ops {
	void (*read)(
	        struct disk *disk, struct disk_io *io, void *data, size_t len, uint64_t offset);
	/* iov stays valid until done. durable: on stable storage (RWF_DSYNC) when done says OK. */
	void (*write)(struct disk *disk, struct disk_io *io, const struct iovec *iov,
	        unsigned iov_count, uint64_t offset, bool durable);
	/* Makes all completed writes stable (fdatasync). */
	void (*sync)(struct disk *disk, struct disk_io *io);
	/* Where, from `offset` on, the first bytes are that have no blocks of a file system: a full
	 * one may refuse them. UINT64_MAX: nowhere. Asked before anything is written. */
	uint64_t (*hole)(struct disk *disk, uint64_t offset);
	void (*close)(struct disk *disk);
};

struct disk {
	const struct disk_ops *ops;
	uint64_t size;     /* bytes at open; a file grows by writes past its end */
	uint64_t size_max; /* a raw device cannot grow: equals size; a file: UINT64_MAX */
};

static inline void disk_read(
        struct disk *disk, struct disk_io *io, void *data, size_t len, uint64_t offset)
{
	disk->ops->read(disk, io, data, len, offset);
}

static inline void disk_write(struct disk *disk, struct disk_io *io, const struct iovec *iov,
        unsigned iov_count, uint64_t offset, bool durable)
{
	disk->ops->write(disk, io, iov, iov_count, offset, durable);
}

static inline void disk_sync(struct disk *disk, struct disk_io *io)
{
	disk->ops->sync(disk, io);
}

static inline uint64_t disk_hole(struct disk *disk, uint64_t offset)
{
	return disk->ops->hole(disk, offset);
}

static inline void disk_close(struct disk *disk)
{
	if (disk)
		disk->ops->close(disk);
}

#endif
