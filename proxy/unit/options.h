/* options: what cairn.conf says of units. Zeroed: a unit does nothing. */
#ifndef PROXY_UNIT_OPTIONS_H
#define PROXY_UNIT_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

struct unit_options {
	/* [tempurl]: words, separated by spaces */
	const char *tempurl_methods, *tempurl_digests, *tempurl_incoming_remove,
	        *tempurl_incoming_allow, *tempurl_outgoing_remove, *tempurl_outgoing_allow;
	const char *formpost_digests;
	/* [name_check], [read_only], [list_endpoints] */
	const char *name_check_characters, *name_check_pattern;
	uint64_t name_check_length;
	bool name_check, recon, read_only, read_only_deletes, list_endpoints;
	/* [cname_lookup] */
	const char *cname_storage, *cname_servers;
	uint64_t cname_depth;
	/* [domain_remap] */
	const char *domain_storage, *domain_path_root, *domain_prefixes, *domain_default_prefix;
	bool domain_mangles;
	/* [ratelimit] */
	const char *ratelimit_account, *ratelimit_max_sleep, *ratelimit_log_sleep,
	        *ratelimit_container, *ratelimit_listing, *ratelimit_whitelist,
	        *ratelimit_blacklist;
	uint64_t ratelimit_buffer_s;
	/* [access_log], [statsd] (access.h) */
	bool access_log;
	const char *access_template, *statsd_host, *statsd_prefix;
	uint64_t access_reveal, statsd_port;
	/* [container_sync] */
	const char *sync_realms, *sync_current, *sync_hosts;
	bool sync_full_urls;
	const char *web_base; /* [staticweb] */
	/* [s3] */
	bool s3;
	const char *s3_domains, *s3_website_domains, *s3_kms_default, *s3_classes, *s3_notify;
	uint64_t s3_log_interval, s3_notify_keep; /* seconds */
	uint64_t s3_part_min;                     /* bytes of a part, but for the last */
	bool s3_ssec_tls;
};

#endif
