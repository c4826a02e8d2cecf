/* sync_queue: what is to be told to other clusters (container sync). Each write of an object in a
 * container that is synced leaves a row in a hidden container, which rides with the object's record
 * as its listing update does; the row goes when the other cluster has it (node/sender.h). Of a name
 * there is one row at most, of its last change.
 *
 * A row is named "account/container/since/object". `since` is when it was last set where to the
 * container is synced; what was queued for elsewhere is told apart by it. With no object it stands
 * for all there are already: its content type says how far they were queued. Pure. */
#ifndef PROXY_SYNC_QUEUE_H
#define PROXY_SYNC_QUEUE_H

#include "lib/base/buf.h"
#include "lib/base/ts.h"

struct info;

#define SYNC_ACCOUNT   ".cairn"
#define SYNC_CONTAINER "sync"

#define SYNC_TO    "X-Container-Sync-To"
#define SYNC_KEY   "X-Container-Sync-Key"
#define SYNC_SINCE "X-Container-Sysmeta-Sync-Since" /* as ts_format has it */

/* Content type of a row whose object was deleted; any other was put, or posted to. */
#define SYNC_DELETED "application/deleted"
/* Of one for all there are: the first or second time through them, and the last name queued. The
 * second is for those whose writers did not know yet. */
#define SYNC_FIRST  '1'
#define SYNC_SECOND '2'

/* Since when the container is synced; NULL: it is not. */
const char *sync_since(const struct info *container);

void sync_row_name(struct buf *out, const char *account, const char *container, const char *since,
        const char *object);

/* Cuts a row's name into its parts, in place. False: it is none. */
struct sync_row {
	const char *account, *container, *object;
	uint64_t since;
};
bool sync_row_parts(char *name, struct sync_row *ret_row);

#endif
