/* Records, batch headers, unit headers, seals and footers from a disk: whatever the bytes, nothing
 * but an outcome. The first byte chooses; checksums are made right, so that what is behind them
 * is reached. What passes its check is read in full. */
#include "lib/base/mem.h"
#include "lib/device/format.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile uint8_t sink;

static void touch(const void *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		sink ^= ((const uint8_t *)data)[i];
}

static void use_record(uint8_t *bytes, const struct format_record *record)
{
	struct bytes holder = {.data = bytes};
	struct device_read read = {.bytes = &holder};
	struct device_record r;
	struct backend_update update;
	size_t at = 0;
	unsigned count = 0;

	if (record->type != RECORD_OBJECT && record->type != RECORD_TOMBSTONE)
		return;
	device_record(&read, &r);
	touch(r.account, strlen(r.account));
	touch(r.container, strlen(r.container));
	touch(r.object, strlen(r.object));
	touch(r.headers, r.headers_len);
	touch(r.extents, r.extent_count * sizeof(*r.extents));
	touch(r.data, r.data_len);
	(void)format_data_ok(record);
	for (; device_record_update(&r, &at, &update); count++) {
		touch(update.account, strlen(update.account));
		touch(update.row.name, strlen(update.row.name));
		touch(update.row.etag, strlen(update.row.etag));
	}
	if (count != r.update_count)
		abort();
}

static void parse_record(uint8_t *bytes, size_t size)
{
	struct format_record *record = (void *)bytes;

	if (size < sizeof(*record))
		return;
	if (format_record_ok(record, size, record->nonce))
		use_record(bytes, record);
	record->len = (uint32_t)(size / 64 * 64);
	if (record->meta_len >= sizeof(*record) && record->meta_len <= record->len)
		format_record_seal(record);
	if (format_record_ok(record, size, record->nonce))
		use_record(bytes, record);
}

static void parse_batch(uint8_t *bytes, size_t size)
{
	struct format_batch *batch = (void *)bytes;

	if (size < DISK_BLOCK)
		return;
	struct format_unit unit = {
	        .incarnation = batch->incarnation, .nonce = batch->nonce, .unit = batch->unit};
	if (batch->used >= sizeof(*batch) && batch->used <= size)
		format_batch_seal(batch);
	if (!format_batch_head_ok(batch, &unit, size) || !format_batch_ok(batch))
		return;
	for (uint32_t at = sizeof(*batch); at + sizeof(struct format_record) <= batch->used;
	        at += 64)
		(void)format_record_ok((const void *)(bytes + at), batch->used - at, batch->nonce);
}

static void parse_heads(uint8_t *bytes, size_t size)
{
	if (size < DISK_BLOCK)
		return;
	format_super_seal((void *)bytes);
	(void)format_super_ok((const void *)bytes);
	struct format_unit *unit = (void *)(bytes + 512);
	format_unit_seal(unit);
	(void)format_unit_ok(unit);
	struct format_seal *seal = (void *)(bytes + 1024);
	format_seal_seal(seal);
	(void)format_seal_ok(seal, unit);
	struct device_extent extent = {.len = BACKEND_PIECE};
	(void)format_piece_ok((const void *)bytes, &extent, bytes);
}

static void parse_footer(uint8_t *bytes, size_t size)
{
	struct format_footer *footer = (void *)bytes;

	if (size < sizeof(*footer))
		return;
	format_footer_head(footer, 5);
	if (!format_footer_ok(bytes, size, 5))
		return;
	const struct format_entry *entry = (const void *)(footer + 1);
	const struct device_extent *extent = (const void *)(entry + footer->entries);
	for (uint32_t i = 0; i < footer->entries; i++) {
		touch(extent, entry[i].extent_count * sizeof(*extent));
		extent += entry[i].extent_count;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const parsers[])(uint8_t * bytes, size_t size) = {
	        parse_record, parse_batch, parse_heads, parse_footer};

	if (size < 2 || size > 1u << 20)
		return 0;
	uint8_t *bytes = mem_dup(data + 1, size - 1); /* exact: an overrun is seen */
	parsers[data[0] % COUNT_OF(parsers)](bytes, size - 1);
	free(bytes);
	return 0;
}
