#include "proxy/s3/notification.h"

#include "lib/http/url.h"
#include "proxy/s3/reading.h"
#include "proxy/s3/s3.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define ID_MAX     255
#define VALUE_MAX  1024
#define EVENTS_ALL ((uint32_t)((1ull << COUNT_OF(events)) - 1))

/* Those that AWS knows; what never happens here may be asked for as well. */
static const char *const events[] = {
        "s3:ObjectCreated:*",
        "s3:ObjectCreated:Put",
        "s3:ObjectCreated:Post",
        "s3:ObjectCreated:Copy",
        "s3:ObjectCreated:CompleteMultipartUpload",
        "s3:ObjectRemoved:*",
        "s3:ObjectRemoved:Delete",
        "s3:ObjectRemoved:DeleteMarkerCreated",
        "s3:ObjectRestore:*",
        "s3:ObjectRestore:Post",
        "s3:ObjectRestore:Completed",
        "s3:ObjectRestore:Delete",
        "s3:ReducedRedundancyLostObject",
        "s3:Replication:*",
        "s3:Replication:OperationFailedReplication",
        "s3:Replication:OperationNotTracked",
        "s3:Replication:OperationMissedThreshold",
        "s3:Replication:OperationReplicatedAfterThreshold",
        "s3:LifecycleTransition",
        "s3:LifecycleExpiration:*",
        "s3:LifecycleExpiration:Delete",
        "s3:LifecycleExpiration:DeleteMarkerCreated",
        "s3:IntelligentTiering",
        "s3:ObjectTagging:*",
        "s3:ObjectTagging:Put",
        "s3:ObjectTagging:Delete",
        "s3:ObjectAcl:Put",
};

static const struct {
	char kind;
	const char *element, *arn;
} kinds[] = {
        {'T', "TopicConfiguration", "Topic"},
        {'Q', "QueueConfiguration", "Queue"},
        {'F', "CloudFunctionConfiguration", "CloudFunction"},
};

static bool covers(const char *pattern, const char *event)
{
	size_t len = strlen(pattern);

	return strcmp(pattern, event) == 0 ||
	       (pattern[len - 1] == '*' && strncmp(pattern, event, len - 1) == 0);
}

/* With all that those with a '*' stand for. */
static uint32_t expanded(uint32_t set)
{
	uint32_t all = set;

	for (unsigned i = 0; i < COUNT_OF(events); i++) {
		for (unsigned j = 0; set >> i & 1 && j < COUNT_OF(events); j++) {
			if (covers(events[i], events[j]))
				all |= 1u << j;
		}
	}
	return all;
}

/* --- from XML --- */

static void wrong(struct reading *r, const char *text)
{
	reading_fail(r, S3_InvalidArgument, text);
}

static void read_event(struct reading *r, const char *name, struct notification_rule *rule)
{
	unsigned i = 0;

	while (i < COUNT_OF(events) && strcmp(events[i], name) != 0)
		i++;
	if (i == COUNT_OF(events))
		wrong(r, "A specified event is not supported for notifications");
	else
		rule->events |= 1u << i;
}

static void read_filter_rule(struct reading *r, const struct xml *x, struct notification_rule *rule)
{
	const char *name = xml_text(x, "Name"), *value = xml_text(x, "Value");
	bool prefix = name && strcasecmp(name, "prefix") == 0,
	     suffix = name && strcasecmp(name, "suffix") == 0;
	const char **to = prefix ? &rule->prefix : &rule->suffix;

	if (strcmp(x->name, "FilterRule") != 0 || !name || !value)
		reading_fail(r, S3_MalformedXML, NULL);
	else if (!prefix && !suffix)
		wrong(r, "filter rule name must be either prefix or suffix");
	else if (*to)
		wrong(r, prefix ? "Cannot specify more than one prefix rule in a filter."
		                : "Cannot specify more than one suffix rule in a filter.");
	else if (strlen(value) > VALUE_MAX)
		wrong(r, "Size of filter rule value cannot exceed 1024 bytes in UTF-8 "
		         "representation");
	else
		*to = value;
}

static void read_filter(struct reading *r, const struct xml *x, struct notification_rule *rule)
{
	const struct xml *key = xml_child(x, "S3Key");

	if (x->first != key || xml_next(key))
		reading_fail(r, S3_MalformedXML, NULL);
	for (const struct xml *e = key ? key->first : NULL; e && !r->error; e = e->next)
		read_filter_rule(r, e, rule);
}

static void read_rule(
        struct reading *r, const struct xml *x, unsigned kind, struct notification_rule *rule)
{
	*rule = (struct notification_rule){.kind = kinds[kind].kind};
	for (const struct xml *e = x->first; e && !r->error; e = e->next) {
		bool once = strcmp(e->name, "Event") != 0;
		if (once && xml_next(e))
			reading_fail(r, S3_MalformedXML, NULL);
		else if (!once)
			read_event(r, e->text, rule);
		else if (strcmp(e->name, "Id") == 0)
			rule->id = *e->text ? e->text : NULL;
		else if (strcmp(e->name, kinds[kind].arn) == 0)
			rule->arn = e->text;
		else if (strcmp(e->name, "Filter") == 0)
			read_filter(r, e, rule);
		else
			reading_fail(r, S3_MalformedXML, NULL);
	}
	if (!rule->arn || !rule->events)
		reading_fail(r, S3_MalformedXML, NULL);
	if (rule->id && strlen(rule->id) > ID_MAX)
		wrong(r, "ID length should not exceed allowed limit of 255");
}

static bool nested(const char *a, const char *b, bool at_end)
{
	size_t n = a ? strlen(a) : 0, m = b ? strlen(b) : 0, less = n < m ? n : m;

	return !less || memcmp(a + (at_end ? n - less : 0), b + (at_end ? m - less : 0), less) == 0;
}

static void compare(
        struct reading *r, const struct notification_rule *a, const struct notification_rule *b)
{
	bool filters = a->prefix || a->suffix || b->prefix || b->suffix;

	if (a->id && b->id && strcmp(a->id, b->id) == 0)
		wrong(r, "Same ID used for multiple configurations. IDs must be unique");
	if (!(expanded(a->events) & expanded(b->events)) || !nested(a->prefix, b->prefix, false) ||
	        !nested(a->suffix, b->suffix, true))
		return;
	wrong(r, filters ? "Configuration is ambiguously defined. Cannot have overlapping suffixes "
	                   "in two rules if the prefixes are overlapping for the same event type."
	                 : "Configurations overlap. Configurations on the same bucket cannot share "
	                   "a common event type.");
}

static unsigned kind_of(const char *element)
{
	unsigned i = 0;

	while (i < COUNT_OF(kinds) && strcmp(kinds[i].element, element) != 0)
		i++;
	return i;
}

enum s3_error notification_read(const struct xml *root, struct arena *arena,
        struct notification *ret_notification, const char **ret_text)
{
	struct reading r = {.arena = arena};
	struct notification n = {
	        .rules = arena_zalloc(arena, NOTIFICATION_RULES * sizeof(*n.rules))};

	for (const struct xml *x = root->first; x && !r.error; x = x->next) {
		unsigned kind = kind_of(x->name);
		if (strcmp(x->name, "EventBridgeConfiguration") == 0)
			reading_fail(&r, S3_NotImplemented, NULL);
		else if (kind == COUNT_OF(kinds))
			reading_fail(&r, S3_MalformedXML, NULL);
		else if (n.count == NOTIFICATION_RULES)
			wrong(&r, "Number of notification configurations exceeds the limit of 100");
		if (r.error)
			break;
		read_rule(&r, x, kind, &n.rules[n.count]);
		for (unsigned i = 0; i < n.count && !r.error; i++)
			compare(&r, &n.rules[i], &n.rules[n.count]);
		n.count++;
	}
	*ret_text = r.text;
	if (!r.error)
		*ret_notification = n;
	return r.error;
}

/* --- to XML --- */

static void tell_filter_rule(const char *name, const char *value, struct buf *out)
{
	if (!value)
		return;
	buf_str(out, "<FilterRule>");
	s3_xml_text(out, "Name", name);
	s3_xml_text(out, "Value", value);
	buf_str(out, "</FilterRule>");
}

static void tell_rule(const struct notification_rule *rule, struct buf *out)
{
	unsigned kind = 0;

	while (kinds[kind].kind != rule->kind)
		kind++;
	buf_printf(out, "<%s>", kinds[kind].element);
	if (rule->id)
		s3_xml_text(out, "Id", rule->id);
	s3_xml_text(out, kinds[kind].arn, rule->arn);
	for (unsigned i = 0; i < COUNT_OF(events); i++) {
		if (rule->events >> i & 1)
			s3_xml_text(out, "Event", events[i]);
	}
	if (rule->prefix || rule->suffix) {
		buf_str(out, "<Filter><S3Key>");
		tell_filter_rule("prefix", rule->prefix, out);
		tell_filter_rule("suffix", rule->suffix, out);
		buf_str(out, "</S3Key></Filter>");
	}
	buf_printf(out, "</%s>", kinds[kind].element);
}

void notification_tell(const struct notification *n, struct buf *out)
{
	s3_xml_begin(out, "NotificationConfiguration");
	for (unsigned i = 0; i < n->count; i++)
		tell_rule(&n->rules[i], out);
	buf_str(out, "</NotificationConfiguration>");
}

/* --- as it is kept: "Q =id =arn 1f =prefix -,T ..." --- */

static void write_field(const char *value, struct buf *out)
{
	buf_str(out, value ? " =" : " -");
	if (value)
		url_quote(out, value, "");
}

void notification_write(const struct notification *n, struct buf *out)
{
	for (unsigned i = 0; i < n->count; i++) {
		const struct notification_rule *rule = &n->rules[i];
		buf_printf(out, "%s%c", i ? "," : "", rule->kind);
		write_field(rule->id, out);
		write_field(rule->arn, out);
		buf_printf(out, " %x", rule->events);
		write_field(rule->prefix, out);
		write_field(rule->suffix, out);
	}
}

/* Behind a blank; *at moves behind the word. */
static const char *take_word(const char **at, struct arena *arena)
{
	const char *word = *at + (**at == ' ');
	size_t len = strcspn(word, " ,");

	*at = word + len;
	return arena_strndup(arena, word, len);
}

static bool take_field(const char **at, struct arena *arena, const char **ret_value)
{
	const char *word = take_word(at, arena);
	size_t len;

	*ret_value = *word == '=' ? url_unquote(arena, word + 1, strlen(word + 1), &len) : NULL;
	return *word == '=' || strcmp(word, "-") == 0;
}

static bool take_rule(const char **at, struct arena *arena, struct notification_rule *rule)
{
	const char *kind = take_word(at, arena);

	*rule = (struct notification_rule){.kind = *kind};
	if (!*kind || kind[1] || !strchr("TQF", *kind) || !take_field(at, arena, &rule->id) ||
	        !take_field(at, arena, &rule->arn) || !rule->arn)
		return false;
	rule->events = (uint32_t)strtoul(take_word(at, arena), NULL, 16) & EVENTS_ALL;
	return take_field(at, arena, &rule->prefix) && take_field(at, arena, &rule->suffix);
}

bool notification_parse(
        const char *kept, struct arena *arena, struct notification *ret_notification)
{
	struct notification n = {
	        .rules = arena_zalloc(arena, NOTIFICATION_RULES * sizeof(*n.rules))};
	const char *at = kept;

	while (*at) {
		if (n.count == NOTIFICATION_RULES || !take_rule(&at, arena, &n.rules[n.count++]) ||
		        (*at && *at++ != ','))
			return false;
	}
	*ret_notification = n;
	return true;
}

/* --- */

static bool wants(const struct notification_rule *rule, const char *event)
{
	for (unsigned i = 0; i < COUNT_OF(events); i++) {
		if (rule->events >> i & 1 && covers(events[i] + strlen("s3:"), event))
			return true;
	}
	return false;
}

const struct notification_rule *notification_find(
        const struct notification *n, const char *event, const char *key)
{
	size_t len = strlen(key);

	for (unsigned i = 0; i < n->count; i++) {
		const struct notification_rule *rule = &n->rules[i];
		size_t prefix = rule->prefix ? strlen(rule->prefix) : 0,
		       suffix = rule->suffix ? strlen(rule->suffix) : 0;
		if (prefix <= len && suffix <= len &&
		        memcmp(key, rule->prefix ? rule->prefix : "", prefix) == 0 &&
		        memcmp(key + len - suffix, rule->suffix ? rule->suffix : "", suffix) == 0 &&
		        wants(rule, event))
			return rule;
	}
	return NULL;
}
