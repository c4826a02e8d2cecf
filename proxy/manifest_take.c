/* What a client sends as a manifest: each of its faults is told by the index of its segment. */
#include "proxy/manifest.h"

#include "lib/base/base64.h"
#include "lib/json/jout.h"
#include "lib/json/jread.h"
#include <stdlib.h>
#include <string.h>

#define FAULTS_MAX (256u << 10) /* bytes of what is said of them */
#define KEYS_MAX   32           /* of one segment, that are looked at */

/* How many values the text has at most, without making them: they take far more memory than it. */
static bool is_small(const char *text, size_t len)
{
	size_t values = 0;
	bool quoted = false;

	for (size_t i = 0; i < len; i++) {
		if (quoted && text[i] == '\\')
			i++;
		else if (text[i] == '"')
			quoted = !quoted;
		else if (!quoted && (text[i] == ',' || text[i] == '[' || text[i] == '{'))
			values++;
	}
	return values < MANIFEST_VALUES_MAX;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool is_known(const char *key, bool data)
{
	if (data)
		return strcmp(key, "data") == 0;
	return strcmp(key, "path") == 0 || strcmp(key, "etag") == 0 || strcmp(key, "range") == 0 ||
	       strcmp(key, "size_bytes") == 0;
}

/* True when there were keys that mean nothing. */
static bool tell_extra(const struct jval *value, bool data, size_t index, struct buf *out)
{
	const char *keys[KEYS_MAX], *key;
	size_t extra = 0;

	for (size_t i = 0; i < KEYS_MAX && (key = jread_name(value, i)); i++) {
		if (!is_known(key, data))
			keys[extra++] = key;
	}
	qsort(keys, extra, sizeof(*keys), by_text);
	for (size_t i = 0; i < extra; i++) {
		if (i == 0)
			buf_printf(out, "Index %zu: extraneous keys ", index);
		else
			buf_str(out, ", ");
		jout_ascii(out, keys[i]);
	}
	if (extra)
		buf_char(out, '\n');
	return extra > 0;
}

/* As Python's int() has it: of a number, its whole part. */
static bool take_size(const struct jval *value, int64_t *ret)
{
	const char *text;
	double real;
	bool yes;
	char *end;

	if (jread_int(value, ret))
		return true;
	if (jread_bool(value, &yes)) {
		*ret = yes;
		return true;
	}
	if (jread_f64(value, &real) && real < 9e18 && real > -9e18) {
		*ret = (int64_t)real;
		return true;
	}
	if (!jread_str(value, &text))
		return false;
	text += strspn(text, " \t\r\n");
	*ret = strtoll(text, &end, 10);
	return end != text && !end[strspn(end, " \t\r\n")];
}

static bool is_number(const char *text, size_t len)
{
	return len > 0 && len < 19 && strspn(text, "0123456789") >= len;
}

/* "3-7", "3-" or "-7": NULL, or what is wrong with it. */
static const char *range_fault(const char *text)
{
	const char *dash = strchr(text, '-');

	if (strchr(text, ','))
		return "multiple ranges (only one allowed)";
	if (!dash)
		return "invalid range";
	size_t before = (size_t)(dash - text), after = strlen(dash + 1);
	if ((before && !is_number(text, before)) || (after && !is_number(dash + 1, after)) ||
	        (!before && !after))
		return "invalid range";
	if (before && after && strtoull(dash + 1, NULL, 10) < strtoull(text, NULL, 10))
		return "invalid range";
	return NULL;
}

bool manifest_range(struct manifest_segment *s, uint64_t size)
{
	const char *dash = s->range ? strchr(s->range, '-') : NULL;

	s->has_range = false;
	s->first = 0;
	s->last = size ? size - 1 : 0;
	if (!dash)
		return true;
	uint64_t from = strtoull(s->range, NULL, 10), to = strtoull(dash + 1, NULL, 10);
	if (dash == s->range) {
		if (!to || !size)
			return false;
		s->first = to < size ? size - to : 0;
	} else {
		if (from >= size)
			return false;
		s->first = from;
		if (dash[1] && to < s->last)
			s->last = to;
	}
	s->has_range = s->first > 0 || s->last < size - 1;
	return true;
}

static const char *without_blanks(struct manifest *m, const char *text)
{
	char *copy = arena_strdup(&m->arena, text), *to = copy;

	for (const char *p = copy; *p; p++) {
		if (*p != ' ')
			*to++ = *p;
	}
	*to = 0;
	return copy;
}

/* NULL, or what is wrong. */
static const char *take_range(
        struct manifest *m, const struct jval *value, struct manifest_segment *s)
{
	const char *text, *fault;

	if (!value || jread_is_null(value))
		return NULL;
	if (!jread_str(value, &text))
		return "invalid range";
	if (!*text)
		return NULL;
	s->range = without_blanks(m, text);
	if ((fault = range_fault(s->range)))
		return fault;
	return s->has_bytes && !manifest_range(s, s->bytes) ? "unsatisfiable range" : NULL;
}

static const char *take_object(struct manifest *m, const struct jval *value,
        struct manifest_segment *s, bool is_last, const char *own_path)
{
	const struct jval *etag = jread_get(value, "etag"), *size = jread_get(value, "size_bytes");
	const char *text;
	int64_t bytes;

	if (!jread_str(jread_get(value, "path"), &text))
		return "\"path\" must be a string";
	s->path = arena_strdup(&m->arena, text);
	if (etag && !jread_is_null(etag)) {
		if (!jread_str(etag, &text))
			return "\"etag\" must be a string or null (if provided)";
		s->etag = arena_strdup(&m->arena, text);
	}
	char *path = arena_strdup(&m->arena, s->path + strspn(s->path, "/"));
	char *slash = strchr(path, '/');
	if (!slash || !slash[strspn(slash, "/")])
		return "path does not refer to an object. Path must be of the form "
		       "/container/object.";
	if (size && !jread_is_null(size)) {
		if (!take_size(size, &bytes))
			return "invalid size_bytes";
		if (bytes < 1 && !is_last)
			return "too small; each segment must be at least 1 byte.";
		s->has_bytes = true;
		s->bytes = bytes < 0 ? UINT64_MAX : (uint64_t)bytes;
	}
	if (strcmp(path, own_path) == 0)
		return "manifest must not include itself as a segment";
	*slash = 0;
	s->container = path;
	s->object = slash + 1;
	return take_range(m, jread_get(value, "range"), s);
}

static const char *take_data(
        struct manifest *m, const struct jval *value, struct manifest_segment *s)
{
	AUTO(buf) struct buf data = BUF_NONE, text = BUF_NONE;
	const char *sent;

	if (!jread_str(jread_get(value, "data"), &sent))
		return "data must be valid base64";
	size_t len = strlen(sent), digits = len;
	while (digits && sent[digits - 1] == '=')
		digits--;
	if (digits % 4 == 1 || (digits % 4 && len - digits < 4 - digits % 4) ||
	        strpbrk(sent, "-_") || !base64_decode(sent, digits, &data))
		return "data must be valid base64";
	if (!data.len)
		return "too small; each segment must be at least 1 byte.";
	base64_encode(data.data, data.len, &text);
	s->data = arena_strdup(&m->arena, buf_text(&text));
	s->length = data.len;
	return NULL;
}

static void take_segment(struct manifest *m, const struct jval *value, size_t index, bool is_last,
        const char *own_path, struct buf *out)
{
	struct manifest_segment *s = &m->segments[index];
	const char *fault;

	if (!jread_is_object(value)) {
		buf_printf(out, "Index %zu: not a JSON object\n", index);
		return;
	}
	bool data = jread_get(value, "data");
	if (!data && !jread_get(value, "path")) {
		buf_printf(out, "Index %zu: expected keys to include one of 'data' or 'path'\n",
		        index);
		return;
	}
	if (tell_extra(value, data, index, out))
		return;
	fault = data ? take_data(m, value, s) : take_object(m, value, s, is_last, own_path);
	if (fault)
		buf_printf(out, "Index %zu: %s\n", index, fault);
}

static bool all_data(const struct jval *list, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (!jread_get(jread_at(list, i), "data"))
			return false;
	}
	return count > 0;
}

enum err manifest_take(
        struct manifest *ret, const void *text, size_t len, const char *path, struct buf *ret_text)
{
	AUTO(jroot) struct jroot root = JROOT_NONE;

	*ret = (struct manifest){0};
	if (!is_small(text, len))
		return ERR_TOO_LARGE;
	if (jread_parse(text, len, &root)) {
		buf_str(ret_text, "Manifest must be valid JSON.\n");
		return ERR_BAD_REQUEST;
	}
	if (!jread_is_array(root.value)) {
		buf_str(ret_text, "Manifest must be a list.\n");
		return ERR_BAD_REQUEST;
	}
	size_t count = jread_len(root.value);
	arena_init(&ret->arena);
	ret->segments = arena_zalloc(&ret->arena, (count + 1) * sizeof(*ret->segments));
	ret->count = (unsigned)count;
	for (size_t i = 0; i < count && ret_text->len < FAULTS_MAX; i++)
		take_segment(ret, jread_at(root.value, i), i, i == count - 1, path, ret_text);
	if (all_data(root.value, count))
		buf_str(ret_text,
		        "Inline data segments require at least one object-backed segment.\n");
	if (!ret_text->len)
		return ERR_OK;
	manifest_done(ret);
	return ERR_BAD_REQUEST;
}
