SRC += identity/auth.c identity/bootstrap.c identity/grants.c identity/keys.c identity/main.c identity/password.c identity/routes.c identity/rules.c identity/show.c identity/tables.c
