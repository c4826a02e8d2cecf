/* Headers of sealed objects as devices give them, and what is set for a bucket's encryption. */
#include "lib/base/kv.h"
#include "lib/env/env.h"
#include "proxy/s3/encryption.h"
#include "proxy/seal.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define KEY "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Nobody has sealed it with these keys: it stays closed, or is said to be damaged. */
static void check_header(const char *text, size_t stored_size)
{
	static struct seal_secret secrets[] = {{"local-1", {1}, false}},
	                          kms[] = {{"one", {2}, false}};
	struct seal_keys keys = {.secrets = secrets,
	        .count = 1,
	        .current = &secrets[0],
	        .kms = kms,
	        .kms_count = 1,
	        .env = env_real()};
	struct seal_path path = {"AUTH_a", "c", "o"};
	struct backend_reply stored = {.headers = BUF_NONE, .size = stored_size};
	struct unseal u;

	kv_add(&stored.headers, SEAL_HEADER, text);
	if (!unseal_begin(&u, &keys, path, KEY, &stored) && u.aead)
		abort();
	if (!u.aead && u.lock && seal_size(u.reply.size) > stored_size + SEAL_CHUNK)
		abort();
	unseal_done(&u);
	buf_done(&stored.headers);
}

static void check_bucket(const void *data, size_t size, struct arena *arena)
{
	AUTO(buf) struct buf out = BUF_NONE;
	const char *kept = NULL, *text = NULL, *again = NULL;
	const struct xml *root;

	if (xml_parse(data, size, arena, &root) || s3_encryption_read(root, arena, &kept, &text))
		return;
	s3_encryption_tell(kept, &out);
	if (xml_parse(out.data, out.len, arena, &root) ||
	        (s3_encryption_read(root, arena, &again, &text) == S3_OK &&
	                strcmp(kept, again) != 0))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena arena;

	arena_init(&arena);
	check_header(
	        arena_strndup(&arena, (const char *)data, strnlen((const char *)data, size)), size);
	check_bucket(data, size, &arena);
	arena_done(&arena);
	return 0;
}
