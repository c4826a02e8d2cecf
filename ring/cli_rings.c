/* The verbs that work on the whole ring. */
#include "lib/base/mem.h"
#include "ring/cli.h"
#include "ring/ring_internal.h"
#include <errno.h>
#include <libgen.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

static bool number(const char *text, double *ret_number)
{
	char *end;

	*ret_number = strtod(text, &end);
	return *text && !*end && isfinite(*ret_number);
}

static bool whole(const char *text, double max, unsigned *ret_number)
{
	double value;

	if (!number(text, &value) || value < 0 || value > max || value != floor(value))
		return false;
	*ret_number = (unsigned)value;
	return true;
}

/* backups/<time>.<name> beside a file. */
static void backup_path(const struct ring_cli *cli, const char *path, struct buf *ret_path)
{
	char *copy = mem_strdup(path), *again = mem_strdup(path);

	buf_printf(ret_path, "%s/backups", dirname(copy));
	mkdir(buf_text(ret_path), 0755); /* what goes wrong shows when the file is written */
	buf_printf(ret_path, "/%lld.%s", (long long)cli->now_s, basename(again));
	free(copy);
	free(again);
}

static int cannot_write(const char *path, enum err err)
{
	if (err == ERR_UNSUPPORTED)
		return ring_cli_fail("%s cannot name so many devices", path);
	return ring_cli_fail("cannot write %s: %s. See that its folder is writable and has room.",
	        path, err_text(err));
}

static int save_ring(const struct ring_cli *cli, const struct ring *ring)
{
	AUTO(buf) struct buf backup = BUF_NONE;
	AUTO(buf) struct buf file = BUF_NONE;
	enum err err = ring_format(ring, &file);

	backup_path(cli, cli->ring_path, &backup);
	if (err || (err = ring_file_replace(buf_text(&backup), &file)))
		return cannot_write(buf_text(&backup), err);
	if ((err = ring_file_replace(cli->ring_path, &file)))
		return cannot_write(cli->ring_path, err);
	return EXIT_DONE;
}

static int save_builder_twice(struct ring_cli *cli)
{
	AUTO(buf) struct buf backup = BUF_NONE;
	enum err err;

	backup_path(cli, cli->builder_path, &backup);
	if ((err = ring_builder_save(cli->builder, buf_text(&backup))))
		return cannot_write(buf_text(&backup), err);
	return ring_cli_save(cli);
}

static int exists_already(const char *path)
{
	return ring_cli_fail("%s exists already. Take another name, or move it away first.", path);
}

int ring_verb_create(struct ring_cli *cli)
{
	unsigned part_power, hours;
	double replicas;

	if (access(cli->builder_path, F_OK) == 0)
		return exists_already(cli->builder_path);
	if (!whole(cli->argv[1], RING_PART_POWER_MAX, &part_power))
		return ring_cli_fail(
		        "the partition power must be a whole number up to %u, not '%s'. "
		        "10 is right for a few devices, 18 for a few thousand.",
		        RING_PART_POWER_MAX, cli->argv[1]);
	if (!number(cli->argv[2], &replicas) || replicas < 1)
		return ring_cli_fail("the replica count must be at least 1, not '%s'. 3 is usual.",
		        cli->argv[2]);
	if (!whole(cli->argv[3], 255, &hours))
		return ring_cli_fail("min_part_hours must be a whole number up to 255, not '%s'. "
		                     "Take the time of one replication pass, or 1.",
		        cli->argv[3]);
	if (ring_builder_new(part_power, replicas, hours, &cli->builder))
		return ring_cli_fail(
		        "that is too large: at most %u replicas, and 2^28 together with "
		        "the partitions",
		        RING_ROWS_MAX);
	return save_builder_twice(cli);
}

/* --- rebalance ----------------------------------------------------------------------------- */

/* A text that looks like a number or not: the same text is the same seed. */
static uint64_t seed_of(const char *text)
{
	uint64_t seed = 0xcbf29ce484222325ull; /* FNV-1a */

	if (!text) {
		if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
			abort();
		return seed;
	}
	for (; *text; text++)
		seed = (seed ^ (unsigned char)*text) * 0x100000001b3ull;
	return seed;
}

static int64_t seconds_left(const struct ring_builder_facts *facts, int64_t now_s)
{
	int64_t left = (int64_t)facts->min_part_hours * 3600 - (now_s - facts->moved_at_s);

	return left > 0 ? left : 0;
}

static bool worth_saving(const struct ring_builder_facts *before, double old_balance,
        double old_dispersion, const struct ring_rebalance *result)
{
	return before->changed || fabs(old_balance - result->balance) >= 1 ||
	       (old_balance >= RING_BALANCE_WORST && result->balance >= RING_BALANCE_WORST) ||
	       fabs(old_dispersion - result->dispersion) >= 1;
}

static int say_result(const struct ring_builder_facts *facts, const struct ring_rebalance *result)
{
	printf("Reassigned %llu (%.02f%%) partitions. Balance is now %.02f.  "
	       "Dispersion is now %.02f\n",
	        (unsigned long long)result->moved,
	        100.0 * (double)result->moved / (double)facts->parts, result->balance,
	        result->dispersion);
	if (result->dispersion > 0) {
		printf("Some replicas share a failure domain more than they must. Adjust weights, "
		       "allow more\noverload, or see `dispersion --verbose`.\n");
		return EXIT_WARNED;
	}
	if (result->balance > 5 && result->balance / 100.0 > facts->overload) {
		printf("Distribute this ring, wait at least %u hours, then rebalance again.\n",
		        facts->min_part_hours);
		return EXIT_WARNED;
	}
	return EXIT_DONE;
}

static int nothing_to_do(const struct ring_builder_facts *facts, int64_t left_s)
{
	printf("No partitions could be reassigned.\n");
	if (left_s > 0)
		printf("min_part_hours is %u; %lld:%02lld:%02lld remain until all may move "
		       "again.\n",
		        facts->min_part_hours, (long long)left_s / 3600,
		        (long long)left_s / 60 % 60, (long long)left_s % 60);
	else
		printf("There is no need to.\n");
	return EXIT_WARNED;
}

static int save_balanced(struct ring_cli *cli)
{
	AUTO(ring_ref) struct ring_ref ref = {NULL};
	AUTO(buf) struct buf why = BUF_NONE;
	enum err err = ring_builder_validate(cli->builder, &why);

	if (!err)
		err = ring_builder_ring(cli->builder, &ref.ring);
	if (err)
		return ring_cli_fail("the new ring is not valid and was not saved: %s",
		        why.len ? buf_text(&why) : err_text(err));
	int code = save_ring(cli, ref.ring);
	return code ? code : save_builder_twice(cli);
}

int ring_verb_rebalance(struct ring_cli *cli)
{
	AUTO(ring_options) struct ring_options options = RING_OPTIONS_NONE;
	struct ring_builder_facts facts;
	struct ring_rebalance result;

	if (!ring_options_parse(cli, &options))
		return EXIT_FAILED;
	if (!options.seed && options.args_at < cli->argc)
		options.seed = cli->argv[options.args_at];
	ring_builder_facts(cli->builder, &facts);
	double old_balance = ring_builder_balance(cli->builder);
	double old_dispersion = ring_builder_dispersion(cli->builder);
	int64_t left_s = seconds_left(&facts, cli->now_s);
	enum err err =
	        ring_builder_rebalance(cli->builder, seed_of(options.seed), cli->now_s, &result);

	if (err == ERR_CONFLICT)
		return ring_cli_fail("%g replicas need at least as many devices with weight. Add "
		                     "devices, or lower the count with set_replicas.",
		        facts.replicas);
	if (err == ERR_BUSY)
		return ring_cli_fail("the partition power is growing. Finish that before you "
		                     "rebalance: `cairn ring %s finish_increase_partition_power`.",
		        cli->builder_path);
	if (err)
		return ring_cli_fail("%s", err_text(err));
	if (!result.moved && !result.removed && !options.force)
		return nothing_to_do(&facts, left_s);
	if (!options.force && !worth_saving(&facts, old_balance, old_dispersion, &result)) {
		printf("Not saved: that would change less than 1%%. --force saves it all the "
		       "same.\n");
		return EXIT_WARNED;
	}
	if (save_balanced(cli))
		return EXIT_FAILED;
	return say_result(&facts, &result);
}

/* --- files --------------------------------------------------------------------------------- */

int ring_verb_write_ring(struct ring_cli *cli)
{
	AUTO(ring_ref) struct ring_ref ref = {NULL};

	if (ring_builder_ring(cli->builder, &ref.ring))
		return ring_cli_fail(
		        "%s has no assignments yet. Run `cairn ring %s rebalance` first.",
		        cli->builder_path, cli->builder_path);
	return save_ring(cli, ref.ring);
}

int ring_verb_write_builder(struct ring_cli *cli)
{
	AUTO(ring_ref) struct ring_ref ref = {NULL};
	unsigned hours = 24;

	if (access(cli->builder_path, F_OK) == 0)
		return exists_already(cli->builder_path);
	if (cli->argc > 1 && !whole(cli->argv[1], 255, &hours))
		return ring_cli_fail(
		        "min_part_hours must be a whole number up to 255, not '%s'", cli->argv[1]);
	if (cli->argc < 2)
		fprintf(stderr, "cairn ring: a ring does not tell min_part_hours, taking 24\n");
	enum err err = ring_load(cli->ring_path, &ref.ring);
	if (err == ERR_NOT_FOUND)
		return ring_cli_fail("there is no ring %s to make a builder from", cli->ring_path);
	if (err)
		return ring_cli_fail(
		        "%s is no ring that can be read: %s", cli->ring_path, err_text(err));
	if (ring_builder_from_ring(ref.ring, hours, &cli->builder))
		return ring_cli_fail(
		        "%s is larger than this builder can work on, or empty", cli->ring_path);
	return ring_cli_save(cli);
}

int ring_verb_validate(struct ring_cli *cli)
{
	AUTO(buf) struct buf why = BUF_NONE;
	enum err err = ring_builder_validate(cli->builder, &why);

	if (err == ERR_NOT_FOUND)
		return ring_cli_fail(
		        "%s has no assignments yet. Run `cairn ring %s rebalance` first.",
		        cli->builder_path, cli->builder_path);
	return err ? ring_cli_fail("%s: %s", cli->builder_path, buf_text(&why)) : EXIT_DONE;
}

int ring_verb_compose(struct ring_cli *cli)
{
	AUTO(ring_ref) struct ring_ref ref = {NULL};
	AUTO(buf) struct buf why = BUF_NONE;
	size_t count = (size_t)cli->argc - 1;
	struct ring_builder **builders = mem_zalloc(count * sizeof(struct ring_builder *));
	int code = EXIT_DONE;

	for (size_t i = 0; i < count && !code; i++) {
		enum err err = ring_builder_load(cli->argv[1 + i], &builders[i]);
		if (err)
			code = ring_cli_fail("component %s: %s", cli->argv[1 + i], err_text(err));
	}
	if (!code && ring_compose(builders, count, &why, &ref.ring))
		code = ring_cli_fail("no composite ring: %s", buf_text(&why));
	if (!code)
		code = save_ring(cli, ref.ring);
	if (!code)
		printf("%s: %g replicas from %zu components. Keep their order: it decides which "
		       "device has which index.\n",
		        cli->ring_path, ring_replicas(ref.ring), count);
	for (size_t i = 0; i < count; i++)
		ring_builder_free(builders[i]);
	free(builders);
	return code;
}

/* --- settings ------------------------------------------------------------------------------ */

int ring_verb_pretend(struct ring_cli *cli)
{
	ring_builder_pretend_hours_passed(cli->builder);
	return EXIT_DONE;
}

int ring_verb_set_replicas(struct ring_cli *cli)
{
	double replicas;

	if (!number(cli->argv[1], &replicas) || ring_builder_set_replicas(cli->builder, replicas))
		return ring_cli_fail("the replica count must be between 1 and %u, not '%s'",
		        RING_ROWS_MAX, cli->argv[1]);
	printf("The replica count is now %.6f, after the next rebalance.\n", replicas);
	return EXIT_DONE;
}

int ring_verb_set_overload(struct ring_cli *cli)
{
	char *text = cli->argv[1];
	size_t len = strlen(text);
	bool percent = len > 1 && text[len - 1] == '%';
	double overload;

	if (percent)
		text[len - 1] = 0;
	if (!number(text, &overload) || overload < 0)
		return ring_cli_fail(
		        "the overload must be a number such as 0.1 or 10%%, not '%s'", text);
	overload = percent ? overload / 100 : overload;
	if (ring_builder_set_overload(cli->builder, overload))
		return ring_cli_fail("the overload must be a positive number");
	printf("The overload is now %.2f%% (%.6f), after the next rebalance.\n", overload * 100,
	        overload);
	if (overload > 1 && !percent) {
		printf("That is more than 100%%: did you mean %g%%?\n", overload);
		return EXIT_WARNED;
	}
	return EXIT_DONE;
}

int ring_verb_set_min_part_hours(struct ring_cli *cli)
{
	unsigned hours;

	if (!whole(cli->argv[1], 255, &hours) ||
	        ring_builder_set_min_part_hours(cli->builder, hours))
		return ring_cli_fail(
		        "min_part_hours must be a whole number up to 255, not '%s'", cli->argv[1]);
	printf("A partition now stays put for %u hours after a move.\n", hours);
	return EXIT_DONE;
}

/* --- partition power ----------------------------------------------------------------------- */

static int power_step(struct ring_cli *cli, enum err err, const char *refused, const char *next)
{
	struct ring_builder_facts facts;

	ring_builder_facts(cli->builder, &facts);
	if (err == ERR_RANGE)
		return ring_cli_fail("the partition power can be at most %u", RING_PART_POWER_MAX);
	if (err)
		return ring_cli_fail("%s", refused);
	printf("Partition power %u", facts.part_power);
	if (facts.next_part_power)
		printf(", next %u", facts.next_part_power);
	printf(". Run `write_ring` and distribute the ring%s\n", next);
	return EXIT_DONE;
}

int ring_verb_prepare_increase(struct ring_cli *cli)
{
	return power_step(cli, ring_builder_prepare_increase(cli->builder),
	        "already prepared, or never rebalanced",
	        "; when all data is linked to its new place, increase_partition_power.");
}

int ring_verb_increase(struct ring_cli *cli)
{
	return power_step(cli, ring_builder_increase(cli->builder),
	        "not prepared: prepare_increase_partition_power comes first",
	        "; when old links are removed, finish_increase_partition_power.");
}

int ring_verb_cancel_increase(struct ring_cli *cli)
{
	return power_step(cli, ring_builder_cancel_increase(cli->builder),
	        "nothing to cancel: an increase is cancelled between prepare and increase",
	        "; when new links are removed, finish_increase_partition_power.");
}

int ring_verb_finish_increase(struct ring_cli *cli)
{
	return power_step(cli, ring_builder_finish_increase(cli->builder),
	        "nothing to finish: increase_partition_power or cancel_increase_partition_power "
	        "comes first",
	        ".");
}
