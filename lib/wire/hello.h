/* hello: how two nodes prove to each other that they are of one cluster (docs/formats/wire.md).
 * Each side sends a nonce and shows by HMAC-SHA-256 under a shared key that it has the key and saw
 * the same words; versions and the session's salts come out of it. Pure functions over the heads
 * of hello frames. */
#ifndef LIB_WIRE_HELLO_H
#define LIB_WIRE_HELLO_H

#include "lib/base/buf.h"
#include "lib/env/env.h"

#define WIRE_KEYS_MAX   8
#define WIRE_KEY_ID_MAX 31
#define WIRE_SECRET_MIN 16
#define WIRE_SECRET_MAX 128

struct wire_key {
	char id[WIRE_KEY_ID_MAX + 1];
	uint8_t secret[WIRE_SECRET_MAX];
	size_t secret_len;
};

/* Who this side is. The first key is shown when dialling, all are taken: a key is replaced by
 * adding the new one everywhere, then putting it first, then removing the old one. */
struct wire_identity {
	struct wire_key keys[WIRE_KEYS_MAX];
	unsigned key_count;
	uint8_t cluster[16];
	unsigned version_min, version_max;
};

/* "id secret". ERR_CONFIG: not so, too short or long, or one too many. */
enum err wire_key_add(struct wire_identity *identity, const char *line);

#define WIRE_TRANSCRIPT_MAX 192

/* One connection's hello; no pointers, placed by its connection. */
struct wire_hello {
	uint8_t transcript[WIRE_TRANSCRIPT_MAX]; /* both sides' words so far */
	size_t transcript_len;
	unsigned key; /* of identity->keys */
	unsigned version;
	uint32_t salt_out, salt_in;
};

/* The four steps; each appends the head of the frame to send. Outcomes of what the peer said:
 * ERR_FORMAT nonsense, ERR_UNSUPPORTED no common version, ERR_FORBIDDEN another cluster,
 * ERR_UNAUTHORIZED wrong key. */
void wire_hello_start(struct wire_hello *hello, const struct wire_identity *identity,
        const struct env *env, struct buf *out); /* client: HELLO */
enum err wire_hello_challenge(struct wire_hello *hello, const struct wire_identity *identity,
        const struct env *env, const void *in, size_t len, struct buf *out); /* server: CHALLENGE */
enum err wire_hello_prove(struct wire_hello *hello, const struct wire_identity *identity,
        const void *in, size_t len, struct buf *out); /* client: PROOF */
enum err wire_hello_check(struct wire_hello *hello, const struct wire_identity *identity,
        const void *in, size_t len); /* server */

#endif
