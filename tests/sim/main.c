/* cairn-sim [--seed N] [--rounds N] [--step N] [--verbose] [--trace] [--log] [--mutant NAME] [--ec
 * K+M]: rounds of the simulation, each in a process of its own, which is left as it is at its end:
 * crashes leave operations that nobody ends. */
#include "tests/sim/sim.h"

#include "lib/base/mutant.h"
#include "lib/log/log.h"
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

const char *mutant_on;

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

/* Of a rule that is disabled: the first round that notices. */
static int hunt(uint64_t seed, uint64_t step, uint64_t rounds)
{
	for (uint64_t i = 0; i < rounds; i++) {
		if (!run(seed + i * step)) {
			printf("%s: noticed in round %llu\n", mutant_on, (unsigned long long)i + 1);
			return 0;
		}
	}
	printf("%s: NOT noticed in %llu rounds\n", mutant_on, (unsigned long long)rounds);
	return 1;
}

int main(int argc, char **argv)
{
	static const struct option longs[] = {{"seed", 1, 0, 's'}, {"rounds", 1, 0, 'r'},
	        {"verbose", 0, 0, 'v'}, {"trace", 0, 0, 't'}, {"step", 1, 0, 'n'},
	        {"log", 0, 0, 'l'}, {"mutant", 1, 0, 'm'}, {"ec", 1, 0, 'e'}, {0, 0, 0, 0}};
	uint64_t seed = 1, rounds = 1, step = 1, failed = 0;
	unsigned k, m;
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
		case 'n': /* seeds of the same kind: see load_round */
			step = strtoull(optarg, NULL, 10);
			break;
		case 'v':
			world.verbose = true;
			break;
		case 't':
			world.verbose = world.trace = true;
			break;
		case 'm':
			mutant_on = optarg;
			break;
		case 'e':
			if (sscanf(optarg, "%u+%u", &k, &m) != 2 || !ec_init(&world.ec, k, m) ||
			        k + m > SIM_NODES_MAX)
				return 2;
			break;
		case 'l':
			log_set_level(LOG_DEBUG);
			break;
		default:
			return 2;
		}
	}
	if (mutant_on)
		return hunt(seed, step, rounds);
	for (uint64_t i = 0; i < rounds; i++) {
		if (run(seed + i * step))
			continue;
		fprintf(stderr, "FAIL seed %llu\n", (unsigned long long)(seed + i * step));
		failed++;
	}
	printf("%llu passed, %llu failed\n", (unsigned long long)(rounds - failed),
	        (unsigned long long)failed);
	return failed != 0;
}
