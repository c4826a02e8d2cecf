SRC += migrate/copy.c migrate/headers.c migrate/jobs.c migrate/main.c migrate/names.c migrate/progress.c migrate/side.c \
	migrate/walk.c
UNIT += tests/unit/migrate/test_names.c
