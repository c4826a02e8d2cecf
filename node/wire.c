/* Calls to and from devices of other nodes: a listener on every reactor, and from every reactor
 * a connection to each node it has asked something. */
#include "node/node.h"

#include "lib/base/mem.h"
#include "lib/crypto/sha256.h"
#include "lib/log/log.h"
#include "lib/wire/link.h"
#include "lib/wire/tls.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define CREDIT      (32u << 20) /* of calls one connection may have open */
#define CONNECTIONS 4096

/* A node as one reactor reaches it. */
struct node_peer {
	struct list link;
	const char *ip; /* borrowed from the configuration or a member, which stay */
	uint32_t port;
	struct wire_client *client; /* owned */
	struct node_reactor *reactor;
	uint32_t *handles; /* owned; by the client's number of a device */
	unsigned handle_count;
};

/* Where a handle leads; by handle. */
struct node_route {
	struct wire_client *client;
	uint32_t device; /* the client's number of it */
	unsigned failures;
	uint64_t since_us; /* the first of them */
	uint64_t try_us;   /* limited: when the next call may go */
	bool limited;
};

/* --- configuration --- */

static enum err wrong(const struct node *node, struct buf *error, const char *key, const char *what)
{
	buf_printf(error, "%s:%u: [wire] %s", node->conf_path, node_conf_line(node, "wire", key),
	        what);
	return ERR_CONFIG;
}

static enum err check_keys(struct node *node, struct buf *error)
{
	const struct conf_list *keys = &node->conf.wire_keys;
	struct stat st;

	for (unsigned i = 0; i < keys->count; i++) {
		if (wire_key_add(&node->wire, keys->items[i]))
			return wrong(node, error, "key",
			        "key wants lines `id secret`, up to 8 of different ids, each "
			        "secret of 16 to 128 characters");
	}
	if (node->conf.wire_port && !keys->count)
		return wrong(node, error, "port",
		        "port without key: nodes know each other by a secret they share "
		        "(key = k1 and what `openssl rand -hex 32` says)");
	if (keys->count && stat(node->conf_path, &st) == 0 && st.st_mode & S_IROTH)
		return wrong(node, error, "key",
		        "key is a secret, and anybody can read this file (chmod o= it)");
	return ERR_OK;
}

static enum err check_tls(struct node *node, struct buf *error)
{
	const struct node_conf *conf = &node->conf;

	if (!*conf->wire_tls_cert && !*conf->wire_tls_key && !*conf->wire_tls_ca)
		return ERR_OK;
	if (!*conf->wire_tls_cert || !*conf->wire_tls_key)
		return wrong(node, error, *conf->wire_tls_ca ? "tls_ca" : "tls_cert",
		        "tls_cert and tls_key go together");
	if (tls_context_new(conf->wire_tls_cert, conf->wire_tls_key,
	            *conf->wire_tls_ca ? conf->wire_tls_ca : NULL, &node->wire_tls))
		return wrong(node, error, "tls_cert",
		        "tls_cert, tls_key and tls_ca must be PEM files that belong together");
	return ERR_OK;
}

/* Whoever hashes paths alike is of one cluster: rings of another would find nothing here. */
static void fill_cluster_id(struct node *node)
{
	AUTO(buf) struct buf text = BUF_NONE;
	uint8_t digest[32];

	buf_str(&text, "cairn cluster");
	buf_add(&text, node->conf.hash_prefix, strlen(node->conf.hash_prefix) + 1);
	buf_add(&text, node->conf.hash_suffix, strlen(node->conf.hash_suffix) + 1);
	sha256_digest(text.data, text.len, digest);
	memcpy(node->wire.cluster, digest, sizeof(node->wire.cluster));
}

enum err node_wire_check(struct node *node, struct buf *error)
{
	struct sockaddr_storage address;
	socklen_t len;
	enum err err;

	node->wire.version_min = WIRE_VERSION_MIN;
	node->wire.version_max = WIRE_VERSION_MAX;
	fill_cluster_id(node);
	if (wire_address(node->conf.wire_ip, 1, &address, &len))
		return wrong(node, error, "ip", "ip must be an IPv4 or IPv6 address");
	if (node->conf.wire_loopback && !node->conf.wire_port)
		return wrong(node, error, "loopback", "loopback wants a port");
	if ((err = check_keys(node, error)))
		return err;
	return check_tls(node, error);
}

/* An earlier node that is on its way out is waited for. */
enum err node_wire_try(const struct node *node, struct buf *error)
{
	const char *ip = node->conf.wire_ip;
	unsigned port = (unsigned)node->conf.wire_port;
	struct timespec pause = {0, 20000000};

	if (!port)
		return ERR_OK;
	enum err err = wire_server_try(ip, port);
	for (unsigned i = 0; err == ERR_BUSY && i < 50; i++) {
		nanosleep(&pause, NULL);
		err = wire_server_try(ip, port);
	}
	if (!err)
		return ERR_OK;
	buf_printf(error, "%s:%u: [wire] cannot listen on %s port %u: %s", node->conf_path,
	        node_conf_line(node, "wire", "port"), ip, port,
	        err == ERR_BUSY        ? "another program does"
	        : err == ERR_NOT_FOUND ? "this machine has no such address"
	                               : err_text(err));
	return err;
}

/* --- on a reactor --- */

static void on_call(void *owner, struct backend_call *call)
{
	const struct node_reactor *r = owner;

	node_local_send(r->node, call);
}

void node_wire_start(struct node_reactor *r)
{
	struct node *node = r->node;
	const char **names;

	list_init(&r->peers);
	r->wire_loop = wire_loop_new(r->reactor);
	if (!node->conf.wire_port)
		return;
	names = mem_zalloc((node->device_count + 1) * sizeof(*names));
	for (unsigned i = 0; i < node->device_count; i++)
		names[i] = node->devices[i].name;
	struct wire_server_options options = {
	        .loop = r->wire_loop,
	        .identity = &node->wire,
	        .tls = node->wire_tls,
	        .ip = node->conf.wire_ip,
	        .port = (unsigned)node->conf.wire_port,
	        .devices = names,
	        .device_count = node->device_count,
	        .credit_bytes = CREDIT,
	        .connections_max = CONNECTIONS,
	        .handle = on_call,
	        .control = node_control,
	        .owner = r,
	};
	r->wire_names = names;
	enum err err = wire_server_open(&options, NULL, &r->wire_server);
	if (err) {
		log_error("wire-listen", "ip=%s port=%u err=%s", options.ip, options.port,
		        err_name(err));
		_exit(2);
	}
}

/* --- devices that fail are left alone --- */

static void set_limited(struct node_reactor *r, uint32_t handle, bool limited, enum err err)
{
	struct node *node = r->node;
	struct node_member *member =
	        handle < node->device_count ? NULL : node->members[handle - node->device_count];
	struct node_route *route = &r->routes[handle];

	if (route->limited == limited)
		return;
	route->limited = limited;
	route->failures = 0;
	atomic_uint *count = member ? &member->limited : &node->devices[handle].limited;
	if (limited)
		atomic_fetch_add(count, 1);
	else
		atomic_fetch_sub(count, 1);
	if (limited)
		log_warn("device-limited", "ip=%s port=%u device=%s err=%s",
		        member ? member->ip : node->conf.wire_ip,
		        member ? member->port : (unsigned)node->conf.wire_port,
		        member ? member->name : node->devices[handle].name, err_name(err));
}

static void note(struct node_reactor *r, uint32_t handle, enum err err)
{
	const struct node_conf *conf = &r->node->conf;
	struct node_route *route = &r->routes[handle];
	uint64_t now = reactor_now_us(r->reactor);

	if (err == ERR_UNAVAILABLE || err == ERR_BUSY)
		return; /* says nothing of the device */
	if (err != ERR_DEADLINE && err != ERR_IO) {
		set_limited(r, handle, false, err);
		route->failures = 0;
		return;
	}
	if (!route->failures++ || now - route->since_us > conf->error_window * 1000000) {
		route->since_us = now;
		route->failures = 1;
	}
	route->try_us = now + conf->error_pause * 1000000;
	if (conf->error_limit && route->failures >= conf->error_limit)
		set_limited(r, handle, true, err);
}

static void on_answered(void *owner, uint32_t device, enum err err)
{
	const struct node_peer *peer = owner;

	note(peer->reactor, peer->handles[device], err);
}

static struct node_peer *peer_of(struct node_reactor *r, const char *ip, uint32_t port)
{
	LIST_EACH (n, &r->peers) {
		struct node_peer *peer = LIST_ENTRY(n, struct node_peer, link);
		if (peer->port == port && strcmp(peer->ip, ip) == 0)
			return peer;
	}
	struct node_peer *peer = mem_zalloc(sizeof(*peer));
	struct wire_client_options options = {
	        .loop = r->wire_loop,
	        .identity = &r->node->wire,
	        .tls = r->node->wire_tls,
	        .ip = ip,
	        .port = port,
	        .answered = on_answered,
	        .owner = peer,
	};
	peer->reactor = r;
	peer->ip = ip;
	peer->port = port;
	list_append(&r->peers, &peer->link);
	if (wire_client_new(&options, &peer->client))
		log_error("wire-peer", "ip=%s port=%u why=\"not an address\"", ip, port);
	return peer;
}

struct wire_client *node_wire_client(struct node_reactor *r, const char *ip, uint32_t port)
{
	return peer_of(r, ip, port)->client;
}

/* NULL: nowhere. */
static struct node_route *route_to(struct node_reactor *r, uint32_t handle)
{
	const struct node *node = r->node;
	const struct node_member *member = node_member(node, handle);

	if (!node->wire.key_count || (!member && handle >= node->device_count))
		return NULL;
	if (handle >= r->route_count) {
		unsigned count = node->device_count + atomic_load(&node->member_count);
		r->routes = mem_realloc(r->routes, count * sizeof(*r->routes));
		memset(r->routes + r->route_count, 0,
		        (count - r->route_count) * sizeof(*r->routes));
		r->route_count = count;
	}
	struct node_route *route = &r->routes[handle];
	if (route->client)
		return route;
	struct node_peer *peer =
	        member ? peer_of(r, member->ip, member->port)
	               : peer_of(r, node->conf.wire_ip, (uint32_t)node->conf.wire_port);
	if (!peer->client)
		return NULL;
	route->client = peer->client;
	route->device = wire_client_device(
	        peer->client, member ? member->name : node->devices[handle].name);
	if (route->device >= peer->handle_count) {
		peer->handle_count = route->device + 1;
		peer->handles =
		        mem_realloc(peer->handles, peer->handle_count * sizeof(*peer->handles));
	}
	peer->handles[route->device] = handle;
	return route;
}

/* --- sending --- */

/* One call now and then tries whether it is well again. */
static bool is_left_alone(struct node_reactor *r, struct node_route *route)
{
	uint64_t now = reactor_now_us(r->reactor);

	if (!route->limited)
		return false;
	if (now < route->try_us)
		return true;
	route->try_us = now + r->node->conf.error_pause * 1000000;
	return false;
}

void node_wire_send(struct node_reactor *r, struct backend_call *call)
{
	struct node_route *route = route_to(r, call->device);

	call->origin = r->reactor;
	if (!route || is_left_alone(r, route)) {
		backend_finish(call, ERR_UNAVAILABLE);
		return;
	}
	wire_client_send(route->client, route->device, call);
}

/* --- what others may know of it --- */

void node_wire_snapshot(struct node_reactor *r)
{
	struct wire_client_stats sum = {0}, one;
	struct wire_server_stats served = {0};
	unsigned up = 0;

	LIST_EACH (n, &r->peers) {
		const struct node_peer *peer = LIST_ENTRY(n, struct node_peer, link);
		if (!peer->client)
			continue;
		wire_client_stats(peer->client, &one);
		up += one.up;
		sum.calls += one.calls;
		sum.bytes_in += one.bytes_in;
		sum.bytes_out += one.bytes_out;
		sum.losses += one.losses;
		sum.late += one.late;
		sum.open += one.open;
	}
	if (r->wire_server)
		wire_server_stats(r->wire_server, &served);
	const uint64_t values[NODE_WIRE_VALUES] = {up, sum.calls, sum.bytes_in, sum.bytes_out,
	        sum.losses, sum.late, sum.open, served.connections, served.calls, served.bytes_in,
	        served.bytes_out, served.refused};
	for (unsigned i = 0; i < NODE_WIRE_VALUES; i++)
		atomic_store(&r->wire_seen[i], values[i]);
}

void node_wire_metrics(const struct node *node, struct buf *out)
{
	static const struct {
		const char *name, *type;
	} metrics[NODE_WIRE_VALUES] = {
	        {"peers_up", "gauge"},
	        {"calls", "counter"},
	        {"bytes_in", "counter"},
	        {"bytes_out", "counter"},
	        {"losses", "counter"},
	        {"late", "counter"},
	        {"open_calls", "gauge"},
	        {"served_connections", "gauge"},
	        {"served_calls", "counter"},
	        {"served_bytes_in", "counter"},
	        {"served_bytes_out", "counter"},
	        {"refused", "counter"},
	};

	buf_str(out, "# TYPE cairn_device_limited gauge\n");
	for (unsigned i = 0; i < node->device_count + atomic_load(&node->member_count); i++) {
		const struct node_member *member = node_member(node, i);
		if (member)
			buf_printf(out,
			        "cairn_device_limited{ip=\"%s\",port=\"%u\",device=\"%s\"} %u\n",
			        member->ip, member->port, member->name,
			        atomic_load(&member->limited));
		else
			buf_printf(out, "cairn_device_limited{device=\"%s\"} %u\n",
			        node->devices[i].name, atomic_load(&node->devices[i].limited));
	}
	for (unsigned m = 0; m < NODE_WIRE_VALUES; m++) {
		buf_printf(out, "# TYPE cairn_wire_%s %s\n", metrics[m].name, metrics[m].type);
		for (unsigned i = 0; i < node->reactor_count; i++)
			buf_printf(out, "cairn_wire_%s{reactor=\"%u\"} %llu\n", metrics[m].name, i,
			        (unsigned long long)atomic_load(&node->reactors[i].wire_seen[m]));
	}
}
