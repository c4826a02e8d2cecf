/* format: the bytes of a device, see docs/formats/device.md. All integers little-endian; the
 * structs below are their image on a little-endian machine. Checks take bytes from the disk and
 * trust nothing in them. */
#ifndef LIB_DEVICE_FORMAT_H
#define LIB_DEVICE_FORMAT_H

#include "lib/device/objects.h"
#include <assert.h>

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "structs are the disk's image");

#define FORMAT_VERSION    1u
#define FORMAT_BASE       (1u << 20) /* units start here */
#define FORMAT_SUPER_2    32768u     /* offset of the second superblock */
#define FORMAT_UNIT_MIN   (1u << 20)
#define FORMAT_UNIT_MAX   (1u << 30)
#define FORMAT_DATA       16384u /* in a unit: headers before it, batches or extents from it */
#define FORMAT_SEAL_A     8192u  /* in a unit: end accepted by a recovery, no footer */
#define FORMAT_SEAL_B     12288u /* in a unit: end and footer */
#define FORMAT_CRC_BLOCK  16384u /* data bytes under one CRC */
#define FORMAT_RECORD_MAX (512u << 10)
#define FORMAT_PIECE_CRCS (BACKEND_PIECE / FORMAT_CRC_BLOCK)

enum { UNIT_NONE, UNIT_FREE, UNIT_LOG, UNIT_EXTENT };
enum { RECORD_OBJECT = 1, RECORD_TOMBSTONE, RECORD_SETTLED, RECORD_ROW, RECORD_CHECKPOINT };
enum {
	RECORD_UPDATES_SETTLED = 1, /* a copy: updates in it need no more sending */
	RECORD_SUPERSEDED = 2,      /* a copy kept for its updates: a newer version is known */
	RECORD_EXPIRES = 4,         /* the object has an X-Delete-At */
	RECORD_FORGOTTEN = 8,       /* a tombstone: nothing is known of the key here any more */
};

struct format_super {
	uint64_t magic;
	uint32_t version, unit_bytes;
	uint8_t uuid[16];
	uint32_t spare, crc;
};

/* Blocks 0 and 1 of a unit, twice the same. */
struct format_unit {
	uint64_t magic;
	uint8_t uuid[16]; /* the device's */
	uint64_t incarnation, nonce;
	uint64_t prev; /* LOG: incarnation of the unit whose chain it goes on with; 0: none */
	uint64_t lsn;  /* LOG: no record in it has a smaller one */
	uint64_t checkpoint[DEVICE_ROLES];
	uint32_t unit;
	uint8_t type, pad[3];
	uint32_t spare, crc;
};

/* A sealed LOG unit: nothing after `end` is or becomes valid. */
struct format_seal {
	uint64_t magic, incarnation, nonce, first_lsn, next_lsn;
	uint32_t end, last_crc; /* CRC field of the last batch header */
	uint32_t footer, footer_len, footer_crc, spare;
	uint64_t checkpoint[DEVICE_ROLES];
	uint64_t row_max[DEVICE_ROLES]; /* largest LSN of a row record, 0: none */
	uint32_t pad, crc;
};

struct format_batch {
	uint32_t magic, len; /* whole 4 KiB blocks */
	uint64_t incarnation, nonce, lsn;
	uint32_t count, prev_crc; /* records; crc of the batch header before */
	uint32_t used, payload_crc;
	uint64_t durable; /* this record and all before were durable when the batch was made */
	uint32_t unit, crc;
};
static_assert(sizeof(struct format_batch) == 64, "records start 64-byte aligned");

struct format_record {
	uint32_t magic, len; /* a multiple of 64 */
	uint32_t meta_len;   /* head to the end of all but inline data */
	uint32_t crc;        /* of meta_len bytes with this field 0 */
	uint64_t lsn, nonce;
	uint8_t type, role, policy, flags;
	uint32_t data_len; /* inline data after meta_len bytes */
	uint64_t spare[3];
};
static_assert(sizeof(struct format_record) == 64, "records are counted in 64 bytes");

/* After the head of OBJECT and TOMBSTONE. Then account, container, object, each with a NUL;
 * headers; updates; zeros up to a multiple of 8; a CRC per 16 KiB of inline data, or extents. */
struct format_object {
	uint8_t key[16];
	uint64_t ts, meta_ts, size, first_lsn; /* first_lsn: when this version was first written */
	uint8_t etag[16];
	uint16_t account_len, container_len, object_len, update_count;
	uint32_t headers_len, updates_len, extent_count, fragment; /* its number, or 0 */
};

/* SETTLED: an array of these after the head. */
struct format_settled {
	uint8_t key[16];
	uint64_t ts;
	uint8_t policy, pad[7];
};

struct format_checkpoint {
	uint64_t lsn;
};

/* One update in a record; its five texts follow, each with a NUL. */
struct format_update {
	uint64_t ts, bytes, count, totals_ts, meta_ts;
	uint16_t account_len, container_len, name_len, type_len, etag_len;
	uint8_t policy, flags; /* 1: deleted */
};

/* First block of a piece in an EXTENT unit; the data follows. */
struct format_piece {
	uint64_t magic;
	uint32_t len, policy;
	uint8_t key[16];
	uint64_t stage, offset;
	uint32_t crc[FORMAT_PIECE_CRCS];
};

struct format_footer {
	uint64_t magic, incarnation;
	uint32_t entries, extents;
};

/* Sorted by policy, key, newest time, off. Extents of all entries follow in that order. */
struct format_entry {
	uint8_t key[16];
	uint64_t ts, meta_ts, first_lsn;
	uint32_t off, len, extent_count;
	uint8_t type, policy;
	uint8_t open : 1, fragment : 5, spare : 2;
	uint8_t flags; /* the record's */
};
enum { FOOTER_ENTRY = sizeof(struct format_entry), FOOTER_EXTENT = sizeof(struct device_extent) };

static inline uint32_t format_up(uint64_t n, uint32_t unit)
{
	return (uint32_t)((n + unit - 1) / unit * unit);
}

/* Bytes a piece of `len` takes in its unit. */
static inline uint32_t format_piece_space(uint32_t len)
{
	return DISK_BLOCK + format_up(len, DISK_BLOCK);
}

/* Sets magic and CRC. `block` is DISK_BLOCK bytes, zeroed after the struct. */
void format_super_seal(struct format_super *super);
void format_unit_seal(struct format_unit *unit);
void format_seal_seal(struct format_seal *seal);
bool format_super_ok(const struct format_super *super);
bool format_unit_ok(const struct format_unit *unit);
bool format_seal_ok(const struct format_seal *seal, const struct format_unit *unit);

void format_batch_seal(struct format_batch *batch);
/* The header alone: `room` bytes are left in the unit from there. */
bool format_batch_head_ok(
        const struct format_batch *batch, const struct format_unit *unit, size_t room);
/* With all batch->len bytes there. */
bool format_batch_ok(const struct format_batch *batch);

/* Sets magic and CRC over meta_len bytes. */
void format_record_seal(struct format_record *record);
/* A whole record within `room` bytes: lengths, CRC, and what its type needs. Inline data is not
 * looked at. */
bool format_record_ok(const struct format_record *record, size_t room, uint64_t nonce);
bool format_data_ok(const struct format_record *record);
/* Not ok, but perhaps an object's, of that key. */
bool format_record_was(const struct format_record *record, size_t room, uint64_t nonce);

/* Parts of a record that is ok. */
static inline const struct format_object *format_object(const struct format_record *record)
{
	return (const struct format_object *)(record + 1);
}
const uint8_t *format_headers(const struct format_record *record);
const uint8_t *format_updates(const struct format_record *record);
const struct device_extent *format_extents(const struct format_record *record);
uint32_t *format_data_crcs(const struct format_record *record);
static inline const uint8_t *format_data(const struct format_record *record)
{
	return (const uint8_t *)record + record->meta_len;
}
static inline uint64_t format_newest(uint64_t ts, uint64_t meta_ts)
{
	return meta_ts > ts ? meta_ts : ts;
}

/* Bytes of an object's record up to its data. */
uint32_t format_object_meta_len(const struct device_write *write);
/* Writes all of it but lsn, nonce and crc. */
void format_object_fill(const struct device_write *write, uint32_t len, uint64_t lsn, uint8_t *dst);

/* Sets magic and incarnation; the CRC over the whole footer is in the seal. */
void format_footer_head(struct format_footer *footer, uint64_t incarnation);
bool format_footer_ok(const void *data, size_t len, uint64_t incarnation);

/* CRC of a piece's header block, which the record keeps. */
uint32_t format_piece_seal(struct format_piece *piece, const uint8_t *data, uint32_t len);
bool format_piece_ok(
        const struct format_piece *piece, const struct device_extent *extent, const uint8_t *data);

#endif
