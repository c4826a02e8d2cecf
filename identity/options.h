/* options: the member "options" of projects, domains, roles and users: a few known ones, each of a
 * type; null takes one away, those that are not named stay. */
#ifndef IDENTITY_OPTIONS_H
#define IDENTITY_OPTIONS_H

#include "lib/rest/rest.h"

enum option_type { OPTION_BOOL, OPTION_LISTS }; /* LISTS: an array of arrays of texts */

struct known_option {
	const char *name;
	enum option_type type;
};

extern const struct known_option immutable_options[]; /* ends with a name NULL */
extern const struct known_option user_options[];

/* What is there after `given` came to `old` (JSON objects; NULL: empty), of the request's arena.
 * ERR_BAD_REQUEST: of another name or type, with a text. */
enum err options_merge(struct rest_req *req, const struct known_option *known, const char *old,
        const char *given, const char **ret_options);
/* Is that option set, and true? */
bool option_is_set(const char *options, const char *name);

#endif
