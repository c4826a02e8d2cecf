/* clock: how far this node's clock may have gone, on disk (docs/formats.md). A thread keeps what is
 * there some seconds ahead; after a crash the clock goes on behind that, whatever the machine's
 * clock says then. A time further ahead (a peer that crashed comes back so) is not covered until
 * the thread's next turn.
 *
 * Only where other nodes write, too: one that is alone finds all that it gave on its own devices.
 */
#ifndef NODE_CLOCK_H
#define NODE_CLOCK_H

#include "lib/env/hlc.h"
#include "lib/err/err.h"

struct clock_file;

/* Reads what is there, lets the clock see it, and begins to reserve. path is copied. ERR_IO. */
enum err clock_file_new(const char *path, struct hlc *hlc, struct clock_file **ret_clock);
/* Ends the thread; the file then says what was given, so that the next start is not ahead. */
void clock_file_free(struct clock_file *clock); /* NULL is fine */

#endif
