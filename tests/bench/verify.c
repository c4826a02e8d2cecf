/* What it costs a service to see whose a token is, by itself: the first time, and again.
 * Usage: verify URL SERVICE_KEY < tokens, one a line. Prints medians in microseconds. */
#include "lib/auth/verify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TOKENS_MAX 4096
#define AGAIN      20

static double now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double look(struct verify *verify, const char *text)
{
	const struct verified *found;
	struct arena arena;

	arena_init(&arena);
	double begin = now_us();
	enum err err = verify_token(verify, text, false, &arena, &found);
	double us = now_us() - begin;
	if (err || !found->token.user_id) {
		fprintf(stderr, "%s: %s\n", text, err_text(err));
		exit(1);
	}
	arena_done(&arena);
	return us;
}

static unsigned read_tokens(char tokens[TOKENS_MAX][TOKEN_TEXT_MAX + 2])
{
	unsigned count = 0;

	while (count < TOKENS_MAX && fgets(tokens[count], TOKEN_TEXT_MAX + 2, stdin)) {
		tokens[count][strcspn(tokens[count], "\n")] = 0;
		count++;
	}
	return count;
}

int main(int argc, char **argv)
{
	static char tokens[TOKENS_MAX][TOKEN_TEXT_MAX + 2];
	static double first[TOKENS_MAX], again[TOKENS_MAX];
	struct timespec pause = {.tv_nsec = 10000000};
	struct verify *verify;

	if (argc != 3)
		return 2;
	struct verify_options options = {.url = argv[1], .key = argv[2], .slots = TOKENS_MAX};
	unsigned count = read_tokens(tokens);
	if (!count || verify_new(&options, &verify))
		return 1;
	for (unsigned i = 0; i < 500 && !verify_fresh(verify); i++)
		nanosleep(&pause, NULL);
	for (unsigned i = 0; i < count; i++)
		first[i] = look(verify, tokens[i]);
	for (unsigned i = 0; i < count; i++) {
		look(verify, tokens[i]);
		double begin = now_us();
		for (unsigned n = 0; n < AGAIN; n++)
			look(verify, tokens[i]);
		again[i] = (now_us() - begin) / AGAIN;
	}
	qsort(first, count, sizeof(*first), by_size);
	qsort(again, count, sizeof(*again), by_size);
	printf("%.1f %.2f\n", first[count / 2], again[count / 2]);
	verify_free(verify);
	return 0;
}
