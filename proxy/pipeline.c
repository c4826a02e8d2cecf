#include "proxy/pipeline.h"

#include <assert.h>

/* In the order of Swift's sample pipeline: what may refuse soonest comes first, what changes what
 * is stored comes last. */
const struct unit *const pipeline[] = {
        &unit_gatekeeper,
        &unit_cname_lookup,
        &unit_domain_remap,
        &unit_name_check,
        &unit_crossdomain,
        &unit_s3api,
        &unit_tempauth,
        &unit_etag_quoter,
        &unit_container_sync,
        &unit_bulk_upload,
        &unit_bulk_delete,
        &unit_tempurl,
        &unit_formpost,
        &unit_ratelimit,
        &unit_read_only,
        &unit_staticweb,
        &unit_copy,
        &unit_container_quotas,
        &unit_account_quotas,
        &unit_slo,
        &unit_dlo,
        &unit_versioned_writes,
        &unit_object_versioning,
        &unit_symlink,
        &unit_tempurl_end,
        NULL,
};

unsigned pipeline_behind(const struct unit *unit)
{
	unsigned i = 0;

	if (!unit)
		return 0;
	while (pipeline[i] && pipeline[i] != unit)
		i++;
	assert(pipeline[i]);
	return i + 1;
}

static enum step walk(struct request *request, uint8_t *at, bool enters)
{
	const struct op_state *states = request->op.states;

	while (pipeline[*at] && request->op.states == states) {
		const struct unit *unit = pipeline[*at];
		enum step (*look)(struct request *) = enters ? unit->enter : unit->pass;
		enum step step = look ? look(request) : STEP_NEXT;
		if (step != STEP_NEXT)
			return step;
		request->unit_own = NULL;
		++*at;
	}
	return STEP_NEXT;
}

enum step pipeline_enter(struct request *request)
{
	return walk(request, &request->entered, true);
}

enum step pipeline_pass(struct request *request)
{
	return walk(request, &request->passed, false);
}

void pipeline_answer(struct request *request, int status)
{
	for (unsigned i = request->first_unit; pipeline[i]; i++) {
		if (pipeline[i]->answer)
			pipeline[i]->answer(request, status);
	}
}

void pipeline_info(const struct cluster *cluster, struct buf *out)
{
	for (unsigned i = 0; pipeline[i]; i++) {
		if (!pipeline[i]->info)
			continue;
		size_t before = out->len;
		buf_printf(out, ", \"%s\": {", pipeline[i]->name);
		if (pipeline[i]->info(cluster, out))
			buf_char(out, '}');
		else
			out->len = before;
	}
}
