#include "lib/auth/revocation.h"

#include "lib/base/hash.h"
#include "lib/base/mem.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[REVOKE_KINDS] = {"token", "chain", "user", "user_roles",
        "user_project", "user_domain", "user_system", "project", "domain", "role", "trust",
        "application", "credential"};

/* The newest revocation of one kind and ids: those before it say nothing more. */
struct entry {
	struct hash_node node;
	uint64_t number, expires_us;
	enum revocation_kind kind;
	size_t first_len;
	char ids[]; /* first, NUL, second, NUL */
};

struct revocations {
	pthread_rwlock_t lock;
	struct hash entries;           /* under lock */
	unsigned counts[REVOKE_KINDS]; /* under lock */
	atomic_uint_fast64_t newest_role, last;
};

const char *revocation_name(enum revocation_kind kind)
{
	return names[kind];
}

enum revocation_kind revocation_kind(const char *name)
{
	unsigned kind = 0;

	while (kind < REVOKE_KINDS && strcmp(names[kind], name) != 0)
		kind++;
	return (enum revocation_kind)kind;
}

struct revocations *revocations_new(void)
{
	struct revocations *set = mem_zalloc(sizeof(*set));

	pthread_rwlock_init(&set->lock, NULL);
	return set;
}

void revocations_free(struct revocations *set)
{
	if (!set)
		return;
	revocations_prune(set, UINT64_MAX);
	hash_done(&set->entries);
	pthread_rwlock_destroy(&set->lock);
	free(set);
}

static uint64_t value_of(enum revocation_kind kind, const char *first, const char *second)
{
	return hash_bytes(first, strlen(first), kind) ^
	       hash_bytes(second, strlen(second), REVOKE_KINDS + kind);
}

/* Of a single token the second id says whose it is, and not which. */
static const char *second_of(enum revocation_kind kind, const char *second)
{
	return kind == REVOKE_TOKEN || !second ? "" : second;
}

static struct entry *find(
        struct revocations *set, enum revocation_kind kind, const char *first, const char *second)
{
	struct hash_node *node = hash_find(&set->entries, value_of(kind, first, second));

	for (; node; node = hash_find_next(node)) {
		struct entry *e = CONTAINER_OF(node, struct entry, node);
		if (e->kind == kind && strcmp(e->ids, first) == 0 &&
		        strcmp(second_of(kind, e->ids + e->first_len + 1), second) == 0)
			return e;
	}
	return NULL;
}

static struct entry *insert(
        struct revocations *set, enum revocation_kind kind, const char *first, const char *second)
{
	size_t a = strlen(first) + 1, b = strlen(second) + 1;
	struct entry *e = mem_zalloc(sizeof(*e) + a + b);

	e->kind = kind;
	e->first_len = a - 1;
	memcpy(e->ids, first, a);
	memcpy(e->ids + a, second, b);
	hash_insert(&set->entries, &e->node, value_of(kind, first, second_of(kind, second)));
	set->counts[kind]++;
	return e;
}

static void drop(struct revocations *set, bool (*which)(const struct entry *e, const void *arg),
        const void *arg)
{
	for (size_t i = 0; i < set->entries.size; i++) {
		struct hash_node *next;
		for (struct hash_node *node = set->entries.slots[i]; node; node = next) {
			struct entry *e = CONTAINER_OF(node, struct entry, node);
			next = node->next;
			if (!which(e, arg))
				continue;
			hash_remove(&set->entries, node);
			set->counts[e->kind]--;
			free(e);
		}
	}
}

/* A token of the user that the newer revocation `arg` ends anyway. */
static bool is_token_of(const struct entry *e, const void *arg)
{
	const struct revocation *r = arg;

	return e->kind == REVOKE_TOKEN && e->number < r->number &&
	       strcmp(e->ids + e->first_len + 1, r->first) == 0;
}

void revocations_add(struct revocations *set, const struct revocation *r)
{
	pthread_rwlock_wrlock(&set->lock);
	struct entry *e = find(set, r->kind, r->first, second_of(r->kind, r->second));
	if (!e)
		e = insert(set, r->kind, r->first, r->second ? r->second : "");
	if (r->kind == REVOKE_USER && set->counts[REVOKE_TOKEN])
		drop(set, is_token_of, r);
	if (r->number > e->number)
		e->number = r->number;
	if (r->expires_us > e->expires_us)
		e->expires_us = r->expires_us;
	if (r->kind == REVOKE_ROLE && r->number > set->newest_role)
		set->newest_role = r->number;
	pthread_rwlock_unlock(&set->lock);
}

void revocations_known(struct revocations *set, uint64_t number)
{
	uint64_t last = atomic_load(&set->last);

	while (number > last && !atomic_compare_exchange_weak(&set->last, &last, number))
		;
}

uint64_t revocations_last(struct revocations *set)
{
	return atomic_load(&set->last);
}

static bool is_newer(struct revocations *set, const struct token *t, enum revocation_kind kind,
        const char *first, const char *second)
{
	const struct entry *e =
	        set->counts[kind] && first && second ? find(set, kind, first, second) : NULL;

	return e && e->number > t->news;
}

static bool scope_hit(struct revocations *set, const struct token *t)
{
	if (t->scope == TOKEN_UNSCOPED)
		return false;
	if (is_newer(set, t, REVOKE_USER_ROLES, t->user_id, ""))
		return true;
	switch (t->scope) {
	case TOKEN_PROJECT:
		return is_newer(set, t, REVOKE_USER_PROJECT, t->user_id, t->scope_id) ||
		       is_newer(set, t, REVOKE_PROJECT, t->scope_id, "") ||
		       is_newer(set, t, REVOKE_DOMAIN, t->scope_domain_id, "");
	case TOKEN_DOMAIN:
		return is_newer(set, t, REVOKE_USER_DOMAIN, t->user_id, t->scope_id) ||
		       is_newer(set, t, REVOKE_DOMAIN, t->scope_id, "");
	default:
		return is_newer(set, t, REVOKE_USER_SYSTEM, t->user_id, "");
	}
}

static bool roles_hit(struct revocations *set, const struct token *t)
{
	for (unsigned i = 0; i < t->role_count; i++) {
		if (is_newer(set, t, REVOKE_ROLE, t->roles[i].id, ""))
			return true;
	}
	return false;
}

bool revocations_hit(struct revocations *set, const struct token *t)
{
	if (t->news >= atomic_load(&set->last))
		return false;
	pthread_rwlock_rdlock(&set->lock);
	bool hit = is_newer(set, t, REVOKE_TOKEN, t->audit, "") ||
	           is_newer(set, t, REVOKE_CHAIN, *t->parent ? t->parent : t->audit, "") ||
	           is_newer(set, t, REVOKE_USER, t->user_id, "") ||
	           is_newer(set, t, REVOKE_DOMAIN, t->user_domain_id, "") ||
	           is_newer(set, t, REVOKE_TRUST, t->trust_id, "") ||
	           is_newer(set, t, REVOKE_APPLICATION, t->application_id, "") ||
	           scope_hit(set, t) || roles_hit(set, t);
	pthread_rwlock_unlock(&set->lock);
	return hit;
}

bool revocations_has(struct revocations *set, enum revocation_kind kind, const char *first,
        const char *second, uint64_t news)
{
	pthread_rwlock_rdlock(&set->lock);
	const struct entry *e = find(set, kind, first, second ? second : "");
	bool has = e && e->number > news;
	pthread_rwlock_unlock(&set->lock);
	return has;
}

uint64_t revocations_newest_role(struct revocations *set)
{
	return atomic_load(&set->newest_role);
}

size_t revocations_count(struct revocations *set)
{
	pthread_rwlock_rdlock(&set->lock);
	size_t count = set->entries.count;
	pthread_rwlock_unlock(&set->lock);
	return count;
}

static bool is_expired(const struct entry *e, const void *arg)
{
	return e->expires_us <= *(const uint64_t *)arg;
}

void revocations_prune(struct revocations *set, uint64_t now_us)
{
	pthread_rwlock_wrlock(&set->lock);
	drop(set, is_expired, &now_us);
	pthread_rwlock_unlock(&set->lock);
}
