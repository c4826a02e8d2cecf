#include "lib/wire/hello.h"

#include "lib/crypto/hmac.h"
#include <assert.h>
#include <string.h>

#define NONCE 32
#define MAC   32

/* HELLO: versions u16 u16, cluster, nonce, length of the key's name u8, the name.
 * CHALLENGE: version u16, nonce, MAC. PROOF: MAC. */
#define HELLO_MIN     (4 + 16 + NONCE + 1)
#define CHALLENGE_LEN (2 + NONCE + MAC)
static_assert(HELLO_MIN + WIRE_KEY_ID_MAX + 2 + NONCE <= WIRE_TRANSCRIPT_MAX, "room");

enum err wire_key_add(struct wire_identity *identity, const char *line)
{
	size_t id_len = strcspn(line, " \t");
	const char *secret = line + id_len + strspn(line + id_len, " \t");
	size_t len = strlen(secret);

	if (!id_len || id_len > WIRE_KEY_ID_MAX || len < WIRE_SECRET_MIN || len > WIRE_SECRET_MAX ||
	        identity->key_count == WIRE_KEYS_MAX)
		return ERR_CONFIG;
	struct wire_key *key = &identity->keys[identity->key_count];
	*key = (struct wire_key){.secret_len = len};
	memcpy(key->id, line, id_len);
	memcpy(key->secret, secret, len);
	for (unsigned i = 0; i < identity->key_count; i++) {
		if (strcmp(identity->keys[i].id, key->id) == 0)
			return ERR_CONFIG;
	}
	identity->key_count++;
	return ERR_OK;
}

static void remember(struct wire_hello *hello, const void *data, size_t len)
{
	memcpy(hello->transcript + hello->transcript_len, data, len);
	hello->transcript_len += len;
}

/* Under the key, for one purpose, over all that was said. */
static void sign(const struct wire_hello *hello, const struct wire_identity *identity,
        const char *purpose, uint8_t ret_mac[MAC])
{
	uint8_t text[32 + WIRE_TRANSCRIPT_MAX] = {0};
	const struct wire_key *key = &identity->keys[hello->key];

	memcpy(text, purpose, strlen(purpose));
	memcpy(text + 32, hello->transcript, hello->transcript_len);
	hmac_sha256(key->secret, key->secret_len, text, 32 + hello->transcript_len, ret_mac);
}

static uint32_t le32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void derive(struct wire_hello *hello, const struct wire_identity *identity, bool client)
{
	uint8_t mac[MAC];

	sign(hello, identity, "cairn wire session", mac);
	hello->salt_out = le32(client ? mac : mac + 4);
	hello->salt_in = le32(client ? mac + 4 : mac);
}

void wire_hello_start(struct wire_hello *hello, const struct wire_identity *identity,
        const struct env *env, struct buf *out)
{
	const struct wire_key *key = &identity->keys[0];
	uint8_t nonce[NONCE];
	size_t from = out->len;

	*hello = (struct wire_hello){0};
	env->random(env, nonce, sizeof(nonce));
	buf_le16(out, (uint16_t)identity->version_min);
	buf_le16(out, (uint16_t)identity->version_max);
	buf_add(out, identity->cluster, sizeof(identity->cluster));
	buf_add(out, nonce, sizeof(nonce));
	buf_char(out, (char)strlen(key->id));
	buf_str(out, key->id);
	if (!out->err)
		remember(hello, out->data + from, out->len - from);
}

static bool find_key(
        const struct wire_identity *identity, const uint8_t *id, size_t len, unsigned *ret_key)
{
	for (unsigned i = 0; i < identity->key_count; i++) {
		if (strlen(identity->keys[i].id) == len &&
		        memcmp(identity->keys[i].id, id, len) == 0) {
			*ret_key = i;
			return true;
		}
	}
	return false;
}

enum err wire_hello_challenge(struct wire_hello *hello, const struct wire_identity *identity,
        const struct env *env, const void *in, size_t len, struct buf *out)
{
	const uint8_t *p = in;
	uint8_t nonce[NONCE], mac[MAC];

	*hello = (struct wire_hello){0};
	if (len < HELLO_MIN || p[HELLO_MIN - 1] > WIRE_KEY_ID_MAX ||
	        len != HELLO_MIN + (size_t)p[HELLO_MIN - 1])
		return ERR_FORMAT;
	unsigned theirs_min = p[0] | (unsigned)p[1] << 8, theirs_max = p[2] | (unsigned)p[3] << 8;
	unsigned version = theirs_max < identity->version_max ? theirs_max : identity->version_max;
	if (version < theirs_min || version < identity->version_min)
		return ERR_UNSUPPORTED;
	if (memcmp(p + 4, identity->cluster, sizeof(identity->cluster)) != 0)
		return ERR_FORBIDDEN;
	if (!find_key(identity, p + HELLO_MIN, p[HELLO_MIN - 1], &hello->key))
		return ERR_UNAUTHORIZED;
	size_t from = out->len;
	env->random(env, nonce, sizeof(nonce));
	buf_le16(out, (uint16_t)version);
	buf_add(out, nonce, sizeof(nonce));
	if (out->err)
		return out->err;
	remember(hello, in, len);
	remember(hello, out->data + from, out->len - from);
	hello->version = version;
	sign(hello, identity, "cairn wire server", mac);
	buf_add(out, mac, sizeof(mac));
	derive(hello, identity, false);
	return out->err;
}

enum err wire_hello_prove(struct wire_hello *hello, const struct wire_identity *identity,
        const void *in, size_t len, struct buf *out)
{
	const uint8_t *p = in;
	uint8_t mac[MAC];

	if (len != CHALLENGE_LEN)
		return ERR_FORMAT;
	hello->version = p[0] | (unsigned)p[1] << 8;
	if (hello->version < identity->version_min || hello->version > identity->version_max)
		return ERR_UNSUPPORTED;
	remember(hello, in, 2 + NONCE);
	sign(hello, identity, "cairn wire server", mac);
	if (!hmac_equal(mac, p + 2 + NONCE, MAC))
		return ERR_UNAUTHORIZED;
	sign(hello, identity, "cairn wire client", mac);
	buf_add(out, mac, sizeof(mac));
	derive(hello, identity, true);
	return out->err;
}

enum err wire_hello_check(
        struct wire_hello *hello, const struct wire_identity *identity, const void *in, size_t len)
{
	uint8_t mac[MAC];

	if (len != MAC)
		return ERR_FORMAT;
	sign(hello, identity, "cairn wire client", mac);
	return hmac_equal(mac, in, MAC) ? ERR_OK : ERR_UNAUTHORIZED;
}
