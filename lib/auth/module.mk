SRC += lib/auth/check.c lib/auth/policy.c
UNIT += tests/unit/lib/auth/test_policy.c
