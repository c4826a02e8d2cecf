/* What a Swift server answers: headers, one a line, and behind an empty line the body of a listing.
 * The first byte chooses the message, the second the status. */
#include "lib/base/kv.h"
#include "lib/swift/speak.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

static const struct {
	enum backend_op op;
	enum backend_kind kind;
} messages[] = {{BACKEND_OBJECT_GET, BACKEND_OBJECT}, {BACKEND_OBJECT_VERSION, BACKEND_OBJECT},
        {BACKEND_OBJECT_PUT, BACKEND_OBJECT}, {BACKEND_DB_HEAD, BACKEND_ACCOUNT},
        {BACKEND_DB_LIST, BACKEND_ACCOUNT}, {BACKEND_DB_LIST, BACKEND_CONTAINER},
        {BACKEND_DB_PUT, BACKEND_CONTAINER}};
static const int statuses[] = {200, 206, 404, 202, 416, 409, 507, 204};
static const char *const policies[BACKEND_POLICIES] = {"gold", "silver"};

static void check(const struct backend_reply *reply)
{
	struct backend_row row;
	struct kv_pair pair;
	size_t at = 0, used = 0;

	require(reply->policy < BACKEND_POLICIES);
	while (kv_next(reply->headers.data, reply->headers.len, &at, &pair))
		used = at;
	require(used == reply->headers.len);
	at = 0;
	while (backend_rows_next(&reply->rows, &at, &row))
		require(row.name && strlen(row.name) <= reply->rows.len);
	require(at == reply->rows.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(buf) struct buf headers = BUF_NONE;
	struct backend_call call = {0};

	if (size < 2 || size > 65536)
		return 0;
	unsigned which = data[0] % COUNT_OF(messages);
	call.msg = backend_msg_new(messages[which].op, messages[which].kind);
	const char *text = (const char *)data + 2, *end = (const char *)data + size;
	while (text < end && *text != '\n') {
		const char *stop = memchr(text, '\n', (size_t)(end - text));
		size_t len = (size_t)((stop ? stop : end) - text);
		const char *colon = memchr(text, ':', len);
		if (colon && !memchr(text, 0, len))
			kv_add_len(&headers, text, (size_t)(colon - text), colon + 1,
			        len - (size_t)(colon - text) - 1);
		text += len + (text + len < end);
	}
	enum err err = swift_read_head(call.msg, statuses[data[1] % COUNT_OF(statuses)],
	        headers.data, headers.len, policies, &call.reply);
	if (!err && text < end)
		swift_read_rows(call.msg, text, (size_t)(end - text), policies, &call.reply);
	check(&call.reply);
	backend_call_done(&call);
	return 0;
}
