/* Bodies of forms, and signatures. The first byte says how a body is cut into pieces: what it is
 * must not depend on that. */
#include "proxy/unit/multipart.h"
#include "proxy/unit/signature.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void read_all(const uint8_t *body, size_t len, size_t step, struct buf *out)
{
	struct multipart m;
	struct arena arena;
	size_t at = 0, data_len;
	const char *data;
	enum multipart_event event;

	arena_init(&arena);
	multipart_init(&m, "b");
	do {
		event = multipart_next(&m, &data, &data_len);
		if (event == MULTIPART_DATA)
			buf_add(out, data, data_len);
		else if (event != MULTIPART_MORE)
			buf_char(out, (char)event);
		if (event == MULTIPART_PART) {
			const char *value = multipart_header(&m, "Content-Disposition");
			const char *name = attribute_get(&arena, value, "name");
			buf_str(out, name ? name : "-");
		}
		if (event == MULTIPART_MORE) {
			if (at == len)
				break;
			size_t n = step < len - at ? step : len - at;
			multipart_feed(&m, body + at, n);
			at += n;
		}
	} while (event != MULTIPART_END && event != MULTIPART_BAD);
	multipart_done(&m);
	arena_done(&arena);
}

static void use_signature(const uint8_t *data, size_t size)
{
	char *text = strndup((const char *)data, size);
	struct signature signature;
	int64_t number;

	require(text != NULL);
	if (signature_parse(text, "sha1 sha256 sha512", &signature)) {
		require(strlen(signature.hex) % 2 == 0);
		require(!signature_fits(&signature, "key", "message", 7));
	}
	signature_int(text, &number);
	words_have(text, "a");
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(buf) struct buf whole = BUF_NONE;
	AUTO(buf) struct buf cut = BUF_NONE;

	if (size < 1)
		return 0;
	use_signature(data + 1, size - 1);
	read_all(data + 1, size - 1, size, &whole);
	read_all(data + 1, size - 1, data[0] % 64 + 1, &cut);
	/* Headers that are too long are noticed at one byte or another. */
	require(size > MULTIPART_HEADERS_MAX ||
	        (whole.len == cut.len && (!cut.len || memcmp(whole.data, cut.data, cut.len) == 0)));
	return 0;
}
