#include "lib/rows/info.h"

#include "lib/backend/points.h"
#include "lib/base/kv.h"
#include "lib/base/ts.h"
#include <ctype.h>
#include <string.h>
#include <strings.h>

/* A timed header: ts u64, name length u16, value length u32, name NUL, value NUL. */
#define TIMED_HEAD 14

/* A removed header is remembered for so long against an older one that comes late. */
#define REMOVED_TICKS (7 * 86400 * TS_PER_SECOND)

struct timed {
	uint64_t ts;
	const char *name, *value;
};

static bool timed_next(const struct buf *set, size_t *at, struct timed *ret_timed)
{
	uint16_t name_len;
	uint32_t value_len;

	if (set->len - *at < TIMED_HEAD)
		return false;
	const char *p = set->data + *at;
	memcpy(&ret_timed->ts, p, 8);
	memcpy(&name_len, p + 8, 2);
	memcpy(&value_len, p + 10, 4);
	size_t total = TIMED_HEAD + (size_t)name_len + 1 + (size_t)value_len + 1;
	if (set->len - *at < total)
		return false;
	ret_timed->name = p + TIMED_HEAD;
	ret_timed->value = p + TIMED_HEAD + name_len + 1;
	if (strnlen(ret_timed->name, name_len + 1u) != name_len ||
	        strnlen(ret_timed->value, value_len + 1ul) != value_len)
		return false;
	*at += total;
	return true;
}

static void timed_add(struct buf *set, const struct timed *timed)
{
	size_t name_len = strlen(timed->name), value_len = strlen(timed->value);

	buf_le64(set, timed->ts);
	buf_le16(set, (uint16_t)name_len);
	buf_le32(set, (uint32_t)value_len);
	buf_add(set, timed->name, name_len + 1);
	buf_add(set, timed->value, value_len + 1);
}

static int timed_cmp(const struct timed *a, const struct timed *b)
{
	if (a->ts != b->ts)
		return a->ts < b->ts ? -1 : 1;
	int c = strcmp(a->value, b->value);
	return c ? c : strcmp(a->name, b->name);
}

void info_done(struct info *info)
{
	buf_done(&info->headers);
	buf_done(&info->points);
}

/* Puts one header in its place among the sorted ones. */
static void merge_one(struct info *info, const struct timed *new)
{
	struct buf merged = BUF_NONE;
	struct timed old;
	bool placed = false;

	for (size_t at = 0; timed_next(&info->headers, &at, &old);) {
		int c = strcasecmp(old.name, new->name);
		if (c != 0 && !*old.value && old.ts + REMOVED_TICKS < new->ts)
			continue;
		if (c == 0) {
			timed_add(&merged, timed_cmp(&old, new) >= 0 ? &old : new);
			placed = true;
			continue;
		}
		if (c > 0 && !placed) {
			timed_add(&merged, new);
			placed = true;
		}
		timed_add(&merged, &old);
	}
	if (!placed)
		timed_add(&merged, new);
	buf_done(&info->headers);
	info->headers = merged;
}

/* A database that was deleted starts anew: no header from before stays. */
static void forget_old(struct info *info)
{
	struct buf kept = BUF_NONE;
	struct timed timed;

	for (size_t at = 0; timed_next(&info->headers, &at, &timed);) {
		if (timed.ts > info->delete_ts)
			timed_add(&kept, &timed);
	}
	buf_done(&info->headers);
	info->headers = kept;
	points_forget(&info->points, info->delete_ts);
	if (info->created_ts > info->delete_ts)
		return;
	/* Deleted before its newest put: which put came first after that is not known any more. */
	info->created_ts = info_is_put(info) ? info->put_ts : 0;
	info->policy = info_is_put(info) ? info->policy : 0;
}

static void apply_put(struct info *info, const struct record *record)
{
	if (record->ts > info->put_ts)
		info->put_ts = record->ts;
	if (record->ts <= info->delete_ts)
		return;
	if (!info->created_ts || record->ts < info->created_ts) {
		info->created_ts = record->ts;
		info->policy = record->policy;
	}
}

/* What an older proposal brings late is not taken: it may not be the one that was agreed upon. */
static void apply_split(struct info *info, const struct record *record)
{
	struct backend_row point;
	char etag[33];

	for (size_t at = 0; record_next_row(record, &at, etag, &point);) {
		if (point.ts > info->delete_ts && !(point.deleted && point.ts < info->promised))
			points_join(&info->points, &point);
	}
	if (record->ts > info->promised)
		info->promised = record->ts;
}

void info_apply(struct info *info, const struct record *record)
{
	struct kv_pair pair;

	if (record->type == RECORD_SPLIT) {
		apply_split(info, record);
		return;
	}
	if (record->type == RECORD_DELETE) {
		if (record->ts > info->delete_ts)
			info->delete_ts = record->ts;
		forget_old(info);
		return;
	}
	if (record->type == RECORD_PUT)
		apply_put(info, record);
	if (record->ts <= info->delete_ts)
		return;
	for (size_t at = 0; kv_next(record->headers, record->headers_len, &at, &pair);)
		merge_one(info, &(struct timed){record->ts, pair.name, pair.value});
}

/* Length of "x-account-meta-" or "x-container-meta-" at the start of a header's name, or 0. */
static size_t meta_prefix(const char *name)
{
	static const char *const prefixes[] = {"x-container-meta-", "x-account-meta-"};

	for (unsigned i = 0; i < COUNT_OF(prefixes); i++) {
		if (strncasecmp(name, prefixes[i], strlen(prefixes[i])) == 0)
			return strlen(prefixes[i]);
	}
	return 0;
}

bool info_has_room(const struct info *info, const struct record *record)
{
	struct info merged = *info;
	size_t count = 0, bytes = 0, prefix;
	struct timed timed;

	merged.headers = merged.points = BUF_NONE;
	buf_add(&merged.headers, info->headers.data, info->headers.len);
	info_apply(&merged, record);
	for (size_t at = 0; timed_next(&merged.headers, &at, &timed);) {
		if (!*timed.value || !(prefix = meta_prefix(timed.name)))
			continue;
		count++;
		bytes += strlen(timed.name) - prefix + strlen(timed.value);
	}
	size_t all = merged.headers.len;
	info_done(&merged);
	return count <= INFO_META_COUNT_MAX && bytes <= INFO_META_BYTES_MAX &&
	       all <= INFO_BYTES_MAX;
}

void info_headers(const struct info *info, struct buf *ret_block)
{
	struct timed timed;

	for (size_t at = 0; timed_next(&info->headers, &at, &timed);) {
		if (*timed.value)
			kv_add(ret_block, timed.name, timed.value);
	}
}

uint64_t info_changed_ts(const struct info *info)
{
	uint64_t changed = info->put_ts;
	struct timed timed;

	for (size_t at = 0; timed_next(&info->headers, &at, &timed);) {
		if (timed.ts > changed)
			changed = timed.ts;
	}
	return changed;
}

uint64_t info_next_ts(const struct info *info, uint64_t after)
{
	uint64_t next = 0;
	struct timed timed;

	for (size_t at = 0; timed_next(&info->headers, &at, &timed);) {
		if (timed.ts > after && (!next || timed.ts < next))
			next = timed.ts;
	}
	return next;
}

void info_headers_at(const struct info *info, uint64_t ts, struct buf *ret_block)
{
	struct timed timed;

	for (size_t at = 0; timed_next(&info->headers, &at, &timed);) {
		if (timed.ts == ts)
			kv_add(ret_block, timed.name, timed.value);
	}
}

void info_hash(const struct info *info, uint64_t ret_hash[2])
{
	struct timed timed;
	uint64_t name[2], value[2];

	ret_hash[0] = ret_hash[1] = 0;
	for (size_t at = 0; timed_next(&info->headers, &at, &timed);) {
		char lower[256];
		size_t len = strnlen(timed.name, sizeof(lower));
		if (!*timed.value)
			continue;
		for (size_t i = 0; i < len; i++)
			lower[i] = (char)tolower((unsigned char)timed.name[i]);
		row_hash(lower, len, 2, name);
		row_hash(timed.value, strlen(timed.value), name[0], value);
		ret_hash[0] += value[0];
		ret_hash[1] += value[1] ^ name[1];
	}
}

void info_points_hash(const struct info *info, bool totals, uint64_t ret_hash[2])
{
	struct backend_row point;
	uint64_t hash[2];

	ret_hash[0] = ret_hash[1] = 0;
	for (size_t at = 0; backend_rows_next(&info->points, &at, &point);) {
		uint64_t fields[] = {point.deleted, totals ? point.totals_ts : 0,
		        totals ? point.count : 0, totals ? point.bytes : 0};
		row_hash(point.name, strlen(point.name), 4, hash);
		row_hash(point.content_type, strlen(point.content_type), hash[0], hash);
		row_hash(fields, sizeof(fields), hash[0], hash);
		ret_hash[0] += hash[0];
		ret_hash[1] += hash[1];
	}
}

static void add_text(struct buf *buf, const char *text)
{
	size_t len = strlen(text);

	buf_le16(buf, (uint16_t)len);
	buf_add(buf, text, len + 1);
}

void info_encode(
        struct buf *buf, const struct info *info, const char *account, const char *container)
{
	struct backend_row point;
	uint32_t count = 0;

	buf_le64(buf, info->put_ts);
	buf_le64(buf, info->delete_ts);
	buf_le64(buf, info->created_ts);
	buf_le64(buf, info->reported_count);
	buf_le64(buf, info->reported_bytes);
	buf_le64(buf, info->reported_put_ts);
	buf_char(buf, (char)info->policy);
	add_text(buf, account);
	add_text(buf, container);
	buf_le32(buf, (uint32_t)info->headers.len);
	buf_add(buf, info->headers.data, info->headers.len);
	buf_le64(buf, info->promised);
	for (size_t at = 0; backend_rows_next(&info->points, &at, &point);)
		count++;
	buf_le32(buf, count);
	for (size_t at = 0; backend_rows_next(&info->points, &at, &point);)
		record_add_row(buf, &point);
}

static bool take(const void *data, size_t len, size_t *at, void *ret_value, size_t size)
{
	if (len - *at < size)
		return false;
	memcpy(ret_value, (const char *)data + *at, size);
	*at += size;
	return true;
}

static bool take_text(const void *data, size_t len, size_t *at, const char **ret_text)
{
	uint16_t size;

	if (!take(data, len, at, &size, 2) || len - *at < (size_t)size + 1)
		return false;
	*ret_text = (const char *)data + *at;
	*at += (size_t)size + 1;
	return strnlen(*ret_text, (size_t)size + 1) == size;
}

static bool take_headers(const void *data, size_t len, size_t *at, struct info *info)
{
	struct timed timed;
	uint32_t size;
	size_t pos = 0;

	if (!take(data, len, at, &size, 4) || len - *at < size)
		return false;
	buf_add(&info->headers, (const char *)data + *at, size);
	*at += size;
	while (timed_next(&info->headers, &pos, &timed))
		;
	return pos == info->headers.len;
}

/* Databases of before there were ranges end here. */
static bool take_points(const void *data, size_t len, size_t *at, struct info *info)
{
	uint32_t count;
	char etag[33];

	if (*at == len)
		return true;
	if (!take(data, len, at, &info->promised, 8) || !take(data, len, at, &count, 4))
		return false;
	for (; count; count--) {
		struct backend_row point;
		if (!take_text(data, len, at, &point.name) ||
		        !row_decode(data, len, at, etag, &point))
			return false;
		points_join(&info->points, &point);
	}
	return true;
}

bool info_decode(const void *data, size_t len, size_t *at, struct info *ret_info,
        const char **ret_account, const char **ret_container)
{
	struct info *info = ret_info;

	*info = INFO_NONE;
	if (take(data, len, at, &info->put_ts, 8) && take(data, len, at, &info->delete_ts, 8) &&
	        take(data, len, at, &info->created_ts, 8) &&
	        take(data, len, at, &info->reported_count, 8) &&
	        take(data, len, at, &info->reported_bytes, 8) &&
	        take(data, len, at, &info->reported_put_ts, 8) &&
	        take(data, len, at, &info->policy, 1) && info->policy < BACKEND_POLICIES &&
	        take_text(data, len, at, ret_account) && take_text(data, len, at, ret_container) &&
	        take_headers(data, len, at, info) && take_points(data, len, at, info))
		return true;
	info_done(info);
	*info = INFO_NONE;
	return false;
}
