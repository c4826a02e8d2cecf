#include "proxy/unit/deleter.h"

#include "proxy/pipeline.h"

#include "lib/base/mem.h"
#include "lib/http/url.h"
#include <stdlib.h>
#include <string.h>

struct deleter_slot {
	struct sub sub;
	char *name; /* owned; NULL: free */
};

bool deleter_cut(
        struct arena *arena, const char *name, const char **ret_container, const char **ret_object)
{
	char *path = arena_strdup(arena, name + strspn(name, "/"));
	char *slash = strchr(path, '/');

	*ret_container = path;
	*ret_object = NULL;
	if (slash) {
		*slash = 0;
		*ret_object = slash[1] ? slash + 1 : NULL;
	}
	return *path && utf8_valid(name, strlen(name));
}

static void count(struct deleter *d, const char *name, int status, const char *fault)
{
	if (status / 100 == 2) {
		d->deleted++;
	} else if (status == 404) {
		d->missing++;
	} else {
		if (status / 100 == 5 && !fault)
			d->failed_status = 502;
		report_error(d->report, name, fault ? fault : status_line(d->request, status));
	}
}

static void start(struct deleter *d, struct deleter_slot *slot, const struct deletion *what)
{
	AUTO(buf) struct buf query = BUF_NONE;
	struct arena arena;
	const char *container, *object;

	arena_init(&arena);
	if (!deleter_cut(&arena, what->name, &container, &object)) {
		count(d, what->name, 412, NULL);
		arena_done(&arena);
		return;
	}
	if (what->version) {
		buf_str(&query, "version-id=");
		url_quote(&query, what->version, "");
	}
	slot->name = mem_strdup(what->name);
	sub_init(&slot->sub, d->request, d->maker, SUB_AS_CLIENT, "DELETE");
	sub_path(&slot->sub, d->request->account, container, object,
	        what->version ? buf_text(&query) : NULL);
	sub_start(&slot->sub);
	d->open++;
	arena_done(&arena);
}

static void reap(struct deleter *d)
{
	for (unsigned i = 0; i < d->at_once; i++) {
		struct deleter_slot *slot = &d->slots[i];
		if (!slot->name || !sub_headed(&slot->sub))
			continue;
		count(d, slot->name, slot->sub.status, NULL);
		sub_done(&slot->sub);
		free(TAKE(slot->name));
		d->open--;
	}
}

static bool failed_too_often(const struct deleter *d)
{
	return d->report->error_count >= d->failures_max;
}

/* Fills the free slots; false when there is nothing to do for now, or at all. */
static bool fill(struct deleter *d, struct deleter_slot *slot)
{
	struct deletion what = {0};

	while (!slot->name && !d->ended && !failed_too_often(d)) {
		switch (d->next(d, &what)) {
		case STEP_WAIT:
			return false;
		case STEP_DONE:
			d->ended = true;
			return false;
		default:
			if (what.status)
				count(d, what.name, what.status, what.fault);
			else
				start(d, slot, &what);
			what = (struct deletion){0};
		}
	}
	return true;
}

bool deleter_run(struct deleter *d)
{
	if (!d->slots) {
		d->slots = mem_zalloc(d->at_once * sizeof(*d->slots));
		d->failed_status = 400;
	}
	reap(d);
	for (unsigned i = 0; i < d->at_once && fill(d, &d->slots[i]); i++)
		;
	return !d->open && (d->ended || failed_too_often(d));
}

enum step deleter_answer(struct deleter *d, int status, const char *text)
{
	struct report *r = d->report;

	if (!status && failed_too_often(d)) {
		status = 400;
		text = "Max delete failures exceeded";
	} else if (!status && r->error_count) {
		status = d->failed_status;
	} else if (!status && !d->deleted && !d->missing) {
		status = 400;
		text = "Invalid bulk delete.";
	}
	report_text(r, "Response Status", status_line(d->request, status ? status : 200));
	report_text(r, "Response Body", text ? text : "");
	report_number(r, "Number Deleted", d->deleted);
	report_number(r, "Number Not Found", d->missing);
	return report_answer(r, 200, "delete");
}

void deleter_done(struct deleter *d)
{
	for (unsigned i = 0; d->slots && i < d->at_once; i++) {
		sub_done(&d->slots[i].sub);
		free(d->slots[i].name);
	}
	free(d->slots);
	d->slots = NULL;
}
