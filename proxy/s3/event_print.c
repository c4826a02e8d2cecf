#include "proxy/s3/event.h"
#include "proxy/s3/s3.h"
#include "proxy/unit/shown.h"

#include "lib/json/jout.h"
#include "lib/json/jread.h"
#include <string.h>

static const char *text_of(const struct jroot *note, const char *name)
{
	const char *text = "";

	jread_str(jread_get(note->value, name), &text);
	return text;
}

static void print_time(struct jout *j, const char *name, uint64_t ts)
{
	char text[ISO_DATE_SIZE + 1];

	iso_date_format(ts, text);
	memcpy(text + strlen("2026-11-22T07:36:30.123"), "Z", 2);
	jout_text(j, name, text);
}

static void print_test(struct jout *j, const struct jroot *note, uint64_t ts)
{
	jout_text(j, "Service", "Amazon S3");
	jout_text(j, "Event", "s3:TestEvent");
	print_time(j, "Time", ts);
	jout_text(j, "Bucket", text_of(note, "bucket"));
	jout_text(j, "RequestId", text_of(note, "request"));
	jout_text(j, "HostId", text_of(note, "request"));
}

static void print_id(struct jout *j, const char *name, const char *id)
{
	jout_object(j, name);
	jout_text(j, "principalId", id);
	jout_end_object(j);
}

/* Keys are encoded as values of a form are. */
static void print_key(struct jout *j, const char *key)
{
	AUTO(buf) struct buf text = BUF_NONE;

	url_quote(&text, key, " ");
	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] == ' ')
			text.data[i] = '+';
	}
	jout_text(j, "key", buf_text(&text));
}

/* Of what is there now: its size and hash, as listings show them. */
static void print_made(
        struct jout *j, const struct seal_keys *keys, const char *of, const struct backend_row *row)
{
	struct arena arena;
	size_t len;

	arena_init(&arena);
	char *account = arena_strdup(&arena, of), *slash = strchr(account, '/');
	const char *container = slash ? slash + 1 : "";
	if (slash)
		*slash = 0;
	struct unseal_rows sealed = {.keys = keys,
	        .account = url_unquote(&arena, account, strlen(account), &len),
	        .container = url_unquote(&arena, container, strlen(container), &len)};
	/* (A content type is none of it here.) */
	struct backend_row plain = *row;
	struct shown shown;
	plain.etag = unseal_row(&sealed, row->etag);
	plain.content_type = "";
	shown_make(&plain, sealed.account, sealed.container, &shown);
	jout_int(j, "size", (int64_t)shown.bytes);
	jout_text(j, "eTag", shown.s3_etag ? shown.s3_etag : shown.etag);
	shown_done(&shown);
	unseal_rows_done(&sealed);
	arena_done(&arena);
}

static void print_object(struct jout *j, const struct seal_keys *keys, const struct jroot *note,
        const struct backend_row *row)
{
	const char *version = text_of(note, "version");
	char sequencer[17];

	jout_object(j, "object");
	print_key(j, text_of(note, "key"));
	if (*row->etag)
		print_made(j, keys, text_of(note, "of"), row);
	if (*version)
		jout_text(j, "versionId", version);
	for (int i = 0; i < 16; i++)
		sequencer[i] = "0123456789ABCDEF"[row->ts >> (60 - 4 * i) & 15];
	sequencer[16] = 0;
	jout_text(j, "sequencer", sequencer);
	jout_end_object(j);
}

static void print_record(struct jout *j, const struct seal_keys *keys, const struct jroot *note,
        const struct backend_row *row)
{
	const char *event = text_of(note, "event"), *bucket = text_of(note, "bucket"),
	           *user = text_of(note, "user"), *owner = text_of(note, "owner"),
	           *request = text_of(note, "request");
	AUTO(buf) struct buf arn = BUF_NONE;
	bool old = strncmp(event, "ObjectCreated:", 14) == 0 ||
	           strncmp(event, "ObjectRemoved:", 14) == 0;

	jout_text(j, "eventVersion", old ? "2.1" : "2.3");
	jout_text(j, "eventSource", "aws:s3");
	jout_text(j, "awsRegion", S3_REGION);
	print_time(j, "eventTime", row->ts);
	jout_text(j, "eventName", event);
	print_id(j, "userIdentity", *user ? user : "s3.amazonaws.com");
	jout_object(j, "requestParameters");
	jout_text(j, "sourceIPAddress", text_of(note, "address"));
	jout_end_object(j);
	jout_object(j, "responseElements");
	jout_text(j, "x-amz-request-id", request);
	jout_text(j, "x-amz-id-2", request);
	jout_end_object(j);
	jout_object(j, "s3");
	jout_text(j, "s3SchemaVersion", "1.0");
	jout_text(j, "configurationId", text_of(note, "rule"));
	jout_object(j, "bucket");
	jout_text(j, "name", bucket);
	print_id(j, "ownerIdentity", owner);
	buf_printf(&arn, "arn:aws:s3:::%s", bucket);
	jout_text(j, "arn", buf_text(&arn));
	jout_end_object(j);
	print_object(j, keys, note, row);
	jout_end_object(j);
}

bool s3_event_print(const struct seal_keys *keys, const struct backend_row *row, struct buf *out)
{
	AUTO(jroot) struct jroot note = JROOT_NONE;
	struct jout j = {.out = out};

	if (jread_parse(row->content_type, strlen(row->content_type), &note) ||
	        !*text_of(&note, "event"))
		return false;
	jout_object(&j, NULL);
	if (strcmp(text_of(&note, "event"), "s3:TestEvent") == 0) {
		print_test(&j, &note, row->ts);
	} else {
		jout_array(&j, "Records");
		jout_object(&j, NULL);
		print_record(&j, keys, &note, row);
		jout_end_object(&j);
		jout_end_array(&j);
	}
	jout_end_object(&j);
	return !out->err;
}
