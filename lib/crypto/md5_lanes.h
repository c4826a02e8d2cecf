/* md5_lanes: MD5 of many streams at once. Jobs of different streams are computed side by side in
 * vector lanes, where the machine has them; a stream's jobs are done in order. A large job waits
 * for company, no longer than about the time it takes alone. One engine per reactor. */
#ifndef LIB_CRYPTO_MD5_LANES_H
#define LIB_CRYPTO_MD5_LANES_H

#include "lib/reactor/reactor.h"

struct md5_engine;

struct md5_stream {
	uint32_t state[4];
	uint64_t len; /* bytes so far */
	uint8_t tail[64];
	unsigned tail_len;
};

/* One piece of a stream; lives in its owner, who leaves it (and the data) alone until done. At
 * most one job of a stream may be under way. */
struct md5_job {
	struct md5_stream *stream;
	const void *data;
	size_t len;
	void (*done)(struct md5_job *job); /* from the loop */
	struct md5_job *next;              /* private */
};

void md5_stream_init(struct md5_stream *stream);

/* Pads and finishes; no job may be under way. The stream is spent. */
void md5_stream_final(struct md5_stream *stream, uint8_t ret_digest[16]);

/* Computes at once, on this thread. */
void md5_stream_update(struct md5_stream *stream, const void *data, size_t len);

enum err md5_engine_new(struct reactor *reactor, struct md5_engine **ret_engine);
/* At most so many lanes (16, 8 or 0), of those the machine has: for tests. */
void md5_engine_limit(struct md5_engine *engine, unsigned lanes_max);
void md5_engine_free(struct md5_engine *engine);
void md5_engine_submit(struct md5_engine *engine, struct md5_job *job);

/* A large upload begins, or ends: company to wait for. */
void md5_engine_join(struct md5_engine *engine);
void md5_engine_leave(struct md5_engine *engine);

#endif
