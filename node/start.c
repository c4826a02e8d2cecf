/* What happens before the loops run: configuration, secrets, rings, reactors. */
#include "node/clock.h"
#include "node/node.h"
#include "node/secrets.h"
#include "node/swift.h"

#include "lib/base/mem.h"
#include "lib/broker/broker.h"
#include "lib/http/client.h"
#include "lib/log/log.h"
#include "proxy/access.h"
#include "proxy/keystone.h"
#include "proxy/s3/class.h"
#include "proxy/s3/event_target.h"
#include "proxy/unit/cname.h"
#include "proxy/unit/name_check.h"
#include "proxy/unit/ratelimit.h"
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define POOL_THREADS 2 /* of each device; started when there is work */

static enum err config_error(
        const struct node *node, struct buf *error, const char *what, const char *value)
{
	buf_printf(error, "%s: %s '%s'", node->conf_path, what, value);
	return ERR_CONFIG;
}

static enum err no_folder(struct buf *error, const char *path)
{
	buf_printf(error, "cannot make the folder %s: %s", path, strerror(errno));
	return ERR_CONFIG;
}

static enum err keep_clock(struct node *node, struct buf *error)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/clock", node->conf.state_dir);
	enum err err = clock_file_new(path, &node->hlc, &node->clock);
	if (err)
		buf_printf(error, "cannot write %s: %s", path, strerror(errno));
	return err;
}

/* "account:user key groups..." */
static enum err parse_users(struct node *node, struct buf *error)
{
	const struct conf_list *list = &node->conf.users;

	if (!node->conf.v1_auth)
		return ERR_OK;
	struct user *users = mem_zalloc((list->count + 1) * sizeof(*users));
	node->cluster.users = users;
	for (unsigned i = 0; i < list->count; i++) {
		char *text = mem_strdup(list->items[i]), *save = NULL;
		users[i].name = strtok_r(text, " \t", &save);
		users[i].key = strtok_r(NULL, " \t", &save);
		users[i].groups = save ? save : "";
		if (!users[i].name || !users[i].key || !strchr(users[i].name, ':'))
			return config_error(node, error,
			        "[auth] user wants account:user, key and groups, not",
			        list->items[i]);
	}
	return ERR_OK;
}

static enum err make_keystone(struct node *node, struct buf *error)
{
	const struct node_conf *conf = &node->conf;
	struct keystone *keystone;
	struct keystone_options options = {
	        .url = conf->identity_url,
	        .reseller_prefix = conf->reseller_prefix,
	        .reseller_admin_role = conf->reseller_admin_role,
	        .system_reader_roles = conf->system_reader_roles,
	        .default_domain_id = conf->default_domain_id,
	        .service_token_roles = conf->service_token_roles,
	        .operator_roles = &conf->operator_roles,
	        .service_roles = &conf->service_roles,
	        .project_reader_roles = &conf->project_reader_roles,
	        .names_in_acls = conf->names_in_acls,
	};

	if (!*conf->identity_url)
		return ERR_OK;
	AUTO(buf) struct buf what = BUF_NONE;
	enum err err = keystone_new(&options, &keystone, &what);
	if (err)
		buf_printf(error, "%s: %s", node->conf_path, buf_text(&what));
	else
		node->cluster.keystone = node->keystone = keystone;
	return err;
}

static enum err follow_identity(struct node *node)
{
	const struct verify_options options = {
	        .url = node->conf.identity_url, .key = node->conf.identity_key};

	return node->keystone ? verify_new(&options, &node->keystone->verify) : ERR_OK;
}

/* "name" or "name /dev/disk" */
static enum err parse_devices(struct node *node, struct buf *error)
{
	const struct conf_list *list = &node->conf.devices;

	for (unsigned i = 0; i < list->count; i++) {
		struct node_device *d = &node->devices[i];
		char *save = NULL, *text = mem_strdup(list->items[i]);
		char *name = strtok_r(text, " \t", &save);
		char path[PATH_MAX - 8], data[PATH_MAX];
		char *block = strtok_r(NULL, " \t", &save);
		snprintf(path, sizeof(path), "%s/devices/%s", node->conf.state_dir, name);
		if (mkdir(path, 0700) < 0 && errno != EEXIST)
			return no_folder(error, path);
		snprintf(data, sizeof(data), "%s/data", path);
		d->node = node;
		d->id = i;
		d->name = mem_strdup(name);
		d->path = mem_strdup(path);
		d->data_path = mem_strdup(block ? block : data);
		d->is_file = !block;
		free(text);
		if (work_pool_new(POOL_THREADS, 4096, &d->pool))
			return ERR_NO_MEMORY;
		node->device_count++;
	}
	return ERR_OK;
}

static enum err load_secrets(struct node *node, struct buf *error)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/token.key", node->conf.state_dir);
	enum err err = secret_load(
	        env_real(), path, node->cluster.token_secret, sizeof(node->cluster.token_secret));
	if (err)
		buf_printf(error, "%s: %s", path, err_text(err));
	return err;
}

static enum err load_tls(struct node *node, struct buf *error)
{
	const struct node_conf *conf = &node->conf;
	enum err err;

	if (!*conf->tls_cert || !*conf->tls_key)
		return ERR_OK;
	if ((err = file_load(conf->tls_cert, &node->tls_cert)))
		return config_error(node, error, "[http] tls_cert cannot be read:", conf->tls_cert);
	if ((err = file_load(conf->tls_key, &node->tls_key)))
		return config_error(node, error, "[http] tls_key cannot be read:", conf->tls_key);
	node->cluster.tls = true;
	return ERR_OK;
}

static void fill_cluster(struct node *node)
{
	struct cluster *c = &node->cluster;
	const struct node_conf *conf = &node->conf;

	hlc_init(&node->hlc, env_real());
	c->env = env_real();
	c->hlc = &node->hlc;
	c->hash_prefix = (struct ring_name){conf->hash_prefix, strlen(conf->hash_prefix)};
	c->hash_suffix = (struct ring_name){conf->hash_suffix, strlen(conf->hash_suffix)};
	c->token_life_s = (unsigned)conf->token_life;
	c->limits = limits_default;
	c->limits.max_file_size = conf->max_file_size;
	c->limits.symloop_max = (unsigned)conf->symloop_max;
	c->limits.bulk_deletes = (unsigned)conf->bulk_deletes;
	c->limits.bulk_failed_deletes = (unsigned)conf->bulk_failed_deletes;
	c->limits.bulk_retries = (unsigned)conf->bulk_retries;
	c->limits.bulk_delete_concurrency = (unsigned)conf->bulk_delete_concurrency;
	c->limits.bulk_containers = (unsigned)conf->bulk_containers;
	c->limits.bulk_failed_extractions = (unsigned)conf->bulk_failed_extractions;
	c->limits.bulk_concurrency = (unsigned)conf->bulk_concurrency;
	c->limits.bulk_yield_s = (unsigned)conf->bulk_yield;
	c->limits.slo_segments = (unsigned)conf->slo_segments;
	c->limits.slo_bytes = conf->slo_bytes;
	c->limits.slo_concurrency = (unsigned)conf->slo_concurrency;
	c->limits.slo_delete_concurrency = (unsigned)conf->slo_delete_concurrency;
	c->limits.slo_yield_s = (unsigned)conf->slo_yield;
	c->limits.slo_async_delete = conf->slo_async_delete;
	c->units = conf->units;
	c->account_autocreate = conf->account_autocreate;
	c->allow_open_expired = conf->allow_open_expired;
	c->cors_allow_origin = *conf->cors_allow_origin ? conf->cors_allow_origin : NULL;
	c->env->random(c->env, &c->boot, sizeof(c->boot));
	/* Stage ids of an earlier life must not come again: their extents may still be around. */
	atomic_store(&c->next_stage, c->boot | 1);
}

static enum err make_reactors(struct node *node, struct backend *backend, struct buf *error)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned count = node->conf.reactors ? (unsigned)node->conf.reactors : (unsigned)cores;

	if (count > NODE_REACTORS_MAX)
		count = NODE_REACTORS_MAX;
	for (unsigned i = 0; i < count; i++) {
		struct node_reactor *r = &node->reactors[i];
		enum err err = reactor_new(env_real(), 4096, &r->reactor);
		if (err) {
			buf_str(error,
			        err == ERR_NO_MEMORY
			                ? "io_uring: not enough locked memory; raise `ulimit -l`"
			                : "io_uring is not available; see sysctl "
			                  "kernel.io_uring_disabled");
			return err;
		}
		r->node = node;
		r->index = i;
		list_init(&r->calls);
		list_init(&r->open);
		node->reactor_count++;
		err = proxy_init(&r->proxy, &node->cluster, r->reactor, backend,
		        node->conf.page_bytes / count, node->conf.body_bytes / count);
		if (err)
			return err;
		r->proxy.node = r;
		r->proxy.is_local = node_is_local;
		r->proxy.name_device = node_name_device;
		r->proxy.metrics = node_metrics;
		r->proxy.recon = node->conf.units.recon ? node_recon : NULL;
	}
	for (unsigned i = 0; i < node->device_count; i++)
		node->devices[i].reactor = i % count;
	return ERR_OK;
}

static void raise_limits(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static enum err policies(struct node *node, struct buf *error)
{
	AUTO(buf) struct buf entry = BUF_NONE;
	enum err err =
	        *node->conf.swift_dir ? node_swift_conf(node, error) : node_policies(node, error);

	if (err || s3_classes_good(&node->cluster, &entry))
		return err;
	return config_error(node, error,
	        "[s3] storage_classes wants CLASS:policy of policies there are, not",
	        buf_text(&entry));
}

/* What it is sent by takes it; the URL may hold a password, and is not told. */
static bool target_good(const struct event_target *target, struct buf *why)
{
	struct broker *broker = NULL;
	bool good = target->amqp ? !broker_new(target->url, &broker) : client_url_good(target->url);

	broker_free(broker);
	if (!good)
		buf_printf(why, "the URL of the target '%s' is not %s", target->name,
		        target->amqp ? "amqp[s]://USER:PASSWORD@HOST[:PORT]/VHOST?exchange=NAME&"
		                       "routing_key=KEY"
		                     : "http[s]://[USER:PASSWORD@]HOST[:PORT]/PATH");
	return good;
}

static enum err make_targets(struct node *node, struct buf *error)
{
	AUTO(buf) struct buf why = BUF_NONE;
	struct event_targets *targets = &node->events;

	node->cluster.events = targets;
	bool good = event_targets_parse(targets, node->conf.units.s3_notify, &why);
	for (unsigned i = 0; good && i < targets->count; i++)
		good = target_good(&targets->all[i], &why);
	if (good)
		return ERR_OK;
	buf_printf(error, "%s:%u: [s3] notify: %s", node->conf_path,
	        conf_line(node->conf_texts, "s3", "notify"), buf_text(&why));
	return ERR_CONFIG;
}

enum err node_open(struct node *node, const char *conf_path, struct buf *error)
{
	enum log_level level;
	enum err err = conf_load(
	        conf_path, node_options, node_option_count, &node->conf, error, &node->conf_texts);

	if (err)
		return err;
	if (!log_level_parse(node->conf.log_level, &level))
		return config_error(
		        node, error, "[node] log_level cannot be", node->conf.log_level);
	log_set_level(level);
	node_backend_init(node);
	fill_cluster(node);
	struct name_check *names = NULL;
	const char *option;
	if (node->conf.units.name_check && (err = name_check_new(&node->conf.units, &names)))
		return config_error(node, error, "[name_check] forbidden_regexp cannot be",
		        node->conf.units.name_check_pattern);
	node->cluster.name_check = names;
	if ((err = cname_new(&node->conf.units, &node->cluster.cname)))
		return config_error(node, error, "[cname_lookup] nameservers cannot be",
		        node->conf.units.cname_servers);
	if ((err = access_new(&node->conf.units, &node->cluster.access, &option)))
		return config_error(node, error, "wrong:", option);
	if ((err = ratelimit_new(&node->conf.units, &node->cluster.ratelimit, &option)))
		return config_error(node, error, "[ratelimit] is wrong in", option);
	if ((err = make_targets(node, error)))
		return err;
	if ((err = parse_users(node, error)) || (err = make_keystone(node, error)) ||
	        (err = policies(node, error)) || (err = load_tls(node, error)))
		return err;
	err = node_check(node, error);
	node->cluster.serves = node->serves;
	node->cluster.joined = &node->joined;
	node->cluster.one_clock = !node->wire.key_count && !node->swift;
	atomic_store(&node->hlc.slots, node->cluster.one_clock ? 1 : HLC_SLOTS);
	return err;
}

/* An earlier node that is on its way out is waited for. */
static enum err try_port(const struct node *node, struct buf *error)
{
	const char *ip = node->conf.bind_ip;
	uint16_t port = (uint16_t)node->conf.port;
	struct timespec pause = {0, 20000000};
	enum err err = edge_try(ip, port);

	for (unsigned i = 0; err == ERR_BUSY && i < 50; i++) {
		nanosleep(&pause, NULL);
		err = edge_try(ip, port);
	}
	if (!err)
		return ERR_OK;
	buf_printf(error, "%s: [node] cannot listen on %s port %u: %s", node->conf_path, ip, port,
	        err == ERR_BUSY        ? "another program does"
	        : err == ERR_NOT_FOUND ? "this machine has no such address"
	                               : err_text(err));
	return err;
}

enum err node_prepare(struct node *node, struct buf *error)
{
	static const char *const dirs[] = {"", "/devices", "/known", "/ring", "/ring/live"};
	struct backend *backend = &node->backend;
	char path[PATH_MAX];
	enum err err;

	raise_limits();
	if ((err = try_port(node, error)) || (err = node_wire_try(node, error)))
		return err;
	for (unsigned i = 0; i < COUNT_OF(dirs); i++) {
		snprintf(path, sizeof(path), "%s%s", node->conf.state_dir, dirs[i]);
		if (mkdir(path, 0700) < 0 && errno != EEXIST)
			return no_folder(error, path);
	}
	if ((err = parse_devices(node, error)) || (err = load_secrets(node, error)) ||
	        (err = node_encryption(node, &node->conf, error)) ||
	        (err = node_sync(node, &node->conf, error)) || (err = node_rings(node, error)))
		return err;
	if (!node->cluster.one_clock && (err = keep_clock(node, error)))
		return err;
	node_peers_init(node);
	if ((err = work_pool_new(1, 64, &node->pool)))
		return err;
	if (node->swift && (err = node_swift_start(node, &backend)))
		return err;
	err = make_reactors(node, backend, error);
	return err ? err : follow_identity(node);
}
