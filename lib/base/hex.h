/* hex: bytes as hexadecimal digits, lower-case. Pure. */
#ifndef LIB_BASE_HEX_H
#define LIB_BASE_HEX_H

#include <stddef.h>
#include <stdint.h>

/* 2 * len digits and a NUL. */
static inline void hex_encode(const void *bytes, size_t len, char *ret_text)
{
	const uint8_t *from = bytes;

	for (size_t i = 0; i < len; i++) {
		*ret_text++ = "0123456789abcdef"[from[i] >> 4];
		*ret_text++ = "0123456789abcdef"[from[i] & 15];
	}
	*ret_text = 0;
}

#endif
