#include "identity/session.h"

#include "lib/json/jout.h"
#include "lib/json/jread.h"
#include <string.h>

/* A token opens for its own access key alone, and what is sealed for credentials is no token. */
static void about(const char *access, struct buf *out)
{
	buf_printf(out, "session %s", access);
}

void session_seal(const struct vault *vault, const struct session *s, struct buf *out)
{
	AUTO(buf) struct buf text = BUF_NONE;
	AUTO(buf) struct buf of = BUF_NONE;
	struct jout json = {.out = &text};

	about(s->access, &of);
	jout_object(&json, NULL);
	jout_text(&json, "secret", s->secret);
	jout_text(&json, "credential", s->credential_id);
	jout_text(&json, "role", s->role_id);
	jout_text(&json, "name", s->name);
	jout_text(&json, "policy", s->policy);
	jout_int(&json, "expires_us", (int64_t)s->expires_us);
	jout_end_object(&json);
	vault_seal(vault, buf_text(&of), buf_text(&text), out);
	explicit_bzero(text.data, text.len);
}

static const char *text_of(const struct jval *object, const char *name, struct arena *arena)
{
	const char *text;

	return jread_str(jread_get(object, name), &text) ? arena_strdup(arena, text) : NULL;
}

enum err session_open(const struct vault *vault, const char *access, const char *token,
        uint64_t now_us, struct arena *arena, struct session *ret)
{
	AUTO(jroot) struct jroot root = JROOT_NONE;
	AUTO(buf) struct buf of = BUF_NONE;
	const char *text;
	uint64_t expires_us;

	about(access, &of);
	if (strlen(token) > SESSION_TEXT ||
	        vault_unseal(vault, buf_text(&of), token, arena, &text) ||
	        jread_parse(text, strlen(text), &root) ||
	        !jread_u64(jread_get(root.value, "expires_us"), INT64_MAX, &expires_us))
		return ERR_UNPROCESSABLE;
	struct session s = {.access = access,
	        .secret = text_of(root.value, "secret", arena),
	        .credential_id = text_of(root.value, "credential", arena),
	        .role_id = text_of(root.value, "role", arena),
	        .name = text_of(root.value, "name", arena),
	        .policy = text_of(root.value, "policy", arena),
	        .expires_us = expires_us};
	if (!s.secret || !s.credential_id)
		return ERR_UNPROCESSABLE;
	if (s.expires_us <= now_us)
		return ERR_PRECONDITION;
	*ret = s;
	return ERR_OK;
}
