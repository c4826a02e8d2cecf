/* verify: how a service knows whose a token is without asking for it: it has the identity service's
 * public keys and all revocations that count still. A thread of its own fetches both, several times
 * a second (docs/formats/token.md: news). What it has found good it remembers.
 *
 * What cannot be known so is asked: a token that is given without its roles, or restricted by
 * access rules; one whose key is not known yet; the names of user and project; and everything while
 * there are no news. */
#ifndef LIB_AUTH_VERIFY_H
#define LIB_AUTH_VERIFY_H

#include "lib/auth/token.h"
#include "lib/reactor/reactor.h"

struct verify;

struct verify_options {
	const char *url;     /* of the identity service, with /v3 */
	const char *key;     /* what shows that this is a service (its service_key) */
	unsigned poll_ms;    /* 0: 250 */
	unsigned stale_ms;   /* without news for so long, all is asked; 0: 10000 */
	unsigned slots;      /* tokens that are remembered; 0: 1024 */
	unsigned asks_max;   /* under way or waiting; 0: 256 */
	unsigned timeout_ms; /* of an answer; 0: 5000 */
};

/* What a token that is restricted is good for. */
struct access_rule {
	const char *service, *method, *path; /* the service's type; of paths see access_path */
};

/* A token that is valid, and what was asked about it. */
struct verified {
	struct token token;
	const struct token_role *roles; /* the token's, or all that it was given without */
	unsigned role_count;
	const char *user_name, *project_name; /* NULL: not asked for, or there is none */
	const struct access_rule *rules;      /* of one that is restricted */
	unsigned rule_count;
};

/* Does a path match a pattern? In it {anything} and a star stand for a part between slashes, two
 * stars for whatever follows. */
bool access_path(const char *pattern, const char *path);
/* May the token be used for that? One that is not restricted may for all. */
bool verified_may(
        const struct verified *verified, const char *service, const char *method, const char *path);

/* Begins to fetch. The options' texts are copied. */
enum err verify_new(const struct verify_options *options, struct verify **ret_verify);
/* Ends the thread: before the process does, which takes from under it what it uses. What is open is
 * not answered any more. */
void verify_stop(struct verify *verify);
/* Nothing may be asked for any more. NULL is fine. */
void verify_free(struct verify *verify);

/* Have there been news lately? Any thread. */
bool verify_fresh(struct verify *verify);

/* Any thread; never waits for anybody. ERR_UNAUTHORIZED: it is no token, or not valid (any more);
 * ERR_BUSY: that is to be asked. With `names` these are wanted, too. The result belongs to the
 * arena. */
enum err verify_token(struct verify *verify, const char *text, bool names, struct arena *arena,
        const struct verified **ret_verified);

/* What an action of STS or IAM has come to. */
struct verify_action {
	const char *name, *result; /* XML within <nameResult>; name NULL: it failed */
	unsigned status;
	const char *code, *text;
};

/* A question, and its answer. Lives in its owner, who leaves it alone until done. */
struct verify_ask {
	void (*done)(struct verify_ask *ask); /* from the asking reactor's loop */
	enum err err; /* ERR_UNAUTHORIZED: it is not valid; ERR_UNAVAILABLE: nobody answers */

	/* private */
	struct arena arena;
	const struct verified *verified;
	const struct signer *signer;
	const char *grantee, *grantee_name;
	struct verify_action action;
	struct verify *verify;
	const char *text;
	struct reactor *reactor;
	struct task task;
	void *under_way;
};

/* Asks for the token with its names. From a reactor's loop; texts are copied. `service` NULL, or
 * the token of a service in whose name it is asked: then it may have expired, by no more than the
 * identity service's allow_expired_window. ERR_UNAVAILABLE, and no callback: too many questions are
 * open. */
enum err verify_ask(
        struct verify *verify, struct verify_ask *ask, const char *text, const char *service);
/* After `done`, and once: what it says moves to the arena. */
enum err verify_answer(
        struct verify_ask *ask, struct arena *arena, const struct verified **ret_verified);

/* --- signing.c: keys of AWS signatures --- */

#define SIGNING_KEY 32

/* Of what is signed: with which access key, for which day (YYYYMMDD), region and service. Or, in
 * the older ways that have no such keys, what was signed and how it was (text not NULL): that is
 * asked about each time. */
struct signing {
	const char *access, *date, *region, *service;
	const char *session; /* the token of temporary credentials; NULL: they are not */
	const char *text, *signature;
	size_t text_len;
};

struct signer {
	uint8_t key[SIGNING_KEY];   /* that such signatures are made with; not of a text */
	const char *token;          /* of whom it is */
	const struct verified *who; /* with names */
	const char *rights;         /* JSON (docs/formats/session.md); NULL: there are none */
};

/* As verify_token, of the key for a scope. ERR_BUSY: it is to be asked for. */
enum err verify_signing(struct verify *verify, const struct signing *signing, struct arena *arena,
        const struct signer **ret_signer);
/* As verify_ask. ask->err ERR_NOT_FOUND: there is no such access key; ERR_UNAUTHORIZED: who has it
 * may not log in, or has not signed the text; ERR_UNPROCESSABLE: the session's token is none of it;
 * ERR_PRECONDITION: that has expired. */
enum err verify_signing_ask(
        struct verify *verify, struct verify_ask *ask, const struct signing *signing);
/* Which project has that id (else NULL), or is it that an email stands for? As verify_signing_ask;
 * ask->err ERR_NOT_FOUND: none. */
enum err verify_grantee_ask(
        struct verify *verify, struct verify_ask *ask, const char *id, const char *email);
/* After `done`, and once; the texts move to the arena. */
enum err verify_grantee_answer(
        struct verify_ask *ask, struct arena *arena, const char **ret_id, const char **ret_name);
/* A form of STS or IAM, who has signed it, and how it came: policies may ask that. */
struct verify_form {
	const char *service, *access, *session, *form; /* session: or NULL */
	const char *from, *agent;                      /* the client's address; agent: or NULL */
	bool tls;
};

/* Does what the form says, in the name of who has signed it: that the asker has checked. As
 * verify_signing_ask; what it has changed is known here when it is answered. */
enum err verify_action_ask(
        struct verify *verify, struct verify_ask *ask, const struct verify_form *form);
enum err verify_action_answer(
        struct verify_ask *ask, struct arena *arena, struct verify_action *ret_action);
/* As verify_answer. */
enum err verify_signing_answer(
        struct verify_ask *ask, struct arena *arena, const struct signer **ret_signer);

#endif
