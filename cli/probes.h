/* probes: those of one policy and kind that there are, and which partitions they are in. */
#ifndef CLI_PROBES_H
#define CLI_PROBES_H

#include "cli/asker.h"

#include "lib/base/auto.h"
#include "proxy/dispersion.h"

/* One run of the command. */
struct probing {
	struct asker *asker; /* owned */
	struct probe_policy {
		unsigned index;
		char *name; /* owned */
		bool is_default, deprecated;
	} * policies; /* owned */
	unsigned policy_count;
	bool failed; /* and said why */
};
void probing_done(struct probing *probing);
AUTO_DEFINE(probing, probing_done);

/* False after a failure. */
bool probing_load(struct probing *probing);
/* Says so, and that it has failed. status 0: there was no answer. */
void probing_fail(struct probing *probing, const char *what, const char *target, int status);

struct probes {
	struct probing *probing;           /* borrowed */
	const struct probe_policy *policy; /* borrowed */
	bool object;
	uint64_t partitions; /* of its ring */
	unsigned *numbers;   /* owned; sorted: of those there are */
	unsigned count, room;
	uint8_t *covered; /* owned; bits: partitions with a probe in them */
	uint64_t covered_count;
	unsigned parts_from, parts_count; /* what `parts` tells of */
	uint32_t parts[DISPERSION_PARTS];
};
void probes_done(struct probes *probes);
AUTO_DEFINE(probes, probes_done);

/* policy, object and probing are set, all else is zero. False after a failure. */
bool probes_load(struct probes *probes);
bool probes_has(const struct probes *probes, unsigned number);
/* The partition that a probe of that number is in; UINT64_MAX after a failure. */
uint64_t probes_part(struct probes *probes, unsigned number);
/* False: there was one in it before. */
bool probes_cover(struct probes *probes, uint64_t part);
const char *probes_kind(const struct probes *probes); /* "object" or "container" */

#endif
