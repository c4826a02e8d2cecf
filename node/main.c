#include "node/clock.h"
#include "node/node.h"

#include "lib/base/mem.h"
#include "lib/log/log.h"
#include "node/expirer.h"
#include "node/notifier.h"
#include "node/sender.h"
#include "node/swift.h"
#include "proxy/access.h"
#include "proxy/keystone.h"
#include "proxy/s3/logging.h"
#include "proxy/s3/operation.h"
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define DRAIN_MS        10000
#define DEVICES_WAIT_US 15000000 /* until the first requests are served without the slowest */

static int usage(FILE *out, int code)
{
	fprintf(out,
	        "Usage: cairn node [--config FILE] [--check | --print-config | --print-s3]\n\n"
	        "Hosts the proxy and the object, container and account roles of this machine.\n\n"
	        "  --config FILE     configuration (/etc/cairn/cairn.conf)\n"
	        "  --check           say whether the configuration is good, then end\n"
	        "  --print-config    print a commented configuration with all options\n"
	        "  --print-s3        print the operations of the S3 API, as docs/s3.md has them\n");
	return code;
}

/* --- on the reactors --- */

#define QUIET_SECONDS  5 /* with next to no requests, until memory is given back */
#define QUIET_REQUESTS 2 /* in one of them: somebody who watches */

static void trim(struct work *work)
{
	(void)work;
	mem_trim();
}

static void on_trimmed(struct work *work)
{
	CONTAINER_OF(work, struct node_reactor, trim)->trimming = false;
}

/* What a burst of requests left in caches of free memory goes back to the system. */
static void give_back(struct node_reactor *r)
{
	uint64_t requests = r->proxy.stats.requests - r->requests_seen;

	r->requests_seen += requests;
	if (requests > QUIET_REQUESTS) {
		r->quiet = 0;
		return;
	}
	if (r->quiet > QUIET_SECONDS || ++r->quiet <= QUIET_SECONDS || r->trimming)
		return;
	bytes_cache_drop();
	r->trim.run = trim;
	r->trim.done = on_trimmed;
	r->trimming = work_submit(r->node->pool, &r->trim) == ERR_OK;
}

static void on_snapshot(struct timer *timer)
{
	struct node_reactor *r = CONTAINER_OF(timer, struct node_reactor, snapshot);

	for (unsigned i = 0; i < r->node->device_count; i++) {
		if (r->node->devices[i].reactor == r->index)
			node_device_snapshot(&r->node->devices[i]);
	}
	node_backend_tick(r);
	if (r->index == 0) {
		node_peers_tick(r->node);
		node_swift_tick(r->node);
	}
	node_wire_snapshot(r);
	give_back(r);
	timer_set(r->reactor, timer, 1000000);
}

static void start_reactor(struct task *task)
{
	struct node_reactor *r = CONTAINER_OF(task, struct node_reactor, start);

	node_wire_start(r);
	for (unsigned i = 0; i < r->node->device_count; i++) {
		if (r->node->devices[i].reactor == r->index)
			node_device_open(&r->node->devices[i]);
	}
	node_began(r->node);
}

static void start_sender(struct node_reactor *r)
{
	struct node *node = r->node;
	struct sender *sender;

	if (!node->stores || node->swift || !node->conf.sync_sends)
		return;
	enum err err = sender_start(node, &r->proxy, &sender);
	if (err)
		log_error("container_sync", "err=%s", err_name(err));
	else
		node->sender = sender;
}

static void start_notifier(struct node_reactor *r)
{
	struct node *node = r->node;
	struct notifier *notifier;

	if (!node->stores || node->swift || !node->events.count)
		return;
	enum err err = notifier_start(node, &r->proxy, &notifier);
	if (err)
		log_error("notify", "err=%s", err_name(err));
	else
		node->notifier = notifier;
}

static void open_edge(struct task *task)
{
	struct node_reactor *r = CONTAINER_OF(task, struct node_reactor, start);
	const struct node_conf *conf = &r->node->conf;
	struct edge_options options = {
	        .bind_ip = conf->bind_ip,
	        .port = (uint16_t)conf->port,
	        .connections_max = (unsigned)conf->connections_max,
	        .idle_timeout_s = (unsigned)conf->idle_timeout,
	        .drain_bytes_max = (unsigned)conf->drain_bytes,
	        .tls_cert = r->node->tls_cert,
	        .tls_key = r->node->tls_key,
	        .handler = &proxy_handler,
	        .owner = &r->proxy,
	};
	struct expirer *expirer;

	enum err err = edge_open(r->reactor, &options, NULL, &r->edge);
	if (err) {
		log_error("listen", "ip=%s port=%u err=%s%s", conf->bind_ip, (unsigned)conf->port,
		        err_name(err),
		        err == ERR_CONFIG ? " next=\"look at tls_cert and tls_key\"" : "");
		_exit(2);
	}
	r->proxy.budget.edge = r->edge;
	r->snapshot.fire = on_snapshot;
	on_snapshot(&r->snapshot);
	if (r->index == 0) {
		if (r->node->stores)
			expirer_start(&r->proxy, &expirer);
		start_sender(r);
		start_notifier(r);
		log_info("serving", "ip=%s port=%u reactors=%u devices=%u", conf->bind_ip,
		        (unsigned)conf->port, r->node->reactor_count, r->node->device_count);
	}
}

static unsigned ready_count(const struct node *node)
{
	unsigned ready = 0;

	for (unsigned i = 0; i < node->device_count; i++)
		ready += atomic_load(&node->devices[i].ready);
	return ready;
}

static void serve_requests(struct node *node)
{
	if (atomic_exchange(&node->serving, true))
		return;
	for (unsigned i = 0; i < node->reactor_count; i++) {
		node->reactors[i].start.run = open_edge;
		reactor_post(node->reactors[i].reactor, &node->reactors[i].start);
	}
}

/* From whichever reactor was last. */
void node_began(struct node *node)
{
	if (atomic_fetch_sub(&node->devices_pending, 1) > 1)
		return;
	if (node->stores && !ready_count(node)) {
		log_error("devices", "none of %u can be used", node->device_count);
		_exit(2);
	}
	serve_requests(node);
}

/* A disk that hangs must not keep the others from serving. */
static void on_wait(struct timer *timer)
{
	struct node *node = CONTAINER_OF(timer, struct node, wait);

	if (atomic_load(&node->serving))
		return;
	if (ready_count(node)) {
		log_warn("devices", "pending=%u next=%s", atomic_load(&node->devices_pending),
		        log_quote("serving without them"));
		serve_requests(node);
	} else {
		timer_set(node->reactors[0].reactor, timer, DEVICES_WAIT_US);
	}
}

static void *run_reactor(void *arg)
{
	struct node_reactor *r = arg;

	if (r->index == 0) {
		r->node->wait.fire = on_wait;
		timer_set(r->reactor, &r->node->wait, DEVICES_WAIT_US);
	}
	r->start.run = start_reactor;
	reactor_post(r->reactor, &r->start);
	reactor_run(r->reactor);
	bytes_cache_drop();
	return NULL;
}

static void quiesce(struct task *task)
{
	struct node_reactor *r = CONTAINER_OF(task, struct node_reactor, stop);

	if (r->edge)
		edge_quiesce(r->edge);
	s3_log_flush(&r->proxy);
}

/* --- on the main thread --- */

/* What may change while the node runs: the log level, secrets, and the rings. */
void node_reload(struct node *node)
{
	struct node_conf conf = {0};
	struct conf *texts = NULL;
	enum log_level level;
	AUTO(buf) struct buf error = BUF_NONE;

	if (conf_load(node->conf_path, node_options, node_option_count, &conf, &error, &texts)) {
		log_error("reload", "refused=%s", log_quote(buf_text(&error)));
		return;
	}
	if (log_level_parse(conf.log_level, &level)) {
		log_set_level(level);
		log_info("reload", "path=%s", log_quote(node->conf_path));
	} else {
		log_error("reload", "refused=%s log_level=%s", log_quote(node->conf_path),
		        log_quote(conf.log_level));
	}
	if (node_encryption(node, &conf, &error))
		log_error("reload", "refused=%s", log_quote(buf_text(&error)));
	buf_reset(&error);
	if (node_sync(node, &conf, &error))
		log_error("reload", "refused=%s", log_quote(buf_text(&error)));
	conf_free(texts);
	node_rings_look(node);
}

/* Requests under way are let finish. What is acknowledged is durable, so there is nothing to write
 * out: the next start reads the log. */
static void drain(struct node *node)
{
	struct timespec pause = {0, 10000000};

	for (unsigned i = 0; i < node->reactor_count; i++) {
		node->reactors[i].stop.run = quiesce;
		reactor_post(node->reactors[i].reactor, &node->reactors[i].stop);
	}
	uint64_t open = 1;
	for (unsigned ms = 0; open && ms < DRAIN_MS; ms += 10) {
		open = 0;
		nanosleep(&pause, NULL);
		for (unsigned i = 0; i < node->reactor_count; i++)
			open += __atomic_load_n(
			        &node->reactors[i].proxy.stats.open, __ATOMIC_RELAXED);
	}
	if (open)
		log_warn("drain", "open=%llu", (unsigned long long)open);
	if (node->keystone)
		verify_stop(node->keystone->verify);
	for (unsigned i = 0; i < node->reactor_count; i++) {
		reactor_stop(node->reactors[i].reactor);
		pthread_join(node->reactors[i].thread, NULL);
	}
	access_stop(node->cluster.access);
	clock_file_free(node->clock);
}

/* Before any thread is made: one that does not block a signal would die of it, and all with it. */
static void block_signals(sigset_t *ret_signals)
{
	sigemptyset(ret_signals);
	sigaddset(ret_signals, SIGTERM);
	sigaddset(ret_signals, SIGINT);
	sigaddset(ret_signals, SIGHUP);
	sigaddset(ret_signals, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, ret_signals, NULL);
}

static int serve(struct node *node, const sigset_t *signals)
{
	int signal;

	atomic_store(&node->devices_pending, node->device_count + node->reactor_count);
	access_start(node->cluster.access);
	for (unsigned i = 0; i < node->reactor_count; i++)
		pthread_create(&node->reactors[i].thread, NULL, run_reactor, &node->reactors[i]);
	while (sigwait(signals, &signal) == 0) {
		if (signal == SIGTERM || signal == SIGINT)
			break;
		if (signal == SIGHUP)
			node_reload(node);
	}
	log_info("stopping", "signal=%d", signal);
	drain(node);
	return 0;
}

int node_main(int argc, char **argv)
{
	static const struct option longs[] = {{"config", 1, 0, 'c'}, {"check", 0, 0, 'k'},
	        {"print-config", 0, 0, 'p'}, {"print-s3", 0, 0, 's'}, {"help", 0, 0, 'h'},
	        {0, 0, 0, 0}};
	static struct node node;
	const char *path = "/etc/cairn/cairn.conf";
	AUTO(buf) struct buf text = BUF_NONE;
	bool check = false;
	sigset_t signals;
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
			conf_print(&text, node_options, node_option_count);
			fputs(buf_text(&text), stdout);
			return 0;
		case 's':
			s3_operation_print(&text);
			fputs(buf_text(&text), stdout);
			return 0;
		default:
			return usage(c == 'h' ? stdout : stderr, c == 'h' ? 0 : 2);
		}
	}
	if (optind < argc) {
		fprintf(stderr, "cairn node: what is '%s'?\n", argv[optind]);
		return usage(stderr, 2);
	}
	node.conf_path = path;
	enum err err = node_open(&node, path, &text);
	if (!err && check) {
		printf("%s is good\n", path);
		return 0;
	}
	block_signals(&signals);
	if (!err)
		err = node_prepare(&node, &text);
	if (err) {
		fprintf(stderr, "cairn node: %s\n", text.len ? buf_text(&text) : err_text(err));
		/* Who does not answer now may do so soon; all else wants somebody. */
		return err == ERR_UNAVAILABLE ? 1 : 2;
	}
	return serve(&node, &signals);
}
