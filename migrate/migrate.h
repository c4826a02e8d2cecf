/* migrate: brings accounts of a Swift cluster into this one, or of one Cairn into another: both are
 * spoken to by the Swift API. There is no state but the clusters': names are compared page by page,
 * and what is newer at the source is copied with its own time (X-Cairn-Timestamp), so that the
 * later write wins whatever is brought when. To resume is to compare again.
 *
 * One thread walks the listings and queues jobs, `jobs` threads do them. Each thread has a `talk`
 * of its own; sides and the run are shared. */
#ifndef MIGRATE_MIGRATE_H
#define MIGRATE_MIGRATE_H

#include "lib/base/arena.h"
#include "lib/base/list.h"
#include "lib/conf/conf.h"
#include "lib/http/client.h"
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

struct side_conf {
	const char *auth, *user, *key, *token, *url;
};

/* The source, or the destination. */
struct side {
	const char *name; /* "from", "to" */
	struct side_conf conf;
	pthread_mutex_t lock;
	char *base, *token; /* owned; under lock */
	unsigned logins;    /* under lock */
};

struct migrate_conf {
	struct side_conf from, to;
	uint64_t jobs;
	struct conf_list policies, accounts;
};

enum mode { MODE_COPY, MODE_DRY, MODE_VERIFY };

struct counts {
	atomic_uint_least64_t total, total_bytes; /* as the accounts told at the start */
	atomic_uint_least64_t done, done_bytes;   /* objects looked at and dealt with */
	atomic_uint_least64_t copied, copied_bytes, same, newer, gone, deleted, extra, differ;
	atomic_uint_least64_t failed, noted;
};

struct run {
	struct migrate_conf conf;
	enum mode mode;
	bool deletes, quiet;
	struct side from, to;
	struct counts counts;
	struct timespec began;
	atomic_bool stopping;
	/* The queue: under lock. */
	pthread_mutex_t lock;
	pthread_cond_t more, less;
	struct list jobs;
	unsigned queued, busy;
	atomic_bool ended; /* also read without it */
};

/* --- side.c --- */

/* One thread's connections. */
struct talk {
	struct run *run;
	struct client *client; /* owned */
};
enum err talk_init(struct talk *talk, struct run *run);
void talk_done(struct talk *talk);

void side_init(struct side *side, const char *name, const struct side_conf *conf);
void side_done(struct side *side);
/* Gets a token, unless somebody else has got one since `logins` was what it is (side_url). */
enum err side_login(struct talk *talk, struct side *side, unsigned logins, struct buf *error);

/* What one request says and gets. */
struct ask {
	const char *method;
	const char *account, *container, *object, *query; /* NULL: none */
	struct buf headers;                               /* kv block, owned: beside the token */
	/* The answer: */
	int status;
	struct buf answer, body; /* owned; answer: kv block of headers */
};
void ask_done(struct ask *ask);
AUTO_DEFINE(ask, ask_done);

/* URL and token of now; *ret_logins for side_login. */
void side_url(struct side *side, const struct ask *ask, struct buf *ret_url, struct buf *headers,
        unsigned *ret_logins);
/* Asks, again after an outage or with a new token. OK with any final status. */
enum err side_ask(struct talk *talk, struct side *side, struct ask *ask);
const char *ask_header(const struct ask *ask, const char *name);
/* Waits before the n-th try; false when it has been tried enough, or the run is stopping. */
bool talk_again(struct talk *talk, unsigned tries);

/* --- names.c: a listing, page by page --- */

struct entry {
	const char *name; /* all borrowed from the page */
	const char *hash, *content_type;
	uint64_t ts, bytes, count;
	bool large;   /* a static large object: bytes are those of its segments */
	bool symlink; /* bytes are elsewhere */
};

struct names {
	struct talk *talk;
	struct side *side;
	const char *account, *container; /* borrowed; container NULL: of containers */
	struct arena arena;              /* of the page */
	struct entry *page;
	size_t count, at;
	char *marker; /* owned: the last name of the page before */
	bool ended;
	enum err err; /* then there is no more */
};
void names_init(struct names *names, struct talk *talk, struct side *side, const char *account,
        const char *container);
void names_done(struct names *names);
AUTO_DEFINE(names, names_done);
/* The next name, or NULL at the end or after an error; it stays until it is taken. A container that
 * is not there has no names. */
const struct entry *names_peek(struct names *names);
void names_take(struct names *names);
/* Fills the page from a listing's JSON: ERR_FORMAT. */
enum err names_parse(struct names *names, const void *text, size_t len);

/* --- headers.c: what is carried over --- */

bool carried_object(const char *name);
bool carried_container(const char *name);
bool carried_account(const char *name);
/* Those of `have` that are to be set so that `want` is there: changed ones, and with an empty value
 * those that are to go. False when there is nothing to do. */
bool headers_change(const struct buf *want, const struct buf *have,
        bool (*carried)(const char *name), struct buf *ret_change);

/* --- walk.c --- */

enum err walk(struct talk *talk);

/* --- copy.c --- */

enum job_kind { JOB_COPY, JOB_VERIFY, JOB_DELETE };
struct job {
	struct list link;
	enum job_kind kind;
	const char *from_account, *to_account; /* borrowed: they live as long as the run */
	char *container, *object;              /* owned */
	uint64_t ts, bytes;
	bool large;
	bool newest; /* any replica of the source will not do */
};
void job_free(struct job *job);
void job_do(struct talk *talk, const struct job *job);

/* --- jobs.c --- */

/* Takes the job; waits while the queue is full. */
void run_queue(struct run *run, struct job *job);
void run_drain(struct run *run); /* until all that was queued is done */
enum err run_start(struct run *run, pthread_t *threads);
void run_end(struct run *run, pthread_t *threads);

/* --- progress.c --- */

void progress_line(const struct run *run, struct buf *out);
void progress_summary(const struct run *run, struct buf *out);
/* A line for people about one path. */
void run_fail(struct run *run, const char *account, const char *container, const char *object,
        const char *why);
void run_note(struct run *run, const char *account, const char *container, const char *object,
        const char *what);

int migrate_main(int argc, char **argv);

#endif
