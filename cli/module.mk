CLI += cli/main.c cli/up.c cli/state.c
