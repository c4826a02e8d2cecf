#include "proxy/unit/deleter.h"

#include "proxy/pipeline.h"

#include "lib/base/mem.h"
#include "lib/http/url.h"
#include <stdlib.h>
#include <string.h>

struct deleter_slot {
	struct sub sub;
	char *name;         /* owned; NULL: free */
	char *version;      /* owned; NULL: none */
	struct timer timer; /* until the next try */
	struct op *op;
	unsigned tries;
	bool waiting, due;
};

#define PAUSE_US 1500000 /* before the second try; each further one is half as long again */

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

static bool failed_too_often(const struct deleter *d)
{
	return d->report->error_count >= d->failures_max;
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

/* False: it names nothing. */
static bool send(
        struct deleter *d, struct deleter_slot *slot, const char *name, const char *version)
{
	AUTO(buf) struct buf query = BUF_NONE;
	struct arena arena;
	const char *container, *object;

	arena_init(&arena);
	bool good = deleter_cut(&arena, name, &container, &object);
	if (good) {
		if (version) {
			buf_str(&query, "version-id=");
			url_quote(&query, version, "");
		}
		sub_init(&slot->sub, d->request, d->maker, SUB_AS_CLIENT, "DELETE");
		sub_path(&slot->sub, d->request->account, container, object,
		        version ? buf_text(&query) : NULL);
		sub_start(&slot->sub);
	}
	arena_done(&arena);
	return good;
}

static void start(struct deleter *d, struct deleter_slot *slot, const struct deletion *what)
{
	if (!send(d, slot, what->name, what->version)) {
		count(d, what->name, 412, NULL);
		return;
	}
	slot->name = mem_strdup(what->name);
	slot->version = what->version ? mem_strdup(what->version) : NULL;
	slot->tries = 1;
	d->open++;
}

static void on_pause(struct timer *timer)
{
	struct deleter_slot *slot = CONTAINER_OF(timer, struct deleter_slot, timer);

	slot->due = true;
	op_wake(slot->op);
}

/* A container may be empty in a moment. True: it is to be tried again. */
static bool tries_again(struct deleter *d, struct deleter_slot *slot)
{
	uint64_t pause_us = PAUSE_US;

	if (slot->sub.status != 409 || slot->tries > d->retries || failed_too_often(d))
		return false;
	for (unsigned i = 1; i < slot->tries; i++)
		pause_us += pause_us / 2;
	slot->tries++;
	slot->op = &d->request->op;
	slot->timer.fire = on_pause;
	slot->waiting = true;
	slot->due = false;
	timer_set(d->request->proxy->reactor, &slot->timer, pause_us);
	return true;
}

/* Is the slot at rest between two tries? After the pause it goes on. */
static bool rests(struct deleter *d, struct deleter_slot *slot)
{
	if (!slot->waiting || !slot->due)
		return slot->waiting;
	slot->waiting = false;
	sub_done(&slot->sub);
	send(d, slot, slot->name, slot->version);
	return true;
}

static void reap(struct deleter *d)
{
	for (unsigned i = 0; i < d->at_once; i++) {
		struct deleter_slot *slot = &d->slots[i];
		if (!slot->name || rests(d, slot) || !sub_headed(&slot->sub) ||
		        tries_again(d, slot))
			continue;
		count(d, slot->name, slot->sub.status, NULL);
		sub_done(&slot->sub);
		free(TAKE(slot->name));
		free(TAKE(slot->version));
		d->open--;
	}
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
		timer_cancel(d->request->proxy->reactor, &d->slots[i].timer);
		sub_done(&d->slots[i].sub);
		free(d->slots[i].name);
		free(d->slots[i].version);
	}
	free(d->slots);
	d->slots = NULL;
}
