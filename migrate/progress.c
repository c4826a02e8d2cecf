#include "migrate/migrate.h"

#include "lib/log/log.h"
#include <stdio.h>

static double seconds_since(const struct timespec *began)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - began->tv_sec) + (double)(now.tv_nsec - began->tv_nsec) / 1e9;
}

static void add_bytes(struct buf *out, double bytes)
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
	unsigned i = 0;

	for (; bytes >= 1024 && i + 1 < COUNT_OF(units); i++)
		bytes /= 1024;
	buf_printf(out, i ? "%.1f %s" : "%.0f %s", bytes, units[i]);
}

/* By what is slower, bytes or objects: a share of each is done, and took so long. */
static double seconds_left(double elapsed, uint64_t done, uint64_t total)
{
	if (!done || total <= done)
		return 0;
	return elapsed * (double)(total - done) / (double)done;
}

static void add_eta(struct buf *out, double seconds)
{
	unsigned long s = (unsigned long)(seconds + 0.5);

	buf_printf(out, ", %lu:%02lu:%02lu to go", s / 3600, s / 60 % 60, s % 60);
}

void progress_line(const struct run *run, struct buf *out)
{
	const struct counts *c = &run->counts;
	uint64_t done = c->done, total = c->total, bytes = c->done_bytes, all = c->total_bytes;
	double elapsed = seconds_since(&run->began);
	double left = seconds_left(elapsed, done, total),
	       left_bytes = seconds_left(elapsed, bytes, all);

	/* What came meanwhile. */
	total = total < done ? done : total;
	all = all < bytes ? bytes : all;
	buf_printf(
	        out, "%llu of %llu objects, ", (unsigned long long)done, (unsigned long long)total);
	add_bytes(out, (double)bytes);
	buf_str(out, " of ");
	add_bytes(out, (double)all);
	buf_printf(out, "; %llu %s, ", (unsigned long long)c->copied,
	        run->mode == MODE_DRY ? "to copy" : "copied");
	if (elapsed > 0)
		add_bytes(out, (double)c->copied_bytes / elapsed);
	buf_str(out, "/s");
	if (c->failed)
		buf_printf(out, ", %llu FAILED", (unsigned long long)c->failed);
	if (done)
		add_eta(out, left > left_bytes ? left : left_bytes);
}

static void add_count(struct buf *out, const char *what, uint64_t count)
{
	if (count)
		buf_printf(out, ", %llu %s", (unsigned long long)count, what);
}

void progress_summary(const struct run *run, struct buf *out)
{
	const struct counts *c = &run->counts;

	if (run->mode == MODE_VERIFY) {
		buf_printf(out, "verified: %llu objects the same", (unsigned long long)c->same);
	} else {
		buf_printf(out, "%s: %llu objects (", run->mode == MODE_DRY ? "to copy" : "copied",
		        (unsigned long long)c->copied);
		add_bytes(out, (double)c->copied_bytes);
		buf_printf(out, "), %llu the same", (unsigned long long)c->same);
	}
	add_count(out, "newer at the destination", c->newer);
	add_count(out, "gone meanwhile", c->gone);
	add_count(out, "deleted", c->deleted);
	add_count(out, "only at the destination", c->extra);
	add_count(out, "different", c->differ);
	add_count(out, "failed", c->failed);
	buf_printf(out, "; %.1f s", seconds_since(&run->began));
}

static void tell(const char *level, const char *account, const char *container, const char *object,
        const char *text)
{
	char line[1024];

	snprintf(line, sizeof(line), "%s/%s%s%s", account, container ? container : "",
	        object ? "/" : "", object ? object : "");
	fprintf(stderr, "%s %s: %s\n", level, log_quote(line), text);
}

void run_fail(struct run *run, const char *account, const char *container, const char *object,
        const char *why)
{
	atomic_fetch_add(&run->counts.failed, 1);
	tell("failed", account, container, object, why);
}

void run_note(struct run *run, const char *account, const char *container, const char *object,
        const char *what)
{
	atomic_fetch_add(&run->counts.noted, 1);
	tell("note", account, container, object, what);
}
