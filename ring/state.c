/* The builder's state file (docs/formats/ring.md). */
#include "lib/base/mem.h"
#include "lib/crypto/md5.h"
#include "ring/builder_internal.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAGIC     "CAIRNRB\n"
#define MAGIC_LEN 8
#define VERSION   1u
#define SUM_LEN   16
#define STATE_MAX (1ull << 31)
#define TEXT_MAX  65536u

enum { DEV_HOLE, DEV_STAYS, DEV_LEAVES };

static void out_f64(struct buf *out, double number)
{
	uint64_t bits;

	memcpy(&bits, &number, sizeof(bits));
	buf_le64(out, bits);
}

static void out_text(struct buf *out, const char *text)
{
	buf_le32(out, (uint32_t)strlen(text));
	buf_str(out, text);
}

static void out_dev(struct buf *out, const struct builder_dev *from)
{
	const struct ring_dev *dev = &from->dev;

	if (!ring_dev_exists(dev)) {
		buf_char(out, DEV_HOLE);
		return;
	}
	buf_char(out, from->leaving ? DEV_LEAVES : DEV_STAYS);
	buf_le32(out, dev->region);
	buf_le32(out, dev->zone);
	buf_le32(out, dev->port);
	buf_le32(out, dev->replication_port);
	out_f64(out, dev->weight);
	out_text(out, dev->ip);
	out_text(out, dev->replication_ip);
	out_text(out, dev->device);
	out_text(out, dev->meta);
}

enum err ring_builder_save(const struct ring_builder *builder, const char *path)
{
	AUTO(buf) struct buf out = BUF_NONE;
	uint32_t parts = builder_parts(builder);
	uint64_t entries = table_entries(parts, builder->rows, builder->last_row_parts);
	uint8_t sum[SUM_LEN];

	buf_add(&out, MAGIC, MAGIC_LEN);
	buf_le32(&out, VERSION);
	buf_le32(&out, builder->part_power);
	buf_le32(&out, builder->next_part_power);
	buf_le32(&out, builder->min_part_hours);
	buf_le32(&out, builder->changed);
	out_f64(&out, builder->replicas);
	out_f64(&out, builder->overload);
	buf_le64(&out, builder->version);
	buf_le64(&out, (uint64_t)builder->hours_at_s);
	buf_add(&out, builder->id, sizeof(builder->id));
	buf_le32(&out, builder->dev_limit);
	for (uint32_t id = 0; id < builder->dev_limit; id++)
		out_dev(&out, &builder->devs[id]);
	buf_le32(&out, builder->rows);
	buf_le32(&out, builder->last_row_parts);
	for (uint64_t entry = 0; entry < entries; entry++)
		buf_le16(&out, builder->table[entry]);
	buf_add(&out, builder->hours, parts);
	if (out.err)
		return out.err;
	md5_digest(out.data, out.len, sum);
	buf_add(&out, sum, sizeof(sum));
	return out.err ? out.err : ring_file_replace(path, &out);
}

/* A row of bytes being read; once it ran out everything reads as zero and ok is false. */
struct reader {
	const uint8_t *at;
	size_t left;
	bool ok;
};

static const uint8_t *in_bytes(struct reader *in, uint64_t len)
{
	const uint8_t *start = in->at;

	if (!in->ok || len > in->left) {
		in->ok = false;
		return NULL;
	}
	in->at += len;
	in->left -= len;
	return start;
}

static uint64_t in_number(struct reader *in, unsigned width)
{
	const uint8_t *from = in_bytes(in, width);
	uint64_t number = 0;

	for (unsigned i = 0; from && i < width; i++)
		number |= (uint64_t)from[i] << (8 * i);
	return number;
}

static uint32_t in_u32(struct reader *in)
{
	return (uint32_t)in_number(in, 4);
}

static double in_f64(struct reader *in)
{
	uint64_t bits = in_number(in, 8);
	double number;

	memcpy(&number, &bits, sizeof(number));
	if (!isfinite(number) || number < 0) {
		in->ok = false;
		return 0;
	}
	return number;
}

static char *in_text(struct reader *in)
{
	uint32_t len = in_u32(in);
	const uint8_t *text = len <= TEXT_MAX ? in_bytes(in, len) : NULL;

	if (!text || memchr(text, 0, len))
		in->ok = false;
	return mem_strndup((const char *)text, in->ok ? len : 0);
}

static void in_dev(struct reader *in, uint32_t id, struct builder_dev *to)
{
	uint64_t kind = in_number(in, 1);

	if (kind > DEV_LEAVES)
		in->ok = false;
	to->dev.id = id;
	if (kind == DEV_HOLE || !in->ok)
		return;
	to->leaving = kind == DEV_LEAVES;
	to->dev.region = in_u32(in);
	to->dev.zone = in_u32(in);
	to->dev.port = in_u32(in);
	to->dev.replication_port = in_u32(in);
	to->dev.weight = in_f64(in);
	to->dev.ip = in_text(in);
	to->dev.replication_ip = in_text(in);
	to->dev.device = in_text(in);
	to->dev.meta = in_text(in);
	if ((to->leaving && to->dev.weight > 0) || !builder_weight_fits(to->dev.weight))
		in->ok = false;
}

static void in_devs(struct reader *in, struct ring_builder *builder)
{
	uint32_t limit = in_u32(in);

	if (limit > RING_BUILDER_DEVS_MAX)
		in->ok = false;
	if (!in->ok)
		return;
	builder->devs = mem_zalloc(limit * sizeof(*builder->devs));
	builder->dev_limit = limit;
	for (uint32_t id = 0; id < limit; id++)
		in_dev(in, id, &builder->devs[id]);
}

static void in_table(struct reader *in, struct ring_builder *builder)
{
	uint32_t parts = builder_parts(builder);
	uint32_t rows = in_u32(in), last_row_parts = in_u32(in);

	if (rows > RING_ROWS_MAX || last_row_parts > parts || (rows == 1 && last_row_parts < parts))
		in->ok = false;
	if (!in->ok || !rows)
		return;
	uint64_t entries = table_entries(parts, rows, last_row_parts);
	const uint8_t *from = in_bytes(in, 2 * entries);
	if (!from)
		return;
	builder->table = mem_zalloc(entries * sizeof(*builder->table));
	builder->rows = rows;
	builder->last_row_parts = last_row_parts;
	for (uint64_t entry = 0; entry < entries; entry++) {
		uint16_t dev = (uint16_t)(from[2 * entry] | from[2 * entry + 1] << 8);
		if (!builder_has(builder, dev)) {
			in->ok = false;
			return;
		}
		builder->table[entry] = dev;
	}
	builder_count_parts(builder);
}

static enum err in_builder(struct reader *in, struct ring_builder **ret_builder)
{
	AUTO(ring_builder_ref) struct ring_builder_ref ref = {NULL};
	uint32_t part_power = in_u32(in), next_part_power = in_u32(in);
	uint32_t min_part_hours = in_u32(in), changed = in_u32(in);
	double replicas = in_f64(in), overload = in_f64(in);
	uint64_t version = in_number(in, 8), hours_at_s = in_number(in, 8);
	const uint8_t *id = in_bytes(in, 16);

	if (!in->ok || ring_builder_new(part_power, replicas, min_part_hours, &ref.builder))
		return ERR_CORRUPT;
	if (next_part_power && next_part_power != part_power && next_part_power != part_power + 1)
		return ERR_CORRUPT;

	struct ring_builder *builder = ref.builder;
	builder->next_part_power = next_part_power;
	builder->changed = changed & 1;
	builder->overload = overload;
	builder->version = version;
	builder->hours_at_s = (int64_t)(hours_at_s & INT64_MAX);
	memcpy(builder->id, id, sizeof(builder->id));
	in_devs(in, builder);
	if (in->ok)
		in_table(in, builder);
	const uint8_t *hours = in_bytes(in, builder_parts(builder));
	if (!in->ok || in->left)
		return ERR_CORRUPT;
	memcpy(builder->hours, hours, builder_parts(builder));
	*ret_builder = TAKE(ref.builder);
	return ERR_OK;
}

enum err ring_builder_parse(const void *data, size_t len, struct ring_builder **ret_builder)
{
	struct reader in = {.at = data, .left = len, .ok = true};
	const uint8_t *magic = in_bytes(&in, MAGIC_LEN);
	uint8_t sum[SUM_LEN];

	if (!magic || memcmp(magic, MAGIC, MAGIC_LEN) || in_u32(&in) != VERSION || !in.ok)
		return ERR_FORMAT;
	if (in.left < SUM_LEN)
		return ERR_CORRUPT;
	in.left -= SUM_LEN;
	md5_digest(data, len - SUM_LEN, sum);
	if (memcmp(in.at + in.left, sum, SUM_LEN))
		return ERR_CORRUPT;
	return in_builder(&in, ret_builder);
}

enum err ring_builder_load(const char *path, struct ring_builder **ret_builder)
{
	AUTO(buf) struct buf file = BUF_NONE;
	enum err err = ring_file_read(path, STATE_MAX, &file);

	return err ? err : ring_builder_parse(file.data, file.len, ret_builder);
}
