/* Runs a fuzz target without a fuzzer: the corpus files named on the command line, then a fixed
 * number of mutations of each (FUZZ_ROUNDS, default 200) from a fixed seed, so that a run
 * repeats. Any fuzzer that knows LLVMFuzzerTestOneInput can drive the same targets. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SIZE_MAX_BYTES (1 << 20)

static uint64_t seed = 1;

static uint32_t next_random(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 16);
}

static size_t mutate(uint8_t *data, size_t size, size_t room)
{
	static const uint8_t telling[] = {
	        0, 1, 0x7f, 0x80, 0xff, '"', '/', ',', '-', '%', ':', '='};

	for (uint32_t n = next_random() % 8 + 1; n > 0; n--) {
		size_t at = size ? next_random() % size : 0;
		switch (next_random() % 5) {
		case 0:
			if (size)
				data[at] ^= (uint8_t)(1u << next_random() % 8);
			break;
		case 1:
			if (size)
				data[at] = telling[next_random() % sizeof(telling)];
			break;
		case 2:
			if (size < room) {
				memmove(data + at + 1, data + at, size - at);
				data[at] = (uint8_t)next_random();
				size++;
			}
			break;
		case 3:
			if (size) {
				memmove(data + at, data + at + 1, size - at - 1);
				size--;
			}
			break;
		default:
			size = size ? at : size;
		}
	}
	return size;
}

static void run(const uint8_t *data, size_t size)
{
	/* A copy of exactly that size, so that a sanitizer sees reads past the end. */
	uint8_t *copy = malloc(size ? size : 1);

	if (!copy)
		abort();
	if (size)
		memcpy(copy, data, size);
	LLVMFuzzerTestOneInput(copy, size);
	free(copy);
}

int main(int argc, char **argv)
{
	static uint8_t data[SIZE_MAX_BYTES], work[SIZE_MAX_BYTES];
	const char *text = getenv("FUZZ_ROUNDS");
	long rounds = text ? strtol(text, NULL, 10) : 200;

	run(data, 0);
	for (int i = 1; i < argc; i++) {
		FILE *file = fopen(argv[i], "rb");
		if (!file)
			continue;
		size_t size = fread(data, 1, sizeof(data), file);
		fclose(file);
		run(data, size);
		for (long n = 0; n < rounds; n++) {
			memcpy(work, data, size);
			run(work, mutate(work, size, sizeof(work)));
		}
	}
	return 0;
}
