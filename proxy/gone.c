#include "proxy/gone.h"

#include "lib/backend/points.h"
#include <string.h>

/* Ranges are deleted after their container was, by who has the answer already. */
static bool is_asked(const struct fan *fan)
{
	const struct backend_msg *msg = fan->count ? fan->calls[0].msg : NULL;

	return msg && msg->kind == BACKEND_CONTAINER && strcmp(msg->account, RANGES_ACCOUNT) != 0;
}

static bool is_known(const struct backend_call *call)
{
	return call->answered && (call->reply.err == ERR_OK || call->reply.err == ERR_NOT_FOUND);
}

static bool has_it(const struct backend_reply *reply)
{
	return reply->err == ERR_OK && reply->delete_ts <= reply->put_ts;
}

static bool all_told(const struct fan *fan, const struct place *place)
{
	uint64_t told = 0;

	for (unsigned i = 0; i < fan->count; i++) {
		const struct backend_reply *r = &fan->calls[i].reply;
		if (is_known(&fan->calls[i]) && (has_it(r) || !r->filling))
			told |= place_bit(place, fan->calls[i].device);
	}
	return told == place_all(place);
}

enum gone gone_by(const struct fan *fan, const struct place *place, uint64_t delete_ts)
{
	uint64_t put_ts = 0, gone = 0, live = 0, lacking = 0;

	if (!is_asked(fan))
		return GONE_NO_QUESTION;
	bool told = all_told(fan, place);
	for (unsigned i = 0; i < fan->count; i++) {
		const struct backend_reply *r = &fan->calls[i].reply;
		if (!is_known(&fan->calls[i]))
			continue;
		/* Of a put before the deletion: who is not there may live by it. */
		if ((has_it(r) || !told) && r->put_ts > put_ts)
			put_ts = r->put_ts;
		if (!has_it(r) && r->delete_ts > delete_ts)
			delete_ts = r->delete_ts;
	}
	if (delete_ts <= put_ts)
		return GONE_NO_QUESTION;
	for (unsigned i = 0; i < fan->count; i++) {
		const struct backend_reply *r = &fan->calls[i].reply;
		uint64_t bit = place_bit(place, fan->calls[i].device);
		if (!is_known(&fan->calls[i]))
			continue;
		if (!has_it(r) && r->delete_ts <= put_ts)
			lacking |= bit;
		else if (!r->filling)
			*(has_it(r) ? &live : &gone) |= bit;
	}
	if (place_met(place, live))
		return GONE_NOT;
	if (!place_possible(place, gone))
		return GONE_COUNTS;
	return (gone | lacking) == place_all(place) ? GONE_NO_QUESTION : GONE_OPEN;
}
