/* check: one expression of the policy language, parsed. */
#ifndef LIB_AUTH_CHECK_H
#define LIB_AUTH_CHECK_H

#include "lib/auth/policy.h"

enum check_kind {
	CHECK_ALL,
	CHECK_NONE,
	CHECK_AND,
	CHECK_OR,
	CHECK_NOT,
	CHECK_RULE,
	CHECK_ROLE,
	CHECK_ATTRIBUTE, /* of the caller */
	CHECK_TEXT,      /* a text of its own */
};

struct check {
	enum check_kind kind;
	struct check *left, *right; /* owned; NOT: left */
	char *name, *value;         /* owned; RULE: value; ROLE: value */
	const struct check *rule;   /* RULE: found by policy_new; borrowed */
};

/* Depth and length are bounded. ERR_FORMAT: *ret_why, a constant, says why. */
enum err check_parse(const char *text, struct check **ret_check, const char **ret_why);
void check_free(struct check *check);

bool check_holds(const struct check *check, struct policy_facts caller, struct policy_facts target);

#endif
