/* Notifications of buckets: what is taken is kept, and read again as the same; lists of targets;
 * and texts that are none. */
#include "proxy/s3/event_target.h"
#include "proxy/s3/notification.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct notification *n, struct arena *arena)
{
	AUTO(buf) struct buf once = BUF_NONE, twice = BUF_NONE, xml = BUF_NONE;
	struct notification again, told;
	const struct xml *root;
	const char *text;

	notification_write(n, &once);
	if (!notification_parse(buf_text(&once), arena, &again) || again.count != n->count)
		abort();
	notification_write(&again, &twice);
	if (strcmp(buf_text(&once), buf_text(&twice)) != 0)
		abort();
	notification_tell(n, &xml);
	if (xml_parse(xml.data, xml.len, arena, &root) ||
	        notification_read(root, arena, &told, &text) || told.count != n->count)
		abort();
	notification_find(n, "ObjectCreated:Put", "logs/a.txt");
}

static void parse(const char *text, struct arena *arena)
{
	AUTO(buf) struct buf error = BUF_NONE;
	struct event_targets targets;
	struct notification n;

	if (notification_parse(text, arena, &n))
		notification_find(&n, "ObjectCreated:Put", "logs/a.txt");
	if (event_targets_parse(&targets, text, &error) == (error.len != 0))
		abort();
	event_target_find(&targets, text);
	event_targets_done(&targets);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct xml *root;
	struct notification n;
	struct arena arena;
	const char *text;

	arena_init(&arena);
	if (!xml_parse(data, size, &arena, &root) && !notification_read(root, &arena, &n, &text))
		check(&n, &arena);
	parse(arena_strndup(&arena, (const char *)data, size), &arena);
	arena_done(&arena);
	return 0;
}
