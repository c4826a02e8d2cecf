#include "proxy/proxy.h"

#include "lib/base/mem.h"
#include "lib/crypto/md5_lanes.h"
#include "proxy/pages.h"
#include "proxy/ranges.h"
#include "proxy/s3/logging.h"
#include "proxy/settle.h"
#include <stdlib.h>

enum err proxy_init(struct proxy *proxy, struct cluster *cluster, struct reactor *reactor,
        struct backend *backend, size_t page_bytes_max, size_t body_bytes_max)
{
	*proxy = (struct proxy){
	        .cluster = cluster,
	        .reactor = reactor,
	        .backend = backend,
	        .page_bytes_max = page_bytes_max,
	};
	budget_init(&proxy->budget, reactor, body_bytes_max);
	list_init(&proxy->info_lru);
	list_init(&proxy->page_lru);
	proxy->settle = settle_new(proxy);
	return md5_engine_new(reactor, &proxy->md5);
}

void proxy_done(struct proxy *proxy)
{
	s3_log_free(proxy);
	info_forget_all(proxy);
	pages_forget_all(proxy);
	hash_done(&proxy->infos);
	hash_done(&proxy->pages);
	hash_done(&proxy->row_queues);
	ranges_forget_all(proxy);
	hash_done(&proxy->ranges);
	settle_free(proxy->settle);
	md5_engine_free(proxy->md5);
	buf_done(&proxy->access_line);
	buf_done(&proxy->access_metrics);
}

const struct limits limits_default = {
        .max_file_size = 5368709122,
        .max_object_name = 1024,
        .max_container_name = 256,
        .max_account_name = 256,
        .max_meta_name = 128,
        .max_meta_value = 256,
        .max_meta_count = 90,
        .max_meta_overall = 4096,
        .max_header_size = 8192,
        .container_listing_limit = 10000,
        .account_listing_limit = 10000,
        .symloop_max = 2,
        .bulk_deletes = 10000,
        .bulk_failed_deletes = 1000,
        .bulk_delete_concurrency = 64,
        .bulk_containers = 10000,
        .bulk_failed_extractions = 1000,
        .bulk_concurrency = 64,
        .bulk_yield_s = 10,
        .slo_segments = 1000,
        .slo_bytes = 8u << 20,
        .slo_concurrency = 2,
        .slo_delete_concurrency = 32,
        .slo_yield_s = 10,
        .slo_async_delete = true,
};
