/* Bodies, headers and rows that are sealed: what comes back, and what any change to them does. */
#include "tests/lib/test.h"

#include "lib/base/kv.h"
#include "lib/base/mem.h"
#include "lib/env/env.h"
#include "proxy/seal.h"
#include <stdlib.h>
#include <string.h>

static struct seal_secret secrets[] = {{"old", {1}, false}, {"new", {2}, false}};
static struct seal_keys keys = {
        .secrets = secrets, .count = 2, .active = &secrets[1], .current = &secrets[1]};
static const struct seal_path path = {"AUTH_a", "c", "o"}, other = {"AUTH_a", "c", "p"};
static const uint8_t md5[16] = "0123456789abcde";

static int setup(void **state)
{
	(void)state;
	keys.env = env_real();
	return 0;
}

static void test_sizes(void **state)
{
	static const uint64_t plain[] = {0, 1, SEAL_CHUNK - 1, SEAL_CHUNK, SEAL_FIRST - 1,
	        SEAL_FIRST, SEAL_FIRST + 1, SEAL_FIRST + SEAL_PLAIN, SEAL_FIRST + SEAL_PLAIN + 1,
	        5ull << 40};

	(void)state;
	assert_int_equal(seal_size(0), 0);
	assert_int_equal(seal_size(1), 1);
	assert_int_equal(seal_size(SEAL_FIRST), BACKEND_PIECE);
	assert_int_equal(seal_size(SEAL_FIRST + 1), BACKEND_PIECE + 17);
	assert_int_equal(seal_size(SEAL_FIRST + SEAL_PLAIN), BACKEND_PIECE + SEAL_CHUNK);
	assert_int_equal(seal_size(SEAL_FIRST + seal_piece_size(SEAL_FIRST)), 2 * BACKEND_PIECE);
	for (unsigned i = 0; i < COUNT_OF(plain); i++) {
		uint64_t at = seal_chunk_at(plain[i]), first = seal_chunk_plain(at);
		assert_int_equal(at % SEAL_CHUNK, 0);
		assert_true(first <= plain[i]);
		assert_true(plain[i] < seal_chunk_plain(at + SEAL_CHUNK));
		assert_true(at == 0 || seal_size(first) == at);
		assert_int_equal(seal_plain_size(seal_size(plain[i])), plain[i]);
	}
}

/* A version as the devices have it. */
struct stored {
	struct backend_reply reply;
	struct bytes *body;
};

static struct stored write_with(const char *with, const uint8_t *data, size_t len)
{
	struct stored s = {0};
	struct seal seal;

	assert_int_equal(seal_begin_with(&seal, keys.env, &keys, path, with), ERR_OK);
	s.body = bytes_new(seal_size(len) + 1);
	for (size_t done = 0; done < len;) {
		size_t whole = seal_piece_size(s.body->len);
		size_t n = len - done < whole ? len - done : whole;
		struct bytes *piece = seal_piece(&seal, s.body->len, data + done, n);
		memcpy(s.body->data + s.body->len, piece->data, piece->len);
		s.body->len += piece->len;
		bytes_unref(piece);
		done += n;
	}
	kv_add(&s.reply.headers, "Content-Type", "text/x");
	kv_add(&s.reply.headers, "X-Object-Meta-Color", "blue");
	seal_headers(&seal, &s.reply.headers, len, md5, s.reply.etag);
	s.reply.size = s.body->len;
	seal_done(&seal);
	return s;
}

static struct stored write_version(const uint8_t *data, size_t len)
{
	return write_with("root", data, len);
}

static void drop_version(struct stored *s)
{
	buf_done(&s->reply.headers);
	bytes_unref(s->body);
}

static void test_what_was_written_comes_back(void **state)
{
	static const size_t sizes[] = {0, 1, SEAL_CHUNK, SEAL_CHUNK + 1, SEAL_FIRST, SEAL_FIRST + 1,
	        2 * SEAL_FIRST, 2 * SEAL_FIRST + 12345};
	uint8_t *data = mem_zalloc(3 * SEAL_FIRST);

	(void)state;
	for (size_t i = 0; i < 3 * SEAL_FIRST; i++)
		data[i] = (uint8_t)(i * 7 + i / 251);
	for (unsigned i = 0; i < COUNT_OF(sizes); i++) {
		struct stored s = write_version(data, sizes[i]);
		struct unseal u;
		struct bytes *plain;
		size_t used, total = 0;
		assert_true(seal_is_sealed(&s.reply));
		assert_null(memmem(s.reply.headers.data, s.reply.headers.len, "blue", 4));
		assert_int_equal(unseal_begin(&u, &keys, path, NULL, &s.reply), ERR_OK);
		assert_int_equal(u.reply.size, sizes[i]);
		assert_memory_equal(u.reply.etag, md5, 16);
		assert_string_equal(
		        kv_get(u.reply.headers.data, u.reply.headers.len, "X-Object-Meta-Color"),
		        "blue");
		assert_null(kv_get(u.reply.headers.data, u.reply.headers.len, SEAL_HEADER));
		for (uint64_t at = 0; at < s.body->len; at += used) {
			size_t rest = s.body->len - at;
			assert_int_equal(unseal_chunks(&u, at, s.body->data + at,
			                         rest < 100000 ? rest : 100000, &plain, &used),
			        ERR_OK);
			assert_true(used);
			assert_memory_equal(plain->data, data + seal_chunk_plain(at), plain->len);
			total += plain->len;
			bytes_unref(plain);
		}
		assert_int_equal(total, sizes[i]);
		unseal_done(&u);
		drop_version(&s);
	}
	free(data);
}

static void test_chunks_have_their_places(void **state)
{
	size_t len = SEAL_FIRST + 2 * SEAL_PLAIN;
	uint8_t *data = mem_zalloc(len);
	struct stored s = write_version(data, len);
	uint8_t *body = s.body->data;
	struct unseal u;
	struct bytes *plain;
	size_t used;

	(void)state;
	assert_int_equal(unseal_begin(&u, &keys, path, NULL, &s.reply), ERR_OK);
	assert_int_equal(
	        unseal_chunks(&u, SEAL_CHUNK, body, SEAL_CHUNK, &plain, &used), ERR_CORRUPT);
	assert_int_equal(unseal_chunks(&u, SEAL_FIRST, body + SEAL_FIRST + SEAL_CHUNK, SEAL_CHUNK,
	                         &plain, &used),
	        ERR_CORRUPT);
	assert_int_equal(
	        unseal_chunks(&u, SEAL_FIRST, body + SEAL_FIRST, SEAL_CHUNK, &plain, &used),
	        ERR_OK);
	bytes_unref(plain);
	body[5]++;
	body[SEAL_FIRST + SEAL_CHUNK - 1]++;
	assert_int_equal(unseal_chunks(&u, 0, body, SEAL_CHUNK, &plain, &used), ERR_CORRUPT);
	assert_int_equal(
	        unseal_chunks(&u, SEAL_FIRST, body + SEAL_FIRST, SEAL_CHUNK, &plain, &used),
	        ERR_CORRUPT);
	assert_int_equal(unseal_chunks(&u, 0, body, SEAL_CHUNK - 1, &plain, &used), ERR_OK);
	assert_int_equal(used, 0); /* not a whole one */
	bytes_unref(plain);
	unseal_done(&u);
	drop_version(&s);
	free(data);
}

/* Without room for its tag there is no chunk. */
static void test_a_last_chunk_that_is_too_short(void **state)
{
	uint8_t *data = mem_zalloc(SEAL_FIRST + 1);
	struct stored s = write_version(data, SEAL_FIRST + 1);
	struct unseal u;
	struct bytes *plain;
	size_t used;

	(void)state;
	assert_int_equal(unseal_begin(&u, &keys, path, NULL, &s.reply), ERR_OK);
	u.stored_size = SEAL_FIRST + AEAD_TAG - 1;
	assert_int_equal(unseal_chunks(&u, SEAL_FIRST, s.body->data + SEAL_FIRST, AEAD_TAG - 1,
	                         &plain, &used),
	        ERR_CORRUPT);
	unseal_done(&u);
	drop_version(&s);
	free(data);
}

static void test_a_version_is_of_its_name_and_size(void **state)
{
	struct stored s = write_version((const uint8_t *)"hello", 5);
	struct unseal u;

	(void)state;
	assert_int_equal(unseal_begin(&u, &keys, other, NULL, &s.reply), ERR_CORRUPT);
	unseal_done(&u);
	s.reply.size++;
	assert_int_equal(unseal_begin(&u, &keys, path, NULL, &s.reply), ERR_CORRUPT);
	unseal_done(&u);
	s.reply.size--;
	keys.count = 1;
	assert_int_equal(unseal_begin(&u, &keys, path, NULL, &s.reply), ERR_NOT_FOUND);
	unseal_done(&u);
	keys.count = 2;
	assert_int_equal(unseal_begin(&u, NULL, path, NULL, &s.reply), ERR_NOT_FOUND);
	unseal_done(&u);
	drop_version(&s);
}

/* No change of a header goes unnoticed, or further than the text. */
static void test_damaged_headers(void **state)
{
	struct stored s = write_version((const uint8_t *)"hello", 5);

	(void)state;
	for (size_t i = 0; i < s.reply.headers.len; i++) {
		struct backend_reply damaged = s.reply;
		struct unseal u;
		damaged.headers = BUF_NONE;
		buf_add(&damaged.headers, s.reply.headers.data, s.reply.headers.len);
		damaged.headers.data[i] ^= 4;
		if (kv_valid(damaged.headers.data, damaged.headers.len) &&
		        seal_is_sealed(&damaged)) {
			enum err err = unseal_begin(&u, &keys, path, NULL, &damaged);
			if (!err) {
				assert_int_equal(u.reply.size, 5);
				assert_memory_equal(u.reply.etag, md5, 16);
			}
			unseal_done(&u);
		}
		buf_done(&damaged.headers);
	}
	drop_version(&s);
}

static void test_rows(void **state)
{
	struct unseal_rows rows = {.keys = &keys, .account = "AUTH_a", .container = "c"};
	AUTO(buf) struct buf a = BUF_NONE;
	AUTO(buf) struct buf b = BUF_NONE;

	(void)state;
	seal_row(&keys, "AUTH_a", "c", "the hash", &a);
	keys.current = &secrets[0];
	seal_row(&keys, "AUTH_a", "c", "another", &b);
	keys.current = &secrets[1];
	assert_null(strstr(buf_text(&a), "hash"));
	assert_string_equal(unseal_row(&rows, buf_text(&a)), "the hash");
	assert_string_equal(unseal_row(&rows, buf_text(&b)), "another");
	assert_string_equal(unseal_row(&rows, "plain"), "plain");
	assert_string_equal(unseal_row(&rows, "sealed new AAAA"), "");
	assert_string_equal(unseal_row(&rows, "sealed "), "");
	unseal_rows_done(&rows);
	rows = (struct unseal_rows){.keys = &keys, .account = "AUTH_a", .container = "d"};
	assert_string_equal(unseal_row(&rows, buf_text(&a)), "");
	unseal_rows_done(&rows);
}

#define KEY   "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define OTHER "AQECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

/* All but the body is there without the key; with another one, too. */
static void test_a_customers_key(void **state)
{
	static const size_t sizes[] = {0, 5, SEAL_FIRST, SEAL_FIRST + 1, 3 * SEAL_FIRST};
	static const char *const wrong[] = {NULL, OTHER, "", "!", "QUJD"};
	uint8_t *data = mem_zalloc(3 * SEAL_FIRST);

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(sizes); i++) {
		struct stored s = write_with("customer " KEY, data, sizes[i]);
		struct unseal u;
		assert_memory_not_equal(s.reply.etag, md5, 16);
		for (unsigned w = 0; w < COUNT_OF(wrong); w++) {
			assert_int_equal(
			        unseal_begin(&u, &keys, other, wrong[w], &s.reply), ERR_CORRUPT);
			unseal_done(&u);
			assert_int_equal(unseal_begin(&u, &keys, path, wrong[w], &s.reply), ERR_OK);
			assert_int_equal(u.lock, SEAL_WANTS_KEY);
			assert_null(u.aead);
			assert_int_equal(u.reply.size, sizes[i]);
			assert_memory_equal(u.reply.etag, s.reply.etag, 16);
			assert_string_equal(kv_get(u.reply.headers.data, u.reply.headers.len,
			                            "X-Object-Meta-Color"),
			        "blue");
			unseal_done(&u);
		}
		assert_int_equal(unseal_begin(&u, &keys, path, KEY, &s.reply), ERR_OK);
		assert_int_equal(u.lock, SEAL_UNLOCKED);
		assert_int_equal(u.reply.size, sizes[i]);
		assert_memory_equal(u.reply.etag, s.reply.etag, 16);
		struct bytes *plain;
		size_t used;
		size_t first = s.body->len < SEAL_FIRST ? s.body->len : SEAL_FIRST;
		assert_int_equal(unseal_chunks(&u, 0, s.body->data, first, &plain, &used), ERR_OK);
		assert_int_equal(used, first);
		assert_memory_equal(plain->data, data, first);
		bytes_unref(plain);
		unseal_done(&u);
		drop_version(&s);
	}
	free(data);
}

static void test_a_key_that_is_named(void **state)
{
	static struct seal_secret named[] = {{.id = "one", .bytes = {7}}};
	struct unseal u;

	(void)state;
	keys.kms = named;
	keys.kms_count = 1;
	struct stored s = write_with("kms one e30=", (const uint8_t *)"hello", 5);
	assert_int_equal(unseal_begin(&u, &keys, path, NULL, &s.reply), ERR_OK);
	assert_int_equal(u.lock, SEAL_UNLOCKED);
	assert_int_equal(u.reply.size, 5);
	unseal_done(&u);
	assert_int_equal(unseal_begin(&u, &keys, other, NULL, &s.reply), ERR_CORRUPT);
	unseal_done(&u);
	named[0].disabled = true;
	assert_int_equal(unseal_begin(&u, &keys, path, NULL, &s.reply), ERR_OK);
	assert_int_equal(u.lock, SEAL_KMS_DISABLED);
	unseal_done(&u);
	struct seal seal;
	assert_int_equal(seal_begin_with(&seal, keys.env, &keys, path, "kms one -"), ERR_FORBIDDEN);
	assert_int_equal(seal_begin_with(&seal, keys.env, &keys, path, "kms two -"), ERR_NOT_FOUND);
	assert_int_equal(seal_begin_with(&seal, keys.env, &keys, path, "kms one"), ERR_FORMAT);
	assert_int_equal(seal_begin_with(&seal, keys.env, &keys, path, "kms one "), ERR_FORMAT);
	assert_int_equal(
	        seal_begin_with(&seal, keys.env, &keys, path, "customer QUJD"), ERR_FORMAT);
	assert_int_equal(seal_begin_with(&seal, keys.env, NULL, path, "root"), ERR_NOT_FOUND);
	assert_int_equal(seal_begin_with(&seal, keys.env, &keys, path, "other"), ERR_FORMAT);
	named[0].disabled = false;
	keys.kms_count = 0;
	assert_int_equal(unseal_begin(&u, &keys, path, NULL, &s.reply), ERR_OK);
	assert_int_equal(u.lock, SEAL_NO_KMS_KEY);
	unseal_done(&u);
	keys.kms_count = 1;
	named[0].bytes[0] = 8;
	assert_int_equal(unseal_begin(&u, &keys, path, NULL, &s.reply), ERR_CORRUPT);
	unseal_done(&u);
	drop_version(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_sizes),
	        cmocka_unit_test(test_a_customers_key),
	        cmocka_unit_test(test_a_key_that_is_named),
	        cmocka_unit_test(test_what_was_written_comes_back),
	        cmocka_unit_test(test_chunks_have_their_places),
	        cmocka_unit_test(test_a_last_chunk_that_is_too_short),
	        cmocka_unit_test(test_a_version_is_of_its_name_and_size),
	        cmocka_unit_test(test_damaged_headers),
	        cmocka_unit_test(test_rows),
	};
	return cmocka_run_group_tests(tests, setup, NULL);
}
