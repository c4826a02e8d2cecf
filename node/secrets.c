#include "node/secrets.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool sync_folder_of(const char *path)
{
	char folder[PATH_MAX];

	snprintf(folder, sizeof(folder), "%s", path);
	*strrchr(folder, '/') = 0;
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return false;
	bool synced = fsync(fd) == 0;
	close(fd);
	return synced;
}

enum err file_save(const char *path, const void *data, size_t len)
{
	char draft[PATH_MAX];

	snprintf(draft, sizeof(draft), "%s.new", path);
	int fd = open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_from_errno(errno);
	bool whole = write(fd, data, len) == (ssize_t)len && fsync(fd) == 0;
	close(fd);
	return whole && rename(draft, path) == 0 && sync_folder_of(path) ? ERR_OK : ERR_IO;
}

static enum err make(const struct env *env, const char *path, uint8_t *ret_secret, size_t len)
{
	env->random(env, ret_secret, len);
	return file_save(path, ret_secret, len);
}

enum err secret_load(const struct env *env, const char *path, uint8_t *ret_secret, size_t len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT ? make(env, path, ret_secret, len) : err_from_errno(errno);
	ssize_t n = read(fd, ret_secret, len);
	close(fd);
	return n == (ssize_t)len ? ERR_OK : ERR_CORRUPT;
}

enum err file_load(const char *path, char **ret_text)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return err_from_errno(errno);
	if (fstat(fd, &st) < 0 || st.st_size > 1 << 20) {
		close(fd);
		return ERR_TOO_LARGE;
	}
	char *text = calloc(1, (size_t)st.st_size + 1);
	ssize_t n = text ? read(fd, text, (size_t)st.st_size) : -1;
	close(fd);
	if (n != st.st_size) {
		free(text);
		return ERR_IO;
	}
	*ret_text = text;
	return ERR_OK;
}
