#include "lib/json/jread.h"

#include <jansson.h>

static const json_t *json(const struct jval *value)
{
	return (const json_t *)(const void *)value;
}

static struct jval *jval(json_t *value)
{
	return (struct jval *)(void *)value;
}

enum err jread_parse(const void *text, size_t len, struct jroot *ret_root)
{
	json_error_t error;
	json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);

	if (!root)
		return ERR_FORMAT;
	ret_root->value = jval(root);
	return ERR_OK;
}

void jread_done(struct jroot *root)
{
	json_decref((json_t *)(void *)root->value);
	root->value = NULL;
}

const struct jval *jread_get(const struct jval *object, const char *name)
{
	return jval(json_object_get(json(object), name));
}

size_t jread_len(const struct jval *array)
{
	return json_array_size(json(array));
}

const struct jval *jread_at(const struct jval *array, size_t index)
{
	return jval(json_array_get(json(array), index));
}

bool jread_is_array(const struct jval *value)
{
	return json_is_array(json(value));
}

bool jread_is_object(const struct jval *value)
{
	return json_is_object(json(value));
}

bool jread_is_null(const struct jval *value)
{
	return json_is_null(json(value));
}

bool jread_u64(const struct jval *value, uint64_t max, uint64_t *ret_number)
{
	uint64_t number;

	if (json_is_integer(json(value))) {
		json_int_t integer = json_integer_value(json(value));
		if (integer < 0)
			return false;
		number = (uint64_t)integer;
	} else if (json_is_real(json(value))) {
		double real = json_real_value(json(value));
		if (!(real >= 0 && real < 9007199254740992.0) || real != (double)(uint64_t)real)
			return false;
		number = (uint64_t)real;
	} else {
		return false;
	}
	if (number > max)
		return false;
	*ret_number = number;
	return true;
}

bool jread_f64(const struct jval *value, double *ret_number)
{
	if (!json_is_number(json(value)))
		return false;
	*ret_number = json_number_value(json(value));
	return true;
}

bool jread_str(const struct jval *value, const char **ret_text)
{
	if (!json_is_string(json(value)))
		return false;
	*ret_text = json_string_value(json(value));
	return true;
}

const char *jread_name(const struct jval *object, size_t n)
{
	json_t *members = (json_t *)(void *)(uintptr_t)json(object);
	void *at = json_object_iter(members);

	for (; at && n > 0; n--)
		at = json_object_iter_next(members, at);
	return at ? json_object_iter_key(at) : NULL;
}

bool jread_bool(const struct jval *value, bool *ret_value)
{
	if (!json_is_boolean(json(value)))
		return false;
	*ret_value = json_is_true(json(value));
	return true;
}

static int add_text(const char *text, size_t len, void *out)
{
	buf_add(out, text, len);
	return 0;
}

void jread_print(const struct jval *value, struct buf *out)
{
	json_dump_callback(json(value), add_text, out,
	        JSON_COMPACT | JSON_ENCODE_ANY | JSON_ENSURE_ASCII | JSON_PRESERVE_ORDER);
}

bool jread_int(const struct jval *value, int64_t *ret_number)
{
	if (!json_is_integer(json(value)))
		return false;
	*ret_number = json_integer_value(json(value));
	return true;
}
