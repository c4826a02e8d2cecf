/* Is there one order of all operations on a key, each between its begin and its end, that gives the
 * answers the clients got? Wing and Gong's search, with what was seen before remembered. */
#include "tests/sim/sim.h"

#include "lib/base/mem.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RECORDS_MAX 4096
#define OPS_MAX     64

static struct sim_record *records[RECORDS_MAX];
static unsigned count;

void history_reset(void)
{
	for (unsigned i = 0; i < count; i++)
		free(records[i]);
	count = 0;
}

struct sim_record *history_begin(enum sim_op op, unsigned client, unsigned key, uint64_t value)
{
	struct sim_record *r = mem_zalloc(sizeof(*r));

	*r = (struct sim_record){.op = op,
	        .client = client,
	        .key = key,
	        .value = value,
	        .begin = sim_now(),
	        .end = UINT64_MAX};
	if (count == RECORDS_MAX)
		abort();
	records[count++] = r;
	return r;
}

struct search {
	const struct sim_record *ops[OPS_MAX];
	unsigned count;
	bool presence;  /* values are 0 and 1: what listings show */
	uint64_t must;  /* ops that have happened for sure */
	uint64_t *seen; /* hashes of (done, value); 0: free */
	size_t seen_count, seen_cap;
};

static bool remember(struct search *s, uint64_t done, uint64_t value)
{
	uint64_t h = (done ^ value * 0x9e3779b97f4a7c15u) * 0xff51afd7ed558ccdu;

	h = (h ^ h >> 32) | 1;
	if (s->seen_count * 2 >= s->seen_cap) {
		uint64_t *old = s->seen;
		size_t cap = s->seen_cap;
		s->seen_cap = cap ? cap * 2 : 1024;
		s->seen = mem_zalloc(s->seen_cap * sizeof(*s->seen));
		for (size_t i = 0; i < cap; i++) {
			size_t at = old[i] % s->seen_cap;
			while (old[i] && s->seen[at])
				at = (at + 1) % s->seen_cap;
			if (old[i])
				s->seen[at] = old[i];
		}
		free(old);
	}
	size_t at = h % s->seen_cap;
	for (; s->seen[at]; at = (at + 1) % s->seen_cap) {
		if (s->seen[at] == h)
			return false;
	}
	s->seen[at] = h;
	s->seen_count++;
	return true;
}

static uint64_t shown(const struct search *s, uint64_t value)
{
	return s->presence ? value != 0 : value;
}

/* False when the operation could not have had its answer now. */
static bool apply(const struct search *s, const struct sim_record *r, uint64_t *value)
{
	switch (r->op) {
	case SIM_PUT:
		*value = shown(s, r->value);
		return true;
	case SIM_DELETE:
		*value = 0;
		return true;
	case SIM_CREATE:
		if (r->failed)
			return *value != 0;
		if (*value)
			return false;
		*value = shown(s, r->value);
		return true;
	default:
		return *value == r->value;
	}
}

static bool explain(struct search *s, uint64_t done, uint64_t value)
{
	uint64_t first_end = UINT64_MAX;

	if ((done & s->must) == s->must)
		return true;
	if (!remember(s, done, value))
		return false;
	for (unsigned i = 0; i < s->count; i++) {
		if (!(done >> i & 1) && s->ops[i]->end < first_end)
			first_end = s->ops[i]->end;
	}
	/* What may not have happened at all is tried last. */
	for (unsigned n = 0; n < 2 * s->count; n++) {
		unsigned i = n % s->count;
		uint64_t then = value, bit = 1ull << i;
		if ((done & bit) || s->ops[i]->begin > first_end ||
		        !(s->must & bit) != (n >= s->count))
			continue;
		if (apply(s, s->ops[i], &then) && explain(s, done | bit, then))
			return true;
	}
	return false;
}

static const char *const names[] = {"put", "create", "delete", "get", "list"};

static void tell(const struct search *s, unsigned key)
{
	fprintf(stderr, "%s of key %u:\n", s->presence ? "listings" : "reads", key);
	for (unsigned i = 0; i < s->count; i++) {
		const struct sim_record *r = s->ops[i];
		fprintf(stderr, "  %10llu..%-10llu client %u %s %llu%s%s\n",
		        (unsigned long long)r->begin,
		        (unsigned long long)(r->end == UINT64_MAX ? 0 : r->end), r->client,
		        names[r->op], (unsigned long long)r->value, r->failed ? " failed" : "",
		        r->sure ? "" : " (unknown)");
	}
}

static bool check_key(unsigned key, bool presence)
{
	struct search s = {.presence = presence};

	for (unsigned i = 0; i < count; i++) {
		const struct sim_record *r = records[i];
		bool writes = r->op == SIM_PUT || r->op == SIM_CREATE || r->op == SIM_DELETE;
		bool reads = r->op == (presence ? SIM_LIST : SIM_GET);
		if (r->key != key || !(writes || reads) || (!r->sure && !writes))
			continue;
		if (r->failed && presence)
			continue;
		if (s.count == OPS_MAX)
			abort();
		if (r->sure)
			s.must |= 1ull << s.count;
		s.ops[s.count++] = r;
	}
	if (world.verbose)
		tell(&s, key);
	bool ok = explain(&s, 0, 0);
	if (!ok) {
		fprintf(stderr, "no order explains these ");
		tell(&s, key);
	}
	free(s.seen);
	return ok;
}

bool history_check(bool listings)
{
	bool ok = true;

	for (unsigned key = 0; key < SIM_KEYS; key++)
		ok &= check_key(key, false) && (!listings || check_key(key, true));
	return ok;
}
