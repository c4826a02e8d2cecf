/* aws_policy_internal: what the files of aws_policy share. */
#ifndef LIB_AUTH_AWS_POLICY_INTERNAL_H
#define LIB_AUTH_AWS_POLICY_INTERNAL_H

#include "lib/auth/aws_policy.h"

/* --- patterns (aws_match.c) --- */

/* A text, or several of them: 0: it is neither. */
size_t s3_texts_len(const struct jval *value);
const char *s3_text_at(const struct jval *value, size_t i);
/* At least one, and nothing else. */
bool s3_are_texts(const struct jval *value);
/* Appends the text with the values of ${aws:username} and the like, which are never patterns; what
 * is not known stays. */
void s3_policy_expand(
        const struct s3_policy_ask *ask, const char *text, bool pattern, struct buf *out);
/* s3_policy_like() with variables. */
bool s3_policy_fits(const struct s3_policy_ask *ask, const char *pattern, const char *text);

/* --- actions (aws_action.c) --- */

/* Is it, or stands it for, something that may be done to a bucket or an object? */
bool s3_action_known(const char *pattern);

/* --- conditions (aws_condition.c) --- */

bool s3_conditions_hold(const struct s3_policy_ask *ask, const struct jval *conditions);
/* Do they let only some in, whoever is allowed? */
bool s3_conditions_bind(const struct jval *conditions);
/* NULL: they are good. */
const char *s3_conditions_wrong(const struct jval *conditions);

/* --- statements (aws_policy.c) --- */

/* NULL behind the last. */
const struct jval *s3_statement_at(const struct jval *policy, size_t i);
bool s3_statement_allows(const struct jval *statement);
/* Behind "arn:aws:s3:::", or a tenant or region in it; NULL: none of S3's. */
const char *s3_resource_of(const char *arn);

#endif
