#include "lib/broker/broker.h"

#include "lib/base/mem.h"
#include "lib/http/url.h"
#include <amqp.h>
#include <amqp_framing.h>
#include <amqp_ssl_socket.h>
#include <amqp_tcp_socket.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#define CHANNEL      1
#define FRAME_MAX    131072
#define PERSISTENT   2
#define CERTIFICATES "/etc/ssl/certs/ca-certificates.crt"

struct broker {
	char *url; /* owned; cut into `info` */
	struct amqp_connection_info info;
	char *exchange, *key;               /* owned */
	amqp_connection_state_t connection; /* NULL: there is none */
};

static char *param_of(const char *query, const char *name)
{
	struct query params;
	struct arena arena;

	arena_init(&arena);
	query_parse(&arena, query, &params);
	const char *value = query_get(&params, name);
	char *copy = mem_strdup(value ? value : "");
	arena_done(&arena);
	return copy;
}

static bool params_known(const char *query)
{
	struct query params;
	struct arena arena;
	bool known = true;

	arena_init(&arena);
	query_parse(&arena, query, &params);
	for (unsigned i = 0; i < params.count; i++)
		known &= strcmp(params.pairs[i].name, "exchange") == 0 ||
		         strcmp(params.pairs[i].name, "routing_key") == 0;
	arena_done(&arena);
	return known;
}

enum err broker_new(const char *url, struct broker **ret_broker)
{
	struct broker *b = mem_zalloc(sizeof(*b));

	b->url = mem_strdup(url);
	char *query = strchr(b->url, '?');
	if (query)
		*query++ = 0;
	b->exchange = param_of(query ? query : "", "exchange");
	b->key = param_of(query ? query : "", "routing_key");
	amqp_default_connection_info(&b->info);
	/* (An empty path is its default virtual host.) */
	if (amqp_parse_url(b->url, &b->info) != AMQP_STATUS_OK || !*b->info.host ||
	        (!*b->exchange && !*b->key) || !params_known(query ? query : "")) {
		broker_free(b);
		return ERR_CONFIG;
	}
	*ret_broker = b;
	return ERR_OK;
}

static void disconnect(struct broker *b)
{
	if (b->connection)
		amqp_destroy_connection(b->connection);
	b->connection = NULL;
}

void broker_free(struct broker *b)
{
	if (!b)
		return;
	disconnect(b);
	free(b->url);
	free(b->exchange);
	free(b->key);
	free(b);
}

/* The library looks for the host among the names of a certificate only: an address is for OpenSSL
 * to look for. */
static void expect_address(amqp_socket_t *socket, const char *host)
{
	SSL_CTX *context = amqp_ssl_socket_get_context(socket);

	if (X509_VERIFY_PARAM_set1_ip_asc(SSL_CTX_get0_param(context), host) == 1)
		amqp_ssl_socket_set_verify_hostname(socket, false);
}

static amqp_socket_t *socket_of(struct broker *b)
{
	amqp_socket_t *socket;

	if (!b->info.ssl)
		return amqp_tcp_socket_new(b->connection);
	socket = amqp_ssl_socket_new(b->connection);
	if (socket && amqp_ssl_socket_set_cacert(socket, CERTIFICATES) != AMQP_STATUS_OK)
		return NULL;
	if (socket)
		expect_address(socket, b->info.host);
	return socket;
}

static enum err log_in(struct broker *b)
{
	amqp_rpc_reply_t reply = amqp_login(b->connection, b->info.vhost, 0, FRAME_MAX, 0,
	        AMQP_SASL_METHOD_PLAIN, b->info.user, b->info.password);

	if (reply.reply_type == AMQP_RESPONSE_SERVER_EXCEPTION)
		return ERR_FORBIDDEN;
	if (reply.reply_type != AMQP_RESPONSE_NORMAL ||
	        !amqp_channel_open(b->connection, CHANNEL) ||
	        !amqp_confirm_select(b->connection, CHANNEL))
		return ERR_UNAVAILABLE;
	return ERR_OK;
}

static enum err connect_to(struct broker *b, const struct timeval *timeout)
{
	b->connection = amqp_new_connection();
	if (!b->connection)
		return ERR_NO_MEMORY;
	amqp_set_handshake_timeout(b->connection, timeout);
	amqp_set_rpc_timeout(b->connection, timeout);
	amqp_socket_t *socket = socket_of(b);
	if (!socket || amqp_socket_open_noblock(socket, b->info.host, b->info.port, timeout) !=
	                       AMQP_STATUS_OK)
		return ERR_UNAVAILABLE;
	return log_in(b);
}

/* What it could bring to no queue comes back before it is confirmed. */
static enum err wait_for_word(struct broker *b, const struct timeval *timeout)
{
	enum err err = ERR_OK;
	amqp_message_t returned;
	amqp_frame_t frame;

	for (;;) {
		amqp_maybe_release_buffers(b->connection);
		if (amqp_simple_wait_frame_noblock(b->connection, &frame, timeout) !=
		        AMQP_STATUS_OK)
			return ERR_UNAVAILABLE;
		if (frame.frame_type != AMQP_FRAME_METHOD)
			continue;
		switch (frame.payload.method.id) {
		case AMQP_BASIC_ACK_METHOD:
			return err;
		case AMQP_BASIC_RETURN_METHOD:
			if (amqp_read_message(b->connection, CHANNEL, &returned, 0).reply_type !=
			        AMQP_RESPONSE_NORMAL)
				return ERR_UNAVAILABLE;
			amqp_destroy_message(&returned);
			err = ERR_NOT_FOUND;
			break;
		case AMQP_CHANNEL_CLOSE_METHOD: /* no such exchange */
			return ERR_NOT_FOUND;
		default: /* a nack, or the connection is closed */
			return ERR_UNAVAILABLE;
		}
	}
}

static enum err publish(struct broker *b, const char *type, const void *data, size_t len,
        const struct timeval *timeout)
{
	const amqp_basic_properties_t properties = {
	        ._flags = AMQP_BASIC_CONTENT_TYPE_FLAG | AMQP_BASIC_DELIVERY_MODE_FLAG,
	        .content_type = amqp_cstring_bytes(type),
	        .delivery_mode = PERSISTENT,
	};
	enum err err = b->connection ? ERR_OK : connect_to(b, timeout);

	if (err)
		return err;
	if (amqp_basic_publish(b->connection, CHANNEL, amqp_cstring_bytes(b->exchange),
	            amqp_cstring_bytes(b->key), true, false, &properties,
	            (amqp_bytes_t){.len = len, .bytes = (void *)data}) != AMQP_STATUS_OK)
		return ERR_UNAVAILABLE;
	return wait_for_word(b, timeout);
}

enum err broker_publish(
        struct broker *b, const char *type, const void *data, size_t len, unsigned timeout_ms)
{
	struct timeval timeout = {
	        .tv_sec = timeout_ms / 1000, .tv_usec = (timeout_ms % 1000) * 1000};
	enum err err = publish(b, type, data, len, &timeout);

	if (err)
		disconnect(b);
	return err;
}
