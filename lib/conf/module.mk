SRC += lib/conf/conf.c
UNIT += tests/unit/lib/conf/test_conf.c
