/* expirer: deletes objects whose X-Delete-At has come. The hidden container lists them in order
 * of time; an object goes only when it still says that very time. One per cloud is enough: the
 * node runs it beside its first device. */
#ifndef NODE_EXPIRER_H
#define NODE_EXPIRER_H

#include "proxy/proxy.h"

struct expirer;

/* Runs on the proxy's reactor until the process ends. */
enum err expirer_start(struct proxy *proxy, struct expirer **ret_expirer);

#endif
