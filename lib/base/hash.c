#include "lib/base/hash.h"

#include "lib/base/mem.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

void hash_done(struct hash *hash)
{
	free(hash->slots);
	*hash = (struct hash){0};
}

static void grow(struct hash *hash)
{
	size_t size = hash->size ? hash->size * 2 : 16;
	struct hash_node **slots = mem_zalloc(size * sizeof(*slots));

	for (size_t i = 0; i < hash->size; i++) {
		struct hash_node *node = hash->slots[i];
		while (node) {
			struct hash_node *next = node->next;
			node->next = slots[node->hash & (size - 1)];
			slots[node->hash & (size - 1)] = node;
			node = next;
		}
	}
	free(hash->slots);
	hash->slots = slots;
	hash->size = size;
}

void hash_insert(struct hash *hash, struct hash_node *node, uint64_t value)
{
	if (hash->count >= hash->size)
		grow(hash);
	struct hash_node **slot = &hash->slots[value & (hash->size - 1)];
	node->hash = value;
	node->next = *slot;
	*slot = node;
	hash->count++;
}

void hash_remove(struct hash *hash, struct hash_node *node)
{
	struct hash_node **at = &hash->slots[node->hash & (hash->size - 1)];

	while (*at != node)
		at = &(*at)->next;
	*at = node->next;
	node->next = NULL;
	hash->count--;
}

static struct hash_node *match(struct hash_node *node, uint64_t value)
{
	while (node && node->hash != value)
		node = node->next;
	return node;
}

struct hash_node *hash_find(const struct hash *hash, uint64_t value)
{
	return hash->size ? match(hash->slots[value & (hash->size - 1)], value) : NULL;
}

struct hash_node *hash_find_next(const struct hash_node *node)
{
	return match(node->next, node->hash);
}

static uint64_t secret[2];

static void make_secret(void)
{
	if (getrandom(secret, sizeof(secret), 0) != sizeof(secret))
		abort();
	secret[0] |= 1;
	secret[1] |= 1;
}

static uint64_t mix(uint64_t a, uint64_t b)
{
	unsigned __int128 p = (unsigned __int128)a * b;

	return (uint64_t)p ^ (uint64_t)(p >> 64);
}

uint64_t hash_bytes(const void *data, size_t len, uint64_t seed)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	const uint8_t *p = data;
	uint64_t word;

	pthread_once(&once, make_secret);
	uint64_t h = mix(seed ^ secret[0], secret[1] ^ len);
	for (; len >= 8; len -= 8, p += 8) {
		memcpy(&word, p, 8);
		h = mix(h ^ word ^ secret[1], secret[0] + 0x9e3779b97f4a7c15u);
	}
	word = 0;
	if (len)
		memcpy(&word, p, len);
	h = mix(h ^ word ^ secret[0], secret[1] + 0xd6e8feb86659fd93u);
	return h ^ h >> 32;
}
