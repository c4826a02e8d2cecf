/* err: the outcome of every fallible function. 0 is success; the list is err.def.
 * errno and library codes become one of these where they enter the program. */
#ifndef LIB_ERR_ERR_H
#define LIB_ERR_ERR_H

enum err {
	ERR_OK = 0,
#define ERR(name, status, text) ERR_##name,
#include "lib/err/err.def"
#undef ERR
	ERR_COUNT
};

/* "NOT_FOUND"; "OK" for 0. Never NULL. */
const char *err_name(enum err err);

/* A phrase for people, in lower case without a full stop. Never NULL. */
const char *err_text(enum err err);

/* HTTP status that answers this outcome when no dialect overrides it; 200 for ERR_OK. */
int err_status(enum err err);

/* errno value (positive) to outcome: ENOSPC and EDQUOT are "full", ENOENT is not found,
 * EROFS is read-only, all that is not known better is ERR_IO. 0 gives ERR_OK. */
enum err err_from_errno(int error);

#endif
