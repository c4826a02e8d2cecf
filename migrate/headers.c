#include "migrate/migrate.h"

#include "lib/base/kv.h"
#include <string.h>
#include <strings.h>

static bool starts(const char *name, const char *prefix)
{
	return strncasecmp(name, prefix, strlen(prefix)) == 0;
}

bool carried_object(const char *name)
{
	static const char *const kept[] = {"Content-Type", "Content-Encoding",
	        "Content-Disposition", "Content-Language", "Cache-Control", "Expires",
	        "X-Robots-Tag", "X-Delete-At", "X-Object-Manifest"};

	for (unsigned i = 0; i < COUNT_OF(kept); i++) {
		if (strcasecmp(name, kept[i]) == 0)
			return true;
	}
	return starts(name, "X-Object-Meta-");
}

bool carried_container(const char *name)
{
	return starts(name, "X-Container-Meta-") || strcasecmp(name, "X-Container-Read") == 0 ||
	       strcasecmp(name, "X-Container-Write") == 0;
}

bool carried_account(const char *name)
{
	return starts(name, "X-Account-Meta-") || strcasecmp(name, "X-Account-Access-Control") == 0;
}

bool headers_change(const struct buf *want, const struct buf *have,
        bool (*carried)(const char *name), struct buf *ret_change)
{
	struct kv_pair pair;
	bool any = false;

	for (size_t at = 0; kv_next(want->data, want->len, &at, &pair);) {
		const char *is = kv_get(have->data, have->len, pair.name);
		if (!carried(pair.name) || (is && strcmp(is, pair.value) == 0))
			continue;
		kv_add(ret_change, pair.name, pair.value);
		any = true;
	}
	for (size_t at = 0; kv_next(have->data, have->len, &at, &pair);) {
		if (!carried(pair.name) || kv_get(want->data, want->len, pair.name))
			continue;
		kv_add(ret_change, pair.name, "");
		any = true;
	}
	return any;
}
