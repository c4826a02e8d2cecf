/* test: what every unit test includes: cmocka, and temporary folders. */
#ifndef TESTS_LIB_TEST_H
#define TESTS_LIB_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A new empty folder below $TMPDIR; its path is static and lives until the next call. */
const char *test_tmpdir(void);

/* Removes such a folder and all in it. */
void test_tmpdir_remove(const char *path);

#endif
