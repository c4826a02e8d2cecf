#include "proxy/s3/event_target.h"

#include <ctype.h>
#include <string.h>

#define NAME_MAX_LEN 64

static bool is_name(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (!isalnum((unsigned char)text[i]) && !strchr("-_.", text[i]))
			return false;
	}
	return len && len <= NAME_MAX_LEN;
}

static bool begins(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

static bool add(struct event_targets *t, const char *text, size_t len, struct buf *error)
{
	const char *item = arena_strndup(&t->arena, text, len), *colon = strchr(item, ':'),
	           *url = colon ? colon + 1 : "";
	bool amqp = begins(url, "amqp://") || begins(url, "amqps://");
	size_t n = colon ? (size_t)(colon - item) : 0;

	if (!is_name(item, n) || !(amqp || begins(url, "http://") || begins(url, "https://"))) {
		buf_printf(error, "a target is NAME:URL (http, https, amqp, amqps), not '%.*s...'",
		        (int)strcspn(item, ":@"), item);
		return false;
	}
	const char *name = arena_strndup(&t->arena, item, n);
	for (unsigned i = 0; i < t->count; i++) {
		if (strcmp(t->all[i].name, name) == 0) {
			buf_printf(error, "the target '%s' is named twice", name);
			return false;
		}
	}
	t->all[t->count++] = (struct event_target){.name = name, .url = url, .amqp = amqp};
	return true;
}

bool event_targets_parse(struct event_targets *t, const char *text, struct buf *error)
{
	*t = (struct event_targets){0};
	arena_init(&t->arena);
	t->all = arena_zalloc(&t->arena, (strlen(text) / 2 + 1) * sizeof(*t->all));
	for (const char *p = text; *p;) {
		p += strspn(p, ", \t");
		size_t len = strcspn(p, ", \t");
		if (len && !add(t, p, len, error))
			return false;
		p += len;
	}
	return true;
}

void event_targets_done(struct event_targets *t)
{
	arena_done(&t->arena);
	*t = (struct event_targets){0};
}

/* arn:cairn:SERVICE:REGION:NAME:KIND */
const struct event_target *event_target_find(const struct event_targets *t, const char *arn)
{
	static const char *const services[] = {"sqs:", "sns:", "lambda:"};
	const char *p = begins(arn, "arn:cairn:") ? arn + strlen("arn:cairn:") : NULL;
	const char *name = NULL;

	for (unsigned i = 0; p && i < COUNT_OF(services); i++) {
		if (begins(p, services[i]))
			name = strchr(p + strlen(services[i]), ':');
	}
	for (unsigned i = 0; name && t && i < t->count; i++) {
		const struct event_target *target = &t->all[i];
		size_t len = strlen(target->name);
		if (strncmp(name + 1, target->name, len) == 0 && name[1 + len] == ':' &&
		        strcmp(name + len + 2, target->amqp ? "amqp" : "webhook") == 0)
			return target;
	}
	return NULL;
}
