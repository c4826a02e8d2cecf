/* lock: object lock: retention until a date and legal holds of versions (WORM). */
#ifndef PROXY_S3_LOCK_H
#define PROXY_S3_LOCK_H

#include "proxy/proxy.h"

/* Compact text of a bucket's configuration: "Enabled", or with a default retention
 * "Enabled MODE DAYS days" or "... YEARS years". */
#define S3_BUCKET_LOCK "X-Container-Sysmeta-S3-Lock"

bool s3_lock_enabled(const struct info *info);

#endif
