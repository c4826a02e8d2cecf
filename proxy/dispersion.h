/* dispersion: what `cairn dispersion` asks a node, as an operator (operator.h signs method and
 * target): probes, which are containers and objects of an account of their own, spread over the
 * partitions of each ring, and whether each of a probe's primaries has its copy.
 *
 *   GET    /dispersion/policies                                  those there are
 *   GET    /dispersion/parts?policy=P&kind=K&from=N&count=C      where probes N.. would be
 *   GET    /dispersion/look?policy=P&kind=K&probe=N              who has it
 *   *      /dispersion/store[/CONTAINER[/OBJECT]][?policy=P]     the Swift API of that account
 *
 * P is a policy's index, K `container` or `object`. Answers are JSON. */
#ifndef PROXY_DISPERSION_H
#define PROXY_DISPERSION_H

#include "proxy/proxy.h"

#define DISPERSION_PREFIX  "/dispersion/"
#define DISPERSION_ACCOUNT ".dispersion"
#define DISPERSION_PARTS   4096u /* of one answer, at most */
/* Names of probes, as Swift's tools give them: policy and number. */
#define DISPERSION_CONTAINER "dispersion_%u_%u"
#define DISPERSION_OBJECTS   "dispersion_objects_%u" /* the container of a policy's objects */
#define DISPERSION_OBJECT    "dispersion_%u"

/* Of a path with the prefix: the method, or NULL with the status to refuse it with; or NULL and 0:
 * it has been given account, container and object, and everything is allowed. */
const struct method *dispersion_route(struct request *request, int *ret_status);

#endif
