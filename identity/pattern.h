/* pattern: what a password must look like, as operators write it for Keystone: an extended regular
 * expression of POSIX with \d, \w, \s and with conditions ahead at its begin, "^(?=.*\d)(?!.*
 * ).{7,}$". Immutable once made; any thread. */
#ifndef IDENTITY_PATTERN_H
#define IDENTITY_PATTERN_H

#include "lib/err/err.h"
#include <stdbool.h>

struct pattern;

/* ERR_CONFIG: it cannot be read. */
enum err pattern_new(const char *text, struct pattern **ret_pattern);
void pattern_free(struct pattern *pattern);
/* As Python's re.match: from the text's begin. */
bool pattern_matches(const struct pattern *pattern, const char *text);

#endif
