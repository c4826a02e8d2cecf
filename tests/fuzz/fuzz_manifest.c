/* Manifests of static large objects, of clients and as they are kept: what is taken can be written
 * and read again, and means the same. */
#include "proxy/manifest.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void same(const struct manifest *one, const struct manifest *other)
{
	char etag[33], again[33];

	require(one->count == other->count && one->size == other->size);
	manifest_etag(one, etag);
	manifest_etag(other, again);
	require(strcmp(etag, again) == 0);
	for (unsigned i = 0; i < one->count; i++) {
		const struct manifest_segment *a = &one->segments[i], *b = &other->segments[i];
		require(a->start == b->start && a->length == b->length && a->bytes == b->bytes);
		require(a->is_slo == b->is_slo && !a->data == !b->data);
	}
}

static void use_kept(const uint8_t *data, size_t size)
{
	AUTO(buf) struct buf text = BUF_NONE, raw = BUF_NONE, fault = BUF_NONE;
	struct manifest m, again;

	if (manifest_read(&m, data, size))
		return;
	uint64_t sum = 0;
	for (unsigned i = 0; i < m.count; i++) {
		require(m.segments[i].start == sum);
		sum += m.segments[i].length;
	}
	require(sum == m.size);
	manifest_write(&m, &text);
	require(manifest_read(&again, buf_text(&text), text.len) == ERR_OK);
	same(&m, &again);
	manifest_done(&again);
	manifest_write_raw(&m, &raw);
	if (manifest_take(&again, buf_text(&raw), raw.len, "c/o", &fault) == ERR_OK) {
		require(again.count == m.count);
		manifest_done(&again);
	}
	manifest_done(&m);
}

static void use_clients(const uint8_t *data, size_t size)
{
	AUTO(buf) struct buf fault = BUF_NONE, text = BUF_NONE;
	struct manifest m, kept;
	enum err err = manifest_take(&m, data, size, "c/o", &fault);

	require((err == ERR_BAD_REQUEST) == (fault.len > 0));
	if (err)
		return;
	for (unsigned i = 0; i < m.count; i++) {
		struct manifest_segment *s = &m.segments[i];
		s->start = m.size;
		if (s->path) {
			require(s->container && *s->container && s->object);
			bool fits = manifest_range(s, 1000);
			require(!s->has_range || (fits && s->first <= s->last && s->last < 1000));
			s->bytes = 1000;
			s->etag = "0123456789abcdef0123456789abcdef";
			s->length = s->has_range ? s->last - s->first + 1 : 1000;
		}
		m.size += s->length;
	}
	manifest_write(&m, &text);
	if (manifest_read(&kept, buf_text(&text), text.len) == ERR_OK) {
		require(kept.count == m.count && kept.size == m.size);
		manifest_done(&kept);
	}
	manifest_done(&m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	use_kept(data, size);
	use_clients(data, size);
	return 0;
}
