/* Row records, database values and row values: whatever the bytes, nothing but an outcome. The
 * first byte chooses the parser; what parses is used, and written again to the same meaning. */
#include "lib/base/mem.h"
#include "lib/rows/info.h"
#include "lib/rows/record.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

/* A row that was read can be merged with itself, weighed, and written so that it reads the same. */
static void use_row(const struct backend_row *from)
{
	AUTO(buf) struct buf buf = BUF_NONE;
	struct backend_row row = *from, joined, again = {.name = from->name};
	struct totals totals = {0}, none = {0};
	struct weight weight;
	char etag[33];
	size_t at = 0;

	row_encode(&buf, &row);
	require(row_decode(buf.data, buf.len, &at, etag, &again) && at == buf.len);
	require(row_equal(&row, &again));
	for (enum backend_kind kind = BACKEND_ACCOUNT; kind <= BACKEND_CONTAINER; kind++) {
		row = *from;
		row_normalise(kind, &row);
		row_join(kind, &row, &row, &joined);
		require(row_equal(&row, &joined));
		row_weigh(kind, &row, &weight);
		totals_add(&totals, &weight);
		totals_sub(&totals, &weight);
		require(memcmp(&totals, &none, sizeof(totals)) == 0);
	}
}

static void parse_record(const uint8_t *data, size_t size)
{
	AUTO(buf) struct buf buf = BUF_NONE, headers = BUF_NONE;
	struct info info = INFO_NONE;
	struct backend_row row;
	struct record record;
	uint64_t hash[2];
	char etag[33];

	if (record_parse(data, size, &record))
		return;
	record_encode(&buf, &record);
	for (size_t at = 0; record_next_row(&record, &at, etag, &row);) {
		use_row(&row);
		record_add_row(&buf, &row);
	}
	struct record again;
	require(!record_parse(buf.data, buf.len, &again));
	require(again.row_count == record.row_count && again.ts == record.ts);
	if (record.type <= RECORD_DELETE) {
		info_apply(&info, &record);
		info_apply(&info, &again);
		info_headers(&info, &headers);
		info_hash(&info, hash);
	}
	info_done(&info);
}

static void parse_database(const uint8_t *data, size_t size)
{
	AUTO(buf) struct buf buf = BUF_NONE;
	const char *account, *container;
	struct totals totals;
	struct info info;
	bool containers = size % 2;
	size_t at = 0;

	if (!totals_decode(data, size, &at, containers, &totals) ||
	        !info_decode(data, size, &at, &info, &account, &container))
		return;
	totals_encode(&buf, &totals, containers);
	info_encode(&buf, &info, account, container);
	struct info again;
	struct totals same;
	at = 0;
	require(totals_decode(buf.data, buf.len, &at, containers, &same));
	require(memcmp(&totals, &same, sizeof(totals)) == 0);
	require(info_decode(buf.data, buf.len, &at, &again, &account, &container));
	info_done(&again);
	info_done(&info);
}

static void parse_row(const uint8_t *data, size_t size)
{
	struct backend_row row = {.name = "name"};
	char etag[33];
	size_t at = 0;

	if (row_decode(data, size, &at, etag, &row)) {
		require(at <= size);
		use_row(&row);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	/* A copy of exact size: reading past the end is seen. */
	uint8_t *copy = mem_dup(data + 1, size - 1);
	if (data[0] == 'r')
		parse_record(copy, size - 1);
	else if (data[0] == 'd')
		parse_database(copy, size - 1);
	else
		parse_row(copy, size - 1);
	free(copy);
	return 0;
}
