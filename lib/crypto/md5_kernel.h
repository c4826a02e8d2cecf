/* MD5 of MD5_LANES streams side by side: included by a file that has set MD5_LANES, MD5_KERNEL (the
 * function's name) and the target of the compiler. Blocks of each lane lie back to back at
 * data[lane]; state[word][lane]. */
#include "lib/crypto/md5_blocks.h"

#include <string.h>

typedef uint32_t lanes __attribute__((vector_size(4 * MD5_LANES)));

#define ROTATE(x, n) ((x) << (n) | (x) >> (32 - (n)))
#define STEP(f, a, b, c, d, k, i, s)                                                               \
	do {                                                                                       \
		a += f(b, c, d) + w[k] + md5_sines[i];                                             \
		a = ROTATE(a, s) + b;                                                              \
	} while (0)
#define F(x, y, z) ((z) ^ ((x) & ((y) ^ (z))))
#define G(x, y, z) ((y) ^ ((z) & ((x) ^ (y))))
#define H(x, y, z) ((x) ^ (y) ^ (z))
#define I(x, y, z) ((y) ^ ((x) | ~(z)))
#define ROUND(f, first, start, stride, s0, s1, s2, s3)                                             \
	do {                                                                                       \
		_Pragma("GCC unroll 4") for (unsigned q = 0; q < 16; q += 4)                       \
		{                                                                                  \
			STEP(f, a, b, c, d, ((start) + (stride)*q) & 15, (first) + q, s0);         \
			STEP(f, d, a, b, c, ((start) + (stride) * (q + 1)) & 15, (first) + q + 1,  \
			        s1);                                                               \
			STEP(f, c, d, a, b, ((start) + (stride) * (q + 2)) & 15, (first) + q + 2,  \
			        s2);                                                               \
			STEP(f, b, c, d, a, ((start) + (stride) * (q + 3)) & 15, (first) + q + 3,  \
			        s3);                                                               \
		}                                                                                  \
	} while (0)

void MD5_KERNEL(uint32_t state[4][MD5_LANES], const uint8_t *const data[MD5_LANES], size_t blocks)
{
	lanes s[4], w[16];
	uint32_t words[16][MD5_LANES];

	memcpy(s, state, sizeof(s));
	for (size_t block = 0; block < blocks; block++) {
		lanes a = s[0], b = s[1], c = s[2], d = s[3];
		for (unsigned lane = 0; lane < MD5_LANES; lane++) {
			uint32_t row[16];
			memcpy(row, data[lane] + block * 64, 64);
#pragma GCC unroll 16
			for (unsigned k = 0; k < 16; k++)
				words[k][lane] = row[k];
		}
		memcpy(w, words, sizeof(w));
		ROUND(F, 0, 0, 1, 7, 12, 17, 22);
		ROUND(G, 16, 1, 5, 5, 9, 14, 20);
		ROUND(H, 32, 5, 3, 4, 11, 16, 23);
		ROUND(I, 48, 0, 7, 6, 10, 15, 21);
		s[0] += a;
		s[1] += b;
		s[2] += c;
		s[3] += d;
	}
	memcpy(state, s, sizeof(s));
}
