SRC += lib/rows/row.c lib/rows/record.c lib/rows/info.c lib/rows/overlay.c lib/rows/list.c lib/rows/compare.c \
	lib/rows/databases.c lib/rows/digest.c lib/rows/sums.c lib/rows/merge.c lib/rows/forget.c lib/rows/split.c \
	lib/rows/job.c lib/rows/space.c lib/rows/apply.c lib/rows/drain.c lib/rows/sweep.c lib/rows/walk.c \
	lib/rows/request.c lib/rows/report.c lib/rows/rows.c
UNIT += tests/unit/lib/rows/test_record.c tests/unit/lib/rows/test_list.c \
	tests/unit/lib/rows/test_rows.c tests/unit/lib/rows/test_recovery.c
UNIT += tests/unit/lib/rows/test_compare.c tests/unit/lib/rows/test_sums.c tests/unit/lib/rows/test_split.c
