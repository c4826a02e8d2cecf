#include "lib/ec/ec.h"

#include <assert.h>
#include <isa-l/erasure_code.h>
#include <string.h>

bool ec_init(struct ec *ec, unsigned k, unsigned m)
{
	if (!k || !m || k > EC_K_MAX || m > EC_M_MAX)
		return false;
	*ec = (struct ec){.k = k, .m = m};
	/* Of a Cauchy matrix every square part can be inverted; of isa-l's Vandermonde one not for
	 * every k and m. */
	gf_gen_cauchy1_matrix(ec->matrix, (int)(k + m), (int)k);
	ec_init_tables((int)k, (int)m, ec->matrix + k * k, ec->tables);
	return true;
}

/* isa-l's prototypes know no const, and count in int. */
static void run(size_t len, unsigned k, unsigned rows, const uint8_t *tables, uint8_t *const *in,
        uint8_t *const *out)
{
	assert(len <= 1u << 30);
	ec_encode_data((int)len, (int)k, (int)rows, (uint8_t *)(uintptr_t)tables,
	        (uint8_t **)(uintptr_t)in, (uint8_t **)(uintptr_t)out);
}

void ec_encode(const struct ec *ec, size_t len, uint8_t *const *data, uint8_t *const *parity)
{
	run(len, ec->k, ec->m, ec->tables, data, parity);
}

/* row = matrix row of a fragment times the inverse: how it follows from what comes in. */
static void multiply(
        const struct ec *ec, const uint8_t *inverse, unsigned fragment, uint8_t *ret_row)
{
	const uint8_t *from = ec->matrix + fragment * ec->k;

	for (unsigned c = 0; c < ec->k; c++) {
		uint8_t sum = 0;
		for (unsigned i = 0; i < ec->k; i++)
			sum ^= gf_mul(from[i], inverse[i * ec->k + c]);
		ret_row[c] = sum;
	}
}

bool ec_plan(const struct ec *ec, uint32_t have, uint32_t want, struct ec_plan *ret)
{
	uint8_t square[EC_K_MAX * EC_K_MAX], inverse[EC_K_MAX * EC_K_MAX];
	uint8_t rows[EC_N_MAX * EC_K_MAX];
	unsigned n = 0, k = ec->k;

	ret->from = 0;
	ret->want = want;
	ret->count = 0;
	for (unsigned i = 0; i < k + ec->m && n < k; i++) {
		if (!(have >> i & 1))
			continue;
		memcpy(square + n * k, ec->matrix + i * k, k);
		ret->from |= 1u << i;
		ret->in[n++] = (uint8_t)i;
	}
	if (n < k || gf_invert_matrix(square, inverse, (int)k))
		return false;
	for (unsigned i = 0; i < k + ec->m; i++) {
		if (!(want >> i & 1))
			continue;
		multiply(ec, inverse, i, rows + ret->count * k);
		ret->out[ret->count++] = (uint8_t)i;
	}
	ec_init_tables((int)k, (int)ret->count, rows, ret->tables);
	return true;
}

void ec_decode(const struct ec *ec, const struct ec_plan *plan, size_t len, uint8_t *const *in,
        uint8_t *const *out)
{
	if (plan->count)
		run(len, ec->k, plan->count, plan->tables, in, out);
}
