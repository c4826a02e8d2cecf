/* Values within an LDAP filter: whatever comes, it stays one value, and the same one. */
#include "identity/ldapdir.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

static unsigned digit(char c)
{
	require((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'));
	return (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(buf) struct buf out = BUF_NONE, back = BUF_NONE;
	char *text = strndup((const char *)data, size);

	if (!text)
		return 0;
	ldapdir_escape(text, &out);
	const char *at = buf_text(&out);
	require(strlen(at) == out.len && !strpbrk(at, "*()"));
	while (*at) {
		require(*at >= ' ' && *at < 0x7f);
		if (*at != '\\') {
			buf_char(&back, *at++);
			continue;
		}
		require(at[1] && at[2]);
		buf_char(&back, (char)(digit(at[1]) << 4 | digit(at[2])));
		at += 3;
	}
	require(strcmp(buf_text(&back), text) == 0);
	free(text);
	return 0;
}
