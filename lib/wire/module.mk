SRC += lib/wire/frame.c lib/wire/message.c lib/wire/hello.c lib/wire/link.c lib/wire/client.c lib/wire/server.c \
	lib/wire/tls.c
UNIT += tests/unit/lib/wire/test_frame.c tests/unit/lib/wire/test_message.c tests/unit/lib/wire/test_hello.c \
	tests/unit/lib/wire/test_wire.c
