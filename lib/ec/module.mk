SRC += lib/ec/ec.c lib/ec/fragment.c
UNIT += tests/unit/lib/ec/test_ec.c tests/unit/lib/ec/test_fragment.c
