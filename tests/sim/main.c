/* cairn-sim [--seed N] [--rounds N] [--verbose] [--mutant NAME]: rounds of the simulation, each in
 * a process of its own, which is left as it is at its end: crashes leave operations that nobody
 * ends. */
#include "tests/sim/sim.h"

#include "lib/log/log.h"
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static bool run(uint64_t seed)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		alarm(120);
		_exit(load_round(seed) ? 0 : 1);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

int main(int argc, char **argv)
{
	static const struct option longs[] = {{"seed", 1, 0, 's'}, {"rounds", 1, 0, 'r'},
	        {"verbose", 0, 0, 'v'}, {"log", 0, 0, 'l'}, {0, 0, 0, 0}};
	uint64_t seed = 1, rounds = 1, failed = 0;
	int c;

	log_set_level(LOG_ERROR);
	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (c) {
		case 's':
			seed = strtoull(optarg, NULL, 10);
			break;
		case 'r':
			rounds = strtoull(optarg, NULL, 10);
			break;
		case 'v':
			world.verbose = true;
			break;
		case 'l':
			log_set_level(LOG_DEBUG);
			break;
		default:
			return 2;
		}
	}
	for (uint64_t i = 0; i < rounds; i++) {
		if (run(seed + i))
			continue;
		fprintf(stderr, "FAIL seed %llu\n", (unsigned long long)(seed + i));
		failed++;
	}
	printf("%llu passed, %llu failed\n", (unsigned long long)(rounds - failed),
	        (unsigned long long)failed);
	return failed != 0;
}
