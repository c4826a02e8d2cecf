#include "proxy/s3/lifecycle.h"

#include "proxy/s3/lock.h"
#include "proxy/s3/s3.h"

static void write_date(struct buf *out, uint64_t ts)
{
	buf_str(out, "<Date>");
	s3_lock_date_write(ts, out);
	buf_str(out, "</Date>");
}

static void write_predicates(const struct lifecycle_rule *rule, struct buf *out)
{
	if (rule->prefix)
		s3_xml_text(out, "Prefix", rule->prefix);
	for (unsigned i = 0; i < rule->tag_count; i++) {
		buf_str(out, "<Tag>");
		s3_xml_text(out, "Key", rule->tags[i].key);
		s3_xml_text(out, "Value", rule->tags[i].value);
		buf_str(out, "</Tag>");
	}
	if (rule->has_greater)
		s3_xml_u64(out, "ObjectSizeGreaterThan", rule->greater);
	if (rule->has_less)
		s3_xml_u64(out, "ObjectSizeLessThan", rule->less);
}

static void write_filter(const struct lifecycle_rule *rule, struct buf *out)
{
	unsigned count =
	        (rule->prefix ? 1u : 0u) + rule->tag_count + rule->has_greater + rule->has_less;

	if (rule->bare) {
		s3_xml_text(out, "Prefix", rule->prefix);
		return;
	}
	buf_str(out, count > 1 ? "<Filter><And>" : "<Filter>");
	write_predicates(rule, out);
	buf_str(out, count > 1 ? "</And></Filter>" : "</Filter>");
}

static void write_expiration(const struct lifecycle_rule *rule, struct buf *out)
{
	const struct lifecycle_action *a = &rule->expiration;

	if (!a->set && !rule->tells_markers)
		return;
	buf_str(out, "<Expiration>");
	if (rule->tells_markers)
		s3_xml_bool(out, "ExpiredObjectDeleteMarker", rule->markers);
	else if (a->dated)
		write_date(out, a->date);
	else
		s3_xml_u64(out, "Days", a->days);
	buf_str(out, "</Expiration>");
}

static void write_noncurrent(const struct lifecycle_rule *rule, struct buf *out)
{
	if (!rule->noncurrent.set)
		return;
	buf_str(out, "<NoncurrentVersionExpiration>");
	if (rule->noncurrent.days)
		s3_xml_u64(out, "NoncurrentDays", rule->noncurrent.days);
	if (rule->noncurrent.newer)
		s3_xml_u64(out, "NewerNoncurrentVersions", rule->noncurrent.newer);
	buf_str(out, "</NoncurrentVersionExpiration>");
}

static void write_moves(
        struct buf *out, const char *name, const struct lifecycle_action *moves, unsigned count)
{
	bool noncurrent = *name == 'N';

	for (unsigned i = 0; i < count; i++) {
		buf_printf(out, "<%s>", name);
		if (moves[i].dated)
			write_date(out, moves[i].date);
		else
			s3_xml_u64(out, noncurrent ? "NoncurrentDays" : "Days", moves[i].days);
		if (moves[i].newer)
			s3_xml_u64(out, "NewerNoncurrentVersions", moves[i].newer);
		s3_xml_text(out, "StorageClass", moves[i].class);
		buf_printf(out, "</%s>", name);
	}
}

void lifecycle_write(const struct lifecycle *lifecycle, struct buf *out)
{
	s3_xml_begin(out, "LifecycleConfiguration");
	for (unsigned i = 0; i < lifecycle->count; i++) {
		const struct lifecycle_rule *rule = &lifecycle->rules[i];
		buf_str(out, "<Rule>");
		if (rule->id)
			s3_xml_text(out, "ID", rule->id);
		write_filter(rule, out);
		s3_xml_text(out, "Status", rule->enabled ? "Enabled" : "Disabled");
		write_expiration(rule, out);
		write_moves(out, "Transition", rule->moves, rule->move_count);
		write_noncurrent(rule, out);
		write_moves(out, "NoncurrentVersionTransition", rule->noncurrent_moves,
		        rule->noncurrent_move_count);
		if (rule->abort.set) {
			buf_str(out, "<AbortIncompleteMultipartUpload>");
			s3_xml_u64(out, "DaysAfterInitiation", rule->abort.days);
			buf_str(out, "</AbortIncompleteMultipartUpload>");
		}
		buf_str(out, "</Rule>");
	}
	buf_str(out, "</LifecycleConfiguration>");
}
