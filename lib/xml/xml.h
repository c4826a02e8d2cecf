/* xml: reads a document from outside into a tree. A document type is refused, and with it entities
 * of its own; nothing is fetched; depth and number of elements are bounded. Names are without their
 * namespaces. Hides libxml2. Any thread. */
#ifndef LIB_XML_XML_H
#define LIB_XML_XML_H

#include "lib/base/arena.h"
#include "lib/err/err.h"

#define XML_DEPTH_MAX    32
#define XML_ELEMENTS_MAX 100000

struct xml_attribute {
	const char *name, *value;
	const struct xml_attribute *next;
};

struct xml {
	const char *name;
	const char *text; /* what stands in it itself, as it is; "" when nothing does */
	const struct xml_attribute *attributes;
	const struct xml *first; /* child */
	const struct xml *next;  /* sibling */
};

/* ERR_FORMAT: it is not well-formed; ERR_TOO_LARGE: too deep, or too many elements. */
enum err xml_parse(const void *text, size_t len, struct arena *arena, const struct xml **ret_root);

/* First child of that name; the next sibling of the same name. NULL: there is none, or of NULL. */
const struct xml *xml_child(const struct xml *parent, const char *name);
const struct xml *xml_next(const struct xml *element);
/* Its text, or NULL. */
const char *xml_text(const struct xml *parent, const char *name);
const char *xml_attribute(const struct xml *element, const char *name); /* value, or NULL */

#endif
