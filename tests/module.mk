TESTLIB += tests/lib/test.c
FUZZ += $(wildcard tests/fuzz/fuzz_*.c)
