SRC += lib/cache/cache.c
UNIT += tests/unit/lib/cache/test_cache.c
