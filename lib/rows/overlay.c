#include "lib/rows/overlay.h"

#include "lib/base/mem.h"
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Mapped by ourselves, so that all of it goes back when the generation goes. */
#define CHUNK (256u << 10)
#define FIRST 4096u /* most generations of an idle device hold little */

struct chunk {
	struct chunk *next;
	size_t used, size;
	_Alignas(16) char data[];
};

struct overlay {
	unsigned refs;
	struct chunk *chunks; /* owned */
	size_t bytes;
	uint64_t random;
	struct overlay_node *head; /* no row; OVERLAY_LEVELS high */
};

static struct chunk *chunk_new(size_t total)
{
	struct chunk *chunk;

	if (total < CHUNK) {
		chunk = mem_zalloc(total);
	} else {
		chunk = mmap(
		        NULL, total, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (chunk == MAP_FAILED)
			abort();
	}
	chunk->size = total - sizeof(*chunk);
	return chunk;
}

static void chunk_free(struct chunk *chunk)
{
	if (chunk->size + sizeof(*chunk) < CHUNK)
		free(chunk);
	else
		munmap(chunk, chunk->size + sizeof(*chunk));
}

void *overlay_alloc(struct overlay *overlay, size_t size)
{
	size = (size + 15) / 16 * 16;
	struct chunk *chunk = overlay->chunks;
	if (!chunk || chunk->size - chunk->used < size) {
		size_t total = chunk ? CHUNK : FIRST;
		if (total < size + sizeof(*chunk))
			total = size + sizeof(*chunk);
		chunk = chunk_new(total);
		chunk->next = overlay->chunks;
		overlay->chunks = chunk;
	}
	void *p = chunk->data + chunk->used;
	chunk->used += size;
	overlay->bytes += size;
	return p; /* zero, as all new memory of a chunk */
}

static struct overlay_node *node_new(struct overlay *overlay, unsigned height)
{
	struct overlay_node *node =
	        overlay_alloc(overlay, sizeof(*node) + height * sizeof(node->next[0]));

	node->height = (uint8_t)height;
	node->overlay = overlay;
	return node;
}

struct overlay *overlay_new(uint64_t seed)
{
	struct overlay *overlay = mem_zalloc(sizeof(*overlay));

	overlay->refs = 1;
	overlay->random = seed | 1;
	overlay->head = node_new(overlay, OVERLAY_LEVELS);
	overlay->bytes = 0; /* of rows only */
	return overlay;
}

struct overlay *overlay_ref(struct overlay *overlay)
{
	overlay->refs++;
	return overlay;
}

void overlay_unref(struct overlay *overlay)
{
	if (!overlay || --overlay->refs)
		return;
	while (overlay->chunks) {
		struct chunk *next = overlay->chunks->next;
		chunk_free(overlay->chunks);
		overlay->chunks = next;
	}
	free(overlay);
}

size_t overlay_bytes(const struct overlay *overlay)
{
	return overlay->bytes;
}

static const char *copy_text(struct overlay *overlay, const char *text)
{
	size_t len = strlen(text);

	return len ? memcpy(overlay_alloc(overlay, len + 1), text, len) : "";
}

const struct backend_row *overlay_copy_row(
        struct overlay *overlay, const char *name, const struct backend_row *row)
{
	struct backend_row *copy = overlay_alloc(overlay, sizeof(*copy));

	*copy = *row;
	copy->name = name;
	copy->content_type = copy_text(overlay, row->content_type);
	copy->etag = copy_text(overlay, row->etag);
	return copy;
}

static int node_cmp(
        const struct overlay_node *node, const uint8_t key[16], const char *name, size_t len)
{
	int c = memcmp(node->key, key, 16);
	if (c)
		return c;
	c = memcmp(node->name, name, node->name_len < len ? node->name_len : len);
	if (c)
		return c;
	return node->name_len < len ? -1 : node->name_len > len;
}

static struct overlay_node *load(const struct overlay_node *node, unsigned level)
{
	return atomic_load_explicit(&node->next[level], memory_order_acquire);
}

/* The last node < (key, name) on each level. */
static struct overlay_node *before(const struct overlay *overlay, const uint8_t key[16],
        const char *name, size_t len, struct overlay_node **ret_path)
{
	struct overlay_node *node = overlay->head;

	for (unsigned level = OVERLAY_LEVELS; level-- > 0;) {
		struct overlay_node *next;
		while ((next = load(node, level)) && node_cmp(next, key, name, len) < 0)
			node = next;
		if (ret_path)
			ret_path[level] = node;
	}
	return node;
}

struct overlay_node *overlay_seek(
        const struct overlay *overlay, const uint8_t key[16], const char *name, size_t len)
{
	return load(before(overlay, key, name, len, NULL), 0);
}

struct overlay_node *overlay_seek_before(
        const struct overlay *overlay, const uint8_t key[16], const char *name, size_t len)
{
	struct overlay_node *node = before(overlay, key, name, len, NULL);

	return node == overlay->head ? NULL : node;
}

struct overlay_node *overlay_next(const struct overlay_node *node)
{
	return load(node, 0);
}

struct overlay_node *overlay_find(
        const struct overlay *overlay, const uint8_t key[16], const char *name, size_t len)
{
	struct overlay_node *node = overlay_seek(overlay, key, name, len);

	return node && node_cmp(node, key, name, len) == 0 ? node : NULL;
}

static unsigned random_height(struct overlay *overlay)
{
	unsigned height = 1;

	overlay->random ^= overlay->random << 13;
	overlay->random ^= overlay->random >> 7;
	overlay->random ^= overlay->random << 17;
	for (uint64_t r = overlay->random; (r & 3) == 0 && height < OVERLAY_LEVELS; r >>= 2)
		height++;
	return height;
}

struct overlay_node *overlay_add(
        struct overlay *overlay, const uint8_t key[16], const char *name, size_t len)
{
	struct overlay_node *path[OVERLAY_LEVELS];
	struct overlay_node *node = node_new(overlay, random_height(overlay));
	char *copy = overlay_alloc(overlay, len + 1);

	memcpy(copy, name, len);
	memcpy(node->key, key, 16);
	node->name = copy;
	node->name_len = (uint16_t)len;
	before(overlay, key, name, len, path);
	for (unsigned i = 0; i < node->height; i++) {
		atomic_store_explicit(&node->next[i], load(path[i], i), memory_order_relaxed);
		atomic_store_explicit(&path[i]->next[i], node, memory_order_release);
	}
	return node;
}
