#include "lib/rows/row.h"

#include <string.h>

static int cmp_u64(uint64_t a, uint64_t b)
{
	return a < b ? -1 : a > b;
}

/* Which of two versions holds the newer first group. */
static int data_cmp(
        enum backend_kind kind, const struct backend_row *a, const struct backend_row *b)
{
	int c;

	if ((c = cmp_u64(a->ts, b->ts)) || (c = cmp_u64(a->deleted, b->deleted)))
		return c;
	if (kind == BACKEND_CONTAINER &&
	        ((c = cmp_u64(a->bytes, b->bytes)) || (c = strcmp(a->etag, b->etag))))
		return c;
	return cmp_u64(a->policy, b->policy);
}

/* Of one version; a POST ends with the version it is for. */
static int type_cmp(const struct backend_row *a, const struct backend_row *b)
{
	int c = cmp_u64(a->meta_ts, b->meta_ts);

	return c ? c : strcmp(a->content_type, b->content_type);
}

static int totals_cmp(const struct backend_row *a, const struct backend_row *b)
{
	int c;

	if ((c = cmp_u64(a->totals_ts, b->totals_ts)) || (c = cmp_u64(a->count, b->count)))
		return c;
	return cmp_u64(a->bytes, b->bytes);
}

void row_join(enum backend_kind kind, const struct backend_row *a, const struct backend_row *b,
        struct backend_row *ret_row)
{
	struct backend_row row = data_cmp(kind, a, b) >= 0 ? *a : *b;

	if (kind == BACKEND_CONTAINER) {
		const struct backend_row *type = a->ts != b->ts        ? &row
		                                 : type_cmp(a, b) >= 0 ? a
		                                                       : b;
		row.content_type = type->content_type;
		row.meta_ts = type->meta_ts;
	} else {
		const struct backend_row *totals = totals_cmp(a, b) >= 0 ? a : b;
		row.totals_ts = totals->totals_ts;
		row.count = totals->count;
		row.bytes = totals->bytes;
	}
	*ret_row = row;
}

bool row_equal(const struct backend_row *a, const struct backend_row *b)
{
	return a->ts == b->ts && a->deleted == b->deleted && a->bytes == b->bytes &&
	       a->count == b->count && a->totals_ts == b->totals_ts && a->meta_ts == b->meta_ts &&
	       a->policy == b->policy && strcmp(a->etag, b->etag) == 0 &&
	       strcmp(a->content_type, b->content_type) == 0;
}

void row_normalise(enum backend_kind kind, struct backend_row *row)
{
	row->etag = row->etag ? row->etag : "";
	row->content_type = row->content_type ? row->content_type : "";
	row->subdir = false;
	if (kind == BACKEND_ACCOUNT) {
		row->etag = row->content_type = "";
		row->meta_ts = 0;
		if (!row->totals_ts)
			row->count = row->bytes = 0;
		return;
	}
	row->count = row->totals_ts = 0;
	if (row->meta_ts <= row->ts)
		row->meta_ts = 0;
	if (row->deleted) {
		row->bytes = 0;
		row->etag = "";
		if (!row->meta_ts)
			row->content_type = "";
	}
}

static uint64_t mix(uint64_t a, uint64_t b)
{
	unsigned __int128 p = (unsigned __int128)a * b;

	return (uint64_t)p ^ (uint64_t)(p >> 64);
}

void row_hash(const void *data, size_t len, uint64_t seed, uint64_t ret_hash[2])
{
	const uint64_t k1 = 0x9e3779b97f4a7c15u, k2 = 0xd6e8feb86659fd93u, k3 = 0xa0761d6478bd642fu;
	const uint8_t *p = data;
	uint64_t a = mix(seed ^ k1, k2 ^ len), b = mix(seed ^ k3, k1 ^ len), word;

	for (size_t left = len; left >= 8; left -= 8, p += 8) {
		memcpy(&word, p, 8);
		a = mix(a ^ word ^ k2, k1) + k3;
		b = mix(b + word, k3 ^ a) ^ word;
	}
	word = 0;
	memcpy(&word, p, len % 8);
	a = mix(a ^ word ^ k2, k1);
	b = mix(b + word, k3 ^ a);
	ret_hash[0] = mix(a ^ b, k2);
	ret_hash[1] = mix(b ^ k1, a | 1) + a;
}

void row_weigh(enum backend_kind kind, const struct backend_row *row, struct weight *ret_weight)
{
	if (row->deleted) {
		*ret_weight = (struct weight){0};
		return;
	}
	uint64_t fields[] = {
	        row->ts, row->bytes, row->count, row->totals_ts, row->meta_ts, row->policy};
	uint64_t hash[2], part[2];
	row_hash(row->name, strlen(row->name), 1, hash);
	row_hash(fields, sizeof(fields), hash[0], hash);
	row_hash(row->etag, strlen(row->etag), hash[0] ^ hash[1], part);
	hash[0] ^= part[0], hash[1] ^= part[1];
	row_hash(row->content_type, strlen(row->content_type), hash[0], part);
	*ret_weight = (struct weight){
	        .live = true,
	        .policy = row->policy % BACKEND_POLICIES,
	        .containers = kind == BACKEND_ACCOUNT,
	        .count = kind == BACKEND_CONTAINER ? 1 : row->count,
	        .bytes = row->bytes,
	        .hash = {hash[0] ^ part[0], hash[1] ^ part[1]},
	};
}

/* Hashes are summed, not xored: two rows of equal hash must not vanish. */
static void add_hash(uint64_t sum[2], const uint64_t hash[2])
{
	sum[0] += hash[0];
	sum[1] += hash[1];
}

void totals_add(struct totals *totals, const struct weight *weight)
{
	if (!weight->live)
		return;
	totals->rows++;
	totals->containers[weight->policy] += weight->containers;
	totals->count[weight->policy] += weight->count;
	totals->bytes[weight->policy] += weight->bytes;
	add_hash(totals->hash, weight->hash);
}

void totals_sub(struct totals *totals, const struct weight *weight)
{
	if (!weight->live)
		return;
	totals->rows--;
	totals->containers[weight->policy] -= weight->containers;
	totals->count[weight->policy] -= weight->count;
	totals->bytes[weight->policy] -= weight->bytes;
	totals->hash[0] -= weight->hash[0];
	totals->hash[1] -= weight->hash[1];
}

void totals_encode(struct buf *buf, const struct totals *totals, bool containers)
{
	uint16_t used = 0;

	for (unsigned i = 0; i < BACKEND_POLICIES; i++)
		used |= (uint16_t)((totals->count[i] || totals->bytes[i] ||
		                           (containers && totals->containers[i]))
		                   << i);
	buf_le64(buf, totals->rows);
	buf_le64(buf, totals->hash[0]);
	buf_le64(buf, totals->hash[1]);
	buf_le16(buf, used);
	for (unsigned i = 0; i < BACKEND_POLICIES; i++) {
		if (used >> i & 1) {
			buf_le64(buf, totals->count[i]);
			buf_le64(buf, totals->bytes[i]);
			if (containers)
				buf_le64(buf, totals->containers[i]);
		}
	}
}

/* x86 and its like only: the formats are little-endian. */
static bool take(const void *data, size_t len, size_t *at, void *ret_value, size_t size)
{
	if (len - *at < size)
		return false;
	memcpy(ret_value, (const char *)data + *at, size);
	*at += size;
	return true;
}

bool totals_decode(
        const void *data, size_t len, size_t *at, bool containers, struct totals *ret_totals)
{
	struct totals totals = {0};
	uint16_t used;

	if (!take(data, len, at, &totals.rows, 8) || !take(data, len, at, totals.hash, 16) ||
	        !take(data, len, at, &used, 2))
		return false;
	for (unsigned i = 0; i < BACKEND_POLICIES; i++) {
		if (!(used >> i & 1))
			continue;
		if (!take(data, len, at, &totals.count[i], 8) ||
		        !take(data, len, at, &totals.bytes[i], 8) ||
		        (containers && !take(data, len, at, &totals.containers[i], 8)))
			return false;
	}
	*ret_totals = totals;
	return true;
}

enum {
	FLAG_DELETED = 1,
	FLAG_MD5 = 2,    /* the etag is 16 bytes, not a text */
	FLAG_META = 4,   /* meta_ts follows */
	FLAG_TOTALS = 8, /* count and totals_ts follow */
	FLAGS_ALL = 15,
};

static int hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool pack_md5(const char *etag, uint8_t ret_md5[16])
{
	for (unsigned i = 0; i < 16; i++) {
		int high = hex_digit(etag[2 * i]);
		int low = high < 0 ? -1 : hex_digit(etag[2 * i + 1]);
		if (low < 0)
			return false;
		ret_md5[i] = (uint8_t)(high << 4 | low);
	}
	return etag[32] == 0;
}

static void add_text(struct buf *buf, const char *text)
{
	size_t len = strlen(text);

	buf_le16(buf, (uint16_t)len);
	buf_add(buf, text, len + 1);
}

void row_encode(struct buf *buf, const struct backend_row *row)
{
	uint8_t md5[16];
	bool is_md5 = pack_md5(row->etag, md5);
	int flags = (row->deleted ? FLAG_DELETED : 0) | (is_md5 ? FLAG_MD5 : 0) |
	            (row->meta_ts ? FLAG_META : 0) | (row->totals_ts ? FLAG_TOTALS : 0);

	buf_char(buf, (char)flags);
	buf_char(buf, (char)row->policy);
	buf_le64(buf, row->ts);
	buf_le64(buf, row->bytes);
	if (row->meta_ts)
		buf_le64(buf, row->meta_ts);
	if (row->totals_ts) {
		buf_le64(buf, row->count);
		buf_le64(buf, row->totals_ts);
	}
	if (is_md5)
		buf_add(buf, md5, sizeof(md5));
	else
		add_text(buf, row->etag);
	add_text(buf, row->content_type);
}

static bool take_text(const void *data, size_t len, size_t *at, const char **ret_text)
{
	uint16_t size;

	if (!take(data, len, at, &size, 2) || len - *at < (size_t)size + 1)
		return false;
	const char *text = (const char *)data + *at;
	if (strnlen(text, (size_t)size + 1) != size)
		return false;
	*at += (size_t)size + 1;
	*ret_text = text;
	return true;
}

static bool take_etag(
        const void *data, size_t len, size_t *at, bool is_md5, char etag[33], const char **ret_etag)
{
	static const char digits[] = "0123456789abcdef";
	uint8_t md5[16];

	if (!is_md5)
		return take_text(data, len, at, ret_etag);
	if (!take(data, len, at, md5, sizeof(md5)))
		return false;
	for (unsigned i = 0; i < 16; i++) {
		etag[2 * i] = digits[md5[i] >> 4];
		etag[2 * i + 1] = digits[md5[i] & 15];
	}
	etag[32] = 0;
	*ret_etag = etag;
	return true;
}

bool row_decode(
        const void *data, size_t len, size_t *at, char etag[33], struct backend_row *ret_row)
{
	struct backend_row row = {.name = ret_row->name};
	size_t pos = *at;
	uint8_t flags;

	if (pos > len || !take(data, len, &pos, &flags, 1) || (flags & ~FLAGS_ALL) ||
	        !take(data, len, &pos, &row.policy, 1) || row.policy >= BACKEND_POLICIES ||
	        !take(data, len, &pos, &row.ts, 8) || !take(data, len, &pos, &row.bytes, 8))
		return false;
	if ((flags & FLAG_META) && (!take(data, len, &pos, &row.meta_ts, 8) || !row.meta_ts))
		return false;
	if ((flags & FLAG_TOTALS) &&
	        (!take(data, len, &pos, &row.count, 8) ||
	                !take(data, len, &pos, &row.totals_ts, 8) || !row.totals_ts))
		return false;
	if (!take_etag(data, len, &pos, flags & FLAG_MD5, etag, &row.etag) ||
	        !take_text(data, len, &pos, &row.content_type))
		return false;
	row.deleted = flags & FLAG_DELETED;
	*ret_row = row;
	*at = pos;
	return true;
}
