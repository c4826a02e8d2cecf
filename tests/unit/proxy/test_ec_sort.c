/* Which answers are of one body: a table of what devices say of time 7, 2+1. */
#include "tests/lib/test.h"

#include "lib/ec/ec.h"
#include "proxy/ec_sort.h"

#define DEVICES 4

/* Of each device what it has, and of which body. */
static struct ec_sorted sort(const char *says)
{
	struct backend_call calls[DEVICES] = {0};
	struct fan fan = {.count = DEVICES, .calls = calls};
	struct place place = {.count = DEVICES, .devices = {10, 11, 12, 13}};
	struct ec ec;

	assert_true(ec_init(&ec, 2, 1));
	for (unsigned i = 0; i < DEVICES; i++) {
		struct backend_call *call = &calls[DEVICES - 1 - i]; /* they come in any order */
		struct backend_reply *r = &call->reply;
		char has = says[3 * i];
		call->device = place.devices[i];
		call->answered = has != '-';
		r->err = has == 'x' ? ERR_CORRUPT : has == 'f' ? ERR_UNAVAILABLE : ERR_OK;
		r->ts = has == 'd' ? 3 : 7;
		r->draft_ts = has == 'd' ? 7 : has == 'n' ? 8 : 0;
		r->fragment.k = has == 'o' ? 4 : 2;
		r->fragment.m = 1;
		memset(r->fragment.etag, says[3 * i + 1] - '0', 16);
	}
	return ec_sort(&fan, &place, &ec, 7);
}

static void what_is_told_is_of_one_body_or_foreign(void **state)
{
	static const struct {
		const char *says; /* draft, committed, x: corrupt, filling, -: silent, other code,
		                     newer */
		uint64_t told, foreign, damaged;
		uint8_t body;
	} cases[] = {
	        {"d1 d1 d1 d1", 0xf, 0, 0, 1},
	        {"d1 d2 d2 -2", 0x7, 0x1, 0, 2},
	        /* One that committed outweighs any number of drafts. */
	        {"d1 d1 d1 c2", 0xf, 0x7, 0, 2},
	        {"c2 d1 d2 d1", 0xf, 0xa, 0, 2},
	        /* Which body a damaged one is of is not known; that it is there is. */
	        {"x0 d1 d1 d2", 0xf, 0x8, 0x1, 1},
	        {"x0 -1 -1 f1", 0x1, 0, 0x1, 0},
	        {"d1 o2 n2 f2", 0x1, 0, 0, 1},
	};

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(cases); i++) {
		struct ec_sorted s = sort(cases[i].says);
		uint8_t etag[16];
		memset(etag, cases[i].body, sizeof(etag));
		assert_int_equal(s.ts, 7);
		assert_int_equal(s.told, cases[i].told);
		assert_int_equal(s.foreign, cases[i].foreign);
		assert_int_equal(s.damaged, cases[i].damaged);
		assert_memory_equal(s.etag, etag, sizeof(etag));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(what_is_told_is_of_one_body_or_foreign),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
