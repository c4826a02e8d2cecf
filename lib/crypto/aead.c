#include "lib/crypto/aead.h"

#include "lib/crypto/hmac.h"
#include <intel-ipsec-mb.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct aead {
	struct gcm_key_data key;
};

/* Of its manager only the table of functions is used, which nobody writes to any more. */
static IMB_MGR *manager;

static void make_manager(void)
{
	manager = alloc_mb_mgr(0);
	if (manager)
		init_mb_mgr_auto(manager, NULL);
	if (!manager || imb_get_errno(manager))
		abort(); /* no memory, or its self-test failed */
}

static void expand(struct aead *a, const uint8_t key[AEAD_KEY])
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, make_manager);
	IMB_AES256_GCM_PRE(manager, key, &a->key);
}

struct aead *aead_new(const uint8_t key[AEAD_KEY])
{
	struct aead *a = aligned_alloc(_Alignof(struct aead), sizeof(*a));

	if (!a)
		abort();
	expand(a, key);
	return a;
}

void aead_free(struct aead *a)
{
	if (a)
		explicit_bzero(a, sizeof(*a));
	free(a);
}

void aead_seal_with(const struct aead *a, const uint8_t nonce[AEAD_NONCE], const void *about,
        size_t about_len, const void *data, size_t len, void *ret, uint8_t ret_tag[AEAD_TAG])
{
	struct gcm_context_data state;

	IMB_AES256_GCM_ENC(manager, &a->key, &state, ret, data, len, nonce, about, about_len,
	        ret_tag, AEAD_TAG);
}

enum err aead_open_with(const struct aead *a, const uint8_t nonce[AEAD_NONCE], const void *about,
        size_t about_len, const void *data, size_t len, const uint8_t tag[AEAD_TAG], void *ret)
{
	struct gcm_context_data state;
	uint8_t is[AEAD_TAG];

	IMB_AES256_GCM_DEC(
	        manager, &a->key, &state, ret, data, len, nonce, about, about_len, is, AEAD_TAG);
	return hmac_equal(is, tag, AEAD_TAG) ? ERR_OK : ERR_CORRUPT;
}

void aead_seal(const uint8_t key[AEAD_KEY], const uint8_t nonce[AEAD_NONCE], const void *about,
        size_t about_len, const void *data, size_t len, uint8_t *ret)
{
	struct aead a;

	expand(&a, key);
	aead_seal_with(&a, nonce, about, about_len, data, len, ret, ret + len);
	explicit_bzero(&a, sizeof(a));
}

enum err aead_open(const uint8_t key[AEAD_KEY], const uint8_t nonce[AEAD_NONCE], const void *about,
        size_t about_len, const uint8_t *data, size_t len, void *ret)
{
	struct aead a;

	if (len < AEAD_TAG)
		return ERR_CORRUPT;
	len -= AEAD_TAG;
	expand(&a, key);
	enum err err = aead_open_with(&a, nonce, about, about_len, data, len, data + len, ret);
	explicit_bzero(&a, sizeof(a));
	return err;
}
