/* hash: a hash table of structs that carry their own node, chained, growing by doubling; and a
 * keyed hash for bytes from outside. Not thread-safe. */
#ifndef LIB_BASE_HASH_H
#define LIB_BASE_HASH_H

#include "lib/base/auto.h"
#include <stddef.h>
#include <stdint.h>

struct hash_node {
	struct hash_node *next;
	uint64_t hash;
};

struct hash {
	struct hash_node **slots; /* owned */
	size_t size, count;       /* size is a power of two, or 0 */
};

void hash_done(struct hash *hash); /* the nodes are the caller's */
void hash_insert(struct hash *hash, struct hash_node *node, uint64_t value);
void hash_remove(struct hash *hash, struct hash_node *node);

/* First node of that hash value, and the next one after a node; NULL at the end. The caller
 * compares the keys. */
struct hash_node *hash_find(const struct hash *hash, uint64_t value);
struct hash_node *hash_find_next(const struct hash_node *node);

/* Seeded by a secret of this process: an outsider cannot choose collisions. */
uint64_t hash_bytes(const void *data, size_t len, uint64_t seed);

#endif
