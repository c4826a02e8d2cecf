/* Codes: every pattern of losses that may be survived. */
#include "tests/lib/test.h"

#include "lib/ec/ec.h"

#define LEN 192

static uint8_t whole[EC_N_MAX][LEN];

static void make(const struct ec *ec)
{
	uint8_t *rows[EC_N_MAX];
	uint32_t seed = ec->k * 31 + ec->m;

	for (unsigned i = 0; i < ec->k + ec->m; i++) {
		rows[i] = whole[i];
		for (unsigned b = 0; b < LEN; b++) {
			seed = seed * 1664525 + 1013904223;
			whole[i][b] = (uint8_t)(seed >> 24);
		}
	}
	ec_encode(ec, LEN, rows, rows + ec->k);
}

/* Everything that is lost comes back out of what is left. */
static void check(const struct ec *ec, uint32_t lost)
{
	static uint8_t made[EC_N_MAX][LEN];
	static struct ec_plan plan;
	uint32_t all = (1u << (ec->k + ec->m)) - 1;
	uint8_t *in[EC_K_MAX], *out[EC_N_MAX];

	assert_true(ec_plan(ec, all & ~lost, lost, &plan));
	assert_int_equal(plan.count, __builtin_popcount(lost));
	assert_int_equal(plan.from & lost, 0);
	for (unsigned i = 0; i < ec->k; i++)
		in[i] = whole[plan.in[i]];
	for (unsigned i = 0; i < plan.count; i++)
		out[i] = made[i];
	memset(made, 0, sizeof(made));
	ec_decode(ec, &plan, LEN, in, out);
	for (unsigned i = 0; i < plan.count; i++)
		assert_memory_equal(made[i], whole[plan.out[i]], LEN);
}

static void every_loss(void **state)
{
	static const unsigned codes[][2] = {
	        {1, 1}, {2, 1}, {2, 2}, {4, 2}, {3, 3}, {8, 4}, {10, 4}};

	(void)state;
	for (size_t c = 0; c < sizeof(codes) / sizeof(codes[0]); c++) {
		struct ec ec;
		assert_true(ec_init(&ec, codes[c][0], codes[c][1]));
		make(&ec);
		for (uint32_t lost = 1; lost < 1u << (ec.k + ec.m); lost++) {
			if ((unsigned)__builtin_popcount(lost) <= ec.m)
				check(&ec, lost);
		}
	}
}

static void largest(void **state)
{
	struct ec ec;

	(void)state;
	assert_true(ec_init(&ec, EC_K_MAX, EC_M_MAX));
	make(&ec);
	check(&ec, 0xff);
	check(&ec, 0xff << EC_K_MAX);
	check(&ec, 0x08421085);
}

static void too_many_losses(void **state)
{
	static struct ec_plan plan;
	struct ec ec;

	(void)state;
	assert_true(ec_init(&ec, 4, 2));
	assert_false(ec_plan(&ec, 0x07, 0x08, &plan));
	assert_false(ec_init(&ec, 0, 2));
	assert_false(ec_init(&ec, 4, 0));
	assert_false(ec_init(&ec, EC_K_MAX + 1, 2));
	assert_false(ec_init(&ec, 4, EC_M_MAX + 1));
}

static void odd_lengths(void **state)
{
	struct ec ec;

	(void)state;
	assert_true(ec_init(&ec, 4, 2));
	for (size_t len = 1; len < LEN; len++) {
		static uint8_t rows[6][LEN + 1];
		static struct ec_plan plan;
		uint8_t *at[6], made[LEN + 1], *out[1] = {made};
		for (unsigned i = 0; i < 6; i++) {
			memset(rows[i], (int)(i * 40 + len), LEN + 1);
			at[i] = rows[i];
		}
		ec_encode(&ec, len, at, at + 4);
		assert_int_equal(rows[5][len], (uint8_t)(5 * 40 + len)); /* nothing behind it */
		assert_true(ec_plan(&ec, 0x3d, 0x02, &plan));
		uint8_t *in[4] = {rows[0], rows[2], rows[3], rows[4]};
		ec_decode(&ec, &plan, len, in, out);
		assert_memory_equal(made, rows[1], len);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(every_loss),
	        cmocka_unit_test(largest),
	        cmocka_unit_test(too_many_losses),
	        cmocka_unit_test(odd_lengths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
