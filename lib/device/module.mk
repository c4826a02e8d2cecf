SRC += lib/device/device.c lib/device/format.c lib/device/unit.c lib/device/log.c lib/device/footer.c \
       lib/device/index.c lib/device/object.c lib/device/range.c lib/device/extent.c lib/device/read.c lib/device/scan.c \
       lib/device/recover.c lib/device/compact.c lib/device/scrub.c
UNIT += tests/unit/lib/device/test_device.c
UNIT += tests/unit/lib/device/test_index.c
