#include "proxy/s3/deletion.h"

#include "proxy/put.h"
#include "proxy/s3/event.h"
#include "proxy/s3/lock.h"
#include "proxy/s3/s3.h"
#include "proxy/s3/version.h"
#include "proxy/unit/reserved.h"
#include "proxy/unit/symlink.h"
#include "proxy/unit/versions.h"

#include "lib/json/jread.h"
#include <stdlib.h>
#include <string.h>

enum {
	CHOOSE,
	MATCH,
	MATCH_NEWEST,
	DELETE,
	NAMED,
	NULLS,
	MARK,
	UNLINK,
	REPLACED,
	LOOK,
	CURRENT,
	OTHER,
	MOVE,
	DROP,
	AFTER,
	NEWEST,
	LINK,
	CHECK,
	LINKED,
	UNMARK,
};

#define TRIES_MAX 8
#define PAUSE_US  10000 /* before something is asked again; twice as long each time */

/* What a step says: the next one, or one of these. */
#define WAIT  (-1)
#define DONE  (-2)
#define AGAIN (-3) /* the same one */

static struct arena *arena_of(const struct s3_deletion *d)
{
	return request_arena(d->request);
}

static struct sub *ask(struct s3_deletion *d, const char *method, const char *container,
        const char *object, const char *query)
{
	sub_done(&d->sub);
	sub_init(&d->sub, d->request, NULL, SUB_AS_SYSTEM, method);
	sub_path(&d->sub, d->request->account, container, object, query);
	d->asked = true;
	return &d->sub;
}

static bool asked(struct s3_deletion *d)
{
	return d->asked;
}

static void start_versions(struct s3_deletion *d, unsigned limit)
{
	s3_versions_ask(d->request, &d->sub, d->request->account, d->request->container, d->key,
	        limit, d->page_at);
	d->asked = true;
}

/* Where many write at once, what one of them looks at may not be decided just then. */
static int failed(struct s3_deletion *d)
{
	if (d->sub.status == 503 && ++d->again < TRIES_MAX)
		return AGAIN;
	d->error = d->sub.status == 409 || d->sub.status == 412 ? S3_ConditionalRequestConflict
	           : d->sub.status == 403                       ? S3_AccessDenied
	                                                        : S3_ServiceUnavailable;
	return DONE;
}

static int refuse(struct s3_deletion *d, enum s3_error error, const char *text)
{
	d->error = error;
	d->text = text;
	return DONE;
}

static const struct info *bucket(const struct s3_deletion *d)
{
	return d->request->container_info.info;
}

static bool has_conditions(const struct s3_deletion *d)
{
	return d->if_etag || d->if_time || d->if_size || d->still;
}

static const char *hidden(struct s3_deletion *d)
{
	return versions_container(arena_of(d), d->request->container);
}

/* --- conditions --- */

static bool meets(const struct s3_deletion *d, const char *etag, uint64_t at, uint64_t size)
{
	return (!d->if_etag || s3_etag_is(d->if_etag, etag)) &&
	       (!d->if_time || s3_time_is(d->if_time, at)) &&
	       (!d->if_size || strtoull(d->if_size, NULL, 10) == size);
}

/* Of what the sub has found. */
static bool met(struct s3_deletion *d)
{
	const char *etag = sub_get(&d->sub, S3_ETAG);

	if (!etag)
		etag = sub_get(&d->sub, "Etag");
	return meets(d, etag ? etag : "", s3_modified(&d->sub), d->sub.length) &&
	       (!d->still || d->still(d, &d->sub));
}

static int behind_match(struct s3_deletion *d)
{
	enum s3_versioning versioning = s3_versioning(bucket(d));

	return versioning == S3_SUSPENDED             ? NAMED
	       : versioning == S3_ENABLED && d->still ? LINKED
	                                              : DELETE;
}

static int match(struct s3_deletion *d)
{
	const char *ts, *id;

	if (!asked(d)) {
		sub_start(ask(d, "HEAD", d->request->container, d->key, NULL));
	}
	if (!sub_headed(&d->sub))
		return WAIT;
	if (d->sub.status == 404)
		return s3_versioning(bucket(d)) ? MATCH_NEWEST : DONE;
	if (!sub_ok(&d->sub))
		return failed(d);
	if (!met(d))
		return refuse(d, S3_PreconditionFailed, NULL);
	ts = sub_get(&d->sub, "X-Timestamp");
	if (ts)
		ts_parse(ts, &d->found_at);
	id = sub_get(&d->sub, "X-Object-Version-Id");
	if (d->still && (!id || !ts_parse(id, &d->id)))
		d->id = 0;
	return behind_match(d);
}

/* Nothing is there; a delete marker is something, too. */
static int match_newest(struct s3_deletion *d)
{
	AUTO(jroot) struct jroot rows = JROOT_NONE;
	struct s3_version newest;

	if (!asked(d))
		start_versions(d, 1);
	if (!sub_collect(&d->sub, S3_VERSIONS_BYTES))
		return WAIT;
	if (!s3_versions_read(&d->sub, &rows))
		return failed(d);
	if (!s3_versions_at(&rows, 0, &newest))
		return DONE;
	return meets(d, "", newest.id, 0) ? behind_match(d)
	                                  : refuse(d, S3_PreconditionFailed, NULL);
}

/* Is what the sub has found locked? */
static bool is_locked(struct s3_deletion *d)
{
	struct request *request = d->request;

	return s3_lock_enabled(bucket(d)) && s3_locked(&d->sub.headers, s3_lock_now(request),
	                                             s3_lock_bypass(request, d->key, d->version));
}

#define LOCKED "Access Denied because object protected by object lock."

/* Its parts go with it. True once that is seen to. */
static bool parts_noted(struct s3_deletion *d, const char *container, const char *object)
{
	return s3_parts_note(d->request, &d->parts, container, object, NULL);
}

static bool version_parts_noted(struct s3_deletion *d)
{
	return parts_noted(d, hidden(d), versions_object(arena_of(d), d->key, d->id));
}

/* --- the key --- */

static int delete (struct s3_deletion *d)
{
	const char *id;

	if (!asked(d) && !s3_versioning(bucket(d)) &&
	        !parts_noted(d, d->request->container, d->key))
		return WAIT;
	if (!asked(d)) {
		ask(d, "DELETE", d->request->container, d->key, NULL);
		if (d->found_at && !s3_versioning(bucket(d)))
			sub_header(&d->sub, PUT_IF_THERE, s3_version_text(d->request, d->found_at));
		sub_start(&d->sub);
	}
	if (!sub_headed(&d->sub))
		return WAIT;
	if (!sub_ok(&d->sub) && d->sub.status != 404)
		return failed(d);
	id = sub_get(&d->sub, "X-Object-Version-Id");
	if (s3_versioning(bucket(d)) == S3_ENABLED && id) {
		d->marker = true;
		d->marker_id = arena_strdup(arena_of(d), id);
	}
	return DONE;
}

static bool wants_null(const struct s3_deletion *d)
{
	return d->version && strcmp(d->version, "null") == 0;
}

static int named(struct s3_deletion *d)
{
	const char *ts;

	if (!asked(d)) {
		sub_start(ask(d, "HEAD", d->request->container, d->key,
		        "symlink=get&multipart-manifest=get"));
	}
	if (!sub_headed(&d->sub))
		return WAIT;
	if (!sub_ok(&d->sub) && d->sub.status != 404)
		return failed(d);
	bool plain = sub_ok(&d->sub) && !sub_get(&d->sub, LINK_VERSION);
	if (!plain || !wants_null(d))
		return NULLS;
	if (!met(d))
		return refuse(d, S3_PreconditionFailed, NULL);
	if (is_locked(d))
		return refuse(d, S3_AccessDenied, LOCKED);
	ts = sub_get(&d->sub, "X-Timestamp");
	if (ts)
		ts_parse(ts, &d->found_at);
	return UNLINK;
}

/* A "null" that is kept among the versions. */
static int nulls(struct s3_deletion *d)
{
	AUTO(jroot) struct jroot rows = JROOT_NONE;
	struct s3_version v = {0};
	size_t i = 0;

	if (!asked(d))
		start_versions(d, S3_VERSIONS_PAGE);
	if (!sub_collect(&d->sub, S3_VERSIONS_BYTES))
		return WAIT;
	if (!s3_versions_read(&d->sub, &rows))
		return failed(d);
	while (s3_versions_at(&rows, i, &v) && !v.null)
		i++;
	d->page_at = v.null || i < S3_VERSIONS_PAGE ? 0 : v.id;
	if (d->page_at)
		return NULLS;
	d->id = v.null ? v.id : 0;
	return !wants_null(d) ? MARK : d->id ? LOOK : DONE;
}

/* HEAD of what is in the key's place. */
static bool look_at_key(struct s3_deletion *d)
{
	if (!asked(d))
		sub_start(ask(d, "HEAD", d->request->container, d->key,
		        "symlink=get&multipart-manifest=get"));
	return sub_headed(&d->sub);
}

static bool is_null_marker(const struct s3_deletion *d)
{
	return s3_versioning(bucket(d)) == S3_SUSPENDED;
}

static int mark(struct s3_deletion *d)
{
	if (!asked(d)) {
		d->marked = s3_version_new(d->request, d->key);
		ask(d, "PUT", hidden(d), versions_object(arena_of(d), d->key, d->marked), NULL);
		sub_header(&d->sub, "Content-Type", VERSIONS_MARKER);
		if (is_null_marker(d))
			sub_header(&d->sub, VERSIONS_NULL, "true");
		sub_start(&d->sub);
	}
	if (!sub_headed(&d->sub))
		return WAIT;
	d->marker = true;
	d->marker_id = is_null_marker(d) ? "null" : s3_version_text(d->request, d->marked);
	return sub_ok(&d->sub) ? UNLINK : failed(d);
}

/* Which link is to go, once there is a delete marker: that to what `still` was asked about. One
 * that was there before versions were kept is no link; it becomes a version first, as by any
 * DELETE. */
static int linked(struct s3_deletion *d)
{
	const char *ts;
	uint64_t id;

	if (!look_at_key(d))
		return WAIT;
	if (d->sub.status == 404)
		return DONE;
	if (!sub_ok(&d->sub))
		return failed(d);
	if (!s3_version_linked(d->request, &d->sub, &id))
		return sub_get(&d->sub, LINK_VERSION) ? failed(d) : DELETE;
	ts = sub_get(&d->sub, "X-Timestamp");
	/* Another version than the one that was looked at. */
	if (id != d->id || !ts || !ts_parse(ts, &d->found_at))
		return refuse(d, S3_PreconditionFailed, NULL);
	return MARK;
}

/* Something else is there by now, which the marker must not hide. */
static int unmark(struct s3_deletion *d)
{
	if (!asked(d))
		sub_start(ask(d, "DELETE", hidden(d),
		        versions_object(arena_of(d), d->key, d->marked), NULL));
	if (!sub_headed(&d->sub))
		return WAIT;
	return sub_ok(&d->sub) || d->sub.status == 404 ? refuse(d, S3_PreconditionFailed, NULL)
	                                               : failed(d);
}

/* What is there now goes: the "null" that it is, or a link. */
static int unlink_named(struct s3_deletion *d)
{
	bool link = d->marked && !is_null_marker(d);

	if (!asked(d) && !link && !parts_noted(d, d->request->container, d->key))
		return WAIT;
	if (!asked(d)) {
		ask(d, "DELETE", d->request->container, d->key, "version-id=null");
		if (d->found_at)
			sub_header(&d->sub, PUT_IF_THERE, s3_version_text(d->request, d->found_at));
		if (d->marked)
			sub_header(&d->sub, S3_EVENT_MARKER, d->marker_id);
		sub_start(&d->sub);
	}
	if (!sub_headed(&d->sub))
		return WAIT;
	if (link && (d->sub.status == 409 || d->sub.status == 412))
		return UNMARK;
	if (!sub_ok(&d->sub) && d->sub.status != 404)
		return failed(d);
	return link ? DONE : wants_null(d) ? NEWEST : d->id ? REPLACED : DONE;
}

static int replaced(struct s3_deletion *d)
{
	if (!asked(d) && !version_parts_noted(d))
		return WAIT;
	if (!asked(d))
		sub_start(ask(
		        d, "DELETE", hidden(d), versions_object(arena_of(d), d->key, d->id), NULL));
	if (!sub_headed(&d->sub))
		return WAIT;
	return sub_ok(&d->sub) || d->sub.status == 404 ? DONE : failed(d);
}

/* --- a version --- */

static int look(struct s3_deletion *d)
{
	const char *type;

	if (!asked(d))
		sub_start(ask(d, "HEAD", hidden(d), versions_object(arena_of(d), d->key, d->id),
		        "multipart-manifest=get"));
	if (!sub_headed(&d->sub))
		return WAIT;
	/* A link to it may be left. */
	if (d->sub.status == 404)
		return AFTER;
	if (!sub_ok(&d->sub))
		return failed(d);
	if (!met(d))
		return refuse(d, S3_PreconditionFailed, NULL);
	if (is_locked(d))
		return refuse(d, S3_AccessDenied, LOCKED);
	type = sub_get(&d->sub, "Content-Type");
	d->marker = type && strcmp(type, VERSIONS_MARKER) == 0;
	d->marker_id = d->marker ? d->version : NULL;
	return d->marker ? DROP : CURRENT;
}

/* Of the current version the next one takes the place first: readers find one or the other. */
static int current(struct s3_deletion *d)
{
	const char *ts;
	uint64_t id;

	if (!look_at_key(d))
		return WAIT;
	if (!s3_version_linked(d->request, &d->sub, &id) || id != d->id)
		return DROP;
	ts = sub_get(&d->sub, "X-Timestamp");
	return ts && ts_parse(ts, &d->found_at) ? OTHER : DROP;
}

static int other(struct s3_deletion *d)
{
	AUTO(jroot) struct jroot rows = JROOT_NONE;
	struct s3_version v = {0};

	if (!asked(d))
		start_versions(d, 2);
	if (!sub_collect(&d->sub, S3_VERSIONS_BYTES))
		return WAIT;
	if (!s3_versions_read(&d->sub, &rows))
		return failed(d);
	bool found = s3_versions_at(&rows, 0, &v);
	if (found && v.id == d->id)
		found = s3_versions_at(&rows, 1, &v);
	d->linked = v.id;
	return found && !v.marker ? MOVE : DROP;
}

static const char *query_of(struct s3_deletion *d, uint64_t id)
{
	return arena_printf(arena_of(d), "version-id=%s", s3_version_text(d->request, id));
}

static int move(struct s3_deletion *d)
{
	if (!asked(d)) {
		ask(d, "PUT", d->request->container, d->key, query_of(d, d->linked));
		sub_header(&d->sub, PUT_IF_THERE, s3_version_text(d->request, d->found_at));
		sub_start(&d->sub);
	}
	if (!sub_headed(&d->sub))
		return WAIT;
	return sub_ok(&d->sub) || d->sub.status / 100 == 4 || d->sub.status == 503 ? DROP
	                                                                           : failed(d);
}

static int drop(struct s3_deletion *d)
{
	if (!asked(d) && !version_parts_noted(d))
		return WAIT;
	if (!asked(d))
		sub_start(ask(d, "DELETE", d->request->container, d->key, query_of(d, d->id)));
	if (!sub_headed(&d->sub))
		return WAIT;
	return sub_ok(&d->sub) || d->sub.status == 404 ? AFTER : failed(d);
}

/* Others may have linked to it while it went. */
static int after(struct s3_deletion *d)
{
	uint64_t id = 0;

	if (!look_at_key(d))
		return WAIT;
	if (d->sub.status == 404)
		return NEWEST;
	if (!sub_ok(&d->sub))
		return failed(d);
	if (!s3_version_linked(d->request, &d->sub, &id) || ++d->tries == TRIES_MAX)
		return DONE;
	return id == d->id ? DROP : id == d->linked ? CHECK : DONE;
}

static int newest(struct s3_deletion *d)
{
	AUTO(jroot) struct jroot rows = JROOT_NONE;
	struct s3_version v;

	if (!asked(d))
		start_versions(d, 1);
	if (!sub_collect(&d->sub, S3_VERSIONS_BYTES))
		return WAIT;
	if (!s3_versions_read(&d->sub, &rows))
		return failed(d);
	if (!s3_versions_at(&rows, 0, &v) || v.marker)
		return DONE;
	d->linked = v.id;
	return LINK;
}

/* Unless something newer is there by now. */
static int link_newest(struct s3_deletion *d)
{
	if (!asked(d)) {
		ask(d, "PUT", d->request->container, d->key, query_of(d, d->linked));
		sub_header(&d->sub, "If-None-Match", "*");
		sub_start(&d->sub);
	}
	if (!sub_headed(&d->sub))
		return WAIT;
	if (d->sub.status == 404 || d->sub.status == 503)
		return ++d->tries < TRIES_MAX ? AFTER : DONE;
	return sub_ok(&d->sub) ? CHECK : d->sub.status == 412 ? DONE : failed(d);
}

/* Is what we have linked to still there? */
static int check(struct s3_deletion *d)
{
	if (!asked(d))
		sub_start(ask(d, "HEAD", hidden(d), versions_object(arena_of(d), d->key, d->linked),
		        "multipart-manifest=get"));
	if (!sub_headed(&d->sub))
		return WAIT;
	if (d->sub.status != 404)
		return sub_ok(&d->sub) ? DONE : failed(d);
	d->id = d->linked;
	return DROP;
}

/* --- */

static int choose(struct s3_deletion *d)
{
	enum s3_versioning versioning = s3_versioning(bucket(d));

	if (d->version && !wants_null(d)) {
		if (!ts_parse(d->version, &d->id) || !d->id)
			return refuse(d, S3_InvalidArgument, "Invalid version id specified");
		return versioning ? LOOK : DONE;
	}
	if (wants_null(d) && versioning)
		return NAMED;
	if (has_conditions(d))
		return MATCH;
	return behind_match(d);
}

static void on_pause(struct timer *timer)
{
	struct s3_deletion *d = CONTAINER_OF(timer, struct s3_deletion, timer);

	d->pauses = false;
	op_wake(&d->request->op);
}

static void pause_before(struct s3_deletion *d)
{
	d->pauses = true;
	d->timer.fire = on_pause;
	timer_set(d->request->proxy->reactor, &d->timer, (uint64_t)PAUSE_US << d->again);
}

bool s3_deletion_run(struct s3_deletion *d)
{
	static int (*const steps[])(struct s3_deletion *) = {
	        [CHOOSE] = choose,
	        [MATCH] = match,
	        [MATCH_NEWEST] = match_newest,
	        [DELETE] = delete,
	        [NAMED] = named,
	        [NULLS] = nulls,
	        [MARK] = mark,
	        [UNLINK] = unlink_named,
	        [REPLACED] = replaced,
	        [LOOK] = look,
	        [CURRENT] = current,
	        [OTHER] = other,
	        [MOVE] = move,
	        [DROP] = drop,
	        [AFTER] = after,
	        [NEWEST] = newest,
	        [LINK] = link_newest,
	        [CHECK] = check,
	        [LINKED] = linked,
	        [UNMARK] = unmark,
	};

	/* Of many keys each is looked at. */
	if (d->step == CHOOSE && !d->asked && !d->request->s3->key)
		d->error = s3_may_delete(d->request, d->key, d->version);
	d->over |= d->error != S3_OK;
	while (!d->over && !d->pauses) {
		int next = steps[d->step](d);
		if (next == WAIT)
			return false;
		d->over = next == DONE;
		d->asked = false;
		if (next == AGAIN)
			pause_before(d);
		if (d->over || next == AGAIN)
			continue;
		d->step = (uint8_t)next;
		d->again = 0;
	}
	return d->over;
}

void s3_deletion_done(struct s3_deletion *d)
{
	s3_parts_done(&d->parts);
	if (d->pauses)
		timer_cancel(d->request->proxy->reactor, &d->timer);
	d->pauses = false;
	sub_done(&d->sub);
}
