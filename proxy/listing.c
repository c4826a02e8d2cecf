#include "proxy/listing.h"

#include "proxy/seal.h"
#include "proxy/unit/shown.h"

#include "lib/base/markup.h"
#include "lib/base/mem.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const struct {
	const char *type;
	enum listing_format format;
} types[] = {
        {"text/plain", LISTING_PLAIN},
        {"application/json", LISTING_JSON},
        {"application/xml", LISTING_XML},
        {"text/xml", LISTING_TEXT_XML},
};

const char *listing_content_type(enum listing_format format)
{
	static const char *const texts[] = {
	        [LISTING_PLAIN] = "text/plain; charset=utf-8",
	        [LISTING_JSON] = "application/json; charset=utf-8",
	        [LISTING_XML] = "application/xml; charset=utf-8",
	        [LISTING_TEXT_XML] = "text/xml; charset=utf-8",
	};

	return texts[format];
}

/* How well one Accept item (len bytes, without parameters) fits a type: 0 not at all. */
static int fit(const char *item, size_t len, const char *type)
{
	const char *slash = strchr(type, '/');
	size_t major = (size_t)(slash - type) + 1;

	if (len == strlen(type) && strncasecmp(item, type, len) == 0)
		return 3;
	if (len == major + 1 && item[len - 1] == '*' && strncasecmp(item, type, major) == 0)
		return 2;
	return len == 3 && memcmp(item, "*/*", 3) == 0;
}

bool listing_accept(const char *accept, enum listing_format *ret_format)
{
	double best = 0;
	bool found = false;

	if (!accept || !*accept) {
		*ret_format = LISTING_PLAIN;
		return true;
	}
	for (unsigned t = 0; t < COUNT_OF(types); t++) {
		double quality = 0;
		int exact = 0;
		for (const char *p = accept; *p;) {
			size_t len = strcspn(p, ","), type_len;
			while (len && *p == ' ')
				p++, len--;
			type_len = strcspn(p, ";, ");
			if (type_len > len)
				type_len = len;
			int f = fit(p, type_len, types[t].type);
			const char *q = memmem(p, len, "q=", 2);
			double value = q ? strtod(q + 2, NULL) : 1;
			if (f > exact) {
				exact = f;
				quality = value;
			}
			p += len + (p[len] == ',');
		}
		if (quality + exact * 1e-6 > best && quality > 0) {
			best = quality + exact * 1e-6;
			*ret_format = types[t].format;
			found = true;
		}
	}
	return found;
}

static bool parse_format(struct request *request, enum listing_format *ret_format)
{
	const char *format = query_get(&request->query, "format");

	if (format && strcasecmp(format, "json") == 0)
		*ret_format = LISTING_JSON;
	else if (format && strcasecmp(format, "xml") == 0)
		*ret_format = LISTING_XML;
	else if (format)
		*ret_format = LISTING_PLAIN;
	else
		return listing_accept(http_get(request->http, "Accept"), ret_format);
	return true;
}

static bool parse_limit(const char *text, unsigned limit_max, uint32_t *ret_limit)
{
	char *end;

	*ret_limit = limit_max;
	if (!text || !*text)
		return true;
	unsigned long n = strtoul(text, &end, 10);
	if (*text < '0' || *text > '9' || *end)
		return true; /* Swift ignores what is no number */
	if (n > limit_max)
		return false;
	*ret_limit = (uint32_t)n;
	return true;
}

int listing_parse(struct request *request, unsigned limit_max, struct listing *ret_listing,
        const char **ret_text)
{
	const struct query *q = &request->query;
	struct backend_list *list = &ret_listing->list;

	*ret_text = NULL;
	*ret_listing = (struct listing){0};
	if (!parse_format(request, &ret_listing->format))
		return 406;
	if (q->bad) {
		*ret_text = "Bad query parameter: not valid UTF-8";
		return 400;
	}
	if (!parse_limit(query_get(q, "limit"), limit_max, &list->limit)) {
		*ret_text = arena_printf(request_arena(request), "Maximum limit is %u", limit_max);
		return 412;
	}
	list->marker = query_get(q, "marker");
	list->end_marker = query_get(q, "end_marker");
	list->prefix = query_get(q, "prefix");
	list->delimiter = query_get(q, "delimiter");
	list->path = query_get(q, "path");
	list->reverse = is_true(query_get(q, "reverse"));
	return 0;
}

static void json_text(struct buf *out, const char *text)
{
	buf_char(out, '"');
	for (;;) {
		size_t plain = 0;
		while ((unsigned char)text[plain] >= 0x20 && text[plain] != '"' &&
		        text[plain] != '\\')
			plain++;
		buf_add(out, text, plain);
		text += plain;
		if (!*text)
			break;
		if (*text == '"' || *text == '\\') {
			char e[2] = {'\\', *text};
			buf_add(out, e, 2);
		} else {
			buf_printf(out, "\\u%04x", (unsigned char)*text);
		}
		text++;
	}
	buf_char(out, '"');
}

static void xml_text(struct buf *out, const char *text)
{
	markup_escape(out, text, strlen(text), "&<>\"");
}

void listing_json_object(
        struct buf *out, const struct backend_row *row, const struct shown *s, const char *more)
{
	char date[ISO_DATE_SIZE];

	iso_date_format(row->meta_ts > row->ts ? row->meta_ts : s->written, date);
	buf_str(out, "{\"hash\": ");
	json_text(out, s->etag);
	buf_str(out, ", \"last_modified\": \"");
	buf_add(out, date, ISO_DATE_SIZE - 1);
	buf_str(out, "\", \"bytes\": ");
	buf_u64(out, s->bytes);
	buf_str(out, ", \"name\": ");
	json_text(out, row->name);
	buf_str(out, ", \"content_type\": ");
	json_text(out, s->content_type);
	if (s->s3_etag)
		buf_printf(out, ", \"s3_etag\": \"\\\"%s\\\"\"", s->s3_etag);
	if (s->slo_etag)
		buf_printf(out, ", \"slo_etag\": \"\\\"%.*s\\\"\"", (int)s->slo_len, s->slo_etag);
	if (s->s3_class) {
		buf_str(out, ", \"storage_class\": ");
		json_text(out, s->s3_class);
	}
	if (s->null_version)
		buf_str(out, ", \"null_version\": true");
	buf_str(out, more);
	buf_char(out, '}');
}

void listing_json_link(struct buf *out, const struct shown *s)
{
	if (s->link_path) {
		buf_str(out, ", \"symlink_path\": ");
		json_text(out, s->link_path);
	}
	if (s->target_etag) {
		buf_str(out, ", \"symlink_etag\": ");
		json_text(out, s->target_etag);
		buf_str(out, ", \"symlink_bytes\": ");
		buf_u64(out, s->target_bytes);
	}
}

static void json_object(
        struct buf *out, const struct backend_row *row, const char *account, const char *container)
{
	AUTO(buf) struct buf more = BUF_NONE;
	struct shown s;

	shown_make(row, account, container, &s);
	listing_json_link(&more, &s);
	if (s.version)
		buf_str(&more, ", \"version_symlink\": true");
	listing_json_object(out, row, &s, buf_text(&more));
	shown_done(&s);
}

void listing_json_subdir(struct buf *out, const char *name)
{
	buf_str(out, "{\"subdir\": ");
	json_text(out, name);
	buf_char(out, '}');
}

static void json_container(struct buf *out, const struct backend_row *row, const char *policy)
{
	char date[ISO_DATE_SIZE];

	iso_date_format(row->meta_ts > row->ts ? row->meta_ts : row->ts, date);
	buf_str(out, "{\"count\": ");
	buf_u64(out, row->count);
	buf_str(out, ", \"last_modified\": \"");
	buf_add(out, date, ISO_DATE_SIZE - 1);
	buf_str(out, "\", \"bytes\": ");
	buf_u64(out, row->bytes);
	buf_str(out, ", \"name\": ");
	json_text(out, row->name);
	buf_str(out, ", \"storage_policy\": ");
	json_text(out, policy);
	buf_char(out, '}');
}

static void xml_element(struct buf *out, const char *name, const char *text)
{
	buf_printf(out, "<%s>", name);
	xml_text(out, text);
	buf_printf(out, "</%s>", name);
}

/* policy: a container's policy name; NULL: the row is an object. */
static void xml_row(struct buf *out, const struct backend_row *row, const char *policy,
        const char *account, const char *container)
{
	char date[ISO_DATE_SIZE];
	bool objects = !policy;

	if (row->subdir) {
		buf_str(out, "<subdir name=\"");
		xml_text(out, row->name);
		buf_str(out, objects ? "\">" : "\" />");
		if (objects) {
			xml_element(out, "name", row->name);
			buf_str(out, "</subdir>");
		}
		return;
	}
	uint64_t written = row->ts;
	buf_str(out, objects ? "<object>" : "<container>");
	xml_element(out, "name", row->name);
	if (objects) {
		struct shown s;
		shown_make(row, account, container, &s);
		xml_element(out, "hash", s.etag);
		buf_printf(out, "<bytes>%llu</bytes>", (unsigned long long)s.bytes);
		xml_element(out, "content_type", s.content_type);
		written = s.written;
		shown_done(&s);
	} else {
		buf_printf(out, "<count>%llu</count><bytes>%llu</bytes>",
		        (unsigned long long)row->count, (unsigned long long)row->bytes);
	}
	iso_date_format(row->meta_ts > row->ts ? row->meta_ts : written, date);
	xml_element(out, "last_modified", date);
	if (policy)
		xml_element(out, "storage_policy", policy);
	buf_str(out, objects ? "</object>" : "</container>");
}

static const char *policy_name(const struct cluster *cluster, unsigned policy)
{
	const char *name = policy < BACKEND_POLICIES ? cluster->policies[policy].name : NULL;

	return name ? name : "";
}

void listing_render(struct buf *out, enum listing_format format, const struct cluster *cluster,
        const char *account, const char *container, const struct buf *rows)
{
	struct unseal_rows sealed = {cluster->seal, account, container, NULL, NULL, BUF_NONE};
	struct backend_row row;
	bool first = true;

	if (format == LISTING_JSON) {
		buf_char(out, '[');
	} else if (format != LISTING_PLAIN) {
		buf_str(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
		buf_str(out, container ? "<container name=\"" : "<account name=\"");
		xml_text(out, container ? container : account);
		buf_str(out, "\">");
	}
	for (size_t at = 0; backend_rows_next(rows, &at, &row); first = false) {
		const char *policy = container ? NULL : policy_name(cluster, row.policy);
		if (container)
			row.etag = unseal_row(&sealed, row.etag);
		if (format == LISTING_PLAIN) {
			buf_str(out, row.name);
			buf_char(out, '\n');
		} else if (format == LISTING_JSON) {
			if (!first)
				buf_str(out, ", ");
			if (row.subdir)
				listing_json_subdir(out, row.name);
			else if (container)
				json_object(out, &row, account, container);
			else
				json_container(out, &row, policy);
		} else {
			xml_row(out, &row, policy, account, container);
		}
	}
	if (format == LISTING_JSON)
		buf_char(out, ']');
	else if (format != LISTING_PLAIN)
		buf_str(out, container ? "</container>" : "</account>");
	unseal_rows_done(&sealed);
}

/* --- merging --- */

struct merge {
	const struct listing_pages *from;
	size_t at[2 * PLACE_MAX];
	struct backend_row rows[2 * PLACE_MAX];
	bool live[2 * PLACE_MAX];
	unsigned read[2 * PLACE_MAX];
	bool ended; /* behind this nothing is known of some page */
};

static void step(struct merge *m, unsigned i)
{
	const struct listing_pages *from = m->from;

	m->live[i] = backend_rows_next(from->pages[i], &m->at[i], &m->rows[i]);
	m->read[i] += m->live[i];
	if (!m->live[i] && i < from->count && from->asked && m->read[i] == from->asked)
		m->ended = true;
}

static void merge_init(struct merge *m, const struct listing_pages *from)
{
	*m = (struct merge){.from = from};
	for (unsigned i = 0; i < from->count + from->states; i++)
		step(m, i);
}

static bool newer(const struct backend_row *a, const struct backend_row *b)
{
	if (a->ts != b->ts)
		return a->ts > b->ts;
	return a->deleted != b->deleted ? a->deleted : a->meta_ts > b->meta_ts;
}

/* A name, as those tell it that know of it. */
struct merged_name {
	struct backend_row rows[2 * PLACE_MAX];
	uint64_t bits[2 * PLACE_MAX];
	unsigned count, votes; /* votes: pages that have it */
	uint64_t silent;       /* whose states do not */
};

static const char *least(const struct merge *m)
{
	const char *name = NULL;

	for (unsigned i = 0; i < m->from->count + m->from->states; i++) {
		int order = m->live[i] && name ? strcmp(m->rows[i].name, name) : 0;
		if (m->live[i] && (!name || (m->from->reverse ? order > 0 : order < 0)))
			name = m->rows[i].name;
	}
	return m->ended ? NULL : name;
}

static bool merge_next(struct merge *m, struct merged_name *ret)
{
	const struct listing_pages *from = m->from;
	const char *name = least(m);

	if (!name)
		return false;
	ret->count = ret->votes = 0;
	ret->silent = 0;
	for (unsigned i = 0; i < from->count + from->states; i++) {
		bool has = m->live[i] && strcmp(m->rows[i].name, name) == 0;
		if (has) {
			ret->rows[ret->count] = m->rows[i];
			ret->bits[ret->count++] = from->bits[i];
			ret->votes += i < from->count;
			step(m, i);
		} else if (i >= from->count) {
			ret->silent |= from->bits[i];
		}
	}
	return true;
}

static const struct backend_row *newest(const struct merged_name *n)
{
	const struct backend_row *row = &n->rows[0];

	for (unsigned i = 1; i < n->count; i++) {
		if (newer(&n->rows[i], row))
			row = &n->rows[i];
	}
	return row;
}

static bool alike(const struct backend_row *a, const struct backend_row *b)
{
	return a->ts == b->ts && a->meta_ts == b->meta_ts && a->deleted == b->deleted;
}

/* The row that a majority has, of rows from..to; NULL: none. */
static const struct backend_row *settled(
        const struct merged_name *n, const struct place *place, unsigned from, unsigned to)
{
	for (unsigned i = from; i < to; i++) {
		uint64_t holders = 0;
		for (unsigned k = from; k < to; k++)
			holders |= alike(&n->rows[i], &n->rows[k]) ? n->bits[k] : 0;
		if (place_met(place, holders))
			return &n->rows[i];
	}
	return NULL;
}

static bool by_votes(const struct listing_pages *pages, const struct merged_name *n)
{
	return !pages->place || n->rows[0].subdir;
}

void listing_disputed(const struct listing_pages *pages, struct buf *ret_rows)
{
	struct merged_name n;
	struct merge m;

	for (merge_init(&m, pages); merge_next(&m, &n);) {
		bool agreed = by_votes(pages, &n) ? n.votes == pages->count || n.rows[0].subdir
		                                  : settled(&n, pages->place, 0, n.votes) != NULL;
		if (!agreed)
			backend_rows_add(ret_rows, newest(&n));
	}
}

/* What counts of a name; NULL: it is not there. */
static const struct backend_row *judge(
        const struct listing_pages *pages, const struct merged_name *n, struct buf *ret_bring)
{
	const struct backend_row *row;

	if (by_votes(pages, n))
		return n->votes >= pages->need ? newest(n) : NULL;
	if ((row = settled(n, pages->place, 0, n->votes)))
		return row;
	if (place_met(pages->place, n->silent))
		return NULL;
	if ((row = settled(n, pages->place, n->votes, n->count)))
		return row;
	row = newest(n);
	backend_rows_add(ret_bring, row);
	return row;
}

void listing_merge(const struct listing_pages *pages, unsigned limit, struct buf *ret_rows,
        struct buf *ret_bring)
{
	struct merged_name n;
	struct merge m;

	merge_init(&m, pages);
	for (unsigned written = 0; written < limit && merge_next(&m, &n);) {
		const struct backend_row *row = judge(pages, &n, ret_bring);
		if (row && !row->deleted) {
			backend_rows_add(ret_rows, row);
			written++;
		}
	}
}

unsigned listing_need(const struct listing_pages *pages, const struct place *place)
{
	return place->set_count == 1 && pages->count == place->count ? place->need[0] : 1;
}

#define ROW_BYTES 512 /* of a usual one: as devices send it, and as it is shown */

/* How many there are is not known before they are here: facts of the container may be old. */
bool listing_credit(struct request *request, struct listing *listing, enum err *ret_err)
{
	size_t bytes = (size_t)(listing->list.limit + 1) * ROW_BYTES;

	return credit_take(&listing->credit, &request->proxy->budget, &request->op, bytes, ret_err);
}
