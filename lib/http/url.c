#include "lib/http/url.h"

#include "lib/base/ts.h"
#include <string.h>
#include <time.h>

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static char *unquote(struct arena *arena, const char *text, size_t len, bool plus, size_t *ret_len)
{
	char *out = arena_alloc(arena, len + 1);
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		if (text[i] == '%' && i + 2 < len && hex(text[i + 1]) >= 0 &&
		        hex(text[i + 2]) >= 0) {
			out[n++] = (char)(hex(text[i + 1]) << 4 | hex(text[i + 2]));
			i += 2;
		} else {
			out[n++] = plus && text[i] == '+' ? ' ' : text[i];
		}
	}
	out[n] = 0;
	if (ret_len)
		*ret_len = n;
	return out;
}

char *url_unquote(struct arena *arena, const char *text, size_t len, size_t *ret_len)
{
	return unquote(arena, text, len, false, ret_len);
}

char *url_unquote_plus(struct arena *arena, const char *text, size_t len, size_t *ret_len)
{
	return unquote(arena, text, len, true, ret_len);
}

static bool stands(char c, const char *safe)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c && (strchr("_.-~/", c) || strchr(safe, c)));
}

void url_quote(struct buf *out, const char *text, const char *safe)
{
	static const char digits[] = "0123456789ABCDEF";

	for (;;) {
		size_t plain = 0;
		while (stands(text[plain], safe))
			plain++;
		buf_add(out, text, plain);
		text += plain;
		if (!*text)
			break;
		unsigned char c = (unsigned char)*text++;
		char e[3] = {'%', digits[c >> 4], digits[c & 15]};
		buf_add(out, e, 3);
	}
}

bool utf8_valid(const char *text, size_t len)
{
	const unsigned char *p = (const unsigned char *)text, *end = p + len;

	while (p < end) {
		unsigned char c = *p++;
		unsigned more = c < 0x80   ? 0
		                : c < 0xc2 ? 4
		                : c < 0xe0 ? 1
		                : c < 0xf0 ? 2
		                : c < 0xf5 ? 3
		                           : 4;
		if (more == 4 || (size_t)(end - p) < more)
			return false;
		if (more >= 2 && ((c == 0xe0 && p[0] < 0xa0) || (c == 0xed && p[0] > 0x9f) ||
		                         (c == 0xf0 && p[0] < 0x90) || (c == 0xf4 && p[0] > 0x8f)))
			return false;
		for (; more; more--, p++) {
			if ((*p & 0xc0) != 0x80)
				return false;
		}
	}
	return true;
}

#define PAIRS_MAX 64

static char *query_value(struct arena *arena, const char *text, size_t len, size_t *ret_len)
{
	char *value = url_unquote_plus(arena, text, len, ret_len);

	for (size_t i = 0; i < *ret_len; i++) {
		if (!value[i])
			value[i] = 1;
	}
	return value;
}

void query_parse(struct arena *arena, const char *text, struct query *ret_query)
{
	query_parse_many(arena, text, PAIRS_MAX, ret_query);
}

void query_parse_many(struct arena *arena, const char *text, unsigned max, struct query *ret_query)
{
	struct query q = {arena_alloc(arena, max * sizeof(*q.pairs)), 0, false};

	while (*text && q.count < max) {
		size_t len = strcspn(text, "&"), name_len = 0, value_len = 0;
		if (len) {
			const char *eq = memchr(text, '=', len);
			size_t cut = eq ? (size_t)(eq - text) : len;
			struct query_pair *p = &q.pairs[q.count++];
			p->name = url_unquote_plus(arena, text, cut, &name_len);
			p->value = eq ? query_value(arena, eq + 1, len - cut - 1, &value_len) : "";
			q.bad |= !utf8_valid(p->name, name_len) || !utf8_valid(p->value, value_len);
		}
		text += len + (text[len] == '&');
	}
	*ret_query = q;
}

void query_add(struct buf *query, const char *name, const char *value)
{
	if (!value || !*value)
		return;
	buf_printf(query, "&%s=", name);
	url_quote(query, value, "");
}

const char *query_get(const struct query *query, const char *name)
{
	for (unsigned i = query->count; i-- > 0;) {
		if (strcmp(query->pairs[i].name, name) == 0)
			return query->pairs[i].value;
	}
	return NULL;
}

static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
static const char *const months[] = {
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

static void two_digits(char *to, unsigned number)
{
	to[0] = (char)('0' + number / 10 % 10);
	to[1] = (char)('0' + number % 10);
}

/* Without printf, which takes longer than the rest of some answers' headers. */
void http_date_format(int64_t seconds, char ret_text[HTTP_DATE_SIZE])
{
	struct tm tm = {0};
	time_t t = (time_t)seconds;

	gmtime_r(&t, &tm);
	unsigned year = (unsigned)tm.tm_year + 1900;
	memcpy(ret_text, "Sun, 00 Jan 0000 00:00:00 GMT", HTTP_DATE_SIZE);
	memcpy(ret_text, days[tm.tm_wday], 3);
	two_digits(ret_text + 5, (unsigned)tm.tm_mday);
	memcpy(ret_text + 8, months[tm.tm_mon], 3);
	two_digits(ret_text + 12, year / 100);
	two_digits(ret_text + 14, year % 100);
	two_digits(ret_text + 17, (unsigned)tm.tm_hour);
	two_digits(ret_text + 20, (unsigned)tm.tm_min);
	two_digits(ret_text + 23, (unsigned)tm.tm_sec);
}

bool http_date_parse(const char *text, int64_t *ret_seconds)
{
	static const char *const forms[] = {"%a, %d %b %Y %H:%M:%S GMT",
	        "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y", "%a, %d %b %Y %H:%M:%S +0000",
	        "%a, %d %b %Y %H:%M:%S -0000"};

	for (unsigned i = 0; i < COUNT_OF(forms); i++) {
		struct tm tm = {0};
		const char *end = strptime(text, forms[i], &tm);
		if (end && !*end) {
			*ret_seconds = (int64_t)timegm(&tm);
			return true;
		}
	}
	return false;
}

void iso_date_format(uint64_t ts, char ret_text[ISO_DATE_SIZE])
{
	static _Thread_local time_t last = -1;
	static _Thread_local char head[32];
	time_t t = (time_t)(ts / TS_PER_SECOND);
	uint64_t fraction = ts % TS_PER_SECOND * 10;

	if (t != last) {
		struct tm tm;
		gmtime_r(&t, &tm);
		strftime(head, sizeof(head), "%Y-%m-%dT%H:%M:%S.", &tm);
		last = t;
	}
	memcpy(ret_text, head, 20);
	for (int i = 25; i >= 20; i--, fraction /= 10)
		ret_text[i] = (char)('0' + fraction % 10);
	ret_text[26] = 0;
}

bool iso_date_parse(const char *text, uint64_t *ret_ts)
{
	struct tm tm = {0};
	uint64_t fraction = 0, unit = TS_PER_SECOND / 10;
	const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);

	if (!rest)
		return false;
	if (*rest == '.') {
		for (rest++; *rest >= '0' && *rest <= '9'; rest++, unit /= 10)
			fraction += (uint64_t)(*rest - '0') * unit;
	}
	time_t seconds = timegm(&tm);
	if (*rest || seconds < 0 || (uint64_t)seconds > TS_MAX / TS_PER_SECOND)
		return false;
	*ret_ts = (uint64_t)seconds * TS_PER_SECOND + fraction;
	return true;
}
