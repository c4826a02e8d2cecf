/* ListBuckets: the containers of the account that may be buckets, page by page.
 *
 *   prepare -> page -> rows (-> page -> rows)* */
#include "proxy/s3/config.h"
#include "proxy/s3/s3.h"

#include "lib/base/base64.h"
#include "lib/json/jread.h"
#include <stdlib.h>
#include <string.h>

enum { PAGE = 1, ROWS };

#define PAGE_MAX   10000 /* also the most that one answer has */
#define PAGE_BYTES (16u << 20)

struct list_buckets {
	const char *prefix, *marker;
	uint64_t max;
	bool asked_for_pages, more;
	bool own_alone; /* only those that the caller has made */
	bool is_admin;
	struct sub sub;
	struct jroot rows; /* owned */
	struct info_fetch info;
	size_t at;
	unsigned count;
	struct buf buckets, last; /* owned */
};

static void list_done(struct request *request)
{
	struct list_buckets *l = request->own;

	sub_done(&l->sub);
	jread_done(&l->rows);
	info_fetch_done(&l->info);
	buf_done(&l->buckets);
	buf_done(&l->last);
}

/* --- what is asked --- */

static bool read_token(struct request *request, const char *token, const char **ret_name)
{
	AUTO(buf) struct buf name = BUF_NONE;

	if (!base64_decode(token, strlen(token), &name) || memchr(name.data, 0, name.len))
		return false;
	*ret_name = arena_strdup(request_arena(request), buf_text(&name));
	return true;
}

static enum s3_error parse(struct request *request, struct list_buckets *l, const char **ret_text)
{
	const char *max = s3_param(request, "max-buckets"),
	           *token = s3_param(request, "continuation-token");
	char *end;

	l->prefix = s3_param(request, "prefix");
	l->asked_for_pages = max || token;
	l->max = max ? strtoull(max, &end, 10) : PAGE_MAX;
	if (max && (*max < '0' || *max > '9' || *end || l->max < 1 || l->max > PAGE_MAX)) {
		*ret_text = "Argument max-buckets must be an integer between 1 and 10000";
		return s3_invalid_argument(request, "max-buckets", max);
	}
	if (token && *token && !read_token(request, token, &l->marker)) {
		*ret_text = "The continuation token provided is incorrect";
		return s3_invalid_argument(request, "continuation-token", token);
	}
	return S3_OK;
}

/* Users of v1 auth own buckets themselves, as in Swift's s3api; those of projects share theirs. */
static void find_user(struct request *request, struct list_buckets *l)
{
	const struct cluster *cluster = request_cluster(request);
	const struct user *self = request->s3->caller.user;
	size_t len = self ? strcspn(self->name, ":") + 1 : 0;

	if (!self)
		return;
	l->is_admin = strstr(self->groups, ".admin") || strstr(self->groups, ".reseller_admin");
	l->own_alone = !l->is_admin;
	for (const struct user *u = cluster->users; u->name; u++)
		l->own_alone |= u != self && strncmp(u->name, self->name, len) == 0;
}

/* --- pages --- */

static enum step answer(struct request *request, struct list_buckets *l)
{
	const struct s3_caller *c = &request->s3->caller;
	AUTO(buf) struct buf xml = BUF_NONE;
	AUTO(buf) struct buf token = BUF_NONE;

	s3_xml_begin(&xml, "ListAllMyBucketsResult");
	s3_xml_owner(&xml, "Owner", c->account ? c->id : "anonymous",
	        c->account ? c->name : "anonymous");
	buf_str(&xml, "<Buckets>");
	buf_add(&xml, l->buckets.data, l->buckets.len);
	buf_str(&xml, "</Buckets>");
	if (l->prefix)
		s3_xml_text(&xml, "Prefix", l->prefix);
	if (l->more && l->asked_for_pages) {
		base64_encode(l->last.data, l->last.len, &token);
		s3_xml_text(&xml, "ContinuationToken", buf_text(&token));
	}
	buf_str(&xml, "</ListAllMyBucketsResult>");
	return s3_reply_xml(request, &xml);
}

static void begin_page(struct request *request, struct list_buckets *l)
{
	AUTO(buf) struct buf query = BUF_NONE;

	buf_printf(&query, "format=json&limit=%u", PAGE_MAX);
	query_add(&query, "prefix", l->prefix);
	query_add(&query, "marker", l->marker);
	sub_init(&l->sub, request, NULL,
	        l->own_alone || request->s3->rights ? SUB_AS_SYSTEM : SUB_AS_CLIENT, "GET");
	sub_path(&l->sub, request->account, NULL, NULL, buf_text(&query));
	sub_start(&l->sub);
}

static enum step list_page(struct op *op)
{
	struct request *request = request_of(op);
	struct list_buckets *l = request->own;
	const char *text = NULL;

	if (!l) {
		l = request->own = arena_zalloc(request_arena(request), sizeof(*l));
		request->own_done = list_done;
		enum s3_error error = parse(request, l, &text);
		if (error)
			return s3_fail_text(request, error, text);
		if (!request->s3->caller.account)
			return answer(request, l);
		find_user(request, l);
	}
	if (!l->sub.parent)
		begin_page(request, l);
	if (!sub_collect(&l->sub, PAGE_BYTES))
		return STEP_WAIT;
	if (l->sub.status == 404)
		return answer(request, l);
	if (!sub_ok(&l->sub) || l->sub.failed)
		return s3_fail_sub(request, &l->sub);
	jread_done(&l->rows);
	if (jread_parse(l->sub.text.data, l->sub.text.len, &l->rows))
		return s3_fail(request, S3_InternalError);
	sub_done(&l->sub);
	l->sub = (struct sub){0};
	l->at = 0;
	return op_go(op, ROWS);
}

/* --- rows --- */

/* False: it is still asked. */
static bool is_shown(
        struct request *request, struct list_buckets *l, const char *name, bool *ret_shown)
{
	*ret_shown = !s3_segments_bucket(name);
	if (!*ret_shown || !l->own_alone)
		return true;
	if (!info_get(&l->info, &request->op, request->proxy, request->account, name))
		return false;
	const char *owner = l->info.info ? info_header(l->info.info, S3_BUCKET_OWNER) : NULL,
	           *id = request->s3->caller.id;
	size_t len = owner ? strcspn(owner, " ") : 0;
	*ret_shown = len ? strlen(id) == len && strncmp(owner, id, len) == 0 : l->is_admin;
	info_fetch_done(&l->info);
	l->info = (struct info_fetch){0};
	return true;
}

static void add_bucket(struct list_buckets *l, const struct jval *row, const char *name)
{
	const char *date;
	uint64_t ts;

	if (!jread_str(jread_get(row, "last_modified"), &date) || !iso_date_parse(date, &ts))
		return;
	buf_str(&l->buckets, "<Bucket>");
	s3_xml_text(&l->buckets, "Name", name);
	s3_xml_date(&l->buckets, "CreationDate", ts);
	buf_str(&l->buckets, "</Bucket>");
	buf_reset(&l->last);
	buf_str(&l->last, name);
	l->count++;
}

static enum step list_rows(struct op *op)
{
	struct request *request = request_of(op);
	struct list_buckets *l = request->own;
	size_t found = jread_len(l->rows.value);
	const char *name = NULL;

	for (; l->at < found; l->at++) {
		const struct jval *row = jread_at(l->rows.value, l->at);
		bool shown;
		if (!jread_str(jread_get(row, "name"), &name))
			continue;
		if (!is_shown(request, l, name, &shown))
			return STEP_WAIT;
		if (shown && (l->more = l->count == l->max))
			return answer(request, l);
		if (shown)
			add_bucket(l, row, name);
	}
	if (found < PAGE_MAX || !name)
		return answer(request, l);
	l->marker = arena_strdup(request_arena(request), name);
	return op_go(op, PAGE);
}

static const struct op_state states[] = {
        {"prepare", s3_prepare, TO(PAGE), 15000},
        [PAGE] = {"page", list_page, TO(ROWS), 0},
        [ROWS] = {"rows", list_rows, TO(PAGE), 0},
};
const struct method s3_list_buckets = {.name = "s3-list-buckets", .states = states};
