/* client: HTTP/1.1 requests to servers, many at once, from one thread that turns the client:
 * everything here but client_wake is called from that thread, and all callbacks run inside
 * client_turn. Hides libcurl. Connections are kept and used again. No redirects, no cookies, no
 * proxies from the environment; paths go out as they are. */
#ifndef LIB_HTTP_CLIENT_H
#define LIB_HTTP_CLIENT_H

#include "lib/base/buf.h"
#include "lib/base/list.h"

struct client;

/* Could a request be sent to that URL at all? */
bool client_url_good(const char *url);

#define EXCHANGE_CHUNKED (-1) /* the body ends when `pull` says so */

#define EXCHANGE_PAUSE ((size_t)-1) /* of pull: nothing now; see exchange_go_on */

/* One request and its answer. Lives in its owner, who leaves it alone until done. */
struct exchange {
	/* Set before exchange_start, and kept until done. */
	const char *method, *url;
	const void *headers; /* kv block; the client adds Host and what frames the body */
	size_t headers_len;
	int64_t body_len;         /* 0: none */
	uint64_t timeout_ms;      /* of all of it; 0: none */
	uint64_t idle_timeout_ms; /* of a second without a byte, while nothing pauses; 0: none */
	bool once;                /* the body cannot be sent again: no used connection is risked */
	/* The next bytes of the body, up to `room`; 0 at its end. */
	size_t (*pull)(struct exchange *exchange, void *into, size_t room);
	/* Back to the body's begin, for another connection; NULL when `once`. */
	void (*rewind)(struct exchange *exchange);
	/* The final status and headers are there; NULL: not of interest. */
	void (*head)(struct exchange *exchange);
	/* Bytes of the answer's body. False: not now, they come again after exchange_go_on. */
	bool (*push)(struct exchange *exchange, const void *data, size_t len);
	/* The last callback. OK whatever the status; ERR_UNAVAILABLE: no answer, or cut off;
	 * ERR_DEADLINE; ERR_TOO_LARGE: headers past CLIENT_HEAD_MAX. */
	void (*done)(struct exchange *exchange, enum err err);
	void *owner;

	/* Of the answer. */
	int status;
	struct buf answer; /* kv block of its headers; owned: exchange_release frees it */

	/* private */
	struct client *client;
	void *handle, *lines;
	struct list link;
	bool too_large, heading;
};

#define CLIENT_HEAD_MAX (256u << 10)

/* connect_ms: how long to wait for a connection. check_tls: who is spoken to by https must show a
 * certificate that the system trusts. */
enum err client_new(unsigned connect_ms, bool check_tls, struct client **ret_client);
void client_free(struct client *client); /* nothing may be under way; NULL is fine */

/* Does what is due, and waits up to wait_ms for something to be. False: nothing is under way. */
bool client_turn(struct client *client, unsigned wait_ms);
void client_wake(struct client *client); /* ends that wait; any thread */

/* ERR_BAD_REQUEST, and no callback, for what no request may hold (a line break in a header). */
enum err exchange_start(struct client *client, struct exchange *exchange);
/* After a pause of pull or push: they are called again. Not from a callback of the same one. */
void exchange_go_on(struct exchange *exchange);
/* Cuts it off; no callback runs any more. Not from its own callback but done. */
void exchange_abort(struct exchange *exchange);
/* What the answer holds. */
void exchange_release(struct exchange *exchange);
const char *exchange_header(const struct exchange *exchange, const char *name); /* or NULL */

#endif
