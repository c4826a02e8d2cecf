SRC += lib/broker/broker.c
