#include "proxy/s3/lifecycle_walk.h"

#include "proxy/s3/s3.h"

#include <stdlib.h>
#include <string.h>

#define NOTES      "lifecycle"
#define NOTE_ROUND "X-Object-Meta-Round"
#define NOTE_KEY   "X-Object-Meta-Key" /* quoted; "-": it is over */

static struct sub *ask(
        struct request *request, struct lifecycle_note *note, const char *method, bool container)
{
	const char *name =
	        arena_printf(request_arena(request), "%s/%s", request->account, request->container);

	sub_done(&note->sub);
	sub_init(&note->sub, request, NULL, SUB_AS_SYSTEM, method);
	sub_path(&note->sub, S3_NAMES_ACCOUNT, NOTES, container ? NULL : name, NULL);
	note->asked = true;
	return &note->sub;
}

bool lifecycle_note_read(
        struct request *request, struct lifecycle_walk *w, struct lifecycle_note *note)
{
	const char *round, *key;
	size_t len;

	if (!note->asked)
		sub_start(ask(request, note, "HEAD", false));
	if (!sub_headed(&note->sub))
		return false;
	note->asked = false;
	round = sub_ok(&note->sub) ? sub_get(&note->sub, NOTE_ROUND) : NULL;
	key = sub_get(&note->sub, NOTE_KEY);
	if (!round || !key || strtoull(round, NULL, 10) != w->round)
		return true;
	w->ended = *key == '-';
	if (!w->ended)
		buf_str(&w->key,
		        url_unquote(request_arena(request), key + 1, strlen(key + 1), &len));
	return true;
}

static void write(
        struct request *request, const struct lifecycle_walk *w, struct lifecycle_note *note)
{
	AUTO(buf) struct buf key = BUF_NONE;

	buf_char(&key, w->ended ? '-' : '+');
	if (!w->ended)
		url_quote(&key, buf_text(&w->key), "");
	ask(request, note, "PUT", false);
	sub_header(&note->sub, NOTE_ROUND,
	        arena_printf(request_arena(request), "%llu", (unsigned long long)w->round));
	sub_header(&note->sub, NOTE_KEY, buf_text(&key));
	sub_body_text(&note->sub, "", 0);
	sub_start(&note->sub);
}

bool lifecycle_note_write(
        struct request *request, const struct lifecycle_walk *w, struct lifecycle_note *note)
{
	if (!w->round || (w->ended && w->pages == 1))
		return true;
	if (!note->asked)
		write(request, w, note);
	if (!sub_headed(&note->sub))
		return false;
	if (note->sub.status == 404 && !note->made) {
		note->made = true;
		sub_start(ask(request, note, "PUT", true));
		return false;
	}
	/* The container is there now. */
	if (note->made && note->sub.status / 100 == 2 && !note->again) {
		note->again = true;
		write(request, w, note);
		return false;
	}
	return true;
}
