SRC += lib/swift/speak.c lib/swift/swift.c
UNIT += tests/unit/lib/swift/test_speak.c
