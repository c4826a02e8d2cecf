/* accountd: the accounts of one device: their containers in order with totals, headers, and what
 * is left of deleted ones. README.md tells what it owns; lib/rows does the work that it shares
 * with containerd. All calls on the thread of the device's reactor.
 *
 * Order at start: accountd_open, the device with accountd_replay, accountd_start. */
#ifndef ACCOUNTD_ACCOUNTD_H
#define ACCOUNTD_ACCOUNTD_H

#include "lib/rows/rows.h"

struct accountd;

/* `dir` (it exists) gets a folder of its own in it. Blocks on the disk for some milliseconds. */
enum err accountd_open(struct reactor *reactor, struct work_pool *pool, const char *dir,
        struct accountd **ret_accountd);
struct device_replay *accountd_replay(struct accountd *accountd);

/* As rows_start: after an error only accountd_close is possible. */
enum err accountd_start(struct accountd *accountd, struct device *device);

/* `closed` runs from the loop; NULL is fine. */
void accountd_close(struct accountd *accountd, void (*closed)(void *arg), void *arg);

/* BACKEND_DB_ messages of kind BACKEND_ACCOUNT. A deleted account answers HEAD and LIST with
 * ERR_NOT_FOUND and reply.deleted; LIST carries the rows that are left, for the reaper. It takes
 * deleted rows only, and a PUT not before it is empty (ERR_FORBIDDEN, reply.deleted). */
void accountd_handle(struct accountd *accountd, struct backend_call *call);

uint64_t accountd_newest_ts(const struct accountd *accountd);
void accountd_stats(const struct accountd *accountd, struct rows_stats *ret_stats);

/* As rows_agreed. */
void accountd_agreed(struct accountd *accountd, uint64_t began_us);

/* reaper.c: the next deleted account that still has containers, in order of keys: see struct
 * rows_reap. The caller lists it (BACKEND_DB_LIST), empties and deletes each container as a
 * client would, and puts the deleted rows here (BACKEND_DB_UPDATE); when none is left the account
 * does not come again. One deleted less than `drain_us` (500 ms) ago may come a round later. */
void accountd_next_deleted(struct accountd *accountd, struct rows_reap *reap);

/* The messages for that: a page of what is left behind `marker` (NULL: from the start), and the
 * update that takes a container out. The caller sets their key. */
struct backend_msg *accountd_reap_list(const char *account, const char *marker, uint32_t limit);
struct backend_msg *accountd_reap_row(
        const char *account, const struct backend_row *row, uint64_t ts);

#endif
