/* key_manager: root secrets out of a key manager that speaks Barbican's API, as a user of the
 * identity service. They are asked for once; they are in memory alone. */
#ifndef NODE_KEY_MANAGER_H
#define NODE_KEY_MANAGER_H

#include "lib/base/buf.h"

#define KEY_MANAGER_KEY 32 /* bytes: of AES-256 */

struct key_manager_options {
	const char *auth_endpoint; /* of the identity service, with or without /v3 */
	const char *username, *password, *user_domain_name, *project_name, *project_domain_name;
	const char *endpoint; /* of the manager, with or without /v1; "": the catalog's */
	const char *region;   /* of that, in the catalog; "": any */
};

/* One secret of the manager. */
struct key_manager_key {
	const char *id; /* the manager's; borrowed */
	uint8_t bytes[KEY_MANAGER_KEY];
};

/* Fetches the bytes of all of them; blocks for seconds when nobody answers. After a failure *error
 * says what is wrong and *ret_option which option is to blame ("key_id" and the like); ERR_CONFIG
 * when trying again will not help. */
enum err key_manager_fetch(const struct key_manager_options *options, struct key_manager_key *keys,
        unsigned count, const char **ret_option, struct buf *error);

#endif
