#include "proxy/pages.h"

#include "lib/base/mem.h"
#include <stdlib.h>
#include <string.h>

struct page {
	struct hash_node node;
	struct list lru;
	uint8_t hash[16];
	struct bytes *body; /* owned */
	size_t key_len;
	char key[];
};

/* Everything that decides what the page says, but for the container's content. */
static void key_of(struct buf *key, const struct request *request, const struct listing *l)
{
	const char *texts[] = {request->account, request->container, l->list.marker,
	        l->list.end_marker, l->list.prefix, l->list.delimiter, l->list.path};

	for (unsigned i = 0; i < COUNT_OF(texts); i++) {
		buf_char(key, texts[i] ? '+' : '-');
		if (texts[i])
			buf_add(key, texts[i], strlen(texts[i]) + 1);
	}
	buf_le32(key, l->list.limit);
	buf_char(key, (char)l->list.reverse);
	buf_char(key, (char)l->format);
}

static struct page *find(struct proxy *proxy, const struct buf *key)
{
	uint64_t h = hash_bytes(key->data, key->len, 4);

	for (struct hash_node *n = hash_find(&proxy->pages, h); n; n = hash_find_next(n)) {
		struct page *page = CONTAINER_OF(n, struct page, node);
		if (page->key_len == key->len && memcmp(page->key, key->data, key->len) == 0)
			return page;
	}
	return NULL;
}

static void drop(struct proxy *proxy, struct page *page)
{
	hash_remove(&proxy->pages, &page->node);
	list_remove(&page->lru);
	proxy->page_bytes -= page->body->cap + page->key_len;
	bytes_unref(page->body);
	free(page);
}

void pages_forget_all(struct proxy *proxy)
{
	while (!list_empty(&proxy->page_lru))
		drop(proxy, LIST_ENTRY(proxy->page_lru.next, struct page, lru));
}

static void keep(
        struct proxy *proxy, const struct buf *key, const uint8_t hash[16], struct bytes *body)
{
	struct page *old = find(proxy, key);

	if (old)
		drop(proxy, old);
	if (body->cap > proxy->page_bytes_max / 4)
		return;
	struct page *page = mem_zalloc(sizeof(*page) + key->len);
	memcpy(page->hash, hash, 16);
	page->body = bytes_ref(body);
	page->key_len = key->len;
	memcpy(page->key, key->data, key->len);
	hash_insert(&proxy->pages, &page->node, hash_bytes(key->data, key->len, 4));
	list_prepend(&proxy->page_lru, &page->lru);
	proxy->page_bytes += body->cap + key->len;
	while (proxy->page_bytes > proxy->page_bytes_max)
		drop(proxy, LIST_ENTRY(proxy->page_lru.prev, struct page, lru));
}

bool pages_read(struct db_read *read, struct request *request, const struct listing *listing)
{
	if (!read->started && listing) {
		AUTO(buf) struct buf key = BUF_NONE;
		key_of(&key, request, listing);
		const struct page *page = find(request->proxy, &key);
		if (page)
			read->known =
			        memcpy(arena_alloc(request_arena(request), 16), page->hash, 16);
	}
	if (!db_read(read, request, listing))
		return false;
	if (read->known && !read->err) {
		AUTO(buf) struct buf key = BUF_NONE;
		key_of(&key, request, listing);
		const struct page *page = find(request->proxy, &key);
		if (!page || memcmp(page->hash, read->known, 16) != 0) {
			/* Thrown out while its hash was checked: read again. */
			db_read_done(read);
			*read = (struct db_read){0};
			return db_read(read, request, listing);
		}
	}
	return true;
}

struct bytes *pages_render(struct proxy *proxy, struct request *request,
        const struct listing *listing, const struct db_read *read)
{
	AUTO(buf) struct buf key = BUF_NONE;
	AUTO(buf) struct buf out = BUF_NONE;

	key_of(&key, request, listing);
	struct page *page = read->known ? find(proxy, &key) : NULL;
	if (page) { /* of the known hash, as pages_read saw */
		list_remove(&page->lru);
		list_prepend(&proxy->page_lru, &page->lru);
		return bytes_ref(page->body);
	}
	listing_render(&out, listing->format, proxy->cluster, request->account, request->container,
	        read->rows);
	if (!out.len)
		return NULL;
	struct bytes *body = bytes_copy(out.data, out.len);
	if (body && read->exact)
		keep(proxy, &key, read->reply->hash, body);
	return body;
}
