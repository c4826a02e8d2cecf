SRC += objectd/objectd.c objectd/write.c objectd/read.c objectd/fragment.c objectd/stage.c objectd/compare.c \
	objectd/horizon.c objectd/lease.c objectd/updates.c
UNIT += tests/unit/objectd/test_objectd.c tests/unit/objectd/test_fragment.c
TESTLIB += tests/lib/disk_fake.c
FAULT += tests/fault/fault_device.c
FAULT += tests/fault/fault_fuse.c
$(B)/tests/fault/fault_fuse: LDLIBS += -lfuse3
UNIT += tests/unit/objectd/test_compare.c
