/* Accounts, their containers, and the names in both clusters side by side. */
#include "migrate/migrate.h"

#include "lib/base/kv.h"
#include "lib/base/mem.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct walk {
	struct talk *talk;
	struct run *run;
	const char *from, *to; /* accounts */
};

static bool stopping(const struct walk *w)
{
	return atomic_load(&w->run->stopping);
}

static void fail(const struct walk *w, const char *container, const char *why)
{
	run_fail(w->run, w->from, container, NULL, why);
}

static void said(
        const struct walk *w, const char *container, const char *who, enum err err, int status)
{
	char why[120];

	if (err)
		snprintf(why, sizeof(why), "the %s: %s", who, err_text(err));
	else
		snprintf(why, sizeof(why), "the %s says %d", who, status);
	fail(w, container, why);
}

static enum err head(const struct walk *w, struct side *side, const char *account,
        const char *container, struct ask *ask)
{
	ask->method = "HEAD";
	ask->account = account;
	ask->container = container;
	kv_add(&ask->headers, "X-Newest", "true");
	return side_ask(w->talk, side, ask);
}

/* --- metadata of accounts and containers --- */

/* Sets what differs. `create`: by a PUT, with all of it. False: it failed, and was told. */
static bool set_headers(
        const struct walk *w, const char *container, bool create, const struct buf *change)
{
	AUTO(ask)
	struct ask ask = {
	        .method = create ? "PUT" : "POST", .account = w->to, .container = container};

	buf_add(&ask.headers, change->data, change->len);
	enum err err = side_ask(w->talk, &w->run->to, &ask);
	if (!err && ask.status / 100 == 2)
		return true;
	if (!err && create && ask.status == 400)
		fail(w, container,
		        "the destination says 400: has it that storage policy? ([migrate] policy)");
	else
		said(w, container, "destination", err, ask.status);
	return false;
}

static bool take_account(const struct walk *w)
{
	AUTO(ask) struct ask from = {.status = 0};
	AUTO(ask) struct ask to = {.status = 0};
	AUTO(buf) struct buf change = BUF_NONE;
	enum err err = head(w, &w->run->from, w->from, NULL, &from);

	if (err || from.status / 100 != 2) {
		said(w, NULL, "source", err, from.status);
		return false;
	}
	err = head(w, &w->run->to, w->to, NULL, &to);
	if (err || (to.status / 100 != 2 && to.status != 404)) {
		said(w, NULL, "destination", err, to.status);
		return false;
	}
	if (to.status == 404)
		buf_reset(&to.answer);
	const char *objects = ask_header(&from, "X-Account-Object-Count"),
	           *bytes = ask_header(&from, "X-Account-Bytes-Used");
	atomic_fetch_add(&w->run->counts.total, objects ? strtoull(objects, NULL, 10) : 0);
	atomic_fetch_add(&w->run->counts.total_bytes, bytes ? strtoull(bytes, NULL, 10) : 0);
	if (!headers_change(&from.answer, &to.answer, carried_account, &change))
		return true;
	if (w->run->mode == MODE_COPY)
		return set_headers(w, NULL, false, &change);
	atomic_fetch_add(&w->run->counts.differ, 1);
	run_note(w->run, w->from, NULL, NULL, "metadata differs");
	return true;
}

/* The policy that [migrate] policy names instead, or the same. */
static const char *mapped_policy(const struct walk *w, const char *name)
{
	const struct conf_list *list = &w->run->conf.policies;

	for (unsigned i = 0; i < list->count; i++) {
		const char *line = list->items[i];
		size_t len = strcspn(line, " \t");
		if (len == strlen(name) && strncasecmp(line, name, len) == 0)
			return line + len + strspn(line + len, " \t");
	}
	return name;
}

static void note_versions(const struct walk *w, const char *container, const struct ask *from)
{
	static const char *const names[] = {
	        "X-Versions-Location", "X-History-Location", "X-Versions-Enabled"};

	for (unsigned i = 0; i < COUNT_OF(names); i++) {
		const char *value = ask_header(from, names[i]);
		if (value && *value && strcasecmp(value, "false") != 0)
			run_note(w->run, w->from, container, NULL,
			        "keeps versions: only the newest ones are brought");
	}
}

/* Brings the container itself. False: its objects cannot be. */
static bool take_container(const struct walk *w, const char *container, bool *ret_exists)
{
	AUTO(ask) struct ask from = {.status = 0};
	AUTO(ask) struct ask to = {.status = 0};
	AUTO(buf) struct buf change = BUF_NONE;
	enum err err = head(w, &w->run->from, w->from, container, &from);

	if (!err && from.status == 404)
		return false; /* gone meanwhile */
	if (err || from.status / 100 != 2) {
		said(w, container, "source", err, from.status);
		return false;
	}
	err = head(w, &w->run->to, w->to, container, &to);
	if (err || (to.status / 100 != 2 && to.status != 404)) {
		said(w, container, "destination", err, to.status);
		return false;
	}
	*ret_exists = to.status != 404;
	if (!*ret_exists)
		buf_reset(&to.answer);
	note_versions(w, container, &from);
	bool differs = headers_change(&from.answer, &to.answer, carried_container, &change);
	const char *policy = ask_header(&from, "X-Storage-Policy");
	if (!*ret_exists && policy)
		kv_add(&change, "X-Storage-Policy", mapped_policy(w, policy));
	if (*ret_exists && !differs)
		return true;
	if (w->run->mode == MODE_COPY)
		return set_headers(w, container, !*ret_exists, &change);
	atomic_fetch_add(&w->run->counts.differ, 1);
	run_note(w->run, w->from, container, NULL,
	        *ret_exists ? "metadata differs" : "is not at the destination");
	return true;
}

/* --- objects --- */

static void queue(
        const struct walk *w, enum job_kind kind, const char *container, const struct entry *e)
{
	struct job *job = mem_zalloc(sizeof(*job));

	job->kind = kind;
	job->from_account = w->from;
	job->to_account = w->to;
	job->container = mem_strdup(container);
	job->object = mem_strdup(e->name);
	job->ts = e->ts;
	job->bytes = e->bytes;
	job->large = e->large;
	run_queue(w->run, job);
}

/* Not what a large object's listing calls its hash: that of its manifest. */
static bool is_same(const struct entry *from, const struct entry *to)
{
	return from->ts == to->ts && from->bytes == to->bytes &&
	       (from->large || strcmp(from->hash, to->hash) == 0);
}

static void count_done(const struct walk *w, const struct entry *e, atomic_uint_least64_t *what)
{
	atomic_fetch_add(what, 1);
	atomic_fetch_add(&w->run->counts.done, 1);
	atomic_fetch_add(&w->run->counts.done_bytes, e->bytes);
}

static void only_at_source(
        const struct walk *w, const char *container, const struct entry *e, bool stale)
{
	struct counts *counts = &w->run->counts;

	if (e->symlink) {
		run_fail(w->run, w->from, container, e->name,
		        "a symbolic link: make it anew, or an object in its place");
	} else if (w->run->mode == MODE_COPY) {
		queue(w, JOB_COPY, container, e);
	} else if (w->run->mode == MODE_DRY) {
		atomic_fetch_add(&counts->copied_bytes, e->bytes);
		count_done(w, e, &counts->copied);
	} else {
		run_note(w->run, w->from, container, e->name,
		        stale ? "differs" : "is not at the destination");
		count_done(w, e, &counts->differ);
	}
}

static void only_at_destination(const struct walk *w, const char *container, const struct entry *e)
{
	if (w->run->deletes && w->run->mode == MODE_COPY) {
		queue(w, JOB_DELETE, container, e);
		return;
	}
	atomic_fetch_add(&w->run->counts.extra, 1);
	if (w->run->mode == MODE_VERIFY)
		run_note(w->run, w->to, container, e->name, "is only at the destination");
}

static void in_both(const struct walk *w, const char *container, const struct entry *from,
        const struct entry *to)
{
	if (!is_same(from, to) && from->ts < to->ts && w->run->mode != MODE_VERIFY)
		count_done(w, from, &w->run->counts.newer);
	else if (!is_same(from, to))
		only_at_source(w, container, from, true);
	else if (w->run->mode == MODE_VERIFY)
		queue(w, JOB_VERIFY, container, from);
	else
		count_done(w, from, &w->run->counts.same);
}

/* One step of two sorted lists; -1: the name is only at the source, 1: only at the destination. */
static int order(const struct entry *from, const struct entry *to)
{
	if (!from || !to)
		return from ? -1 : 1;
	return strcmp(from->name, to->name);
}

static void walk_objects(const struct walk *w, const char *container, bool at_source, bool exists)
{
	AUTO(names) struct names from = {.ended = true};
	AUTO(names) struct names to = {.ended = true};
	const struct entry *a = NULL, *b = NULL;

	names_init(&from, w->talk, &w->run->from, w->from, container);
	names_init(&to, w->talk, &w->run->to, w->to, container);
	from.ended = !at_source;
	to.ended = !exists;
	while (!stopping(w)) {
		a = names_peek(&from);
		b = names_peek(&to);
		if (from.err || to.err || (!a && !b))
			break;
		int where = order(a, b);
		if (where < 0)
			only_at_source(w, container, a, false);
		else if (where > 0)
			only_at_destination(w, container, b);
		else
			in_both(w, container, a, b);
		if (where <= 0)
			names_take(&from);
		if (where >= 0)
			names_take(&to);
	}
	if (stopping(w))
		return;
	if (from.err || to.err)
		said(w, container, from.err ? "source" : "destination",
		        from.err ? from.err : to.err, 0);
}

/* --- containers --- */

static void drop_container(const struct walk *w, const char *container)
{
	AUTO(ask) struct ask ask = {.method = "DELETE", .account = w->to, .container = container};

	run_drain(w->run);
	enum err err = side_ask(w->talk, &w->run->to, &ask);
	if (err || (ask.status != 204 && ask.status != 404 && ask.status != 409))
		said(w, container, "destination", err, ask.status);
	else if (ask.status == 204)
		atomic_fetch_add(&w->run->counts.deleted, 1);
}

static void walk_container(const struct walk *w, const char *container, int where)
{
	bool exists = where >= 0;

	if (where <= 0 && !take_container(w, container, &exists))
		return;
	if (where > 0 && !w->run->deletes) {
		atomic_fetch_add(&w->run->counts.extra, 1);
		run_note(w->run, w->to, container, NULL, "is only at the destination");
		return;
	}
	walk_objects(w, container, where <= 0, exists);
	if (where > 0 && w->run->mode == MODE_COPY && !stopping(w))
		drop_container(w, container);
}

static void walk_account(const struct walk *w)
{
	AUTO(names) struct names from = {.ended = true};
	AUTO(names) struct names to = {.ended = true};

	names_init(&from, w->talk, &w->run->from, w->from, NULL);
	names_init(&to, w->talk, &w->run->to, w->to, NULL);
	while (!stopping(w)) {
		const struct entry *a = names_peek(&from), *b = names_peek(&to);
		if (from.err || to.err || (!a && !b))
			break;
		int where = order(a, b);
		char *name = mem_strdup(where <= 0 ? a->name : b->name);
		walk_container(w, name, where);
		free(name);
		if (where <= 0)
			names_take(&from);
		if (where >= 0)
			names_take(&to);
	}
	if (!stopping(w) && (from.err || to.err))
		said(w, NULL, from.err ? "source" : "destination", from.err ? from.err : to.err, 0);
}

/* "SOURCE" or "SOURCE DESTINATION" */
static void split(const char *line, char **ret_from, char **ret_to)
{
	size_t len = strcspn(line, " \t");
	const char *rest = line + len + strspn(line + len, " \t");

	*ret_from = mem_strndup(line, len);
	*ret_to = mem_strdup(*rest ? rest : *ret_from);
}

enum err walk(struct talk *talk)
{
	struct run *run = talk->run;
	const struct conf_list *list = &run->conf.accounts;
	AUTO(buf) struct buf error = BUF_NONE;
	enum err err = side_login(talk, &run->from, 0, &error);
	char **names = mem_zalloc((2 * list->count + 1) * sizeof(*names));

	if (!err)
		err = side_login(talk, &run->to, 0, &error);
	if (err)
		fprintf(stderr, "cairn migrate: %s\n", buf_text(&error));
	/* Totals first, so that progress is of all. */
	struct walk *walks = mem_zalloc((list->count + 1) * sizeof(*walks));
	bool *good = mem_zalloc(list->count + 1);
	for (unsigned i = 0; !err && i < list->count && !atomic_load(&run->stopping); i++) {
		split(list->items[i], &names[2 * i], &names[2 * i + 1]);
		walks[i] = (struct walk){talk, run, names[2 * i], names[2 * i + 1]};
		good[i] = take_account(&walks[i]);
	}
	for (unsigned i = 0; !err && i < list->count && !atomic_load(&run->stopping); i++) {
		if (good[i])
			walk_account(&walks[i]);
	}
	run_drain(run);
	for (unsigned i = 0; i < 2 * list->count; i++)
		free(names[i]);
	free(names);
	free(walks);
	free(good);
	return err;
}
