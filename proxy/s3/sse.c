#include "proxy/s3/sse.h"

#include "proxy/s3/config.h"
#include "proxy/s3/s3.h"
#include "proxy/seal.h"

#include "lib/base/base64.h"
#include "lib/crypto/hmac.h"
#include "lib/crypto/md5.h"
#include "lib/env/env.h"
#include "lib/json/jread.h"
#include <string.h>

#define SSE       "x-amz-server-side-encryption"
#define KMS_KEY   SSE "-aws-kms-key-id"
#define CONTEXT   SSE "-context"
#define KMS_CACHE SSE "-bucket-key-enabled"
#define CUSTOMER  SSE "-customer-"
#define SOURCE    "x-amz-copy-source-server-side-encryption-customer-"
#define KEPT      "customer "
#define VERIFIER  32

#define MUST_PROVIDE                                                                               \
	"Requests specifying Server Side Encryption with Customer provided keys must provide "

static const char *get(const struct request *request, const char *name)
{
	return http_get(request->http, name);
}

/* --- the customer's key --- */

struct customer {
	const char *key, *md5; /* as they were sent; NULL: none was */
};

/* Of the headers that say it. */
struct customer_names {
	const char *algorithm, *key, *md5;
};

static const struct customer_names of_object = {CUSTOMER "algorithm", CUSTOMER "key",
                                           CUSTOMER "key-md5"},
                                   of_source = {SOURCE "algorithm", SOURCE "key", SOURCE "key-md5"};

static enum s3_error check_key(const char *key, const char *md5, const char **ret_text)
{
	AUTO(buf) struct buf raw = BUF_NONE, text = BUF_NONE;
	uint8_t digest[16];

	if (!base64_decode(key, strlen(key), &raw)) {
		*ret_text = MUST_PROVIDE "an appropriate secret key.";
		return S3_InvalidArgument;
	}
	md5_digest(buf_text(&raw), raw.len, digest);
	size_t len = raw.len;
	if (raw.data)
		explicit_bzero(raw.data, raw.cap);
	base64_encode(digest, sizeof(digest), &text);
	if (strcmp(buf_text(&text), md5) != 0) {
		*ret_text = "The calculated MD5 hash of the key did not match the hash that was "
		            "provided.";
		return S3_InvalidArgument;
	}
	*ret_text = "The secret key was invalid for the specified algorithm.";
	return len == SEAL_KEY ? S3_OK : S3_InvalidArgument;
}

/* ret->key NULL when there are none. */
static enum s3_error take_customer(struct request *request, const struct customer_names *names,
        struct customer *ret, const char **ret_text)
{
	const char *algorithm = get(request, names->algorithm), *key = get(request, names->key),
	           *md5 = get(request, names->md5);

	*ret = (struct customer){0};
	if (!algorithm && !key && !md5)
		return S3_OK;
	if (request_cluster(request)->units.s3_ssec_tls && !request_cluster(request)->tls) {
		*ret_text = "Requests specifying Server Side Encryption with Customer provided "
		            "keys must be made over a secure connection.";
		return S3_InvalidRequest;
	}
	*ret_text = NULL;
	if (algorithm && strcmp(algorithm, "AES256") != 0)
		return S3_InvalidEncryptionAlgorithmError;
	if (!algorithm)
		*ret_text = MUST_PROVIDE "a valid encryption algorithm.";
	else if (!key)
		*ret_text = MUST_PROVIDE "an appropriate secret key.";
	else if (!md5)
		*ret_text = MUST_PROVIDE "the client calculated MD5 of the secret key.";
	if (*ret_text)
		return S3_InvalidArgument;
	*ret = (struct customer){key, md5};
	return check_key(key, md5, ret_text);
}

/* A key that is not kept is known again by this. */
static void verifier(const char *key, const uint8_t salt[SEAL_SALT], uint8_t ret[VERIFIER])
{
	AUTO(buf) struct buf raw = BUF_NONE, text = BUF_NONE;

	base64_decode(key, strlen(key), &raw);
	buf_add(&text, "verifier", sizeof("verifier"));
	buf_add(&text, salt, SEAL_SALT);
	hmac_sha256(buf_text(&raw), raw.len, text.data, text.len, ret);
	if (raw.data)
		explicit_bzero(raw.data, raw.cap);
}

static const char *keep_customer(struct request *request, const char *key)
{
	const struct env *env = request_cluster(request)->env;
	AUTO(buf) struct buf text = BUF_NONE;
	uint8_t salt[SEAL_SALT], mac[VERIFIER];

	env->random(env, salt, sizeof(salt));
	verifier(key, salt, mac);
	buf_str(&text, KEPT);
	base64_encode(salt, sizeof(salt), &text);
	buf_char(&text, ' ');
	base64_encode(mac, sizeof(mac), &text);
	return arena_strdup(request_arena(request), buf_text(&text));
}

static bool is_customers(const char *kept)
{
	return kept && strncmp(kept, KEPT, strlen(KEPT)) == 0;
}

static bool is_key(const char *kept, const char *key)
{
	AUTO(buf) struct buf salt = BUF_NONE, mac = BUF_NONE;
	const char *text = kept + strlen(KEPT);
	size_t len = strcspn(text, " ");
	uint8_t own[VERIFIER];

	if (!text[len] || !base64_decode(text, len, &salt) || salt.len != SEAL_SALT ||
	        !base64_decode(text + len + 1, strlen(text + len + 1), &mac) || mac.len != VERIFIER)
		return false;
	verifier(key, (const uint8_t *)salt.data, own);
	return hmac_equal(own, mac.data, VERIFIER);
}

/* --- keys that are named --- */

/* "arn:aws:kms:REGION:ACCOUNT:key/ID" and "alias/ID" mean ID. */
static const char *key_id(const char *named)
{
	const char *slash = strrchr(named, '/');

	return slash && (has_prefix(named, "arn:") || has_prefix(named, "alias/")) ? slash + 1
	                                                                           : named;
}

static enum s3_error check_kms(struct request *request, const char *named, const char **ret_text)
{
	const struct seal_secret *kms =
	        seal_kms_find(request_cluster(request)->seal, key_id(named));
	struct arena *arena = request_arena(request);

	if (kms && !kms->disabled)
		return S3_OK;
	*ret_text = kms ? arena_printf(arena, "%s is disabled.", named)
	                : arena_printf(arena, "Key '%s' does not exist", named);
	return kms ? S3_KMS_DisabledException : S3_KMS_NotFoundException;
}

/* base64 of a JSON object of strings. */
static bool context_good(const char *text)
{
	AUTO(buf) struct buf raw = BUF_NONE;
	AUTO(jroot) struct jroot root = JROOT_NONE;
	const char *name, *value;

	if (!*text || !base64_decode(text, strlen(text), &raw) ||
	        jread_parse(buf_text(&raw), raw.len, &root) || !jread_is_object(root.value))
		return false;
	for (size_t i = 0; (name = jread_name(root.value, i)); i++) {
		if (!jread_str(jread_get(root.value, name), &value))
			return false;
	}
	return true;
}

/* --- of a new object --- */

/* What is said of it, by headers or by what is set for the bucket. */
struct said {
	const char *method, *key, *context, *cache; /* or NULL */
	const char *blocked;                        /* of a bucket */
};

/* "-" stands for nothing. */
static const char *word(char *text, char **save)
{
	const char *word = strtok_r(text, " ", save);

	return word && strcmp(word, "-") != 0 ? word : NULL;
}

static struct said said_of_bucket(struct request *request, const struct info *info)
{
	const char *kept = info_header(info, S3_ENCRYPTION);
	struct said said = {0};

	if (!kept || !*kept)
		return said;
	char *text = arena_strdup(request_arena(request), kept), *save = NULL;
	said.method = word(text, &save);
	said.cache = word(NULL, &save);
	said.key = word(NULL, &save);
	said.blocked = word(NULL, &save);
	return said;
}

static enum s3_error check_said(const struct said *said, const char **ret_text)
{
	bool kms = said->method && strcmp(said->method, S3_SSE_KMS) == 0;

	if (said->method && !kms && strcmp(said->method, S3_SSE_ROOT) != 0) {
		*ret_text = "The encryption method specified is not supported";
		return S3_InvalidArgument;
	}
	if (!kms && (said->key || said->context)) {
		*ret_text = "Server Side Encryption with AWS KMS managed key requires HTTP header "
		            "x-amz-server-side-encryption : aws:kms";
		return S3_InvalidArgument;
	}
	if (said->key &&
	        (!*said->key || strlen(said->key) > S3_KMS_ID_MAX || strpbrk(said->key, " \t"))) {
		*ret_text = "The key id is not valid.";
		return S3_InvalidArgument;
	}
	if (said->context && !context_good(said->context)) {
		*ret_text = "The header 'x-amz-server-side-encryption-context' shall be "
		            "Base64-encoded UTF-8 string holding JSON which represents a "
		            "string-string map";
		return S3_InvalidArgument;
	}
	return S3_OK;
}

static bool has_root(struct request *request)
{
	const struct seal_keys *keys = request_cluster(request)->seal;

	return keys && keys->current;
}

/* Devices that are Swift's keep what they are given. */
static enum s3_error check_backend(struct request *request, const char **ret_text)
{
	if (!request->proxy->backend->plain)
		return S3_OK;
	*ret_text = "Nothing is encrypted on devices of another cluster.";
	return S3_NotImplemented;
}

static void keep(struct request *request, const char *kept, const char *with)
{
	request_set_header(request, S3_SSE, kept);
	request_set_header(request, SEAL_WITH, with);
	s3_sse_tell(request, &request->http->out, kept);
}

static enum s3_error take_root(struct request *request, const char **ret_text)
{
	if (!has_root(request)) {
		*ret_text = "Server side encryption was asked for, but there is no root secret "
		            "(encryption.keys) on this server.";
		return S3_NotImplemented;
	}
	keep(request, S3_SSE_ROOT, "root");
	return S3_OK;
}

static const char *kept_kms(struct request *request, const struct said *said, const char *key)
{
	return arena_printf(request_arena(request), S3_SSE_KMS " %s %s %s", key,
	        is_true(said->cache) ? "true" : "false", said->context ? said->context : "-");
}

static const char *kms_of(struct request *request, const struct said *said)
{
	return said->key ? said->key : request_cluster(request)->units.s3_kms_default;
}

static enum s3_error take_kms(
        struct request *request, const struct said *said, const char **ret_text)
{
	const char *key = kms_of(request, said);

	if (!key || !*key) {
		*ret_text = "Server Side Encryption with KMS managed key requires HTTP header "
		            "x-amz-server-side-encryption-aws-kms-key-id";
		return S3_InvalidArgument;
	}
	enum s3_error error = check_kms(request, key, ret_text);
	if (error)
		return error;
	const char *kept = kept_kms(request, said, key);
	keep(request, kept, s3_sse_seal(request, kept));
	if (said->context)
		http_header(request->http, CONTEXT, said->context);
	return S3_OK;
}

enum s3_error s3_sse_take(struct request *request, const char **ret_text)
{
	struct said said = {get(request, SSE), get(request, KMS_KEY), get(request, CONTEXT),
	                    get(request, KMS_CACHE), NULL},
	            bucket = said_of_bucket(request, request->container_info.info);
	struct customer customer;
	bool says = get(request, of_object.algorithm) || get(request, of_object.key);

	if (said.method && says) {
		*ret_text =
		        "Server Side Encryption with Customer provided key is incompatible with "
		        "the encryption method specified";
		return S3_InvalidArgument;
	}
	enum s3_error error = check_said(&said, ret_text);
	if (!error)
		error = take_customer(request, &of_object, &customer, ret_text);
	if (error)
		return error;
	if (!customer.key && !said.method && !bucket.method)
		return S3_OK;
	if (customer.key && bucket.blocked) {
		*ret_text = "This bucket has blocked upload requests that specify Server Side "
		            "Encryption with Customer provided keys (SSE-C). Please specify a "
		            "different server-side encryption type";
		return S3_AccessDenied;
	}
	if ((error = check_backend(request, ret_text)))
		return error;
	if (customer.key) {
		keep(request, keep_customer(request, customer.key),
		        arena_printf(request_arena(request), "customer %s", customer.key));
		return S3_OK;
	}
	if (!said.method)
		said = bucket;
	if (!said.cache)
		said.cache = bucket.cache;
	return strcmp(said.method, S3_SSE_KMS) == 0 ? take_kms(request, &said, ret_text)
	                                            : take_root(request, ret_text);
}

const char *s3_sse_default(struct request *request, const struct info *info)
{
	struct said said = said_of_bucket(request, info);

	if (!said.method || request->proxy->backend->plain)
		return NULL;
	bool kms = strcmp(said.method, S3_SSE_KMS) == 0;
	const char *key = kms ? kms_of(request, &said) : NULL;
	if (kms ? !key || !*key : !has_root(request))
		return NULL;
	const char *kept = kms ? kept_kms(request, &said, key) : S3_SSE_ROOT;
	request_set_header(request, S3_SSE, kept);
	return s3_sse_seal(request, kept);
}

/* --- of an upload's parts --- */

static enum s3_error match_upload(struct request *request, const char *kept,
        struct customer *ret_customer, const char **ret_text)
{
	enum s3_error error = take_customer(request, &of_object, ret_customer, ret_text);

	if (error)
		return error;
	if (is_customers(kept) != (ret_customer->key != NULL)) {
		*ret_text = "The multipart upload initiate requested encryption. Subsequent part "
		            "requests must include the appropriate encryption parameters.";
		return S3_InvalidRequest;
	}
	*ret_text = "The provided encryption parameters did not match the ones used originally.";
	return !ret_customer->key || is_key(kept, ret_customer->key) ? S3_OK : S3_InvalidRequest;
}

enum s3_error s3_sse_take_part(
        struct request *request, const struct buf *marker, const char **ret_text)
{
	const char *kept = kv_get(marker->data, marker->len, S3_SSE);
	struct customer customer;
	enum s3_error error = match_upload(request, kept, &customer, ret_text);

	if (error || !kept)
		return error;
	if (customer.key) {
		keep(request, kept,
		        arena_printf(request_arena(request), "customer %s", customer.key));
		return S3_OK;
	}
	if (strcmp(kept, S3_SSE_ROOT) == 0)
		return take_root(request, ret_text);
	struct said said = {0};
	char *text = arena_strdup(request_arena(request), kept), *save = NULL;
	strtok_r(text, " ", &save);
	said.key = strtok_r(NULL, " ", &save);
	if (said.key && (error = check_kms(request, said.key, ret_text)))
		return error;
	keep(request, kept, s3_sse_seal(request, kept));
	return S3_OK;
}

enum s3_error s3_sse_take_whole(
        struct request *request, const struct buf *marker, const char **ret_text)
{
	const char *kept = kv_get(marker->data, marker->len, S3_SSE);
	struct customer customer;
	enum s3_error error = match_upload(request, kept, &customer, ret_text);

	if (!error)
		s3_sse_tell(request, &request->http->out, kept);
	return error;
}

void s3_sse_sub(struct request *request, struct sub *sub, const char *kept)
{
	if (kept && has_root(request))
		sub_header(sub, SEAL_WITH, "root");
}

/* --- reading --- */

enum s3_error s3_sse_take_read(struct request *request, const char **ret_text)
{
	struct customer customer;

	if (get(request, SSE) || get(request, KMS_KEY)) {
		*ret_text = "x-amz-server-side-encryption header is not supported for this "
		            "operation.";
		return S3_InvalidArgument;
	}
	enum s3_error error = take_customer(request, &of_object, &customer, ret_text);
	if (!error)
		request_set_header(request, SEAL_OPEN, customer.key);
	return error;
}

static enum s3_error may_open(
        struct request *request, const char *kept, const char *key, const char **ret_text)
{
	*ret_text = NULL;
	if (is_customers(kept) && !key)
		*ret_text = "The object was stored using a form of Server Side Encryption. The "
		            "correct parameters must be provided to retrieve the object.";
	else if (is_customers(kept) && !is_key(kept, key))
		*ret_text = MUST_PROVIDE "the correct secret key.";
	else if (!is_customers(kept) && key)
		*ret_text = "The encryption parameters are not applicable to this object.";
	if (*ret_text)
		return S3_InvalidRequest;
	if (!kept || !has_prefix(kept, S3_SSE_KMS " ") || request->head)
		return S3_OK;
	const char *named = kept + strlen(S3_SSE_KMS " ");
	return check_kms(request, arena_strndup(request_arena(request), named, strcspn(named, " ")),
	        ret_text);
}

enum s3_error s3_sse_may_read(
        struct request *request, const struct buf *headers, const char **ret_text)
{
	return may_open(request, kv_get(headers->data, headers->len, S3_SSE),
	        http_get(request->http, SEAL_OPEN), ret_text);
}

enum s3_error s3_sse_source(struct request *request, const struct buf *headers,
        const char **ret_key, const char **ret_text)
{
	struct customer customer;
	enum s3_error error = take_customer(request, &of_source, &customer, ret_text);

	*ret_key = customer.key;
	return error ? error
	             : may_open(request, kv_get(headers->data, headers->len, S3_SSE), customer.key,
	                       ret_text);
}

bool s3_sse_is_customers(const struct buf *headers)
{
	return is_customers(kv_get(headers->data, headers->len, S3_SSE));
}

const char *s3_sse_seal(struct request *request, const char *kept)
{
	struct arena *arena = request_arena(request);

	if (kept && strcmp(kept, S3_SSE_ROOT) == 0)
		return "root";
	if (!kept || !has_prefix(kept, S3_SSE_KMS " "))
		return NULL;
	char *text = arena_strdup(arena, kept + strlen(S3_SSE_KMS " ")), *save = NULL;
	const char *key = strtok_r(text, " ", &save), *cache = strtok_r(NULL, " ", &save),
	           *context = strtok_r(NULL, " ", &save);
	return key && cache && context ? arena_printf(arena, "kms %s %s", key_id(key), context)
	                               : NULL;
}

/* --- answers --- */

static void tell_kms(struct request *request, struct buf *out, const char *kept)
{
	char *text = arena_strdup(request_arena(request), kept), *save = NULL;
	const char *key = strtok_r(text, " ", &save), *cache = strtok_r(NULL, " ", &save);

	kv_add(out, SSE, S3_SSE_KMS);
	if (key)
		kv_add(out, KMS_KEY, key);
	if (cache && strcmp(cache, "true") == 0)
		kv_add(out, KMS_CACHE, "true");
}

void s3_sse_tell(struct request *request, struct buf *out, const char *kept)
{
	if (is_customers(kept)) {
		const char *md5 = get(request, of_object.md5);
		kv_add(out, CUSTOMER "algorithm", S3_SSE_ROOT);
		if (md5)
			kv_add(out, CUSTOMER "key-MD5", md5);
	} else if (kept && strcmp(kept, S3_SSE_ROOT) == 0) {
		kv_add(out, SSE, kept);
	} else if (kept && has_prefix(kept, S3_SSE_KMS " ")) {
		tell_kms(request, out, kept + strlen(S3_SSE_KMS " "));
	}
}
