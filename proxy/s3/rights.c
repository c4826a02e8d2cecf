#include "proxy/s3/rights.h"

#include "proxy/s3/s3.h"

#include <string.h>

static const char *text_of(const struct jval *object, const char *name, struct arena *arena)
{
	const char *text;

	return jread_str(jread_get(object, name), &text) ? arena_strdup(arena, text) : NULL;
}

static bool read_one(const struct jval *value, struct jroot *ret)
{
	const char *text;

	return jread_str(value, &text) && !jread_parse(text, strlen(text), ret);
}

static bool read_all(const struct jval *list, struct arena *arena, struct s3_policies *p)
{
	if (!jread_is_array(list))
		return false;
	p->all = arena_zalloc(arena, (jread_len(list) + 1) * sizeof(*p->all));
	for (; p->count < jread_len(list); p->count++) {
		if (!read_one(jread_at(list, p->count), &p->all[p->count]))
			return false;
	}
	return true;
}

bool s3_rights_read(struct request *request, const char *json)
{
	struct arena *arena = request_arena(request);
	struct s3_rights *r = request->s3->rights = arena_zalloc(arena, sizeof(*r));
	AUTO(jroot) struct jroot root = JROOT_NONE;

	if (jread_parse(json, strlen(json), &root))
		return false;
	const struct jval *bound = jread_get(root.value, "bound"),
	                  *boundaries = jread_get(root.value, "boundaries");
	if (!read_all(jread_get(root.value, "policies"), arena, &r->policies) ||
	        (boundaries && !read_all(boundaries, arena, &r->boundaries)) ||
	        (bound && !jread_is_null(bound) && !read_one(bound, &r->bound)))
		return false;
	r->path = text_of(root.value, "path", arena);
	r->role = text_of(root.value, "role", arena);
	r->session = text_of(root.value, "session", arena);
	r->role_id = text_of(root.value, "role_id", arena);
	r->project_id = text_of(root.value, "project_id", arena);
	r->project_name = text_of(root.value, "project_name", arena);
	return !r->role || (r->session && r->role_id && r->project_id && r->project_name);
}

static void policies_done(struct s3_policies *p)
{
	for (unsigned i = 0; i < p->count; i++)
		jread_done(&p->all[i]);
}

void s3_rights_done(struct s3_rights *r)
{
	policies_done(&r->policies);
	policies_done(&r->boundaries);
	jread_done(&r->bound);
}

/* *ret_each: all of them allow it. */
static enum s3_verdict decide(struct request *request, const struct s3_target *target,
        const struct s3_policies *p, bool *ret_each)
{
	enum s3_verdict all = S3_SILENT;

	*ret_each = true;
	for (unsigned i = 0; i < p->count; i++) {
		enum s3_verdict one = s3_policy_attached(request, target, p->all[i].value);
		if (one == S3_DENIED)
			return one;
		all = one == S3_ALLOWED ? one : all;
		*ret_each &= one == S3_ALLOWED;
	}
	return all;
}

enum s3_verdict s3_rights_verdict(
        struct request *request, const struct s3_target *target, bool *ret_bounded)
{
	const struct s3_rights *r = request->s3->rights;
	bool ignored, within;

	*ret_bounded = false;
	if (!r)
		return S3_SILENT;
	enum s3_verdict all = decide(request, target, &r->policies, &ignored);
	if (all == S3_DENIED || decide(request, target, &r->boundaries, &within) == S3_DENIED)
		return S3_DENIED;
	if (r->bound.value && s3_policy_attached(request, target, r->bound.value) != S3_ALLOWED)
		return S3_DENIED;
	*ret_bounded = !within;
	return within ? all : S3_SILENT;
}
