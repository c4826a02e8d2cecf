#include "proxy/ranged.h"

#include "lib/base/mem.h"
#include "proxy/pages.h"
#include "proxy/ranges.h"
#include <stdlib.h>
#include <string.h>

static void begin(const struct ranged *r, struct db_read *read, const char *id, struct buf *room)
{
	const struct db_read *root = &r->root;

	*read = (struct db_read){.op = root->op,
	        .proxy = root->proxy,
	        .of_account = root->account,
	        .of_container = root->container};
	buf_reset(room);
	range_path(root->account, root->container, id, room, &read->account, &read->container);
}

static void join_points(struct ranged *r, const struct buf *points)
{
	struct backend_row point;

	for (size_t at = 0; backend_rows_next(points, &at, &point);)
		points_join(&r->points, &point);
}

/* --- totals --- */

static void add_totals(struct ranged *r, const struct backend_reply *reply)
{
	for (unsigned p = 0; p < BACKEND_POLICIES; p++) {
		r->count[p] += reply->count[p];
		r->bytes[p] += reply->bytes[p];
	}
}

static bool has_head(const struct ranged *r, const char *id)
{
	for (unsigned i = 0; i < r->head_count; i++) {
		if (strcmp(r->heads[i]->id, id) == 0)
			return true;
	}
	return false;
}

/* Asks the ranges of these points that were not asked yet. */
static void ask_heads(struct ranged *r, const struct buf *points)
{
	struct backend_row point;

	for (size_t at = 0; backend_rows_next(points, &at, &point);) {
		if ((point.deleted && !r->proposals) || has_head(r, point.content_type) ||
		        strlen(point.content_type) > RANGE_ID_MAX)
			continue;
		struct range_head *head = mem_zalloc(sizeof(*head));
		memcpy(head->id, point.content_type, strlen(point.content_type) + 1);
		head->proposed = point.deleted;
		r->heads = mem_realloc(r->heads, (r->head_count + 1) * sizeof(struct range_head *));
		r->heads[r->head_count++] = head;
		begin(r, &head->read, head->id, &head->room);
		db_read_of(&head->read, NULL);
	}
}

static bool heads_ready(struct ranged *r)
{
	bool ready = true;

	for (unsigned i = 0; i < r->head_count; i++) {
		struct range_head *head = r->heads[i];
		if (head->read.done)
			continue;
		if (!db_read_of(&head->read, NULL)) {
			ready = false;
			continue;
		}
		join_points(r, &head->read.points);
		ask_heads(r, &head->read.points);
	}
	return ready;
}

/* A range that is not there has no rows: its container was about to be deleted. */
static void sum_heads(struct ranged *r)
{
	for (unsigned i = 0; i < r->head_count; i++) {
		const struct range_head *head = r->heads[i];
		if (head->read.err && head->read.err != ERR_NOT_FOUND)
			r->err = ERR_UNAVAILABLE;
		else if (!head->read.err && !head->proposed)
			add_totals(r, head->read.reply);
	}
}

/* --- rows --- */

/* The names that moved: from which point on. Those not moved are not looked at. */
static bool moved_next(const struct buf *points, size_t *at, struct backend_row *ret_point)
{
	while (backend_rows_next(points, at, ret_point)) {
		if (!ret_point->deleted)
			return true;
	}
	return false;
}

/* The least of the points behind `name` (NULL: of all), or the greatest before it. */
static bool point_above(const struct ranged *r, const char *name, struct backend_row *ret_point)
{
	for (size_t at = 0; moved_next(&r->points, &at, ret_point);) {
		if (!name || strcmp(ret_point->name, name) > 0)
			return true;
	}
	return false;
}

static bool point_below(const struct ranged *r, const char *name, struct backend_row *ret_point)
{
	struct backend_row point;
	bool found = false;

	for (size_t at = 0; moved_next(&r->points, &at, &point);) {
		if (name && strcmp(point.name, name) >= 0)
			break;
		*ret_point = point;
		found = true;
	}
	return found;
}

static void set(char **field, const char *text)
{
	char *copy = text ? mem_strdup(text) : NULL;

	free(*field);
	*field = copy;
}

static bool is_set(const char *text)
{
	return text && *text;
}

/* Can names behind `low`, up to `high`, be among those asked for? */
static bool meets(const struct backend_list *list, const char *low, const char *high)
{
	const char *from = list->reverse ? list->end_marker : list->marker;
	const char *to = list->reverse ? list->marker : list->end_marker;
	const char *prefix = is_set(list->path) ? list->path : list->prefix;

	if ((is_set(from) && high && strcmp(high, from) <= 0) ||
	        (is_set(to) && low && strcmp(low, to) >= 0))
		return false;
	if (!is_set(prefix))
		return true;
	/* In the text of a path slashes at its end do not count. */
	size_t len = strlen(prefix);
	while (is_set(list->path) && len > 0 && prefix[len - 1] == '/')
		len--;
	return !(high && strncmp(high, prefix, len) < 0) && !(low && strncmp(low, prefix, len) > 0);
}

/* What is asked of names up to `high`. */
static struct backend_list bounded(struct ranged *r, const char *high)
{
	struct backend_list list = r->list;
	const char **end = list.reverse ? &list.marker : &list.end_marker;

	if (!high)
		return list;
	buf_reset(&r->bound);
	buf_str(&r->bound, high);
	buf_str(&r->bound, POINT_BEHIND);
	if (!is_set(*end) || strcmp(r->bound.data, *end) < 0)
		*end = r->bound.data;
	return list;
}

/* A common prefix goes on in the next range; it is told once. */
static void take_rows(struct ranged *r, const struct buf *rows, char **last_dir)
{
	struct backend_row row;

	for (size_t at = 0; r->found < r->list.limit && backend_rows_next(rows, &at, &row);) {
		if (row.subdir && *last_dir && strcmp(*last_dir, row.name) == 0)
			continue;
		backend_rows_add(&r->rows, &row);
		r->found++;
		set(last_dir, row.subdir ? row.name : NULL);
	}
}

static void append(struct ranged *r, const struct buf *rows)
{
	char *last_dir = NULL;
	struct backend_row row, last = {0};

	for (size_t at = 0; backend_rows_next(&r->rows, &at, &row);)
		last = row;
	set(&last_dir, last.subdir ? last.name : NULL);
	take_rows(r, rows, &last_dir);
	free(last_dir);
}

/* Where the next range lies; false: there is none. */
static bool next_range(struct ranged *r, struct backend_row *ret_point)
{
	struct backend_row above;

	if (r->list.reverse) {
		if (!point_below(r, r->high, ret_point))
			return false;
		set(&r->low, ret_point->name);
		return true;
	}
	if (!point_above(r, r->low, ret_point))
		return false;
	set(&r->low, ret_point->name);
	set(&r->high, point_above(r, r->low, &above) ? above.name : NULL);
	return true;
}

/* Did the page tell of a point inside its range? Then it may show names twice, or pass over some.
 */
static bool was_cut(struct ranged *r)
{
	struct backend_row point;

	join_points(r, &r->page.points);
	return point_above(r, r->low, &point) && (!r->high || strcmp(point.name, r->high) < 0);
}

static enum err page_err(const struct ranged *r)
{
	return r->page.err == ERR_NOT_FOUND ? ERR_OK : r->page.err;
}

/* Page after page; true when all is there, or r->err. */
static bool walk(struct ranged *r)
{
	struct backend_row point;

	for (;;) {
		if (!r->paging) {
			if (r->found >= r->list.limit || !next_range(r, &point))
				return true;
			if (!meets(&r->list, r->low, r->high)) {
				if (r->list.reverse)
					set(&r->high, r->low);
				continue;
			}
			begin(r, &r->page, point.content_type, &r->page_room);
			r->paging = true;
		}
		struct backend_list list = bounded(r, r->high);
		list.limit = r->list.limit - r->found + 1;
		if (!db_read_of(&r->page, &list))
			return false;
		r->paging = false;
		r->err = page_err(r);
		bool again = was_cut(r);
		if (!r->err && !again && !r->page.err)
			append(r, r->page.rows);
		db_read_done(&r->page);
		r->page = (struct db_read){0};
		if (r->err)
			return true;
		if (again && !r->list.reverse)
			set(&r->low, point_below(r, r->low, &point) ? point.name : NULL);
		else if (!again && r->list.reverse)
			set(&r->high, r->low);
	}
}

/* --- the container itself --- */

static void finish(struct ranged *r)
{
	if (r->walked) {
		r->root.rows = &r->rows;
		r->root.exact = false;
	}
	r->done = true;
}

/* What it lists itself comes first, or in reverse order last. */
static void walk_begin(struct ranged *r)
{
	r->walked = true;
	if (!r->list.reverse)
		append(r, r->root.rows);
}

/* Replicas did not agree, and one knows of a point that others do not know: what is behind that is
 * not to be taken from here, but from its range; those that are asked again may not know of it. */
static bool read_again(struct ranged *r)
{
	const char *cut = points_cut(&r->root.points);
	char *high = cut && r->listing && r->root.second ? mem_strdup(cut) : NULL;

	if (!high || (r->high && strcmp(r->high, high) <= 0)) {
		free(high);
		return false;
	}
	set(&r->high, high);
	free(high);
	join_points(r, &r->root.points);
	struct db_read *old = &r->root;
	struct db_read again = {.op = old->op,
	        .proxy = old->proxy,
	        .account = old->account,
	        .container = old->container};
	db_read_done(&r->root);
	r->root = again;
	return true;
}

static bool root_ready(struct ranged *r, struct request *request, const struct listing *listing)
{
	struct backend_list list;

	do {
		if (request && !r->high) {
			if (!pages_read(&r->root, request, listing))
				return false;
		} else {
			list = bounded(r, r->high);
			if (!db_read_of(&r->root, r->listing ? &list : NULL))
				return false;
		}
	} while (!r->root.err && read_again(r));
	return true;
}

static void root_done(struct ranged *r)
{
	set(&r->high, NULL);
	r->began = true;
	r->err = r->root.err;
	if (r->err) {
		r->done = true;
		return;
	}
	add_totals(r, r->root.reply);
	join_points(r, &r->root.points);
	if (!r->points.len) {
		r->done = true;
		return;
	}
	if (r->totals)
		ask_heads(r, &r->points);
	if (r->listing && points_cut(&r->points))
		walk_begin(r);
}

static bool ready(struct ranged *r, struct request *request, const struct listing *listing)
{
	if (!r->began) {
		if (!root_ready(r, request, listing))
			return false;
		root_done(r);
	}
	if (r->done)
		return true;
	if (!heads_ready(r))
		return false;
	if (r->walked && !r->err && !walk(r))
		return false;
	sum_heads(r);
	if (r->walked && !r->err && r->list.reverse)
		append(r, r->root.rows);
	finish(r);
	return true;
}

bool ranged_read(struct ranged *r, struct request *request, const struct listing *listing)
{
	r->listing = listing;
	r->totals = true;
	if (listing)
		r->list = listing->list;
	return r->done || ready(r, request, listing);
}

bool ranged_head(struct ranged *r)
{
	r->totals = true;
	return r->done || ready(r, NULL, NULL);
}

bool ranged_rows(struct ranged *r, const struct backend_list *list)
{
	r->listing = true;
	r->list = *list;
	return r->done || ready(r, NULL, NULL);
}

void ranged_done(struct ranged *r)
{
	db_read_done(&r->root);
	db_read_done(&r->page);
	for (unsigned i = 0; i < r->head_count; i++) {
		db_read_done(&r->heads[i]->read);
		buf_done(&r->heads[i]->room);
		free(r->heads[i]);
	}
	free(r->heads);
	buf_done(&r->points);
	buf_done(&r->page_room);
	buf_done(&r->bound);
	buf_done(&r->rows);
	free(r->low);
	free(r->high);
	*r = (struct ranged){0};
}
