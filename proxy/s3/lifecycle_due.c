#include "proxy/s3/lifecycle.h"

#include "proxy/s3/class.h"
#include "proxy/s3/s3.h"
#include "proxy/s3/tags.h"
#include "proxy/unit/versions.h"

#include "lib/base/kv.h"
#include <string.h>

static bool has_tag(const struct query *tags, const struct lifecycle_tag *tag)
{
	for (unsigned i = 0; i < tags->count; i++) {
		if (strcmp(tags->pairs[i].name, tag->key) == 0 &&
		        strcmp(tags->pairs[i].value, tag->value) == 0)
			return true;
	}
	return false;
}

static bool has_tags(const struct lifecycle_rule *rule, const char *kept)
{
	struct query tags = {0};
	struct arena arena;
	bool all = true;

	if (!rule->tag_count)
		return true;
	arena_init(&arena);
	if (kept && *kept)
		query_parse(&arena, kept, &tags);
	for (unsigned i = 0; i < rule->tag_count; i++)
		all = all && has_tag(&tags, &rule->tags[i]);
	arena_done(&arena);
	return all;
}

bool lifecycle_concerns(const struct lifecycle_rule *rule, const struct lifecycle_object *object)
{
	return rule->enabled &&
	       (!rule->prefix || strncmp(object->key, rule->prefix, strlen(rule->prefix)) == 0) &&
	       (!rule->has_greater || object->size > rule->greater) &&
	       (!rule->has_less || object->size < rule->less) &&
	       (object->any_tags || has_tags(rule, object->tags));
}

bool lifecycle_wants_tags(const struct lifecycle *lifecycle)
{
	for (unsigned i = 0; i < lifecycle->count; i++) {
		if (lifecycle->rules[i].enabled && lifecycle->rules[i].tag_count)
			return true;
	}
	return false;
}

uint64_t lifecycle_due(const struct lifecycle_action *action, uint64_t ts, uint64_t day_s)
{
	uint64_t day = day_s * TS_PER_SECOND, due;

	if (!action->set)
		return LIFECYCLE_NEVER;
	if (action->dated)
		return action->date;
	if (action->days > (LIFECYCLE_NEVER - ts) / day - 1)
		return LIFECYCLE_NEVER;
	due = ts + action->days * day;
	return day_s == LIFECYCLE_DAY ? (due + day - 1) / day * day : due;
}

uint64_t lifecycle_expires(const struct lifecycle *lifecycle, const struct lifecycle_object *object,
        uint64_t day_s, const struct lifecycle_rule **ret_rule)
{
	uint64_t first = LIFECYCLE_NEVER;

	for (unsigned i = 0; i < lifecycle->count; i++) {
		const struct lifecycle_rule *rule = &lifecycle->rules[i];
		uint64_t due = lifecycle_due(&rule->expiration, object->ts, day_s);
		if (due < first && lifecycle_concerns(rule, object)) {
			first = due;
			*ret_rule = rule;
		}
	}
	return first;
}

uint64_t lifecycle_noncurrent_expires(const struct lifecycle *lifecycle,
        const struct lifecycle_object *object, uint64_t newer, uint64_t day_s)
{
	uint64_t first = LIFECYCLE_NEVER;

	for (unsigned i = 0; i < lifecycle->count; i++) {
		const struct lifecycle_rule *rule = &lifecycle->rules[i];
		uint64_t due = lifecycle_due(&rule->noncurrent, object->ts, day_s);
		if (due < first && newer >= rule->noncurrent.newer &&
		        lifecycle_concerns(rule, object))
			first = due;
	}
	return first;
}

uint64_t lifecycle_marker_expires(
        const struct lifecycle *lifecycle, const struct lifecycle_object *object, uint64_t day_s)
{
	uint64_t first = LIFECYCLE_NEVER;

	for (unsigned i = 0; i < lifecycle->count; i++) {
		const struct lifecycle_rule *rule = &lifecycle->rules[i];
		uint64_t due =
		        rule->markers ? 0 : lifecycle_due(&rule->expiration, object->ts, day_s);
		if (due < first && !rule->tag_count && !rule->has_greater && !rule->has_less &&
		        lifecycle_concerns(rule, object))
			first = due;
	}
	return first;
}

uint64_t lifecycle_upload_ends(
        const struct lifecycle *lifecycle, const struct lifecycle_object *upload, uint64_t day_s)
{
	uint64_t first = LIFECYCLE_NEVER;

	for (unsigned i = 0; i < lifecycle->count; i++) {
		uint64_t due = lifecycle_due(&lifecycle->rules[i].abort, upload->ts, day_s);
		if (due < first && lifecycle_concerns(&lifecycle->rules[i], upload))
			first = due;
	}
	return first;
}

/* --- transitions --- */

/* Of what is known of them. */
struct moves {
	const struct lifecycle *lifecycle;
	const struct lifecycle_object *object;
	uint64_t newer, now, day_s;
	const char *class;      /* that is to be had; NULL: none yet */
	uint64_t due, here_due; /* of that; of a transition to where it is, or 0 */
};

static bool is_too_small(const struct moves *m, const struct lifecycle_rule *rule)
{
	return !rule->has_greater && !rule->has_less && m->object->size < m->lifecycle->least;
}

static void look_at_moves(struct moves *m, const struct lifecycle_action *actions, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		const struct lifecycle_action *a = &actions[i];
		uint64_t due = lifecycle_due(a, m->object->ts, m->day_s);
		bool here = strcmp(a->class, s3_class_told(m->object->class)) == 0;
		if (m->newer < a->newer || (here && m->object->any_tags))
			continue;
		if (here && due > m->here_due)
			m->here_due = due;
		if (due <= m->now && due >= m->due) {
			m->due = due;
			m->class = a->class;
		}
	}
}

const char *lifecycle_moves(const struct lifecycle *lifecycle,
        const struct lifecycle_object *object, uint64_t newer, uint64_t now, uint64_t day_s)
{
	struct moves m = {.lifecycle = lifecycle,
	        .object = object,
	        .newer = newer,
	        .now = now,
	        .day_s = day_s};

	for (unsigned i = 0; i < lifecycle->count; i++) {
		const struct lifecycle_rule *rule = &lifecycle->rules[i];
		if (!lifecycle_concerns(rule, object) || is_too_small(&m, rule))
			continue;
		if (newer == LIFECYCLE_CURRENT)
			look_at_moves(&m, rule->moves, rule->move_count);
		else
			look_at_moves(&m, rule->noncurrent_moves, rule->noncurrent_move_count);
	}
	return m.class && m.here_due < m.due ? m.class : NULL;
}

/* --- x-amz-expiration --- */

/* Of the current version, by an operation that tells of it or makes it. */
static bool is_wanted(const struct request *request, int status)
{
	const struct s3_operation *o = request->s3->operation;

	return (status == 200 || status == 206) && o && request->s3->key &&
	       !s3_param(request, "versionId") &&
	       (o->method == &s3_object_get || o->method == &s3_object_put ||
	               o->method == &s3_object_copy || o->method == &s3_upload_complete);
}

static uint64_t made_at(struct request *request, const struct buf *out)
{
	const char *modified = kv_get(out->data, out->len, "Last-Modified");
	int64_t seconds;

	return modified && http_date_parse(modified, &seconds) && seconds > 0
	               ? (uint64_t)seconds * TS_PER_SECOND
	               : hlc_now(request_cluster(request)->hlc);
}

void lifecycle_answer(struct request *request, int status, struct buf *out)
{
	const struct info *info = versions_named(request);
	const char *kept =
	        is_wanted(request, status) && info ? info_header(info, S3_LIFECYCLE) : NULL;
	const struct lifecycle_rule *rule;
	struct lifecycle lifecycle;
	char date[HTTP_DATE_SIZE];

	if (!kept || !lifecycle_parse(kept, request_arena(request), &lifecycle))
		return;
	const struct lifecycle_object object = {.key = request->s3->key,
	        .tags = request->s3->told_tags,
	        .size = request->s3->told_size,
	        .ts = made_at(request, out)};
	/* It tells dates: the days are true ones, whatever the walk takes for one. */
	uint64_t due = lifecycle_expires(&lifecycle, &object, LIFECYCLE_DAY, &rule);
	if (due == LIFECYCLE_NEVER)
		return;
	AUTO(buf) struct buf text = BUF_NONE;
	http_date_format((int64_t)(due / TS_PER_SECOND), date);
	buf_printf(&text, "expiry-date=\"%s\", rule-id=\"", date);
	url_quote(&text, rule->id ? rule->id : "", "");
	buf_char(&text, '"');
	if (!kv_get(out->data, out->len, "x-amz-expiration")) /* a time of its own goes before */
		kv_add(out, "x-amz-expiration", buf_text(&text));
}
