SRC += proxy/unit/gather.c proxy/unit/gatekeeper.c proxy/unit/report.c proxy/unit/reserved.c proxy/unit/shown.c proxy/unit/slo.c proxy/unit/slo_put.c proxy/unit/symlink.c
