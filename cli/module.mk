CLI += cli/main.c cli/up.c cli/asker.c cli/audit.c cli/dispersion.c cli/dispersion_report.c cli/identity.c cli/probes.c cli/state.c cli/status.c cli/supervise.c
