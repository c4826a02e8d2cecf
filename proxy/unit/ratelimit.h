/* ratelimit: how many requests a second an account, or a container of some size, may make
 * (swift/common/middleware/ratelimit.py). Who is ahead of its rate waits, by a timer; who would
 * have to wait too long is refused. All loops of a process count together; nodes count for
 * themselves. */
#ifndef PROXY_UNIT_RATELIMIT_H
#define PROXY_UNIT_RATELIMIT_H

#include "lib/err/err.h"
#include "proxy/unit/options.h"

#include <stdatomic.h>

#define RATE_SIZES 32 /* of containers, that a rate is given for */

struct rates {
	unsigned count;
	struct {
		uint64_t size;
		double rate; /* requests a second from that size on, to the next one's in a line */
	} at[RATE_SIZES];
};

/* "0=100 10=50 50=20": false when it is no such list. */
bool rates_parse(const char *text, struct rates *ret_rates);
/* 0: no limit, as for all that are empty or smaller than the first size. */
double rates_of(const struct rates *rates, uint64_t size);

struct ratelimit;

/* ERR_CONFIG; *ret_why: the option that is wrong. It lives as long as the process. */
enum err ratelimit_new(
        const struct unit_options *options, struct ratelimit **ret_ratelimit, const char **ret_why);

/* Counts one more at `now`. Microseconds that it has to wait, or -1: too long, it does not count.
 * Any thread. */
int64_t ratelimit_take(struct ratelimit *ratelimit, const char *key, double rate, uint64_t now_us);

#endif
