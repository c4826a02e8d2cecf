#include "migrate/migrate.h"

#include "lib/base/mem.h"
#include "lib/http/url.h"
#include "lib/json/jread.h"
#include <stdlib.h>
#include <string.h>

void names_init(struct names *names, struct talk *talk, struct side *side, const char *account,
        const char *container)
{
	*names = (struct names){
	        .talk = talk, .side = side, .account = account, .container = container};
	arena_init(&names->arena);
	names->marker = mem_strdup("");
}

void names_done(struct names *names)
{
	arena_done(&names->arena);
	free(names->marker);
	names->marker = NULL;
}

static const char *text_of(struct arena *arena, const struct jval *row, const char *name)
{
	const char *text = "";

	jread_str(jread_get(row, name), &text);
	return arena_strdup(arena, text);
}

static bool parse_entry(struct arena *arena, const struct jval *row, struct entry *e)
{
	const char *date = "";

	e->name = text_of(arena, row, "name");
	e->hash = text_of(arena, row, "hash");
	e->content_type = text_of(arena, row, "content_type");
	e->large = jread_get(row, "slo_etag") != NULL;
	e->symlink = jread_get(row, "symlink_path") != NULL;
	jread_u64(jread_get(row, "count"), UINT64_MAX, &e->count);
	jread_str(jread_get(row, "last_modified"), &date);
	iso_date_parse(date, &e->ts); /* of containers old servers tell none */
	return *e->name && jread_u64(jread_get(row, "bytes"), UINT64_MAX, &e->bytes);
}

enum err names_parse(struct names *names, const void *text, size_t len)
{
	AUTO(jroot) struct jroot root = JROOT_NONE;

	arena_done(&names->arena);
	arena_init(&names->arena);
	names->count = names->at = 0;
	if (!len)
		return ERR_OK;
	if (jread_parse(text, len, &root) || !jread_is_array(root.value))
		return ERR_FORMAT;
	size_t count = jread_len(root.value);
	names->page = arena_zalloc(&names->arena, (count + 1) * sizeof(*names->page));
	for (size_t i = 0; i < count; i++) {
		struct entry *e = &names->page[i];
		const char *before = i ? e[-1].name : names->marker;
		/* In order, or two listings cannot be compared, and this one may never end. */
		if (!parse_entry(&names->arena, jread_at(root.value, i), e) ||
		        strcmp(before, e->name) >= 0)
			return ERR_FORMAT;
		names->count++;
	}
	return ERR_OK;
}

static enum err fetch(struct names *names)
{
	AUTO(buf) struct buf query = BUF_NONE;
	AUTO(ask)
	struct ask ask = {
	        .method = "GET", .account = names->account, .container = names->container};

	buf_str(&query, "format=json&marker=");
	url_quote(&query, names->marker, "");
	ask.query = buf_text(&query);
	enum err err = side_ask(names->talk, names->side, &ask);
	if (err)
		return err;
	if (ask.status == 404 || ask.status == 204) {
		names->count = names->at = 0;
		return ERR_OK;
	}
	if (ask.status != 200)
		return ask.status == 401 || ask.status == 403 ? ERR_FORBIDDEN : ERR_UNAVAILABLE;
	err = names_parse(names, ask.body.data, ask.body.len);
	if (!err && names->count) {
		free(names->marker);
		names->marker = mem_strdup(names->page[names->count - 1].name);
	}
	return err;
}

const struct entry *names_peek(struct names *names)
{
	if (names->ended)
		return NULL;
	if (names->at == names->count) {
		names->err = fetch(names);
		names->ended = names->err || names->count == 0;
	}
	return names->ended ? NULL : &names->page[names->at];
}

void names_take(struct names *names)
{
	names->at++;
}
