#include "proxy/s3/log_record.h"

#include "proxy/access.h"

#include <ctype.h>
#include <string.h>
#include <time.h>

/* What is no word by itself: blanks, quotes and all that ends a line are as in URLs. */
static void add_escaped(struct buf *out, const char *text, const char *also)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;
		if (c < ' ' || c == 0x7f || c == '"' || strchr(also, c))
			buf_printf(out, "%%%02X", c);
		else
			buf_char(out, (char)c);
	}
}

static void add_word(struct buf *out, const char *text)
{
	buf_char(out, ' ');
	if (text && *text)
		add_escaped(out, text, " []");
	else
		buf_char(out, '-');
}

static void add_number(struct buf *out, uint64_t number)
{
	if (number)
		buf_printf(out, " %llu", (unsigned long long)number);
	else
		buf_str(out, " -");
}

static void add_quoted(struct buf *out, const char *text)
{
	buf_str(out, " \"");
	add_escaped(out, text && *text ? text : "-", "");
	buf_char(out, '"');
}

static void add_time(struct buf *out, uint64_t at_us)
{
	time_t at = (time_t)(at_us / 1000000);
	char text[32];
	struct tm tm;

	strftime(text, sizeof(text), "%d/%b/%Y:%H:%M:%S", gmtime_r(&at, &tm));
	buf_printf(out, " [%s +0000]", text);
}

/* --- REST.GET.OBJECT --- */

static const char *resource_of(const struct s3_operation *o)
{
	static const char *const names[][2] = {{"versions", "BUCKETVERSIONS"},
	        {"delete", "MULTI_OBJECT_DELETE"}, {"policy", "BUCKETPOLICY"},
	        {"logging", "LOGGING_STATUS"}, {"list-type", "BUCKET"},
	        {"object-lock", "OBJECT_LOCK_CONFIGURATION"}, {"attributes", "OBJECT_ATTRIBUTES"},
	        {"requestPayment", "REQUEST_PAYMENT"}, {"policyStatus", "POLICY_STATUS"},
	        {"publicAccessBlock", "PUBLIC_ACCESS_BLOCK"},
	        {"ownershipControls", "OWNERSHIP_CONTROLS"}};

	if (strcmp(o->verb, "OPTIONS") == 0)
		return "PREFLIGHT";
	if (!o->query)
		return o->level == S3_OBJECT   ? "OBJECT"
		       : o->level == S3_BUCKET ? "BUCKET"
		                               : "SERVICE";
	if (strcmp(o->query, "uploadId") == 0)
		return strcmp(o->verb, "PUT") == 0 ? "PART" : "UPLOAD";
	if (strcmp(o->query, "tagging") == 0 && o->level == S3_OBJECT)
		return "OBJECT_TAGGING";
	for (unsigned i = 0; i < COUNT_OF(names); i++) {
		if (strcmp(names[i][0], o->query) == 0)
			return names[i][1];
	}
	return o->query;
}

static void add_operation(struct buf *out, const struct s3_log_record *r)
{
	const struct s3_operation *o = r->operation;

	if (r->part) {
		add_word(out, r->part);
		return;
	}
	if (!o) {
		buf_str(out, " -");
		return;
	}
	buf_printf(out, " %s.%s.", r->is_site ? "WEBSITE" : "REST", o->header ? "COPY" : o->verb);
	for (const char *p = resource_of(o); *p; p++)
		buf_char(out, *p == '-' ? '_' : (char)toupper((unsigned char)*p));
}

/* The request's first line. */
static void add_line(struct buf *out, const struct s3_log_record *r)
{
	AUTO(buf) struct buf line = BUF_NONE;

	buf_printf(&line, "%s ", r->method);
	access_target(&line, r->target, 0);
	buf_printf(&line, " %s", r->protocol);
	add_quoted(out, buf_text(&line));
}

void s3_log_print(const struct s3_log_record *r, struct buf *out)
{
	AUTO(buf) struct buf key = BUF_NONE;

	buf_str(out, r->owner ? r->owner : "-");
	add_word(out, r->bucket);
	add_time(out, r->at_us);
	add_word(out, r->remote);
	add_word(out, r->requester);
	add_word(out, r->id);
	add_operation(out, r);
	if (r->key)
		url_quote(&key, r->key, "");
	add_word(out, buf_text(&key));
	if (r->is_key)
		add_word(out, NULL);
	else
		add_line(out, r);
	add_number(out, (uint64_t)r->status);
	add_word(out, r->error);
	add_number(out, r->sent);
	add_word(out, r->size);
	if (r->is_key) {
		buf_str(out, " - - - -");
	} else {
		buf_printf(out, " %llu %llu", (unsigned long long)(r->took_us / 1000),
		        (unsigned long long)(r->took_us / 1000));
		add_quoted(out, r->referer);
		add_quoted(out, r->agent);
	}
	add_word(out, r->version);
	add_word(out, r->id);
	add_word(out, r->signature_version == 4   ? "SigV4"
	              : r->signature_version == 2 ? "SigV2"
	                                          : NULL);
	add_word(out, NULL); /* of TLS nothing is known here */
	add_word(out, !r->signature_version ? NULL : r->in_query ? "QueryString" : "AuthHeader");
	add_word(out, r->host);
	add_word(out, NULL);
	add_word(out, NULL); /* there are no access points */
	add_word(out, r->by_list ? "Yes" : NULL);
	buf_char(out, '\n');
}
