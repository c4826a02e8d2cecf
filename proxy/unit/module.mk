SRC += proxy/unit/gatekeeper.c proxy/unit/reserved.c proxy/unit/shown.c proxy/unit/symlink.c
