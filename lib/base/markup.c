#include "lib/base/markup.h"

#include <string.h>

static const struct {
	char c;
	const char *entity;
} entities[] = {{'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'"', "&quot;"}, {'\'', "&#x27;"}};

void markup_escape(struct buf *out, const char *text, size_t len, const char *which)
{
	size_t done = 0;

	for (size_t i = 0; i < len; i++) {
		if (!text[i] || !strchr(which, text[i]))
			continue;
		buf_add(out, text + done, i - done);
		for (unsigned e = 0; e < COUNT_OF(entities); e++) {
			if (entities[e].c == text[i])
				buf_str(out, entities[e].entity);
		}
		done = i + 1;
	}
	buf_add(out, text + done, len - done);
}
