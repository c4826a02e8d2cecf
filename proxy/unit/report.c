#include "proxy/unit/report.h"

#include "lib/base/kv.h"
#include "lib/base/markup.h"
#include "lib/json/jout.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define XML_DECLARATION "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"

const char *status_line(struct request *request, int status)
{
	return arena_printf(request_arena(request), "%d %s", status, swift_error_reason(status));
}

void report_init(struct report *r, struct request *request)
{
	r->request = request;
	r->acceptable = listing_accept(http_get(request->http, "Accept"), &r->format);
	if (!r->acceptable)
		r->format = LISTING_PLAIN;
}

void report_done(struct report *r)
{
	if (r->request)
		timer_cancel(r->request->http->reactor, &r->timer);
	buf_done(&r->fields);
	buf_done(&r->numbers);
	buf_done(&r->errors);
}

void report_text(struct report *r, const char *name, const char *text)
{
	kv_add(&r->fields, name, text);
}

void report_number(struct report *r, const char *name, uint64_t number)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)number);
	kv_add(&r->fields, name, text);
	kv_add(&r->numbers, name, "");
}

void report_error(struct report *r, const char *name, const char *text)
{
	AUTO(buf) struct buf quoted = BUF_NONE;

	url_quote(&quoted, name, "");
	kv_add(&r->errors, buf_text(&quoted), text);
	r->error_count++;
}

/* --- in three formats --- */

static void xml_text(struct buf *out, const char *text)
{
	markup_escape(out, text, strlen(text), "&<>");
}

static void xml_tag(struct buf *out, const char *name)
{
	for (; *name; name++)
		buf_char(out, *name == ' '                   ? '_'
		              : *name >= 'A' && *name <= 'Z' ? (char)(*name + 32)
		                                             : *name);
}

static int by_name(const void *a, const void *b)
{
	const struct kv_pair *one = a, *other = b;

	return strcmp(one->name, other->name);
}

#define FIELDS_MAX 16

/* The fields in the order of their names. */
static unsigned sorted(const struct report *r, struct kv_pair *ret_pairs)
{
	unsigned n = 0;

	for (size_t at = 0;
	        n < FIELDS_MAX && kv_next(r->fields.data, r->fields.len, &at, &ret_pairs[n]);)
		n++;
	qsort(ret_pairs, n, sizeof(*ret_pairs), by_name);
	return n;
}

static void render_xml(const struct report *r, const char *root, struct buf *out)
{
	struct kv_pair pairs[FIELDS_MAX], pair;
	unsigned n = sorted(r, pairs);

	buf_printf(out, "<%s>\n", root);
	for (unsigned i = 0; i < n; i++) {
		buf_char(out, '<');
		xml_tag(out, pairs[i].name);
		buf_char(out, '>');
		xml_text(out, pairs[i].value);
		buf_str(out, "</");
		xml_tag(out, pairs[i].name);
		buf_str(out, ">\n");
	}
	buf_str(out, "<errors>\n");
	for (size_t at = 0; kv_next(r->errors.data, r->errors.len, &at, &pair);) {
		buf_str(out, "<object><name>");
		xml_text(out, pair.name);
		buf_str(out, "</name><status>");
		xml_text(out, pair.value);
		buf_str(out, "</status></object>\n");
	}
	buf_printf(out, "</errors>\n</%s>\n", root);
}

static void render_json(const struct report *r, struct buf *out)
{
	struct jout j = {.out = out};
	struct kv_pair pair;

	jout_object(&j, NULL);
	for (size_t at = 0; kv_next(r->fields.data, r->fields.len, &at, &pair);) {
		if (kv_get(r->numbers.data, r->numbers.len, pair.name))
			jout_raw(&j, pair.name, pair.value);
		else
			jout_text(&j, pair.name, pair.value);
	}
	jout_array(&j, "Errors");
	for (size_t at = 0; kv_next(r->errors.data, r->errors.len, &at, &pair);) {
		jout_array(&j, NULL);
		jout_text(&j, NULL, pair.name);
		jout_text(&j, NULL, pair.value);
		jout_end_array(&j);
	}
	jout_end_array(&j);
	jout_end_object(&j);
}

static void render_plain(const struct report *r, struct buf *out)
{
	struct kv_pair pairs[FIELDS_MAX], pair;
	unsigned n = sorted(r, pairs);

	for (unsigned i = 0; i < n; i++)
		buf_printf(out, "%s: %s\n", pairs[i].name, pairs[i].value);
	buf_str(out, "Errors:\n");
	for (size_t at = 0; kv_next(r->errors.data, r->errors.len, &at, &pair);)
		buf_printf(out, "%s, %s\n", pair.name, pair.value);
}

/* --- sending --- */

static bool is_xml(const struct report *r)
{
	return r->format == LISTING_XML || r->format == LISTING_TEXT_XML;
}

static void write_text(struct report *r, const char *text, size_t len)
{
	struct bytes *piece = bytes_copy(text, len);

	if (piece)
		http_stream_write(r->request->http, piece, 0, len);
	else
		http_stream_abort(r->request->http);
}

static void headers(struct report *r, int status)
{
	http_header(r->request->http, "Content-Type", listing_content_type(r->format));
	request_headers(r->request, status);
}

static void begin_stream(struct report *r, int status)
{
	headers(r, status);
	http_stream(r->request->http, status, HTTP_UNTIL_END);
	r->streams = true;
	if (is_xml(r) && status == 200)
		write_text(r, XML_DECLARATION, strlen(XML_DECLARATION));
	else
		write_text(r, " ", 1);
}

static void on_time(struct timer *timer)
{
	struct report *r = CONTAINER_OF(timer, struct report, timer);

	if (r->request->http->gone)
		return;
	if (!r->streams)
		begin_stream(r, 200);
	else
		write_text(r, " ", 1);
	timer_set(r->request->http->reactor, &r->timer, r->every_us);
}

void report_beat(struct report *r, int status, unsigned every_s, bool now)
{
	if (r->beats || r->request->http->gone)
		return;
	r->beats = true;
	r->every_us = every_s * 1000000ull;
	if (now)
		begin_stream(r, status);
	r->timer.fire = on_time;
	timer_set(r->request->http->reactor, &r->timer, r->every_us);
}

enum step report_answer(struct report *r, int status, const char *root)
{
	AUTO(buf) struct buf out = BUF_NONE;

	timer_cancel(r->request->http->reactor, &r->timer);
	if (r->streams)
		buf_str(&out, "\r\n\r\n");
	if (is_xml(r))
		render_xml(r, root, &out);
	else if (r->format == LISTING_JSON)
		render_json(r, &out);
	else
		render_plain(r, &out);
	if (r->streams) {
		write_text(r, buf_text(&out), out.len);
		http_stream_end(r->request->http);
		return STEP_DONE;
	}
	headers(r, status);
	http_reply_text(r->request->http, status, buf_text(&out));
	return STEP_DONE;
}
