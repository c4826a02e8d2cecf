CLI += cli/main.c
