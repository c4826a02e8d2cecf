SRC += lib/auth/aws.c lib/auth/aws_policy.c lib/auth/check.c lib/auth/policy.c lib/auth/revocation.c lib/auth/signing.c lib/auth/token.c lib/auth/verify.c
UNIT += tests/unit/lib/auth/test_aws_policy.c tests/unit/lib/auth/test_policy.c tests/unit/lib/auth/test_revocation.c tests/unit/lib/auth/test_token.c tests/unit/lib/auth/test_verify.c
