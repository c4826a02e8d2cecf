#include "lib/err/err.h"

#include <errno.h>
#include <stddef.h>

static const struct {
	const char *name, *text;
	int status;
} table[ERR_COUNT] = {
        [ERR_OK] = {"OK", "ok", 200},
#define ERR(name, status, text) [ERR_##name] = {#name, text, status},
#include "lib/err/err.def"
#undef ERR
};

static enum err known(enum err err)
{
	return (unsigned)err < ERR_COUNT ? err : ERR_INTERNAL;
}

const char *err_name(enum err err)
{
	return table[known(err)].name;
}

const char *err_text(enum err err)
{
	return table[known(err)].text;
}

int err_status(enum err err)
{
	return table[known(err)].status;
}

enum err err_from_errno(int error)
{
	switch (error) {
	case 0:
		return ERR_OK;
	case ENOSPC:
	case EDQUOT:
	case EFBIG: /* as far as a file may grow */
		return ERR_NO_SPACE;
	case ENOENT:
		return ERR_NOT_FOUND;
	case EEXIST:
		return ERR_EXISTS;
	case EROFS:
		return ERR_READ_ONLY;
	case ENOMEM:
		return ERR_NO_MEMORY;
	case EACCES:
	case EPERM:
		return ERR_FORBIDDEN;
	case EINVAL:
		return ERR_BAD_REQUEST;
	case EBUSY:
	case EAGAIN:
		return ERR_BUSY;
	case ECANCELED:
		return ERR_CANCELLED;
	case ETIMEDOUT:
	case ETIME:
		return ERR_DEADLINE;
	default:
		return ERR_IO;
	}
}
