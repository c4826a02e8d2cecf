/* disk_file: the real disk: a block device or a file on a file system, O_DIRECT through the
 * reactor's io_uring. All calls on the reactor's thread (opening may come before it runs). */
#ifndef LIB_REACTOR_DISK_FILE_H
#define LIB_REACTOR_DISK_FILE_H

#include "lib/env/disk.h"
#include "lib/reactor/reactor.h"

/* Opens for reading and writing, creating a file when `create`. A file system without O_DIRECT
 * (tmpfs) is opened without it. The file is locked: ERR_BUSY when another process has it. */
enum err disk_file_open(
        struct reactor *reactor, const char *path, bool create, struct disk **ret_disk);

/* How long the oldest operation has been under way; 0 when none is. */
uint64_t disk_file_stuck_us(struct disk *disk);

#endif
