#include "proxy/s3/upload_claim.h"

#include "proxy/put.h"

#include "lib/base/kv.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define CLAIMS_MAX 16
#define TRIES_MAX  8 /* of what many write at once, and may not be decided just then */

/* --- texts --- */

struct claim {
	const char *text; /* all of it */
	size_t len;
	uint64_t since;
	const char *id;
	size_t id_len;
};

static bool next_claim(const char **at, struct claim *ret_claim)
{
	const char *text = *at ? *at + strspn(*at, " ") : "";
	size_t len = strcspn(text, " ");
	const char *dash = memchr(text, '-', len);

	if (!len)
		return false;
	*ret_claim = (struct claim){
	        .text = text, .len = len, .since = strtoull(text, NULL, 10), .id = ""};
	if (dash) {
		ret_claim->id = dash + 1;
		ret_claim->id_len = len - (size_t)(dash + 1 - text);
	}
	*at = text + len;
	return true;
}

static bool stands(const struct claim *claim, uint64_t now_s)
{
	return now_s < claim->since + UPLOAD_CLAIM_S;
}

bool claims_stand(const char *claims, uint64_t now_s)
{
	struct claim claim;

	while (next_claim(&claims, &claim)) {
		if (stands(&claim, now_s))
			return true;
	}
	return false;
}

/* The newest that stand, but for that of `id`. Of more than so many the last says only since when.
 */
static const char *others(
        struct arena *arena, const char *claims, const char *id, uint64_t now_s, unsigned max)
{
	struct claim claim;
	const char *kept = "";

	for (unsigned count = 0; count < max && next_claim(&claims, &claim);) {
		bool ours = claim.id_len == strlen(id) && memcmp(claim.id, id, claim.id_len) == 0;
		if (ours || !stands(&claim, now_s))
			continue;
		size_t len = ++count == max ? strspn(claim.text, "0123456789") : claim.len;
		kept = arena_printf(
		        arena, "%s%s%.*s", kept, *kept ? " " : "", (int)len, claim.text);
	}
	return kept;
}

const char *claims_with(struct arena *arena, const char *claims, const char *id, uint64_t now_s)
{
	const char *kept = others(arena, claims, id, now_s, CLAIMS_MAX - 1);

	return arena_printf(
	        arena, "%llu-%s%s%s", (unsigned long long)now_s, id, *kept ? " " : "", kept);
}

const char *claims_without(struct arena *arena, const char *claims, const char *id, uint64_t now_s)
{
	return others(arena, claims, id, now_s, CLAIMS_MAX);
}

/* --- on the marker --- */

/* All that it has stays. */
static void copy_headers(struct sub *sub, const struct buf *headers)
{
	struct kv_pair pair;

	for (size_t at = 0; kv_next(headers->data, headers->len, &at, &pair);) {
		if (upload_keeps(pair.name) && strcasecmp(pair.name, UPLOAD_CLAIMS) != 0)
			sub_header(sub, pair.name, pair.value);
	}
}

static void start_write(
        struct request *request, struct upload *u, struct sub *sub, const char *claims)
{
	struct arena *arena = request_arena(request);
	bool plain = request->proxy->backend->plain;

	sub_init(sub, request, NULL, SUB_AS_SYSTEM, plain ? "POST" : "PUT");
	sub_path(sub, request->account, upload_container(arena, request->s3->bucket),
	        upload_marker(arena, request->s3->key, u->id), NULL);
	copy_headers(sub, &u->marker.headers);
	if (*claims || plain)
		sub_header(sub, UPLOAD_CLAIMS, claims);
	s3_sse_sub(request, sub, upload_header(u, S3_SSE));
	if (!plain) {
		sub_header(sub, PUT_IF_THERE, sub_get(&u->marker, "X-Timestamp"));
		sub_body_text(sub, "", 0);
	}
	sub_start(sub);
}

/* Once the upload is found, and again for as long as others have changed it meanwhile. */
static bool run(struct request *request, struct upload *u, struct upload_claim *c,
        const char *(*change)(struct arena *, const char *, const char *, uint64_t))
{
	uint64_t now_s = hlc_now(request_cluster(request)->hlc) / TS_PER_SECOND;

	for (;; sub_done(&c->write), upload_done(u), *u = (struct upload){0}) {
		if (!upload_find(request, u, &c->error))
			return false;
		if (c->error)
			return true;
		if (!c->write.parent) {
			const char *was = upload_header(u, UPLOAD_CLAIMS),
			           *claims = change(request_arena(request), was, c->id, now_s);
			if (strcmp(claims, was ? was : "") == 0)
				return true;
			start_write(request, u, &c->write, claims);
		}
		if (!sub_headed(&c->write))
			return false;
		bool undecided = c->write.status == 503 && ++c->undecided < TRIES_MAX;
		if (c->write.status != 412 && c->write.status != 404 && !undecided)
			break;
	}
	c->error = sub_ok(&c->write) ? S3_OK : S3_ServiceUnavailable;
	sub_done(&c->write);
	return true;
}

bool upload_claim_make(struct request *request, struct upload *u, struct upload_claim *c)
{
	const struct env *env = request_cluster(request)->env;
	uint64_t random;

	if (!c->id) {
		env->random(env, &random, sizeof(random));
		c->id = arena_printf(request_arena(request), "%016llx", (unsigned long long)random);
	}
	return run(request, u, c, claims_with);
}

bool upload_claim_drop(struct request *request, struct upload *u, struct upload_claim *c)
{
	if (!c->looks) {
		c->looks = true;
		c->undecided = 0;
		upload_done(u);
		*u = (struct upload){0};
	}
	return run(request, u, c, claims_without);
}

void upload_claim_done(struct upload_claim *c)
{
	sub_done(&c->write);
}
