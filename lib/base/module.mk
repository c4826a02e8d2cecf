SRC += lib/base/base64.c lib/base/buf.c lib/base/kv.c lib/base/markup.c lib/base/mem.c lib/base/bytes.c lib/base/arena.c lib/base/ts.c lib/base/hash.c
UNIT += tests/unit/lib/base/test_base.c
