/* The header of a fragment from a disk or peer, and the arithmetic that follows from it. The first
 * byte chooses whether its checksum is made right, so that what is behind it is reached. */
#include "lib/crypto/crc32c.h"
#include "lib/ec/ec.h"
#include "lib/ec/fragment.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define BYTES ((EC_TEXT_SIZE - 1) / 2)

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void use(const struct fragment *f)
{
	uint64_t archive = fragment_archive(f->k, f->size);

	require(fragment_ok(f));
	require(archive * f->k >= f->size);
	for (unsigned i = 0; i < 8 && f->size; i++) {
		struct fragment_at at = fragment_find(f->k, f->size, f->size / 8 * i);
		require(at.index < f->k && at.left && at.offset + at.left <= at.len);
		require(at.archive + at.len <= archive);
	}
}

static void parse(const char *text)
{
	struct fragment f;
	char again[EC_TEXT_SIZE];

	if (!fragment_parse(text, &f))
		return;
	use(&f);
	fragment_print(&f, again);
	struct fragment back;
	require(fragment_parse(again, &back) && back.index == f.index && back.size == f.size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[EC_TEXT_SIZE];

	if (size < 1)
		return 0;
	if (data[0] & 1 && size > BYTES) {
		uint8_t image[BYTES];
		memcpy(image, data + 1, BYTES);
		uint32_t crc = crc32c(0, image, BYTES - 4);
		memcpy(image + BYTES - 4, &crc, 4);
		for (size_t i = 0; i < BYTES; i++)
			snprintf(text + 2 * i, 3, "%02x", image[i]);
		parse(text);
		return 0;
	}
	char *copy = strndup((const char *)data + 1, size - 1);
	require(copy);
	parse(copy);
	free(copy);
	return 0;
}
