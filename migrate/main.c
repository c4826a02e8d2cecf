#include "migrate/migrate.h"

#include "lib/base/mem.h"
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define JOBS_MAX 256

/* Exit codes beside 0, all is well, and 2, wrong usage or configuration. */
enum { EXIT_DIFFERS = 1, EXIT_STOPPED = 3 };

#define AT(field) offsetof(struct migrate_conf, field)
#define SIDE(side, auth_help, user_help, url_help)                                                 \
	{#side, "auth", CONF_TEXT, AT(side.auth), "", 0, 0, CONF_RESTART, auth_help},              \
	        {#side, "user", CONF_TEXT, AT(side.user), "", 0, 0, CONF_RESTART, user_help},      \
	        {#side, "key", CONF_TEXT, AT(side.key), "", 0, 0, CONF_RESTART,                    \
	                "The user's secret."},                                                     \
	        {#side, "token", CONF_TEXT, AT(side.token), "", 0, 0, CONF_RESTART,                \
	                "A token instead of auth, user and key; then url is wanted."},             \
	{                                                                                          \
#side, "url", CONF_TEXT, AT(side.url), "", 0, 0, CONF_RESTART, url_help            \
	}
static const struct conf_option options[] = {
        SIDE(from, "The source: where it gives tokens for user and key (v1 auth).",
                "Who may read all of the accounts.",
                "URL in front of account names (http://swift:8080/v1); as auth tells it."),
        SIDE(to, "The destination: the same of a Cairn cluster.",
                "A reseller administrator: only one may keep the objects' times.",
                "URL in front of account names; as auth tells it."),
        {"migrate", "account", CONF_LIST, AT(accounts), NULL, 0, 0, CONF_RESTART,
                "An account as URLs name it (AUTH_test), and its name at the destination if that "
                "is another."},
        {"migrate", "policy", CONF_LIST, AT(policies), NULL, 0, 0, CONF_RESTART,
                "A storage policy of the source, and the one at the destination to use for it."},
        {"migrate", "jobs", CONF_U64, AT(jobs), "8", 1, JOBS_MAX, CONF_RESTART,
                "Objects copied at once."},
};

static struct run run;

static int usage(FILE *out, int code)
{
	fprintf(out,
	        "Usage: cairn migrate --config FILE [--dry-run | --verify] [--delete] [--quiet]\n"
	        "                     [ACCOUNT...]\n\n"
	        "Brings accounts of a Swift cluster into a Cairn cluster. What is the same "
	        "already\n"
	        "is left alone: run it again after an interruption, and to catch up.\n\n"
	        "  --config FILE     both clusters and the accounts (man cairn-migrate)\n"
	        "  --dry-run         say what there is to copy, and change nothing\n"
	        "  --verify          compare all, also the objects' metadata; change nothing\n"
	        "  --delete          remove at the destination what is not at the source\n"
	        "  --quiet           no progress\n"
	        "  --print-config    print a commented configuration with all options\n"
	        "  ACCOUNT           these instead of those in the configuration\n");
	return code;
}

static void on_signal(int signal)
{
	(void)signal;
	atomic_store(&run.stopping, true);
}

static enum err wrong(const char *path, const char *section, const char *what)
{
	fprintf(stderr, "cairn migrate: %s: [%s] %s\n", path, section, what);
	return ERR_CONFIG;
}

static enum err check_side(const char *path, const char *section, const struct side_conf *c)
{
	if (*c->auth && *c->token)
		return wrong(path, section, "auth or token, not both");
	if (!*c->auth && !*c->token)
		return wrong(path, section, "wants auth, user and key, or token and url");
	if (*c->auth && (!*c->user || !*c->key))
		return wrong(path, section, "auth wants user and key");
	if (*c->token && !*c->url)
		return wrong(path, section, "token wants url");
	return ERR_OK;
}

static enum err check(const char *path)
{
	const struct migrate_conf *c = &run.conf;
	struct stat st;

	if (check_side(path, "from", &c->from) || check_side(path, "to", &c->to))
		return ERR_CONFIG;
	if (stat(path, &st) == 0 && st.st_mode & S_IROTH)
		return wrong(path, "to", "holds secrets, and anybody can read it (chmod o= it)");
	if (!c->accounts.count)
		return wrong(path, "migrate", "wants an account, or name it on the command line");
	for (unsigned i = 0; i < c->policies.count; i++) {
		const char *line = c->policies.items[i], *rest = line + strcspn(line, " \t");
		if (!rest[strspn(rest, " \t")])
			return wrong(path, "migrate", "policy wants two names");
	}
	return ERR_OK;
}

/* Those of the command line instead of the configuration's. */
static void choose_accounts(int argc, char **argv)
{
	struct conf_list *list = &run.conf.accounts;

	if (!argc)
		return;
	free(list->items);
	list->items = mem_zalloc((size_t)argc * sizeof(*list->items));
	list->count = 0;
	for (int i = 0; i < argc; i++) {
		if (*argv[i])
			list->items[list->count++] = argv[i];
	}
}

/* --- progress --- */

static void *show(void *arg)
{
	bool people = isatty(STDERR_FILENO);
	struct timespec pause = {.tv_nsec = 200000000};
	unsigned *every = arg, n = 0;

	while (!run.ended) {
		nanosleep(&pause, NULL);
		if (++n % (people ? 5 : *every * 5))
			continue;
		AUTO(buf) struct buf line = BUF_NONE;
		progress_line(&run, &line);
		fprintf(stderr, people ? "\r\033[K%s" : "%s\n", buf_text(&line));
	}
	if (people)
		fprintf(stderr, "\r\033[K");
	return NULL;
}

static int finish(enum err err)
{
	AUTO(buf) struct buf text = BUF_NONE;
	const struct counts *c = &run.counts;

	progress_summary(&run, &text);
	printf("%s%s\n", buf_text(&text), run.stopping ? "; STOPPED before the end" : "");
	if (run.stopping)
		return EXIT_STOPPED;
	bool differs = run.mode == MODE_VERIFY && (c->differ || c->extra);
	return err || c->failed || differs ? EXIT_DIFFERS : 0;
}

static int migrate(void)
{
	struct sigaction action = {.sa_handler = on_signal};
	pthread_t threads[JOBS_MAX], shower;
	unsigned every = 10;
	struct talk talk;

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	clock_gettime(CLOCK_MONOTONIC, &run.began);
	side_init(&run.from, "from", &run.conf.from);
	side_init(&run.to, "to", &run.conf.to);
	pthread_mutex_init(&run.lock, NULL);
	pthread_cond_init(&run.more, NULL);
	pthread_cond_init(&run.less, NULL);
	list_init(&run.jobs);
	enum err err = talk_init(&talk, &run);
	if (!err)
		err = run_start(&run, threads);
	if (err) {
		fprintf(stderr, "cairn migrate: %s\n", err_text(err));
		return EXIT_DIFFERS;
	}
	bool shown = !run.quiet && !pthread_create(&shower, NULL, show, &every);
	err = walk(&talk);
	run_end(&run, threads);
	if (shown)
		pthread_join(shower, NULL);
	talk_done(&talk);
	side_done(&run.from);
	side_done(&run.to);
	return finish(err);
}

int migrate_main(int argc, char **argv)
{
	static const struct option longs[] = {{"config", 1, 0, 'c'}, {"dry-run", 0, 0, 'n'},
	        {"verify", 0, 0, 'v'}, {"delete", 0, 0, 'd'}, {"quiet", 0, 0, 'q'},
	        {"print-config", 0, 0, 'p'}, {"help", 0, 0, 'h'}, {0, 0, 0, 0}};
	AUTO(buf) struct buf text = BUF_NONE;
	struct conf *texts = NULL;
	const char *path = NULL;
	int c;

	while ((c = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
		switch (c) {
		case 'c':
			path = optarg;
			break;
		case 'n':
			run.mode = MODE_DRY;
			break;
		case 'v':
			run.mode = MODE_VERIFY;
			break;
		case 'd':
			run.deletes = true;
			break;
		case 'q':
			run.quiet = true;
			break;
		case 'p':
			conf_print(&text, options, COUNT_OF(options));
			fputs(buf_text(&text), stdout);
			return 0;
		default:
			return usage(c == 'h' ? stdout : stderr, c == 'h' ? 0 : 2);
		}
	}
	if (!path)
		return usage(stderr, 2);
	if (conf_load(path, options, COUNT_OF(options), &run.conf, &text, &texts)) {
		fprintf(stderr, "cairn migrate: %s\n", buf_text(&text));
		return 2;
	}
	choose_accounts(argc - optind, argv + optind);
	int code = check(path) ? 2 : migrate();
	conf_free(texts);
	return code;
}
