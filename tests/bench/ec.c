/* How fast bodies are cut into fragments, beside isa-l's own benchmark (erasure_code_perf: the
 * kernel alone, on buffers larger than the caches), turn by turn. Bytes of data and parity a
 * second. Decoding: with as many data fragments lost as may be.
 *
 *	make bench-ec */
#include "lib/ec/ec.h"
#include "lib/base/bytes.h"
#include "lib/ec/fragment.h"
#include <isa-l/erasure_code.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BYTES  (64u << 20) /* of all fragments together: more than the last cache */
#define ROUNDS 15
#define MS     60

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t); /* other work has the processor too */
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

struct job {
	unsigned k, m, at, sets;
	size_t len;
	struct bytes *fragments[BYTES / (64 << 10)]; /* as uploads have them */
	struct ec ec;
	struct ec_plan plan;
	uint8_t tables[EC_M_MAX * EC_K_MAX * 32];
	uint8_t *whole[EC_N_MAX]; /* isa-l: one set of buffers that fills the memory */
};

/* Fragments of the next segment. */
static void next(struct job *j, uint8_t **ret)
{
	unsigned n = j->k + j->m;

	for (unsigned i = 0; i < n; i++)
		ret[i] = j->fragments[j->at * n + i]->data;
	j->at = (j->at + 1) % j->sets;
}

static size_t run_isal(struct job *j)
{
	size_t len = BYTES / (j->k + j->m) & ~63ul;

	ec_encode_data((int)len, (int)j->k, (int)j->m, j->tables, j->whole, j->whole + j->k);
	return len * (j->k + j->m);
}

static size_t run_encode(struct job *j)
{
	uint8_t *at[EC_N_MAX];

	next(j, at);
	ec_encode(&j->ec, j->len, at, at + j->k);
	return j->len * (j->k + j->m);
}

static size_t run_decode(struct job *j)
{
	uint8_t *at[EC_N_MAX], *in[EC_K_MAX];

	next(j, at);
	for (unsigned i = 0; i < j->k; i++)
		in[i] = at[j->plan.in[i]];
	ec_decode(&j->ec, &j->plan, j->len, in, at);
	return j->len * (j->k + j->m);
}

static double rate(struct job *j, size_t (*run)(struct job *j))
{
	double began = now(), end = began + MS / 1e3, at;
	size_t bytes = 0;

	do
		bytes += run(j);
	while ((at = now()) < end);
	return (double)bytes / (at - began) / 1e9;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void measure(struct job *j, size_t len)
{
	size_t (*const runs[])(struct job *) = {run_isal, run_encode, run_decode};
	double rates[3][ROUNDS];

	j->len = len;
	j->at = 0;
	j->sets = (unsigned)(BYTES / len / (j->k + j->m));
	unsigned count = j->sets * (j->k + j->m);
	for (unsigned i = 0; i < count; i++) {
		j->fragments[i] = bytes_new(len);
		if (!j->fragments[i])
			exit(1);
		memset(j->fragments[i]->data, (int)i, len);
	}
	for (unsigned r = 0; r < ROUNDS; r++) {
		for (unsigned i = 0; i < 3; i++)
			rates[i][r] = rate(j, runs[i]);
	}
	for (unsigned i = 0; i < count; i++)
		bytes_unref(j->fragments[i]);
	for (unsigned i = 0; i < 3; i++)
		qsort(rates[i], ROUNDS, sizeof(double), by_value);
	printf("| %u+%u | %zu | %.2f | %.2f | %.2f | %.2f |\n", j->k, j->m, len / 1024,
	        rates[0][ROUNDS / 2], rates[1][ROUNDS / 2],
	        rates[1][ROUNDS / 2] / rates[0][ROUNDS / 2], rates[2][ROUNDS / 2]);
}

int main(void)
{
	static const unsigned codes[][2] = {{4, 2}, {8, 4}, {10, 4}};
	uint8_t *memory = aligned_alloc(4096, BYTES);

	if (!memory)
		return 1;
	memset(memory, 0x5a, BYTES);
	puts("| code | fragment, KiB | isa-l, GB/s | encode, GB/s | ratio | decode, GB/s |\n"
	     "|---|---|---|---|---|---|");
	for (unsigned c = 0; c < 3; c++) {
		static struct job j;
		uint8_t matrix[EC_N_MAX * EC_K_MAX];
		unsigned n = codes[c][0] + codes[c][1];
		j = (struct job){
		        .k = codes[c][0],
		        .m = codes[c][1],
		};
		gf_gen_rs_matrix(matrix, (int)n, (int)j.k);
		ec_init_tables((int)j.k, (int)j.m, matrix + j.k * j.k, j.tables);
		for (unsigned i = 0; i < n; i++)
			j.whole[i] = memory + i * (BYTES / n & ~63ul);
		ec_init(&j.ec, j.k, j.m);
		uint32_t lost = (1u << j.m) - 1;
		ec_plan(&j.ec, (1u << n) - 1 - lost, lost, &j.plan);
		measure(&j, EC_PIECE);
		measure(&j, 64 << 10);
	}
	free(memory);
	return 0;
}
