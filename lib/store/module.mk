SRC += lib/store/store.c
UNIT += tests/unit/lib/store/test_store.c
