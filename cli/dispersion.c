/* `cairn dispersion`: probes spread over the partitions of the rings, and how many of their copies
 * are where they belong (proxy/dispersion.h). What it prints with --json is what Swift's
 * swift-dispersion-report dumps. */
#include "cli/dispersion.h"
#include "cli/cli.h"

#include "lib/base/mem.h"
#include <getopt.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONCURRENCY_MAX 1000
#define NAMES_MAX       (1u << 26) /* numbers tried for partitions that no probe is in yet */
#define PROGRESS_S      2

static void pass_done(struct pass *pass)
{
	probes_done(&pass->probes);
	free(pass->looks);
}
AUTO_DEFINE(pass, pass_done);

/* --- progress, for people --- */

void progress(struct pass *pass)
{
	time_t now = time(NULL);

	pass->done++;
	if (!isatty(STDERR_FILENO) || now < pass->told + PROGRESS_S)
		return;
	pass->told = now;
	fprintf(stderr, "\r\033[K%s %ss: %u of %u", pass->doing, probes_kind(&pass->probes),
	        pass->done, pass->todo);
	fflush(stderr);
}

void progress_end(const struct pass *pass)
{
	if (pass->told)
		fprintf(stderr, "\r\033[K");
}

double percent(uint64_t part, uint64_t all)
{
	return all ? 100.0 * (double)part / (double)all : 0;
}

const char *plural(uint64_t n, const char *one, const char *more)
{
	return n == 1 ? one : more;
}

/* --- populate --- */

static void on_put(struct asked *asked)
{
	struct pass *pass = asked->owner;

	if (asked->status / 100 != 2)
		probing_fail(pass->probes.probing, "a probe cannot be made", asked->target,
		        asked->status);
	progress(pass);
}

static void probe_target(const struct probes *p, unsigned number, struct buf *out)
{
	unsigned policy = p->policy->index;

	if (p->object)
		buf_printf(out, DISPERSION_STORE DISPERSION_OBJECTS "/" DISPERSION_OBJECT, policy,
		        number);
	else
		buf_printf(out, DISPERSION_STORE DISPERSION_CONTAINER, policy, number);
}

static void put_probe(struct pass *pass, unsigned number)
{
	const struct probes *p = &pass->probes;
	AUTO(buf) struct buf target = BUF_NONE, body = BUF_NONE;

	probe_target(p, number, &target);
	if (p->object)
		buf_printf(&body, DISPERSION_OBJECT "\n", number);
	else
		buf_printf(&target, "?policy=%u", p->policy->index);
	asker_start(
	        p->probing->asker, "PUT", buf_text(&target), buf_text(&body), on_put, pass, number);
}

static bool put_container(const struct probes *p)
{
	AUTO(buf) struct buf target = BUF_NONE;

	buf_printf(&target, DISPERSION_STORE DISPERSION_OBJECTS "?policy=%u", p->policy->index,
	        p->policy->index);
	int status = asker_get(p->probing->asker, "PUT", buf_text(&target), NULL);
	if (status / 100 != 2)
		probing_fail(p->probing, "the container of the probes cannot be made",
		        buf_text(&target), status);
	return status / 100 == 2;
}

static void populate(struct pass *pass)
{
	struct probes *p = &pass->probes;

	if ((p->object && !put_container(p)) || !probes_load(p))
		return;
	uint64_t wanted =
	        (uint64_t)ceil(pass->options->coverage / 100 * (double)p->partitions - 1e-9);
	pass->doing = "Creating";
	pass->todo = wanted > p->covered_count ? (unsigned)(wanted - p->covered_count) : 0;
	for (unsigned n = 0; p->covered_count < wanted && n < NAMES_MAX && !p->probing->failed;
	        n++) {
		uint64_t part = probes_part(p, n);
		if (part != UINT64_MAX && probes_cover(p, part))
			put_probe(pass, n);
	}
	asker_wait(p->probing->asker);
	progress_end(pass);
	if (p->probing->failed)
		return;
	printf("%s: %u %s created; %llu of %llu partitions have one (%.2f%%)\n", p->policy->name,
	        pass->done,
	        p->object ? plural(pass->done, "object", "objects")
	                  : plural(pass->done, "container", "containers"),
	        (unsigned long long)p->covered_count, (unsigned long long)p->partitions,
	        percent(p->covered_count, p->partitions));
}

/* --- clear --- */

static void on_deleted(struct asked *asked)
{
	struct pass *pass = asked->owner;

	if (asked->status / 100 != 2 && asked->status != 404)
		probing_fail(pass->probes.probing, "a probe cannot be deleted", asked->target,
		        asked->status);
	progress(pass);
}

static void clear(struct pass *pass)
{
	struct probes *p = &pass->probes;
	struct asker *asker = p->probing->asker;

	if (!probes_load(p))
		return;
	pass->doing = "Deleting";
	pass->todo = p->count;
	for (unsigned i = 0; i < p->count; i++) {
		AUTO(buf) struct buf target = BUF_NONE;
		probe_target(p, p->numbers[i], &target);
		asker_start(asker, "DELETE", buf_text(&target), NULL, on_deleted, pass, 0);
	}
	asker_wait(asker);
	progress_end(pass);
	if (p->object && !p->probing->failed) {
		AUTO(buf) struct buf target = BUF_NONE;
		buf_printf(&target, DISPERSION_STORE DISPERSION_OBJECTS, p->policy->index);
		asker_start(asker, "DELETE", buf_text(&target), NULL, on_deleted, pass, 0);
		asker_wait(asker);
	}
	printf("%s: %u %ss deleted\n", p->policy->name, p->count, probes_kind(p));
}

/* --- the command --- */

enum verb { POPULATE, REPORT, CLEAR };

/* Of one policy, containers and objects. False: copies are missing. */
static bool run_policy(const struct options *options, enum verb verb, struct probing *probing,
        const struct probe_policy *policy, struct jout *j)
{
	bool complete = true;

	for (int object = 0; object <= 1; object++) {
		if (object ? !options->objects : !options->containers)
			continue;
		AUTO(pass)
		struct pass pass = {.options = options,
		        .probes = {.probing = probing, .policy = policy, .object = object}};
		if (verb == POPULATE)
			populate(&pass);
		else if (verb == CLEAR)
			clear(&pass);
		else
			complete &= dispersion_report(&pass, j);
	}
	return complete;
}

static bool wanted(const struct options *options, const struct probe_policy *policy)
{
	if (options->policy)
		return strcmp(options->policy, policy->name) == 0;
	return options->all ? !policy->deprecated : policy->is_default;
}

static int run(const struct options *options, enum verb verb)
{
	AUTO(probing) struct probing probing = {.asker = NULL};
	AUTO(buf) struct buf out = BUF_NONE;
	struct jout j = {.out = &out};
	bool complete = true, any = false;

	probing.asker = asker_new(&options->state, options->concurrency);
	if (!probing.asker || !probing_load(&probing))
		return 1;
	jout_object(&j, NULL);
	for (unsigned i = 0; i < probing.policy_count; i++) {
		const struct probe_policy *policy = &probing.policies[i];
		if (!wanted(options, policy))
			continue;
		any = true;
		if (options->all)
			jout_object(&j, policy->name);
		complete &= run_policy(options, verb, &probing, policy, &j);
		if (options->all)
			jout_end_object(&j);
	}
	jout_end_object(&j);
	if (!any && options->policy)
		fprintf(stderr, "cairn: there is no storage policy '%s'\n", options->policy);
	if (!any || probing.failed)
		return 1;
	if (options->json && verb == REPORT)
		printf("%s\n", buf_text(&out));
	return complete ? 0 : 1;
}

static int usage(FILE *out, int code)
{
	fprintf(out,
	        "Usage: cairn dispersion populate [--coverage PERCENT] [options]\n"
	        "       cairn dispersion report [--json] [--partitions] [options]\n"
	        "       cairn dispersion clear [options]\n\n"
	        "populate makes small containers and objects (probes) until so many of the\n"
	        "partitions have one; what is there stays. report asks each primary device for\n"
	        "its copy, or fragment. clear deletes the probes.\n\n"
	        "  --coverage PERCENT      of the partitions that get a probe (1)\n"
	        "  -j, --json              as swift-dispersion-report dumps it\n"
	        "  -p, --partitions        say on stderr what misses copies, and where\n"
	        "  -P, --policy-name NAME  this storage policy (the default one)\n"
	        "  -a, --all               all storage policies\n"
	        "  --container-only, --object-only\n"
	        "  --concurrency N         requests at once (25)\n"
	        "  --state DIR             folder of the cloud, or state_dir of a node (./var)\n\n"
	        "Exit status: 0 all copies are there, or it is done as asked for; 1 not so.\n");
	return code;
}

enum { CONTAINER_ONLY = 256, OBJECT_ONLY, COVERAGE, CONCURRENCY };

static bool take_number(const char *text, double min, double max, double *ret_number)
{
	char *end;
	double number = strtod(text, &end);

	if (end == text || *end || !(number >= min && number <= max))
		return false;
	*ret_number = number;
	return true;
}

/* False: it is not to be understood. */
static bool take_option(struct options *options, int c)
{
	double number;

	switch (c) {
	case 'j':
		options->json = true;
		return true;
	case 'p':
		options->partitions = true;
		return true;
	case 'P':
		options->policy = optarg;
		return true;
	case 'a':
		options->all = true;
		return true;
	case 's':
		options->state.dir = optarg;
		return true;
	case CONTAINER_ONLY:
		options->objects = false;
		return true;
	case OBJECT_ONLY:
		options->containers = false;
		return true;
	case COVERAGE:
		return take_number(optarg, 0, 100, &options->coverage);
	case CONCURRENCY:
		if (!take_number(optarg, 1, CONCURRENCY_MAX, &number))
			return false;
		options->concurrency = (unsigned)number;
		return true;
	default:
		return false;
	}
}

static bool take_verb(const char *text, enum verb *ret_verb)
{
	static const char *const verbs[] = {
	        [POPULATE] = "populate", [REPORT] = "report", [CLEAR] = "clear"};

	for (unsigned i = 0; i < COUNT_OF(verbs); i++) {
		if (strcmp(text, verbs[i]) == 0) {
			*ret_verb = (enum verb)i;
			return true;
		}
	}
	return false;
}

int dispersion_main(int argc, char **argv)
{
	static const struct option longs[] = {{"state", 1, 0, 's'}, {"json", 0, 0, 'j'},
	        {"dump-json", 0, 0, 'j'}, {"partitions", 0, 0, 'p'}, {"policy-name", 1, 0, 'P'},
	        {"all", 0, 0, 'a'}, {"container-only", 0, 0, CONTAINER_ONLY},
	        {"object-only", 0, 0, OBJECT_ONLY}, {"coverage", 1, 0, COVERAGE},
	        {"concurrency", 1, 0, CONCURRENCY}, {"help", 0, 0, 'h'}, {0, 0, 0, 0}};
	struct options options = {.state = {.dir = "./var"},
	        .coverage = 1,
	        .concurrency = 25,
	        .containers = true,
	        .objects = true};
	char dir[PATH_MAX];
	enum verb verb;
	int c;

	while ((c = getopt_long(argc, argv, "hjpP:a", longs, NULL)) != -1) {
		if (c == 'h')
			return usage(stdout, 0);
		if (!take_option(&options, c))
			return usage(stderr, 2);
	}
	if (optind + 1 != argc || !take_verb(argv[optind], &verb) ||
	        !(options.containers || options.objects) || (options.all && options.policy))
		return usage(stderr, 2);
	if (realpath(options.state.dir, dir))
		options.state.dir = dir;
	AUTO(buf) struct buf error = BUF_NONE;
	if (state_read_conf(&options.state, &error)) {
		fprintf(stderr, "cairn: %s\n", buf_text(&error));
		return 1;
	}
	return run(&options, verb);
}
