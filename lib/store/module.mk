SRC += lib/store/store.c
