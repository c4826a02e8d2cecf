/* Is there one order of all operations on a key, each between its begin and its end, that gives the
 * answers the clients got? Wing and Gong's search, with what was seen before remembered. */
#include "tests/sim/sim.h"

#include "lib/base/mem.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RECORDS_MAX 4096
#define OPS_MAX     64
#define NOT_READ    (UINT64_MAX - 1) /* a value that no read shows: they are all alike */

/* A key is three registers. The newest body and the newest metadata count each by themselves: a PUT
 * of which nobody was told may come to light beneath the metadata of a later POST. */
enum aspect { BODY, META, LISTED }; /* LISTED: values are 0 and 1 */

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
	uint64_t values[OPS_MAX]; /* of the ops, as far as reads can tell them apart */
	unsigned count;
	enum aspect of;
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

/* False when the operation could not have had its answer now. */
static bool apply(const struct search *s, unsigned op, uint64_t *value)
{
	const struct sim_record *r = s->ops[op];

	switch (r->op) {
	case SIM_PUT:
		*value = s->values[op];
		return true;
	case SIM_DELETE:
		if (r->failed && *value && s->of != LISTED)
			return false;
		*value = 0;
		return true;
	case SIM_CREATE:
		if (r->failed)
			return *value != 0;
		if (*value)
			return false;
		*value = s->values[op];
		return true;
	case SIM_POST:
		if (r->failed)
			return !*value;
		if (!*value)
			return false;
		*value = s->of == META ? s->values[op] : *value;
		return true;
	case SIM_REPLACE:
		if (s->of == BODY ? *value != r->instead : s->of == META && !*value)
			return false;
		*value = s->values[op];
		return true;
	case SIM_REMOVE: /* of nothing is done, too */
		if (s->of == BODY && *value && *value != r->instead)
			return false;
		*value = 0;
		return true;
	default:
		return *value == s->values[op];
	}
}

/* What was refused saw only; but in listings a delete of nothing may end what a lost write has
 * shown. */
static bool only_looks(const struct search *s, const struct sim_record *r)
{
	if (r->op == SIM_POST && s->of == BODY)
		return true;
	return r->op == SIM_GET || r->op == SIM_LIST || (r->failed && s->of != LISTED);
}

/* Those that may be next: of the others none has to be before them. */
static uint64_t may_be_next(const struct search *s, uint64_t done)
{
	uint64_t first_end = UINT64_MAX, mask = 0;

	for (unsigned i = 0; i < s->count; i++) {
		if (!(done >> i & 1) && s->ops[i]->end < first_end)
			first_end = s->ops[i]->end;
	}
	for (unsigned i = 0; i < s->count; i++) {
		if (!(done >> i & 1) && s->ops[i]->begin <= first_end)
			mask |= 1ull << i;
	}
	return mask;
}

/* What changes nothing and fits goes at once: in any order that goes on from here it can be moved
 * to the front, for it has no effect, and none of the others has to be before it. */
static uint64_t looks_that_fit(const struct search *s, uint64_t next, uint64_t value)
{
	uint64_t mask = 0;

	for (unsigned i = 0; i < s->count; i++) {
		if ((next >> i & 1) && only_looks(s, s->ops[i]) && apply(s, i, &value))
			mask |= 1ull << i;
	}
	return mask;
}

/* Does it ask what is there? */
static bool depends(const struct sim_record *r)
{
	return r->op == SIM_CREATE || r->op == SIM_POST || r->op == SIM_REPLACE ||
	       r->op == SIM_REMOVE;
}

/* A REMOVE that finds nothing writes no row: what a lost delete has left is listed still. */
static bool may_be_idle(const struct search *s, const struct sim_record *r)
{
	return r->op == SIM_REMOVE && s->of == LISTED;
}

/* unseen: the last one was a write that may not have happened, and that nobody has seen. If what
 * follows overwrites it, or nothing follows, there is the same order without it: so it needs no
 * try.
 */
static bool explain(struct search *s, uint64_t done, uint64_t value, bool unseen)
{
	uint64_t next, fit, tried[OPS_MAX];
	unsigned tried_count = 0;

	while ((fit = looks_that_fit(s, next = may_be_next(s, done), value))) {
		done |= fit;
		unseen = false;
	}
	if ((done & s->must) == s->must)
		return true;
	if (!remember(s, done, value * 2 + unseen))
		return false;
	/* What may not have happened at all is tried last. */
	for (unsigned n = 0; n < 2 * s->count; n++) {
		unsigned i = n % s->count, same = 0;
		const struct sim_record *r = s->ops[i];
		uint64_t then = value, mark, bit = 1ull << i;
		bool sure = s->must & bit, idle = sure && may_be_idle(s, r) && n >= s->count;
		if (!(next & bit) || (sure != (n < s->count) && !idle) || !apply(s, i, &then) ||
		        (unseen && !depends(r)))
			continue;
		if (idle)
			then = value;
		mark = then * 8 + r->op;
		/* They have no end: of several of a kind with the same effect any one will do, now
		 * or later. */
		while (!sure && same < tried_count && tried[same] != mark)
			same++;
		if (!sure && (then == value || same < tried_count))
			continue;
		if (!sure)
			tried[tried_count++] = mark;
		if (explain(s, done | bit, then, !sure))
			return true;
	}
	return false;
}

static const char *const names[] = {
        "put", "create", "delete", "get", "list", "post", "replace", "remove"};

static void tell(const struct search *s, unsigned key)
{
	static const char *const of[] = {"bodies", "metadata", "listings"};

	fprintf(stderr, "%s of key %u:\n", of[s->of], key);
	for (unsigned i = 0; i < s->count; i++) {
		const struct sim_record *r = s->ops[i];
		fprintf(stderr, "  %10llu..%-10llu client %u %s %llu/%llu%s%s\n",
		        (unsigned long long)r->begin,
		        (unsigned long long)(r->end == UINT64_MAX ? 0 : r->end), r->client,
		        names[r->op], (unsigned long long)r->value >> 32,
		        (unsigned long long)(uint32_t)r->value, r->failed ? " failed" : "",
		        r->sure ? "" : " (unknown)");
	}
}

static uint64_t part(const struct search *s, const struct sim_record *r)
{
	switch (s->of) {
	case BODY:
		return r->value == UINT64_MAX ? r->value : r->value >> 32;
	case META:
		return (uint32_t)r->value;
	default:
		return r->value != 0;
	}
}

static uint64_t as_read(const struct search *s, const struct sim_record *r)
{
	uint64_t value = part(s, r);

	if (s->of == LISTED || !value)
		return value;
	for (unsigned i = 0; i < s->count; i++) {
		if (s->ops[i]->op == SIM_GET && part(s, s->ops[i]) == value)
			return value;
	}
	return NOT_READ;
}

static bool concerns(enum aspect of, const struct sim_record *r)
{
	switch (r->op) {
	case SIM_GET:
		return r->sure && of != LISTED;
	case SIM_LIST:
		return r->sure && of == LISTED;
	case SIM_POST:
		return of == META || (r->sure && of == BODY);
	case SIM_REPLACE:
	case SIM_REMOVE:
		return !r->failed;
	default:
		return !(r->failed && of == LISTED) || r->op == SIM_DELETE;
	}
}

static void collect(struct search *s, unsigned key, enum aspect of)
{
	*s = (struct search){.of = of};
	for (unsigned i = 0; i < count; i++) {
		const struct sim_record *r = records[i];
		if (r->key != key || !concerns(of, r))
			continue;
		if (s->count == OPS_MAX)
			abort();
		if (r->sure)
			s->must |= 1ull << s->count;
		s->ops[s->count++] = r;
	}
	for (unsigned i = 0; i < s->count; i++)
		s->values[i] = as_read(s, s->ops[i]);
}

static bool check_key(unsigned key, enum aspect of)
{
	struct search s;

	collect(&s, key, of);
	if (world.verbose)
		tell(&s, key);
	bool ok = explain(&s, 0, 0, false);
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
		ok &= check_key(key, BODY) && check_key(key, META) &&
		      (!listings || check_key(key, LISTED));
	return ok;
}
