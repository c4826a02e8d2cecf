/* The static large object that parts become. */
#include "proxy/manifest.h"
#include "proxy/pipeline.h"
#include "proxy/s3/upload.h"
#include "proxy/unit/symlink.h"

#include "lib/crypto/md5.h"
#include <string.h>

void upload_whole_begin(struct request *request, struct sub *sub)
{
	sub_init(sub, request, &unit_slo, SUB_AS_SYSTEM, "PUT");
	sub_path(sub, request->account, request->s3->bucket, request->s3->key, NULL);
}

static void text_of(const struct upload_whole *w, struct buf *json, char ret_md5[33])
{
	uint8_t digest[16];

	manifest_write(w->manifest, json);
	md5_digest(buf_text(json), json->len, digest);
	md5_hex(digest, ret_md5);
}

static const char *params(struct arena *arena, const struct upload_whole *w, const char *slo)
{
	const char *class =
	        w->class ? arena_printf(arena, "; " S3_CLASS_PARAM "=%s", w->class) : "",
	           *written = w->written
	                              ? arena_printf(arena, "; " S3_WRITTEN_PARAM "=%s", w->written)
	                              : "";

	return arena_printf(arena, "; s3_etag=%s%s%s; slo_etag=%s", w->etag, class, written, slo);
}

const char *upload_whole_params(struct arena *arena, const struct upload_whole *w, char ret_md5[33])
{
	AUTO(buf) struct buf json = BUF_NONE;
	char slo[33];

	text_of(w, &json, ret_md5);
	manifest_etag(w->manifest, slo);
	return params(arena, w, slo);
}

void upload_whole_send(struct request *request, struct sub *sub, const struct upload_whole *w)
{
	AUTO(buf) struct buf json = BUF_NONE;
	struct arena *arena = request_arena(request);
	const char *size = arena_printf(arena, "%llu", (unsigned long long)w->manifest->size);
	char md5[33], slo[33];

	text_of(w, &json, md5);
	manifest_etag(w->manifest, slo);
	sub_header(sub, UPLOAD_ID_HEADER, w->id);
	sub_header(sub, S3_ETAG, w->etag);
	if (w->written)
		sub_header(sub, S3_WRITTEN, w->written);
	sub_header(sub, "X-Object-Sysmeta-Slo-Etag", slo);
	sub_header(sub, "X-Object-Sysmeta-Slo-Size", size);
	sub_header(sub, "X-Static-Large-Object", "True");
	sub_header(sub, "Etag", md5);
	sub_header(sub, ROW_ETAG, arena_printf(arena, "%s%s", md5, params(arena, w, slo)));
	sub_header(sub, "Content-Type",
	        arena_printf(arena, "%s;swift_bytes=%s", w->type ? w->type : S3_TYPE, size));
	sub_body_text(sub, buf_text(&json), json.len);
	sub_start(sub);
}
