#include "node/pace.h"

#define BUSY_US  2000000 /* so long after the last of them clients are at work */
#define RESTS    6
#define REST_MAX 3000000

bool pace_is_wanted(uint64_t asked_us, uint64_t now_us)
{
	return asked_us && now_us < asked_us + BUSY_US;
}

uint64_t pace_rest_us(uint64_t took_us)
{
	return took_us < REST_MAX / RESTS ? RESTS * took_us : REST_MAX;
}
