/* A file system with one file, "disk", which is another file, until its process is stopped
 * (SIGSTOP): from then on no operation on it ends, as on a disk that hangs; SIGCONT lets them all
 * go on. A loop device over it is such a disk.
 * Usage: stuck_fs FILE MOUNTPOINT */
#define FUSE_USE_VERSION 31
#include <errno.h>
#include <fcntl.h>
#include <fuse3/fuse.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int fd;

static int fs_getattr(const char *path, struct stat *st, struct fuse_file_info *fi)
{
	(void)fi;
	if (strcmp(path, "/") == 0) {
		*st = (struct stat){.st_mode = S_IFDIR | 0700, .st_nlink = 2};
		return 0;
	}
	if (strcmp(path, "/disk") != 0)
		return -ENOENT;
	return fstat(fd, st) < 0 ? -errno : 0;
}

static int fs_open(const char *path, struct fuse_file_info *fi)
{
	(void)path;
	fi->direct_io = 1; /* nothing is answered from the page cache */
	return 0;
}

static int fs_read(
        const char *path, char *data, size_t len, off_t offset, struct fuse_file_info *fi)
{
	ssize_t n = pread(fd, data, len, offset);

	(void)path;
	(void)fi;
	return n < 0 ? -errno : (int)n;
}

static int fs_write(
        const char *path, const char *data, size_t len, off_t offset, struct fuse_file_info *fi)
{
	ssize_t n = pwrite(fd, data, len, offset);

	(void)path;
	(void)fi;
	return n < 0 ? -errno : (int)n;
}

static int fs_fsync(const char *path, int data_only, struct fuse_file_info *fi)
{
	(void)path;
	(void)data_only;
	(void)fi;
	return 0;
}

static const struct fuse_operations operations = {
        .getattr = fs_getattr,
        .open = fs_open,
        .read = fs_read,
        .write = fs_write,
        .fsync = fs_fsync,
};

int main(int argc, char **argv)
{
	char *args[] = {argv[0], "-f", argc > 2 ? argv[2] : NULL, NULL};

	if (argc != 3 || (fd = open(argv[1], O_RDWR | O_CLOEXEC)) < 0) {
		fprintf(stderr, "Usage: stuck_fs FILE MOUNTPOINT\n");
		return 2;
	}
	return fuse_main(3, args, &operations, NULL);
}
