/* The verbs that add, find and change devices. */
#include "lib/base/mem.h"
#include "ring/cli.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Marks the devices a description fits; returns how many. */
static uint32_t mark(const struct ring_builder *builder, const struct dev_text *text, bool *which)
{
	uint32_t count = 0;

	for (uint32_t id = 0; id < ring_builder_dev_limit(builder); id++) {
		const struct ring_dev *dev = ring_builder_dev(builder, id);
		if (dev && dev_text_matches(text, dev)) {
			count += !which[id];
			which[id] = true;
		}
	}
	return count;
}

static bool *marks_new(const struct ring_builder *builder)
{
	return mem_zalloc(ring_builder_dev_limit(builder) + 1);
}

static int bad_search(const char *text)
{
	return ring_cli_fail("'%s' is no search value. Write any of "
	                     "d<id>r<region>z<zone>-<ip>:<port>R<ip>:<port>/<device>_<meta>, in "
	                     "that order.",
	        text);
}

/* More than one device is changed only with --yes or after asking. */
static bool confirmed(const struct ring_builder *builder, const bool *which, uint32_t count,
        const struct ring_options *options)
{
	char answer[8] = "";

	if (count < 2 || options->yes)
		return true;
	printf("Matched more than one device:\n");
	for (uint32_t id = 0; id < ring_builder_dev_limit(builder); id++) {
		AUTO(buf) struct buf line = BUF_NONE;
		if (!which[id])
			continue;
		dev_text_print(ring_builder_dev(builder, id), &line);
		printf("    %s\n", buf_text(&line));
	}
	printf("Change all %u of them? (y/N) ", count);
	fflush(stdout);
	return fgets(answer, sizeof(answer), stdin) && (answer[0] == 'y' || answer[0] == 'Y');
}

/* Changes one device as a verb does, and says so. */
typedef enum err change_fn(struct ring_builder *builder, uint32_t id, const void *argument);

static int change_marked(struct ring_cli *cli, const bool *which, uint32_t count,
        const struct ring_options *options, change_fn *change, const void *argument,
        const char *done)
{
	if (count == 0)
		return ring_cli_fail("no device matches, nothing is changed. `cairn ring %s` lists "
		                     "them.",
		        cli->builder_path);
	if (!confirmed(cli->builder, which, count, options))
		return ring_cli_fail("stopped, nothing is changed");
	for (uint32_t id = 0; id < ring_builder_dev_limit(cli->builder); id++) {
		AUTO(buf) struct buf line = BUF_NONE;
		if (!which[id])
			continue;
		dev_text_print(ring_builder_dev(cli->builder, id), &line);
		enum err err = change(cli->builder, id, argument);
		if (err == ERR_CONFLICT)
			return ring_cli_fail(
			        "%s is being removed, nothing is changed. Leave it out "
			        "of the search.",
			        buf_text(&line));
		if (err == ERR_EXISTS)
			return ring_cli_fail("another device has that address, port and name "
			                     "already, nothing is changed");
		if (err == ERR_BUSY)
			return ring_cli_fail("the partition power is growing. Finish that first: "
			                     "`cairn ring %s finish_increase_partition_power`.",
			        cli->builder_path);
		if (err)
			return ring_cli_fail(
			        "%s: %s, nothing is changed", buf_text(&line), err_text(err));
		printf("%s %s\n", buf_text(&line), done);
	}
	return EXIT_DONE;
}

/* --- add ----------------------------------------------------------------------------------- */

static int add_one(struct ring_cli *cli, struct dev_text *text, const char *shown)
{
	AUTO(buf) struct buf line = BUF_NONE;
	const unsigned needed = DEV_ZONE | DEV_IP | DEV_PORT | DEV_NAME;
	uint32_t id = 0;

	if ((text->given & needed) != needed || text->given & DEV_ID)
		return ring_cli_fail("'%s' does not describe a device, nothing is changed. Write "
		                     "[r<N>]z<N>-<ip>:<port>[R<ip>:<port>]/<device>[_<meta>].",
		        shown);
	if (!(text->given & DEV_REGION)) {
		fprintf(stderr, "cairn ring: no region given for %s, taking region 1\n", shown);
		text->dev.region = 1;
	}
	enum err err = ring_builder_add(cli->builder, &text->dev, &id);
	if (err == ERR_EXISTS)
		return ring_cli_fail(
		        "device %u has that address, port and name already, nothing is "
		        "changed",
		        id);
	if (err == ERR_BUSY)
		return ring_cli_fail("the partition power is growing. Finish that before devices "
		                     "are added.");
	if (err)
		return ring_cli_fail("%s: %s, nothing is changed", shown, err_text(err));
	dev_text_print(ring_builder_dev(cli->builder, id), &line);
	printf("Device %s with weight %g got id %u\n", buf_text(&line), text->dev.weight, id);
	return EXIT_DONE;
}

int ring_verb_add(struct ring_cli *cli)
{
	AUTO(ring_options) struct ring_options options = RING_OPTIONS_NONE;
	int code = EXIT_DONE;

	if (!ring_options_parse(cli, &options))
		return EXIT_FAILED;
	int args = cli->argc - options.args_at;
	if (options.search.given && args == 0) {
		if (!(options.search.given & DEV_WEIGHT))
			return ring_cli_fail("--weight is missing, nothing is changed");
		return add_one(cli, &options.search, "the device");
	}
	if (args == 0 || args % 2 || options.search.given)
		return ring_cli_fail("each device wants its weight after it, nothing is changed");
	for (int i = options.args_at; i < cli->argc && !code; i += 2) {
		AUTO(dev_text) struct dev_text text = DEV_TEXT_NONE;
		if (dev_text_parse(cli->argv[i], &text))
			text.given = 0;
		if (dev_text_set(&text, DEV_WEIGHT, cli->argv[i + 1]))
			return ring_cli_fail(
			        "'%s' is no weight, nothing is changed. Write a number "
			        "such as the size in GB.",
			        cli->argv[i + 1]);
		code = add_one(cli, &text, cli->argv[i]);
	}
	return code;
}

/* --- remove, set ---------------------------------------------------------------------------- */

static enum err remove_one(struct ring_builder *builder, uint32_t id, const void *argument)
{
	(void)argument;
	return ring_builder_remove(builder, id);
}

int ring_verb_remove(struct ring_cli *cli)
{
	AUTO(ring_options) struct ring_options options = RING_OPTIONS_NONE;
	uint32_t count = 0;

	if (!ring_options_parse(cli, &options))
		return EXIT_FAILED;
	bool *which = marks_new(cli->builder);
	int code = EXIT_DONE;
	if (options.search.given)
		count += mark(cli->builder, &options.search, which);
	for (int i = options.args_at; i < cli->argc && !code; i++) {
		AUTO(dev_text) struct dev_text text = DEV_TEXT_NONE;
		if (dev_text_parse(cli->argv[i], &text))
			code = bad_search(cli->argv[i]);
		else
			count += mark(cli->builder, &text, which);
	}
	if (!code)
		code = change_marked(cli, which, count, &options, remove_one, NULL,
		        "will be gone after the next rebalance");
	free(which);
	return code;
}

static enum err set_weight(struct ring_builder *builder, uint32_t id, const void *argument)
{
	return ring_builder_set_weight(builder, id, *(const double *)argument);
}

static enum err set_region(struct ring_builder *builder, uint32_t id, const void *argument)
{
	return ring_builder_set_region(builder, id, (uint32_t) * (const double *)argument);
}

static enum err set_zone(struct ring_builder *builder, uint32_t id, const void *argument)
{
	return ring_builder_set_zone(builder, id, (uint32_t) * (const double *)argument);
}

static int set_number(struct ring_cli *cli, const struct dev_text *search,
        const struct ring_options *options, change_fn *set, const char *value)
{
	char *end, done[64];
	double number = strtod(value, &end);

	if (!*value || *end || !(number >= 0) ||
	        (set != set_weight && (number > INT32_MAX || number != (double)(uint32_t)number)))
		return ring_cli_fail("'%s' is no number for that, nothing is changed", value);
	snprintf(done, sizeof(done), "%s set to %g",
	        set == set_weight   ? "weight"
	        : set == set_region ? "region"
	                            : "zone",
	        number);
	bool *which = marks_new(cli->builder);
	uint32_t count = mark(cli->builder, search, which);
	int code = change_marked(cli, which, count, options, set, &number, done);
	free(which);
	return code;
}

/* Pairs of a search and a number, or a search by options and one number. */
static int set_numbers(struct ring_cli *cli, change_fn *set)
{
	AUTO(ring_options) struct ring_options options = RING_OPTIONS_NONE;
	int code = EXIT_DONE;

	if (!ring_options_parse(cli, &options))
		return EXIT_FAILED;
	int args = cli->argc - options.args_at;
	if (options.search.given && args == 1)
		return set_number(cli, &options.search, &options, set, cli->argv[options.args_at]);
	if (options.search.given || args == 0 || args % 2)
		return ring_cli_fail(
		        "each search wants its new value after it, nothing is changed");
	for (int i = options.args_at; i < cli->argc && !code; i += 2) {
		AUTO(dev_text) struct dev_text text = DEV_TEXT_NONE;
		code = dev_text_parse(cli->argv[i], &text)
		               ? bad_search(cli->argv[i])
		               : set_number(cli, &text, &options, set, cli->argv[i + 1]);
	}
	return code;
}

int ring_verb_set_weight(struct ring_cli *cli)
{
	return set_numbers(cli, set_weight);
}

int ring_verb_set_region(struct ring_cli *cli)
{
	return set_numbers(cli, set_region);
}

int ring_verb_set_zone(struct ring_cli *cli)
{
	return set_numbers(cli, set_zone);
}

static enum err set_info(struct ring_builder *builder, uint32_t id, const void *argument)
{
	const struct dev_text *change = argument;
	struct ring_dev info = *ring_builder_dev(builder, id);

	if (change->given & DEV_IP)
		info.ip = change->dev.ip;
	if (change->given & DEV_PORT)
		info.port = change->dev.port;
	if (change->given & DEV_REPLICATION_IP)
		info.replication_ip = change->dev.replication_ip;
	if (change->given & DEV_REPLICATION_PORT)
		info.replication_port = change->dev.replication_port;
	if (change->given & DEV_NAME)
		info.device = change->dev.device;
	if (change->given & DEV_META)
		info.meta = change->dev.meta;
	return ring_builder_set_info(builder, id, &info);
}

static int change_info(struct ring_cli *cli, const struct dev_text *search,
        const struct dev_text *change, const struct ring_options *options)
{
	bool *which = marks_new(cli->builder);
	uint32_t count = mark(cli->builder, search, which);
	int code = change_marked(cli, which, count, options, set_info, change,
	        "changed; `write_ring` makes it known");

	free(which);
	return code;
}

int ring_verb_set_info(struct ring_cli *cli)
{
	AUTO(ring_options) struct ring_options options = RING_OPTIONS_NONE;
	int code = EXIT_DONE;

	if (!ring_options_parse(cli, &options))
		return EXIT_FAILED;
	int args = cli->argc - options.args_at;
	if (options.change.given && args == 0)
		return change_info(cli, &options.search, &options.change, &options);
	if (options.search.given || options.change.given || args == 0 || args % 2)
		return ring_cli_fail("each search wants its change after it, nothing is changed");
	for (int i = options.args_at; i < cli->argc && !code; i += 2) {
		AUTO(dev_text) struct dev_text search = DEV_TEXT_NONE;
		AUTO(dev_text) struct dev_text change = DEV_TEXT_NONE;
		if (dev_text_parse(cli->argv[i], &search))
			code = bad_search(cli->argv[i]);
		else if (dev_text_parse(cli->argv[i + 1], &change) ||
		         change.given & (DEV_ID | DEV_REGION | DEV_ZONE))
			code = ring_cli_fail("'%s' is no change. Write any of "
			                     "<ip>:<port>R<ip>:<port>/<device>_<meta>.",
			        cli->argv[i + 1]);
		else
			code = change_info(cli, &search, &change, &options);
	}
	return code;
}

/* --- search, list_parts --------------------------------------------------------------------- */

/* Devices that any of the arguments, or the options, describe. */
static int marks_of_args(struct ring_cli *cli, bool *which)
{
	AUTO(ring_options) struct ring_options options = RING_OPTIONS_NONE;
	uint32_t count = 0;

	if (!ring_options_parse(cli, &options))
		return EXIT_FAILED;
	if (options.search.given)
		count += mark(cli->builder, &options.search, which);
	for (int i = options.args_at; i < cli->argc; i++) {
		AUTO(dev_text) struct dev_text text = DEV_TEXT_NONE;
		if (dev_text_parse(cli->argv[i], &text))
			return bad_search(cli->argv[i]);
		count += mark(cli->builder, &text, which);
	}
	return count ? EXIT_DONE : ring_cli_fail("no device matches");
}

int ring_verb_search(struct ring_cli *cli)
{
	bool *which = marks_new(cli->builder);
	int code = marks_of_args(cli, which);

	if (!code)
		ring_print_devices(cli->builder, which);
	free(which);
	return code;
}

static int list_parts(const struct ring *ring, const bool *which)
{
	unsigned rows = ring_rows(ring), most = 0;
	uint32_t parts = (uint32_t)ring_parts(ring);
	uint16_t *matches = mem_zalloc(parts * sizeof(*matches));

	for (uint32_t part = 0; part < parts; part++) {
		for (unsigned row = 0; row < rows; row++) {
			uint32_t dev;
			if (ring_assigned(ring, row, part, &dev))
				matches[part] = (uint16_t)(matches[part] + which[dev]);
		}
		most = matches[part] > most ? matches[part] : most;
	}
	if (most)
		printf("Partition   Matches\n");
	for (unsigned count = most; count > 0; count--) {
		for (uint32_t part = 0; part < parts; part++) {
			if (matches[part] == count)
				printf("%9u   %7u\n", part, count);
		}
	}
	free(matches);
	return most ? EXIT_DONE : ring_cli_fail("those devices hold no partitions");
}

int ring_verb_list_parts(struct ring_cli *cli)
{
	AUTO(ring_ref) struct ring_ref ref = {NULL};
	bool *which = marks_new(cli->builder);
	int code = marks_of_args(cli, which);

	if (!code && ring_builder_ring(cli->builder, &ref.ring))
		code = ring_cli_fail(
		        "%s has no assignments yet. Run `cairn ring %s rebalance` first.",
		        cli->builder_path, cli->builder_path);
	if (!code)
		code = list_parts(ref.ring, which);
	free(which);
	return code;
}
