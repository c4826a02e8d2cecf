/* Lifecycle configurations: what is taken is written, and read again as the same. */
#include "proxy/s3/lifecycle.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct lifecycle *lifecycle, struct arena *arena)
{
	const struct lifecycle_object object = {
	        .key = "logs/a", .tags = "a=b&c=", .size = 1000, .ts = 170000000000000};
	AUTO(buf) struct buf once = BUF_NONE, twice = BUF_NONE;
	const struct lifecycle_rule *rule = NULL;
	struct lifecycle again;

	lifecycle_write(lifecycle, &once);
	if (!lifecycle_parse(buf_text(&once), arena, &again))
		abort();
	lifecycle_write(&again, &twice);
	if (strcmp(buf_text(&once), buf_text(&twice)) != 0)
		abort();
	uint64_t due = lifecycle_expires(lifecycle, &object, LIFECYCLE_DAY, &rule);
	if ((due == LIFECYCLE_NEVER) != !rule || (rule && !lifecycle_concerns(rule, &object)))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct lifecycle lifecycle;
	const struct xml *root;
	struct arena arena;
	const char *text;

	arena_init(&arena);
	if (!xml_parse(data, size, &arena, &root) &&
	        !lifecycle_read(root, &arena, &lifecycle, &text))
		check(&lifecycle, &arena);
	arena_done(&arena);
	return 0;
}
