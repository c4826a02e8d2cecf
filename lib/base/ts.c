#include "lib/base/ts.h"

void ts_format(uint64_t ts, char ret_text[TS_TEXT_SIZE])
{
	uint64_t parts[2] = {ts / TS_PER_SECOND % 10000000000ull, ts % TS_PER_SECOND};

	for (int i = 15; i >= 11; i--, parts[1] /= 10)
		ret_text[i] = (char)('0' + parts[1] % 10);
	ret_text[10] = '.';
	for (int i = 9; i >= 0; i--, parts[0] /= 10)
		ret_text[i] = (char)('0' + parts[0] % 10);
	ret_text[16] = 0;
}

bool ts_parse(const char *text, uint64_t *ret_ts)
{
	uint64_t seconds = 0, fraction = 0;
	int digits = 0;

	for (; *text >= '0' && *text <= '9'; text++, digits++) {
		seconds = seconds * 10 + (uint64_t)(*text - '0');
		if (seconds > TS_MAX / TS_PER_SECOND)
			return false;
	}
	if (digits == 0)
		return false;
	if (*text == '.') {
		uint64_t unit = TS_PER_SECOND;
		for (text++; *text >= '0' && *text <= '9'; text++) {
			unit /= 10;
			fraction += unit * (uint64_t)(*text - '0');
		}
	}
	if (*text)
		return false;
	*ret_ts = seconds * TS_PER_SECOND + fraction;
	return true;
}
