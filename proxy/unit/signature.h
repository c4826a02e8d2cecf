/* signature: what the owner of an account or container has signed with one of its keys
 * (X-Account-Meta-Temp-URL-Key and its like), for clients without a token. Pure. */
#ifndef PROXY_UNIT_SIGNATURE_H
#define PROXY_UNIT_SIGNATURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct info;

#define SIGNATURE_KEYS 4

struct signature {
	const char *digest; /* "sha1", "sha256", "sha512" */
	char hex[129];
};

/* Hex digits, or "<digest>:<base64>". False: it is none, or not of an allowed digest (words,
 * separated by spaces). */
bool signature_parse(const char *text, const char *allowed, struct signature *ret_signature);

/* Takes the same time wherever the two differ. */
bool signature_fits(const struct signature *signature, const char *key, const char *message,
        size_t message_len);

struct signature_key {
	const char *text;   /* borrowed from the info */
	bool for_container; /* of the container; otherwise of the account */
};

/* The keys of both (either may be NULL), the account's first; returns how many there are. */
unsigned signature_keys(const struct info *account, const struct info *container,
        struct signature_key ret_keys[SIGNATURE_KEYS]);

/* An integer as Python's int() reads it, but for its underscores; false when it is none. */
bool signature_int(const char *text, int64_t *ret_value);

/* Does a list of words, separated by spaces, have this one? Case ignored; a word that ends in '*'
 * stands for all that begin with it. NULL: an empty list. */
bool words_have(const char *list, const char *word);
/* Appends the words as the strings of a JSON array. */
void words_json(struct buf *out, const char *list);
/* "allowed_digests" and what is known to go some day, for /info. */
void signature_tell(struct buf *out, const char *allowed);

#endif
