/* cname: a client may call us by a name of its own that stands (CNAME) for one of our domains
 * (cname_lookup). Who stands for whom is asked of the DNS on threads, and kept for as long as it
 * says. One for all loops of a process. */
#ifndef PROXY_UNIT_CNAME_H
#define PROXY_UNIT_CNAME_H

#include "proxy/proxy.h"

struct cname;

/* *ret_cname NULL: no storage_domain. ERR_CONFIG: a nameserver is none. It lives as long as the
 * process. */
enum err cname_new(const struct unit_options *options, struct cname **ret_cname);

/* Is it called by a name that is to be looked up, or was? */
bool cname_wanted(struct request *request);

/* Where the name that the request calls us by is none of our domains, that which it stands for
 * comes into request->storage_host. STEP_WAIT: the DNS is to be asked, by cname_method, which then
 * routes the request anew; STEP_DONE: there is none, and *ret_text says why. */
enum step cname_look(struct request *request, const char **ret_text);

extern const struct method cname_method;

#endif
