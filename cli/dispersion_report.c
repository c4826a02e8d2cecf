#include "cli/dispersion.h"

#include "lib/base/mem.h"
#include "lib/json/jread.h"
#include <stdlib.h>
#include <string.h>

#define COPIES_MAX 256

struct look {
	uint64_t partition;
	unsigned expected, found;
};

static bool read_look(struct pass *pass, const struct asked *asked, struct look *look)
{
	AUTO(jroot) struct jroot root = JROOT_NONE;
	AUTO(buf) struct buf names = BUF_NONE;
	const char *device, *lacks;

	if (jread_parse(asked->body.data, asked->body.len, &root) ||
	        !jread_u64(jread_get(root.value, "partition"), UINT32_MAX, &look->partition))
		return false;
	const struct jval *copies = jread_get(root.value, "copies");
	look->expected = (unsigned)jread_len(copies);
	for (unsigned i = 0; i < look->expected; i++) {
		const struct jval *copy = jread_at(copies, i);
		if (!jread_str(jread_get(copy, "device"), &device))
			return false;
		if (jread_str(jread_get(copy, "lacks"), &lacks))
			buf_printf(&names, "%s %s (%s)", names.len ? "," : "", device, lacks);
		else
			look->found++;
	}
	unsigned missing = look->expected - look->found;
	if (pass->options->partitions && missing) {
		progress_end(pass);
		fprintf(stderr, "# %s partition %llu missing %u %s:%s\n",
		        probes_kind(&pass->probes), (unsigned long long)look->partition, missing,
		        plural(missing, "copy", "copies"), buf_text(&names));
	}
	return true;
}

static void on_look(struct asked *asked)
{
	struct pass *pass = asked->owner;

	if (asked->status != 200 || !read_look(pass, asked, &pass->looks[asked->number]))
		probing_fail(pass->probes.probing, "a probe cannot be looked for", asked->target,
		        asked->status);
	progress(pass);
}

static void look_for_all(struct pass *pass)
{
	struct probes *p = &pass->probes;

	pass->looks = mem_zalloc(((size_t)p->count + 1) * sizeof(*pass->looks));
	pass->doing = "Looking for";
	pass->todo = p->count;
	for (unsigned i = 0; i < p->count && !p->probing->failed; i++) {
		AUTO(buf) struct buf target = BUF_NONE;
		buf_printf(&target, DISPERSION_PREFIX "look?policy=%u&kind=%s&probe=%u",
		        p->policy->index, probes_kind(p), p->numbers[i]);
		asker_start(p->probing->asker, "GET", buf_text(&target), NULL, on_look, pass, i);
	}
	asker_wait(p->probing->asker);
	progress_end(pass);
}

/* What was found: of each partition the first probe counts. */
struct found {
	uint64_t expected, found, overlapping;
	uint64_t missing[COPIES_MAX + 1]; /* partitions, by how many copies they miss */
	uint64_t lost;                    /* that have none */
};

static void add_up(struct pass *pass, struct found *f)
{
	struct probes *p = &pass->probes;

	memset(p->covered, 0, p->partitions / 8 + 1);
	p->covered_count = 0;
	for (unsigned i = 0; i < p->count; i++) {
		const struct look *look = &pass->looks[i];
		if (look->partition >= p->partitions || !probes_cover(p, look->partition)) {
			f->overlapping++;
			continue;
		}
		f->expected += look->expected;
		f->found += look->found;
		unsigned missing = look->expected - look->found;
		f->missing[missing <= COPIES_MAX ? missing : COPIES_MAX]++;
		f->lost += !look->found;
	}
}

static void print_found(const struct pass *pass, const struct found *f)
{
	const struct probes *p = &pass->probes;
	const char *kind = probes_kind(p);

	printf("%s: %u %s in %llu of %llu partitions (%.2f%%)\n", p->policy->name, p->count,
	        p->object ? plural(p->count, "object", "objects")
	                  : plural(p->count, "container", "containers"),
	        (unsigned long long)p->covered_count, (unsigned long long)p->partitions,
	        percent(p->covered_count, p->partitions));
	for (unsigned i = 1; i <= COPIES_MAX; i++) {
		if (f->missing[i])
			printf("  %llu %s %u %s\n", (unsigned long long)f->missing[i],
			        plural(f->missing[i], "partition misses", "partitions miss"), i,
			        plural(i, "copy", "copies"));
	}
	if (f->lost)
		printf("  !!! %llu %s no copy at all\n", (unsigned long long)f->lost,
		        plural(f->lost, "partition has", "partitions have"));
	printf("  %.2f%% of %s copies found (%llu of %llu)\n", percent(f->found, f->expected), kind,
	        (unsigned long long)f->found, (unsigned long long)f->expected);
}

/* Names as Swift's report has them. */
static void dump_found(const struct pass *pass, const struct found *f, struct jout *j)
{
	AUTO(buf) struct buf share = BUF_NONE;

	jout_object(j, probes_kind(&pass->probes));
	jout_int(j, "retries", asker_retries(pass->probes.probing->asker));
	jout_int(j, "overlapping", (int64_t)f->overlapping);
	jout_f64(&share, percent(f->found, f->expected));
	jout_raw(j, "pct_found", buf_text(&share));
	jout_int(j, "copies_found", (int64_t)f->found);
	jout_int(j, "copies_expected", (int64_t)f->expected);
	for (unsigned i = 1; i <= COPIES_MAX; i++) {
		char name[24];
		snprintf(name, sizeof(name), "missing_%u", i);
		if (f->missing[i])
			jout_int(j, name, (int64_t)f->missing[i]);
	}
	jout_end_object(j);
}

bool dispersion_report(struct pass *pass, struct jout *j)
{
	struct probes *p = &pass->probes;
	struct found f = {0};

	if (!probes_load(p))
		return false;
	if (!p->count) {
		p->probing->failed = true;
		fprintf(stderr,
		        "cairn: %s: there are no %ss to look for: `cairn dispersion populate` "
		        "makes them\n",
		        p->policy->name, probes_kind(p));
		return false;
	}
	look_for_all(pass);
	if (p->probing->failed)
		return false;
	add_up(pass, &f);
	if (pass->options->json)
		dump_found(pass, &f, j);
	else
		print_found(pass, &f);
	return f.found == f.expected;
}
