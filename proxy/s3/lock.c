#include "proxy/s3/lock.h"

bool s3_lock_enabled(const struct info *info)
{
	return info_header(info, S3_BUCKET_LOCK);
}
