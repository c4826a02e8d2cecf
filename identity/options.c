#include "identity/options.h"

#include <string.h>

const struct known_option immutable_options[] = {{"immutable", OPTION_BOOL}, {NULL, 0}};

const struct known_option user_options[] = {
        {"ignore_change_password_upon_first_use", OPTION_BOOL},
        {"ignore_password_expiry", OPTION_BOOL},
        {"ignore_lockout_failure_attempts", OPTION_BOOL},
        {"lock_password", OPTION_BOOL},
        {"ignore_user_inactivity", OPTION_BOOL},
        {"multi_factor_auth_enabled", OPTION_BOOL},
        {"multi_factor_auth_rules", OPTION_LISTS},
        {NULL, 0},
};

static const struct known_option *find(const struct known_option *known, const char *name)
{
	for (; known->name; known++) {
		if (strcmp(known->name, name) == 0)
			return known;
	}
	return NULL;
}

static bool is_list_of_texts(const struct jval *value)
{
	const char *text;

	for (size_t i = 0; i < jread_len(value); i++) {
		if (!jread_str(jread_at(value, i), &text))
			return false;
	}
	return jread_is_array(value);
}

static bool is_right(const struct known_option *o, const struct jval *value)
{
	bool flag;

	if (jread_is_null(value))
		return true;
	if (o->type == OPTION_BOOL)
		return jread_bool(value, &flag);
	for (size_t i = 0; i < jread_len(value); i++) {
		if (!is_list_of_texts(jread_at(value, i)))
			return false;
	}
	return jread_is_array(value);
}

static enum err check(
        struct rest_req *req, const struct known_option *known, const struct jval *given)
{
	const char *name;

	for (size_t i = 0; (name = jread_name(given, i)); i++) {
		const struct known_option *o = find(known, name);
		if (!o)
			return rest_fail(req, ERR_BAD_REQUEST,
			        "Invalid input for field 'options': there is no option '%.64s'.",
			        name);
		if (!is_right(o, jread_get(given, name)))
			return rest_fail(req, ERR_BAD_REQUEST,
			        "Invalid input for field 'options/%s': wants %s or null.", name,
			        o->type == OPTION_BOOL ? "true, false"
			                               : "an array of arrays of strings");
	}
	return ERR_OK;
}

enum err options_merge(struct rest_req *req, const struct known_option *known, const char *old,
        const char *given, const char **ret_options)
{
	AUTO(jroot) struct jroot was = JROOT_NONE, is = JROOT_NONE;
	AUTO(buf) struct buf json = BUF_NONE;
	struct jout out = {.out = &json};

	if ((old && jread_parse(old, strlen(old), &was)) ||
	        (given && jread_parse(given, strlen(given), &is)))
		return ERR_FORMAT;
	enum err err = check(req, known, is.value);
	if (err)
		return err;
	jout_object(&out, NULL);
	for (; known->name; known++) {
		const struct jval *value = jread_get(is.value, known->name);
		if (!value)
			value = jread_get(was.value, known->name);
		if (value && !jread_is_null(value))
			jout_value(&out, known->name, value);
	}
	jout_end_object(&out);
	*ret_options = arena_strdup(req->arena, buf_text(&json));
	return json.err;
}

bool option_is_set(const char *options, const char *name)
{
	AUTO(jroot) struct jroot root = JROOT_NONE;
	bool value = false;

	return options && !jread_parse(options, strlen(options), &root) &&
	       jread_bool(jread_get(root.value, name), &value) && value;
}
