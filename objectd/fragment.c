#include "objectd/objectd_internal.h"

#include "lib/base/kv.h"
#include <string.h>
#include <strings.h>

#define NAME "X-Backend-Fragment"

void fragment_add(struct buf *headers, const struct fragment *fragment)
{
	char text[EC_TEXT_SIZE];

	fragment_print(fragment, text);
	kv_add(headers, NAME, text);
}

uint8_t fragment_number(const void *block, size_t len)
{
	struct fragment fragment;
	struct kv_pair pair;
	size_t at = 0;

	if (!kv_next(block, len, &at, &pair) || strcmp(pair.name, NAME) != 0 ||
	        !fragment_parse(pair.value, &fragment))
		return 0;
	return fragment.index + 1;
}

enum err fragment_split(
        const void *block, size_t len, struct fragment *ret_fragment, struct buf *headers)
{
	struct kv_pair pair;
	size_t at = 0;

	*ret_fragment = (struct fragment){0};
	if (kv_next(block, len, &at, &pair) && strcmp(pair.name, NAME) == 0) {
		if (!fragment_parse(pair.value, ret_fragment))
			return ERR_CORRUPT;
	} else {
		at = 0;
	}
	buf_add(headers, (const uint8_t *)block + at, len - at);
	return headers->err;
}
