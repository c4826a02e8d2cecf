SRC += lib/reactor/reactor.c lib/reactor/disk_file.c
UNIT += tests/unit/lib/reactor/test_reactor.c
