SRC += ring/ring.c ring/load.c ring/save.c ring/plan.c ring/rebalance.c ring/builder.c ring/report.c ring/state.c ring/compose.c ring/dev_text.c ring/cli.c ring/cli_devices.c ring/cli_rings.c ring/cli_show.c
UNIT += tests/unit/ring/test_ring.c tests/unit/ring/test_builder.c tests/unit/ring/test_dev_text.c
