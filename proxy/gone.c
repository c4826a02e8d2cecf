#include "proxy/gone.h"

#include "lib/backend/points.h"
#include <string.h>

/* Ranges are deleted after their container was, by who has the answer already. */
static bool is_asked(const struct fan *fan)
{
	const struct backend_msg *msg = fan->count ? fan->calls[0].msg : NULL;

	return msg && msg->kind == BACKEND_CONTAINER && strcmp(msg->account, RANGES_ACCOUNT) != 0;
}

enum gone gone_by(const struct fan *fan, const struct place *place)
{
	uint64_t put_ts = 0, delete_ts = 0;

	for (unsigned i = 0; i < fan->count; i++) {
		const struct backend_reply *r = &fan->calls[i].reply;
		if (!fan->calls[i].answered)
			continue;
		if (r->err == ERR_OK && r->put_ts > put_ts)
			put_ts = r->put_ts;
		if (r->err == ERR_NOT_FOUND && r->delete_ts > delete_ts)
			delete_ts = r->delete_ts;
	}
	if (!put_ts || delete_ts <= put_ts || !is_asked(fan))
		return GONE_NO_QUESTION;
	uint64_t live = fan_mask(fan, place, ERR_OK);
	if (place_met(place, live))
		return GONE_NOT;
	return place_possible(place, fan_mask(fan, place, ERR_NOT_FOUND)) ? GONE_OPEN : GONE_COUNTS;
}
