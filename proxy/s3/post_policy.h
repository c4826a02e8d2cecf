/* post_policy: what a browser's form may upload, as who signed it has said: a JSON document with an
 * end and conditions on the form's fields, of which none may go without. Pure.
 *
 * Source: "Creating a POST policy", Amazon S3 API Reference. */
#ifndef PROXY_S3_POST_POLICY_H
#define PROXY_S3_POST_POLICY_H

#include "lib/base/arena.h"
#include "proxy/s3/error.h"

#include <stdbool.h>
#include <stdint.h>

struct post_field {
	struct post_field *next;
	const char *name; /* in lower case */
	const char *value;
	bool covered; /* the policy says something of it */
};

const char *post_field_get(const struct post_field *fields, const char *name); /* or NULL */

struct post_range {
	uint64_t min, max; /* bytes of the file */
};

/* Do the fields (the bucket's name among them) keep to the policy? *ret_range is what the file must
 * keep to. *ret_text, in the arena: what does not fit. */
enum s3_error post_policy_check(const char *json, int64_t now_s, struct post_field *fields,
        struct arena *arena, struct post_range *ret_range, const char **ret_text);

#endif
