SRC += lib/env/env.c lib/env/hlc.c
UNIT += tests/unit/lib/env/test_env.c
