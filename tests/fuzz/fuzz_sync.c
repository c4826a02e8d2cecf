/* Realms of container sync, and where containers are to be synced to. What comes first, up to a
 * NUL, is a file of realms, what follows is a client's X-Container-Sync-To. */
#include "lib/base/mem.h"
#include "proxy/unit/sync_realms.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

/* Whatever a client names, requests go to hosts that somebody else has allowed. */
static void lead(const struct sync_realms *realms, const char *value)
{
	AUTO(buf) struct buf error = BUF_NONE;
	struct sync_target target = {0};
	bool good = sync_target_parse(realms, value, &target, &error);
	const char *url = buf_text(&target.url), *host = strstr(url, "://");

	require(good || error.len);
	if (good && target.url.len && !target.realm) {
		require(host && strncasecmp(host + 3, "host", 4) == 0);
		require(host[7] == ':' || host[7] == '/');
		require(!memchr(host, '@', strcspn(host + 3, "/") + 3));
	}
	buf_done(&target.url);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sync_realms realms = {.hosts = mem_strdup("host")};
	AUTO(buf) struct buf error = BUF_NONE;
	char *text = mem_strndup((const char *)data, size);
	size_t len = strlen(text);
	char *value = len < size ? mem_strndup((const char *)data + len + 1, size - len - 1)
	                         : mem_strdup("");

	bool good = sync_realms_parse(text, &realms, &error);
	require(good == !error.len);
	lead(&realms, value);
	sync_realms_done(&realms);
	free(text);
	free(value);
	return 0;
}
