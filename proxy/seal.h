/* seal: objects that cannot be read on the disks. Bodies and user metadata are encrypted
 * (AES-256-GCM) before they leave the proxy and decrypted when they come back; so are the hashes of
 * bodies, in the record and in listings. Names, sizes, types and system metadata are not.
 *
 * A body is stored in chunks of SEAL_CHUNK bytes. Those of its first SEAL_FIRST bytes are as long
 * as they were, and their tags are in the header, so that a body of that size is read at once; in
 * each later chunk are SEAL_PLAIN bytes and their tag. The nonce is the chunk's number, the key one
 * of this version alone: of a secret, the path and a salt (docs/formats/seal.md). The header
 * SEAL_HEADER says which secret and salt, and holds size and MD5, sealed too.
 *
 * The secret is a root secret, or what S3's clients ask for (SEAL_WITH): their own key, which is
 * nowhere kept, or one of this version alone, kept wrapped by a key that they name. */
#ifndef PROXY_SEAL_H
#define PROXY_SEAL_H

#include "lib/backend/backend.h"
#include "lib/base/arena.h"
#include "lib/crypto/aead.h"

#define SEAL_CHUNK (64u << 10)
#define SEAL_FIRST BACKEND_PIECE
#define SEAL_PLAIN (SEAL_CHUNK - AEAD_TAG)
#define SEAL_TAGS  (SEAL_FIRST / SEAL_CHUNK)

#define SEAL_HEADER   "X-Object-Sysmeta-Crypto-Body"
#define SEAL_METADATA "X-Object-Transient-Sysmeta-Crypto-Meta"
#define SEAL_SALT     16
#define SEAL_KEY      32

/* Of requests of our own. What a new object is sealed with, "root", "customer BASE64" or
 * "kms ID CONTEXT"; the customer's key, in base64, of one that is read. */
#define SEAL_WITH "X-Backend-Seal"
#define SEAL_OPEN "X-Backend-Seal-Open"

struct env;

/* The root secrets there are. */
struct seal_keys {
	struct seal_secret {
		const char *id; /* letters, digits, "_.-" */
		uint8_t bytes[SEAL_KEY];
		bool disabled; /* of kms */
	} * secrets;
	unsigned count;
	const struct seal_secret *active;  /* all new objects are sealed with it; NULL: not all */
	const struct seal_secret *current; /* those that are to be; NULL: there is none */
	struct seal_secret *kms;           /* keys that S3's clients name */
	unsigned kms_count;
	const struct env *env;
	const struct seal_keys *before; /* owned: those that were in use before */
};
void seal_keys_free(const struct seal_keys *keys); /* NULL is fine */

/* The path of an object; container and object NULL where something else is meant. */
struct seal_path {
	const char *account, *container, *object;
};

/* Of a body: its size as stored; the bytes of it that make one stored piece, after `stored` bytes;
 * where the stored chunk with the byte `plain` begins, and which byte is the first of that chunk.
 */
uint64_t seal_size(uint64_t plain);
uint64_t seal_plain_size(uint64_t stored);
size_t seal_piece_size(uint64_t stored);
uint64_t seal_chunk_at(uint64_t plain);
uint64_t seal_chunk_plain(uint64_t chunk_at);

/* --- writing --- */

struct seal {
	const struct seal_keys *keys; /* NULL: there are none */
	struct seal_path path;
	struct aead *aead; /* owned */
	uint8_t salt[SEAL_SALT];
	uint8_t tags[SEAL_TAGS][AEAD_TAG];
	unsigned tag_count;
	struct buf secret; /* owned: what the header says of it */
	bool opaque;       /* clients see the record's etag, not the MD5: made of that with a key */
	uint8_t etag_key[AEAD_KEY];
};

/* For a new version, with the current secret, which there is; path is borrowed. */
void seal_begin(struct seal *seal, const struct seal_keys *keys, struct seal_path path);
/* The same with what SEAL_WITH says; keys may be NULL. ERR_NOT_FOUND: there is no such key;
 * ERR_FORBIDDEN: it is disabled; ERR_FORMAT. */
enum err seal_begin_with(struct seal *seal, const struct env *env, const struct seal_keys *keys,
        struct seal_path path, const char *with);
void seal_done(struct seal *seal); /* harmless on a zeroed one */

/* The next piece of the body: seal_piece_size(at) bytes, or less at its end; `at`: bytes stored so
 * far. NULL: memory is out. */
struct bytes *seal_piece(struct seal *seal, uint64_t at, const void *data, size_t len);

/* Replaces the user metadata among the headers, and adds SEAL_HEADER. *ret_etag: what the record
 * keeps in place of the MD5. */
void seal_headers(struct seal *seal, struct buf *headers, uint64_t size, const uint8_t md5[16],
        uint8_t ret_etag[16]);

/* Replaces the user metadata among the headers, where there is a secret for it. */
void seal_metadata(const struct seal_keys *keys, struct seal_path path, struct buf *headers);

/* The hash of a listing's row: in place of `etag`, a text. */
void seal_row(const struct seal_keys *keys, const char *account, const char *container,
        const char *etag, struct buf *out);

/* --- reading --- */

/* Why a body stays closed. */
enum seal_lock { SEAL_UNLOCKED, SEAL_WANTS_KEY, SEAL_NO_KMS_KEY, SEAL_KMS_DISABLED };

/* What was read, as it was written. */
struct unseal {
	enum seal_lock lock;        /* then all but the body is there */
	struct aead *aead;          /* owned */
	struct backend_reply reply; /* headers and body owned */
	uint64_t stored_size;
	uint8_t tags[SEAL_TAGS][AEAD_TAG];
	/* A read under way: what is wanted, and the stored bytes that are here of it. */
	uint64_t plain_at, plain_len, stored_at;
	struct bytes *carry;
};

bool seal_is_sealed(const struct backend_reply *stored);
/* Is the hash of its row to be sealed, too? By SEAL_HEADER; NULL is fine. */
bool seal_hides_etag(const char *header);
/* The key that a client names, or NULL; keys may be NULL. */
const struct seal_secret *seal_kms_find(const struct seal_keys *keys, const char *id);

/* Sets reply's headers, size, etag and times. ERR_CORRUPT: not sealed so; ERR_NOT_FOUND: with a
 * root secret that is not here. keys may be NULL, and customer_key (SEAL_OPEN). */
enum err unseal_begin(struct unseal *unseal, const struct seal_keys *keys, struct seal_path path,
        const char *customer_key, const struct backend_reply *stored);
void unseal_done(struct unseal *unseal);

/* The chunks from stored bytes [at, at+len), at the start of one, of which the last may be cut off:
 * *ret_plain has those that are whole, *ret_used their stored bytes. ERR_CORRUPT, ERR_NO_MEMORY. */
enum err unseal_chunks(struct unseal *unseal, uint64_t at, const uint8_t *data, size_t len,
        struct bytes **ret_plain, size_t *ret_used);

/* Headers without SEAL_HEADER, and with the user metadata in place of SEAL_METADATA. */
enum err unseal_metadata(const struct seal_keys *keys, struct seal_path path,
        const struct buf *stored, struct buf *out);

/* The rows of one container, one after the other. */
struct unseal_rows {
	const struct seal_keys *keys; /* borrowed, as are the names; NULL: there are none */
	const char *account, *container;
	const struct seal_secret *secret;
	struct aead *aead; /* owned */
	struct buf text;   /* owned */
};

/* What a row's etag stands for: itself when it is not sealed, "" when it cannot be opened. Good
 * until the next row. */
const char *unseal_row(struct unseal_rows *rows, const char *etag);
void unseal_rows_done(struct unseal_rows *rows);

#endif
