/* formpost: a browser's form, signed by a key of the account or container, is as many uploads as it
 * has files. Each is a request of its own while the body comes in; a form's fields count for the
 * files behind them.
 *
 *   facts -> form (a part after the other) -> answer */
#include "proxy/pipeline.h"
#include "proxy/sub.h"
#include "proxy/unit/multipart.h"
#include "proxy/unit/report.h"
#include "proxy/unit/signature.h"

#include <stdlib.h>
#include <string.h>

enum { FACTS, FORM };

#define PIECE      (64u << 10)
#define VALUE_MAX  4096 /* of a field; what is longer is cut, as in Swift */
#define FIELDS_MAX 256

struct field {
	struct field *next;
	const char *name, *value;
};

struct form {
	struct multipart parts;
	struct sub put; /* of the file at hand, or the one before */
	struct credit credit;
	struct field *fields; /* the latest first */
	unsigned field_count;
	int64_t file_count, file_bytes, file_bytes_max;
	struct buf value;       /* owned: of the field at hand */
	const char *value_name; /* of it; NULL: it has none */
	struct signature_key keys[SIGNATURE_KEYS];
	unsigned key_count;
	bool receiving, received, in_file, ending;
};

static void form_done(struct request *request)
{
	struct form *form = request->own;

	sub_done(&form->put);
	multipart_done(&form->parts);
	buf_done(&form->value);
	credit_give(&form->credit);
}

static void on_body(struct request *request, struct bytes *piece, bool last)
{
	struct form *form = request->own;

	if (form && form->receiving) {
		form->receiving = false;
		form->received = last;
		if (piece)
			multipart_feed(&form->parts, piece->data, piece->len);
		op_wake(&request->op);
	}
	bytes_unref(piece);
}

static const char *field(const struct form *form, const char *name)
{
	for (const struct field *f = form->fields; f; f = f->next) {
		if (strcmp(f->name, name) == 0)
			return f->value;
	}
	return NULL;
}

static const char *field_or(const struct form *form, const char *name, const char *other)
{
	const char *value = field(form, name);

	return value && *value ? value : other;
}

/* --- answers --- */

static enum step invalid(struct request *request, const char *why)
{
	return request_fail_text(
	        request, 400, arena_printf(request_arena(request), "FormPost: %s", why));
}

static enum step unauthorized(struct request *request, const char *why)
{
	return request_fail_html(
	        request, 401, arena_printf(request_arena(request), "FormPost: %s", why));
}

static void quoted_attribute(struct buf *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '"')
			buf_str(out, "&quot;");
		else if (*text == '<')
			buf_str(out, "&lt;");
		else
			buf_char(out, *text);
	}
}

static enum step redirect(
        struct request *request, const char *where, int status, const char *message)
{
	AUTO(buf) struct buf location = BUF_NONE;
	AUTO(buf) struct buf page = BUF_NONE;

	for (const char *p = where; *p; p++) {
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			return invalid(request, "redirect is no URL");
	}
	buf_printf(
	        &location, "%s%cstatus=%d&message=", where, strchr(where, '?') ? '&' : '?', status);
	url_quote(&location, message, "");
	buf_str(&page, "<html><body><p><a href=\"");
	quoted_attribute(&page, buf_text(&location));
	buf_str(&page, "\">Click to continue...</a></p></body></html>");
	http_header(request->http, "Location", buf_text(&location));
	return request_fail_html(request, 303, buf_text(&page));
}

/* message: why nothing more was tried, or "". */
static enum step answer(struct request *request, struct form *form, int status, const char *message)
{
	const char *where = field(form, "redirect");
	AUTO(buf) struct buf text = BUF_NONE;

	if (where && *where)
		return redirect(request, where, status, message);
	if (status / 100 != 2 && form->put.text.len) {
		buf_add(&text, form->put.text.data, form->put.text.len);
	} else {
		buf_str(&text, status_line(request, status));
		if (*message) {
			char *title = arena_strdup(request_arena(request), message);
			title_case(title);
			buf_printf(&text, "\r\nFormPost: %s", title);
		}
	}
	return request_fail_text(request, status, buf_text(&text));
}

/* --- a file --- */

static bool is_signed(
        struct request *request, const struct form *form, const struct signature *signature)
{
	struct arena *arena = request_arena(request);
	size_t len;
	const char *path = url_unquote(arena, request->path, strlen(request->path), &len);
	const char *message = arena_printf(arena, "%s\n%s\n%s\n%s\n%s", path,
	        field_or(form, "redirect", ""), field_or(form, "max_file_size", "0"),
	        field_or(form, "max_file_count", "0"), field_or(form, "expires", "0"));
	bool fits = false;

	for (unsigned i = 0; i < form->key_count; i++)
		fits |= signature_fits(signature, form->keys[i].text, message, strlen(message));
	return fits;
}

/* May this file be uploaded? STEP_NEXT, or it is answered. */
static enum step allow(struct request *request, struct form *form)
{
	const struct env *env = request->proxy->cluster->env;
	struct signature signature;
	int64_t number;

	if (!form->key_count)
		return unauthorized(request, "Invalid Signature");
	if (!signature_int(field_or(form, "max_file_size", "0"), &form->file_bytes_max))
		return invalid(request, "max_file_size not an integer");
	if (field(form, "x_delete_at") && !signature_int(field(form, "x_delete_at"), &number))
		return invalid(request, "x_delete_at not an integer: Unix timestamp required.");
	if (field(form, "x_delete_after") && !signature_int(field(form, "x_delete_after"), &number))
		return invalid(
		        request, "x_delete_after not an integer: Number of seconds required.");
	if (!signature_int(field_or(form, "expires", "0"), &number))
		return invalid(request, "expired not an integer");
	if (number < (int64_t)(env->wall_us(env) / 1000000))
		return unauthorized(request, "Form Expired");
	if (!signature_parse(field_or(form, "signature", ""),
	            request_cluster(request)->units.formpost_digests, &signature) ||
	        !is_signed(request, form, &signature))
		return unauthorized(request, "Invalid Signature");
	return STEP_NEXT;
}

/* A field of the form or else the part's own header. */
static void pass_header(struct form *form, const char *field_name, const char *name)
{
	const char *value = field(form, field_name);

	if (!value)
		value = multipart_header(&form->parts, name);
	if (value)
		sub_header(&form->put, name, value);
}

static enum step begin_file(struct request *request, struct form *form, const char *filename)
{
	struct permit *permit = arena_zalloc(request_arena(request), sizeof(*permit));
	const char *object = arena_printf(
	        request_arena(request), "%s%s", request->object ? request->object : "", filename);
	int64_t count_max;

	if (!signature_int(field_or(form, "max_file_count", "0"), &count_max))
		return invalid(request, "max_file_count not an integer");
	if (++form->file_count > count_max)
		return answer(request, form, 400, "max file count exceeded");
	enum step step = allow(request, form);
	if (step != STEP_NEXT)
		return step;
	if (!utf8_valid(object, strlen(object)))
		return invalid(request, "filename is not UTF-8");
	*permit = (struct permit){.account = request->account, .container = request->container};
	request->permit = permit;
	sub_done(&form->put);
	sub_init(&form->put, request, &unit_formpost, SUB_AS_CLIENT, "PUT");
	sub_path(&form->put, request->account, request->container, object, NULL);
	pass_header(form, "content-type", "Content-Type");
	pass_header(form, "content-encoding", "Content-Encoding");
	if (field(form, "x_delete_at"))
		sub_header(&form->put, "X-Delete-At", field(form, "x_delete_at"));
	if (field(form, "x_delete_after"))
		sub_header(&form->put, "X-Delete-After", field(form, "x_delete_after"));
	sub_body_streams(&form->put, UINT64_MAX);
	sub_start(&form->put);
	form->in_file = true;
	form->file_bytes = 0;
	return STEP_NEXT;
}

/* --- parts --- */

static enum step begin_part(struct request *request, struct form *form)
{
	const char *disposition = multipart_header(&form->parts, "Content-Disposition");
	const char *filename = attribute_get(request_arena(request), disposition, "filename");

	if (filename && *filename && attribute_value_is(disposition, "form-data"))
		return begin_file(request, form, filename);
	if (++form->field_count > FIELDS_MAX)
		return invalid(request, "too many fields");
	form->value_name = attribute_get(request_arena(request), disposition, "name");
	buf_reset(&form->value);
	return STEP_NEXT;
}

static enum step take_data(struct request *request, struct form *form, const char *data, size_t len)
{
	if (!form->in_file) {
		size_t room = VALUE_MAX - form->value.len;
		buf_add(&form->value, data, len < room ? len : room);
		return STEP_NEXT;
	}
	form->file_bytes += (int64_t)len;
	if (form->file_bytes > form->file_bytes_max) {
		sub_stop(&form->put);
		return invalid(request, "max_file_size exceeded");
	}
	struct bytes *piece = bytes_copy(data, len);
	if (!piece)
		return request_fail(request, 503);
	sub_write(&form->put, piece, 0, len);
	return STEP_NEXT;
}

static enum step end_field(struct request *request, struct form *form)
{
	struct arena *arena = request_arena(request);
	size_t len = form->value.len;

	if (!form->value_name)
		return STEP_NEXT;
	while (len && strchr("\r\n-", form->value.data[len - 1]))
		len--;
	const char *value = arena_strndup(arena, buf_text(&form->value), len);
	if (strlen(value) != len || !utf8_valid(value, len))
		return invalid(request, "a field is not UTF-8");
	struct field *f = arena_zalloc(arena, sizeof(*f));
	char *name = arena_strdup(arena, form->value_name);
	for (char *p = name; *p; p++)
		*p = (char)(*p >= 'A' && *p <= 'Z' ? *p + 32 : *p);
	*f = (struct field){form->fields, name, value};
	form->fields = f;
	return STEP_NEXT;
}

/* What has become of the file? STEP_WAIT: nothing yet; STEP_NEXT: it is there. */
static enum step end_file(struct request *request, struct form *form)
{
	if (!sub_collect(&form->put, PIECE))
		return STEP_WAIT;
	if (!sub_ok(&form->put))
		return answer(request, form, form->put.status, "");
	form->in_file = false;
	return STEP_NEXT;
}

static enum step want(struct request *request, struct form *form)
{
	if (form->receiving)
		return STEP_WAIT;
	if (form->received)
		return invalid(request, form->parts.state ? "the form ends within a part"
		                                          : "invalid starting boundary");
	struct bytes *into = bytes_new(PIECE);
	if (!into)
		return request_fail(request, 503);
	form->receiving = true;
	http_body_want(request->http, into);
	return STEP_WAIT;
}

static enum step one_event(struct request *request, struct form *form)
{
	const char *data;
	size_t len;

	switch (multipart_next(&form->parts, &data, &len)) {
	case MULTIPART_MORE:
		return form->parts.in.err ? request_fail(request, 503) : want(request, form);
	case MULTIPART_PART:
		return begin_part(request, form);
	case MULTIPART_DATA:
		return take_data(request, form, data, len);
	case MULTIPART_PART_END:
		if (!form->in_file)
			return end_field(request, form);
		sub_write_end(&form->put);
		form->ending = true;
		return STEP_NEXT;
	case MULTIPART_END:
		if (!form->file_count)
			return answer(request, form, 400, "no files to process");
		return answer(request, form, form->put.status, "");
	default:
		return invalid(request, form->parts.fault);
	}
}

static enum step form_run(struct op *op)
{
	struct request *request = request_of(op);
	struct form *form = request->own;
	enum step step = STEP_NEXT;
	enum err err;

	if (request->http->gone)
		return STEP_DONE;
	if (!credit_take(&form->credit, &request->proxy->budget, op, 2 * PIECE, &err))
		return err ? request_fail(request, 503) : STEP_WAIT;
	while (step == STEP_NEXT) {
		bool refused = form->in_file && sub_headed(&form->put) && !sub_ok(&form->put);
		if (form->ending || refused) {
			step = end_file(request, form);
			form->ending &= form->in_file;
		} else if (form->in_file && sub_room(&form->put) < PIECE) {
			step = STEP_WAIT;
		} else {
			step = one_event(request, form);
		}
	}
	return step;
}

static enum step form_facts(struct op *op)
{
	struct request *request = request_of(op);

	if (request->http->gone)
		return STEP_DONE;
	if (!request->container)
		return op_go(op, FORM);
	bool known = info_get(&request->account_info, op, request->proxy, request->account, NULL);
	known &= info_get(
	        &request->container_info, op, request->proxy, request->account, request->container);
	if (!known)
		return STEP_WAIT;
	if (request->account_info.err || request->container_info.err)
		return request_fail(request, 503);
	struct form *form = request->own;
	form->key_count = signature_keys(
	        request->account_info.info, request->container_info.info, form->keys);
	return op_go(op, FORM);
}

static const struct op_state states[] = {
        [FACTS] = {"facts", form_facts, TO(FORM), 0},
        [FORM] = {"form", form_run, 0, 0},
};
static const struct method form_post = {.name = "form-post", .states = states, .body = on_body};

static enum step enter(struct request *request)
{
	const char *type = http_get(request->http, "Content-Type"), *boundary;

	if (strcmp(request->http->method, "POST") != 0 || request->parent || request->permit ||
	        !request_cluster(request)->units.formpost_digests ||
	        !attribute_value_is(type, "multipart/form-data") ||
	        !(boundary = attribute_get(request_arena(request), type, "boundary")))
		return STEP_NEXT;
	struct form *form = request->own = arena_zalloc(request_arena(request), sizeof(*form));
	request->own_done = form_done;
	multipart_init(&form->parts, boundary);
	return request_become(request, &form_post);
}

static bool tell(const struct cluster *cluster, struct buf *out)
{
	if (!cluster->units.formpost_digests)
		return false;
	signature_tell(out, cluster->units.formpost_digests);
	return true;
}

const struct unit unit_formpost = {.name = "formpost", .enter = enter, .info = tell};
