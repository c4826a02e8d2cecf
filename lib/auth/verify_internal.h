/* verify_internal: what the files of verify share. */
#ifndef LIB_AUTH_VERIFY_INTERNAL_H
#define LIB_AUTH_VERIFY_INTERNAL_H

#include "lib/auth/revocation.h"
#include "lib/auth/verify.h"
#include "lib/http/client.h"
#include "lib/json/jread.h"
#include <pthread.h>
#include <stdatomic.h>

#define KEYS_MAX 16
#define LOCKS    64

/* A token that was found good. */
struct slot {
	char *text; /* NULL: empty */
	struct arena arena;
	struct verified verified;
	uint64_t news;     /* up to which it was not revoked */
	uint64_t role;     /* of a token without roles: the newest revocation of one when asked */
	uint64_t names_ms; /* when names were asked for; 0: they were not */
};

struct verify {
	struct verify_options options;
	char *url, *key;
	struct client *client;
	pthread_t thread;
	atomic_bool stopping;
	atomic_uint_fast64_t fresh_ms; /* monotonic: when news came last; 0: never */

	pthread_rwlock_t lock;
	struct token_key *keys[KEYS_MAX]; /* under lock */
	unsigned key_count;               /* under lock */
	uint32_t newest_key;              /* under lock */
	struct revocations *set;          /* under lock, as a whole */

	pthread_mutex_t asks_lock;
	struct list asks;   /* wait for the thread; under asks_lock */
	unsigned ask_count; /* open ones; under asks_lock */

	pthread_mutex_t locks[LOCKS]; /* of slots */
	struct slot *slots;
	struct signing_slots *signing; /* signing.c */

	/* The thread's: */
	struct exchange news;
	struct buf news_url, news_headers, news_body;
	bool news_under_way, news_more, complained, told;
	struct list held; /* answered, of changes that are not heard of yet */
	uint64_t next_ms, prune_ms;
};

struct question {
	struct list link;
	struct verify *verify;
	struct verify_ask *ask;
	struct exchange x;
	struct buf url, headers, body;
	char *text, *service; /* service NULL: it asks for itself */
	size_t sent;          /* of text, as a body */
	bool signing;         /* signing.c: text is a scope, whose key is asked for */
	uint64_t role;        /* the newest revocation of one when it was asked */
	uint64_t news;        /* what it has changed is told up to there; 0: nothing */
	uint64_t held_ms;     /* until then that is waited for */
};

/* --- signing.c --- */

/* What names a scope here, or is asked about a text: a query, or a JSON object. */
void signing_scope(const struct signing *signing, struct buf *out);
void signing_action(const struct verify_form *form, struct buf *out);
struct signing_slots *signing_slots_new(void);
void signing_slots_free(struct signing_slots *slots);
/* What is asked, and what the answer (of status 200) says: ask->err is set. */
void signing_request(struct question *q);
void signing_read(struct question *q, const struct jval *root);

#endif
