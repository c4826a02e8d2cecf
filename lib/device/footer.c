/* Footers: what a full LOG unit holds, sorted by key, so that a restart reads that and not the
 * records. Written only when all batches of the unit are durable; then a seal names it. */
#include "lib/device/device_internal.h"

#include "lib/base/mem.h"
#include "lib/crypto/crc32c.h"
#include <stdlib.h>
#include <string.h>

struct footer {
	struct format_entry *entries;  /* owned, in the order of the log */
	struct device_extent *extents; /* owned */
	uint32_t *first_extent;        /* owned: of each entry */
	uint32_t count, cap, extent_count, extent_cap;
};

struct footer *footer_new(void)
{
	return mem_zalloc(sizeof(struct footer));
}

void footer_free(struct footer *footer)
{
	if (!footer)
		return;
	free(footer->entries);
	free(footer->extents);
	free(footer->first_extent);
	free(footer);
}

uint32_t footer_len(const struct footer *footer, uint32_t more)
{
	uint64_t len = sizeof(struct format_footer) + more;

	len += footer->count * (uint64_t)FOOTER_ENTRY +
	       footer->extent_count * (uint64_t)FOOTER_EXTENT;
	return format_up(len, DISK_BLOCK);
}

static struct format_entry *add(struct footer *footer)
{
	if (footer->count == footer->cap) {
		footer->cap = footer->cap ? footer->cap + footer->cap / 2 : 64;
		footer->entries =
		        mem_realloc(footer->entries, footer->cap * sizeof(*footer->entries));
		footer->first_extent = mem_realloc(
		        footer->first_extent, footer->cap * sizeof(*footer->first_extent));
	}
	footer->first_extent[footer->count] = footer->extent_count;
	struct format_entry *entry = &footer->entries[footer->count++];
	*entry = (struct format_entry){0};
	return entry;
}

static void note_object(struct footer *footer, const struct format_record *record, uint32_t off)
{
	const struct format_object *object = format_object(record);
	struct format_entry *entry = add(footer);

	memcpy(entry->key, object->key, 16);
	entry->ts = object->ts;
	entry->meta_ts = object->meta_ts;
	entry->first_lsn = object->first_lsn;
	entry->off = off;
	entry->len = record->len;
	entry->extent_count = object->extent_count;
	entry->type = record->type;
	entry->policy = record->policy;
	entry->flags = record->flags;
	entry->fragment = object->fragment & 31;
	entry->open = object->update_count && !(record->flags & RECORD_UPDATES_SETTLED);
	if (!object->extent_count)
		return;
	uint32_t want = footer->extent_count + object->extent_count;
	if (want > footer->extent_cap) {
		footer->extent_cap = want + want / 2;
		footer->extents =
		        mem_realloc(footer->extents, footer->extent_cap * sizeof(*footer->extents));
	}
	memcpy(footer->extents + footer->extent_count, format_extents(record),
	        object->extent_count * sizeof(*footer->extents));
	footer->extent_count = want;
}

static void note_settled(struct footer *footer, const struct format_record *record, uint32_t off)
{
	const struct format_settled *settled = (const void *)(record + 1);
	size_t count = (record->meta_len - sizeof(*record)) / sizeof(*settled);

	for (size_t i = 0; i < count; i++) {
		struct format_entry *entry = add(footer);
		memcpy(entry->key, settled[i].key, 16);
		entry->ts = settled[i].ts;
		entry->policy = settled[i].policy;
		entry->type = RECORD_SETTLED;
		entry->off = off;
		entry->len = record->len;
	}
}

void footer_note(struct footer *footer, const struct format_record *record, uint32_t off)
{
	if (record->type == RECORD_OBJECT || record->type == RECORD_TOMBSTONE)
		note_object(footer, record, off);
	else if (record->type == RECORD_SETTLED)
		note_settled(footer, record, off);
}

static int by_key(const void *a, const void *b, void *context)
{
	const struct footer *footer = context;
	const struct format_entry *x = &footer->entries[*(const uint32_t *)a];
	const struct format_entry *y = &footer->entries[*(const uint32_t *)b];
	uint64_t tx = format_newest(x->ts, x->meta_ts), ty = format_newest(y->ts, y->meta_ts);

	if (x->policy != y->policy)
		return x->policy < y->policy ? -1 : 1;
	int c = memcmp(x->key, y->key, 16);
	if (c)
		return c;
	if (tx != ty)
		return tx < ty ? -1 : 1;
	return x->off < y->off ? -1 : x->off > y->off;
}

/* Whether its updates are still open when the footer is made. */
static bool still_open(struct device *device, uint32_t unit, const struct format_entry *entry)
{
	return entry->open && object_is_open(device, entry->policy, entry->key,
	                              format_newest(entry->ts, entry->meta_ts),
	                              at_make(unit, entry->off, entry->len));
}

static void build(struct device *device, uint32_t unit, uint8_t *dst)
{
	struct footer *footer = device->units[unit].footer;
	uint32_t *order = mem_zalloc((footer->count + 1) * sizeof(*order));
	struct format_footer *head = (void *)dst;
	struct format_entry *entry = (void *)(head + 1);
	struct device_extent *extent = (void *)(entry + footer->count);

	for (uint32_t i = 0; i < footer->count; i++)
		order[i] = i;
	qsort_r(order, footer->count, sizeof(*order), by_key, footer);
	*head = (struct format_footer){.entries = footer->count, .extents = footer->extent_count};
	format_footer_head(head, device->units[unit].incarnation);
	for (uint32_t i = 0; i < footer->count; i++) {
		*entry = footer->entries[order[i]];
		entry->open = still_open(device, unit, entry);
		if (entry->extent_count)
			memcpy(extent, footer->extents + footer->first_extent[order[i]],
			        entry->extent_count * sizeof(*extent));
		extent += entry->extent_count;
		entry++;
	}
	free(order);
}

/* --- writing --- */

static struct format_seal seal_of(const struct device *device, uint32_t u)
{
	const struct unit *unit = &device->units[u];
	struct format_seal seal = {
	        .incarnation = unit->incarnation,
	        .nonce = unit->nonce,
	        .first_lsn = unit->lsn,
	        .next_lsn = unit->seal_lsn,
	        .last_crc = unit->seal_crc,
	        .end = unit->end,
	};

	memcpy(seal.checkpoint, device->checkpoint, sizeof(seal.checkpoint));
	memcpy(seal.row_max, unit->row_max, sizeof(seal.row_max));
	return seal;
}

static void on_sealed(struct unit_write *write, enum err err)
{
	struct device *device = write->device;
	uint32_t u = write->unit;

	unit_write_free(write);
	device->units[u].sealing = false;
	if (err) {
		device_fail(device, err);
		return;
	}
	footer_free(device->units[u].footer);
	device->units[u].footer = NULL;
	device->units[u].sealed = true;
	unit_check(device, u);
}

static void write_seal(struct device *device, uint32_t u, uint32_t len, uint32_t crc)
{
	struct unit_write *write = unit_write_new(device, u, DISK_BLOCK);
	struct format_seal seal = seal_of(device, u);

	seal.footer = len ? device->units[u].end : 0;
	seal.footer_len = len;
	seal.footer_crc = crc;
	format_seal_seal(&seal);
	memcpy(write->bytes->data, &seal, sizeof(seal));
	write->done = on_sealed;
	unit_write_start(write, FORMAT_SEAL_B);
}

static void on_footer(struct unit_write *write, enum err err)
{
	struct device *device = write->device;
	uint32_t u = write->unit;
	const struct format_footer *head = (const void *)write->bytes->data;
	uint32_t len = (uint32_t)(sizeof(*head) + head->entries * (uint64_t)FOOTER_ENTRY +
	                          head->extents * (uint64_t)FOOTER_EXTENT);
	uint32_t crc = crc32c(0, head, len);

	unit_write_free(write);
	if (err && err != ERR_NO_SPACE) {
		device->units[u].sealing = false;
		device_fail(device, err);
		return;
	}
	write_seal(device, u, err ? 0 : len, crc);
}

void footer_write(struct device *device, uint32_t u)
{
	struct unit *unit = &device->units[u];

	if (!unit->footer || unit->sealing || device->failed)
		return;
	unit->sealing = true;
	uint32_t len = footer_len(unit->footer, 0);
	if (unit->end + (uint64_t)len > unit->limit) {
		write_seal(device, u, 0, 0); /* a restart walks the batches instead */
		return;
	}
	struct unit_write *write = unit_write_new(device, u, len);
	build(device, u, write->bytes->data);
	write->done = on_footer;
	unit_write_start(write, unit->end);
}

static void on_end(struct unit_write *write, enum err err)
{
	write->then(write->device, write->unit, err);
	unit_write_free(write);
}

void footer_seal_end(struct device *device, uint32_t u, uint32_t last_crc, uint64_t next_lsn,
        void (*then)(struct device *device, uint32_t unit, enum err err))
{
	struct unit_write *write = unit_write_new(device, u, DISK_BLOCK);

	device->units[u].seal_crc = last_crc;
	device->units[u].seal_lsn = next_lsn;
	struct format_seal seal = seal_of(device, u);
	format_seal_seal(&seal);
	memcpy(write->bytes->data, &seal, sizeof(seal));
	write->done = on_end;
	write->then = then;
	unit_write_start(write, FORMAT_SEAL_A);
}
