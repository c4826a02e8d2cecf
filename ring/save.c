#include "lib/base/mem.h"
#include "lib/json/jout.h"
#include "ring/ring_internal.h"
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

/* The same ring gives the same bytes: Swift stamps all its rings with this time. */
#define GZIP_TIME 1300507380

static void dev_out(struct buf *json, const struct ring_dev *dev)
{
	buf_str(json, "{\"device\": ");
	jout_ascii(json, dev->device);
	buf_printf(json, ", \"id\": %u, \"ip\": ", dev->id);
	jout_ascii(json, dev->ip);
	buf_str(json, ", \"meta\": ");
	jout_ascii(json, dev->meta);
	buf_printf(json, ", \"port\": %u, \"region\": %u, \"replication_ip\": ", dev->port,
	        dev->region);
	jout_ascii(json, dev->replication_ip);
	buf_printf(json, ", \"replication_port\": %u, \"weight\": ", dev->replication_port);
	jout_f64(json, dev->weight);
	buf_printf(json, ", \"zone\": %u}", dev->zone);
}

static void head_out(struct buf *json, const struct ring *ring)
{
	buf_printf(json, "{\"byteorder\": \"%s\", \"devs\": [",
	        __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? "big" : "little");
	for (uint32_t id = 0; id < ring->dev_limit; id++) {
		if (id)
			buf_str(json, ", ");
		if (ring_dev_exists(&ring->devs[id]))
			dev_out(json, &ring->devs[id]);
		else
			buf_str(json, "null");
	}
	buf_str(json, "]");
	if (ring->next_part_power)
		buf_printf(json, ", \"next_part_power\": %u", ring->next_part_power);
	buf_printf(json, ", \"part_shift\": %u, \"replica_count\": %u, \"version\": %llu}",
	        32 - ring->part_power, ring->rows, (unsigned long long)ring->version);
}

static enum err deflate_add(
        z_stream *stream, const void *data, size_t len, int flush, struct buf *file)
{
	const uint8_t *at = data;
	int r = Z_OK;

	do {
		uInt piece = (uInt)(len < (1u << 30) ? len : 1u << 30);
		stream->next_in = (Bytef *)(uintptr_t)at;
		stream->avail_in = piece;
		at += piece;
		len -= piece;
		do {
			char *to = buf_reserve(file, 65536);
			if (!to)
				return file->err;
			stream->next_out = (Bytef *)to;
			stream->avail_out = 65536;
			r = deflate(stream, len ? Z_NO_FLUSH : flush);
			file->len += 65536 - stream->avail_out;
		} while (stream->avail_out == 0);
	} while (len > 0);
	return r == Z_STREAM_ERROR ? ERR_INTERNAL : ERR_OK;
}

/* The rows as 2-byte entries in our byte order, which the head names. */
static enum err table_add(z_stream *stream, const struct ring *ring, struct buf *file)
{
	for (unsigned row = 0; row < ring->rows; row++) {
		uint64_t parts = ring_row_parts(ring, row);
		uint16_t piece[8192];
		size_t count = 0;

		for (uint64_t part = 0; part < parts; part++) {
			uint32_t id = ring_entry(ring, row, part);
			if (id >= UINT16_MAX)
				return ERR_UNSUPPORTED;
			piece[count++] = (uint16_t)id;
			if (count < COUNT_OF(piece) && part + 1 < parts)
				continue;
			enum err err = deflate_add(
			        stream, piece, count * sizeof(piece[0]), Z_NO_FLUSH, file);
			if (err)
				return err;
			count = 0;
		}
	}
	return ERR_OK;
}

enum err ring_format(const struct ring *ring, struct buf *file)
{
	AUTO(buf) struct buf json = BUF_NONE;
	gz_header header = {.time = GZIP_TIME, .os = 255};
	z_stream stream = {0};
	uint8_t head[10] = {'R', '1', 'N', 'G', 0, 1};
	enum err err;

	head_out(&json, ring);
	if (json.err)
		return json.err;
	for (int i = 0; i < 4; i++)
		head[6 + i] = (uint8_t)(json.len >> (8 * (3 - i)));
	if (deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY) != Z_OK)
		return ERR_NO_MEMORY;
	deflateSetHeader(&stream, &header);
	if (!(err = deflate_add(&stream, head, sizeof(head), Z_NO_FLUSH, file)) &&
	        !(err = deflate_add(&stream, json.data, json.len, Z_NO_FLUSH, file)) &&
	        !(err = table_add(&stream, ring, file)))
		err = deflate_add(&stream, "", 0, Z_FINISH, file);
	deflateEnd(&stream);
	return err;
}

enum err ring_save(const struct ring *ring, const char *path)
{
	AUTO(buf) struct buf file = BUF_NONE;
	enum err err = ring_format(ring, &file);

	return err ? err : ring_file_replace(path, &file);
}

static enum err write_all(int fd, const struct buf *data)
{
	for (size_t done = 0; done < data->len;) {
		ssize_t n = write(fd, data->data + done, data->len - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_from_errno(errno);
		done += (size_t)n;
	}
	return fchmod(fd, 0644) || fsync(fd) ? err_from_errno(errno) : ERR_OK;
}

static enum err sync_folder_of(const char *path)
{
	char *copy = mem_strdup(path);
	int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	enum err err = fd < 0 || fsync(fd) ? err_from_errno(errno) : ERR_OK;

	if (fd >= 0)
		close(fd);
	free(copy);
	return err;
}

enum err ring_file_replace(const char *path, const struct buf *data)
{
	AUTO(buf) struct buf name = BUF_NONE;

	buf_printf(&name, "%s.XXXXXX", path);
	int fd = mkostemp(name.data, O_CLOEXEC);
	if (fd < 0)
		return err_from_errno(errno);
	enum err err = write_all(fd, data);
	close(fd);
	if (!err && rename(name.data, path))
		err = err_from_errno(errno);
	if (err) {
		unlink(name.data);
		return err;
	}
	return sync_folder_of(path);
}
