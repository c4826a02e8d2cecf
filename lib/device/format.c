#include "lib/device/format.h"

#include "lib/crypto/crc32c.h"
#include <string.h>

#define MAGIC_SUPER  0x3172657075534e43u /* "CNSuper1" */
#define MAGIC_UNIT   0x2074696e55314e43u
#define MAGIC_SEAL   0x206c616553314e43u
#define MAGIC_PIECE  0x6563656950314e43u
#define MAGIC_FOOTER 0x72746f6f46314e43u
#define MAGIC_BATCH  0x68634243u
#define MAGIC_RECORD 0x63655243u

/* All but the last field, which is the CRC. */
#define CRC_OF(s) crc32c(0, s, sizeof(*(s)) - sizeof((s)->crc))

void format_super_seal(struct format_super *super)
{
	super->magic = MAGIC_SUPER;
	super->version = FORMAT_VERSION;
	super->crc = CRC_OF(super);
}

bool format_super_ok(const struct format_super *super)
{
	return super->magic == MAGIC_SUPER && super->crc == CRC_OF(super) &&
	       super->unit_bytes >= FORMAT_UNIT_MIN && super->unit_bytes <= FORMAT_UNIT_MAX &&
	       super->unit_bytes % FORMAT_UNIT_MIN == 0;
}

void format_unit_seal(struct format_unit *unit)
{
	unit->magic = MAGIC_UNIT;
	unit->crc = CRC_OF(unit);
}

bool format_unit_ok(const struct format_unit *unit)
{
	return unit->magic == MAGIC_UNIT && unit->crc == CRC_OF(unit) && unit->type >= UNIT_FREE &&
	       unit->type <= UNIT_EXTENT;
}

void format_seal_seal(struct format_seal *seal)
{
	seal->magic = MAGIC_SEAL;
	seal->crc = CRC_OF(seal);
}

bool format_seal_ok(const struct format_seal *seal, const struct format_unit *unit)
{
	return seal->magic == MAGIC_SEAL && seal->crc == CRC_OF(seal) &&
	       seal->incarnation == unit->incarnation && seal->nonce == unit->nonce &&
	       seal->end >= FORMAT_DATA && seal->end % DISK_BLOCK == 0;
}

void format_batch_seal(struct format_batch *batch)
{
	batch->magic = MAGIC_BATCH;
	batch->payload_crc = crc32c(0, batch + 1, batch->used - sizeof(*batch));
	batch->crc = CRC_OF(batch);
}

bool format_batch_head_ok(
        const struct format_batch *batch, const struct format_unit *unit, size_t room)
{
	return batch->magic == MAGIC_BATCH && batch->crc == CRC_OF(batch) &&
	       batch->incarnation == unit->incarnation && batch->nonce == unit->nonce &&
	       batch->unit == unit->unit && batch->len % DISK_BLOCK == 0 && batch->len <= room &&
	       batch->used >= sizeof(*batch) && batch->used <= batch->len && batch->count > 0;
}

bool format_batch_ok(const struct format_batch *batch)
{
	return batch->payload_crc == crc32c(0, batch + 1, batch->used - sizeof(*batch));
}

static uint32_t record_crc(const struct format_record *record)
{
	static const uint8_t zero[4];
	size_t before = offsetof(struct format_record, crc);
	uint32_t crc = crc32c(0, record, before);

	crc = crc32c(crc, zero, sizeof(zero));
	return crc32c(crc, (const uint8_t *)record + before + 4, record->meta_len - before - 4);
}

void format_record_seal(struct format_record *record)
{
	record->magic = MAGIC_RECORD;
	record->crc = record_crc(record);
}

static uint32_t crc_count(uint32_t data_len)
{
	return (data_len + FORMAT_CRC_BLOCK - 1) / FORMAT_CRC_BLOCK;
}

/* Where the CRCs or extents begin, from the head. */
static uint64_t table_at(const struct format_object *object)
{
	uint64_t at = sizeof(struct format_record) + sizeof(*object) + object->account_len +
	              object->container_len + object->object_len + 3u + object->headers_len +
	              (uint64_t)object->updates_len;

	return (at + 7) / 8 * 8;
}

static bool updates_ok(const struct format_record *record)
{
	const struct format_object *object = format_object(record);
	const uint8_t *p = format_updates(record);
	size_t left = object->updates_len;
	struct format_update u;

	for (unsigned i = 0; i < object->update_count; i++) {
		if (left < sizeof(u))
			return false;
		memcpy(&u, p, sizeof(u));
		size_t lens[5] = {
		        u.account_len, u.container_len, u.name_len, u.type_len, u.etag_len};
		p += sizeof(u);
		left -= sizeof(u);
		for (int k = 0; k < 5; k++) {
			if (left < lens[k] + 1 || p[lens[k]])
				return false;
			p += lens[k] + 1;
			left -= lens[k] + 1;
		}
	}
	return left == 0;
}

static bool object_ok(const struct format_record *record)
{
	const struct format_object *object = format_object(record);

	if (record->meta_len < sizeof(*record) + sizeof(*object) || record->policy >= DEVICE_SPACES)
		return false;
	uint64_t crcs = crc_count(record->data_len) * 4ull;
	uint64_t want = table_at(object) + crcs + object->extent_count * (uint64_t)FOOTER_EXTENT;
	if (record->meta_len != want || (record->data_len && object->extent_count) ||
	        object->fragment > DEVICE_FRAGMENTS)
		return false;
	const char *names = (const char *)(object + 1);
	if (names[object->account_len] || names[object->account_len + 1u + object->container_len] ||
	        names[object->account_len + object->container_len + 2u + object->object_len])
		return false;
	return updates_ok(record);
}

bool format_record_ok(const struct format_record *record, size_t room, uint64_t nonce)
{
	if (room < sizeof(*record) || record->magic != MAGIC_RECORD || record->len > room ||
	        record->len % 64 || record->nonce != nonce || record->len < sizeof(*record) ||
	        record->meta_len < sizeof(*record) || record->meta_len > record->len ||
	        record->data_len > record->len - record->meta_len ||
	        record->crc != record_crc(record))
		return false;
	size_t body = record->meta_len - sizeof(*record);
	switch (record->type) {
	case RECORD_OBJECT:
	case RECORD_TOMBSTONE:
		return object_ok(record);
	case RECORD_SETTLED:
		return body % sizeof(struct format_settled) == 0;
	case RECORD_CHECKPOINT:
		return body == sizeof(struct format_checkpoint) && record->role < DEVICE_ROLES;
	case RECORD_ROW:
		return record->role < DEVICE_ROLES;
	default:
		return false;
	}
}

bool format_record_was(const struct format_record *record, size_t room, uint64_t nonce)
{
	return room >= sizeof(*record) + sizeof(struct format_object) &&
	       record->magic == MAGIC_RECORD && record->nonce == nonce &&
	       (record->type == RECORD_OBJECT || record->type == RECORD_TOMBSTONE) &&
	       record->policy < DEVICE_SPACES;
}

bool format_data_ok(const struct format_record *record)
{
	const uint32_t *crcs = format_data_crcs(record);
	const uint8_t *data = format_data(record);

	for (uint32_t at = 0; at < record->data_len; at += FORMAT_CRC_BLOCK) {
		uint32_t left = record->data_len - at;
		uint32_t n = left < FORMAT_CRC_BLOCK ? left : FORMAT_CRC_BLOCK;
		if (crc32c(0, data + at, n) != *crcs++)
			return false;
	}
	return true;
}

const uint8_t *format_headers(const struct format_record *record)
{
	const struct format_object *object = format_object(record);

	return (const uint8_t *)(object + 1) + object->account_len + object->container_len +
	       object->object_len + 3;
}

const uint8_t *format_updates(const struct format_record *record)
{
	return format_headers(record) + format_object(record)->headers_len;
}

const struct device_extent *format_extents(const struct format_record *record)
{
	const void *at = (const uint8_t *)record + table_at(format_object(record));

	return at;
}

uint32_t *format_data_crcs(const struct format_record *record)
{
	return (uint32_t *)(void *)((uint8_t *)(uintptr_t)record + table_at(format_object(record)));
}

/* --- writing an object's record --- */

static size_t text_len(const char *text)
{
	return text ? strlen(text) : 0;
}

static size_t update_len(const struct backend_update *update)
{
	return sizeof(struct format_update) + text_len(update->account) +
	       text_len(update->container) + text_len(update->row.name) +
	       text_len(update->row.content_type) + text_len(update->row.etag) + 5;
}

static size_t updates_len(const struct device_write *write)
{
	size_t len = 0;

	for (unsigned i = 0; i < write->update_count; i++)
		len += update_len(&write->updates[i]);
	return len;
}

uint32_t format_object_meta_len(const struct device_write *write)
{
	struct format_object object = {
	        .account_len = (uint16_t)text_len(write->account),
	        .container_len = (uint16_t)text_len(write->container),
	        .object_len = (uint16_t)text_len(write->object),
	        .headers_len = (uint32_t)write->headers_len,
	        .updates_len = (uint32_t)updates_len(write),
	};

	return (uint32_t)(table_at(&object) + crc_count((uint32_t)write->data_len) * 4ull +
	                  write->extent_count * (uint64_t)FOOTER_EXTENT);
}

static uint8_t *put(uint8_t *dst, const void *data, size_t len)
{
	if (len)
		memcpy(dst, data, len);
	return dst + len;
}

static uint8_t *put_text(uint8_t *dst, const char *text, size_t len)
{
	dst = put(dst, text, len);
	*dst = 0;
	return dst + 1;
}

static uint8_t *put_update(uint8_t *dst, const struct backend_update *update)
{
	const struct backend_row *row = &update->row;
	struct format_update u = {
	        .ts = row->ts,
	        .bytes = row->bytes,
	        .count = row->count,
	        .totals_ts = row->totals_ts,
	        .meta_ts = row->meta_ts,
	        .account_len = (uint16_t)text_len(update->account),
	        .container_len = (uint16_t)text_len(update->container),
	        .name_len = (uint16_t)text_len(row->name),
	        .type_len = (uint16_t)text_len(row->content_type),
	        .etag_len = (uint16_t)text_len(row->etag),
	        .policy = row->policy,
	        .flags = row->deleted,
	};

	dst = put(dst, &u, sizeof(u));
	dst = put_text(dst, update->account, u.account_len);
	dst = put_text(dst, update->container, u.container_len);
	dst = put_text(dst, row->name, u.name_len);
	dst = put_text(dst, row->content_type, u.type_len);
	return put_text(dst, row->etag, u.etag_len);
}

void format_object_fill(const struct device_write *write, uint32_t len, uint64_t lsn, uint8_t *dst)
{
	struct format_record *record = (struct format_record *)(void *)dst;
	struct format_object *object = (struct format_object *)(record + 1);

	*record = (struct format_record){
	        .len = len,
	        .meta_len = format_object_meta_len(write),
	        .data_len = (uint32_t)write->data_len,
	        .type = write->deleted ? RECORD_TOMBSTONE : RECORD_OBJECT,
	        .policy = write->policy,
	        .flags = (write->expires ? RECORD_EXPIRES : 0) |
	                 (write->forgotten ? RECORD_FORGOTTEN : 0),
	};
	*object = (struct format_object){
	        .ts = write->ts,
	        .meta_ts = write->meta_ts,
	        .size = write->size,
	        .first_lsn = lsn,
	        .account_len = (uint16_t)text_len(write->account),
	        .container_len = (uint16_t)text_len(write->container),
	        .object_len = (uint16_t)text_len(write->object),
	        .update_count = (uint16_t)write->update_count,
	        .headers_len = (uint32_t)write->headers_len,
	        .updates_len = (uint32_t)updates_len(write),
	        .extent_count = write->extent_count,
	        .fragment = write->fragment,
	};
	memcpy(object->key, write->key, 16);
	memcpy(object->etag, write->etag, 16);
	uint8_t *p = (uint8_t *)(object + 1);
	p = put_text(p, write->account, object->account_len);
	p = put_text(p, write->container, object->container_len);
	p = put_text(p, write->object, object->object_len);
	p = put(p, write->headers, write->headers_len);
	for (unsigned i = 0; i < write->update_count; i++)
		p = put_update(p, &write->updates[i]);
	uint8_t *table = dst + table_at(object);
	memset(p, 0, (size_t)(table - p));
	p = put(table, write->extents, write->extent_count * sizeof(*write->extents));
	uint32_t *crcs = (uint32_t *)(void *)table;
	const uint8_t *data = write->data;
	for (size_t at = 0; at < write->data_len; at += FORMAT_CRC_BLOCK) {
		size_t left = write->data_len - at;
		*crcs++ = crc32c(0, data + at, left < FORMAT_CRC_BLOCK ? left : FORMAT_CRC_BLOCK);
	}
	p = put(dst + record->meta_len, data, write->data_len);
	memset(p, 0, (size_t)(dst + len - p));
}

/* --- footers and pieces --- */

bool format_footer_ok(const void *data, size_t len, uint64_t incarnation)
{
	const struct format_footer *footer = data;

	if (len < sizeof(*footer) || footer->magic != MAGIC_FOOTER ||
	        footer->incarnation != incarnation)
		return false;
	uint64_t want = sizeof(*footer) + footer->entries * (uint64_t)FOOTER_ENTRY +
	                footer->extents * (uint64_t)FOOTER_EXTENT;
	const struct format_entry *entry = (const struct format_entry *)(footer + 1);
	uint64_t extents = 0;
	if (want != len)
		return false;
	for (uint32_t i = 0; i < footer->entries; i++) {
		if (entry[i].policy >= DEVICE_SPACES)
			return false;
		extents += entry[i].extent_count;
	}
	return extents == footer->extents;
}

void format_footer_head(struct format_footer *footer, uint64_t incarnation)
{
	footer->magic = MAGIC_FOOTER;
	footer->incarnation = incarnation;
}

static uint32_t piece_crc(const struct format_piece *piece)
{
	return crc32c(0, piece, sizeof(*piece));
}

uint32_t format_piece_seal(struct format_piece *piece, const uint8_t *data, uint32_t len)
{
	piece->magic = MAGIC_PIECE;
	piece->len = len;
	for (uint32_t at = 0, i = 0; at < len; at += FORMAT_CRC_BLOCK, i++) {
		uint32_t left = len - at;
		piece->crc[i] =
		        crc32c(0, data + at, left < FORMAT_CRC_BLOCK ? left : FORMAT_CRC_BLOCK);
	}
	return piece_crc(piece);
}

bool format_piece_ok(
        const struct format_piece *piece, const struct device_extent *extent, const uint8_t *data)
{
	if (piece->magic != MAGIC_PIECE || piece_crc(piece) != extent->crc ||
	        piece->len != extent->len || piece->len > BACKEND_PIECE)
		return false;
	for (uint32_t at = 0, i = 0; at < piece->len; at += FORMAT_CRC_BLOCK, i++) {
		uint32_t left = piece->len - at;
		if (crc32c(0, data + at, left < FORMAT_CRC_BLOCK ? left : FORMAT_CRC_BLOCK) !=
		        piece->crc[i])
			return false;
	}
	return true;
}
