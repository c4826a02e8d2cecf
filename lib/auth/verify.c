#include "lib/auth/verify_internal.h"

#include "lib/base/hash.h"
#include "lib/base/kv.h"
#include "lib/base/mem.h"
#include "lib/http/url.h"
#include "lib/log/log.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NAMES_MS     300000 /* names may change; nobody is told */
#define CONNECT_MS   2000
#define HELD_POLL_MS 10
#define ANSWER_MAX   (8u << 20)
#define PRUNE_MS     60000
#define CLOCK_US     5000000 /* that a clock may be behind the identity service's */

static uint64_t clock_ms(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static uint64_t wall_us(void)
{
	return clock_ms(CLOCK_REALTIME) * 1000;
}

/* --- copies --- */

static const char *copy_text(struct arena *arena, const char *text)
{
	return text ? arena_strdup(arena, text) : NULL;
}

static void copy(const struct verified *from, struct arena *arena, struct verified *ret)
{
	struct token *t = &ret->token;

	*ret = *from;
	t->scope_id = copy_text(arena, t->scope_id);
	t->scope_domain_id = copy_text(arena, t->scope_domain_id);
	t->user_id = copy_text(arena, t->user_id);
	t->user_domain_id = copy_text(arena, t->user_domain_id);
	t->application_id = copy_text(arena, t->application_id);
	t->trust_id = copy_text(arena, t->trust_id);
	struct token_role *roles = arena_alloc(arena, (ret->role_count + 1) * sizeof(*roles));
	for (unsigned i = 0; i < ret->role_count; i++) {
		roles[i].id = copy_text(arena, from->roles[i].id);
		roles[i].name = copy_text(arena, from->roles[i].name);
	}
	ret->roles = roles;
	t->role_count = t->has_roles ? ret->role_count : 0;
	memcpy(t->roles, roles, t->role_count * sizeof(*roles));
	struct access_rule *rules = arena_alloc(arena, (ret->rule_count + 1) * sizeof(*rules));
	for (unsigned i = 0; i < ret->rule_count; i++)
		rules[i] = (struct access_rule){copy_text(arena, from->rules[i].service),
		        copy_text(arena, from->rules[i].method),
		        copy_text(arena, from->rules[i].path)};
	ret->rules = rules;
	ret->user_name = copy_text(arena, ret->user_name);
	ret->project_name = copy_text(arena, ret->project_name);
}

static const struct verified *copy_new(const struct verified *from, struct arena *arena)
{
	struct verified *to = arena_alloc(arena, sizeof(*to));

	copy(from, arena, to);
	return to;
}

/* --- access rules --- */

enum { PART, REST, LITERAL };

/* The next token of a pattern, and how long it is. */
static unsigned pattern_token(const char *pattern, size_t *ret_len)
{
	*ret_len = 1;
	if (pattern[0] == '*') {
		*ret_len = pattern[1] == '*' ? 2 : 1;
		return *ret_len == 2 ? REST : PART;
	}
	size_t close = strcspn(pattern, "}");
	if (pattern[0] != '{' || !pattern[close])
		return LITERAL;
	*ret_len = close + 1;
	return PART;
}

/* `at`: the places of the path (its end is one) that the pattern may have come to, before the token
 * and after it. */
static void pattern_step(unsigned token, char literal, const char *path, size_t len, bool *at)
{
	bool before = false, now = at[0];

	at[0] = token == REST && now;
	for (size_t i = 0; i < len; i++) {
		bool next = at[i + 1];
		before |= now;
		if (token == LITERAL)
			at[i + 1] = now && path[i] == literal;
		else if (token == REST)
			at[i + 1] = before || next;
		else
			at[i + 1] = (now || at[i]) && path[i] != '/';
		now = next;
	}
}

bool access_path(const char *pattern, const char *path)
{
	size_t len = strlen(path), n;
	bool *at = mem_zalloc(len + 1);

	at[0] = true;
	for (; *pattern; pattern += n) {
		unsigned token = pattern_token(pattern, &n);
		pattern_step(token, *pattern, path, len, at);
	}
	bool matches = at[len];
	free(at);
	return matches;
}

bool verified_may(
        const struct verified *v, const char *service, const char *method, const char *path)
{
	for (unsigned i = 0; v->token.restricted && i < v->rule_count; i++) {
		const struct access_rule *rule = &v->rules[i];
		if (strcmp(rule->service, service) == 0 && strcmp(rule->method, method) == 0 &&
		        access_path(rule->path, path))
			return true;
	}
	return !v->token.restricted;
}

/* --- what was found good --- */

static struct slot *slot_of(struct verify *v, const char *text, pthread_mutex_t **ret_lock)
{
	unsigned at = (unsigned)(hash_bytes(text, strlen(text), 0) % v->options.slots);

	*ret_lock = &v->locks[at % LOCKS];
	return &v->slots[at];
}

static void slot_clear(struct slot *s)
{
	if (s->text)
		arena_done(&s->arena);
	free(s->text);
	*s = (struct slot){.text = NULL};
}

static void remember(struct verify *v, const char *text, const struct verified *verified,
        uint64_t news, uint64_t role, uint64_t names_ms)
{
	pthread_mutex_t *lock;
	struct slot *s = slot_of(v, text, &lock);

	pthread_mutex_lock(lock);
	slot_clear(s);
	s->text = mem_strdup(text);
	arena_init(&s->arena);
	copy(verified, &s->arena, &s->verified);
	s->news = news;
	s->role = role;
	s->names_ms = names_ms;
	pthread_mutex_unlock(lock);
}

/* ERR_NOT_FOUND: it is to be looked at; ERR_BUSY: its names are lacking, or
 * its roles. */
static enum err recall(struct verify *v, const char *text, bool names, struct arena *arena,
        const struct verified **ret)
{
	pthread_mutex_t *lock;
	struct slot *s = slot_of(v, text, &lock);
	enum err err = ERR_OK;

	pthread_mutex_lock(lock);
	if (!s->text || strcmp(s->text, text) != 0)
		err = ERR_NOT_FOUND;
	else if (s->verified.token.expires_us <= wall_us())
		err = ERR_UNAUTHORIZED;
	else if (s->news != revocations_last(v->set)) {
		s->news = revocations_last(v->set);
		err = revocations_hit(v->set, &s->verified.token) ? ERR_UNAUTHORIZED : ERR_OK;
	}
	if (err == ERR_UNAUTHORIZED)
		slot_clear(s);
	if (!err && !s->verified.token.has_roles && s->role != revocations_newest_role(v->set))
		err = ERR_BUSY;
	if (!err && names && (!s->names_ms || clock_ms(CLOCK_MONOTONIC) > s->names_ms + NAMES_MS))
		err = ERR_BUSY;
	if (!err)
		*ret = copy_new(&s->verified, arena);
	pthread_mutex_unlock(lock);
	return err;
}

bool verify_fresh(struct verify *v)
{
	uint64_t at = atomic_load(&v->fresh_ms);

	return at && clock_ms(CLOCK_MONOTONIC) <= at + v->options.stale_ms;
}

/* Under the lock. ERR_BUSY: signed with a key that is not known here yet. */
static enum err check(struct verify *v, const char *text, struct arena *arena, struct token *ret)
{
	uint32_t number;

	if (token_key_of(text, &number))
		return ERR_UNAUTHORIZED;
	for (unsigned i = 0; i < v->key_count; i++) {
		if (token_key_number(v->keys[i]) == number)
			return token_check(text, v->keys[i], arena, ret) ? ERR_UNAUTHORIZED
			                                                 : ERR_OK;
	}
	return number > v->newest_key ? ERR_BUSY : ERR_UNAUTHORIZED;
}

/* Under the lock. */
static enum err look_at(struct verify *v, const char *text, bool names, struct arena *arena,
        const struct verified **ret)
{
	struct verified *found = arena_zalloc(arena, sizeof(*found));
	uint64_t news = revocations_last(v->set);
	enum err err = check(v, text, arena, &found->token);

	if (err)
		return err;
	if (found->token.expires_us <= wall_us() || revocations_hit(v->set, &found->token))
		return ERR_UNAUTHORIZED;
	if (names || !found->token.has_roles || found->token.restricted)
		return ERR_BUSY;
	found->roles = found->token.roles;
	found->role_count = found->token.role_count;
	remember(v, text, found, news, 0, 0);
	*ret = found;
	return ERR_OK;
}

enum err verify_token(struct verify *v, const char *text, bool names, struct arena *arena,
        const struct verified **ret)
{
	if (!verify_fresh(v))
		return ERR_BUSY;
	pthread_rwlock_rdlock(&v->lock);
	enum err err = recall(v, text, names, arena, ret);
	if (err == ERR_NOT_FOUND)
		err = look_at(v, text, names, arena, ret);
	pthread_rwlock_unlock(&v->lock);
	return err;
}

/* --- questions --- */

static bool push_into(struct buf *body, const void *data, size_t len)
{
	if (body->len + len > ANSWER_MAX && !body->err)
		body->err = ERR_TOO_LARGE;
	buf_add(body, data, len);
	return true;
}

static bool question_push(struct exchange *x, const void *data, size_t len)
{
	return push_into(&((struct question *)x->owner)->body, data, len);
}

static const char *text_at(const struct jval *object, const char *name, struct arena *arena)
{
	const char *text;

	return jread_str(jread_get(object, name), &text) ? arena_strdup(arena, text) : NULL;
}

/* "2026-11-21T18:22:54.000000Z" */
static uint64_t time_at(const struct jval *object, const char *name)
{
	const char *text;
	struct tm tm = {0};

	if (!jread_str(jread_get(object, name), &text) || !strptime(text, "%Y-%m-%dT%H:%M:%S", &tm))
		return 0;
	return (uint64_t)timegm(&tm) * 1000000;
}

static void read_scope(const struct jval *token, struct arena *arena, struct verified *v)
{
	const struct jval *project = jread_get(token, "project"),
	                  *domain = jread_get(token, "domain");

	if (project) {
		v->token.scope = TOKEN_PROJECT;
		v->token.scope_id = text_at(project, "id", arena);
		v->token.scope_domain_id = text_at(jread_get(project, "domain"), "id", arena);
		v->project_name = text_at(project, "name", arena);
	} else if (domain) {
		v->token.scope = TOKEN_DOMAIN;
		v->token.scope_id = text_at(domain, "id", arena);
	} else if (jread_get(token, "system")) {
		v->token.scope = TOKEN_SYSTEM;
	}
}

static void read_audit(const struct jval *ids, size_t index, char ret[TOKEN_AUDIT + 1])
{
	const char *text;

	if (jread_str(jread_at(ids, index), &text))
		snprintf(ret, TOKEN_AUDIT + 1, "%s", text);
}

/* No rules at all restrict it, too. */
static void read_rules(const struct jval *rules, struct arena *arena, struct verified *v)
{
	struct access_rule *list = arena_zalloc(arena, (jread_len(rules) + 1) * sizeof(*list));

	v->token.restricted = jread_is_array(rules);
	for (size_t i = 0; i < jread_len(rules); i++) {
		const struct jval *one = jread_at(rules, i);
		struct access_rule *rule = &list[v->rule_count];
		rule->service = text_at(one, "service", arena);
		rule->method = text_at(one, "method", arena);
		rule->path = text_at(one, "path", arena);
		v->rule_count += rule->service && rule->method && rule->path;
	}
	v->rules = list;
}

/* What the identity service says of a token. NULL: that is none. */
static const struct verified *read_token(const struct jval *token, struct arena *arena)
{
	struct verified *v = arena_zalloc(arena, sizeof(*v));
	const struct jval *user = jread_get(token, "user"), *roles = jread_get(token, "roles"),
	                  *ids = jread_get(token, "audit_ids");
	struct token *t = &v->token;

	t->user_id = text_at(user, "id", arena);
	t->user_domain_id = text_at(jread_get(user, "domain"), "id", arena);
	v->user_name = text_at(user, "name", arena);
	t->expires_us = time_at(token, "expires_at");
	t->issued_us = time_at(token, "issued_at");
	read_scope(token, arena, v);
	read_audit(ids, 0, t->audit);
	read_audit(ids, 1, t->parent);
	struct token_role *list = arena_zalloc(arena, (jread_len(roles) + 1) * sizeof(*list));
	for (size_t i = 0; i < jread_len(roles); i++) {
		struct token_role *role = &list[v->role_count];
		role->id = text_at(jread_at(roles, i), "id", arena);
		role->name = text_at(jread_at(roles, i), "name", arena);
		v->role_count += role->id && role->name;
	}
	v->roles = list;
	read_rules(jread_get(jread_get(token, "application_credential"), "access_rules"), arena, v);
	return t->user_id && t->user_domain_id && t->expires_us ? v : NULL;
}

/* Only if the token itself is one that can be checked here: what ends it is known then. */
static void remember_answer(struct question *q, const struct verified *said)
{
	struct verify *v = q->verify;
	struct arena arena;
	struct verified both = *said;

	arena_init(&arena);
	pthread_rwlock_rdlock(&v->lock);
	uint64_t news = revocations_last(v->set);
	if (verify_fresh(v) && !check(v, q->text, &arena, &both.token) &&
	        !revocations_hit(v->set, &both.token)) {
		if (both.token.has_roles) {
			both.roles = both.token.roles;
			both.role_count = both.token.role_count;
		}
		remember(v, q->text, &both, news, q->role, clock_ms(CLOCK_MONOTONIC));
	}
	pthread_rwlock_unlock(&v->lock);
	arena_done(&arena);
}

static void read_answer(struct question *q)
{
	struct verify_ask *ask = q->ask;
	AUTO(jroot) struct jroot root = JROOT_NONE;

	ask->err = ERR_UNAVAILABLE;
	if (q->x.status == 401 || q->x.status == 403)
		ask->err = ERR_UNAUTHORIZED;
	if (q->x.status == 404)
		ask->err = q->signing ? ERR_NOT_FOUND : ERR_UNAUTHORIZED;
	if (q->signing && q->x.status == 412)
		ask->err = ERR_PRECONDITION;
	if (q->signing && q->x.status == 422)
		ask->err = ERR_UNPROCESSABLE;
	if (q->x.status != 200 || q->body.err || jread_parse(q->body.data, q->body.len, &root))
		return;
	if (q->signing) {
		signing_read(q, root.value);
		return;
	}
	ask->verified = read_token(jread_get(root.value, "token"), &ask->arena);
	if (!ask->verified)
		return;
	ask->err = ERR_OK;
	if (!q->service)
		remember_answer(q, ask->verified);
}

static void run_done(struct task *task)
{
	struct verify_ask *ask = CONTAINER_OF(task, struct verify_ask, task);

	ask->done(ask);
}

static void question_free(struct question *q)
{
	exchange_release(&q->x);
	buf_done(&q->url);
	buf_done(&q->headers);
	buf_done(&q->body);
	free(q->text);
	free(q->service);
	free(q);
}

static void question_end(struct question *q)
{
	struct verify *v = q->verify;
	struct verify_ask *ask = q->ask;

	question_free(q);
	pthread_mutex_lock(&v->asks_lock);
	v->ask_count--;
	pthread_mutex_unlock(&v->asks_lock);
	reactor_post(ask->reactor, &ask->task);
}

/* Who has changed something meets it changed: the answer waits until what that ends is known. Who
 * has signed is told with a token, which counts with the news alone: after a start they may be yet
 * to come. */
static bool lacks_news(const struct question *q)
{
	return q->news > revocations_last(q->verify->set) ||
	       (q->signing && !q->ask->err && !verify_fresh(q->verify));
}

static void hold(struct question *q)
{
	struct verify *v = q->verify;

	q->held_ms = clock_ms(CLOCK_MONOTONIC) + v->options.timeout_ms;
	list_append(&v->held, &q->link);
	v->next_ms = 0;
}

static void release_held(struct verify *v)
{
	uint64_t now = clock_ms(CLOCK_MONOTONIC);

	LIST_EACH_SAFE (node, &v->held) {
		struct question *q = LIST_ENTRY(node, struct question, link);
		if (lacks_news(q) && now < q->held_ms)
			continue;
		list_remove(node);
		question_end(q);
	}
}

static void question_done(struct exchange *x, enum err err)
{
	struct question *q = x->owner;

	if (err)
		q->ask->err = ERR_UNAVAILABLE;
	else
		read_answer(q);
	if (lacks_news(q))
		hold(q);
	else
		question_end(q);
}

/* Of a key that came after ours: it is heard of at once, not at the next turn. */
static bool is_of_new_key(const struct verify *v, const char *text)
{
	uint32_t number;

	return !token_key_of(text, &number) && number > v->newest_key;
}

static void token_request(struct question *q)
{
	q->role = revocations_newest_role(q->verify->set);
	buf_printf(&q->url, "%s/auth/tokens?nocatalog%s", q->verify->url,
	        q->service ? "&allow_expired=1" : "");
	kv_add(&q->headers, "X-Auth-Token", q->service ? q->service : q->text);
	kv_add(&q->headers, "X-Subject-Token", q->text);
}

static void question_start(struct question *q)
{
	struct verify *v = q->verify;

	if (!q->signing && is_of_new_key(v, q->text))
		v->next_ms = 0;
	q->x = (struct exchange){.method = "GET"};
	(q->signing ? signing_request : token_request)(q);
	q->x.url = buf_text(&q->url);
	q->x.headers = q->headers.data;
	q->x.headers_len = q->headers.len;
	q->x.timeout_ms = v->options.timeout_ms;
	q->x.push = question_push;
	q->x.done = question_done;
	q->x.owner = q;
	if (exchange_start(v->client, &q->x)) {
		q->ask->err = ERR_UNAUTHORIZED; /* what no header may hold is no token */
		question_end(q);
	}
}

static enum err ask_for(struct verify *v, struct verify_ask *ask, const char *text,
        const char *service, bool signing)
{
	pthread_mutex_lock(&v->asks_lock);
	bool room = v->ask_count < v->options.asks_max;
	if (room) {
		struct question *q = mem_zalloc(sizeof(*q));
		ask->reactor = reactor_current();
		ask->task.run = run_done;
		ask->verified = NULL;
		ask->signer = NULL;
		ask->grantee = NULL;
		ask->verify = v;
		arena_init(&ask->arena);
		q->verify = v;
		q->ask = ask;
		q->text = mem_strdup(text);
		q->service = service ? mem_strdup(service) : NULL;
		q->signing = signing;
		list_init(&q->link);
		list_append(&v->asks, &q->link);
		v->ask_count++;
	}
	pthread_mutex_unlock(&v->asks_lock);
	if (room)
		client_wake(v->client);
	return room ? ERR_OK : ERR_UNAVAILABLE;
}

enum err verify_ask(struct verify *v, struct verify_ask *ask, const char *text, const char *service)
{
	return ask_for(v, ask, text, service, false);
}

enum err verify_signing_ask(struct verify *v, struct verify_ask *ask, const struct signing *s)
{
	AUTO(buf) struct buf scope = BUF_NONE;

	signing_scope(s, &scope);
	return ask_for(v, ask, buf_text(&scope), NULL, true);
}

enum err verify_action_ask(struct verify *v, struct verify_ask *ask, const struct verify_form *form)
{
	AUTO(buf) struct buf text = BUF_NONE;

	signing_action(form, &text);
	return ask_for(v, ask, buf_text(&text), NULL, true);
}

enum err verify_grantee_ask(
        struct verify *v, struct verify_ask *ask, const char *id, const char *email)
{
	AUTO(buf) struct buf query = BUF_NONE;

	buf_str(&query, id ? "id=" : "email=");
	url_quote(&query, id ? id : email, "");
	return ask_for(v, ask, buf_text(&query), NULL, true);
}

enum err verify_answer(
        struct verify_ask *ask, struct arena *arena, const struct verified **ret_verified)
{
	if (!ask->err)
		*ret_verified = copy_new(ask->verified, arena);
	arena_done(&ask->arena);
	return ask->err;
}

/* --- news --- */

static int nibble(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_key(const struct jval *key, struct token_key **ret_key)
{
	uint8_t bytes[32];
	uint64_t number;
	const char *hex;

	if (!jread_u64(jread_get(key, "number"), UINT32_MAX, &number) ||
	        !jread_str(jread_get(key, "public"), &hex) || strlen(hex) != 64)
		return false;
	for (unsigned i = 0; i < 32; i++) {
		int high = nibble(hex[2 * i]), low = nibble(hex[2 * i + 1]);
		if (high < 0 || low < 0)
			return false;
		bytes[i] = (uint8_t)(high << 4 | low);
	}
	return !token_key_load((uint32_t)number, bytes, false, ret_key);
}

static bool knows(const struct verify *v, const struct token_key *key)
{
	uint8_t ours[32], theirs[32];

	token_key_bytes(key, false, theirs);
	for (unsigned i = 0; i < v->key_count; i++) {
		token_key_bytes(v->keys[i], false, ours);
		if (token_key_number(v->keys[i]) == token_key_number(key) &&
		        memcmp(ours, theirs, sizeof(ours)) == 0)
			return true;
	}
	return false;
}

static void slots_clear(struct verify *v)
{
	for (unsigned i = 0; i < v->options.slots; i++) {
		pthread_mutex_lock(&v->locks[i % LOCKS]);
		slot_clear(&v->slots[i]);
		pthread_mutex_unlock(&v->locks[i % LOCKS]);
	}
}

/* The keys that there are now; a token of one that has gone is not remembered either. */
static bool take_keys(struct verify *v, const struct jval *list)
{
	struct token_key *keys[KEYS_MAX];
	unsigned count = 0, same = 0;
	uint32_t newest = 0;

	if (!jread_len(list) || jread_len(list) > KEYS_MAX)
		return false;
	for (; count < jread_len(list) && read_key(jread_at(list, count), &keys[count]); count++) {
		same += knows(v, keys[count]);
		uint32_t number = token_key_number(keys[count]);
		newest = number > newest ? number : newest;
	}
	bool good = count == jread_len(list), lost = same < v->key_count;
	if (good && (lost || same < count)) {
		pthread_rwlock_wrlock(&v->lock);
		for (unsigned i = 0; i < count; i++) {
			struct token_key *old = i < v->key_count ? v->keys[i] : NULL;
			v->keys[i] = keys[i];
			keys[i] = old;
		}
		for (unsigned i = count; i < v->key_count; i++)
			token_key_free(v->keys[i]);
		v->key_count = count;
		v->newest_key = newest;
		if (lost)
			slots_clear(v);
		pthread_rwlock_unlock(&v->lock);
	}
	for (unsigned i = 0; i < count; i++)
		token_key_free(keys[i]);
	return good;
}

static bool take_revocation(struct verify *v, const struct jval *one)
{
	struct revocation r = {.number = 0};
	const char *kind;

	if (!jread_u64(jread_get(one, "number"), UINT64_MAX, &r.number) ||
	        !jread_u64(jread_get(one, "at_us"), UINT64_MAX, &r.at_us) ||
	        !jread_u64(jread_get(one, "expires_us"), UINT64_MAX, &r.expires_us) ||
	        !jread_str(jread_get(one, "kind"), &kind) ||
	        !jread_str(jread_get(one, "first"), &r.first))
		return false;
	jread_str(jread_get(one, "second"), &r.second);
	r.kind = revocation_kind(kind);
	if (r.kind < REVOKE_KINDS)
		revocations_add(v->set, &r);
	return true;
}

/* Another database: what was known is of no use. */
static void begin_again(struct verify *v)
{
	pthread_rwlock_wrlock(&v->lock);
	revocations_free(v->set);
	v->set = revocations_new();
	slots_clear(v);
	pthread_rwlock_unlock(&v->lock);
}

static bool take_news(struct verify *v, const struct jval *news)
{
	const struct jval *list = jread_get(news, "revocations");
	uint64_t last, known;

	if (!jread_u64(jread_get(news, "last"), UINT64_MAX, &last) ||
	        !jread_u64(jread_get(news, "known"), UINT64_MAX, &known) ||
	        !take_keys(v, jread_get(news, "keys")))
		return false;
	if (last < revocations_last(v->set)) {
		begin_again(v);
		v->news_more = true;
		return true;
	}
	for (size_t i = 0; i < jread_len(list); i++) {
		if (!take_revocation(v, jread_at(list, i)))
			return false;
	}
	revocations_known(v->set, known);
	v->news_more = known < last;
	if (!v->news_more)
		atomic_store(&v->fresh_ms, clock_ms(CLOCK_MONOTONIC));
	return true;
}

static void complain(struct verify *v, const char *why, int status)
{
	if (!v->complained)
		log_warn("no-news", "from=%s why=%s status=%d", log_quote(v->url), why, status);
	v->complained = true;
}

static void news_done(struct exchange *x, enum err err)
{
	struct verify *v = x->owner;
	AUTO(jroot) struct jroot root = JROOT_NONE;

	v->news_under_way = false;
	v->news_more = false;
	if (err || x->status != 200 || v->news_body.err)
		complain(v, err ? err_name(err) : "refused", x->status);
	else if (jread_parse(v->news_body.data, v->news_body.len, &root) ||
	         !take_news(v, jread_get(root.value, "news")))
		complain(v, "unreadable", x->status);
	else if ((v->complained || !v->told) && !v->news_more) {
		log_info("news", "from=%s keys=%u last=%llu", log_quote(v->url), v->key_count,
		        (unsigned long long)revocations_last(v->set));
		v->complained = false;
		v->told = true;
	}
	exchange_release(x);
	release_held(v);
	v->next_ms = clock_ms(CLOCK_MONOTONIC) + (v->news_more                  ? 0
	                                                 : list_empty(&v->held) ? v->options.poll_ms
	                                                                        : HELD_POLL_MS);
}

static bool news_push(struct exchange *x, const void *data, size_t len)
{
	return push_into(&((struct verify *)x->owner)->news_body, data, len);
}

static void news_start(struct verify *v)
{
	buf_reset(&v->news_url);
	buf_reset(&v->news_headers);
	buf_reset(&v->news_body);
	buf_printf(&v->news_url, "%s/OS-CAIRN/news?after=%llu", v->url,
	        (unsigned long long)revocations_last(v->set));
	kv_add(&v->news_headers, "X-Service-Key", v->key);
	v->news = (struct exchange){.method = "GET",
	        .url = buf_text(&v->news_url),
	        .headers = v->news_headers.data,
	        .headers_len = v->news_headers.len,
	        .timeout_ms = v->options.timeout_ms,
	        .push = news_push,
	        .done = news_done,
	        .owner = v};
	v->news_under_way = !exchange_start(v->client, &v->news);
	v->next_ms = clock_ms(CLOCK_MONOTONIC) + v->options.poll_ms;
}

static void start_questions(struct verify *v)
{
	struct list waiting;

	list_init(&waiting);
	pthread_mutex_lock(&v->asks_lock);
	list_splice(&waiting, &v->asks);
	pthread_mutex_unlock(&v->asks_lock);
	LIST_EACH_SAFE (node, &waiting) {
		list_remove(node);
		question_start(LIST_ENTRY(node, struct question, link));
	}
}

static void *run(void *arg)
{
	struct verify *v = arg;

	while (!atomic_load(&v->stopping)) {
		uint64_t now = clock_ms(CLOCK_MONOTONIC);
		start_questions(v);
		if (!v->news_under_way && now >= v->next_ms)
			news_start(v);
		if (now >= v->prune_ms) {
			revocations_prune(v->set, wall_us() - CLOCK_US);
			v->prune_ms = now + PRUNE_MS;
		}
		client_turn(v->client, v->news_under_way || v->next_ms <= now
		                               ? v->options.poll_ms
		                               : (unsigned)(v->next_ms - now));
	}
	if (v->news_under_way)
		exchange_abort(&v->news);
	exchange_release(&v->news);
	LIST_EACH_SAFE (node, &v->held)
		question_free(LIST_ENTRY(node, struct question, link));
	return NULL;
}

/* --- its life --- */

enum err verify_new(const struct verify_options *options, struct verify **ret_verify)
{
	struct verify *v = mem_zalloc(sizeof(*v));
	struct verify_options *o = &v->options;
	size_t len = strlen(options->url);

	*o = *options;
	o->poll_ms = o->poll_ms ? o->poll_ms : 250;
	o->stale_ms = o->stale_ms ? o->stale_ms : 10000;
	o->slots = o->slots ? o->slots : 1024;
	o->asks_max = o->asks_max ? o->asks_max : 256;
	o->timeout_ms = o->timeout_ms ? o->timeout_ms : 5000;
	while (len && options->url[len - 1] == '/')
		len--;
	v->url = mem_strdup(options->url);
	v->url[len] = 0;
	v->key = mem_strdup(options->key);
	v->set = revocations_new();
	v->slots = mem_zalloc(o->slots * sizeof(*v->slots));
	v->signing = signing_slots_new();
	pthread_rwlock_init(&v->lock, NULL);
	pthread_mutex_init(&v->asks_lock, NULL);
	for (unsigned i = 0; i < LOCKS; i++)
		pthread_mutex_init(&v->locks[i], NULL);
	list_init(&v->asks);
	list_init(&v->held);
	enum err err = client_new(CONNECT_MS, true, &v->client);
	if (err || pthread_create(&v->thread, NULL, run, v) != 0) {
		atomic_store(&v->stopping, true);
		client_free(v->client);
		v->client = NULL;
		verify_free(v);
		return err ? err : ERR_NO_MEMORY;
	}
	*ret_verify = v;
	return ERR_OK;
}

void verify_stop(struct verify *v)
{
	if (atomic_exchange(&v->stopping, true))
		return;
	client_wake(v->client);
	pthread_join(v->thread, NULL);
}

void verify_free(struct verify *v)
{
	if (!v)
		return;
	verify_stop(v);
	client_free(v->client);
	slots_clear(v);
	for (unsigned i = 0; i < v->key_count; i++)
		token_key_free(v->keys[i]);
	revocations_free(v->set);
	buf_done(&v->news_url);
	buf_done(&v->news_headers);
	buf_done(&v->news_body);
	signing_slots_free(v->signing);
	free(v->slots);
	free(v->url);
	free(v->key);
	free(v);
}
