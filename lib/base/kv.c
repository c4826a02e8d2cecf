#include "lib/base/kv.h"

#include <string.h>
#include <strings.h>

#define HEAD 6

void kv_add_len(
        struct buf *block, const char *name, size_t name_len, const char *value, size_t value_len)
{
	if (name_len > UINT16_MAX || value_len > UINT32_MAX) {
		block->err = block->err ? block->err : ERR_TOO_LARGE;
		return;
	}
	buf_le16(block, (uint16_t)name_len);
	buf_le32(block, (uint32_t)value_len);
	buf_add(block, name, name_len);
	buf_char(block, 0);
	buf_add(block, value, value_len);
	buf_char(block, 0);
}

void kv_add(struct buf *block, const char *name, const char *value)
{
	kv_add_len(block, name, strlen(name), value, strlen(value));
}

bool kv_next(const void *block, size_t len, size_t *at, struct kv_pair *ret_pair)
{
	const uint8_t *p = (const uint8_t *)block + *at;
	size_t left = len - *at;

	if (*at > len || left < HEAD)
		return false;
	size_t name_len = (size_t)p[0] | (size_t)p[1] << 8;
	size_t value_len =
	        (size_t)p[2] | (size_t)p[3] << 8 | (size_t)p[4] << 16 | (size_t)p[5] << 24;
	size_t total = HEAD + name_len + 1 + value_len + 1;
	if (left < total || p[HEAD + name_len] != 0 || p[total - 1] != 0)
		return false;
	ret_pair->name = (const char *)p + HEAD;
	ret_pair->name_len = name_len;
	ret_pair->value = (const char *)p + HEAD + name_len + 1;
	ret_pair->value_len = value_len;
	*at += total;
	return true;
}

const char *kv_get(const void *block, size_t len, const char *name)
{
	size_t name_len = strlen(name);
	struct kv_pair pair;

	for (size_t at = 0; kv_next(block, len, &at, &pair);) {
		if (pair.name_len == name_len && strcasecmp(pair.name, name) == 0)
			return pair.value;
	}
	return NULL;
}

bool kv_valid(const void *block, size_t len)
{
	struct kv_pair pair;
	size_t at = 0;

	while (kv_next(block, len, &at, &pair)) {
		if (strlen(pair.name) != pair.name_len || strlen(pair.value) != pair.value_len)
			return false;
	}
	return at == len;
}
