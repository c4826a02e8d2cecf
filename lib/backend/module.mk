SRC += lib/backend/backend.c lib/backend/fault.c lib/backend/points.c
UNIT += tests/unit/lib/backend/test_fault.c tests/unit/lib/backend/test_points.c
