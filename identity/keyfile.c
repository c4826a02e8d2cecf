#include "identity/keyfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum err keyfile_told(struct buf *error, const char *path)
{
	enum err err = err_from_errno(errno);

	buf_printf(error, "%s: %s", path, err_text(err));
	return err;
}

uint32_t keyfile_number(const char *name)
{
	char *end;
	unsigned long number = strtoul(name, &end, 10);

	return *name >= '1' && *name <= '9' && !*end && number <= UINT32_MAX ? (uint32_t)number : 0;
}

enum err keyfile_load(const char *path, uint8_t ret_key[KEYFILE_BYTES], struct buf *error)
{
	uint8_t bytes[KEYFILE_BYTES + 1];
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len = fd < 0 ? -1 : read(fd, bytes, sizeof(bytes));
	enum err err = len < 0 || fstat(fd, &st) ? keyfile_told(error, path) : ERR_OK;

	if (!err && (st.st_mode & 077 || len != KEYFILE_BYTES)) {
		buf_printf(error, "%s: %s", path,
		        st.st_mode & 077
		                ? "others can read it (chmod 0600 it, and make a newer one)"
		                : "is no key: wants 32 bytes");
		err = ERR_CONFIG;
	}
	if (!err)
		memcpy(ret_key, bytes, KEYFILE_BYTES);
	explicit_bzero(bytes, sizeof(bytes));
	if (fd >= 0)
		close(fd);
	return err;
}

static enum err sync_folder(const char *dir, struct buf *error)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	enum err err = fd < 0 || fsync(fd) ? keyfile_told(error, dir) : ERR_OK;

	if (fd >= 0)
		close(fd);
	return err;
}

/* What is in it is as durable as its own name. */
static enum err make_folder(const char *dir, struct buf *error)
{
	AUTO(buf) struct buf above = BUF_NONE;

	if (mkdir(dir, 0700) && errno != EEXIST)
		return keyfile_told(error, dir);
	buf_printf(&above, "%s/..", dir);
	return sync_folder(buf_text(&above), error);
}

enum err keyfile_make(
        const char *dir, uint32_t number, const uint8_t key[KEYFILE_BYTES], struct buf *error)
{
	AUTO(buf) struct buf path = BUF_NONE;
	AUTO(buf) struct buf draft = BUF_NONE;
	enum err err = make_folder(dir, error);

	if (err)
		return err;
	buf_printf(&path, "%s/%u", dir, number);
	buf_printf(&draft, "%s/new.%d", dir, (int)getpid());
	int fd = open(buf_text(&draft), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	bool ok = fd >= 0 && write(fd, key, KEYFILE_BYTES) == KEYFILE_BYTES && fsync(fd) == 0 &&
	          (link(buf_text(&draft), buf_text(&path)) == 0 || errno == EEXIST);
	err = ok ? ERR_OK : keyfile_told(error, buf_text(&path));
	if (fd >= 0)
		close(fd);
	unlink(buf_text(&draft));
	return err ? err : sync_folder(dir, error);
}
