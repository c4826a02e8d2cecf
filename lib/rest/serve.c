#include "lib/rest/serve.h"

#include "lib/base/mem.h"
#include "lib/http/edge.h"
#include "lib/log/log.h"
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ENTRIES         256
#define CONNECTIONS_MAX 4096
#define IDLE_S          60
#define DRAIN_MS        10000

struct loop {
	struct rest_service *service;
	const struct serve_options *options;
	struct reactor *reactor;
	struct edge *edge;
	pthread_t thread;
	struct task task, end;
};

static void open_edge(struct task *task)
{
	struct loop *l = CONTAINER_OF(task, struct loop, task);
	const struct serve_options *o = l->options;
	struct edge_options options = {
	        .bind_ip = o->bind_ip,
	        .port = o->port,
	        .connections_max = CONNECTIONS_MAX,
	        .idle_timeout_s = IDLE_S,
	        .drain_bytes_max = 1 << 20,
	        .tls_cert = o->tls_cert,
	        .tls_key = o->tls_key,
	        .handler = &rest_handler,
	        .owner = l->service,
	};

	enum err err = edge_open(l->reactor, &options, NULL, &l->edge);
	if (!err)
		return;
	log_error("listen", "ip=%s port=%u err=%s", o->bind_ip, o->port, err_name(err));
	_exit(2);
}

static void quiesce(struct task *task)
{
	struct loop *l = CONTAINER_OF(task, struct loop, end);

	if (l->edge)
		edge_quiesce(l->edge);
}

static void *run(void *arg)
{
	struct loop *l = arg;

	l->task.run = open_edge;
	reactor_post(l->reactor, &l->task);
	reactor_run(l->reactor);
	edge_close(TAKE(l->edge));
	for (unsigned idle = 0; idle < 2;) /* one to cancel what it waited for, one to hear of it */
		idle = reactor_turn(l->reactor, false) ? 0 : idle + 1;
	bytes_cache_drop();
	return NULL;
}

static void block_signals(sigset_t *ret_signals)
{
	sigemptyset(ret_signals);
	sigaddset(ret_signals, SIGTERM);
	sigaddset(ret_signals, SIGINT);
	sigaddset(ret_signals, SIGHUP);
	sigaddset(ret_signals, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, ret_signals, NULL);
}

static void drain(struct rest_service *service, struct loop *loops, unsigned count)
{
	struct timespec pause = {.tv_nsec = 10000000};

	for (unsigned i = 0; i < count; i++) {
		loops[i].end.run = quiesce;
		reactor_post(loops[i].reactor, &loops[i].end);
	}
	for (unsigned ms = 0; atomic_load(&service->open) && ms < DRAIN_MS; ms += 10)
		nanosleep(&pause, NULL);
	if (atomic_load(&service->open))
		log_warn("drain", "open=%u", atomic_load(&service->open));
	for (unsigned i = 0; i < count; i++) {
		reactor_stop(loops[i].reactor);
		pthread_join(loops[i].thread, NULL);
	}
}

static int wait_for_end(
        struct rest_service *service, const struct serve_options *o, const sigset_t *signals)
{
	int signal;

	while (sigwait(signals, &signal) == 0) {
		if (signal == SIGTERM || signal == SIGINT)
			return signal;
		if (signal == SIGHUP && o->reload)
			o->reload(service);
	}
	return 0;
}

int serve(struct rest_service *service, const struct serve_options *o)
{
	unsigned cores = (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
	unsigned count = o->loops ? o->loops : cores;
	/* Their edges are not closed, and live as long as the process: so do these. */
	static struct loop *loops;
	sigset_t signals;

	loops = mem_zalloc(count * sizeof(*loops));
	enum err err = edge_try(o->bind_ip, o->port);

	if (err) {
		log_error("listen", "ip=%s port=%u err=%s next=%s", o->bind_ip, o->port,
		        err_name(err),
		        err == ERR_BUSY ? "\"who listens there? (ss -ltnp)\"" : "\"see bind_ip\"");
		return 2;
	}
	block_signals(&signals);
	rest_prepare(service);
	err = work_pool_new(o->threads, o->queue, &service->pool);
	for (unsigned i = 0; i < count && !err; i++) {
		loops[i] = (struct loop){.service = service, .options = o};
		err = reactor_new(env_real(), ENTRIES, &loops[i].reactor);
	}
	if (!err && o->start)
		err = o->start(service, loops[0].reactor);
	if (err) {
		log_error("start", "err=%s", err_name(err));
		return 2;
	}
	for (unsigned i = 0; i < count; i++)
		pthread_create(&loops[i].thread, NULL, run, &loops[i]);
	log_info("serving", "service=%s ip=%s port=%u loops=%u threads=%u", service->name,
	        o->bind_ip, o->port, count, o->threads);
	log_info("stopping", "signal=%d", wait_for_end(service, o, &signals));
	drain(service, loops, count);
	if (o->stop)
		o->stop(service);
	work_pool_free(service->pool);
	for (unsigned i = 0; i < count; i++)
		reactor_free(loops[i].reactor);
	rest_done(service);
	return 0;
}
