#include "lib/crypto/crc32c.h"

#include <isa-l/crc.h>

#define STEP (1u << 30) /* isa-l counts in int */

uint32_t crc32c(uint32_t crc, const void *data, size_t len)
{
	unsigned char *p = (unsigned char *)(uintptr_t)data; /* not written: an old prototype */
	uint32_t state = ~crc;

	for (; len > STEP; len -= STEP, p += STEP)
		state = crc32_iscsi(p, (int)STEP, state);
	return ~crc32_iscsi(p, (int)len, state);
}
