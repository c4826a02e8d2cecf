/* options: what cairn.conf says of units. Zeroed: a unit does nothing. */
#ifndef PROXY_UNIT_OPTIONS_H
#define PROXY_UNIT_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

struct unit_options {
	/* [tempurl]: words, separated by spaces */
	const char *tempurl_methods, *tempurl_digests, *tempurl_incoming_remove,
	        *tempurl_incoming_allow, *tempurl_outgoing_remove, *tempurl_outgoing_allow;
	const char *formpost_digests;
};

#endif
