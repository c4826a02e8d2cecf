/* mirror: rows for the users and groups of a directory. */
#ifndef IDENTITY_MIRROR_H
#define IDENTITY_MIRROR_H

#include "identity/ldapdir.h"
#include "identity/manage.h"

struct mirror {
	struct rest_req *req;
	const char *domain_id;
	struct ldapdir_entries users, groups; /* borrowed */
	bool members_are_ids;
	bool one;            /* there is but one user, and the groups it is in: others stay */
	const char *user_id; /* set: of that one's row; NULL: another one has its name */
};

/* A transaction's body, of a struct mirror: makes, changes and deletes rows as the directory has
 * them; who is gone or disabled loses its tokens. */
enum err mirror_store(struct db_tx *tx, void *mirror);

#endif
