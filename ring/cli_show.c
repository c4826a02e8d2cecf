/* The verbs that only look. */
#include "lib/base/mem.h"
#include "ring/cli.h"
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- devices ------------------------------------------------------------------------------- */

static int by_place(const void *left, const void *right)
{
	const struct ring_dev *a = *(const struct ring_dev *const *)left;
	const struct ring_dev *b = *(const struct ring_dev *const *)right;

	if (a->region != b->region)
		return a->region < b->region ? -1 : 1;
	if (a->zone != b->zone)
		return a->zone < b->zone ? -1 : 1;
	int order = strcmp(a->ip, b->ip);
	return order ? order : strcmp(a->device, b->device);
}

static void address(const char *ip, uint32_t port, char *ret_text, size_t size)
{
	snprintf(ret_text, size, strchr(ip, ':') ? "[%s]:%u" : "%s:%u", ip, port);
}

void ring_print_devices(const struct ring_builder *builder, const bool *which)
{
	uint32_t limit = ring_builder_dev_limit(builder), count = 0;
	const struct ring_dev **devs = mem_zalloc((limit + 1) * sizeof(*devs));

	for (uint32_t id = 0; id < limit; id++) {
		if ((!which || which[id]) && ring_builder_dev(builder, id))
			devs[count++] = ring_builder_dev(builder, id);
	}
	qsort(devs, count, sizeof(*devs), by_place);
	printf("Devices:   id region   zone %21s %21s %8s %9s %10s %7s %5s %s\n", "address",
	        "replication address", "name", "weight", "partitions", "balance", "flags", "meta");
	for (uint32_t i = 0; i < count; i++) {
		const struct ring_dev *dev = devs[i];
		char at[320], replication_at[320];

		address(dev->ip, dev->port, at, sizeof(at));
		address(dev->replication_ip, dev->replication_port, replication_at,
		        sizeof(replication_at));
		printf("%13u %6u %6u %21s %21s %8s %9.2f %10u %7.2f %5s %s\n", dev->id, dev->region,
		        dev->zone, at, replication_at, dev->device, dev->weight,
		        ring_builder_dev_parts(builder, dev->id),
		        ring_builder_dev_balance(builder, dev->id),
		        ring_builder_dev_leaving(builder, dev->id) ? "DEL" : "", dev->meta);
	}
	free(devs);
}

/* --- show ---------------------------------------------------------------------------------- */

static void count_places(const struct ring_builder *builder, unsigned *ret_regions,
        unsigned *ret_zones, unsigned *ret_devs)
{
	uint32_t limit = ring_builder_dev_limit(builder), count = 0;
	const struct ring_dev **devs = mem_zalloc((limit + 1) * sizeof(*devs));

	for (uint32_t id = 0; id < limit; id++) {
		if (ring_builder_dev(builder, id))
			devs[count++] = ring_builder_dev(builder, id);
	}
	qsort(devs, count, sizeof(*devs), by_place);
	*ret_regions = *ret_zones = 0;
	*ret_devs = count;
	for (uint32_t i = 0; i < count; i++) {
		bool new_region = i == 0 || devs[i]->region != devs[i - 1]->region;
		*ret_regions += new_region;
		*ret_zones += new_region || devs[i]->zone != devs[i - 1]->zone;
	}
	free(devs);
}

static void show_ring_file(const struct ring_cli *cli)
{
	AUTO(ring_ref) struct ring_ref now = {NULL};
	AUTO(ring_ref) struct ring_ref saved = {NULL};
	AUTO(buf) struct buf now_bytes = BUF_NONE;
	AUTO(buf) struct buf saved_bytes = BUF_NONE;
	enum err err = ring_load(cli->ring_path, &saved.ring);

	if (err == ERR_NOT_FOUND) {
		printf("Ring file %s not found, probably it has not been written yet\n",
		        cli->ring_path);
	} else if (err) {
		printf("Ring file %s cannot be read: %s\n", cli->ring_path, err_text(err));
	} else {
		bool same = !ring_builder_ring(cli->builder, &now.ring) &&
		            !ring_format(now.ring, &now_bytes) &&
		            !ring_format(saved.ring, &saved_bytes) &&
		            now_bytes.len == saved_bytes.len &&
		            !memcmp(now_bytes.data, saved_bytes.data, now_bytes.len);
		printf("Ring file %s is %s\n", cli->ring_path, same ? "up-to-date" : "obsolete");
	}
}

int ring_verb_show(struct ring_cli *cli)
{
	struct ring_builder_facts facts;
	unsigned regions, zones, devs;

	ring_builder_facts(cli->builder, &facts);
	count_places(cli->builder, &regions, &zones, &devs);
	int64_t left_s = facts.min_part_hours * 3600 - (cli->now_s - facts.moved_at_s);
	left_s = left_s > 0 ? left_s : 0;
	printf("%s, build version %llu, id %s\n", cli->builder_path,
	        (unsigned long long)facts.version, facts.id);
	printf("%llu partitions, %.6f replicas, %u regions, %u zones, %u devices, %.02f balance, "
	       "%.02f dispersion\n",
	        (unsigned long long)facts.parts, facts.replicas, regions, zones, devs,
	        ring_builder_balance(cli->builder), ring_builder_dispersion(cli->builder));
	printf("The minimum number of hours before a partition can be reassigned is %u "
	       "(%lld:%02lld:%02lld remaining)\n",
	        facts.min_part_hours, (long long)left_s / 3600, (long long)left_s / 60 % 60,
	        (long long)left_s % 60);
	printf("The overload factor is %0.2f%% (%.6f)\n", facts.overload * 100, facts.overload);
	show_ring_file(cli);
	ring_print_devices(cli->builder, NULL);
	if (facts.next_part_power == facts.part_power + 1)
		printf("\nThe partition power is about to grow from %u to %u.\n", facts.part_power,
		        facts.next_part_power);
	else if (facts.next_part_power)
		printf("\nThe partition power is %u; finish_increase_partition_power when old "
		       "links "
		       "are gone.\n",
		        facts.part_power);
	if (facts.changed)
		printf("\nChanges wait for a rebalance.\n");
	return EXIT_DONE;
}

/* --- dispersion ---------------------------------------------------------------------------- */

struct tier_table {
	regex_t filter;
	bool filtered, verbose, worst_known;
	double worst;
	struct buf worst_name, lines;
};

static void note_tier(void *context, const struct ring_tier_report *report)
{
	struct tier_table *table = context;
	regmatch_t match;

	if (table->filtered && (regexec(&table->filter, report->name, 1, &match, 0) || match.rm_so))
		return;
	if (report->dispersion > table->worst) {
		table->worst = report->dispersion;
		buf_reset(&table->worst_name);
		buf_str(&table->worst_name, report->name);
	}
	if (!table->verbose)
		return;
	if (!table->lines.len) {
		buf_printf(&table->lines, "%-30s %9s %6s %6s", "Tier", "Parts", "%", "Max");
		for (unsigned i = 0; i < report->with_count; i++)
			buf_printf(&table->lines, " %8u", i);
		buf_char(&table->lines, '\n');
	}
	buf_printf(&table->lines, "%-30s %9llu %6.2f %6u", report->name,
	        (unsigned long long)report->placed, report->dispersion, report->replicas_max);
	for (unsigned i = 0; i < report->with_count; i++)
		buf_printf(&table->lines, " %8llu", (unsigned long long)report->with[i]);
	buf_char(&table->lines, '\n');
}

int ring_verb_dispersion(struct ring_cli *cli)
{
	AUTO(ring_options) struct ring_options options = RING_OPTIONS_NONE;
	struct ring_builder_facts facts;
	struct tier_table table = {.worst_name = BUF_NONE, .lines = BUF_NONE};

	if (!ring_options_parse(cli, &options))
		return EXIT_FAILED;
	ring_builder_facts(cli->builder, &facts);
	if (!facts.balanced)
		return ring_cli_fail(
		        "%s has no assignments yet. Run `cairn ring %s rebalance` first.",
		        cli->builder_path, cli->builder_path);
	table.verbose = options.verbose;
	if (options.args_at < cli->argc) {
		const char *filter = cli->argv[options.args_at];
		if (regcomp(&table.filter, filter, REG_EXTENDED))
			return ring_cli_fail("'%s' is no regular expression", filter);
		table.filtered = true;
	}
	ring_builder_report(cli->builder, note_tier, &table);
	printf("Dispersion is %.06f, Balance is %.06f, Overload is %0.2f%%\n",
	        ring_builder_dispersion(cli->builder), ring_builder_balance(cli->builder),
	        facts.overload * 100);
	printf("Required overload is %.6f%%\n", ring_builder_required_overload(cli->builder) * 100);
	if (table.worst > 0)
		printf("Worst tier is %.06f (%s)\n", table.worst, buf_text(&table.worst_name));
	fputs(buf_text(&table.lines), stdout);
	buf_done(&table.lines);
	buf_done(&table.worst_name);
	if (table.filtered)
		regfree(&table.filter);
	return table.worst > 0 ? EXIT_WARNED : EXIT_DONE;
}

/* --- nodes, version ------------------------------------------------------------------------- */

static int open_ring(const struct ring_cli *cli, struct ring **ret_ring)
{
	enum err err = ring_load(cli->ring_path, ret_ring);

	if (err == ERR_NOT_FOUND)
		return ring_cli_fail("there is no ring %s", cli->ring_path);
	if (err == ERR_FORMAT)
		return ring_cli_fail("%s is no ring, or of a format newer than 2", cli->ring_path);
	if (err)
		return ring_cli_fail("%s: %s. Copy it anew from where it was built.",
		        cli->ring_path, err_text(err));
	return EXIT_DONE;
}

static struct ring_name name_of(const char *text)
{
	return (struct ring_name){text, text ? strlen(text) : 0};
}

static uint32_t part_of_names(const struct ring *ring, const struct ring_options *options,
        struct ring_name account, struct ring_name container, struct ring_name object)
{
	uint8_t key[RING_KEY_BYTES];

	ring_hash_path(name_of(options->prefix), name_of(options->suffix), account, container,
	        object, key);
	return ring_partition(ring, key);
}

static void print_ids(const struct ring *ring, uint32_t part, unsigned handoffs_max)
{
	AUTO(ring_handoffs) struct ring_handoffs handoffs = RING_HANDOFFS_NONE;
	uint32_t devs[RING_ROWS_MAX], dev;
	unsigned count = ring_primaries(ring, part, devs, RING_ROWS_MAX);

	printf("%u\t", part);
	for (unsigned i = 0; i < count; i++)
		printf("%s%u", i ? "," : "", devs[i]);
	putchar('\t');
	ring_handoffs_init(&handoffs, ring, part);
	for (unsigned i = 0; i < handoffs_max && ring_handoffs_next(&handoffs, &dev); i++)
		printf("%s%u", i ? "," : "", dev);
	putchar('\n');
}

/* One path per line of the standard input, one line each: partition, primaries, handoffs. */
static void nodes_of_lines(const struct ring *ring, const struct ring_options *options)
{
	char *line = NULL;
	size_t size = 0;
	ssize_t len;

	while ((len = getline(&line, &size, stdin)) > 0) {
		if (line[len - 1] == '\n')
			line[--len] = 0;
		char *container = strchr(line, '/'), *object = NULL;
		if (container) {
			*container++ = 0;
			object = strchr(container, '/');
		}
		if (object)
			*object++ = 0;
		print_ids(ring,
		        part_of_names(
		                ring, options, name_of(line), name_of(container), name_of(object)),
		        options->handoffs);
	}
	free(line);
}

static void print_node(const struct ring *ring, uint32_t id, const char *role, unsigned index)
{
	AUTO(buf) struct buf line = BUF_NONE;

	dev_text_print(ring_dev(ring, id), &line);
	printf("%s %u\t%s\n", role, index, buf_text(&line));
}

static void print_nodes(const struct ring *ring, uint32_t part, unsigned handoffs_max)
{
	AUTO(ring_handoffs) struct ring_handoffs handoffs = RING_HANDOFFS_NONE;
	uint32_t devs[RING_ROWS_MAX], dev;
	unsigned count = ring_primaries(ring, part, devs, RING_ROWS_MAX);

	printf("Partition %u\n", part);
	for (unsigned i = 0; i < count; i++)
		print_node(ring, devs[i], "primary", i);
	ring_handoffs_init(&handoffs, ring, part);
	for (unsigned i = 0;
	        i < (handoffs_max ? handoffs_max : count) && ring_handoffs_next(&handoffs, &dev);
	        i++)
		print_node(ring, dev, "handoff", i);
}

int ring_verb_nodes(struct ring_cli *cli)
{
	AUTO(ring_options) struct ring_options options = RING_OPTIONS_NONE;
	AUTO(ring_ref) struct ring_ref ref = {NULL};

	if (!ring_options_parse(cli, &options))
		return EXIT_FAILED;
	int args = cli->argc - options.args_at;
	char **names = cli->argv + options.args_at;
	if (args < 1 || args > 3)
		return ring_cli_fail(
		        "give an account, then perhaps a container and an object; or '-' "
		        "to read paths from the standard input");
	int code = open_ring(cli, &ref.ring);
	if (code)
		return code;
	if (!strcmp(names[0], "-"))
		nodes_of_lines(ref.ring, &options);
	else
		print_nodes(ref.ring,
		        part_of_names(ref.ring, &options, name_of(names[0]),
		                name_of(args > 1 ? names[1] : NULL),
		                name_of(args > 2 ? names[2] : NULL)),
		        options.handoffs);
	return EXIT_DONE;
}

int ring_verb_version(struct ring_cli *cli)
{
	AUTO(ring_ref) struct ring_ref ref = {NULL};
	int code = open_ring(cli, &ref.ring);

	if (code)
		return code;
	printf("%s: Serialization version: %u, build version: %llu\n", cli->ring_path,
	        ring_format_version(ref.ring), (unsigned long long)ring_version(ref.ring));
	return EXIT_DONE;
}
