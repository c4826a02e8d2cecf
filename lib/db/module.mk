SRC += lib/db/db.c lib/db/maria.c lib/db/sqlite.c
UNIT += tests/unit/lib/db/test_db.c
