/* Tokens of sessions: whatever is shown as one, and whatever was sealed as one. */
#include "identity/session.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct vault *open_vault(void)
{
	static struct vault *vault;
	char dir[] = "/tmp/fuzz-session-XXXXXX", path[64];
	AUTO(buf) struct buf error = BUF_NONE;

	if (vault)
		return vault;
	if (!mkdtemp(dir) || vault_open(dir, &vault, &error))
		abort();
	snprintf(path, sizeof(path), "%s/1", dir);
	if (unlink(path) || rmdir(dir))
		abort();
	return vault;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vault *vault = open_vault();
	AUTO(buf) struct buf token = BUF_NONE;
	struct session session;
	struct arena arena;

	if (size > 65536)
		return 0;
	arena_init(&arena);
	const char *text =
	        arena_strndup(&arena, (const char *)data, strnlen((const char *)data, size));
	/* Nobody has sealed it. */
	if (!session_open(vault, "ASIA", text, 0, &arena, &session))
		abort();
	vault_seal(vault, "session ASIA", text, &token);
	if (!session_open(vault, "ASIA", buf_text(&token), 1, &arena, &session) &&
	        (!session.secret || !session.credential_id || session.expires_us <= 1))
		abort();
	if (session_open(vault, "ASIB", buf_text(&token), 1, &arena, &session) != ERR_UNPROCESSABLE)
		abort();
	arena_done(&arena);
	return 0;
}
