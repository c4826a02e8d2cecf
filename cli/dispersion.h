/* dispersion: what the files behind `cairn dispersion` share. */
#ifndef CLI_DISPERSION_H
#define CLI_DISPERSION_H

#include "cli/probes.h"

#include "lib/json/jout.h"
#include <time.h>

#define DISPERSION_STORE DISPERSION_PREFIX "store/"

struct options {
	struct state state;
	const char *policy; /* by name; NULL: the default one */
	double coverage;    /* percent */
	unsigned concurrency;
	bool all, containers, objects, json, partitions;
};

/* One pass of the command over the probes of a policy and kind. */
struct pass {
	const struct options *options;
	struct probes probes;
	const char *doing;
	unsigned done, todo;
	time_t told;
	struct look *looks; /* of a report: one of each number; owned */
};

void progress(struct pass *pass); /* one more is done */
void progress_end(const struct pass *pass);
double percent(uint64_t part, uint64_t all);
const char *plural(uint64_t n, const char *one, const char *more);

/* Prints what it finds, or with --json adds it. False: copies are missing, or it failed. */
bool dispersion_report(struct pass *pass, struct jout *j);

#endif
