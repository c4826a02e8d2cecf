#include "lib/reactor/disk_file.h"

#include "lib/base/auto.h"
#include "lib/base/list.h"
#include "lib/base/mem.h"
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

struct disk_file {
	struct disk disk;
	struct reactor *reactor; /* borrowed */
	int fd;                  /* owned */
	bool journaled;          /* a file: its file system writes down its times before a write */
	struct list flying;      /* struct request, the longest under way first */
};

/* What lives in disk_io.private_ while an operation runs. */
struct request {
	struct io io;
	struct disk_file *file;
	struct list link;
	uint64_t since_us;
	const struct iovec *iov; /* NULL: sync */
	struct iovec one;
	uint64_t offset;
	size_t len, written; /* written: of a write that is sent in parts */
	unsigned count;
	bool reads, durable;
};

static struct request *request_of(struct disk_io *io)
{
	static_assert(sizeof(struct request) <= sizeof(io->private_), "grow disk_io.private_");
	return (struct request *)(void *)io->private_;
}

static void submit(struct request *q)
{
	if (!q->iov)
		io_fdatasync(q->file->reactor, &q->io, q->file->fd);
	else if (q->reads)
		io_read(q->file->reactor, &q->io, q->file->fd, q->one.iov_base, q->one.iov_len,
		        q->offset);
	else
		io_writev(q->file->reactor, &q->io, q->file->fd, q->iov, q->count, q->offset,
		        q->durable ? RWF_DSYNC : 0, q->file->journaled);
}

/* A file system that fills up takes a part first, and says why not more when asked again: the rest
 * of the buffer in which it stopped is sent, then those behind it. False: that was all. */
static bool submit_rest(struct request *q)
{
	size_t skip = q->written;

	for (unsigned i = 0; i < q->count; i++) {
		if (skip < q->iov[i].iov_len) {
			q->one = (struct iovec){
			        (char *)q->iov[i].iov_base + skip, q->iov[i].iov_len - skip};
			io_writev(q->file->reactor, &q->io, q->file->fd, &q->one, 1,
			        q->offset + q->written, q->durable ? RWF_DSYNC : 0,
			        q->file->journaled);
			return true;
		}
		skip -= q->iov[i].iov_len;
	}
	return false;
}

static void on_done(struct io *io, int result)
{
	struct request *q = CONTAINER_OF(io, struct request, io);
	struct disk_io *outer = CONTAINER_OF((void **)q, struct disk_io, private_);
	enum err err = ERR_OK;

	bool again = result == -EAGAIN || result == -EINTR;
	if (again && !q->written) {
		submit(q);
		return;
	}
	if (result > 0)
		q->written += (size_t)result;
	if (q->iov && !q->reads && (again || result > 0) && submit_rest(q))
		return;
	if (result < 0)
		err = err_from_errno(-result);
	else if (q->written != q->len)
		err = ERR_IO; /* short: past the end, or a device that stopped half-way */
	list_remove(&q->link);
	outer->done(outer, err);
}

static struct request *prepare(struct disk *disk, struct disk_io *io)
{
	struct disk_file *file = CONTAINER_OF(disk, struct disk_file, disk);
	struct request *q = request_of(io);

	*q = (struct request){
	        .io.done = on_done,
	        .file = file,
	        .since_us = reactor_now_us(file->reactor),
	};
	list_append(&file->flying, &q->link);
	return q;
}

static void file_read(
        struct disk *disk, struct disk_io *io, void *data, size_t len, uint64_t offset)
{
	struct request *q = prepare(disk, io);

	q->one = (struct iovec){data, len};
	q->iov = &q->one;
	q->len = len;
	q->offset = offset;
	q->reads = true;
	submit(q);
}

static void file_write(struct disk *disk, struct disk_io *io, const struct iovec *iov,
        unsigned count, uint64_t offset, bool durable)
{
	struct request *q = prepare(disk, io);

	q->iov = iov;
	q->count = count;
	q->offset = offset;
	q->durable = durable;
	for (unsigned i = 0; i < count; i++)
		q->len += iov[i].iov_len;
	submit(q);
}

static void file_sync(struct disk *disk, struct disk_io *io)
{
	submit(prepare(disk, io));
}

static uint64_t file_hole(struct disk *disk, uint64_t offset)
{
	struct disk_file *file = CONTAINER_OF(disk, struct disk_file, disk);
	off_t at = lseek(file->fd, (off_t)offset, SEEK_HOLE);

	if (at >= 0)
		return (uint64_t)at;
	return errno == ENXIO ? offset : UINT64_MAX; /* past the end, or none can be seen */
}

static void file_close(struct disk *disk)
{
	struct disk_file *file = CONTAINER_OF(disk, struct disk_file, disk);

	close(file->fd);
	free(file);
}

static const struct disk_ops ops = {file_read, file_write, file_sync, file_hole, file_close};

enum err disk_file_open(
        struct reactor *reactor, const char *path, bool create, struct disk **ret_disk)
{
	int flags = O_RDWR | O_CLOEXEC | (create ? O_CREAT : 0);
	struct stat st;
	uint64_t size;

	int fd = open(path, flags | O_DIRECT | O_NOATIME, 0600);
	if (fd < 0 && errno == EPERM) /* somebody else's file */
		fd = open(path, flags | O_DIRECT, 0600);
	if (fd < 0 && errno == EINVAL)
		fd = open(path, flags, 0600);
	if (fd < 0)
		return err_from_errno(errno);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0 || fstat(fd, &st) < 0) {
		int e = errno;
		close(fd);
		return e == EWOULDBLOCK ? ERR_BUSY : err_from_errno(e);
	}
	size = (uint64_t)st.st_size;
	if (S_ISBLK(st.st_mode) && ioctl(fd, BLKGETSIZE64, &size) < 0) {
		close(fd);
		return ERR_IO;
	}
	struct disk_file *file = mem_zalloc(sizeof(*file));
	file->disk = (struct disk){&ops, size, S_ISBLK(st.st_mode) ? size : UINT64_MAX};
	file->reactor = reactor;
	file->fd = fd;
	file->journaled = S_ISREG(st.st_mode);
	list_init(&file->flying);
	*ret_disk = &file->disk;
	return ERR_OK;
}

uint64_t disk_file_stuck_us(struct disk *disk)
{
	struct disk_file *file = CONTAINER_OF(disk, struct disk_file, disk);
	struct list *oldest = list_first(&file->flying);

	return oldest ? reactor_now_us(file->reactor) -
	                        LIST_ENTRY(oldest, struct request, link)->since_us
	              : 0;
}
