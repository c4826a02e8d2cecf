#include "proxy/unit/multipart.h"

#include "lib/base/kv.h"
#include <ctype.h>
#include <string.h>

enum { START, HEADERS, DATA, LAST, END, BAD };

void multipart_init(struct multipart *multipart, const char *boundary)
{
	*multipart = (struct multipart){.state = START};
	buf_str(&multipart->delimiter, "\r\n--");
	buf_str(&multipart->delimiter, boundary);
}

void multipart_done(struct multipart *multipart)
{
	buf_done(&multipart->delimiter);
	buf_done(&multipart->in);
	buf_done(&multipart->headers);
}

void multipart_feed(struct multipart *multipart, const void *data, size_t len)
{
	struct buf *in = &multipart->in;

	if (multipart->at) {
		memmove(in->data, in->data + multipart->at, in->len - multipart->at);
		in->len -= multipart->at;
		multipart->at = 0;
	}
	buf_add(in, data, len);
}

static enum multipart_event bad(struct multipart *m, const char *fault)
{
	m->state = BAD;
	m->fault = fault;
	return MULTIPART_BAD;
}

/* Blank lines, then the delimiter without its line end in front. */
static enum multipart_event start(struct multipart *m)
{
	const char *want = m->delimiter.data + 2;
	size_t want_len = m->delimiter.len - 2;

	while (m->in.len - m->at >= 2 && memcmp(m->in.data + m->at, "\r\n", 2) == 0)
		m->at += 2;
	const char *p = m->in.data + m->at;
	size_t len = m->in.len - m->at;
	if (len == 1 && *p == '\r')
		return MULTIPART_MORE;
	if (len && memcmp(p, want, len < want_len ? len : want_len) != 0)
		return bad(m, "invalid starting boundary");
	if (len < want_len + 1)
		return MULTIPART_MORE;
	p += want_len;
	len -= want_len;
	if (*p == '\r' && len == 1)
		return MULTIPART_MORE;
	size_t end = *p == '\n' ? 1 : *p == '\r' && p[1] == '\n' ? 2 : 0;
	if (!end)
		return bad(m, "invalid starting boundary");
	m->at += want_len + end;
	m->state = HEADERS;
	return MULTIPART_PART;
}

static size_t trimmed(const char *line, size_t len)
{
	while (len && strchr(" \t\r", line[len - 1]))
		len--;
	return len;
}

/* A line, and those that continue it. */
static void keep_header(struct multipart *m, const char *line, size_t len)
{
	const char *colon = memchr(line, ':', len);
	size_t name_len = colon ? trimmed(line, (size_t)(colon - line)) : 0;
	AUTO(buf) struct buf value = BUF_NONE;

	if (!name_len || memchr(line, 0, len))
		return;
	const char *p = colon + 1, *end = line + len;
	while (p < end && strchr(" \t", *p))
		p++;
	for (; p < end; p++) {
		if (*p != '\r' && *p != '\n')
			buf_char(&value, *p);
	}
	kv_add_len(&m->headers, line, name_len, buf_text(&value),
	        trimmed(buf_text(&value), value.len));
}

static enum multipart_event headers(struct multipart *m)
{
	const char *begin = m->in.data + m->at, *end = m->in.data + m->in.len;
	const char *line = begin, *from = begin;

	buf_reset(&m->headers);
	for (;;) {
		const char *newline = line < end ? memchr(line, '\n', (size_t)(end - line)) : NULL;
		if ((newline ? newline : end) - begin > MULTIPART_HEADERS_MAX)
			return bad(m, "headers of a part are too long");
		if (!newline)
			return MULTIPART_MORE;
		bool blank = newline == line || (newline == line + 1 && *line == '\r');
		if (line > from && (blank || !strchr(" \t", *line))) {
			keep_header(m, from, (size_t)(line - from));
			from = line;
		}
		line = newline + 1;
		if (blank)
			break;
	}
	m->at += (size_t)(line - begin);
	m->state = DATA;
	return MULTIPART_PART;
}

static enum multipart_event data(struct multipart *m, const char **ret_data, size_t *ret_len)
{
	const char *begin = m->in.data + m->at;
	size_t len = m->in.len - m->at, delimiter_len = m->delimiter.len;
	const char *found = len ? memmem(begin, len, m->delimiter.data, delimiter_len) : NULL;
	size_t sure = found                  ? (size_t)(found - begin)
	              : len >= delimiter_len ? len - delimiter_len + 1
	                                     : 0;

	if (sure) {
		*ret_data = begin;
		*ret_len = sure;
		m->at += sure;
		return MULTIPART_DATA;
	}
	if (!found || len < delimiter_len + 2)
		return MULTIPART_MORE;
	m->state = memcmp(begin + delimiter_len, "--", 2) == 0 ? LAST : HEADERS;
	m->at += delimiter_len + 2;
	return MULTIPART_PART_END;
}

enum multipart_event multipart_next(
        struct multipart *multipart, const char **ret_data, size_t *ret_len)
{
	struct multipart *m = multipart;

	if (m->state == START) {
		enum multipart_event event = start(m);
		if (event != MULTIPART_PART)
			return event;
	}
	switch (m->state) {
	case HEADERS:
		return headers(m);
	case DATA:
		return data(m, ret_data, ret_len);
	case BAD:
		return MULTIPART_BAD;
	default:
		m->state = END;
		return MULTIPART_END;
	}
}

const char *multipart_header(const struct multipart *multipart, const char *name)
{
	return kv_get(multipart->headers.data, multipart->headers.len, name);
}

/* --- values with attributes --- */

bool attribute_value_is(const char *text, const char *value)
{
	size_t len = text ? strcspn(text, ";") : 0;

	while (len && strchr(" \t", text[len - 1]))
		len--;
	return text && len == strlen(value) && strncmp(text, value, len) == 0;
}

/* The end of a value: behind its last quote, or before a ';'. */
static const char *value_end(const char *value)
{
	if (*value != '"')
		return value + strcspn(value, "\";");
	const char *quote = strchr(value + 1, '"');
	while (quote && quote[1] && quote[1] != ';')
		quote = strchr(quote + 1, '"');
	return quote ? quote + 1 : value;
}

const char *attribute_get(struct arena *arena, const char *text, const char *name)
{
	const char *at = text ? strchr(text, ';') : NULL, *found = NULL;

	while (at && *at == ';') {
		at++;
		at += strspn(at, " \t");
		const char *word = at;
		while (isalnum((unsigned char)*at) || *at == '_')
			at++;
		size_t word_len = (size_t)(at - word);
		if (!word_len || *at != '=')
			break;
		const char *value = at + 1, *end = value_end(value);
		if (end == value || (*end && *end != ';'))
			break;
		at = end;
		while (value < end && *value == '"')
			value++;
		while (end > value && end[-1] == '"')
			end--;
		if (word_len == strlen(name) && strncmp(word, name, word_len) == 0)
			found = arena_strndup(arena, value, (size_t)(end - value));
	}
	return found;
}
