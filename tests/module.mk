TESTLIB += tests/lib/test.c
