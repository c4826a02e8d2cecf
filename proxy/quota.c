#include "proxy/quota.h"
#include "proxy/pipeline.h"

#include "lib/base/kv.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define STORED "X-Account-Sysmeta-Quota-"

static bool is_number(const char *text)
{
	return *text && strspn(text, "0123456789") == strlen(text);
}

static int policy_of(const struct cluster *cluster, const char *name)
{
	for (int i = 0; i < BACKEND_POLICIES; i++) {
		if (cluster->policies[i].name && strcasecmp(cluster->policies[i].name, name) == 0)
			return i;
	}
	return -1;
}

/* "Bytes", "Count", "Bytes-Policy-gold": what it is stored under, or NULL. */
static const char *stored_name(struct request *request, const char *kind)
{
	struct arena *arena = request_arena(request);
	const char *words[] = {"Bytes", "Count"};

	for (unsigned i = 0; i < COUNT_OF(words); i++) {
		size_t len = strlen(words[i]);
		if (strncasecmp(kind, words[i], len) != 0)
			continue;
		if (!kind[len])
			return arena_printf(arena, STORED "%s", words[i]);
		if (!has_prefix(kind + len, "-Policy-"))
			return NULL;
		int policy = policy_of(request_cluster(request), kind + len + 8);
		return policy < 0 ? NULL
		                  : arena_printf(arena, STORED "%s-Policy-%d", words[i], policy);
	}
	return NULL;
}

int quota_account_headers(struct request *request, struct buf *headers)
{
	for (unsigned i = 0; i < request->http->header_count; i++) {
		const struct http_header *h = &request->http->headers[i];
		bool removes = has_prefix(h->name, "X-Remove-");
		const char *name =
		        removes ? h->name + 9 : h->name + (has_prefix(h->name, "X-") ? 2 : 0);
		const char *value = removes ? "" : h->value;
		bool old = strcasecmp(name, "Account-Meta-Quota-Bytes") == 0;
		if (!old && !has_prefix(name, "Account-Quota-"))
			continue;
		/* The old form says the same, where the new one says nothing. */
		const char *stored = !old ? stored_name(request, name + 14)
		                     : http_get(request->http, "X-Account-Quota-Bytes") ? NULL
		                                                                        : STORED
		                             "Bytes";
		if (!old && !stored)
			continue;
		if (!request->identity.reseller)
			return 403;
		if (*value && !is_number(value))
			return 400;
		if (stored)
			kv_add(headers, stored, value);
	}
	return 0;
}

void quota_account_answer(struct request *request, const struct backend_reply *reply)
{
	const struct cluster *cluster = request_cluster(request);
	struct arena *arena = request_arena(request);
	struct kv_pair pair;

	for (size_t at = 0; kv_next(reply->headers.data, reply->headers.len, &at, &pair);) {
		if (!has_prefix(pair.name, STORED) || !*pair.value)
			continue;
		const char *kind = pair.name + strlen(STORED), *policy = strstr(kind, "-Policy-");
		if (policy) {
			const char *name =
			        cluster->policies[strtoul(policy + 8, NULL, 10) % BACKEND_POLICIES]
			                .name;
			http_header(request->http,
			        arena_printf(arena, "X-Account-Quota-%.*s-Policy-%s",
			                (int)(policy - kind), kind, name ? name : ""),
			        pair.value);
		} else {
			http_header(request->http, arena_printf(arena, "X-Account-Quota-%s", kind),
			        pair.value);
		}
	}
}

static bool over(const struct info *info, const char *name, uint64_t total)
{
	const char *quota = info_header(info, name);

	return quota && is_number(quota) && total > strtoull(quota, NULL, 10);
}

static const char *over_policy(const struct info *account, unsigned policy, uint64_t size)
{
	char bytes[64], count[64];

	snprintf(bytes, sizeof(bytes), STORED "Bytes-Policy-%u", policy);
	snprintf(count, sizeof(count), STORED "Count-Policy-%u", policy);
	if (over(account, bytes, account->policy_bytes[policy] + size) ||
	        over(account, count, account->policy_objects[policy] + 1))
		return "Upload exceeds policy quota.";
	return NULL;
}

const char *quota_exceeded(
        const struct info *account, const struct info *container, uint64_t kept, uint64_t size)
{
	if (over(container, "X-Container-Meta-Quota-Bytes", container->bytes + kept + size) ||
	        over(container, "X-Container-Meta-Quota-Count", container->objects + 1))
		return "Upload exceeds quota.";
	if (!account)
		return NULL;
	const char *bytes = info_header(account, STORED "Bytes") ? STORED "Bytes"
	                                                         : "X-Account-Meta-Quota-Bytes";
	if (over(account, bytes, account->bytes + size) ||
	        over(account, STORED "Count", account->objects + 1))
		return "Upload exceeds quota.";
	return over_policy(account, container->policy % BACKEND_POLICIES, size);
}

const char *quota_container_headers(const struct request *request)
{
	const char *bytes = http_get(request->http, "X-Container-Meta-Quota-Bytes");
	const char *count = http_get(request->http, "X-Container-Meta-Quota-Count");

	if (bytes && *bytes && !is_number(bytes))
		return "Invalid bytes quota.";
	if (count && *count && !is_number(count))
		return "Invalid count quota.";
	return NULL;
}

bool quota_account_is_set(const struct info *info)
{
	struct kv_pair pair;

	for (size_t at = 0; kv_next(info->headers.data, info->headers.len, &at, &pair);) {
		if (*pair.value &&
		        (has_prefix(pair.name, STORED) ||
		                strcasecmp(pair.name, "X-Account-Meta-Quota-Bytes") == 0))
			return true;
	}
	return false;
}

bool quota_is_set(const struct info *info)
{
	return info_header(info, "X-Container-Meta-Quota-Bytes") ||
	       info_header(info, "X-Container-Meta-Quota-Count");
}

static bool tell(const struct cluster *cluster, struct buf *out)
{
	(void)cluster;
	(void)out;
	return true;
}

const struct unit unit_container_quotas = {.name = "container_quotas", .info = tell};
const struct unit unit_account_quotas = {.name = "account_quotas", .info = tell};
