/* sums: what ranges of keys come to, kept in memory: for each key one 128-bit number, and for each
 * range how many keys there are and the sum of their numbers. Setting one and asking for a range
 * both cost some steps down a tree of 16 branches; keys are hashes, so it is not deep. 32 bytes a
 * key, and what half-empty leaves waste. Belongs to one thread. */
#ifndef LIB_ROWS_SUMS_H
#define LIB_ROWS_SUMS_H

#include "lib/backend/backend.h"

struct sums_node;

struct sums {
	struct sums_node *root; /* owned; NULL: empty */
};

void sums_done(struct sums *sums);

/* Zeros: the key counts as not there; it takes up memory until sums_forget. */
void sums_set(struct sums *sums, const uint8_t key[16], const uint64_t number[2]);
void sums_forget(struct sums *sums, const uint8_t key[16]);
bool sums_has(const struct sums *sums, const uint8_t key[16]); /* also if it counts as not there */

/* Adds to `parts` (1 << fan_out of them) what the keys that begin with the first `bits` bits of
 * prefix come to, cut by their next fan_out bits. bits + fan_out is at most 64. */
void sums_range(const struct sums *sums, uint64_t prefix, unsigned bits, unsigned fan_out,
        struct backend_digest *parts);

#endif
