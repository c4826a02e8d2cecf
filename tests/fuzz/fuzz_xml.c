/* Documents of XML, as S3's clients send them. */
#include "lib/xml/xml.h"
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned count(const struct xml *element, unsigned depth)
{
	unsigned n = 1;

	if (depth > XML_DEPTH_MAX || !element->name || !element->text)
		abort();
	for (const struct xml *c = element->first; c; c = c->next)
		n += count(c, depth + 1);
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct xml *root;
	struct arena arena;

	arena_init(&arena);
	if (!xml_parse(data, size, &arena, &root) && count(root, 1) > XML_ELEMENTS_MAX)
		abort();
	arena_done(&arena);
	return 0;
}
