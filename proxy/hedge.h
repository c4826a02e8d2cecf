/* hedge: when a read asks one more replica than it needs. Of the recent reads it knows how long
 * all but the slowest twentieth took; one that has waited twice as long asks elsewhere, as long
 * as such extra requests stay a twentieth of all. One per proxy, on its reactor; no side effects.
 */
#ifndef PROXY_HEDGE_H
#define PROXY_HEDGE_H

#include <stdbool.h>
#include <stdint.h>

#define HEDGE_BUCKETS 96

enum hedge_kind { HEDGE_HEAD, HEDGE_BODY, HEDGE_KINDS };

struct hedge {
	struct {
		uint32_t counts[HEDGE_BUCKETS]; /* by time taken, four to a doubling */
		uint32_t total, since;          /* since: it was looked at */
		uint32_t after_us;              /* 0: too little is known */
	} kinds[HEDGE_KINDS];
	unsigned credit; /* in hundredths of a request */
};

/* A read began. Returns how long it should wait: between 2 ms and most_us. */
uint64_t hedge_begin(struct hedge *hedge, enum hedge_kind kind, uint64_t most_us);
/* It took that long. */
void hedge_end(struct hedge *hedge, enum hedge_kind kind, uint64_t us);
/* May it ask elsewhere now? Counted when it may. */
bool hedge_take(struct hedge *hedge);

#endif
