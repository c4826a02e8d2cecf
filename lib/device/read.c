/* Records and pieces: from the cache, or from the disk with every CRC checked. */
#include "lib/device/device_internal.h"

#include <string.h>

static struct cache_key key_of(struct device *device, uint32_t unit, uint32_t off)
{
	return (struct cache_key){device->options.id, unit, device->units[unit].nonce, off};
}

static bool from_cache(struct device *device, uint32_t unit, uint32_t off, struct device_read *read)
{
	struct cache_key key = key_of(device, unit, off);
	struct cache_item item;

	if (!device->cache || !cache_get(device->cache, &key, &item))
		return false;
	read->bytes = bytes_ref(item.bytes);
	read->at = item.at;
	read->len = item.len;
	return true;
}

static void keep(struct device *device, uint32_t unit, uint32_t off, const struct device_read *read)
{
	struct cache_key key = key_of(device, unit, off);
	struct cache_item item = {read->bytes, read->at, read->len};

	if (device->cache)
		cache_put(device->cache, &key, &item);
}

void device_read_done(struct device_read *read)
{
	bytes_unref(read->bytes);
	read->bytes = NULL;
	object_drop_extents(read->device, TAKE(read->held));
}

static void fail(struct device_read *read, enum err err)
{
	struct device *device = read->device;

	bytes_unref(read->buffer);
	read->buffer = NULL;
	object_drop_extents(device, TAKE(read->held));
	object_mark_corrupt(device, read->policy, read->key, read->where);
	read->done(read, err);
}

/* A buffer for [off, off + len) of the unit in whole blocks; false when memory is out. */
static bool start(struct device_read *read, uint32_t off, uint32_t len,
        void (*done)(struct disk_io *io, enum err err))
{
	uint32_t from = off / DISK_BLOCK * DISK_BLOCK;
	uint32_t size = format_up(off - from + len, DISK_BLOCK);

	read->buffer = bytes_new(size);
	read->io.done = done;
	if (!read->buffer)
		return false;
	read->buffer->len = size;
	read->at = off - from;
	read->len = len;
	read->device->flying++;
	disk_read(read->device->disk, &read->io, read->buffer->data, size,
	        unit_at(read->device, read->unit) + from);
	return true;
}

static void on_no_memory(struct task *task)
{
	struct device_read *read = CONTAINER_OF(task, struct device_read, task);

	unit_release(read->device, read->unit, read->claimed);
	object_drop_extents(read->device, TAKE(read->held));
	read->done(read, ERR_NO_MEMORY);
}

static void later(struct device_read *read)
{
	read->task.run = on_no_memory;
	reactor_post(read->device->reactor, &read->task);
}

static void on_record(struct disk_io *io, enum err err)
{
	struct device_read *read = CONTAINER_OF(io, struct device_read, io);
	struct device *device = read->device;
	uint32_t unit = read->unit;

	device->flying--;
	if (!err) {
		const struct format_record *record = (const void *)(read->buffer->data + read->at);
		if (!format_record_ok(record, read->len, device->units[unit].nonce) ||
		        (record->type != RECORD_OBJECT && record->type != RECORD_TOMBSTONE) ||
		        memcmp(format_object(record)->key, read->key, 16) != 0 ||
		        record->policy != read->policy || !format_data_ok(record))
			err = ERR_CORRUPT;
	}
	if (!err) {
		read->bytes = TAKE(read->buffer);
		if (!read->fresh)
			keep(device, unit, at_off(read->where), read);
	}
	unit_release(device, unit, read->claimed);
	if (err)
		fail(read, err);
	else
		read->done(read, ERR_OK);
}

bool device_read_version(struct device *device, uint8_t policy, const uint8_t key[16],
        const struct device_version *version, struct device_read *read)
{
	uint64_t at = version->at;

	read->device = device;
	read->where = at;
	read->unit = at_unit(at);
	read->policy = policy;
	memcpy(read->key, key, 16);
	read->held = object_hold_extents(device, at);
	if (!read->fresh && from_cache(device, read->unit, at_off(at), read))
		return true;
	read->claimed = at_len(at);
	unit_claim(device, read->unit, read->claimed);
	if (!start(read, at_off(at), at_len(at), on_record))
		later(read);
	return false;
}

/* The newest version, if that is where the piece belongs; a reader may hold an older one. */
static uint64_t owner_of(struct device *device, const struct device_read *read)
{
	struct device_version version;

	if (device_find(device, read->policy, read->key, &version) || !version.extents)
		return 0;
	const struct extent_list *list = object_extents(device, version.at);
	for (uint32_t i = 0; i < list->count; i++) {
		if (memcmp(&list->extents[i], &read->extent, sizeof(read->extent)) == 0)
			return version.at;
	}
	return 0;
}

static void on_piece(struct disk_io *io, enum err err)
{
	struct device_read *read = CONTAINER_OF(io, struct device_read, io);
	struct device *device = read->device;
	const struct device_extent *extent = &read->extent;

	device->flying--;
	if (!err && !format_piece_ok((const void *)read->buffer->data, extent,
	                    read->buffer->data + DISK_BLOCK))
		err = ERR_CORRUPT;
	if (!err) {
		read->bytes = TAKE(read->buffer);
		read->at = DISK_BLOCK;
		read->len = extent->len;
		if (!read->fresh)
			keep(device, extent->unit, extent->block * DISK_BLOCK, read);
	}
	read->where = err ? owner_of(device, read) : 0;
	unit_release(device, extent->unit, read->claimed);
	if (err)
		fail(read, err);
	else
		read->done(read, ERR_OK);
}

bool device_read_extent(struct device *device, uint8_t policy, const uint8_t key[16],
        const struct device_extent *extent, struct device_read *read)
{
	read->device = device;
	read->extent = *extent;
	read->unit = extent->unit;
	read->policy = policy;
	memcpy(read->key, key, 16);
	if (!read->fresh && from_cache(device, extent->unit, extent->block * DISK_BLOCK, read))
		return true;
	read->claimed = format_piece_space(extent->len);
	unit_claim(device, read->unit, read->claimed);
	if (!start(read, extent->block * DISK_BLOCK, read->claimed, on_piece))
		later(read);
	return false;
}

/* --- what a record says --- */

void device_record(const struct device_read *read, struct device_record *ret)
{
	const struct format_record *record = (const void *)(read->bytes->data + read->at);
	const struct format_object *object = format_object(record);
	const char *account = (const char *)(object + 1);

	*ret = (struct device_record){
	        .ts = object->ts,
	        .meta_ts = format_newest(object->ts, object->meta_ts),
	        .size = object->size,
	        .deleted = record->type == RECORD_TOMBSTONE,
	        .policy = record->policy,
	        .account = account,
	        .container = account + object->account_len + 1,
	        .object = account + object->account_len + object->container_len + 2,
	        .headers = format_headers(record),
	        .headers_len = object->headers_len,
	        .data = format_data(record),
	        .data_len = record->data_len,
	        .extents = format_extents(record),
	        .extent_count = object->extent_count,
	        .updates = format_updates(record),
	        .updates_len = object->updates_len,
	        .update_count = object->update_count,
	};
	memcpy(ret->key, object->key, 16);
	memcpy(ret->etag, object->etag, 16);
}

bool device_record_update(
        const struct device_record *record, size_t *at, struct backend_update *ret)
{
	struct format_update u;

	if (*at >= record->updates_len)
		return false;
	memcpy(&u, record->updates + *at, sizeof(u));
	const char *account = (const char *)record->updates + *at + sizeof(u);
	const char *container = account + u.account_len + 1;
	const char *name = container + u.container_len + 1;
	const char *type = name + u.name_len + 1;
	const char *etag = type + u.type_len + 1;
	*ret = (struct backend_update){
	        .account = account,
	        .container = container,
	        .row =
	                {
	                        .name = name,
	                        .content_type = type,
	                        .etag = etag,
	                        .ts = u.ts,
	                        .bytes = u.bytes,
	                        .count = u.count,
	                        .totals_ts = u.totals_ts,
	                        .meta_ts = u.meta_ts,
	                        .policy = u.policy,
	                        .deleted = u.flags & 1,
	                },
	};
	*at = (size_t)(etag + u.etag_len + 1 - (const char *)record->updates);
	return true;
}
