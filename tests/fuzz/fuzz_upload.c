/* The lists of parts that CompleteMultipartUpload takes, names of uploads' markers, and checksums
 * as they are kept. */
#include "proxy/s3/sum.h"
#include "proxy/s3/upload.h"
#include "proxy/s3/upload_list.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_list(const void *data, size_t size, struct arena *arena)
{
	struct upload_listed *parts;
	const struct xml *root;
	unsigned count, last = 0;

	if (xml_parse(data, size, arena, &root) || upload_list_parse(root, arena, &parts, &count))
		return;
	if (!count || count > UPLOAD_PARTS)
		abort();
	for (unsigned i = 0; i < count; i++) {
		if (parts[i].number <= last || parts[i].number > UPLOAD_PARTS || !parts[i].etag)
			abort();
		last = parts[i].number;
	}
}

static void check_texts(const char *text, struct arena *arena)
{
	AUTO(buf) struct buf key = BUF_NONE;
	uint8_t digest[CHECKSUM_BYTES_MAX];
	struct sum_kept kept;
	const char *id;

	if (upload_number(text) > UPLOAD_PARTS || upload_part_number(text) > UPLOAD_PARTS)
		abort();
	if (upload_parse_marker(text, &key, &id) &&
	        strcmp(upload_marker(arena, buf_text(&key), id), text) != 0)
		abort();
	if (sum_read(arena, text, &kept))
		sum_decode(kept.kind, kept.value, digest);
	if (sum_of_part(arena, text, &kept))
		sum_decode(kept.kind, kept.value, digest);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena arena;

	arena_init(&arena);
	check_list(data, size, &arena);
	check_texts(arena_strndup(&arena, (const char *)data, strnlen((const char *)data, size)),
	        &arena);
	arena_done(&arena);
	return 0;
}
