#include "tests/lib/test.h"

#include "lib/base/auto.h"
#include "lib/crypto/md5.h"
#include "lib/crypto/md5_lanes.h"

#define STREAMS 40
#define MAX     20000

static uint8_t data[STREAMS][MAX];

struct upload {
	struct md5_stream stream;
	struct md5_job job;
	unsigned index;
	size_t len, at;
};

static struct md5_engine *engine;
static unsigned open_uploads;
static uint64_t seed = 7;

static uint32_t next_random(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 16);
}

static void on_done(struct md5_job *job);

static void go_on(struct upload *u)
{
	size_t left = u->len - u->at, n = left ? next_random() % left + 1 : 0;

	u->job = (struct md5_job){
	        .stream = &u->stream, .data = data[u->index] + u->at, .len = n, .done = on_done};
	u->at += n;
	md5_engine_submit(engine, &u->job);
}

static void on_done(struct md5_job *job)
{
	struct upload *u = CONTAINER_OF(job, struct upload, job);

	if (u->at < u->len)
		go_on(u);
	else
		open_uploads--;
}

/* Uploads of all lengths in pieces of all lengths, side by side, against a plain MD5. */
static void any_mix_gives_the_plain_digests(void **state)
{
	static const unsigned lanes[] = {16, 8, 0};
	struct reactor *reactor;

	(void)state;
	assert_int_equal(reactor_new(env_real(), 64, &reactor), ERR_OK);
	assert_int_equal(md5_engine_new(reactor, &engine), ERR_OK);
	for (unsigned i = 0; i < STREAMS; i++) {
		for (unsigned k = 0; k < MAX; k++)
			data[i][k] = (uint8_t)next_random();
	}
	for (unsigned round = 0; round < 60; round++) {
		static struct upload uploads[STREAMS];
		md5_engine_limit(engine, lanes[round % COUNT_OF(lanes)]);
		open_uploads = round % STREAMS + 1;
		unsigned count = open_uploads;
		for (unsigned i = 0; i < count; i++) {
			uploads[i] = (struct upload){.index = i, .len = next_random() % (MAX + 1)};
			if (round % 5 == 0)
				uploads[i].len = 4096;
			md5_stream_init(&uploads[i].stream);
			go_on(&uploads[i]);
		}
		while (open_uploads)
			reactor_turn(reactor, false);
		for (unsigned i = 0; i < count; i++) {
			uint8_t got[16], wanted[16];
			md5_stream_final(&uploads[i].stream, got);
			md5_digest(data[i], uploads[i].len, wanted);
			assert_memory_equal(got, wanted, 16);
		}
	}
	md5_engine_free(engine);
	reactor_free(reactor);
}

static unsigned jobs_done;

static void count_done(struct md5_job *job)
{
	(void)job;
	jobs_done++;
}

/* A large piece of one of two uploads waits for the other's, but not for long. */
static void large_pieces_wait_for_company(void **state)
{
	static uint8_t large[2][1 << 20];
	struct md5_stream streams[2];
	struct md5_job jobs[2];
	struct env_fake clock;
	struct reactor *reactor;

	(void)state;
	if (!__builtin_cpu_supports("avx2"))
		skip(); /* without lanes nothing is worth waiting for */
	env_fake_init(&clock, 1);
	assert_int_equal(reactor_new(&clock.env, 64, &reactor), ERR_OK);
	assert_int_equal(md5_engine_new(reactor, &engine), ERR_OK);
	md5_engine_limit(engine, 8);
	for (unsigned i = 0; i < 2; i++) {
		md5_stream_init(&streams[i]);
		md5_engine_join(engine);
		jobs[i] = (struct md5_job){.stream = &streams[i],
		        .data = large[i],
		        .len = sizeof(large[i]),
		        .done = count_done};
	}
	md5_engine_submit(engine, &jobs[0]);
	reactor_turn(reactor, false);
	assert_int_equal(jobs_done, 0);
	md5_engine_submit(engine, &jobs[1]);
	reactor_turn(reactor, false);
	assert_int_equal(jobs_done, 2);
	md5_engine_submit(engine, &jobs[0]);
	reactor_turn(reactor, false);
	assert_int_equal(jobs_done, 2);
	clock.mono_us += 2048;
	reactor_turn(reactor, false);
	assert_int_equal(jobs_done, 3);
	md5_engine_leave(engine);
	md5_engine_submit(engine, &jobs[0]);
	reactor_turn(reactor, false);
	assert_int_equal(jobs_done, 4);
	md5_engine_leave(engine);
	md5_engine_free(engine);
	reactor_free(reactor);
}

static void the_vectors_of_rfc_1321_hold(void **state)
{
	static const char *const cases[][2] = {{"", "d41d8cd98f00b204e9800998ecf8427e"},
	        {"abc", "900150983cd24fb0d6963f7d28e17f72"},
	        {"message digest", "f96b697d7cb7938d525a2f31aaf161d0"}};

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(cases); i++) {
		struct md5_stream stream;
		uint8_t digest[16];
		char text[33];
		md5_stream_init(&stream);
		md5_stream_update(&stream, cases[i][0], strlen(cases[i][0]));
		md5_stream_final(&stream, digest);
		md5_hex(digest, text);
		assert_string_equal(text, cases[i][1]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(any_mix_gives_the_plain_digests),
	        cmocka_unit_test(large_pieces_wait_for_company),
	        cmocka_unit_test(the_vectors_of_rfc_1321_hold),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
