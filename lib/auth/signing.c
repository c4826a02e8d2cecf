/* Keys of AWS signatures: what the identity service has derived from secrets, for a day, a region
 * and a service each. Kept while the token that came with one is good, and its credential is. */
#include "lib/auth/verify_internal.h"

#include "lib/base/base64.h"
#include "lib/base/hash.h"
#include "lib/base/kv.h"
#include "lib/base/mem.h"
#include "lib/http/url.h"
#include "lib/json/jout.h"
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SLOTS 1024

struct signing_slot {
	char *scope; /* NULL: empty */
	char *credential, *token, *user_name, *project_name;
	uint8_t key[SIGNING_KEY];
	uint64_t news;        /* up to which its credential was not revoked */
	char *rights;         /* JSON, or NULL */
	char *role, *project; /* of a role that was taken, or NULL */
	uint64_t until_us;    /* 0: no session's */
};

struct signing_slots {
	pthread_mutex_t lock;
	struct signing_slot slots[SLOTS]; /* under lock */
};

struct signing_slots *signing_slots_new(void)
{
	struct signing_slots *s = mem_zalloc(sizeof(*s));

	pthread_mutex_init(&s->lock, NULL);
	return s;
}

static void clear(struct signing_slot *s)
{
	free(s->scope);
	free(s->credential);
	free(s->token);
	free(s->user_name);
	free(s->project_name);
	free(s->rights);
	free(s->role);
	free(s->project);
	explicit_bzero(s, sizeof(*s));
}

void signing_slots_free(struct signing_slots *s)
{
	for (unsigned i = 0; i < SLOTS; i++)
		clear(&s->slots[i]);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

static void ask_about(const struct signing *s, struct buf *out)
{
	struct jout json = {.out = out};
	AUTO(buf) struct buf text = BUF_NONE;

	base64_encode(s->text, s->text_len, &text);
	jout_object(&json, NULL);
	jout_object(&json, "credentials");
	jout_text(&json, "access", s->access);
	jout_text(&json, "token", buf_text(&text));
	jout_text(&json, "signature", s->signature);
	if (s->session)
		jout_text(&json, "session", s->session);
	jout_end_object(&json);
	jout_end_object(&json);
}

#define SESSION "{\"session\":"
#define ACTION  "{\"aws\":"

static void ask_of_session(const struct signing *s, struct buf *out)
{
	struct jout json = {.out = out};

	jout_object(&json, NULL);
	jout_object(&json, "session");
	jout_text(&json, "access", s->access);
	jout_text(&json, "date", s->date);
	jout_text(&json, "region", s->region);
	jout_text(&json, "service", s->service);
	jout_text(&json, "token", s->session);
	jout_end_object(&json);
	jout_end_object(&json);
}

void signing_action(const struct verify_form *form, struct buf *out)
{
	struct jout json = {.out = out};

	jout_object(&json, NULL);
	jout_object(&json, "aws");
	jout_text(&json, "service", form->service);
	jout_text(&json, "access", form->access);
	jout_text(&json, "session", form->session);
	jout_text(&json, "form", form->form);
	jout_text(&json, "from", form->from);
	jout_text(&json, "agent", form->agent);
	jout_bool(&json, "tls", form->tls);
	jout_end_object(&json);
	jout_end_object(&json);
}

void signing_scope(const struct signing *s, struct buf *out)
{
	const char *const parts[][2] = {{"access", s->access}, {"date", s->date},
	        {"region", s->region}, {"service", s->service}};

	if (s->text) {
		ask_about(s, out);
		return;
	}
	if (s->session) {
		ask_of_session(s, out);
		return;
	}
	for (unsigned i = 0; i < COUNT_OF(parts); i++) {
		buf_printf(out, "%s%s=", i ? "&" : "", parts[i][0]);
		url_quote(out, parts[i][1], "");
	}
}

static struct signing_slot *slot_of(struct verify *v, const char *scope)
{
	return &v->signing->slots[hash_bytes(scope, strlen(scope), 5) % SLOTS];
}

static const char *copy_text(struct arena *arena, const char *text)
{
	return text ? arena_strdup(arena, text) : NULL;
}

static uint64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* Under the locks. A role ends by news as a credential does, and with the project that it is of. */
static bool is_revoked(struct verify *v, const struct signing_slot *s)
{
	if (revocations_has(v->set, REVOKE_CREDENTIAL, s->credential, NULL, s->news))
		return true;
	return s->role &&
	       (revocations_has(v->set, REVOKE_CREDENTIAL, s->role, NULL, s->news) ||
	               revocations_has(v->set, REVOKE_PROJECT, s->project, NULL, s->news));
}

/* Under the locks. */
static bool is_good(struct verify *v, struct signing_slot *s, const char *scope)
{
	if (!s->scope || strcmp(s->scope, scope) != 0)
		return false;
	if (s->until_us && s->until_us <= now_us()) {
		clear(s);
		return false;
	}
	if (s->news == revocations_last(v->set))
		return true;
	if (is_revoked(v, s)) {
		clear(s);
		return false;
	}
	s->news = revocations_last(v->set);
	return true;
}

enum err verify_signing(struct verify *v, const struct signing *signing, struct arena *arena,
        const struct signer **ret_signer)
{
	struct signer *signer = arena_zalloc(arena, sizeof(*signer));
	struct verified *who = arena_zalloc(arena, sizeof(*who));
	AUTO(buf) struct buf scope = BUF_NONE;
	const struct verified *found;

	if (signing->text)
		return ERR_BUSY;
	signing_scope(signing, &scope);
	pthread_rwlock_rdlock(&v->lock);
	pthread_mutex_lock(&v->signing->lock);
	struct signing_slot *s = slot_of(v, buf_text(&scope));
	bool good = is_good(v, s, buf_text(&scope));
	if (good) {
		memcpy(signer->key, s->key, sizeof(s->key));
		signer->token = copy_text(arena, s->token);
		signer->rights = copy_text(arena, s->rights);
		who->user_name = copy_text(arena, s->user_name);
		who->project_name = copy_text(arena, s->project_name);
	}
	pthread_mutex_unlock(&v->signing->lock);
	pthread_rwlock_unlock(&v->lock);
	if (!good || verify_token(v, signer->token, false, arena, &found))
		return ERR_BUSY;
	struct verified names = *who;
	*who = *found;
	who->user_name = names.user_name;
	who->project_name = names.project_name;
	signer->who = who;
	*ret_signer = signer;
	return ERR_OK;
}

/* --- asked --- */

static bool has_prefix(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

static bool is_text(const struct question *q)
{
	return *q->text == '{';
}

static bool gives_key(const struct question *q)
{
	return !is_text(q) || has_prefix(q->text, SESSION);
}

static bool is_grantee(const struct question *q)
{
	return strncmp(q->text, "id=", 3) == 0 || strncmp(q->text, "email=", 6) == 0;
}

static size_t pull(struct exchange *x, void *into, size_t room)
{
	struct question *q = x->owner;
	size_t len = strlen(q->text) - q->sent, n = len < room ? len : room;

	memcpy(into, q->text + q->sent, n);
	q->sent += n;
	return n;
}

static void rewind_body(struct exchange *x)
{
	((struct question *)x->owner)->sent = 0;
}

void signing_request(struct question *q)
{
	q->role = revocations_last(q->verify->set);
	kv_add(&q->headers, "X-Service-Key", q->verify->key);
	if (is_text(q)) {
		buf_printf(&q->url, "%s/OS-CAIRN/%s", q->verify->url,
		        has_prefix(q->text, SESSION)  ? "session-key"
		        : has_prefix(q->text, ACTION) ? "aws"
		                                      : "signature");
		kv_add(&q->headers, "Content-Type", "application/json");
		q->x.method = "POST";
		q->x.body_len = (int64_t)strlen(q->text);
		q->x.pull = pull;
		q->x.rewind = rewind_body;
	} else if (is_grantee(q)) {
		buf_printf(&q->url, "%s/OS-CAIRN/grantee?%s", q->verify->url, q->text);
	} else {
		buf_printf(&q->url, "%s/OS-CAIRN/signing-key?%s", q->verify->url, q->text);
	}
}

static int nibble(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_hex(const char *hex, uint8_t ret_key[SIGNING_KEY])
{
	if (strlen(hex) != 2 * SIGNING_KEY)
		return false;
	for (unsigned i = 0; i < SIGNING_KEY; i++) {
		int high = nibble(hex[2 * i]), low = nibble(hex[2 * i + 1]);
		if (high < 0 || low < 0)
			return false;
		ret_key[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

static void keep(struct question *q, const struct signing_slot *said)
{
	struct verify *v = q->verify;

	pthread_mutex_lock(&v->signing->lock);
	struct signing_slot *s = slot_of(v, q->text);
	clear(s);
	*s = *said;
	s->scope = mem_strdup(q->text);
	s->credential = mem_strdup(said->credential);
	s->token = mem_strdup(said->token);
	s->user_name = said->user_name ? mem_strdup(said->user_name) : NULL;
	s->project_name = said->project_name ? mem_strdup(said->project_name) : NULL;
	s->rights = said->rights ? mem_strdup(said->rights) : NULL;
	s->role = said->role ? mem_strdup(said->role) : NULL;
	s->project = said->project ? mem_strdup(said->project) : NULL;
	pthread_mutex_unlock(&v->signing->lock);
}

static char *text_at(const struct jval *object, const char *name, struct arena *arena)
{
	const char *text;

	return jread_str(jread_get(object, name), &text) ? arena_strdup(arena, text) : NULL;
}

static void read_grantee(struct verify_ask *ask, const struct jval *said)
{
	ask->grantee = text_at(said, "id", &ask->arena);
	ask->grantee_name = text_at(said, "name", &ask->arena);
	if (ask->grantee && ask->grantee_name)
		ask->err = ERR_OK;
}

enum err verify_grantee_answer(
        struct verify_ask *ask, struct arena *arena, const char **ret_id, const char **ret_name)
{
	if (!ask->err) {
		*ret_id = arena_strdup(arena, ask->grantee);
		*ret_name = arena_strdup(arena, ask->grantee_name);
	}
	arena_done(&ask->arena);
	return ask->err;
}

static void read_action(struct question *q, const struct jval *said)
{
	struct verify_ask *ask = q->ask;
	struct verify_action *a = &ask->action;
	uint64_t status;

	*a = (struct verify_action){.name = text_at(said, "action", &ask->arena),
	        .result = text_at(said, "result", &ask->arena),
	        .code = text_at(said, "code", &ask->arena),
	        .text = text_at(said, "text", &ask->arena)};
	if (jread_u64(jread_get(said, "status"), 599, &status))
		a->status = (unsigned)status;
	jread_u64(jread_get(said, "news"), UINT64_MAX, &q->news);
	if ((a->name && a->result) || (a->status >= 400 && a->code && a->text))
		ask->err = ERR_OK;
}

enum err verify_action_answer(
        struct verify_ask *ask, struct arena *arena, struct verify_action *ret)
{
	const struct verify_action *a = &ask->action;

	if (!ask->err)
		*ret = (struct verify_action){copy_text(arena, a->name),
		        copy_text(arena, a->result), a->status, copy_text(arena, a->code),
		        copy_text(arena, a->text)};
	arena_done(&ask->arena);
	return ask->err;
}

static void read_rights(const struct jval *rights, struct arena *arena, struct signing_slot *s)
{
	AUTO(buf) struct buf text = BUF_NONE;

	if (!jread_is_object(rights))
		return;
	jread_print(rights, &text);
	s->rights = arena_strdup(arena, buf_text(&text));
	s->role = text_at(rights, "role_id", arena);
	s->project = text_at(rights, "project_id", arena);
	jread_u64(jread_get(rights, "expires_us"), INT64_MAX, &s->until_us);
}

/* The token that came with the key is looked at by who has asked, as any other. */
void signing_read(struct question *q, const struct jval *root)
{
	const struct jval *said = jread_get(root, "signing_key");
	struct arena *arena = &q->ask->arena;
	struct signing_slot slot = {.credential = text_at(said, "credential_id", arena),
	        .token = text_at(said, "token", arena),
	        .user_name = text_at(said, "user_name", arena),
	        .project_name = text_at(said, "project_name", arena),
	        .news = q->role};
	const char *hex;

	if (is_grantee(q)) {
		read_grantee(q->ask, jread_get(root, "grantee"));
		return;
	}
	if (is_text(q) && has_prefix(q->text, ACTION)) {
		read_action(q, jread_get(root, "aws"));
		return;
	}
	if (!slot.credential || !slot.token)
		return;
	read_rights(jread_get(said, "rights"), arena, &slot);
	if (slot.role && !slot.project)
		return;
	if (gives_key(q)) {
		if (!jread_str(jread_get(said, "key"), &hex) || !read_hex(hex, slot.key))
			return;
		keep(q, &slot);
	}
	struct verified *who = arena_zalloc(arena, sizeof(*who));
	struct signer *signer = arena_zalloc(arena, sizeof(*signer));
	who->user_name = slot.user_name;
	who->project_name = slot.project_name;
	memcpy(signer->key, slot.key, sizeof(slot.key));
	signer->token = slot.token;
	signer->who = who;
	signer->rights = slot.rights;
	q->ask->signer = signer;
	q->ask->err = ERR_OK;
}

enum err verify_signing_answer(
        struct verify_ask *ask, struct arena *arena, const struct signer **ret_signer)
{
	enum err err = ask->err;

	if (!err) {
		struct signer *signer = arena_zalloc(arena, sizeof(*signer));
		struct verified *who = arena_zalloc(arena, sizeof(*who));
		const struct verified *found;
		*signer = *ask->signer;
		signer->token = arena_strdup(arena, signer->token);
		signer->rights = copy_text(arena, signer->rights);
		err = verify_token(ask->verify, signer->token, false, arena, &found);
		if (!err) {
			*who = *found;
			who->user_name = copy_text(arena, ask->signer->who->user_name);
			who->project_name = copy_text(arena, ask->signer->who->project_name);
			signer->who = who;
			*ret_signer = signer;
		}
	}
	arena_done(&ask->arena);
	return err == ERR_BUSY ? ERR_UNAVAILABLE : err;
}
