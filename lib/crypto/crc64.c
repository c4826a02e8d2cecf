#include "lib/crypto/crc64.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>

static uint64_t tables[8][256];
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* A polynomial, its lowest power in the highest bit, times x. */
static uint64_t times_x(uint64_t a)
{
	return a & 1 ? a >> 1 ^ CRC64_POLY : a >> 1;
}

static void make_tables(void)
{
	for (unsigned i = 0; i < 256; i++) {
		uint64_t crc = i;
		for (unsigned bit = 0; bit < 8; bit++)
			crc = times_x(crc);
		tables[0][i] = crc;
	}
	for (unsigned t = 1; t < 8; t++) {
		for (unsigned i = 0; i < 256; i++)
			tables[t][i] = tables[t - 1][i] >> 8 ^ tables[0][tables[t - 1][i] & 0xff];
	}
}

/* Eight bytes at a time. */
static uint64_t look_up(uint64_t state, const uint8_t *p, size_t len)
{
	uint64_t word;

	for (; len >= 8; p += 8, len -= 8) {
		memcpy(&word, p, 8);
		word ^= state;
		state = 0;
		for (unsigned t = 0; t < 8; t++)
			state ^= tables[7 - t][word >> 8 * t & 0xff];
	}
	for (; len; p++, len--)
		state = state >> 8 ^ tables[0][(state ^ *p) & 0xff];
	return state;
}

#ifdef __x86_64__
#include <immintrin.h>

#define BLOCK 16
#define ROUND (4 * BLOCK)
#define WIDE  (4 * ROUND)

/* What a block is multiplied by to stand so many bits further on: its first half, its second. The
 * product of two 64-bit halves is one bit short of 128, so the powers are one less.
 * Source: V. Gopal et al., "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ
 * Instruction", Intel, 2009. */
static struct step {
	uint64_t first, second;
} by_wide, by_round, by_block;
static bool folds, folds_wide; /* the processor can */

static uint64_t power(unsigned n)
{
	uint64_t a = 1ull << 63;

	while (n--)
		a = times_x(a);
	return a;
}

static void make_steps(void)
{
	by_wide = (struct step){power(8 * WIDE + 63), power(8 * WIDE - 1)};
	by_round = (struct step){power(8 * ROUND + 63), power(8 * ROUND - 1)};
	by_block = (struct step){power(8 * BLOCK + 63), power(8 * BLOCK - 1)};
	folds = __builtin_cpu_supports("pclmul");
	folds_wide =
	        folds && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("vpclmulqdq");
}

#define FOLDS __attribute__((target("pclmul,sse2"), always_inline)) static inline

FOLDS __m128i load(const void *p)
{
	return _mm_loadu_si128(p);
}

FOLDS __m128i fold(__m128i block, __m128i step, __m128i next)
{
	__m128i first = _mm_clmulepi64_si128(block, step, 0x00),
	        second = _mm_clmulepi64_si128(block, step, 0x11);

	return _mm_xor_si128(_mm_xor_si128(first, second), next);
}

/* Of whole rounds, one at least, and the blocks behind them. */
__attribute__((target("pclmul,sse2"))) static uint64_t fold_all(
        uint64_t state, const uint8_t *p, size_t len)
{
	__m128i round = load(&by_round), step = load(&by_block), block[4];
	uint8_t rest[BLOCK];

	for (unsigned i = 0; i < 4; i++)
		block[i] = load(p + i * BLOCK);
	block[0] = _mm_xor_si128(block[0], _mm_cvtsi64_si128((long long)state));
	for (p += ROUND, len -= ROUND; len >= ROUND; p += ROUND, len -= ROUND) {
		for (unsigned i = 0; i < 4; i++)
			block[i] = fold(block[i], round, load(p + i * BLOCK));
	}
	for (unsigned i = 1; i < 4; i++)
		block[i] = fold(block[i - 1], step, block[i]);
	for (; len >= BLOCK; p += BLOCK, len -= BLOCK)
		block[3] = fold(block[3], step, load(p));
	_mm_storeu_si128((__m128i *)rest, block[3]);
	return look_up(0, rest, BLOCK);
}

/* Four blocks in each register; of whole rounds of such, one at least. */
__attribute__((target("avx512f,vpclmulqdq"))) static uint64_t fold_wide(
        uint64_t state, const uint8_t *p, size_t len)
{
	__m512i step = _mm512_broadcast_i32x4(_mm_loadu_si128((const void *)&by_wide)), round[4];
	uint8_t rest[WIDE];

	for (unsigned i = 0; i < 4; i++)
		round[i] = _mm512_loadu_si512(p + i * ROUND);
	round[0] = _mm512_xor_si512(
	        round[0], _mm512_zextsi128_si512(_mm_cvtsi64_si128((long long)state)));
	for (p += WIDE, len -= WIDE; len; p += WIDE, len -= WIDE) {
		for (unsigned i = 0; i < 4; i++) {
			__m512i first = _mm512_clmulepi64_epi128(round[i], step, 0x00),
			        second = _mm512_clmulepi64_epi128(round[i], step, 0x11);
			/* 0x96: all three, exclusively. */
			round[i] = _mm512_ternarylogic_epi64(
			        first, second, _mm512_loadu_si512(p + i * ROUND), 0x96);
		}
	}
	for (unsigned i = 0; i < 4; i++)
		_mm512_storeu_si512(rest + i * ROUND, round[i]);
	return fold_all(0, rest, WIDE);
}

static uint64_t add(uint64_t state, const uint8_t *p, size_t len)
{
	size_t wide = folds_wide && len >= WIDE ? len - len % WIDE : 0;

	if (wide)
		state = fold_wide(state, p, wide);
	p += wide;
	len -= wide;
	size_t folded = folds && len >= ROUND ? len - len % BLOCK : 0;
	if (folded)
		state = fold_all(state, p, folded);
	return look_up(state, p + folded, len - folded);
}

#else

static void make_steps(void)
{
}

static uint64_t add(uint64_t state, const uint8_t *p, size_t len)
{
	return look_up(state, p, len);
}

#endif

static void make(void)
{
	make_tables();
	make_steps();
}

uint64_t crc64(uint64_t crc, const void *data, size_t len)
{
	pthread_once(&once, make);
	return ~add(~crc, data, len);
}

uint64_t crc64_plain(uint64_t crc, const void *data, size_t len)
{
	pthread_once(&once, make);
	return ~look_up(~crc, data, len);
}
