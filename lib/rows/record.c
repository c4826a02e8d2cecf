#include "lib/rows/record.h"

#include "lib/base/kv.h"
#include <string.h>

#define VERSION 1

static void add_text(struct buf *buf, const char *text)
{
	size_t len = strlen(text);

	buf_le16(buf, (uint16_t)len);
	buf_add(buf, text, len + 1);
}

void record_encode(struct buf *buf, const struct record *record)
{
	buf_char(buf, VERSION);
	buf_char(buf, (char)record->type);
	buf_char(buf, (char)record->policy);
	buf_add(buf, record->key, sizeof(record->key));
	buf_le64(buf, record->ts);
	add_text(buf, record->account);
	add_text(buf, record->container);
	buf_le32(buf, (uint32_t)record->headers_len);
	buf_add(buf, record->headers, record->headers_len);
	buf_le32(buf, record->row_count);
}

void record_add_row(struct buf *buf, const struct backend_row *row)
{
	add_text(buf, row->name);
	row_encode(buf, row);
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

bool record_next_row(
        const struct record *record, size_t *at, char etag[33], struct backend_row *ret_row)
{
	size_t pos = *at;

	if (pos >= record->rows_len ||
	        !take_text(record->rows, record->rows_len, &pos, &ret_row->name) ||
	        !row_decode(record->rows, record->rows_len, &pos, etag, ret_row))
		return false;
	*at = pos;
	return true;
}

static bool rows_valid(const struct record *record)
{
	struct backend_row row;
	char etag[33];
	size_t at = 0;
	uint32_t count = 0;

	while (record_next_row(record, &at, etag, &row))
		count++;
	return at == record->rows_len && count == record->row_count;
}

enum err record_parse(const void *data, size_t len, struct record *ret_record)
{
	struct record record = {0};
	uint8_t version;
	uint32_t headers_len;
	size_t at = 0;

	if (!take(data, len, &at, &version, 1) || version != VERSION ||
	        !take(data, len, &at, &record.type, 1) ||
	        !take(data, len, &at, &record.policy, 1) ||
	        !take(data, len, &at, record.key, sizeof(record.key)) ||
	        !take(data, len, &at, &record.ts, 8) ||
	        !take_text(data, len, &at, &record.account) ||
	        !take_text(data, len, &at, &record.container) ||
	        !take(data, len, &at, &headers_len, 4) || len - at < headers_len)
		return ERR_CORRUPT;
	record.headers = (const char *)data + at;
	record.headers_len = headers_len;
	at += headers_len;
	if (!take(data, len, &at, &record.row_count, 4))
		return ERR_CORRUPT;
	record.rows = (const char *)data + at;
	record.rows_len = len - at;
	if (record.type < RECORD_PUT || record.type >= RECORD_TYPES ||
	        record.policy >= BACKEND_POLICIES || !kv_valid(record.headers, headers_len) ||
	        !rows_valid(&record))
		return ERR_CORRUPT;
	*ret_record = record;
	return ERR_OK;
}
