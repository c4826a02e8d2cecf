/* Archives that anybody may send: they end, whatever is in them, and tell no more of a file than it
 * has. The first byte says how it is packed, and in what pieces it comes. */
#include "lib/archive/unpack.h"
#include "lib/base/kv.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SIZE_MAX_FILE (1u << 20)

static struct reactor *loop;
static bool woken;

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void on_ready(void *owner)
{
	(void)owner;
	woken = true;
}

/* What of the file is still to come. */
static uint64_t look(const struct unpack_item *item, uint64_t left)
{
	struct kv_pair pair;

	if (item->what == UNPACK_END || item->what == UNPACK_FAULT)
		return 0;
	if (item->what == UNPACK_FILE) {
		require(item->path && left == 0);
		left = item->size > SIZE_MAX_FILE ? 0 : item->size;
		for (size_t at = 0; kv_next(item->meta.data, item->meta.len, &at, &pair);)
			require(*pair.name && !strpbrk(pair.value, "\r\n"));
	}
	size_t len = item->data ? item->data->len : 0;
	require(len <= left && len <= UNPACK_PIECE && item->last == (len == left));
	return left - len;
}

static void read_all(struct unpack *u, const uint8_t *data, size_t size, size_t step)
{
	size_t at = 0;
	uint64_t left = 0;
	bool ended = false;

	while (!ended) {
		struct unpack_item *item = unpack_take(u);
		if (item) {
			ended = item->what == UNPACK_END || item->what == UNPACK_FAULT;
			left = look(item, left);
			unpack_item_free(item);
		} else if (at < size && unpack_has_room(u)) {
			size_t n = size - at < step ? size - at : step;
			unpack_feed(u, bytes_copy(data + at, n));
			at += n;
			if (at == size)
				unpack_feed_end(u);
		} else {
			for (woken = false; !woken;)
				reactor_turn(loop, true);
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct unpack *u;

	if (size < 2)
		return 0;
	if (!loop)
		require(reactor_new(env_real(), 64, &loop) == ERR_OK);
	while (unpack_new((enum unpack_kind)(data[0] % 3), SIZE_MAX_FILE, loop, on_ready, NULL, &u))
		;
	read_all(u, data + 1, size - 1, data[0] < 3 ? 100 : 65536);
	unpack_free(u);
	while (reactor_turn(loop, false))
		;
	return 0;
}
