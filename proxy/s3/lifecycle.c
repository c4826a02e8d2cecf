/* Lifecycle rules as XML: read and checked as AWS does, and written again. */
#include "proxy/s3/lifecycle.h"

#include "proxy/s3/lock.h"
#include "proxy/s3/reading.h"
#include "proxy/s3/s3.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define ID_MAX    255
#define DAYS_MAX  INT32_MAX
#define NEWER_MAX 100
#define DAY_TS    (LIFECYCLE_DAY * TS_PER_SECOND)

static bool is(const struct xml *x, const char *name)
{
	return strcmp(x->name, name) == 0;
}

/* --- values --- */

static const char *trimmed(struct reading *r, const char *text)
{
	size_t len;

	text += strspn(text, " \t\r\n");
	for (len = strlen(text); len && strchr(" \t\r\n", text[len - 1]);)
		len--;
	return arena_strndup(r->arena, text, len);
}

static uint64_t number(struct reading *r, const char *text, uint64_t max)
{
	const char *value = trimmed(r, text);
	size_t len = strspn(value, "0123456789");
	char *end;

	if (!len || value[len] || len > 19) {
		reading_fail(r, S3_MalformedXML, NULL);
		return 0;
	}
	uint64_t n = strtoull(value, &end, 10);
	if (n > max)
		reading_fail(r, S3_MalformedXML, NULL);
	return n;
}

/* Of days or versions: one at least, which AWS says in words. */
static uint64_t positive(struct reading *r, const struct xml *x, const char *action)
{
	const char *value = trimmed(r, x->text);
	bool negative = *value == '-' && value[1] && !value[1 + strspn(value + 1, "0123456789")];
	uint64_t n = negative ? 0 : number(r, value, DAYS_MAX);

	if (!n)
		reading_fail(r, S3_InvalidArgument,
		        arena_printf(r->arena, "'%s' for %s action must be a positive integer",
		                x->name, action));
	return n;
}

static uint64_t days_of_move(struct reading *r, const struct xml *x, const char *action)
{
	if (*trimmed(r, x->text) == '-') {
		reading_fail(r, S3_InvalidArgument,
		        arena_printf(r->arena, "'%s' for %s action must be nonnegative", x->name,
		                action));
		return 0;
	}
	return number(r, x->text, DAYS_MAX);
}

static uint64_t date(struct reading *r, const struct xml *x)
{
	const char *text = trimmed(r, x->text);
	uint64_t ts = 0;

	if (strlen(text) == 10)
		text = arena_printf(r->arena, "%sT00:00:00Z", text);
	if (!s3_lock_date(text, &ts))
		reading_fail(r, S3_MalformedXML, NULL);
	else if (ts % DAY_TS)
		reading_fail(r, S3_InvalidArgument, "'Date' must be at midnight GMT");
	return ts;
}

static bool truth(struct reading *r, const struct xml *x)
{
	const char *text = trimmed(r, x->text);

	if (strcasecmp(text, "true") != 0 && strcasecmp(text, "false") != 0)
		reading_fail(r, S3_MalformedXML, NULL);
	return strcasecmp(text, "true") == 0;
}

/* --- filters --- */

static unsigned count_of(const struct xml *parent, const char *name)
{
	unsigned n = 0;

	for (const struct xml *x = xml_child(parent, name); x; x = xml_next(x))
		n++;
	return n;
}

static void add_tag(struct reading *r, struct lifecycle_rule *rule, const struct xml *x)
{
	const char *key = xml_text(x, "Key"), *value = xml_text(x, "Value");

	if (!key || !*key || !value) {
		reading_fail(r, S3_MalformedXML, NULL);
		return;
	}
	for (unsigned i = 0; i < rule->tag_count; i++) {
		if (strcmp(rule->tags[i].key, key) == 0)
			reading_fail(r, S3_InvalidRequest, "Duplicate Tag Keys are not allowed.");
	}
	rule->tags[rule->tag_count++] = (struct lifecycle_tag){key, value};
}

/* Predicates that stand beside each other, which AWS wants in an And, are taken as if in one. */
static void read_filter(struct reading *r, struct lifecycle_rule *rule, const struct xml *filter)
{
	const struct xml *and = is(filter, "Filter") ? xml_child(filter, "And") : NULL;

	if (!rule->tags)
		rule->tags = arena_zalloc(
		        r->arena, (count_of(filter, "Tag") + (and? count_of(and, "Tag") : 0) + 1) *
		                          sizeof(*rule->tags));
	for (const struct xml *x = filter->first; x && !r->error; x = x->next) {
		if (is(x, "Prefix")) {
			/* The narrower of two. */
			if (!rule->prefix || strlen(x->text) > strlen(rule->prefix))
				rule->prefix = x->text;
		} else if (is(x, "Tag")) {
			add_tag(r, rule, x);
		} else if (is(x, "ObjectSizeGreaterThan")) {
			rule->has_greater = true;
			rule->greater = number(r, x->text, INT64_MAX);
		} else if (is(x, "ObjectSizeLessThan")) {
			rule->has_less = true;
			rule->less = number(r, x->text, INT64_MAX);
		} else if (x == and) {
			read_filter(r, rule, and);
		} else {
			reading_fail(r, S3_MalformedXML, NULL);
		}
	}
	if (rule->has_greater && rule->has_less && rule->greater >= rule->less)
		reading_fail(r, S3_InvalidRequest,
		        "'ObjectSizeLessThan' has to be a value greater than "
		        "'ObjectSizeGreaterThan'.");
}

/* --- actions --- */

static void read_expiration(struct reading *r, struct lifecycle_rule *rule, const struct xml *e)
{
	struct lifecycle_action *a = &rule->expiration;

	if (!e->first || e->first->next) {
		reading_fail(r, S3_MalformedXML, NULL);
		return;
	}
	if (is(e->first, "Days"))
		*a = (struct lifecycle_action){
		        .set = true, .days = positive(r, e->first, "Expiration")};
	else if (is(e->first, "Date"))
		*a = (struct lifecycle_action){
		        .set = true, .dated = true, .date = date(r, e->first)};
	else if (is(e->first, "ExpiredObjectDeleteMarker")) {
		rule->tells_markers = true;
		rule->markers = truth(r, e->first);
	} else
		reading_fail(r, S3_MalformedXML, NULL);
}

static void read_noncurrent(struct reading *r, struct lifecycle_rule *rule, const struct xml *e)
{
	static const char name[] = "NoncurrentVersionExpiration";
	struct lifecycle_action *a = &rule->noncurrent;

	for (const struct xml *x = e->first; x && !r->error; x = x->next) {
		a->set = true;
		if (is(x, "NoncurrentDays"))
			a->days = positive(r, x, name);
		else if (is(x, "NewerNoncurrentVersions"))
			a->newer = positive(r, x, name);
		else
			reading_fail(r, S3_MalformedXML, NULL);
	}
	if (!a->set)
		reading_fail(r, S3_MalformedXML, NULL);
	if (a->newer > NEWER_MAX)
		reading_fail(r, S3_InvalidArgument,
		        "'NewerNoncurrentVersions' for NoncurrentVersionExpiration action must be "
		        "less than or equal to 100");
}

static void read_abort(struct reading *r, struct lifecycle_rule *rule, const struct xml *e)
{
	if (!e->first || e->first->next || !is(e->first, "DaysAfterInitiation")) {
		reading_fail(r, S3_MalformedXML, NULL);
		return;
	}
	rule->abort = (struct lifecycle_action){
	        .set = true, .days = positive(r, e->first, "AbortIncompleteMultipartUpload")};
}

static struct lifecycle_action read_move(struct reading *r, const struct xml *e)
{
	bool noncurrent = is(e, "NoncurrentVersionTransition");
	struct lifecycle_action a = {0};

	for (const struct xml *x = e->first; x && !r->error; x = x->next) {
		if (is(x, "StorageClass") && *x->text)
			a.class = trimmed(r, x->text);
		else if (!a.set && is(x, noncurrent ? "NoncurrentDays" : "Days"))
			a = (struct lifecycle_action){.set = true,
			        .days = days_of_move(r, x, e->name),
			        .class = a.class,
			        .newer = a.newer};
		else if (!a.set && !noncurrent && is(x, "Date"))
			a = (struct lifecycle_action){
			        .set = true, .dated = true, .date = date(r, x), .class = a.class};
		else if (noncurrent && is(x, "NewerNoncurrentVersions"))
			a.newer = positive(r, x, e->name);
		else
			reading_fail(r, S3_MalformedXML, NULL);
	}
	if (!a.class || (!a.set && !a.newer))
		reading_fail(r, S3_MalformedXML, NULL);
	a.set = true;
	return a;
}

static void read_moves(struct reading *r, const struct xml *rule, const char *name,
        struct lifecycle_action **ret_moves, unsigned *ret_count)
{
	unsigned count = 0;

	*ret_moves = arena_zalloc(r->arena, (count_of(rule, name) + 1) * sizeof(**ret_moves));
	for (const struct xml *x = xml_child(rule, name); x && !r->error; x = xml_next(x))
		(*ret_moves)[count++] = read_move(r, x);
	*ret_count = count;
}

/* --- a rule --- */

static void check_moves(struct reading *r, const struct lifecycle_rule *rule,
        const struct lifecycle_action *moves, unsigned count, const struct lifecycle_action *end,
        const char *action)
{
	const char *prefix = rule->prefix ? rule->prefix : "";

	for (unsigned i = 0; i < count && !r->error; i++) {
		for (unsigned k = 0; k < i; k++) {
			if (strcmp(moves[i].class, moves[k].class) == 0)
				reading_fail(r, S3_InvalidRequest,
				        arena_printf(r->arena,
				                "'StorageClass' must be different for '%s' actions "
				                "in same 'Rule' with prefix '%s'",
				                action, prefix));
		}
		if ((end->set && end->dated != moves[i].dated) || moves[0].dated != moves[i].dated)
			reading_fail(r, S3_InvalidRequest,
			        arena_printf(r->arena,
			                "Found mixed 'Date' and 'Days' based Expiration and "
			                "Transition actions in lifecycle rule for prefix '%s'",
			                prefix));
		if (end->set && end->days && end->days <= moves[i].days)
			reading_fail(r, S3_InvalidArgument,
			        arena_printf(r->arena,
			                "'Days' in the Expiration action for prefix '%s' must be "
			                "greater than 'Days' in the %s action",
			                prefix, action));
	}
}

static void check_rule(struct reading *r, const struct lifecycle_rule *rule)
{
	bool sizes = rule->has_greater || rule->has_less;

	if (!rule->expiration.set && !rule->tells_markers && !rule->noncurrent.set &&
	        !rule->abort.set && !rule->move_count && !rule->noncurrent_move_count)
		reading_fail(r, S3_InvalidRequest,
		        "At least one action needs to be specified in a rule");
	if (rule->abort.set && rule->tag_count)
		reading_fail(r, S3_InvalidRequest,
		        "AbortIncompleteMultipartUpload cannot be specified with Tags.");
	if (rule->abort.set && sizes)
		reading_fail(r, S3_InvalidRequest,
		        "AbortIncompleteMultipartUpload cannot be specified with Object Size.");
	if (rule->tells_markers && rule->tag_count)
		reading_fail(r, S3_InvalidRequest,
		        "ExpiredObjectDeleteMarker cannot be specified with Tags.");
	check_moves(r, rule, rule->moves, rule->move_count, &rule->expiration, "Transition");
	check_moves(r, rule, rule->noncurrent_moves, rule->noncurrent_move_count, &rule->noncurrent,
	        "NoncurrentVersionTransition");
}

/* Elements that stand in a rule once, and those that do so any number of times. */
static void check_elements(struct reading *r, const struct xml *x)
{
	static const char *const once[] = {"ID", "Prefix", "Filter", "Status", "Expiration",
	        "NoncurrentVersionExpiration", "AbortIncompleteMultipartUpload"};
	static const char *const many[] = {"Transition", "NoncurrentVersionTransition"};

	for (const struct xml *e = x->first; e; e = e->next) {
		bool known = false;
		for (unsigned i = 0; i < COUNT_OF(once); i++)
			known |= is(e, once[i]) && !xml_next(e);
		for (unsigned i = 0; i < COUNT_OF(many); i++)
			known |= is(e, many[i]);
		if (!known)
			reading_fail(r, S3_MalformedXML, NULL);
	}
	if (!xml_child(x, "Prefix") == !xml_child(x, "Filter"))
		reading_fail(r, S3_MalformedXML, NULL);
}

static void read_rule(struct reading *r, const struct xml *x, struct lifecycle_rule *rule)
{
	const struct xml *filter = xml_child(x, "Filter"), *expiration = xml_child(x, "Expiration"),
	                 *noncurrent = xml_child(x, "NoncurrentVersionExpiration"),
	                 *abort = xml_child(x, "AbortIncompleteMultipartUpload");
	const char *status = xml_text(x, "Status"), *id = xml_text(x, "ID");

	if (!is(x, "Rule") || !status)
		reading_fail(r, S3_MalformedXML, NULL);
	check_elements(r, x);
	if (r->error)
		return;
	rule->enabled = strcmp(status, "Enabled") == 0;
	if (!rule->enabled && strcmp(status, "Disabled") != 0)
		reading_fail(r, S3_MalformedXML, NULL);
	rule->id = id && *id ? id : NULL;
	if (rule->id && strlen(id) > ID_MAX)
		reading_fail(
		        r, S3_InvalidArgument, "ID length should not exceed allowed limit of 255");
	rule->bare = !filter;
	rule->prefix = filter ? NULL : xml_text(x, "Prefix");
	if (filter)
		read_filter(r, rule, filter);
	if (expiration)
		read_expiration(r, rule, expiration);
	if (noncurrent)
		read_noncurrent(r, rule, noncurrent);
	if (abort)
		read_abort(r, rule, abort);
	read_moves(r, x, "Transition", &rule->moves, &rule->move_count);
	read_moves(r, x, "NoncurrentVersionTransition", &rule->noncurrent_moves,
	        &rule->noncurrent_move_count);
	if (!r->error)
		check_rule(r, rule);
}

enum s3_error lifecycle_read(const struct xml *root, struct arena *arena,
        struct lifecycle *ret_lifecycle, const char **ret_text)
{
	struct reading r = {.arena = arena};
	struct lifecycle l = {0};
	unsigned count = count_of(root, "Rule");

	*ret_text = NULL;
	if (!count || count > LIFECYCLE_RULES)
		return S3_MalformedXML;
	l.rules = arena_zalloc(arena, count * sizeof(*l.rules));
	for (const struct xml *x = root->first; x && !r.error; x = x->next) {
		read_rule(&r, x, &l.rules[l.count]);
		for (unsigned i = 0; i < l.count && !r.error; i++) {
			const char *id = l.rules[l.count].id;
			if (id && l.rules[i].id && strcmp(id, l.rules[i].id) == 0)
				reading_fail(&r, S3_InvalidArgument,
				        "Rule ID must be unique. Found same ID for more than one "
				        "rule");
		}
		l.count++;
	}
	*ret_text = r.text;
	if (!r.error)
		*ret_lifecycle = l;
	return r.error;
}

bool lifecycle_parse(const char *kept, struct arena *arena, struct lifecycle *ret_lifecycle)
{
	const struct xml *root;
	const char *text;

	return kept && *kept && !xml_parse(kept, strlen(kept), arena, &root) &&
	       !lifecycle_read(root, arena, ret_lifecycle, &text);
}
