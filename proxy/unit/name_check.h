/* name_check: which names are not wanted (cairn.conf(5), [name_check]). */
#ifndef PROXY_UNIT_NAME_CHECK_H
#define PROXY_UNIT_NAME_CHECK_H

#include "lib/err/err.h"
#include "proxy/unit/options.h"

struct name_check;

/* ERR_CONFIG: the pattern is none. It lives as long as the process. */
enum err name_check_new(const struct unit_options *options, struct name_check **ret_check);

#endif
