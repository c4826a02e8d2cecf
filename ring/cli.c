/* `cairn ring`: the verbs, their arguments, and what happens around them. */
#include "ring/cli.h"

#include "lib/base/mem.h"
#include "ring/ring_main.h"
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <libgen.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

enum verb_needs {
	NEEDS_NOTHING = 0,
	READS_BUILDER = 1,
	SAVES_BUILDER = 3,
	LOCKS = 4,
};

static const struct verb {
	const char *name;
	int (*run)(struct ring_cli *cli);
	int args_min; /* after the verb, options included */
	unsigned needs;
	const char *args;
} verbs[] = {
        {"create", ring_verb_create, 3, LOCKS, "<part_power> <replicas> <min_part_hours>"},
        {"add", ring_verb_add, 2, SAVES_BUILDER,
                "[r<N>]z<N>-<ip>:<port>[R<ip>:<port>]/<device>[_<meta>] <weight> ..."},
        {"remove", ring_verb_remove, 1, SAVES_BUILDER, "<search> ... [--yes]"},
        {"set_weight", ring_verb_set_weight, 2, SAVES_BUILDER, "<search> <weight> ... [--yes]"},
        {"set_region", ring_verb_set_region, 2, SAVES_BUILDER, "<search> <region> ... [--yes]"},
        {"set_zone", ring_verb_set_zone, 2, SAVES_BUILDER, "<search> <zone> ... [--yes]"},
        {"set_info", ring_verb_set_info, 2, SAVES_BUILDER,
                "<search> [<ip>:<port>][R<ip>:<port>][/<device>][_<meta>] ... [--yes]"},
        {"set_replicas", ring_verb_set_replicas, 1, SAVES_BUILDER, "<replicas>"},
        {"set_overload", ring_verb_set_overload, 1, SAVES_BUILDER, "<overload>[%]"},
        {"set_min_part_hours", ring_verb_set_min_part_hours, 1, SAVES_BUILDER, "<hours>"},
        {"pretend_min_part_hours_passed", ring_verb_pretend, 0, SAVES_BUILDER, ""},
        {"rebalance", ring_verb_rebalance, 0, READS_BUILDER | LOCKS, "[--seed <text>] [--force]"},
        {"validate", ring_verb_validate, 0, READS_BUILDER, ""},
        {"dispersion", ring_verb_dispersion, 0, READS_BUILDER, "[<regex of tiers>] [--verbose]"},
        {"search", ring_verb_search, 1, READS_BUILDER, "<search>"},
        {"list_parts", ring_verb_list_parts, 1, READS_BUILDER, "<search> ..."},
        {"write_ring", ring_verb_write_ring, 0, READS_BUILDER | LOCKS, ""},
        {"write_builder", ring_verb_write_builder, 0, LOCKS, "[<min_part_hours>]"},
        {"prepare_increase_partition_power", ring_verb_prepare_increase, 0, SAVES_BUILDER, ""},
        {"increase_partition_power", ring_verb_increase, 0, SAVES_BUILDER, ""},
        {"cancel_increase_partition_power", ring_verb_cancel_increase, 0, SAVES_BUILDER, ""},
        {"finish_increase_partition_power", ring_verb_finish_increase, 0, SAVES_BUILDER, ""},
        {"compose", ring_verb_compose, 2, LOCKS, "<builder> <builder> ..."},
        {"nodes", ring_verb_nodes, 1, NEEDS_NOTHING,
                "[--prefix P] [--suffix S] [--handoffs N] <account> [<container> [<object>]]"},
        {"version", ring_verb_version, 0, NEEDS_NOTHING, ""},
};

static const struct verb show = {"show", ring_verb_show, 0, READS_BUILDER, ""};

int ring_cli_fail(const char *format, ...)
{
	va_list args;

	fflush(stdout);
	fputs("cairn ring: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	return EXIT_FAILED;
}

static int usage(FILE *out)
{
	fputs("Usage: cairn ring <file> [<verb> ...]    (without a verb: show the ring)\n"
	      "<file> is X.builder, the builder's memory, beside X.ring.gz, which servers read.\n\n"
	      "  create <part_power> <replicas> <min_part_hours>\n"
	      "  add r<N>z<N>-<ip>:<port>[R<ip>:<port>]/<device>[_<meta>] <weight> ...\n"
	      "  remove <search> ...                 set_weight <search> <weight> ...\n"
	      "  set_region <search> <region> ...    set_zone <search> <zone> ...\n"
	      "  set_info <search> <ip>:<port>R<ip>:<port>/<device>_<meta> ...\n"
	      "  set_replicas <n>    set_overload <n>[%]    set_min_part_hours <n>\n"
	      "  rebalance [--seed <text>] [--force]    pretend_min_part_hours_passed\n"
	      "  validate  dispersion [<regex>] [-v]  search <search>  list_parts <search> ...\n"
	      "  write_ring  write_builder [<min_part_hours>]  version  compose <builder> ...\n"
	      "  nodes [--prefix P] [--suffix S] <account> [<container> [<object>]]\n"
	      "  prepare_increase_partition_power      increase_partition_power\n"
	      "  cancel_increase_partition_power       finish_increase_partition_power\n\n"
	      "<search> is any of d<id>r<region>z<zone>-<ip>:<port>R<ip>:<port>/<device>_<meta>\n"
	      "in that order, or --id --region --zone --ip --port --device --weight --meta ...\n"
	      "First: create 10 3 1, add r1z1-10.0.0.1:6200/sdb 100 ..., rebalance.\n"
	      "Exit codes: 0 done, 1 done with a warning, 2 not done. More: man cairn-ring\n",
	        out);
	return out == stdout ? EXIT_DONE : EXIT_FAILED;
}

static int verb_usage(const struct verb *verb, FILE *out)
{
	fprintf(out, "Usage: cairn ring <file> %s %s\n", verb->name, verb->args);
	return out == stdout ? EXIT_DONE : EXIT_FAILED;
}

static const struct verb *find_verb(const char *name)
{
	for (size_t i = 0; i < COUNT_OF(verbs); i++) {
		if (!strcmp(verbs[i].name, name))
			return &verbs[i];
	}
	return NULL;
}

/* --- options ------------------------------------------------------------------------------- */

enum { OPT_PREFIX = 1000, OPT_SUFFIX, OPT_HANDOFFS };

static const struct option options_known[] = {
        {"id", required_argument, NULL, 'u'},
        {"region", required_argument, NULL, 'r'},
        {"zone", required_argument, NULL, 'z'},
        {"ip", required_argument, NULL, 'i'},
        {"port", required_argument, NULL, 'p'},
        {"replication-ip", required_argument, NULL, 'j'},
        {"replication-port", required_argument, NULL, 'q'},
        {"device", required_argument, NULL, 'd'},
        {"weight", required_argument, NULL, 'w'},
        {"meta", required_argument, NULL, 'm'},
        {"change-ip", required_argument, NULL, 'I'},
        {"change-port", required_argument, NULL, 'P'},
        {"change-replication-ip", required_argument, NULL, 'J'},
        {"change-replication-port", required_argument, NULL, 'Q'},
        {"change-device", required_argument, NULL, 'D'},
        {"change-meta", required_argument, NULL, 'M'},
        {"yes", no_argument, NULL, 'y'},
        {"force", no_argument, NULL, 'f'},
        {"verbose", no_argument, NULL, 'v'},
        {"recalculate", no_argument, NULL, 'c'},
        {"seed", required_argument, NULL, 's'},
        {"prefix", required_argument, NULL, OPT_PREFIX},
        {"suffix", required_argument, NULL, OPT_SUFFIX},
        {"handoffs", required_argument, NULL, OPT_HANDOFFS},
        {NULL, 0, NULL, 0},
};

static const struct {
	int letter;
	enum dev_field field;
} option_fields[] = {{'u', DEV_ID}, {'r', DEV_REGION}, {'z', DEV_ZONE}, {'i', DEV_IP},
        {'p', DEV_PORT}, {'j', DEV_REPLICATION_IP}, {'q', DEV_REPLICATION_PORT}, {'d', DEV_NAME},
        {'w', DEV_WEIGHT}, {'m', DEV_META}, {'I', DEV_IP}, {'P', DEV_PORT},
        {'J', DEV_REPLICATION_IP}, {'Q', DEV_REPLICATION_PORT}, {'D', DEV_NAME}, {'M', DEV_META}};

static bool device_option(struct ring_options *options, int letter, const char *value)
{
	for (size_t i = 0; i < COUNT_OF(option_fields); i++) {
		if (option_fields[i].letter != letter)
			continue;
		struct dev_text *text =
		        strchr("IPJQDM", letter) ? &options->change : &options->search;
		if (!dev_text_set(text, option_fields[i].field, value))
			return true;
		ring_cli_fail("'%s' is not a good value for that option", value);
		return false;
	}
	return false;
}

static bool take_option(struct ring_options *options, int letter)
{
	switch (letter) {
	case 'y':
		options->yes = true;
		return true;
	case 'f':
		options->force = true;
		return true;
	case 'v':
		options->verbose = true;
		return true;
	case 'c':
		return true; /* dispersion is always computed anew here */
	case 's':
		options->seed = optarg;
		return true;
	case OPT_PREFIX:
		options->prefix = optarg;
		return true;
	case OPT_SUFFIX:
		options->suffix = optarg;
		return true;
	case OPT_HANDOFFS:
		options->handoffs = (unsigned)strtoul(optarg, NULL, 10);
		return true;
	default:
		return device_option(options, letter, optarg);
	}
}

bool ring_options_parse(struct ring_cli *cli, struct ring_options *ret_options)
{
	int letter;

	optind = 0; /* begin anew, and let options stand anywhere */
	while ((letter = getopt_long(cli->argc, cli->argv,
	                "u:r:z:i:p:j:q:d:w:m:I:P:J:Q:D:M:yfvcs:", options_known, NULL)) != -1) {
		if (letter == '?' || !take_option(ret_options, letter))
			return false;
	}
	ret_options->args_at = optind;
	return true;
}

void ring_options_done(struct ring_options *options)
{
	dev_text_done(&options->search);
	dev_text_done(&options->change);
}

/* --- around a verb ------------------------------------------------------------------------- */

/* X, X.builder and X.ring.gz all name the same pair of files. */
static void name_files(const char *name, struct buf *builder, struct buf *ring)
{
	size_t len = strlen(name);
	const char *builder_end = ".builder", *ring_end = ".ring.gz";

	if (len > strlen(ring_end) && !strcmp(name + len - strlen(ring_end), ring_end)) {
		buf_add(builder, name, len - strlen(ring_end));
		buf_str(builder, builder_end);
		buf_str(ring, name);
		return;
	}
	if (len > strlen(builder_end) && !strcmp(name + len - strlen(builder_end), builder_end))
		len -= strlen(builder_end);
	buf_add(builder, name, len);
	buf_str(builder, builder_end);
	buf_add(ring, name, len);
	buf_str(ring, ring_end);
}

/* One at a time changes the files of a folder; the lock goes with the process. */
static int lock_folder(const char *path)
{
	char *copy = mem_strdup(path);
	const char *folder = dirname(copy);
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int code = EXIT_DONE;

	if (fd < 0)
		code = ring_cli_fail("%s: %s. Create the folder first.", folder, strerror(errno));
	else if (flock(fd, LOCK_EX | LOCK_NB))
		code = ring_cli_fail(
		        "another cairn ring is working in %s. Wait for it and try again.", folder);
	free(copy);
	return code;
}

static bool is_pickle(const char *path)
{
	unsigned char head[2] = {0};
	FILE *file = fopen(path, "rb");

	if (!file)
		return false;
	size_t got = fread(head, 1, sizeof(head), file);
	fclose(file);
	return got == sizeof(head) && head[0] == 0x80 && head[1] <= 5;
}

static int open_builder(struct ring_cli *cli)
{
	const char *path = cli->builder_path;
	enum err err = ring_builder_load(path, &cli->builder);

	if (!err)
		return EXIT_DONE;
	if (err == ERR_NOT_FOUND)
		return ring_cli_fail(
		        "there is no builder %s. Make one with `cairn ring %s create "
		        "<part_power> <replicas> <min_part_hours>`, or from a ring with "
		        "`cairn ring %s write_builder`.",
		        path, path, cli->ring_path);
	if (err == ERR_FORMAT && is_pickle(path))
		return ring_cli_fail(
		        "%s is a builder of swift-ring-builder, which only Python reads. "
		        "Move it away and make ours from its ring: `cairn ring %s "
		        "write_builder`.",
		        path, cli->ring_path);
	if (err == ERR_FORMAT || err == ERR_CORRUPT)
		return ring_cli_fail(
		        "%s is no builder, or a damaged one: %s. Take the last good one "
		        "from the folder backups beside it.",
		        path, err_text(err));
	return ring_cli_fail("%s: %s", path, err_text(err));
}

int ring_cli_save(struct ring_cli *cli)
{
	enum err err = ring_builder_save(cli->builder, cli->builder_path);

	if (err)
		return ring_cli_fail("%s is unchanged: %s. See that its folder is writable and has "
		                     "room.",
		        cli->builder_path, err_text(err));
	return EXIT_DONE;
}

static int run_verb(const struct verb *verb, struct ring_cli *cli)
{
	int code = EXIT_DONE;

	if (cli->argc > 1 && (!strcmp(cli->argv[1], "--help") || !strcmp(cli->argv[1], "-h")))
		return verb_usage(verb, stdout);
	if (cli->argc - 1 < verb->args_min)
		return verb_usage(verb, stderr);
	if (verb->needs & LOCKS || (verb->needs & SAVES_BUILDER) == SAVES_BUILDER)
		code = lock_folder(cli->builder_path);
	if (!code && verb->needs & READS_BUILDER)
		code = open_builder(cli);
	if (!code)
		code = verb->run(cli);
	if (code != EXIT_FAILED && (verb->needs & SAVES_BUILDER) == SAVES_BUILDER &&
	        ring_cli_save(cli))
		code = EXIT_FAILED;
	return code;
}

int ring_main(int argc, char **argv)
{
	AUTO(buf) struct buf builder_path = BUF_NONE;
	AUTO(buf) struct buf ring_path = BUF_NONE;

	if (argc < 2)
		return usage(stderr);
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))
		return usage(stdout);
	if (find_verb(argv[1]) && argc > 2)
		return ring_cli_fail("the file comes first: cairn ring <file> %s ...", argv[1]);

	const struct verb *verb = argc > 2 ? find_verb(argv[2]) : &show;
	if (!verb)
		return ring_cli_fail(
		        "there is no verb '%s'. `cairn ring --help` lists them.", argv[2]);
	name_files(argv[1], &builder_path, &ring_path);
	struct ring_cli cli = {.builder_path = buf_text(&builder_path),
	        .ring_path = buf_text(&ring_path),
	        .now_s = time(NULL),
	        .argc = argc > 2 ? argc - 2 : 1,
	        .argv = argc > 2 ? argv + 2 : argv};
	int code = run_verb(verb, &cli);

	ring_builder_free(cli.builder);
	return code;
}
