CLI += cli/main.c cli/up.c cli/audit.c cli/state.c cli/status.c
