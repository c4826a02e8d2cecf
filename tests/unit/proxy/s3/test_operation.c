#include "lib/auth/aws_policy.h"
#include "proxy/s3/operation.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

/* Whatever is asked for may stand in a bucket's policy. */
static void policies_know_the_actions(void **state)
{
	(void)state;
	for (unsigned i = 0; i < COUNT_OF(table); i++) {
		AUTO(jroot) struct jroot root = JROOT_NONE;
		char text[512];
		if (table[i].level == S3_SERVICE)
			continue;
		snprintf(text, sizeof(text),
		        "{\"Statement\": {\"Effect\": \"Allow\", \"Principal\": \"*\", \"Action\": "
		        "\"%s\", \"Resource\": [\"arn:aws:s3:::b\", \"arn:aws:s3:::b/*\"]}}",
		        table[i].action);
		assert_int_equal(jread_parse(text, strlen(text), &root), ERR_OK);
		if (s3_policy_check(root.value, "b"))
			fail_msg("%s: %s", table[i].action, s3_policy_check(root.value, "b"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(policies_know_the_actions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
