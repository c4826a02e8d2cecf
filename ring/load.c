/* Ring files of format 1 and 2 (docs/formats/ring.md). Everything here is bytes from outside. */
#include "lib/base/hex.h"
#include "lib/base/mem.h"
#include "lib/crypto/sha256.h"
#include "lib/json/jread.h"
#include "ring/ring_internal.h"
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include <zlib.h>

#define JSON_BYTES_MAX (256u << 20)

/* A row of bytes being read; take() never passes its end. */
struct bytes_in {
	const uint8_t *at;
	size_t left;
};

static const uint8_t *take(struct bytes_in *in, size_t len)
{
	const uint8_t *start = in->at;

	if (len > in->left)
		return NULL;
	in->at += len;
	in->left -= len;
	return start;
}

static bool take_be(struct bytes_in *in, size_t width, uint64_t *ret_number)
{
	const uint8_t *from = take(in, width);
	uint64_t number = 0;

	if (!from)
		return false;
	for (size_t i = 0; i < width; i++)
		number = number << 8 | from[i];
	*ret_number = number;
	return true;
}

enum err ring_file_read(const char *path, size_t size_max, struct buf *data)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = 1;

	if (fd < 0)
		return err_from_errno(errno);
	data->size_max = size_max;
	while (got > 0) {
		char *to = buf_reserve(data, 65536);
		if (!to)
			break;
		got = read(fd, to, data->cap - data->len - 1);
		if (got > 0)
			data->len += (size_t)got;
	}
	enum err err = got < 0 ? err_from_errno(errno) : data->err;
	close(fd);
	return err;
}

/* The one gzip member of a file; zlib verifies its checksum and length. */
static enum err inflate_all(const void *data, size_t len, struct buf *raw)
{
	z_stream stream = {.next_in = (Bytef *)(uintptr_t)data, .avail_in = (uInt)len};
	int r = Z_OK;

	if (len > RING_FILE_MAX)
		return ERR_TOO_LARGE;
	if (inflateInit2(&stream, 15 + 16) != Z_OK)
		return ERR_NO_MEMORY;
	raw->size_max = RING_FILE_MAX;
	while (r == Z_OK) {
		char *to = buf_reserve(raw, 65536);
		if (!to)
			break;
		stream.next_out = (Bytef *)to;
		stream.avail_out = (uInt)(raw->cap - raw->len - 1);
		r = inflate(&stream, Z_NO_FLUSH);
		raw->len = (size_t)((char *)stream.next_out - raw->data);
	}
	inflateEnd(&stream);
	if (raw->err)
		return raw->err;
	if (r == Z_MEM_ERROR)
		return ERR_NO_MEMORY;
	if (r == Z_STREAM_END && stream.avail_in == 0)
		return ERR_OK;
	return raw->len < 6 ? ERR_FORMAT : ERR_CORRUPT;
}

static bool text_field(const struct jval *object, const char *name, const char *other, char **ret)
{
	const struct jval *value = jread_get(object, name);
	const char *text = other;

	if ((value || !other) && !jread_str(value, &text))
		return false;
	*ret = mem_strdup(text);
	return true;
}

static bool number_field(
        const struct jval *object, const char *name, const uint32_t *other, uint32_t *ret)
{
	const struct jval *value = jread_get(object, name);
	uint64_t number = other ? *other : 0;

	if ((value || !other) && !jread_u64(value, INT32_MAX, &number))
		return false;
	*ret = (uint32_t)number;
	return true;
}

/* Old rings know no region and no replication address (swift/common/ring/ring.py,
 * normalize_devices). */
static bool read_dev(const struct jval *from, uint32_t id, struct ring_dev *dev)
{
	static const uint32_t region_default = 1;
	uint32_t own_id;

	return number_field(from, "id", &id, &own_id) && own_id == id &&
	       number_field(from, "region", &region_default, &dev->region) &&
	       number_field(from, "zone", NULL, &dev->zone) &&
	       number_field(from, "port", NULL, &dev->port) &&
	       number_field(from, "replication_port", &dev->port, &dev->replication_port) &&
	       jread_f64(jread_get(from, "weight"), &dev->weight) && dev->weight >= 0 &&
	       isfinite(dev->weight) && text_field(from, "ip", NULL, &dev->ip) &&
	       text_field(from, "replication_ip", dev->ip, &dev->replication_ip) &&
	       text_field(from, "device", NULL, &dev->device) &&
	       text_field(from, "meta", "", &dev->meta);
}

static enum err read_devs(struct ring *ring, const struct jval *devs)
{
	size_t count = jread_len(devs);

	if (!jread_is_array(devs))
		return ERR_CORRUPT;
	if (count > RING_DEVS_MAX)
		return ERR_TOO_LARGE;
	ring->devs = mem_zalloc(count * sizeof(*ring->devs));
	ring->dev_limit = (uint32_t)count;
	for (uint32_t id = 0; id < count; id++) {
		const struct jval *dev = jread_at(devs, id);

		ring->devs[id].id = id;
		if (jread_is_null(dev))
			continue;
		if (!jread_is_object(dev) || !read_dev(dev, id, &ring->devs[id]))
			return ERR_CORRUPT;
	}
	return ERR_OK;
}

/* What both formats say about the table. */
static enum err read_head(struct ring *ring, const struct jval *head)
{
	const struct jval *next = jread_get(head, "next_part_power");
	const struct jval *version = jread_get(head, "version");
	uint64_t shift, next_power = 0;

	if (!jread_u64(jread_get(head, "part_shift"), 32, &shift))
		return ERR_CORRUPT;
	if (next && !jread_is_null(next) && !jread_u64(next, 32, &next_power))
		return ERR_CORRUPT;
	if (version && !jread_is_null(version) && !jread_u64(version, INT64_MAX, &ring->version))
		return ERR_CORRUPT;
	ring->part_power = 32 - (unsigned)shift;
	ring->parts = 1ull << ring->part_power;
	ring->next_part_power = (unsigned)next_power;
	return ERR_OK;
}

/* Copies the rows, each entry turned to our byte order. Only the last row may be short. */
static enum err read_table(struct ring *ring, const uint8_t *from, uint64_t entries, bool big)
{
	bool swap = big != (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__);

	if (!ring->rows)
		return entries ? ERR_CORRUPT : ERR_OK;
	if (entries < (ring->rows - 1) * ring->parts || entries > ring->rows * ring->parts)
		return ERR_CORRUPT;
	ring->last_row_parts = entries - (ring->rows - 1) * ring->parts;
	if (ring->rows == 1 && ring->last_row_parts != ring->parts)
		return ERR_CORRUPT;
	ring->table = malloc(entries * ring->id_bytes);
	if (!ring->table)
		return ERR_NO_MEMORY;
	memcpy(ring->table, from, entries * ring->id_bytes);
	for (uint64_t i = 0; swap && i < entries; i++) {
		if (ring->id_bytes == 2)
			((uint16_t *)ring->table)[i] =
			        __builtin_bswap16(((uint16_t *)ring->table)[i]);
		else
			((uint32_t *)ring->table)[i] =
			        __builtin_bswap32(((uint32_t *)ring->table)[i]);
	}
	return ERR_OK;
}

static enum err parse_v1(struct ring *ring, struct bytes_in in)
{
	AUTO(jroot) struct jroot root = JROOT_NONE;
	uint64_t head_len, rows;
	const char *order = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? "big" : "little";
	const uint8_t *text;
	enum err err;

	if (!take_be(&in, 4, &head_len) || head_len > JSON_BYTES_MAX ||
	        !(text = take(&in, head_len)))
		return ERR_CORRUPT;
	if ((err = jread_parse(text, head_len, &root)))
		return ERR_CORRUPT;
	if ((err = read_head(ring, root.value)) ||
	        (err = read_devs(ring, jread_get(root.value, "devs"))))
		return err;
	if (!jread_u64(jread_get(root.value, "replica_count"), RING_ROWS_MAX, &rows))
		return ERR_CORRUPT;
	if (jread_get(root.value, "byteorder") &&
	        !jread_str(jread_get(root.value, "byteorder"), &order))
		return ERR_CORRUPT;
	if (strcmp(order, "big") && strcmp(order, "little"))
		return ERR_CORRUPT;
	ring->rows = (unsigned)rows;
	ring->id_bytes = 2;
	if (in.left % 2)
		return ERR_CORRUPT;
	return read_table(ring, in.at, in.left / 2, !strcmp(order, "big"));
}

/* A section as its index entry [.., start, .., end, "sha256", hex] places it in the raw bytes:
 * a length and that many bytes. The compressed offsets are for readers that seek. */
static enum err find_section(
        const struct buf *raw, const struct jval *index, const char *name, struct bytes_in *ret)
{
	const struct jval *entry = jread_get(index, name);
	const char *method, *hex;
	uint64_t start, end, len;
	uint8_t digest[SHA256_BYTES];
	char text[2 * SHA256_BYTES + 1];

	if (!jread_u64(jread_at(entry, 1), raw->len, &start) ||
	        !jread_u64(jread_at(entry, 3), raw->len, &end) || end < start ||
	        !jread_str(jread_at(entry, 4), &method) || !jread_str(jread_at(entry, 5), &hex))
		return ERR_CORRUPT;
	if (strcmp(method, "sha256"))
		return ERR_FORMAT;
	sha256_digest(raw->data + start, end - start, digest);
	hex_encode(digest, sizeof(digest), text);
	if (strcasecmp(text, hex))
		return ERR_CORRUPT;

	*ret = (struct bytes_in){(const uint8_t *)raw->data + start, end - start};
	if (!take_be(ret, 8, &len) || len != ret->left)
		return ERR_CORRUPT;
	return ERR_OK;
}

static enum err section_json(
        const struct buf *raw, const struct jval *index, const char *name, struct jroot *ret_root)
{
	struct bytes_in text;
	enum err err = find_section(raw, index, name, &text);

	if (err)
		return err;
	if (text.left > JSON_BYTES_MAX || jread_parse(text.at, text.left, ret_root))
		return ERR_CORRUPT;
	return ERR_OK;
}

static enum err read_index(const struct buf *raw, struct jroot *ret_root)
{
	struct bytes_in in = {(const uint8_t *)raw->data, raw->len};
	uint64_t start, len;
	const uint8_t *text;

	/* The last 16 bytes: where the index is in the raw and in the compressed stream. */
	if (!take(&in, raw->len - 16) || !take_be(&in, 8, &start) || start > raw->len - 16)
		return ERR_CORRUPT;
	in = (struct bytes_in){(const uint8_t *)raw->data + start, raw->len - 16 - start};
	if (!take_be(&in, 8, &len) || len > JSON_BYTES_MAX || !(text = take(&in, len)) ||
	        jread_parse(text, len, ret_root))
		return ERR_CORRUPT;
	return ERR_OK;
}

static enum err parse_v2(struct ring *ring, const struct buf *raw)
{
	AUTO(jroot) struct jroot index = JROOT_NONE;
	AUTO(jroot) struct jroot head = JROOT_NONE;
	AUTO(jroot) struct jroot devs = JROOT_NONE;
	struct bytes_in table;
	uint64_t id_bytes, entries;
	enum err err;

	if ((err = read_index(raw, &index)) ||
	        (err = section_json(raw, index.value, "swift/ring/metadata", &head)) ||
	        (err = section_json(raw, index.value, "swift/ring/devices", &devs)) ||
	        (err = find_section(raw, index.value, "swift/ring/assignments", &table)) ||
	        (err = read_head(ring, head.value)) || (err = read_devs(ring, devs.value)))
		return err;
	if (!jread_u64(jread_get(head.value, "dev_id_bytes"), 4, &id_bytes) ||
	        (id_bytes != 2 && id_bytes != 4) || table.left % id_bytes)
		return ERR_CORRUPT;
	ring->id_bytes = (unsigned)id_bytes;
	entries = table.left / id_bytes;
	uint64_t rows = (entries + ring->parts - 1) / ring->parts;
	if (rows > RING_ROWS_MAX)
		return ERR_TOO_LARGE;
	ring->rows = (unsigned)rows;
	return read_table(ring, table.at, entries, true);
}

enum err ring_parse_raw(const struct buf *raw, struct ring **ret_ring)
{
	AUTO(ring_ref) struct ring_ref ref = {ring_new()};
	struct bytes_in in = {(const uint8_t *)raw->data, raw->len};
	const uint8_t *magic = take(&in, 4);
	uint64_t version;

	if (!magic || memcmp(magic, "R1NG", 4) || !take_be(&in, 2, &version) || version < 1 ||
	        version > 2)
		return ERR_FORMAT;
	ref.ring->format_version = (unsigned)version;
	enum err err = version == 1 ? parse_v1(ref.ring, in) : parse_v2(ref.ring, raw);
	if (!err)
		err = ring_finish(ref.ring);
	if (!err)
		*ret_ring = TAKE(ref.ring);
	return err;
}

enum err ring_parse(const void *data, size_t len, struct ring **ret_ring)
{
	AUTO(buf) struct buf raw = BUF_NONE;
	enum err err = inflate_all(data, len, &raw);

	return err ? err : ring_parse_raw(&raw, ret_ring);
}

enum err ring_load(const char *path, struct ring **ret_ring)
{
	AUTO(buf) struct buf file = BUF_NONE;
	enum err err = ring_file_read(path, RING_FILE_MAX, &file);

	return err ? err : ring_parse(file.data, file.len, ret_ring);
}
