/* What is set for web sites, and where it sends requests: what is taken leads to URLs that are good
 * for a header. */
#include "proxy/s3/website.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use(const struct xml *root, const char *key, int status)
{
	const struct s3_website_asked asked = {
	        .key = key, .protocol = "http", .host = "host", .status = status};
	AUTO(buf) struct buf url = BUF_NONE;
	int to;

	if (!s3_website_redirect(root, &asked, &url, &to))
		return;
	if (to <= 300 || to > 399 || strncmp(buf_text(&url), "http", 4) != 0)
		abort();
	for (size_t i = 0; i < url.len; i++) {
		if ((unsigned char)url.data[i] <= ' ' || url.data[i] == 0x7f)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const keys[] = {"", "a", "a/", "docs/a b", "\n"};
	const struct xml *root;
	const char *text = NULL;
	struct arena arena;

	arena_init(&arena);
	if (!xml_parse(data, size, &arena, &root) && !s3_website_good(root, &arena, &text)) {
		for (unsigned i = 0; i < COUNT_OF(keys); i++) {
			use(root, keys[i], 0);
			use(root, keys[i], 404);
			s3_website_index(root, &arena, keys[i]);
		}
	}
	arena_done(&arena);
	return 0;
}
