/* broker: messages to one exchange of an AMQP 0-9-1 broker, each confirmed by it before the next.
 * Waits for the broker: for threads that may block, one at a time. Hides librabbitmq. */
#ifndef LIB_BROKER_BROKER_H
#define LIB_BROKER_BROKER_H

#include "lib/err/err.h"
#include <stdbool.h>
#include <stddef.h>

struct broker;

/* amqp[s]://user:password@host[:port]/vhost?exchange=NAME&routing_key=KEY; exchange may be missing:
 * the default one, whose routing keys are names of queues. ERR_CONFIG: it is no such URL. Nothing
 * is connected yet. amqps: the broker must show a certificate that the system trusts. */
enum err broker_new(const char *url, struct broker **ret_broker);
void broker_free(struct broker *broker); /* NULL is fine */

/* Connects if need be. OK: the broker has it, durably where its queues are. ERR_UNAVAILABLE: no
 * word of that came in time, it may have it; ERR_NOT_FOUND: it has no queue for it; ERR_FORBIDDEN:
 * it does not let us in. After an error the next call connects anew. */
enum err broker_publish(
        struct broker *broker, const char *type, const void *data, size_t len, unsigned timeout_ms);

#endif
