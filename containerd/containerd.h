/* containerd: the containers of one device: their objects in order, headers, exact totals; and
 * what their accounts should be told. README.md tells what it owns; lib/rows does the work that it
 * shares with accountd. All calls on the thread of the device's reactor.
 *
 * Order at start: containerd_open, the device with containerd_replay, containerd_start. */
#ifndef CONTAINERD_CONTAINERD_H
#define CONTAINERD_CONTAINERD_H

#include "lib/rows/rows.h"

struct containerd;

/* `dir` (it exists) gets a folder of its own in it. A container of more than split_rows rows wants
 * to be split (0: none does). Blocks on the disk for some milliseconds. */
enum err containerd_open(struct reactor *reactor, struct work_pool *pool, const char *dir,
        uint64_t split_rows, struct containerd **ret_containerd);
struct device_replay *containerd_replay(struct containerd *containerd);

/* As rows_start: after an error only containerd_close is possible. */
enum err containerd_start(struct containerd *containerd, struct device *device);

/* `closed` runs from the loop; NULL is fine. */
void containerd_close(struct containerd *containerd, void (*closed)(void *arg), void *arg);

/* BACKEND_DB_ messages of kind BACKEND_CONTAINER. */
void containerd_handle(struct containerd *containerd, struct backend_call *call);

/* Newest timestamp seen in the log, for the clock at start. */
uint64_t containerd_newest_ts(const struct containerd *containerd);
void containerd_stats(const struct containerd *containerd, struct rows_stats *ret_stats);

/* As rows_agreed. */
void containerd_agreed(struct containerd *containerd, uint64_t began_us);

/* report.c: the next container whose account should be told (half a second after its last change,
 * 8 s after its first); false when none is due: ask again some 100 ms later. Each is followed by
 * containerd_reported. */
bool containerd_next_report(struct containerd *containerd, struct rows_report *ret_report);

/* The message that tells it, for the devices of the path in it: BACKEND_DB_UPDATE of one row with
 * totals for the account, or of a range BACKEND_DB_SPLIT for its container; the caller sets its
 * key. ERR_NOT_FOUND (the account is gone) counts as told. */
struct backend_msg *containerd_report_msg(const struct rows_report *report);

/* ok: a majority of the account's devices has it. Else it comes again. Frees the report. */
void containerd_reported(struct containerd *containerd, struct rows_report *report, bool ok);

/* As rows_next_split. */
bool containerd_next_split(struct containerd *containerd, struct rows_split *ret_split);

/* As rows_walk_next. */
void containerd_walk_next(struct containerd *containerd, struct rows_walk *walk);

#endif
