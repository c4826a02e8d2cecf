/* policy: who may do what, in the language and the file format of oslo.policy. A service brings its
 * rules with their defaults; a file (policy.yaml: name: "check") replaces some of them, and may
 * have rules of its own that others name.
 *
 *   check   @ (all) | ! (none) | role:R | rule:NAME | attribute:VALUE | 'text':VALUE
 *           not CHECK | CHECK and CHECK | CHECK or CHECK | (CHECK)      "" is all
 *
 * A VALUE is a text, with %(name)s in it for what the target has under that name; a check of a name
 * that the target has not is false. An attribute is the caller's, and None, True, False and numbers
 * are texts (oslo_policy/_checks.py, GenericCheck). `and` binds before `or`.
 *
 * Immutable once made; any thread. */
#ifndef LIB_AUTH_POLICY_H
#define LIB_AUTH_POLICY_H

#include "lib/base/buf.h"

struct policy;

/* A rule of the service. */
struct policy_rule {
	const char *name, *check;
	const char *help;       /* one sentence; NULL: a rule that others name */
	const char *operations; /* "GET /v3/users/{user_id}", several apart by ", "; or NULL */
};

/* What is known of the caller, or of what is asked for: names and values. */
struct policy_fact {
	const char *name, *value; /* value NULL: None */
};

struct policy_facts {
	const struct policy_fact *items;
	unsigned count;
};

/* The defaults, and the file (NULL: none) over them. ERR_CONFIG: *error says "file:line: what";
 * a rule that names none that is there, or itself in a circle, is one. */
enum err policy_new(const struct policy_rule *rules, unsigned count, const char *path,
        struct policy **ret_policy, struct buf *error);
void policy_free(struct policy *policy);

/* Is the rule met? One of no such name is not. The caller's roles are its facts named "role", as
 * many as it has; they compare without case. */
bool policy_allows(const struct policy *policy, const char *rule, struct policy_facts caller,
        struct policy_facts target);

/* A file with all rules at their defaults, as comments. */
void policy_print(struct buf *out, const struct policy_rule *rules, unsigned count);

#endif
