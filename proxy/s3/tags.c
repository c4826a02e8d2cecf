#include "proxy/s3/tags.h"

#include "proxy/s3/s3.h"

#include <stdlib.h>
#include <string.h>

#define KEY_MAX   128 /* characters ("Categorizing your storage using tags") */
#define VALUE_MAX 256

struct tag {
	const char *key, *value;
};

struct tags {
	struct tag all[S3_BUCKET_TAGS_MAX];
	unsigned count, max;
};

static size_t characters(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += (*text & 0xc0) != 0x80;
	return n;
}

static bool has_plain_characters(const char *text)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;
		bool alnum = (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z');
		if (c < 0x80 && !alnum && !strchr(" +-=._:/@", c))
			return false;
	}
	return true;
}

static enum s3_error add(
        struct tags *tags, const char *key, const char *value, const char **ret_text)
{
	if (!*key || characters(key) > KEY_MAX || !has_plain_characters(key)) {
		*ret_text = "The TagKey you have provided is invalid";
		return S3_InvalidTag;
	}
	if (characters(value) > VALUE_MAX || !has_plain_characters(value)) {
		*ret_text = "The TagValue you have provided is invalid";
		return S3_InvalidTag;
	}
	if (has_prefix(key, "aws:")) {
		*ret_text = "System tags cannot be added/updated by requester";
		return S3_InvalidTag;
	}
	for (unsigned i = 0; i < tags->count; i++) {
		if (strcmp(tags->all[i].key, key) == 0) {
			*ret_text = "Cannot provide multiple Tags with the same key";
			return S3_InvalidTag;
		}
	}
	if (tags->count == tags->max) {
		*ret_text = tags->max == S3_OBJECT_TAGS_MAX
		                    ? "Object tags cannot be greater than 10"
		                    : "Bucket tag count cannot be greater than 50";
		return S3_InvalidTag;
	}
	tags->all[tags->count++] = (struct tag){key, value};
	return S3_OK;
}

static int by_key(const void *a, const void *b)
{
	return strcmp(((const struct tag *)a)->key, ((const struct tag *)b)->key);
}

static void write_tags(struct tags *tags, struct buf *out)
{
	qsort(tags->all, tags->count, sizeof(*tags->all), by_key);
	for (unsigned i = 0; i < tags->count; i++) {
		if (i)
			buf_char(out, '&');
		url_quote(out, tags->all[i].key, "");
		buf_char(out, '=');
		url_quote(out, tags->all[i].value, "");
	}
}

enum s3_error s3_tags_of_xml(
        const struct xml *root, unsigned max, struct buf *out, const char **ret_text)
{
	const struct xml *set = xml_child(root, "TagSet");
	struct tags tags = {.max = max};

	if (strcmp(root->name, "Tagging") != 0 || !set)
		return S3_MalformedXML;
	for (const struct xml *x = set->first; x; x = x->next) {
		const char *key = xml_text(x, "Key"), *value = xml_text(x, "Value");
		if (strcmp(x->name, "Tag") != 0 || !key || !value)
			return S3_MalformedXML;
		enum s3_error error = add(&tags, key, value, ret_text);
		if (error)
			return error;
	}
	write_tags(&tags, out);
	return S3_OK;
}

enum s3_error s3_tags_of_text(
        const char *text, unsigned max, struct buf *out, const char **ret_text)
{
	struct tags tags = {.max = max};
	enum s3_error error = S3_OK;
	struct query query;
	struct arena arena;

	arena_init(&arena);
	query_parse(&arena, text, &query);
	for (unsigned i = 0; i < query.count && !error; i++)
		error = add(&tags, query.pairs[i].name, query.pairs[i].value, ret_text);
	if (query.bad) {
		*ret_text = "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded "
		            "URL query parameters without tag name duplicates.";
		error = S3_InvalidArgument;
	}
	if (!error)
		write_tags(&tags, out);
	arena_done(&arena);
	return error;
}

void s3_tags_tell(const char *kept, struct buf *xml)
{
	struct query query;
	struct arena arena;

	arena_init(&arena);
	query_parse(&arena, kept, &query);
	buf_str(xml, "<TagSet>");
	for (unsigned i = 0; *kept && i < query.count; i++) {
		buf_str(xml, "<Tag>");
		s3_xml_text(xml, "Key", query.pairs[i].name);
		s3_xml_text(xml, "Value", query.pairs[i].value);
		buf_str(xml, "</Tag>");
	}
	buf_str(xml, "</TagSet>");
	arena_done(&arena);
}

unsigned s3_tags_count(const char *kept)
{
	unsigned n = *kept != 0;

	for (; *kept; kept++)
		n += *kept == '&';
	return n;
}

enum s3_error s3_tags_take(struct request *request, const char **ret_text)
{
	const char *text = http_get(request->http, "x-amz-tagging");
	AUTO(buf) struct buf kept = BUF_NONE;
	enum s3_error error;

	if (!text)
		return S3_OK;
	error = s3_tags_of_text(text, S3_OBJECT_TAGS_MAX, &kept, ret_text);
	if (!error && kept.len)
		request_set_header(request, S3_OBJECT_TAGS, buf_text(&kept));
	return error;
}
