#include "accountd/accountd.h"

#include "lib/base/mem.h"
#include <stdio.h>
#include <stdlib.h>

/* An accountd is its rows: the type keeps callers from mixing it up with containerd. */
static struct rows *rows_of(const struct accountd *accountd)
{
	return (struct rows *)(uintptr_t)accountd;
}

enum err accountd_open(struct reactor *reactor, struct work_pool *pool, const char *dir,
        struct accountd **ret_accountd)
{
	char path[4096];
	struct rows_config config = {
	        .kind = BACKEND_ACCOUNT, .reactor = reactor, .pool = pool, .path = path};
	struct rows *rows;

	if (snprintf(path, sizeof(path), "%s/accounts", dir) >= (int)sizeof(path))
		return ERR_BAD_REQUEST;
	enum err err = rows_open(&config, &rows);
	if (!err)
		*ret_accountd = (struct accountd *)rows;
	return err;
}

struct device_replay *accountd_replay(struct accountd *accountd)
{
	return rows_replay(rows_of(accountd));
}

enum err accountd_start(struct accountd *accountd, struct device *device)
{
	return rows_start(rows_of(accountd), device);
}

void accountd_close(struct accountd *accountd, void (*closed)(void *arg), void *arg)
{
	rows_close(rows_of(accountd), closed, arg);
}

void accountd_handle(struct accountd *accountd, struct backend_call *call)
{
	rows_handle(rows_of(accountd), call);
}

uint64_t accountd_newest_ts(const struct accountd *accountd)
{
	return rows_newest_ts(rows_of(accountd));
}

void accountd_stats(const struct accountd *accountd, struct rows_stats *ret_stats)
{
	rows_stats(rows_of(accountd), ret_stats);
}

void accountd_agreed(struct accountd *accountd, uint64_t began_us)
{
	rows_agreed(rows_of(accountd), began_us);
}
