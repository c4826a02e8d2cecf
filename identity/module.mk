SRC += identity/keys.c identity/password.c identity/tables.c
