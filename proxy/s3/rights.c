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

bool s3_rights_read(struct request *request, const char *json)
{
	struct arena *arena = request_arena(request);
	struct s3_rights *r = request->s3->rights = arena_zalloc(arena, sizeof(*r));
	AUTO(jroot) struct jroot root = JROOT_NONE;

	if (jread_parse(json, strlen(json), &root))
		return false;
	const struct jval *list = jread_get(root.value, "policies"),
	                  *bound = jread_get(root.value, "bound");
	if (!jread_is_array(list) ||
	        (bound && !jread_is_null(bound) && !read_one(bound, &r->bound)))
		return false;
	r->policies = arena_zalloc(arena, (jread_len(list) + 1) * sizeof(*r->policies));
	for (; r->count < jread_len(list); r->count++) {
		if (!read_one(jread_at(list, r->count), &r->policies[r->count]))
			return false;
	}
	r->path = text_of(root.value, "path", arena);
	r->role = text_of(root.value, "role", arena);
	r->session = text_of(root.value, "session", arena);
	r->role_id = text_of(root.value, "role_id", arena);
	r->project_id = text_of(root.value, "project_id", arena);
	r->project_name = text_of(root.value, "project_name", arena);
	return !r->role || (r->session && r->role_id && r->project_id && r->project_name);
}

void s3_rights_done(struct s3_rights *r)
{
	for (unsigned i = 0; i < r->count; i++)
		jread_done(&r->policies[i]);
	jread_done(&r->bound);
}

enum s3_verdict s3_rights_verdict(struct request *request, const struct s3_target *target)
{
	const struct s3_rights *r = request->s3->rights;
	enum s3_verdict all = S3_SILENT;

	if (!r)
		return S3_SILENT;
	for (unsigned i = 0; i < r->count; i++) {
		enum s3_verdict one = s3_policy_attached(request, target, r->policies[i].value);
		if (one == S3_DENIED)
			return one;
		all = one == S3_ALLOWED ? one : all;
	}
	if (r->bound.value && s3_policy_attached(request, target, r->bound.value) != S3_ALLOWED)
		return S3_DENIED;
	return all;
}
