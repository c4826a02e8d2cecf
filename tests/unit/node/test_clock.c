/* What is given is not given again after a start. */
#include "tests/lib/test.h"

#include "node/clock.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char folder[64], path[80];
static struct hlc hlc;

static int setup(void **state)
{
	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/clock-XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/clock", folder);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(path);
	rmdir(folder);
	return 0;
}

static struct clock_file *start(void)
{
	struct clock_file *clock;

	hlc_init(&hlc, env_real());
	assert_int_equal(clock_file_new(path, &hlc, &clock), ERR_OK);
	return clock;
}

static void a_stop_leaves_what_was_given(void **state)
{
	struct clock_file *clock = start();

	(void)state;
	uint64_t now = hlc_now(&hlc), ahead = now + 20 * TS_PER_SECOND;
	assert_true(hlc_see(&hlc, ahead));
	clock_file_free(clock);
	clock = start();
	assert_true(hlc_now(&hlc) > ahead);
	assert_true(hlc_now(&hlc) < ahead + TS_PER_SECOND);
	clock_file_free(clock);
}

/* The file as a crash leaves it: what was reserved counts. */
static void a_crash_leaves_what_was_reserved(void **state)
{
	struct clock_file *clock = start();
	uint8_t image[1024] = {0};

	(void)state;
	uint64_t first = hlc_now(&hlc);
	int fd = open(path, O_RDWR);
	assert_true(pread(fd, image, sizeof(image), 0) > 0);
	clock_file_free(clock);
	assert_int_equal(pwrite(fd, image, sizeof(image), 0), sizeof(image));
	clock = start();
	assert_true(hlc_now(&hlc) > first + 9 * TS_PER_SECOND);
	clock_file_free(clock);
	/* Half of a write is none. */
	memset(image, 0xa5, sizeof(image));
	assert_int_equal(pwrite(fd, image, 12, 0), 12);
	clock = start();
	clock_file_free(clock);
	assert_int_equal(pwrite(fd, image, sizeof(image), 0), sizeof(image));
	clock = start();
	assert_true(hlc_now(&hlc) < first + 9 * TS_PER_SECOND);
	clock_file_free(clock);
	close(fd);
}

static void what_cannot_be_written_is_refused(void **state)
{
	struct clock_file *clock;

	(void)state;
	hlc_init(&hlc, env_real());
	assert_int_equal(clock_file_new("/nowhere/clock", &hlc, &clock), ERR_IO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(a_stop_leaves_what_was_given, setup, teardown),
	        cmocka_unit_test_setup_teardown(a_crash_leaves_what_was_reserved, setup, teardown),
	        cmocka_unit_test(what_cannot_be_written_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
