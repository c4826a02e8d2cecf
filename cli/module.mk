CLI += cli/main.c cli/up.c cli/audit.c cli/identity.c cli/state.c cli/status.c cli/supervise.c
