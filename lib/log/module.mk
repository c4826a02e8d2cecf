SRC += lib/log/log.c
