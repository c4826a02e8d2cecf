#include "containerd/containerd.h"

#include "lib/base/mem.h"
#include <stdio.h>
#include <stdlib.h>

/* A containerd is its rows: the type keeps callers from mixing it up with accountd. */
static struct rows *rows_of(const struct containerd *containerd)
{
	return (struct rows *)(uintptr_t)containerd;
}

enum err containerd_open(struct reactor *reactor, struct work_pool *pool, const char *dir,
        uint64_t split_rows, struct containerd **ret_containerd)
{
	char path[4096];
	struct rows_config config = {.kind = BACKEND_CONTAINER,
	        .reactor = reactor,
	        .pool = pool,
	        .path = path,
	        .split_rows = split_rows};
	struct rows *rows;

	if (snprintf(path, sizeof(path), "%s/containers", dir) >= (int)sizeof(path))
		return ERR_BAD_REQUEST;
	enum err err = rows_open(&config, &rows);
	if (!err)
		*ret_containerd = (struct containerd *)rows;
	return err;
}

struct device_replay *containerd_replay(struct containerd *containerd)
{
	return rows_replay(rows_of(containerd));
}

enum err containerd_start(struct containerd *containerd, struct device *device)
{
	return rows_start(rows_of(containerd), device);
}

void containerd_close(struct containerd *containerd, void (*closed)(void *arg), void *arg)
{
	rows_close(rows_of(containerd), closed, arg);
}

void containerd_handle(struct containerd *containerd, struct backend_call *call)
{
	rows_handle(rows_of(containerd), call);
}

uint64_t containerd_newest_ts(const struct containerd *containerd)
{
	return rows_newest_ts(rows_of(containerd));
}

void containerd_stats(const struct containerd *containerd, struct rows_stats *ret_stats)
{
	rows_stats(rows_of(containerd), ret_stats);
}

void containerd_agreed(struct containerd *containerd, uint64_t began_us)
{
	rows_agreed(rows_of(containerd), began_us);
}

bool containerd_next_report(struct containerd *containerd, struct rows_report *ret_report)
{
	return rows_next_report(rows_of(containerd), ret_report);
}

void containerd_reported(struct containerd *containerd, struct rows_report *report, bool ok)
{
	rows_reported(rows_of(containerd), report, ok);
	rows_report_done(report);
}

bool containerd_next_split(struct containerd *containerd, struct rows_split *ret_split)
{
	return rows_next_split(rows_of(containerd), ret_split);
}

void containerd_walk_next(struct containerd *containerd, struct rows_walk *walk)
{
	rows_walk_next(rows_of(containerd), walk);
}
