SRC += identity/tables.c
