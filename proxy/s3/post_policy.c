#include "proxy/s3/post_policy.h"

#include "lib/base/buf.h"
#include "lib/json/jread.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

struct check {
	struct post_field *fields;
	struct arena *arena;
	struct post_range range;
	const char *text;
};

static struct post_field *find(struct post_field *fields, const char *name)
{
	for (struct post_field *f = fields; f; f = f->next) {
		if (strcasecmp(f->name, name) == 0)
			return f;
	}
	return NULL;
}

const char *post_field_get(const struct post_field *fields, const char *name)
{
	const struct post_field *f = find((struct post_field *)fields, name);

	return f ? f->value : NULL;
}

static enum s3_error malformed(struct check *c, const char *what)
{
	c->text = arena_printf(c->arena, "Invalid Policy: %s", what);
	return S3_InvalidPolicyDocument;
}

static enum s3_error refused(struct check *c, const char *what)
{
	c->text = arena_printf(c->arena, "Invalid according to Policy: %s", what);
	return S3_AccessDenied;
}

/* --- one condition --- */

static bool begins(const char *text, const char *prefix, size_t len)
{
	size_t prefix_len = strlen(prefix);

	return prefix_len <= len && strncmp(text, prefix, prefix_len) == 0;
}

/* Of several types, each must begin so. */
static bool all_begin(const char *list, const char *prefix)
{
	for (const char *p = list;;) {
		p += strspn(p, " ");
		size_t len = strcspn(p, ",");
		if (!begins(p, prefix, len))
			return false;
		if (!p[len])
			return true;
		p += len + 1;
	}
}

static enum s3_error match(struct check *c, const char *how, const char *name, const char *wanted)
{
	struct post_field *f = find(c->fields, name);
	const char *value = f ? f->value : "";
	bool fits;

	if (f)
		f->covered = true;
	if (strcasecmp(how, "eq") == 0)
		fits = strcmp(value, wanted) == 0;
	else if (strcasecmp(how, "starts-with") != 0)
		return malformed(c, arena_printf(c->arena, "Unknown condition '%s'", how));
	else if (strcasecmp(name, "Content-Type") == 0 && strchr(value, ','))
		fits = all_begin(value, wanted);
	else
		fits = begins(value, wanted, strlen(value));
	if (fits)
		return S3_OK;
	return refused(
	        c, arena_printf(c->arena, "Policy Condition failed: [\"%s\", \"$%s\", \"%s\"]", how,
	                   name, wanted));
}

/* {"acl": "public-read"} */
static enum s3_error match_object(struct check *c, const struct jval *condition)
{
	const char *name, *wanted;
	enum s3_error error = S3_OK;

	if (!jread_name(condition, 0))
		return malformed(c, "Invalid Simple-Condition: it has no field.");
	for (size_t i = 0; !error && (name = jread_name(condition, i)); i++) {
		if (!jread_str(jread_get(condition, name), &wanted))
			return malformed(c, "Invalid Simple-Condition: value must be a string.");
		error = match(c, "eq", name, wanted);
	}
	return error;
}

static bool read_size(const struct jval *value, uint64_t *ret_size)
{
	const char *text;
	char *end;

	if (jread_u64(value, INT64_MAX, ret_size))
		return true;
	if (!jread_str(value, &text) || !*text || strspn(text, "0123456789") != strlen(text) ||
	        strlen(text) > 18)
		return false;
	*ret_size = strtoull(text, &end, 10);
	return true;
}

/* ["content-length-range", 0, 1024] */
static enum s3_error take_range(struct check *c, const struct jval *condition)
{
	uint64_t min, max;

	if (!read_size(jread_at(condition, 1), &min) || !read_size(jread_at(condition, 2), &max))
		return malformed(c, "Invalid content-length-range: it wants two whole numbers.");
	if (min > c->range.min)
		c->range.min = min;
	if (max < c->range.max)
		c->range.max = max;
	return S3_OK;
}

/* ["starts-with", "$key", "user/"] */
static enum s3_error match_list(struct check *c, const struct jval *condition)
{
	const char *how, *name, *wanted;

	if (jread_len(condition) != 3 || !jread_str(jread_at(condition, 0), &how))
		return malformed(c, "Invalid Condition: it wants an operator and two values.");
	if (strcasecmp(how, "content-length-range") == 0)
		return take_range(c, condition);
	if (!jread_str(jread_at(condition, 1), &name) || *name != '$' ||
	        !jread_str(jread_at(condition, 2), &wanted))
		return malformed(c, "Invalid Condition: it wants a field's name and a string.");
	return match(c, how, name + 1, wanted);
}

/* --- all of them --- */

/* "2026-12-01T12:00:00.000Z" */
static bool parse_end(const char *text, int64_t *ret_at)
{
	struct tm tm = {0};
	const char *end = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);

	if (!end)
		return false;
	if (*end == '.')
		end += 1 + strspn(end + 1, "0123456789");
	if (strcmp(end, "Z") != 0)
		return false;
	*ret_at = timegm(&tm);
	return true;
}

/* May a field go without a condition? A checksum can only refuse. */
static bool is_free(const char *name)
{
	static const char *const names[] = {
	        "x-amz-signature", "signature", "awsaccesskeyid", "policy", "file"};

	for (unsigned i = 0; i < COUNT_OF(names); i++) {
		if (strcmp(names[i], name) == 0)
			return true;
	}
	return strncmp(name, "x-ignore-", 9) == 0 || strncmp(name, "x-amz-checksum-", 15) == 0;
}

static enum s3_error check(struct check *c, const struct jval *policy, int64_t now_s)
{
	const struct jval *conditions = jread_get(policy, "conditions");
	enum s3_error error = S3_OK;
	const char *end;
	int64_t at;

	if (!jread_str(jread_get(policy, "expiration"), &end))
		return malformed(c, "Policy missing expiration.");
	if (!parse_end(end, &at))
		return malformed(
		        c, arena_printf(c->arena, "Invalid 'expiration' value: '%s'", end));
	if (!jread_is_array(conditions))
		return malformed(c, "Policy missing conditions.");
	if (at < now_s)
		return refused(c, "Policy expired.");
	for (size_t i = 0; !error && i < jread_len(conditions); i++) {
		const struct jval *one = jread_at(conditions, i);
		error = jread_is_object(one)  ? match_object(c, one)
		        : jread_is_array(one) ? match_list(c, one)
		                              : malformed(c, "Invalid Condition.");
	}
	for (struct post_field *f = c->fields; f && !error; f = f->next) {
		if (!f->covered && !is_free(f->name))
			error = refused(
			        c, arena_printf(c->arena, "Extra input fields: %s", f->name));
	}
	return error;
}

/* Policies know two escapes that JSON does not. */
static void to_json(const char *text, struct buf *out)
{
	for (; *text; text++) {
		if (*text != '\\' || !text[1]) {
			buf_char(out, *text);
			continue;
		}
		text++;
		if (*text == 'v')
			buf_str(out, "\\u000b");
		else if (*text == '$')
			buf_char(out, '$');
		else
			buf_printf(out, "\\%c", *text);
	}
}

enum s3_error post_policy_check(const char *json, int64_t now_s, struct post_field *fields,
        struct arena *arena, struct post_range *ret_range, const char **ret_text)
{
	struct check c = {.fields = fields, .arena = arena, .range = {0, UINT64_MAX}};
	AUTO(jroot) struct jroot root = JROOT_NONE;
	AUTO(buf) struct buf text = BUF_NONE;
	enum s3_error error;

	for (struct post_field *f = fields; f; f = f->next)
		f->covered = false;
	to_json(json, &text);
	if (jread_parse(buf_text(&text), text.len, &root) || !jread_is_object(root.value))
		error = malformed(&c, "Invalid JSON.");
	else
		error = check(&c, root.value, now_s);
	*ret_range = c.range;
	*ret_text = c.text;
	return error;
}
