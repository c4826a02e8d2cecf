SRC += lib/op/op.c
UNIT += tests/unit/lib/op/test_op.c
