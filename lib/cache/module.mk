SRC += lib/cache/cache.c
