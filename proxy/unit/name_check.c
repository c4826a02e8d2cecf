/* name_check: paths with characters or parts that are not wanted, or that are too long. */
#include "proxy/unit/name_check.h"
#include "proxy/pipeline.h"

#include "lib/base/mem.h"
#include <regex.h>
#include <stdlib.h>
#include <string.h>

struct name_check {
	const char *characters, *pattern; /* borrowed from the configuration */
	uint64_t length_max;
	bool has_regex;
	regex_t regex;
};

enum err name_check_new(const struct unit_options *options, struct name_check **ret_check)
{
	struct name_check *check = mem_zalloc(sizeof(*check));

	check->characters = options->name_check_characters;
	check->length_max = options->name_check_length;
	check->pattern = options->name_check_pattern;
	check->has_regex = *check->pattern;
	if (check->has_regex &&
	        regcomp(&check->regex, check->pattern, REG_EXTENDED | REG_NOSUB) != 0) {
		free(check);
		return ERR_CONFIG;
	}
	*ret_check = check;
	return ERR_OK;
}

static const char *fault(struct request *request, const struct name_check *check)
{
	struct arena *arena = request_arena(request);
	size_t len;
	const char *path = url_unquote(arena, request->path, strlen(request->path), &len);

	if (strpbrk(path, check->characters))
		return arena_printf(arena,
		        "Object/Container/Account name contains forbidden chars from %s",
		        check->characters);
	if (len > check->length_max)
		return arena_printf(arena,
		        "Object/Container/Account name longer than the allowed maximum %llu",
		        (unsigned long long)check->length_max);
	if (check->has_regex && regexec(&check->regex, path, 0, NULL, 0) == 0)
		return arena_printf(arena,
		        "Object/Container/Account name contains a forbidden substring from regular "
		        "expression %s",
		        check->pattern);
	return NULL;
}

static enum step enter(struct request *request)
{
	const struct name_check *check = request_cluster(request)->name_check;
	const char *text = check && !request->parent ? fault(request, check) : NULL;

	return text ? request_fail_html(request, 400, text) : STEP_NEXT;
}

static void json_string(struct buf *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			buf_char(out, '\\');
		buf_char(out, *text);
	}
}

static bool tell(const struct cluster *cluster, struct buf *out)
{
	const struct name_check *check = cluster->name_check;

	if (!check)
		return false;
	buf_str(out, "\"forbidden_chars\": \"");
	json_string(out, check->characters);
	buf_printf(out, "\", \"maximum_length\": %llu, \"forbidden_regexp\": \"",
	        (unsigned long long)check->length_max);
	json_string(out, check->pattern);
	buf_char(out, '"');
	return true;
}

const struct unit unit_name_check = {.name = "name_check", .enter = enter, .info = tell};
