/* legacy_versions: the older way to keep what was there before: before an object is replaced or
 * deleted, a copy goes to another container that clients know, named "%03x<name>/<time>" by the
 * length of the object's name. "stack": a DELETE brings back the newest copy; "history": it adds
 * one that marks it (docs/decisions/0010-versions.md). */
#ifndef PROXY_UNIT_LEGACY_VERSIONS_H
#define PROXY_UNIT_LEGACY_VERSIONS_H

#include "proxy/proxy.h"

/* Where the copies of a container's objects go, quoted; NULL: none are made. */
const char *legacy_versions_location(const struct info *info);

#endif
