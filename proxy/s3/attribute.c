#include "proxy/s3/attribute.h"

#include "proxy/s3/s3.h"
#include "proxy/unit/reserved.h"
#include "proxy/unit/versions.h"

#include "lib/base/kv.h"
#include <string.h>
#include <strings.h>

static void attribute_done(struct request *request)
{
	struct s3_attribute *a = request->own;

	sub_done(&a->look);
	sub_done(&a->store);
	s3_document_done(&a->document);
}

struct s3_attribute *s3_attribute_own(struct request *request)
{
	if (!request->own) {
		request->own = arena_zalloc(request_arena(request), sizeof(struct s3_attribute));
		request->own_done = attribute_done;
	}
	return request->own;
}

static enum step is_not_there(struct request *request, const struct s3_attribute *a)
{
	const char *type = sub_get(&a->look, "Content-Type"),
	           *id = sub_get(&a->look, "X-Object-Version-Id");

	if (type && id && strcmp(type, VERSIONS_MARKER) == 0) {
		http_header(request->http, "Content-Type", "application/xml");
		http_header(request->http, "x-amz-delete-marker", "true");
		http_header(request->http, "Allow", "DELETE");
		return s3_fail_with(request, S3_MethodNotAllowed);
	}
	return s3_fail(request, s3_param(request, "versionId") ? S3_NoSuchVersion : S3_NoSuchKey);
}

static void start_look(struct request *request, struct s3_attribute *a)
{
	const char *version = query_get(&request->query, "version-id");

	sub_init(&a->look, request, NULL, SUB_AS_SYSTEM, "HEAD");
	sub_path(&a->look, request->account, request->container, request->object,
	        version ? arena_printf(request_arena(request), "version-id=%s", version) : NULL);
	sub_start(&a->look);
	a->looked = true;
}

static void found(struct request *request, struct s3_attribute *a)
{
	const char *id = sub_get(&a->look, "X-Object-Version-Id");

	if (!s3_versioning(request->container_info.info))
		return;
	a->version = "null";
	if (id && ts_parse(id, &a->id) && !sub_get(&a->look, VERSIONS_NULL))
		a->version = arena_strdup(request_arena(request), id);
}

enum step s3_attribute_look(struct request *request)
{
	struct s3_attribute *a = s3_attribute_own(request);
	enum s3_error error;
	const char *text = NULL;

	if (!a->taken) {
		if (!s3_version_take(request, &error, &text))
			return STEP_WAIT;
		if (error)
			return s3_fail_text(request, error, text);
		a->taken = true;
	}
	if (!a->looked)
		start_look(request, a);
	if (!sub_headed(&a->look))
		return STEP_WAIT;
	if (a->look.status == 404)
		return is_not_there(request, a);
	if (!sub_ok(&a->look))
		return s3_fail_sub(request, &a->look);
	if ((error = s3_may_object(request, &a->look.headers)))
		return s3_fail(request, error);
	found(request, a);
	return STEP_NEXT;
}

void s3_same_metadata(struct sub *store, const struct sub *look)
{
	static const char *const same[] = {"Content-Disposition", "Content-Encoding",
	        "Content-Language", "Cache-Control", "Expires", "X-Robots-Tag", "X-Object-Manifest",
	        "X-Delete-At"};
	struct kv_pair pair;

	for (size_t at = 0; kv_next(look->headers.data, look->headers.len, &at, &pair);) {
		bool copies = has_prefix(pair.name, "X-Object-Meta-");
		for (unsigned i = 0; i < COUNT_OF(same); i++)
			copies |= strcasecmp(pair.name, same[i]) == 0;
		if (copies)
			sub_header(store, pair.name, pair.value);
	}
}

bool s3_attribute_store(struct request *request, const char *name, const char *value)
{
	struct s3_attribute *a = request->own;
	struct arena *arena = request_arena(request);

	if (!a->store.x && !a->store.headed) {
		sub_init(&a->store, request, NULL, SUB_AS_SYSTEM, "POST");
		if (a->id)
			sub_path(&a->store, request->account,
			        versions_container(arena, request->container),
			        versions_object(arena, request->object, a->id), NULL);
		else
			sub_path(&a->store, request->account, request->container, request->object,
			        NULL);
		s3_same_metadata(&a->store, &a->look);
		sub_header(&a->store, name, value);
		sub_start(&a->store);
	}
	return sub_headed(&a->store);
}

bool s3_bucket_store(struct request *request, const char *name, const char *value)
{
	struct s3_attribute *a = s3_attribute_own(request);

	if (!a->store.x && !a->store.headed) {
		sub_init(&a->store, request, NULL, SUB_AS_SYSTEM, "POST");
		sub_path(&a->store, request->account, request->container, NULL, NULL);
		sub_header(&a->store, name, value);
		sub_start(&a->store);
	}
	return sub_headed(&a->store);
}

enum step s3_attribute_stored(struct request *request, int status)
{
	const struct s3_attribute *a = request->own;

	if (!sub_ok(&a->store))
		return s3_fail_sub(request, &a->store);
	if (a->version)
		http_header(request->http, "x-amz-version-id", a->version);
	return s3_empty(request, status);
}
