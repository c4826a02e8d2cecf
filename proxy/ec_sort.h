/* ec_sort: which fragments of one time belong together. The time of what is brought from elsewhere
 * is not its own alone: a writer who failed may have left fragments of another body, or of the same
 * one sealed otherwise, on devices that the next one did not reach. */
#ifndef PROXY_EC_SORT_H
#define PROXY_EC_SORT_H

#include "proxy/proxy.h"

struct ec_sorted {
	uint64_t ts;
	uint64_t told;    /* of the place: has one, and said what it is, or cannot read it */
	uint64_t foreign; /* of those: of another body */
	uint64_t damaged; /* of those: cannot read it */
	uint8_t etag[16]; /* of the body that counts; unless none told */
	uint8_t index[PLACE_MAX]; /* of the fragment of each that told and can read it */
};

/* fan: GETs of exactly ts. What somebody has committed counts, else what most have. */
struct ec_sorted ec_sort(
        const struct fan *fan, const struct place *place, const struct ec *ec, uint64_t ts);

#endif
