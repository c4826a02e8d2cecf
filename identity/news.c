/* What services must know to check tokens by themselves: the public keys, and what was revoked
 * (docs/formats/token.md, lib/auth/verify.h). */
#include "identity/revoke.h"

#include "lib/base/hex.h"
#include "lib/crypto/hmac.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STEP 1000 /* revocations of an answer */

struct news {
	struct rest_req *req;
	uint64_t after;
};

bool service_key_shown(const struct rest_req *req)
{
	const char *ours = identity_of(req)->conf.service_key,
	           *theirs = http_get(req->http, "X-Service-Key");
	size_t len = strlen(ours);

	return len && theirs && strlen(theirs) == len && hmac_equal(theirs, ours, len);
}

static void show_keys(struct identity *it, struct jout *out)
{
	jout_array(out, "keys");
	pthread_rwlock_rdlock(&it->keys_lock);
	for (unsigned i = 0; i < it->key_count; i++) {
		uint8_t bytes[32];
		char hex[65];
		token_key_bytes(it->keys[i], false, bytes);
		hex_encode(bytes, sizeof(bytes), hex);
		jout_object(out, NULL);
		jout_int(out, "number", token_key_number(it->keys[i]));
		jout_text(out, "public", hex);
		jout_end_object(out);
	}
	pthread_rwlock_unlock(&it->keys_lock);
	jout_end_array(out);
}

/* For as long as tokens live, and no longer: who asks about older ones does so here. The number of
 * the last one, if there may be more. */
static enum err show_revocations(const struct news *n, struct db_tx *tx, uint64_t *ret_last)
{
	struct jout *out = &n->req->json;
	uint64_t life, after = n->after;
	unsigned count = 0;
	enum err err = revoke_life(identity_of(n->req), tx, &life);

	if (err)
		return err;
	struct db_query q = db_query(tx, "SELECT number, at_us, kind, first_id, second_id FROM "
	                                 "revocation WHERE number > ? AND at_us > ? ORDER BY "
	                                 "number LIMIT ?");
	db_bind_int(&q, (int64_t)after);
	db_bind_int(&q, (int64_t)(time_now_us() - life));
	db_bind_int(&q, STEP);
	jout_array(out, "revocations");
	for (; db_step(&q); count++) {
		jout_object(out, NULL);
		jout_int(out, "number", db_int(&q, 0));
		jout_int(out, "at_us", db_int(&q, 1));
		jout_int(out, "expires_us", db_int(&q, 1) + (int64_t)life);
		jout_text(out, "kind", db_text(&q, 2));
		jout_text(out, "first", db_text(&q, 3));
		jout_text(out, "second", db_text(&q, 4));
		jout_end_object(out);
		after = (uint64_t)db_int(&q, 0);
	}
	jout_end_array(out);
	/* Numbers that are not told have expired. */
	if (count == STEP)
		*ret_last = after;
	return db_end(&q);
}

static enum err show(struct db_tx *tx, void *arg)
{
	struct news *n = arg;
	struct rest_req *req = n->req;
	uint64_t last, known;
	enum err err = db_last(tx, "revocation", &last);

	if (err)
		return err;
	known = last;
	buf_reset(&req->out);
	req->json = (struct jout){.out = &req->out};
	jout_object(&req->json, NULL);
	jout_object(&req->json, "news");
	show_keys(identity_of(req), &req->json);
	err = show_revocations(n, tx, &known);
	jout_int(&req->json, "known", (int64_t)known);
	jout_int(&req->json, "last", (int64_t)last);
	jout_end_object(&req->json);
	jout_end_object(&req->json);
	return err;
}

enum err on_news(struct rest_req *req)
{
	struct news n = {.req = req};
	const char *after = query_get(&req->query, "after");
	char *end = NULL;

	if (!service_key_shown(req)) {
		enum err err = rest_allow_as(req, "identity:list_revoke_events", NULL, 0);
		if (err)
			return err;
	}
	n.after = after ? strtoull(after, &end, 10) : 0;
	if (after && (*after < '0' || *after > '9' || *end))
		return rest_fail(req, ERR_BAD_REQUEST, "after must be a number.");
	return db_run(identity_of(req)->db, DB_READ, show, &n);
}
