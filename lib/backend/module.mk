SRC += lib/backend/backend.c lib/backend/fault.c
UNIT += tests/unit/lib/backend/test_fault.c
