#include "lib/http/range.h"

#include <string.h>
#include <strings.h>

#define RANGE_TEXT_MAX 4096

struct spec {
	bool has_start, has_end;
	uint64_t start, end;
};

/* Digits, saturating: a number past 2^63 is past any object's end. False when there are none. */
static bool parse_number(const char **text, uint64_t *ret)
{
	const char *p = *text;
	uint64_t n = 0;

	for (; *p >= '0' && *p <= '9'; p++)
		n = n > (UINT64_MAX >> 1) / 10 - 1 ? UINT64_MAX >> 1
		                                   : n * 10 + (uint64_t)(*p - '0');
	if (p == *text)
		return false;
	*text = p;
	*ret = n;
	return true;
}

static bool parse_spec(const char **text, struct spec *s)
{
	*s = (struct spec){0};
	s->has_start = parse_number(text, &s->start);
	if (*(*text)++ != '-')
		return false;
	s->has_end = parse_number(text, &s->end);
	if (**text && **text != ',')
		return false;
	return (s->has_start || s->has_end) && !(s->has_start && s->has_end && s->end < s->start);
}

static bool resolve(const struct spec *s, uint64_t size, struct range *r)
{
	if (!s->has_start) {
		if (s->end == 0)
			return false;
		*r = (struct range){s->end > size ? 0 : size - s->end, size - 1};
		return true;
	}
	if (s->start >= size)
		return false;
	*r = (struct range){s->start, s->has_end && s->end < size ? s->end : size - 1};
	return true;
}

/* RFC 9110 17.15: sets that cost much and help nobody are refused. */
static bool egregious(const struct range *r, unsigned count)
{
	unsigned overlaps = 0;
	bool ascending = true;

	for (unsigned i = 0; i < count; i++) {
		for (unsigned j = i + 1; j < count; j++) {
			if (r[i].start <= r[j].end && r[j].start <= r[i].end &&
			        (r[i].start != r[j].start || r[i].end != r[j].end))
				overlaps++;
		}
		if (i && r[i - 1].start > r[i].start)
			ascending = false;
	}
	return overlaps > RANGE_OVERLAP_MAX || (!ascending && count >= RANGE_OUT_OF_ORDER_MAX);
}

enum range_result range_parse(
        const char *text, uint64_t size, struct range *ret_ranges, unsigned *ret_count)
{
	unsigned count = 0;
	bool too_many = false;
	struct spec spec;

	char plain[RANGE_TEXT_MAX];
	size_t len = 0;

	if (!text || size == 0)
		return RANGE_NONE;
	/* As Swift: spaces mean nothing, wherever they stand. */
	for (; *text; text++) {
		if (*text == ' ')
			continue;
		if (len == sizeof(plain) - 1)
			return RANGE_NONE;
		plain[len++] = *text;
	}
	plain[len] = 0;
	text = plain;
	if (strncasecmp(text, "bytes=", 6) != 0)
		return RANGE_NONE;
	for (text += 6;; text++) {
		struct range range;
		if (!parse_spec(&text, &spec))
			return RANGE_NONE;
		if (resolve(&spec, size, &range)) {
			if (count == RANGE_MAX)
				too_many = true;
			else
				ret_ranges[count++] = range;
		}
		if (!*text)
			break;
	}
	if (count == 0 || too_many || egregious(ret_ranges, count))
		return RANGE_UNSATISFIABLE;
	*ret_count = count;
	return RANGE_SOME;
}
