SRC += lib/work/work.c
