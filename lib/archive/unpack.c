#include "lib/archive/unpack.h"

#include "lib/base/kv.h"
#include "lib/base/mem.h"
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <locale.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define IN_MAX    (1u << 20) /* bytes that wait to be read, of the archive */
#define OUT_MAX   (2u << 20) /* bytes that wait to be taken, of its files */
#define ITEMS_MAX 256        /* files that wait */
#define META_MAX  100        /* attributes of one file */

struct piece {
	struct piece *next;
	struct bytes *bytes; /* owned */
};

struct unpack {
	struct reactor *reactor; /* borrowed, as is the owner */
	void (*ready)(void *owner);
	void *owner;
	enum unpack_kind kind;
	uint64_t size_max;
	struct task task;
	pthread_mutex_t lock;
	pthread_cond_t more;
	/* Under the lock: */
	unsigned refs; /* the owner's, the thread's, the task's while it is posted */
	bool stopped, in_ended, posted, full;
	struct piece *in, **in_last;
	size_t in_bytes, out_bytes;
	unsigned items;
	struct unpack_item *out, **out_last;
	/* The thread's: */
	struct bytes *reading; /* owned: what the library looks at */
	uint64_t came, made;
	const char *fault;
};

static atomic_uint running;

void unpack_item_free(struct unpack_item *i)
{
	if (!i)
		return;
	free(i->path);
	free(i->mime_type);
	free(i->text);
	buf_done(&i->meta);
	bytes_unref(i->data);
	free(i);
}

/* --- between the two threads --- */

static void unref(struct unpack *u)
{
	pthread_mutex_lock(&u->lock);
	bool last = --u->refs == 0;
	pthread_mutex_unlock(&u->lock);
	if (!last)
		return;
	for (struct piece *p = u->in, *next; p; p = next) {
		next = p->next;
		bytes_unref(p->bytes);
		free(p);
	}
	for (struct unpack_item *i = u->out, *next; i; i = next) {
		next = i->next;
		unpack_item_free(i);
	}
	bytes_unref(u->reading);
	pthread_cond_destroy(&u->more);
	pthread_mutex_destroy(&u->lock);
	free(u);
}

static void on_task(struct task *task)
{
	struct unpack *u = CONTAINER_OF(task, struct unpack, task);

	pthread_mutex_lock(&u->lock);
	u->posted = false;
	bool tells = !u->stopped;
	pthread_mutex_unlock(&u->lock);
	if (tells)
		u->ready(u->owner);
	unref(u);
}

/* Under the lock. */
static void tell(struct unpack *u)
{
	if (u->posted || u->stopped)
		return;
	u->posted = true;
	u->refs++;
	u->task.run = on_task;
	reactor_post(u->reactor, &u->task);
}

/* Hands an item over, when there is room for it. False: nobody wants it. */
static bool give(struct unpack *u, struct unpack_item *item)
{
	pthread_mutex_lock(&u->lock);
	while (!u->stopped && (u->out_bytes >= OUT_MAX || u->items >= ITEMS_MAX))
		pthread_cond_wait(&u->more, &u->lock);
	bool stopped = u->stopped;
	if (!stopped) {
		*u->out_last = item;
		u->out_last = &item->next;
		u->items++;
		u->out_bytes += item->data ? item->data->len : 0;
		tell(u);
	}
	pthread_mutex_unlock(&u->lock);
	if (stopped)
		unpack_item_free(item);
	return !stopped;
}

struct unpack_item *unpack_take(struct unpack *u)
{
	pthread_mutex_lock(&u->lock);
	struct unpack_item *item = u->out;
	if (item) {
		u->out = item->next;
		if (!u->out)
			u->out_last = &u->out;
		u->items--;
		u->out_bytes -= item->data ? item->data->len : 0;
		item->next = NULL;
		pthread_cond_signal(&u->more);
	}
	pthread_mutex_unlock(&u->lock);
	return item;
}

bool unpack_has_room(struct unpack *u)
{
	pthread_mutex_lock(&u->lock);
	u->full = u->in_bytes >= IN_MAX;
	bool room = !u->full;
	pthread_mutex_unlock(&u->lock);
	return room;
}

void unpack_feed(struct unpack *u, struct bytes *piece)
{
	struct piece *p = mem_zalloc(sizeof(*p));

	p->bytes = piece;
	pthread_mutex_lock(&u->lock);
	*u->in_last = p;
	u->in_last = &p->next;
	u->in_bytes += piece->len;
	pthread_cond_signal(&u->more);
	pthread_mutex_unlock(&u->lock);
}

void unpack_feed_end(struct unpack *u)
{
	pthread_mutex_lock(&u->lock);
	u->in_ended = true;
	pthread_cond_signal(&u->more);
	pthread_mutex_unlock(&u->lock);
}

void unpack_free(struct unpack *u)
{
	if (!u)
		return;
	pthread_mutex_lock(&u->lock);
	u->stopped = true;
	pthread_cond_signal(&u->more);
	pthread_mutex_unlock(&u->lock);
	unref(u);
}

/* --- the thread --- */

/* Waits for a piece; NULL at the end, or when nobody wants to know any more. */
static struct bytes *next_piece(struct unpack *u)
{
	struct bytes *bytes = NULL;

	pthread_mutex_lock(&u->lock);
	while (!u->in && !u->in_ended && !u->stopped)
		pthread_cond_wait(&u->more, &u->lock);
	struct piece *p = u->stopped ? NULL : u->in;
	if (p) {
		u->in = p->next;
		if (!u->in)
			u->in_last = &u->in;
		u->in_bytes -= p->bytes->len;
		bytes = p->bytes;
		if (u->full && u->in_bytes < IN_MAX)
			tell(u);
	}
	pthread_mutex_unlock(&u->lock);
	free(p);
	return bytes;
}

/* Is it what it is said to be, by its first bytes? The library would take anything. */
static const char *first_fault(enum unpack_kind kind, const uint8_t *data, size_t len)
{
	if (kind == UNPACK_TAR_GZ && (len < 2 || data[0] != 0x1f || data[1] != 0x8b))
		return "not a gzip file";
	if (kind == UNPACK_TAR_BZ2 && (len < 3 || memcmp(data, "BZh", 3) != 0))
		return "not a bzip2 file";
	return NULL;
}

static la_ssize_t on_read(struct archive *a, void *owner, const void **ret_data)
{
	struct unpack *u = owner;

	bytes_unref(u->reading);
	u->reading = next_piece(u);
	if (!u->reading && u->came == 0)
		u->fault = "empty file";
	if (u->reading && u->came == 0)
		u->fault = first_fault(u->kind, u->reading->data, u->reading->len);
	if (u->fault) {
		archive_set_error(a, EILSEQ, "%s", u->fault);
		return -1;
	}
	if (!u->reading)
		return 0;
	u->came += u->reading->len;
	*ret_data = u->reading->data;
	return (la_ssize_t)u->reading->len;
}

static bool is_plain(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
			return false;
	}
	return true;
}

/* May it be the end of a header's name? */
static bool is_name(const char *text)
{
	for (const char *p = text; *p; p++) {
		if (*p <= ' ' || *p > '~' || *p == ':')
			return false;
	}
	return *text;
}

static void take_attributes(struct archive_entry *entry, struct unpack_item *item)
{
	static const char prefix[] = "user.meta.";
	const char *name;
	const void *value;
	size_t len;

	archive_entry_xattr_reset(entry);
	for (unsigned i = 0; i < META_MAX; i++) {
		if (archive_entry_xattr_next(entry, &name, &value, &len) != ARCHIVE_OK)
			return;
		if (!name || !is_plain(value, len))
			continue;
		if (strcmp(name, "user.mime_type") == 0) {
			free(item->mime_type);
			item->mime_type = mem_strndup(value, len);
		} else if (strncmp(name, prefix, strlen(prefix)) == 0 &&
		           is_name(name + strlen(prefix))) {
			kv_add_len(&item->meta, name + strlen(prefix),
			        strlen(name + strlen(prefix)), value, len);
		}
	}
}

/* Up to a piece of the file's data; NULL: it cannot be read. */
static struct bytes *read_piece(struct unpack *u, struct archive *a, uint64_t left)
{
	size_t want = left < UNPACK_PIECE ? (size_t)left : UNPACK_PIECE;
	struct bytes *piece = bytes_new(want);

	if (!piece)
		return NULL;
	while (piece->len < want) {
		la_ssize_t n = archive_read_data(a, piece->data + piece->len, want - piece->len);
		if (n == ARCHIVE_RETRY)
			continue;
		if (n <= 0) {
			u->fault = n == 0 ? "unexpected end of data" : NULL;
			bytes_unref(piece);
			return NULL;
		}
		piece->len += (size_t)n;
	}
	return piece;
}

static bool too_much(struct unpack *u, uint64_t more)
{
	u->made += more;
	if (u->made <= UNPACK_FREE || u->made / UNPACK_RATIO <= u->came)
		return false;
	u->fault = "it expands too much";
	return true;
}

/* False: it ends here, for good or bad. */
static bool give_file(struct unpack *u, struct archive *a, struct archive_entry *entry)
{
	const char *path = archive_entry_pathname(entry);
	struct unpack_item *item = mem_zalloc(sizeof(*item));
	uint64_t left = archive_entry_size_is_set(entry) && archive_entry_size(entry) > 0
	                        ? (uint64_t)archive_entry_size(entry)
	                        : 0;

	if (!path)
		path = archive_entry_pathname_utf8(entry);
	item->what = UNPACK_FILE;
	item->path = mem_strdup(path ? path : "");
	item->size = left;
	take_attributes(entry, item);
	if (left > u->size_max)
		left = 0; /* told, and not brought */
	for (;;) {
		if (left && too_much(u, left < UNPACK_PIECE ? left : UNPACK_PIECE)) {
			unpack_item_free(item);
			return false;
		}
		if (left && !(item->data = read_piece(u, a, left))) {
			unpack_item_free(item);
			return false;
		}
		left -= item->data ? item->data->len : 0;
		item->last = left == 0;
		if (!give(u, item))
			return false;
		if (!left)
			return true;
		item = mem_zalloc(sizeof(*item));
		item->what = UNPACK_DATA;
	}
}

/* NULL at its good end, else why it cannot be read on. */
static const char *walk(struct unpack *u, struct archive *a)
{
	struct archive_entry *entry;

	for (;;) {
		int result = archive_read_next_header(a, &entry);
		if (result == ARCHIVE_EOF)
			return NULL;
		if (result == ARCHIVE_RETRY)
			continue;
		if (result < ARCHIVE_WARN)
			break;
		if (too_much(u, 512))
			break;
		if (archive_entry_filetype(entry) == AE_IFREG && !archive_entry_hardlink(entry) &&
		        !give_file(u, a, entry))
			break;
	}
	const char *text = u->fault ? u->fault : archive_error_string(a);
	return text ? text : "it cannot be read";
}

static struct archive *open_archive(struct unpack *u)
{
	struct archive *a = archive_read_new();

	if (!a)
		return NULL;
	archive_read_support_format_tar(a);
	if (u->kind == UNPACK_TAR_GZ)
		archive_read_support_filter_gzip(a);
	if (u->kind == UNPACK_TAR_BZ2)
		archive_read_support_filter_bzip2(a);
	return a;
}

static void *run(void *arg)
{
	struct unpack *u = arg;
	/* Names are UTF-8, whatever the process speaks. */
	locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0), before = (locale_t)0;
	struct unpack_item *item = mem_zalloc(sizeof(*item));
	const char *fault = "out of memory";

	if (utf8)
		before = uselocale(utf8);
	struct archive *a = open_archive(u);
	if (a && archive_read_open2(a, u, NULL, on_read, NULL, NULL) != ARCHIVE_OK)
		fault = u->fault ? u->fault : archive_error_string(a);
	else if (a)
		fault = walk(u, a);
	item->what = fault ? UNPACK_FAULT : UNPACK_END;
	item->text = fault ? mem_strdup(fault) : NULL;
	archive_read_free(a);
	give(u, item);
	unref(u);
	if (utf8) {
		uselocale(before);
		freelocale(utf8);
	}
	bytes_cache_drop();
	atomic_fetch_sub(&running, 1);
	return NULL;
}

enum err unpack_new(enum unpack_kind kind, uint64_t size_max, struct reactor *reactor,
        void (*ready)(void *owner), void *owner, struct unpack **ret_unpack)
{
	pthread_attr_t attr;
	pthread_t thread;

	if (atomic_fetch_add(&running, 1) >= UNPACK_MAX) {
		atomic_fetch_sub(&running, 1);
		return ERR_BUSY;
	}
	struct unpack *u = mem_zalloc(sizeof(*u));
	*u = (struct unpack){.reactor = reactor,
	        .ready = ready,
	        .owner = owner,
	        .kind = kind,
	        .size_max = size_max,
	        .refs = 2};
	u->in_last = &u->in;
	u->out_last = &u->out;
	pthread_mutex_init(&u->lock, NULL);
	pthread_cond_init(&u->more, NULL);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	int failed = pthread_create(&thread, &attr, run, u);
	pthread_attr_destroy(&attr);
	if (failed) {
		atomic_fetch_sub(&running, 1);
		unref(u);
		unref(u);
		return ERR_BUSY;
	}
	*ret_unpack = u;
	return ERR_OK;
}
