/* Bulk upload: the files of a tar archive become objects, many at a time; containers that are not
 * there are made. Each is a request of its own, with its own permission.
 *
 *   extract: file -> (look -> make)? -> store */
#include "proxy/pipeline.h"
#include "proxy/sub.h"
#include "proxy/unit/bulk.h"
#include "proxy/unit/report.h"

#include "lib/archive/unpack.h"
#include "lib/base/kv.h"
#include "lib/base/mem.h"
#include "lib/http/url.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define PIECE      (256u << 10)
#define MEMORY     (4u << 20) /* of one archive under way, about */
#define NAME_SHOWN (1024 + 256 + 2)

/* A file that is being stored. */
struct file {
	struct sub sub;
	char *path;            /* owned: container/object; NULL: free */
	char *container_fault; /* owned: why its container could not be made, and, behind a NUL,
	                          its path; or NULL */
};

/* A container that files have gone to. In the request's arena. */
struct target {
	struct hash_node node;
	char name[];
};

enum turn { TURN_FILE, TURN_LOOK, TURN_MAKE, TURN_STORE };

struct upload {
	struct request *request;
	struct report report;
	struct credit credit;
	enum unpack_kind kind;
	struct unpack *unpack;
	struct file *files; /* upload_concurrency of them; owned */
	struct file *large; /* the one that gets more pieces; NULL: none */
	struct hash targets;
	unsigned open, made; /* files; containers */
	uint64_t created;
	const char *base; /* comes before all names; "" or with a slash at its end */
	/* The file at hand. */
	struct unpack_item *item; /* owned */
	char *path;               /* owned */
	char *container_fault;    /* owned */
	struct sub container;     /* looked at, or being made */
	enum turn turn;
	bool receiving, received, ended;
	int failed_status; /* of the whole when files failed */
	int refusal;       /* status that ends it; 0: none */
	const char *text;  /* of that */
};

static unsigned at_once(const struct upload *u)
{
	return request_cluster(u->request)->limits.bulk_concurrency;
}

static void upload_done(struct request *request)
{
	struct upload *u = request->own;

	for (unsigned i = 0; u->files && i < at_once(u); i++) {
		sub_done(&u->files[i].sub);
		free(u->files[i].path);
		free(u->files[i].container_fault);
	}
	free(u->files);
	sub_done(&u->container);
	unpack_free(u->unpack);
	unpack_item_free(u->item);
	free(u->path);
	free(u->container_fault);
	hash_done(&u->targets);
	report_done(&u->report);
	credit_give(&u->credit);
}

/* --- what failed --- */

static void refuse(struct upload *u, int status, const char *text)
{
	if (!u->refusal) {
		u->refusal = status;
		u->text = text;
	}
}

static void fail(struct upload *u, const char *path, const char *status)
{
	char shown[NAME_SHOWN + 1];
	size_t len = strnlen(path, NAME_SHOWN);

	memcpy(shown, path, len);
	shown[len] = 0;
	report_error(&u->report, shown, status);
}

static void fail_with(struct upload *u, const char *path, int status)
{
	fail(u, path, status_line(u->request, status));
}

static bool failed_too_often(const struct upload *u)
{
	return u->report.error_count >= request_cluster(u->request)->limits.bulk_failed_extractions;
}

/* No more files are begun. */
static bool is_over(const struct upload *u)
{
	return u->ended || u->refusal || failed_too_often(u);
}

/* --- files that are being stored --- */

static void stored(struct upload *u, struct file *f)
{
	int status = f->sub.status;

	if (sub_ok(&f->sub)) {
		u->created++;
	} else {
		if (f->container_fault)
			fail(u, f->container_fault + strlen(f->container_fault) + 1,
			        f->container_fault);
		fail_with(u, f->path, status);
		if (status == 401)
			refuse(u, 401, swift_error_body(request_arena(u->request), 401));
		if (status / 100 == 5)
			u->failed_status = 502;
	}
	sub_done(&f->sub);
	free(TAKE(f->path));
	free(TAKE(f->container_fault));
	u->open--;
}

static void reap(struct upload *u)
{
	for (unsigned i = 0; i < at_once(u); i++) {
		struct file *f = &u->files[i];
		if (!f->path || !sub_headed(&f->sub))
			continue;
		if (f == u->large)
			u->large = NULL; /* refused: the rest of it is passed over */
		stored(u, f);
	}
}

static struct file *free_file(struct upload *u)
{
	struct file *found = NULL;

	for (unsigned i = 0; i < at_once(u); i++) {
		struct file *f = &u->files[i];
		if (!f->path)
			found = f;
		else if (strcmp(f->path, u->path) == 0)
			return NULL; /* the later one counts: it has to come later */
	}
	return found;
}

static void copy_own_headers(struct upload *u, struct sub *sub)
{
	static const char *const names[] = {
	        "X-Delete-At", "X-Delete-After", "X-Detect-Content-Type"};
	const struct http_req *http = u->request->http;

	for (unsigned i = 0; i < http->header_count; i++) {
		const struct http_header *h = &http->headers[i];
		bool copies = has_prefix(h->name, "X-Object-Meta-");
		for (unsigned k = 0; k < COUNT_OF(names); k++)
			copies |= strcasecmp(h->name, names[k]) == 0;
		if (copies)
			sub_header(sub, h->name, h->value);
	}
}

static void copy_attributes(const struct unpack_item *item, struct sub *sub)
{
	AUTO(buf) struct buf name = BUF_NONE;
	struct kv_pair pair;

	if (item->mime_type)
		sub_header(sub, "Content-Type", item->mime_type);
	for (size_t at = 0; kv_next(item->meta.data, item->meta.len, &at, &pair);) {
		buf_reset(&name);
		buf_printf(&name, "X-Object-Meta-%s", pair.name);
		sub_header(sub, buf_text(&name), pair.value);
	}
}

/* "container/object" */
static void start(struct upload *u, struct file *f)
{
	struct unpack_item *item = u->item;
	char *slash = strchr(u->path, '/');

	f->path = TAKE(u->path);
	f->container_fault = TAKE(u->container_fault);
	u->open++;
	*slash = 0;
	sub_init(&f->sub, u->request, &unit_bulk_upload, SUB_AS_CLIENT, "PUT");
	sub_path(&f->sub, u->request->account, f->path, slash[1] ? slash + 1 : NULL, NULL);
	*slash = '/';
	copy_own_headers(u, &f->sub);
	copy_attributes(item, &f->sub);
	size_t len = item->data ? item->data->len : 0;
	if (item->last) {
		sub_body(&f->sub, TAKE(item->data), 0, len);
		sub_start(&f->sub);
	} else {
		sub_body_streams(&f->sub, item->size);
		sub_start(&f->sub);
		sub_write(&f->sub, TAKE(item->data), 0, len);
		u->large = f;
	}
	unpack_item_free(TAKE(u->item));
}

/* --- containers --- */

static size_t container_len(const struct upload *u)
{
	return strcspn(u->path, "/");
}

static bool is_known(const struct upload *u)
{
	size_t len = container_len(u);
	struct hash_node *n = hash_find(&u->targets, hash_bytes(u->path, len, 0));

	for (; n; n = hash_find_next(n)) {
		const struct target *t = CONTAINER_OF(n, struct target, node);
		if (strncmp(t->name, u->path, len) == 0 && !t->name[len])
			return true;
	}
	return false;
}

static void know(struct upload *u)
{
	size_t len = container_len(u);
	struct target *t = arena_zalloc(request_arena(u->request), sizeof(*t) + len + 1);

	memcpy(t->name, u->path, len);
	hash_insert(&u->targets, &t->node, hash_bytes(u->path, len, 0));
}

static void ask_container(struct upload *u, const char *method)
{
	char *name = mem_strndup(u->path, container_len(u));

	sub_done(&u->container);
	sub_init(&u->container, u->request, &unit_bulk_upload, SUB_AS_CLIENT, method);
	sub_path(&u->container, u->request->account, name, NULL, NULL);
	sub_start(&u->container);
	free(name);
}

/* The objects may be stored all the same, where access rules allow that. */
static void no_container(struct upload *u, int status)
{
	AUTO(buf) struct buf text = BUF_NONE;

	if (status == 401)
		refuse(u, 401, swift_error_body(request_arena(u->request), 401));
	buf_str(&text, status_line(u->request, status));
	buf_char(&text, 0);
	buf_printf(&text, "/v1/%s/%.*s", u->request->account, (int)container_len(u), u->path);
	u->container_fault = buf_take(&text);
}

static bool look_at_container(struct upload *u)
{
	if (!sub_headed(&u->container))
		return false;
	int status = u->container.status;
	u->turn = TURN_STORE;
	if (status == 404) {
		ask_container(u, "PUT");
		u->turn = TURN_MAKE;
	} else if (status / 100 != 2) {
		no_container(u, status);
	}
	return true;
}

static bool make_container(struct upload *u)
{
	unsigned max = request_cluster(u->request)->limits.bulk_containers;

	if (!sub_headed(&u->container))
		return false;
	if (!sub_ok(&u->container))
		no_container(u, u->container.status);
	else if (++u->made > max)
		refuse(u, 400,
		        arena_printf(request_arena(u->request),
		                "More than %u containers to create from tar.", max));
	u->turn = TURN_STORE;
	return true;
}

/* --- files of the archive --- */

/* Where the file goes, in u->path; false: nowhere, which is told when it is a fault. */
static bool place(struct upload *u, const struct unpack_item *item)
{
	AUTO(buf) struct buf path = BUF_NONE;
	const char *name = item->path;

	if (name[0] == '.' && name[1] == '/')
		name += 2;
	name += strspn(name, "/");
	buf_str(&path, u->base);
	buf_str(&path, name);
	const char *text = buf_text(&path);
	if (!strchr(text, '/'))
		return false; /* of no container */
	if (!utf8_valid(text, path.len)) {
		fail_with(u, text, 412);
		return false;
	}
	if (item->size > request_cluster(u->request)->limits.max_file_size) {
		fail_with(u, text, 413);
		return false;
	}
	u->path = buf_take(&path);
	return true;
}

static bool take_more(struct upload *u, struct unpack_item *item)
{
	if (u->large) {
		size_t len = item->data->len;
		sub_write(&u->large->sub, TAKE(item->data), 0, len);
		if (item->last) {
			sub_write_end(&u->large->sub);
			u->large = NULL;
		}
	}
	unpack_item_free(item);
	return true;
}

/* The next thing in the archive; false: none for now. */
static bool take_item(struct upload *u)
{
	if (u->large && !sub_room(&u->large->sub))
		return false;
	struct unpack_item *item = unpack_take(u->unpack);
	if (!item)
		return false;
	switch (item->what) {
	case UNPACK_DATA:
		return take_more(u, item);
	case UNPACK_FAULT:
		refuse(u, 400,
		        arena_printf(
		                request_arena(u->request), "Invalid Tar File: %s", item->text));
		if (u->large)
			sub_stop(&u->large->sub);
		/* fall through */
	case UNPACK_END:
		u->ended = true;
		break;
	case UNPACK_FILE:
		if (place(u, item)) {
			u->item = item;
			u->turn = is_known(u) ? TURN_STORE : TURN_LOOK;
			if (u->turn == TURN_LOOK)
				ask_container(u, "HEAD");
			return true;
		}
	}
	unpack_item_free(item);
	return true;
}

static bool store(struct upload *u)
{
	struct file *f = is_over(u) ? NULL : free_file(u);

	if (!f)
		return false;
	if (!is_known(u))
		know(u);
	start(u, f);
	u->turn = TURN_FILE;
	return true;
}

static bool step_on(struct upload *u)
{
	switch (u->turn) {
	case TURN_LOOK:
		return look_at_container(u);
	case TURN_MAKE:
		return make_container(u);
	case TURN_STORE:
		return store(u);
	default:
		return (!is_over(u) || u->large) && take_item(u);
	}
}

/* --- the body --- */

static void on_ready(void *owner)
{
	struct upload *u = owner;

	op_wake(&u->request->op);
}

static void on_body(struct request *request, struct bytes *piece, bool last)
{
	struct upload *u = request->own;

	if (!u || !u->receiving) {
		bytes_unref(piece);
		return;
	}
	u->receiving = false;
	u->received = last;
	if (piece && piece->len && !u->ended)
		unpack_feed(u->unpack, piece);
	else
		bytes_unref(piece);
	if (last)
		unpack_feed_end(u->unpack);
	op_wake(&request->op);
}

/* What comes behind the archive's end is read, too: only then a client hears an answer. */
static void want(struct upload *u)
{
	if (u->receiving || u->received || (!u->ended && !unpack_has_room(u->unpack)))
		return;
	struct bytes *into = bytes_new(PIECE);
	if (!into) {
		refuse(u, 503, "");
		return;
	}
	u->receiving = true;
	http_body_want(u->request->http, into);
}

static enum step answer(struct upload *u, int status, const char *text)
{
	struct report *r = &u->report;

	report_text(r, "Response Status", status_line(u->request, status));
	report_text(r, "Response Body", text);
	report_number(r, "Number Files Created", u->created);
	return report_answer(r, 200, "extract");
}

static enum step finish(struct upload *u)
{
	if (u->refusal)
		return answer(u, u->refusal, u->text);
	if (u->report.error_count)
		return answer(u, u->failed_status, "");
	if (!u->created)
		return answer(u, 400, "Invalid Tar File: No Valid Files");
	return answer(u, 201, "");
}

/* --- the method --- */

static bool kind_of(const char *text, enum unpack_kind *ret_kind)
{
	static const char *const kinds[] = {
	        [UNPACK_TAR] = "tar", [UNPACK_TAR_GZ] = "tar.gz", [UNPACK_TAR_BZ2] = "tar.bz2"};

	text += strspn(text, ".");
	for (unsigned i = 0; i < COUNT_OF(kinds); i++) {
		size_t len = strlen(kinds[i]);
		if (strncasecmp(text, kinds[i], len) == 0 && !text[len + strspn(text + len, ".")]) {
			*ret_kind = (enum unpack_kind)i;
			return true;
		}
	}
	return false;
}

static const char *base_of(struct request *request)
{
	struct arena *arena = request_arena(request);

	if (!request->container)
		return "";
	char *base = request->object
	                     ? arena_printf(arena, "%s/%s/", request->container, request->object)
	                     : arena_printf(arena, "%s/", request->container);
	size_t len = strlen(base);
	while (len > 1 && base[len - 2] == '/')
		base[--len] = 0;
	return base;
}

static enum step begin(struct request *request)
{
	const struct limits *limits = &request_cluster(request)->limits;
	struct upload *u = request->own = arena_zalloc(request_arena(request), sizeof(*u));
	const char *kind = query_get(&request->query, "extract-archive");

	u->request = request;
	u->failed_status = 400;
	u->base = base_of(request);
	request->own_done = upload_done;
	report_init(&u->report, request);
	if (!kind_of(kind, &u->kind))
		return request_fail_html(request, 400, "Unsupported archive format");
	if (!u->report.acceptable)
		return answer(u, 406, swift_error_body(request_arena(request), 406));
	if (!request->http->has_length && !request->http->chunked)
		return answer(u, 411, swift_error_body(request_arena(request), 411));
	u->files = mem_zalloc(limits->bulk_concurrency * sizeof(*u->files));
	return STEP_NEXT;
}

static enum step open_archive(struct request *request, struct upload *u)
{
	const struct limits *limits = &request_cluster(request)->limits;
	enum err err;

	if (!credit_take(&u->credit, &request->proxy->budget, &request->op, MEMORY, &err))
		return err ? answer(u, 503, "") : STEP_WAIT;
	err = unpack_new(
	        u->kind, limits->max_file_size, request->http->reactor, on_ready, u, &u->unpack);
	return err ? answer(u, 503, "") : STEP_NEXT;
}

static enum step extract(struct op *op)
{
	struct request *request = request_of(op);
	enum step step = bulk_identify(request);

	if (step == STEP_NEXT && !request->own)
		step = begin(request);
	struct upload *u = request->own;
	if (step == STEP_NEXT && !u->unpack)
		step = open_archive(request, u);
	if (step != STEP_NEXT)
		return step;
	if (u->received)
		report_beat(&u->report, 200, request_cluster(request)->limits.bulk_yield_s, false);
	do {
		reap(u);
	} while (step_on(u));
	want(u);
	if (is_over(u) && !u->open && (u->received || !u->ended || u->refusal))
		return finish(u);
	return STEP_WAIT;
}

static void on_room(struct request *request)
{
	if (!request->op.finished)
		op_wake(&request->op);
}

static const struct op_state states[] = {{"extract", extract, 0, 0}};
const struct method bulk_upload = {
        .name = "bulk-upload", .states = states, .body = on_body, .room = on_room, .writes = true};

static enum step enter(struct request *request)
{
	if (strcmp(request->http->method, "PUT") != 0 ||
	        !query_get(&request->query, "extract-archive"))
		return STEP_NEXT;
	return request_become(request, &bulk_upload);
}

static bool tell(const struct cluster *cluster, struct buf *out)
{
	buf_printf(out, "\"max_containers_per_extraction\": %u, \"max_failed_extractions\": %u",
	        cluster->limits.bulk_containers, cluster->limits.bulk_failed_extractions);
	return true;
}

const struct unit unit_bulk_upload = {.name = "bulk_upload", .enter = enter, .info = tell};
