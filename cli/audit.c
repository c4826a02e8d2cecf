/* `cairn audit`: asks the node of a state folder where something is and how it is. */
#include "cli/cli.h"
#include "cli/state.h"

#include "lib/base/auto.h"
#include "lib/http/url.h"
#include <getopt.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

static int usage(FILE *out, int code)
{
	fprintf(out,
	        "Usage: cairn audit [--state DIR] ACCOUNT[/CONTAINER[/OBJECT]]\n\n"
	        "Says on which devices it is, what each of them holds, and what differs and why.\n"
	        "ACCOUNT as in its URL: AUTH_test.\n\n"
	        "  --state DIR   folder of the cloud, or state_dir of a node (./var)\n");
	return code;
}

int audit_main(int argc, char **argv)
{
	static const struct option longs[] = {
	        {"state", 1, 0, 's'}, {"help", 0, 0, 'h'}, {0, 0, 0, 0}};
	struct state state = {.dir = "./var"};
	char dir[PATH_MAX];
	int c;

	while ((c = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
		if (c != 's')
			return usage(c == 'h' ? stdout : stderr, c == 'h' ? 0 : 2);
		state.dir = optarg;
	}
	if (optind + 1 != argc)
		return usage(stderr, 2);
	if (realpath(state.dir, dir))
		state.dir = dir;
	AUTO(buf) struct buf error = BUF_NONE;
	AUTO(buf) struct buf path = BUF_NONE;
	if (state_read_conf(&state, &error)) {
		fprintf(stderr, "cairn: %s\n", buf_text(&error));
		return 1;
	}
	url_quote(&path, argv[optind], "");
	return state_print_audit(&state, buf_text(&path));
}
