/* sync_realms: the realms of container sync (container-sync-realms.conf, as Swift reads it): which
 * clusters share a key. What a container's X-Container-Sync-To stands for, and what signs requests
 * between clusters. Pure. */
#ifndef PROXY_UNIT_SYNC_REALMS_H
#define PROXY_UNIT_SYNC_REALMS_H

#include <stdbool.h>

#include "lib/base/buf.h"

struct sync_cluster {
	char *name, *url; /* name: in capitals */
};

struct sync_realm {
	char *name, *key, *key2; /* name: in capitals; a key may be NULL */
	struct sync_cluster *clusters;
	unsigned cluster_count;
};

struct sync_realms {
	struct sync_realm *realms;
	unsigned count;
	char *current;                    /* "REALM/CLUSTER" that this is, or NULL */
	char *hosts;                      /* that URLs may name, separated by commas */
	bool full_urls;                   /* URLs are allowed at all */
	const struct sync_realms *before; /* read earlier: requests may hold on to it */
};

/* Reads a file's text into *ret_realms (zeroed, or sync_realms_done comes next in any case). False:
 * *error says which line is wrong. */
bool sync_realms_parse(const char *text, struct sync_realms *ret_realms, struct buf *error);
void sync_realms_done(struct sync_realms *realms);

const struct sync_realm *sync_realm_find(const struct sync_realms *realms, const char *name);

/* What "//realm/cluster/account/container", or a URL, leads to. */
struct sync_target {
	const struct sync_realm *realm; /* NULL: a URL, whose requests carry the key itself */
	struct buf url;                 /* of the container; empty: none */
};
/* False: *error says why not, as Swift does. */
bool sync_target_parse(const struct sync_realms *realms, const char *value,
        struct sync_target *ret_target, struct buf *error);

#define SYNC_SIGNATURE_SIZE 41 /* hex digits and a NUL */
/* path: as sent, percent-encoded. */
void sync_sign(const char *method, const char *path, const char *timestamp, const char *nonce,
        const char *realm_key, const char *user_key, char ret_hex[SYNC_SIGNATURE_SIZE]);

#endif
