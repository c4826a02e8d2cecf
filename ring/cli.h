/* The verbs of `cairn ring`. Each is one function over the command's context; cli.c opens the
 * builder before and saves it after, as the verb's row in the table says. */
#ifndef RING_CLI_H
#define RING_CLI_H

#include "ring/builder.h"
#include "ring/dev_text.h"

enum { EXIT_DONE, EXIT_WARNED, EXIT_FAILED };

struct ring_cli {
	const char *builder_path, *ring_path;
	struct ring_builder *builder; /* owned; NULL when the verb needs none */
	int64_t now_s;
	int argc; /* of the verb: argv[0] is its name */
	char **argv;
};

/* Prints "cairn ring: ..." to stderr and returns EXIT_FAILED. */
int ring_cli_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The options that describe devices, and --yes and --seed and the like. */
struct ring_options {
	struct dev_text search, change;
	const char *seed;
	const char *prefix, *suffix;
	unsigned handoffs;
	bool yes, force, verbose;
	int args_at; /* first argument that is no option */
};
#define RING_OPTIONS_NONE ((struct ring_options){.handoffs = 0})
bool ring_options_parse(struct ring_cli *cli, struct ring_options *ret_options);
void ring_options_done(struct ring_options *options);
AUTO_DEFINE(ring_options, ring_options_done);

/* cli_devices.c */
int ring_verb_add(struct ring_cli *cli);
int ring_verb_remove(struct ring_cli *cli);
int ring_verb_set_weight(struct ring_cli *cli);
int ring_verb_set_region(struct ring_cli *cli);
int ring_verb_set_zone(struct ring_cli *cli);
int ring_verb_set_info(struct ring_cli *cli);
int ring_verb_search(struct ring_cli *cli);
int ring_verb_list_parts(struct ring_cli *cli);

/* cli_rings.c */
int ring_verb_create(struct ring_cli *cli);
int ring_verb_rebalance(struct ring_cli *cli);
int ring_verb_write_ring(struct ring_cli *cli);
int ring_verb_write_builder(struct ring_cli *cli);
int ring_verb_validate(struct ring_cli *cli);
int ring_verb_pretend(struct ring_cli *cli);
int ring_verb_set_replicas(struct ring_cli *cli);
int ring_verb_set_overload(struct ring_cli *cli);
int ring_verb_set_min_part_hours(struct ring_cli *cli);
int ring_verb_prepare_increase(struct ring_cli *cli);
int ring_verb_increase(struct ring_cli *cli);
int ring_verb_cancel_increase(struct ring_cli *cli);
int ring_verb_finish_increase(struct ring_cli *cli);
int ring_verb_compose(struct ring_cli *cli);

/* cli_show.c */
int ring_verb_show(struct ring_cli *cli);
int ring_verb_dispersion(struct ring_cli *cli);
int ring_verb_nodes(struct ring_cli *cli);
int ring_verb_version(struct ring_cli *cli);

/* Table of some devices; which(id) may be NULL for all. */
void ring_print_devices(const struct ring_builder *builder, const bool *which);

/* Saves the builder; EXIT_FAILED with a line when that does not work. */
int ring_cli_save(struct ring_cli *cli);

#endif
