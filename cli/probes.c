#include "cli/probes.h"

#include "lib/base/mem.h"
#include "lib/json/jread.h"
#include <limits.h>
#include <stdlib.h>
#include <string.h>

void probing_fail(struct probing *probing, const char *what, const char *target, int status)
{
	probing->failed = true;
	if (status)
		fprintf(stderr, "cairn: %s: %s: the node says %d\n", what, target, status);
	else
		fprintf(stderr, "cairn: %s: %s: the node does not answer\n", what, target);
}

void probing_done(struct probing *probing)
{
	for (unsigned i = 0; i < probing->policy_count; i++)
		free(probing->policies[i].name);
	free(probing->policies);
	asker_free(probing->asker);
}

const char *probes_kind(const struct probes *p)
{
	return p->object ? "object" : "container";
}

static bool add_policy(struct probing *probing, const struct jval *value)
{
	struct probe_policy *p = &probing->policies[probing->policy_count];
	const char *name;
	uint64_t index;

	if (!jread_u64(jread_get(value, "index"), UINT_MAX, &index) ||
	        !jread_str(jread_get(value, "name"), &name) ||
	        !jread_bool(jread_get(value, "default"), &p->is_default) ||
	        !jread_bool(jread_get(value, "deprecated"), &p->deprecated))
		return false;
	p->index = (unsigned)index;
	p->name = mem_strdup(name);
	probing->policy_count++;
	return true;
}

bool probing_load(struct probing *probing)
{
	static const char target[] = DISPERSION_PREFIX "policies";
	AUTO(buf) struct buf body = BUF_NONE;
	AUTO(jroot) struct jroot root = JROOT_NONE;

	int status = asker_get(probing->asker, "GET", target, &body);
	if (status != 200 || jread_parse(body.data, body.len, &root)) {
		probing_fail(probing, "policies", target, status);
		return false;
	}
	size_t count = jread_len(root.value);
	probing->policies = mem_zalloc((count + 1) * sizeof(*probing->policies));
	for (size_t i = 0; i < count; i++) {
		if (!add_policy(probing, jread_at(root.value, i)))
			return false;
	}
	return true;
}

/* What stands before the numbers in the probes' names, and where they are listed. */
static void listed_at(const struct probes *p, struct buf *prefix, struct buf *target)
{
	buf_str(target, DISPERSION_PREFIX "store");
	if (p->object) {
		buf_str(prefix, "dispersion_");
		buf_printf(target, "/" DISPERSION_OBJECTS, p->policy->index);
	} else {
		buf_printf(prefix, "dispersion_%u_", p->policy->index);
	}
	buf_printf(target, "?format=json&prefix=%s&marker=", buf_text(prefix));
}

static void add_number(struct probes *p, const char *text)
{
	char *end;
	unsigned long number = strtoul(text, &end, 10);

	if (!*text || *end || strspn(text, "0123456789") != strlen(text) || number > UINT_MAX)
		return; /* somebody else's */
	if (p->count == p->room) {
		p->room = p->room ? p->room * 2 : 1024;
		p->numbers = mem_realloc(p->numbers, p->room * sizeof(*p->numbers));
	}
	p->numbers[p->count++] = (unsigned)number;
}

/* A page of names into numbers; how many there were, or -1. */
static long add_page(
        struct probes *p, const struct buf *body, size_t prefix_len, struct buf *marker)
{
	AUTO(jroot) struct jroot root = JROOT_NONE;
	const char *name;

	if (jread_parse(body->data, body->len, &root))
		return -1;
	size_t count = jread_len(root.value);
	for (size_t i = 0; i < count; i++) {
		if (!jread_str(jread_get(jread_at(root.value, i), "name"), &name) ||
		        strlen(name) < prefix_len)
			return -1;
		add_number(p, name + prefix_len);
		buf_reset(marker);
		buf_str(marker, name);
	}
	return (long)count;
}

static int by_number(const void *a, const void *b)
{
	unsigned x = *(const unsigned *)a, y = *(const unsigned *)b;

	return (x > y) - (x < y);
}

static bool list_probes(struct probes *p)
{
	AUTO(buf) struct buf prefix = BUF_NONE, at = BUF_NONE, marker = BUF_NONE;
	long more = 1;

	listed_at(p, &prefix, &at);
	while (more > 0) {
		AUTO(buf) struct buf target = BUF_NONE, body = BUF_NONE;
		buf_printf(&target, "%s%s", buf_text(&at), buf_text(&marker));
		int status = asker_get(p->probing->asker, "GET", buf_text(&target), &body);
		if (status == 404 || status == 204)
			break;
		more = status == 200 ? add_page(p, &body, prefix.len, &marker) : -1;
		if (more < 0)
			probing_fail(
			        p->probing, "probes cannot be listed", buf_text(&target), status);
	}
	if (p->count)
		qsort(p->numbers, p->count, sizeof(*p->numbers), by_number);
	return more >= 0;
}

static bool take_parts(struct probes *p, const struct buf *body)
{
	AUTO(jroot) struct jroot root = JROOT_NONE;
	uint64_t part;

	if (jread_parse(body->data, body->len, &root) ||
	        !jread_u64(jread_get(root.value, "partitions"), UINT32_MAX, &p->partitions))
		return false;
	const struct jval *parts = jread_get(root.value, "parts");
	p->parts_count = (unsigned)jread_len(parts);
	if (p->parts_count != DISPERSION_PARTS)
		return false;
	for (unsigned i = 0; i < p->parts_count; i++) {
		if (!jread_u64(jread_at(parts, i), p->partitions - 1, &part))
			return false;
		p->parts[i] = (uint32_t)part;
	}
	return true;
}

uint64_t probes_part(struct probes *p, unsigned number)
{
	AUTO(buf) struct buf target = BUF_NONE, body = BUF_NONE;

	if (number - p->parts_from < p->parts_count && number >= p->parts_from)
		return p->parts[number - p->parts_from];
	p->parts_from = number - number % DISPERSION_PARTS;
	p->parts_count = 0;
	buf_printf(&target, DISPERSION_PREFIX "parts?policy=%u&kind=%s&from=%u&count=%u",
	        p->policy->index, probes_kind(p), p->parts_from, DISPERSION_PARTS);
	int status = asker_get(p->probing->asker, "GET", buf_text(&target), &body);
	if (status == 200 && take_parts(p, &body))
		return p->parts[number - p->parts_from];
	probing_fail(p->probing, "partitions", buf_text(&target), status);
	return UINT64_MAX;
}

bool probes_cover(struct probes *p, uint64_t part)
{
	if (p->covered[part / 8] >> part % 8 & 1)
		return false;
	p->covered[part / 8] |= (uint8_t)(1u << part % 8);
	p->covered_count++;
	return true;
}

bool probes_load(struct probes *p)
{
	if (!list_probes(p) || probes_part(p, 0) == UINT64_MAX)
		return false;
	p->covered = mem_zalloc(p->partitions / 8 + 1);
	for (unsigned i = 0; i < p->count; i++) {
		uint64_t part = probes_part(p, p->numbers[i]);
		if (part == UINT64_MAX)
			return false;
		probes_cover(p, part);
	}
	return true;
}

void probes_done(struct probes *p)
{
	free(p->numbers);
	free(p->covered);
}
bool probes_has(const struct probes *p, unsigned number)
{
	return p->count && bsearch(&number, p->numbers, p->count, sizeof(number), by_number);
}
