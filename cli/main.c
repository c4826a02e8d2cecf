#include "cli/cli.h"

#include "identity/main.h"
#include "lib/base/auto.h"
#include "migrate/migrate.h"
#include "node/node.h"
#include "ring/ring_main.h"
#include <stdio.h>
#include <string.h>

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *help;
} commands[] = {
        {"up", up_main, "start a one-machine cloud in the background"},
        {"down", down_main, "stop it; nothing is lost"},
        {"status", status_main, "problems, devices, space, other nodes, rings"},
        {"audit", audit_main, "where an account, container or object is, and how it is"},
        {"dispersion", dispersion_main, "how many copies are where they belong"},
        {"node", node_main, "the daemon: proxy and storage roles of this machine"},
        {"ring", ring_main, "build and inspect rings"},
        {"migrate", migrate_main, "bring accounts of a Swift cluster into this one"},
        {"identity", identity_main, "the identity service: Keystone's API v3"},
        {"version", version_main, "print the version"},
};

int version_main(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	printf("cairn %s\n", CAIRN_VERSION);
	return 0;
}

static int usage(FILE *out, int code)
{
	fprintf(out, "Usage: cairn COMMAND [options]\n\n");
	for (size_t i = 0; i < COUNT_OF(commands); i++)
		fprintf(out, "  %-10s %s\n", commands[i].name, commands[i].help);
	fprintf(out, "\n`cairn COMMAND --help` tells more.\n");
	return code;
}

int main(int argc, char **argv)
{
	if (argc < 2)
		return usage(stderr, 2);
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
	        strcmp(argv[1], "help") == 0)
		return usage(stdout, 0);
	if (strcmp(argv[1], "--version") == 0)
		return version_main(argc, argv);
	for (size_t i = 0; i < COUNT_OF(commands); i++) {
		if (strcmp(argv[1], commands[i].name) == 0)
			return commands[i].run(argc - 1, argv + 1);
	}
	fprintf(stderr, "cairn: no command '%s'; `cairn --help` lists them\n", argv[1]);
	return 2;
}
