/* keystone: what callers may do whom the identity service knows, by the rules of Swift's
 * keystoneauth: a project's account is its id behind a prefix; roles say who operates an account,
 * who reads it and who administers all; containers' ACLs name project:user by id.
 *
 * Pure. */
#ifndef PROXY_KEYSTONE_H
#define PROXY_KEYSTONE_H

#include "lib/auth/verify.h"
#include "lib/conf/conf.h"
#include "proxy/proxy.h"

#define KEYSTONE_PREFIXES_MAX 8
#define KEYSTONE_ROLES_MAX    32

/* NULL-terminated; compared without regard to case. */
struct role_set {
	const char *names[KEYSTONE_ROLES_MAX + 1];
};

struct keystone_prefix {
	const char *text; /* "AUTH_"; "" is in front of all that have no other */
	struct role_set operators;
	struct role_set services; /* not empty: only with such a service token, too */
	struct role_set readers;
};

/* As the configuration has it: lists of words, the roles' behind "PREFIX:" for one prefix alone. */
struct keystone_options {
	const char *url; /* of the identity service, with /v3 */
	const char *reseller_prefix, *reseller_admin_role, *system_reader_roles, *default_domain_id,
	        *service_token_roles;
	const struct conf_list *operator_roles, *service_roles, *project_reader_roles;
	bool names_in_acls;
};

struct keystone {
	const char *challenge; /* of WWW-Authenticate */
	struct keystone_prefix prefixes[KEYSTONE_PREFIXES_MAX];
	unsigned prefix_count;
	const char *reseller_admin, *default_domain;
	struct role_set system_readers;
	struct role_set service_tokens; /* who has one of these is a service */
	bool names_in_acls;
	struct verify *verify; /* of the identity service's tokens; owned by who made it */
};

/* Lives as long as the process. ERR_CONFIG: *error says which option, and what is wrong. */
enum err keystone_new(
        const struct keystone_options *options, struct keystone **ret_keystone, struct buf *error);

/* Who asks. */
struct keystone_caller {
	const struct verified *user, *service; /* service NULL: no service token */
	const char *user_name, *project_name;  /* NULL: ACLs that name them by names do not count */
};

enum keystone_verdict { KEYSTONE_DENIED, KEYSTONE_ALLOWED, KEYSTONE_OWNER };

enum keystone_verdict keystone_decide(const struct keystone *keystone,
        const struct keystone_caller *caller, const struct access *access, const char *acl,
        const char *referer);

bool keystone_is_reseller(const struct keystone *keystone, const struct verified *user);
/* Is whose service token that is (NULL: there is none) one that may go on with what users have
 * given it, after that expired, and beyond its access rules? */
bool keystone_is_service(const struct keystone *keystone, const struct verified *service);
/* The rules for an account; NULL: it has none of the prefixes. */
const struct keystone_prefix *keystone_prefix_of(
        const struct keystone *keystone, const char *account);
bool keystone_is_own(
        const struct keystone *keystone, const struct verified *user, const char *account);

/* Do names in this ACL, of an account that is of this domain (NULL: not known), count for the
 * caller? Only where nobody else can have them: all must be in the default domain. */
bool keystone_names_count(const struct keystone *keystone, const struct verified *user,
        const char *account_domain_id);
/* Does the ACL name a project and a user at all? */
bool keystone_acl_names(const char *acl);

#endif
