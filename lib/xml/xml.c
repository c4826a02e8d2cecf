#include "lib/xml/xml.h"

#include "lib/base/buf.h"
#include <libxml/parser.h>
#include <limits.h>
#include <pthread.h>
#include <string.h>

struct copy {
	struct arena *arena;
	unsigned elements;
	enum err err;
};

static void start(void)
{
	xmlInitParser();
}

static void add_attributes(struct copy *c, xmlNodePtr node, struct xml *element)
{
	const struct xml_attribute **last = &element->attributes;

	for (xmlAttrPtr a = node->properties; a; a = a->next) {
		struct xml_attribute *copy = arena_zalloc(c->arena, sizeof(*copy));
		xmlChar *value = xmlNodeListGetString(node->doc, a->children, 1);
		copy->name = arena_strdup(c->arena, (const char *)a->name);
		copy->value = arena_strdup(c->arena, value ? (const char *)value : "");
		xmlFree(value);
		*last = copy;
		last = &copy->next;
	}
}

static struct xml *copy_element(struct copy *c, xmlNodePtr node, unsigned depth)
{
	struct xml *element = arena_zalloc(c->arena, sizeof(*element));
	const struct xml **last = &element->first;
	AUTO(buf) struct buf text = BUF_NONE;

	if (depth > XML_DEPTH_MAX || ++c->elements > XML_ELEMENTS_MAX) {
		c->err = ERR_TOO_LARGE;
		return element;
	}
	element->name = arena_strdup(c->arena, (const char *)node->name);
	add_attributes(c, node, element);
	for (xmlNodePtr n = node->children; n && !c->err; n = n->next) {
		if (n->type == XML_ELEMENT_NODE) {
			struct xml *child = copy_element(c, n, depth + 1);
			*last = child;
			last = &child->next;
		} else if (n->type == XML_TEXT_NODE || n->type == XML_CDATA_SECTION_NODE) {
			buf_str(&text, (const char *)n->content);
		} else if (n->type == XML_ENTITY_REF_NODE) {
			c->err = ERR_FORMAT;
		}
	}
	element->text = arena_strdup(c->arena, buf_text(&text));
	return element;
}

enum err xml_parse(const void *text, size_t len, struct arena *arena, const struct xml **ret_root)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct copy c = {.arena = arena};

	pthread_once(&once, start);
	if (!len || len > INT_MAX)
		return ERR_FORMAT;
	xmlDocPtr doc = xmlReadMemory(text, (int)len, NULL, NULL,
	        XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
	xmlNodePtr root = doc ? xmlDocGetRootElement(doc) : NULL;
	if (!root || doc->intSubset)
		c.err = ERR_FORMAT;
	else
		*ret_root = copy_element(&c, root, 1);
	xmlFreeDoc(doc);
	return c.err;
}

static const struct xml *named(const struct xml *element, const char *name)
{
	while (element && strcmp(element->name, name) != 0)
		element = element->next;
	return element;
}

const struct xml *xml_child(const struct xml *parent, const char *name)
{
	return parent ? named(parent->first, name) : NULL;
}

const struct xml *xml_next(const struct xml *element)
{
	return element ? named(element->next, element->name) : NULL;
}

const char *xml_text(const struct xml *parent, const char *name)
{
	const struct xml *child = xml_child(parent, name);

	return child ? child->text : NULL;
}

const char *xml_attribute(const struct xml *element, const char *name)
{
	for (const struct xml_attribute *a = element->attributes; a; a = a->next) {
		if (strcmp(a->name, name) == 0)
			return a->value;
	}
	return NULL;
}
