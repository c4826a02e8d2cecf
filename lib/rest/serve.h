/* serve: the process of a control service: loops that listen, a pool of threads that work, signals.
 */
#ifndef LIB_REST_SERVE_H
#define LIB_REST_SERVE_H

#include "lib/rest/rest.h"

struct serve_options {
	const char *bind_ip;
	uint16_t port;
	unsigned loops;                 /* 0: one a core */
	unsigned threads;               /* of the pool, which serve makes */
	unsigned queue;                 /* requests that wait for one of them; then 503 */
	const char *tls_cert, *tls_key; /* PEM texts; NULL: plain */
	/* Once the loops and the pool are there, and before anybody is served: starts what runs
	 * beside requests. At the end, when nobody is. May be NULL. */
	enum err (*start)(struct rest_service *service, struct reactor *first);
	void (*stop)(struct rest_service *service);
	void (*reload)(struct rest_service *service); /* SIGHUP; on the calling thread */
};

/* Serves until SIGTERM or SIGINT, then lets requests under way finish. Returns the exit code; call
 * before any other thread is made. */
int serve(struct rest_service *service, const struct serve_options *options);

#endif
