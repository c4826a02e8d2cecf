#include "tests/lib/test.h"

#include "node/pace.h"

static void most_of_the_time_is_left_to_others(void **state)
{
	(void)state;
	assert_true(pace_rest_us(1000) >= 4000);
	assert_int_equal(pace_rest_us(20000), 20 * pace_rest_us(1000));
	assert_true(pace_rest_us(60000000) <= 5000000);
}

static void it_is_wanted_while_clients_are_at_work(void **state)
{
	(void)state;
	assert_false(pace_is_wanted(0, 100));
	assert_true(pace_is_wanted(1000000, 2000000));
	assert_false(pace_is_wanted(1000000, 4000000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(most_of_the_time_is_left_to_others),
	        cmocka_unit_test(it_is_wanted_while_clients_are_at_work),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
