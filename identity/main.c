#include "identity/main.h"
#include "identity/directory.h"
#include "identity/identity.h"
#include "identity/pattern.h"
#include "identity/revoke.h"
#include "identity/vault.h"

#include "lib/base/mem.h"
#include "lib/log/log.h"
#include "lib/rest/serve.h"
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HASH_NICE       10 /* all cores may hash, and whatever else there is to do comes first */
#define NETWORK_THREADS 4
#define AT(field)       offsetof(struct identity_conf, field)
const struct conf_option identity_options[] = {
        {"identity", "state_dir", CONF_TEXT, AT(state_dir), "/var/lib/cairn-identity", 0, 0,
                CONF_RESTART, "Where keys are kept, and the database unless `database` says."},
        {"identity", "bind_ip", CONF_TEXT, AT(bind_ip), "127.0.0.1", 0, 0, CONF_RESTART,
                "Address to listen on."},
        {"identity", "port", CONF_U64, AT(port), "5000", 1, 65535, CONF_RESTART,
                "Port to listen on."},
        {"identity", "database", CONF_TEXT, AT(database), "", 0, 0, CONF_RESTART,
                "sqlite:///path or mysql://user:password@host/database; empty: a file in "
                "state_dir."},
        {"identity", "public_url", CONF_TEXT, AT(public_url), "", 0, 0, CONF_RESTART,
                "URL in links, without /v3; empty: as the client reached us."},
        {"identity", "service_key", CONF_TEXT, AT(service_key), "", 0, 0, CONF_RESTART,
                "Secret that other services show to hear of keys and revocations; empty: only "
                "users with the role service or admin may."},
        {"identity", "policy_file", CONF_TEXT, AT(policy_file), "", 0, 0, CONF_RESTART,
                "Rules instead of the defaults (cairn identity --print-policy)."},
        {"identity", "loops", CONF_U64, AT(loops), "0", 0, 64, CONF_RESTART,
                "Loops that listen; 0: one a core."},
        {"identity", "threads", CONF_U64, AT(threads), "8", 1, 256, CONF_RESTART,
                "Requests worked on at once."},
        {"identity", "queue", CONF_U64, AT(queue), "1024", 1, 65536, CONF_RESTART,
                "Requests that wait for a thread; more get 503."},
        {"identity", "log_level", CONF_TEXT, AT(log_level), "info", 0, 0, CONF_RELOAD,
                "debug, info, warn or error."},
        {"identity", "password_hash_rounds", CONF_U64, AT(password_rounds), "12", 4, 31,
                CONF_RESTART, "Cost of bcrypt: each one more takes twice as long."},
        {"identity", "max_project_tree_depth", CONF_U64, AT(tree_depth), "5", 1, 60, CONF_RESTART,
                "How many projects may be below each other."},
        {"token", "expiration", CONF_U64, AT(token_seconds), "3600", 60, 2592000, CONF_RESTART,
                "Seconds for which a token is valid."},
        {"identity", "limit_model", CONF_TEXT, AT(limit_model), "flat", 0, 0, CONF_RESTART,
                "flat, or strict_two_level: no project has a limit above its domain's."},
        {"identity", "audit", CONF_TEXT, AT(audit), "changes", 0, 0, CONF_RESTART,
                "Events in CADF to the log: changes, all (logins, too) or none."},
        {"security", "lockout_failure_attempts", CONF_U64, AT(lockout_failures), "0", 0, 1000,
                CONF_RESTART, "Wrong passwords after which an account is locked; 0: any number."},
        {"security", "lockout_duration", CONF_U64, AT(lockout_seconds), "1800", 0, 31536000,
                CONF_RESTART, "Seconds for which it is; 0: until it is enabled anew."},
        {"security", "password_expires_days", CONF_U64, AT(password_days), "0", 0, 36500,
                CONF_RESTART, "Days after which a password must be changed; 0: never."},
        {"security", "unique_last_password_count", CONF_U64, AT(unique_passwords), "0", 0, 64,
                CONF_RESTART,
                "A user's last ones that cannot be taken again, the one there is "
                "among them; 0: none."},
        {"security", "minimum_password_age", CONF_U64, AT(password_min_days), "0", 0, 36500,
                CONF_RESTART, "Days before users may change a password that they made."},
        {"security", "password_regex", CONF_TEXT, AT(password_regex), "", 0, 0, CONF_RESTART,
                "What passwords must match, such as ^(?=.*\\d)(?=.*[a-z]).{8,}$; empty: all do."},
        {"security", "password_regex_description", CONF_TEXT, AT(password_regex_description), "", 0,
                0, CONF_RESTART, "The same in words, for who has chosen another one."},
        {"security", "change_password_upon_first_use", CONF_BOOL, AT(change_on_first_use), "no", 0,
                0, CONF_RESTART, "A password that somebody else made must be changed first."},
        {"security", "disable_user_account_days_inactive", CONF_U64, AT(inactive_days), "0", 0,
                36500, CONF_RESTART,
                "Days without a login after which an account is disabled; "
                "0: never."},
        {"token", "allow_expired_window", CONF_U64, AT(allow_expired_seconds), "172800", 0,
                31536000, CONF_RESTART,
                "Seconds for which services may still ask about one that has expired."},
        {"totp", "included_previous_windows", CONF_U64, AT(totp_before), "1", 0, 10, CONF_RESTART,
                "Codes of how many half minutes before count still."},
        {"token", "logouts_max", CONF_U64, AT(logouts_max), "10000", 1, 1000000, CONF_RESTART,
                "Tokens of a user that may be ended one by one, within the life of a token and "
                "allow_expired_window; then all of the user are."},
        {"receipt", "expiration", CONF_U64, AT(receipt_seconds), "300", 10, 86400, CONF_RESTART,
                "Seconds in which a login by several ways must be complete."},
        {"trust", "max_redelegation_count", CONF_U64, AT(redelegation_max), "3", 0, 10,
                CONF_RESTART, "How often a trust may be passed on."},
};
const unsigned identity_option_count = COUNT_OF(identity_options);

static int usage(FILE *out, int code)
{
	fprintf(out,
	        "Usage: cairn identity [--config FILE] [COMMAND]\n\n"
	        "The identity service: Keystone's API v3.\n\n"
	        "  --config FILE     configuration (/etc/cairn/identity.conf)\n"
	        "  --check           say whether the configuration is good, then end\n"
	        "  --print-config    print a commented configuration with all options\n"
	        "  --print-policy    print the rules, as a policy file\n"
	        "  --print-api       print the routes as JSON\n\n"
	        "  db upgrade        bring the tables up to date (a start does so, too)\n"
	        "  db version        print how far they are\n"
	        "  rotate-keys       sign tokens with a new key; those given out stay valid\n"
	        "  bootstrap [TYPE NAME URL]...\n"
	        "                    make the first domain, project, roles, user and endpoint:\n"
	        "                    OS_USERNAME (admin), OS_PASSWORD, OS_PROJECT_NAME (admin),\n"
	        "                    OS_REGION_NAME (RegionOne), OS_AUTH_URL in the environment;\n"
	        "                    and the endpoints of other services\n");
	return code;
}

static enum err open_all(struct identity *it, const char *path, struct buf *error)
{
	AUTO(buf) struct buf url = BUF_NONE;
	enum log_level level;
	enum err err = conf_load(
	        path, identity_options, identity_option_count, &it->conf, error, &it->conf_texts);

	if (err)
		return err;
	if (!log_level_parse(it->conf.log_level, &level)) {
		buf_printf(
		        error, "%s: [identity] log_level cannot be %s", path, it->conf.log_level);
		return ERR_CONFIG;
	}
	log_set_level(level);
	if (strcmp(it->conf.audit, "changes") != 0 && strcmp(it->conf.audit, "all") != 0 &&
	        strcmp(it->conf.audit, "none") != 0) {
		buf_printf(error, "%s: [identity] audit cannot be %s", path, it->conf.audit);
		return ERR_CONFIG;
	}
	if (strcmp(it->conf.limit_model, "flat") != 0 &&
	        strcmp(it->conf.limit_model, "strict_two_level") != 0) {
		buf_printf(error, "%s: [identity] limit_model cannot be %s", path,
		        it->conf.limit_model);
		return ERR_CONFIG;
	}
	if (*it->conf.password_regex &&
	        pattern_new(it->conf.password_regex, &it->password_pattern)) {
		buf_printf(error, "%s: [security] password_regex cannot be read: %s", path,
		        it->conf.password_regex);
		return ERR_CONFIG;
	}
	pthread_rwlock_init(&it->keys_lock, NULL);
	if (*it->conf.database)
		buf_str(&url, it->conf.database);
	else
		buf_printf(&url, "sqlite://%s/identity.db", it->conf.state_dir);
	if ((err = db_new(buf_text(&url), &it->db, error)))
		return err;
	return policy_new(identity_rules, identity_rule_count,
	        *it->conf.policy_file ? it->conf.policy_file : NULL, &it->policy, error);
}

static enum err prepare(struct identity *it, struct buf *error)
{
	if (mkdir(it->conf.state_dir, 0700) && errno != EEXIST) {
		buf_printf(error, "%s: %s", it->conf.state_dir, strerror(errno));
		return ERR_CONFIG;
	}
	enum err err = db_upgrade(it->db, &identity_schema, error);

	if (!err)
		err = keys_load(it, error);
	if (err)
		return err;
	AUTO(buf) struct buf dir = BUF_NONE;
	buf_printf(&dir, "%s/credential-keys", it->conf.state_dir);
	return vault_open(buf_text(&dir), &it->vault, error);
}

static enum err start(struct rest_service *service, struct reactor *first)
{
	struct identity *it = service->owner;
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	enum err err = work_pool_new(
	        cores > 0 ? (unsigned)cores : 1, (unsigned)it->conf.queue, &it->hashes);

	(void)first;
	if (!err)
		work_pool_set_nice(it->hashes, HASH_NICE);
	if (!err)
		err = work_pool_new(NETWORK_THREADS, (unsigned)it->conf.queue, &it->networks);
	if (!err)
		err = directories_new(&it->directories);
	return err ? err : revoke_start(it);
}

static void stop(struct rest_service *service)
{
	struct identity *it = service->owner;

	work_pool_free(it->networks);
	work_pool_free(it->hashes);
	directories_free(it->directories);
	revoke_stop(it);
}

/* What may change meanwhile: the log level, and keys. */
static void reload(struct rest_service *service)
{
	struct identity *it = service->owner;
	struct identity_conf conf = {0};
	struct conf *texts = NULL;
	AUTO(buf) struct buf error = BUF_NONE;
	enum log_level level;

	enum err err = conf_load(
	        it->conf_path, identity_options, identity_option_count, &conf, &error, &texts);
	if (!err && log_level_parse(conf.log_level, &level))
		log_set_level(level);
	conf_free(texts);
	if (!err)
		err = keys_load(it, &error);
	if (err)
		log_error("reload", "refused=%s", log_quote(buf_text(&error)));
	else
		log_info("reload", "keys=%u", it->key_count);
}

static void on_event(const struct rest_req *req, const char *event)
{
	(void)req;
	log_info("audit", "cadf=%s", event);
}

static int run(struct identity *it)
{
	it->service = (struct rest_service){
	        .name = "identity",
	        .routes = identity_routes,
	        .route_count = identity_route_count,
	        .dialect = &identity_dialect,
	        .policy = it->policy,
	        .body_max = 114688, /* as Keystone's max_request_body_size */
	        .public_url = *it->conf.public_url ? it->conf.public_url : NULL,
	        .authenticate = auth_caller,
	        .audit = strcmp(it->conf.audit, "none") == 0 ? NULL : on_event,
	        .audit_logins = strcmp(it->conf.audit, "all") == 0,
	        .owner = it,
	};
	struct serve_options options = {
	        .bind_ip = it->conf.bind_ip,
	        .port = (uint16_t)it->conf.port,
	        .loops = (unsigned)it->conf.loops,
	        .threads = (unsigned)it->conf.threads,
	        .queue = (unsigned)it->conf.queue,
	        .start = start,
	        .stop = stop,
	        .reload = reload,
	};
	return serve(&it->service, &options);
}

static const char *from_environment(const char *name, const char *fallback)
{
	const char *value = getenv(name);

	return value && *value ? value : fallback;
}

static enum err run_bootstrap(struct identity *it, int argc, char **argv, struct buf *error)
{
	struct bootstrap b = {
	        .user = from_environment("OS_USERNAME", "admin"),
	        .password = from_environment("OS_PASSWORD", NULL),
	        .project = from_environment("OS_PROJECT_NAME", "admin"),
	        .region = from_environment("OS_REGION_NAME", "RegionOne"),
	        .public_url = from_environment("OS_AUTH_URL", NULL),
	        .services = argv,
	        .service_count = (unsigned)argc / 3,
	};

	if (!b.password || !b.public_url) {
		buf_str(error, "bootstrap wants OS_PASSWORD and OS_AUTH_URL in the environment");
		return ERR_CONFIG;
	}
	enum err err = bootstrap(it, &b);
	if (err)
		buf_str(error, err_text(err));
	return err;
}

static enum err run_command(struct identity *it, int argc, char **argv, struct buf *error)
{
	unsigned version;
	enum err err;

	if (strcmp(argv[0], "rotate-keys") == 0)
		return keys_rotate(it->conf.state_dir,
		        it->conf.token_seconds + it->conf.allow_expired_seconds, error);
	if (strcmp(argv[0], "bootstrap") == 0 && (argc - 1) % 3 == 0) {
		err = prepare(it, error);
		return err ? err : run_bootstrap(it, argc - 1, argv + 1, error);
	}
	if (strcmp(argv[0], "db") == 0 && argc == 2 && strcmp(argv[1], "upgrade") == 0)
		return db_upgrade(it->db, &identity_schema, error);
	if (strcmp(argv[0], "db") == 0 && argc == 2 && strcmp(argv[1], "version") == 0) {
		err = db_version(it->db, &identity_schema, &version);
		if (!err)
			printf("%u of %u\n", version, identity_schema.count);
		return err;
	}
	return ERR_BAD_METHOD;
}

static int done(enum err err, const struct buf *error)
{
	if (err == ERR_BAD_METHOD)
		return usage(stderr, 2);
	if (err)
		fprintf(stderr, "cairn identity: %s\n",
		        error->len ? buf_text(error) : err_text(err));
	return err == ERR_CONFIG ? 2 : err != ERR_OK;
}

static int print(char what)
{
	AUTO(buf) struct buf text = BUF_NONE;
	const struct rest_service service = {
	        .routes = identity_routes, .route_count = identity_route_count};

	if (what == 'p')
		conf_print(&text, identity_options, identity_option_count);
	else if (what == 'P')
		policy_print(&text, identity_rules, identity_rule_count);
	else
		rest_print_api(&service, &text);
	fputs(buf_text(&text), stdout);
	return 0;
}

int identity_main(int argc, char **argv)
{
	static const struct option longs[] = {{"config", 1, 0, 'c'}, {"check", 0, 0, 'k'},
	        {"print-config", 0, 0, 'p'}, {"print-policy", 0, 0, 'P'}, {"print-api", 0, 0, 'a'},
	        {"help", 0, 0, 'h'}, {0, 0, 0, 0}};
	static struct identity it;
	const char *path = "/etc/cairn/identity.conf";
	AUTO(buf) struct buf error = BUF_NONE;
	bool check = false;
	int c;

	while ((c = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
		switch (c) {
		case 'c':
			path = optarg;
			break;
		case 'k':
			check = true;
			break;
		case 'p':
		case 'P':
		case 'a':
			return print((char)c);
		default:
			return usage(c == 'h' ? stdout : stderr, c == 'h' ? 0 : 2);
		}
	}
	it.conf_path = path;
	enum err err = open_all(&it, path, &error);
	if (err || check)
		return done(err, &error);
	if (optind < argc)
		return done(run_command(&it, argc - optind, argv + optind, &error), &error);
	if ((err = prepare(&it, &error)))
		return done(err, &error);
	int code = run(&it);
	keys_done(&it);
	vault_free(it.vault);
	policy_free(it.policy);
	pattern_free(it.password_pattern);
	db_free(it.db);
	conf_free(it.conf_texts);
	return code;
}
