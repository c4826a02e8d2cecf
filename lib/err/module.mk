SRC += lib/err/err.c
