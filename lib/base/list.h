/* list: a doubly linked ring of nodes that live inside the listed structs.
 * The head is a node of its own; an unlinked node points at itself. Not thread-safe. */
#ifndef LIB_BASE_LIST_H
#define LIB_BASE_LIST_H

#include "lib/base/auto.h"
#include <stdbool.h>

struct list {
	struct list *next, *prev;
};

#define LIST_INIT(name)                                                                            \
	(struct list)                                                                              \
	{                                                                                          \
		&(name), &(name)                                                                   \
	}

static inline void list_init(struct list *list)
{
	list->next = list->prev = list;
}

static inline bool list_empty(const struct list *list)
{
	return list->next == list;
}

static inline void list_insert_(struct list *node, struct list *prev, struct list *next)
{
	node->prev = prev;
	node->next = next;
	prev->next = node;
	next->prev = node;
}

static inline void list_append(struct list *head, struct list *node)
{
	list_insert_(node, head->prev, head);
}

static inline void list_prepend(struct list *head, struct list *node)
{
	list_insert_(node, head, head->next);
}

/* Unlinks the node; harmless when it is not linked. */
static inline void list_remove(struct list *node)
{
	node->prev->next = node->next;
	node->next->prev = node->prev;
	list_init(node);
}

/* First node, or NULL when empty; stays linked. */
static inline struct list *list_first(const struct list *head)
{
	return head->next == head ? (struct list *)0 : head->next;
}

/* Moves all nodes of `from` to the end of `to`. */
static inline void list_splice(struct list *to, struct list *from)
{
	if (list_empty(from))
		return;
	from->next->prev = to->prev;
	to->prev->next = from->next;
	from->prev->next = to;
	to->prev = from->prev;
	list_init(from);
}

#define LIST_ENTRY(node, type, member) CONTAINER_OF(node, type, member)

#define LIST_EACH(node, head)                                                                      \
	for (struct list *node = (head)->next; node != (head); node = node->next)

/* The current node may be removed or freed in the body. */
#define LIST_EACH_SAFE(node, head)                                                                 \
	for (struct list *node = (head)->next, *node##_next = node->next; node != (head);          \
	        node = node##_next, node##_next = node->next)

#endif
