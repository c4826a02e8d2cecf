/* fragment: how an object is cut into fragments (docs/formats/ec.md), and the header each of them
 * carries beside its bytes.
 *
 * The body is cut into segments of k pieces; of each segment, fragment i < k is its i-th k-th part,
 * those from k on are parity. A fragment archive is fragment i of all segments, one after the
 * other. Fragments of whole segments are EC_PIECE long; those of a shorter last one are as long as
 * a k-th of it, rounded up. Pure functions; bytes from a disk or peer are trusted in nothing. */
#ifndef LIB_EC_FRAGMENT_H
#define LIB_EC_FRAGMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EC_PIECE     (1u << 20) /* a fragment of a whole segment */
#define EC_ALIGN     64u        /* fragments of the last one are a multiple of it */
#define EC_SIZE_MAX  (1ull << 50)
#define EC_TEXT_SIZE 97 /* of a header as text, with its NUL */

struct fragment {
	uint8_t k, m, index;
	uint64_t size;    /* of the whole body */
	uint8_t etag[16]; /* MD5 of the whole body */
};

/* Is this a fragment at all, and one that can be? k 0: an object that is not cut. */
bool fragment_ok(const struct fragment *fragment);

void fragment_print(const struct fragment *fragment, char ret_text[EC_TEXT_SIZE]);
/* False when the text is no header, or a damaged one: nothing is set then. */
bool fragment_parse(const char *text, struct fragment *ret_fragment);

/* Bytes of a fragment of a segment that holds `bytes` of the body. */
uint32_t fragment_len(unsigned k, uint64_t bytes);

/* Bytes of a fragment archive. */
uint64_t fragment_archive(unsigned k, uint64_t size);

/* Where a byte of the body is. */
struct fragment_at {
	uint64_t segment;
	unsigned index;   /* of the data fragment */
	uint32_t offset;  /* in that fragment */
	uint32_t len;     /* of each fragment of the segment */
	uint32_t left;    /* bytes of the body from there to the fragment's end */
	uint64_t archive; /* offset of the segment's fragments in their archives */
};
/* offset < size. */
struct fragment_at fragment_find(unsigned k, uint64_t size, uint64_t offset);

#endif
