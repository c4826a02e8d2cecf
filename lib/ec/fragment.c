#include "lib/ec/fragment.h"
#include "lib/base/hex.h"
#include "lib/ec/ec.h"

#include "lib/crypto/crc32c.h"
#include <stdio.h>
#include <string.h>

#define MAGIC   0x46434543u /* "CECF" */
#define VERSION 1

/* As in docs/formats/ec.md. */
struct image {
	uint32_t magic;
	uint8_t version, k, m, index;
	uint32_t piece, spare;
	uint64_t size;
	uint8_t etag[16];
	uint32_t pad, crc;
};
_Static_assert(sizeof(struct image) * 2 + 1 == EC_TEXT_SIZE, "a header is so long");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the struct is the image");

bool fragment_ok(const struct fragment *f)
{
	return f->k && f->m && f->k <= EC_K_MAX && f->m <= EC_M_MAX && f->index < f->k + f->m &&
	       f->size <= EC_SIZE_MAX;
}

static uint32_t crc_of(const struct image *image)
{
	return crc32c(0, image, offsetof(struct image, crc));
}

void fragment_print(const struct fragment *f, char ret_text[EC_TEXT_SIZE])
{
	struct image image = {
	        .magic = MAGIC,
	        .version = VERSION,
	        .k = f->k,
	        .m = f->m,
	        .index = f->index,
	        .piece = EC_PIECE,
	        .size = f->size,
	};

	memcpy(image.etag, f->etag, sizeof(image.etag));
	image.crc = crc_of(&image);
	hex_encode(&image, sizeof(image), ret_text);
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool fragment_parse(const char *text, struct fragment *ret_fragment)
{
	struct image image;

	if (strlen(text) != sizeof(image) * 2)
		return false;
	for (size_t i = 0; i < sizeof(image); i++) {
		int high = digit(text[2 * i]), low = digit(text[2 * i + 1]);
		if (high < 0 || low < 0)
			return false;
		((uint8_t *)&image)[i] = (uint8_t)(high << 4 | low);
	}
	struct fragment f = {.k = image.k, .m = image.m, .index = image.index, .size = image.size};
	if (image.magic != MAGIC || image.version != VERSION || image.piece != EC_PIECE ||
	        image.crc != crc_of(&image) || !fragment_ok(&f))
		return false;
	memcpy(f.etag, image.etag, sizeof(f.etag));
	*ret_fragment = f;
	return true;
}

uint32_t fragment_len(unsigned k, uint64_t bytes)
{
	uint64_t part = (bytes + k - 1) / k;

	return (uint32_t)((part + EC_ALIGN - 1) / EC_ALIGN * EC_ALIGN);
}

uint64_t fragment_archive(unsigned k, uint64_t size)
{
	uint64_t segment = (uint64_t)k * EC_PIECE;

	return size / segment * EC_PIECE + fragment_len(k, size % segment);
}

struct fragment_at fragment_find(unsigned k, uint64_t size, uint64_t offset)
{
	uint64_t segment = (uint64_t)k * EC_PIECE, start = offset / segment * segment;
	uint64_t bytes = size - start < segment ? size - start : segment;
	struct fragment_at at = {.segment = offset / segment, .len = fragment_len(k, bytes)};

	at.archive = at.segment * EC_PIECE;
	at.index = (unsigned)((offset - start) / at.len);
	at.offset = (uint32_t)((offset - start) % at.len);
	at.left = at.len - at.offset;
	if (at.left > bytes - (offset - start))
		at.left = (uint32_t)(bytes - (offset - start));
	return at;
}
