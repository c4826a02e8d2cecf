/* ec: Reed-Solomon codes over GF(2^8): k fragments of data and m of parity, any k of which give
 * all. A code never changes once made; a plan (which fragments come in, which go out) holds the
 * tables for it, and is kept by whoever decodes segment after segment. No state of its own: any
 * thread. */
#ifndef LIB_EC_EC_H
#define LIB_EC_EC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EC_K_MAX 20
#define EC_M_MAX 8
#define EC_N_MAX (EC_K_MAX + EC_M_MAX)

struct ec {
	unsigned k, m;
	uint8_t matrix[EC_N_MAX * EC_K_MAX];      /* Cauchy: the unit matrix above, parity below */
	uint8_t tables[EC_M_MAX * EC_K_MAX * 32]; /* of the parity rows */
};

/* False when k or m is 0 or too large. */
bool ec_init(struct ec *ec, unsigned k, unsigned m);

/* m parity fragments of len bytes out of k data fragments. */
void ec_encode(const struct ec *ec, size_t len, uint8_t *const *data, uint8_t *const *parity);

struct ec_plan {
	uint32_t from, want;   /* bits of fragments */
	unsigned count;        /* fragments that go out */
	uint8_t in[EC_K_MAX];  /* the fragments that come in, ascending */
	uint8_t out[EC_N_MAX]; /* those that go out, ascending */
	uint8_t tables[EC_N_MAX * EC_K_MAX * 32];
};

/* How to make the fragments `want` out of the lowest k of `have`. False when there are fewer. */
bool ec_plan(const struct ec *ec, uint32_t have, uint32_t want, struct ec_plan *ret_plan);

/* in: k fragments of len bytes in the order of plan->in; out: plan->count in that of plan->out. */
void ec_decode(const struct ec *ec, const struct ec_plan *plan, size_t len, uint8_t *const *in,
        uint8_t *const *out);

#endif
