#include "proxy/proxy.h"

#include "lib/base/kv.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>

bool has_prefix(const char *text, const char *prefix)
{
	return strncasecmp(text, prefix, strlen(prefix)) == 0;
}

bool is_true(const char *text)
{
	static const char *const words[] = {"true", "1", "yes", "on", "t", "y"};

	for (unsigned i = 0; text && i < COUNT_OF(words); i++) {
		if (strcasecmp(text, words[i]) == 0)
			return true;
	}
	return false;
}

void title_case(char *name)
{
	bool first = true;

	for (; *name; name++) {
		if (*name == '_')
			*name = '-';
		if (first && *name >= 'a' && *name <= 'z')
			*name = (char)(*name - 32);
		else if (!first && *name >= 'A' && *name <= 'Z')
			*name = (char)(*name + 32);
		first = !((*name >= 'a' && *name <= 'z') || (*name >= 'A' && *name <= 'Z'));
	}
}

const char *constraint_metadata(struct request *request, const char *type)
{
	struct arena *arena = request_arena(request);
	const struct limits *limits = &request_cluster(request)->limits;
	const char *prefix = arena_printf(arena, "x-%s-meta-", type);
	bool object = strcmp(type, "object") == 0;
	size_t count = 0, size = 0;

	for (unsigned i = 0; i < request->http->header_count; i++) {
		const char *name = request->http->headers[i].name,
		           *value = request->http->headers[i].value;
		size_t value_len = strlen(value);

		/* What we keep ourselves has bounds of its own. */
		if (value_len > limits->max_header_size && !request->trusted)
			return arena_printf(arena, "Header value too long: %.*s",
			        (int)limits->max_meta_name, name);
		if (!has_prefix(name, prefix))
			continue;
		char *key = arena_strdup(arena, name + strlen(prefix));
		for (char *p = key; *p; p++)
			*p = (char)(*p >= 'A' && *p <= 'Z' ? *p + 32 : *p);
		size_t key_len = strlen(key);
		if (!key_len)
			return "Metadata name cannot be empty";
		if (request->trusted || request->s3)
			continue;
		if (!object && (!utf8_valid(key, key_len) || !utf8_valid(value, value_len)))
			return "Metadata must be valid UTF-8";
		count++;
		size += key_len + value_len;
		if (key_len > limits->max_meta_name)
			return arena_printf(arena, "Metadata name too long: %s%s", prefix, key);
		if (value_len > limits->max_meta_value)
			return arena_printf(arena, "Metadata value longer than %u: %s%s",
			        limits->max_meta_value, prefix, key);
		if (count > limits->max_meta_count)
			return arena_printf(
			        arena, "Too many metadata items; max %u", limits->max_meta_count);
		if (size > limits->max_meta_overall)
			return arena_printf(arena, "Total metadata too large; max %u",
			        limits->max_meta_overall);
	}
	return NULL;
}

const char *constraint_stored_metadata(
        struct request *request, const char *type, const struct info *info)
{
	struct arena *arena = request_arena(request);
	const struct limits *limits = &request_cluster(request)->limits;
	const char *prefix = arena_printf(arena, "X-%s-Meta-", type);
	size_t count = 0, size = 0, skip = strlen(prefix);
	struct kv_pair pair;

	for (unsigned i = 0; i < request->http->header_count; i++) {
		const struct http_header *h = &request->http->headers[i];
		if (!has_prefix(h->name, prefix) || !*h->value)
			continue;
		count++;
		size += strlen(h->name) - skip + strlen(h->value);
	}
	for (size_t at = 0; info && kv_next(info->headers.data, info->headers.len, &at, &pair);) {
		if (!has_prefix(pair.name, prefix) || http_get(request->http, pair.name))
			continue;
		count++;
		size += pair.name_len - skip + pair.value_len;
	}
	if (count > limits->max_meta_count)
		return arena_printf(
		        arena, "Too many metadata items; max %u", limits->max_meta_count);
	if (size > limits->max_meta_overall)
		return arena_printf(
		        arena, "Total metadata too large; max %u", limits->max_meta_overall);
	return NULL;
}

/* An integer as Python's int() reads it, without underscores. */
static bool parse_int(const char *text, int64_t *ret)
{
	char *end;

	while (*text == ' ')
		text++;
	if (!*text)
		return false;
	*ret = strtoll(text, &end, 10);
	while (*end == ' ')
		end++;
	return end != text && !*end;
}

const char *constraint_delete_at(struct request *request, uint64_t *ret_at)
{
	const char *after = http_get(request->http, "X-Delete-After");
	const char *at = http_get(request->http, "X-Delete-At");
	int64_t now = (int64_t)(request->ts / TS_PER_SECOND), seconds;

	*ret_at = 0;
	if (after) {
		if (!parse_int(after, &seconds))
			return "Non-integer X-Delete-After";
		if (seconds <= 0)
			return "X-Delete-After in past";
		seconds = seconds > 9999999999 - now ? 9999999999 : now + seconds;
	} else if (at) {
		if (!parse_int(at, &seconds))
			return "Non-integer X-Delete-At";
		if (seconds <= now)
			return "X-Delete-At in past";
		if (seconds > 9999999999)
			seconds = 9999999999;
	} else {
		return NULL;
	}
	*ret_at = (uint64_t)seconds;
	return NULL;
}
