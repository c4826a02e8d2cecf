SRC += lib/archive/unpack.c
UNIT += tests/unit/lib/archive/test_unpack.c
