SRC += lib/backend/backend.c
