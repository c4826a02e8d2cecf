#include "lib/wire/tls.h"

#include "lib/base/mem.h"
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>

struct tls_context {
	SSL_CTX *ctx; /* owned; both roles */
};

struct tls_session {
	SSL *ssl;      /* owned */
	BIO *in, *out; /* ssl's */
};

enum err tls_context_new(
        const char *cert, const char *key, const char *ca, struct tls_context **ret_context)
{
	struct tls_context *context = mem_zalloc(sizeof(*context));

	context->ctx = SSL_CTX_new(TLS_method());
	if (!context->ctx || !SSL_CTX_set_min_proto_version(context->ctx, TLS1_3_VERSION) ||
	        SSL_CTX_use_certificate_chain_file(context->ctx, cert) != 1 ||
	        SSL_CTX_use_PrivateKey_file(context->ctx, key, SSL_FILETYPE_PEM) != 1 ||
	        SSL_CTX_check_private_key(context->ctx) != 1 ||
	        (ca && SSL_CTX_load_verify_locations(context->ctx, ca, NULL) != 1)) {
		ERR_clear_error();
		tls_context_free(context);
		return ERR_CONFIG;
	}
	if (ca)
		SSL_CTX_set_verify(
		        context->ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	/* What one connection agreed upon is of no use to another. */
	SSL_CTX_set_session_cache_mode(context->ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_num_tickets(context->ctx, 0);
	SSL_CTX_set_mode(
	        context->ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	*ret_context = context;
	return ERR_OK;
}

void tls_context_free(struct tls_context *context)
{
	if (!context)
		return;
	SSL_CTX_free(context->ctx);
	free(context);
}

struct tls_session *tls_session_new(struct tls_context *context, bool server)
{
	struct tls_session *session = mem_zalloc(sizeof(*session));

	session->ssl = SSL_new(context->ctx);
	session->in = BIO_new(BIO_s_mem());
	session->out = BIO_new(BIO_s_mem());
	if (!session->ssl || !session->in || !session->out)
		abort();
	SSL_set_bio(session->ssl, session->in, session->out);
	if (server)
		SSL_set_accept_state(session->ssl);
	else
		SSL_set_connect_state(session->ssl);
	SSL_do_handshake(session->ssl); /* a client speaks first */
	ERR_clear_error();
	return session;
}

void tls_session_free(struct tls_session *session)
{
	if (!session)
		return;
	SSL_free(session->ssl);
	free(session);
}

enum err tls_session_feed(struct tls_session *session, const void *data, size_t len)
{
	return BIO_write(session->in, data, (int)len) == (int)len ? ERR_OK : ERR_NO_MEMORY;
}

static enum err outcome(struct tls_session *session, int result)
{
	int error = SSL_get_error(session->ssl, result);

	ERR_clear_error();
	switch (error) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		return ERR_BUSY;
	case SSL_ERROR_ZERO_RETURN:
		return ERR_CLOSED;
	default:
		return ERR_UNAUTHORIZED;
	}
}

enum err tls_session_read(struct tls_session *session, void *data, size_t len, size_t *ret_len)
{
	int result = SSL_read_ex(session->ssl, data, len, ret_len);

	return result == 1 ? ERR_OK : outcome(session, result);
}

enum err tls_session_write(
        struct tls_session *session, const void *data, size_t len, size_t *ret_len)
{
	int result = SSL_write_ex(session->ssl, data, len, ret_len);

	return result == 1 ? ERR_OK : outcome(session, result);
}

bool tls_session_speaks(const struct tls_session *session)
{
	return BIO_ctrl_pending(session->out) > 0;
}

enum err tls_session_drain(struct tls_session *session,
        bool (*put)(void *owner, const void *data, size_t len), void *owner)
{
	char *data;
	long len = BIO_get_mem_data(session->out, &data);

	if (len > 0 && !put(owner, data, (size_t)len))
		return ERR_NO_MEMORY;
	(void)BIO_reset(session->out);
	return ERR_OK;
}
