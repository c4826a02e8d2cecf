#include "proxy/s3/upload_list.h"

#include <stdlib.h>
#include <string.h>

#define NUMBER_MAX 10000

/* In the order of enum checksum. */
static const char *const checksums[UPLOAD_CHECKSUMS] = {
        "ChecksumCRC32", "ChecksumCRC32C", "ChecksumCRC64NVME", "ChecksumSHA1", "ChecksumSHA256"};

unsigned upload_number(const char *text)
{
	size_t len = text ? strspn(text, "0123456789") : 0;

	if (!len || len > 5 || text[len])
		return 0;
	unsigned long number = strtoul(text, NULL, 10);
	return number <= NUMBER_MAX ? (unsigned)number : 0;
}

static const char *trimmed(struct arena *arena, const char *text)
{
	size_t len;

	text += strspn(text, " \t\r\n");
	for (len = strlen(text); len && strchr(" \t\r\n", text[len - 1]);)
		len--;
	return arena_strndup(arena, text, len);
}

static const char *bare(struct arena *arena, const char *etag)
{
	const char *text = trimmed(arena, etag);
	size_t len = strlen(text);

	return len > 1 && *text == '"' && text[len - 1] == '"'
	               ? arena_strndup(arena, text + 1, len - 2)
	               : text;
}

static enum s3_error take(const struct xml *part, struct arena *arena, struct upload_listed *ret)
{
	const char *number = xml_text(part, "PartNumber"), *etag = xml_text(part, "ETag");

	if (!number || !etag)
		return S3_MalformedXML;
	number = trimmed(arena, number);
	if (!*number || number[strspn(number, "0123456789")])
		return S3_MalformedXML;
	ret->number = upload_number(number);
	ret->etag = bare(arena, etag);
	for (unsigned i = 0; i < UPLOAD_CHECKSUMS; i++) {
		const char *sum = xml_text(part, checksums[i]);
		ret->checksum[i] = sum ? trimmed(arena, sum) : NULL;
	}
	return ret->number ? S3_OK : S3_InvalidArgument;
}

enum s3_error upload_list_parse(const struct xml *root, struct arena *arena,
        struct upload_listed **ret_parts, unsigned *ret_count)
{
	unsigned count = 0;

	for (const struct xml *p = xml_child(root, "Part"); p; p = xml_next(p))
		count++;
	if (!count || count > NUMBER_MAX)
		return S3_MalformedXML;
	struct upload_listed *parts = arena_zalloc(arena, count * sizeof(*parts));
	count = 0;
	for (const struct xml *p = xml_child(root, "Part"); p; p = xml_next(p)) {
		struct upload_listed part;
		enum s3_error error = take(p, arena, &part);
		if (error)
			return error;
		if (count && part.number < parts[count - 1].number)
			return S3_InvalidPartOrder;
		/* Named twice: the last counts. */
		count -= count && part.number == parts[count - 1].number;
		parts[count++] = part;
	}
	*ret_parts = parts;
	*ret_count = count;
	return S3_OK;
}
