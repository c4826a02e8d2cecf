#include "lib/swift/speak.h"

#include "lib/base/hash.h"
#include "lib/base/kv.h"
#include "lib/base/ts.h"
#include "lib/crypto/md5.h"
#include "lib/http/url.h"
#include "lib/json/jread.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define EXPIRER_DIVISOR 86400 /* Swift's expiring_objects_container_divisor */
#define EXPIRER_SHARDS  100
#define POLICY_UNKNOWN  255

void swift_route_done(struct swift_route *route)
{
	buf_done(&route->parent.hosts);
	buf_done(&route->parent.devices);
	buf_done(&route->expirer.hosts);
	buf_done(&route->expirer.devices);
}

void swift_ask_done(struct swift_ask *ask)
{
	buf_done(&ask->url);
	buf_done(&ask->headers);
}

/* --- requests --- */

static const char *method_of(const struct backend_msg *msg)
{
	switch ((enum backend_op)msg->op) {
	case BACKEND_OBJECT_STAGE:
	case BACKEND_OBJECT_PUT:
	case BACKEND_DB_PUT:
		return "PUT";
	case BACKEND_OBJECT_POST:
	case BACKEND_DB_POST:
		return "POST";
	case BACKEND_OBJECT_DELETE:
	case BACKEND_DB_DELETE:
		return "DELETE";
	case BACKEND_OBJECT_VERSION:
	case BACKEND_OBJECT_GRANT:
	case BACKEND_DB_HEAD:
		return "HEAD";
	case BACKEND_OBJECT_GET:
		return msg->len ? "GET" : "HEAD";
	case BACKEND_OBJECT_READ:
	case BACKEND_DB_LIST:
		return "GET";
	default:
		return NULL;
	}
}

static bool is_put(const struct backend_msg *msg)
{
	return msg->op == BACKEND_OBJECT_STAGE || msg->op == BACKEND_OBJECT_PUT;
}

bool swift_tells(const struct backend_msg *msg)
{
	switch ((enum backend_op)msg->op) {
	case BACKEND_OBJECT_STAGE:
	case BACKEND_OBJECT_PUT:
		return msg->handle != 0; /* else it is a repair */
	case BACKEND_OBJECT_POST:
	case BACKEND_OBJECT_DELETE:
		return msg->update_count != 0;
	case BACKEND_DB_PUT:
	case BACKEND_DB_DELETE:
		return msg->kind == BACKEND_CONTAINER;
	default:
		return false;
	}
}

uint64_t swift_delete_at(const struct backend_msg *msg)
{
	const char *at = kv_get(msg->headers, msg->headers_len, "X-Delete-At");

	return at ? strtoull(at, NULL, 10) : 0;
}

void swift_expirer_container(const uint8_t key[16], uint64_t at, char ret_name[24])
{
	unsigned shard = 0;

	for (unsigned i = 0; i < 16; i++)
		shard = (shard * 256 + key[i]) % EXPIRER_SHARDS;
	uint64_t day = at / EXPIRER_DIVISOR * EXPIRER_DIVISOR;
	snprintf(ret_name, 24, "%010llu", (unsigned long long)(day > shard ? day - shard : 0));
}

static void add_u64(struct buf *headers, const char *name, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	kv_add(headers, name, text);
}

static void add_told(struct buf *headers, const char *who, const struct swift_told *told)
{
	char name[40];

	if (!told->hosts.len)
		return;
	snprintf(name, sizeof(name), "X-%s-Host", who);
	kv_add(headers, name, buf_text(&told->hosts));
	snprintf(name, sizeof(name), "X-%s-Device", who);
	kv_add(headers, name, buf_text(&told->devices));
	snprintf(name, sizeof(name), "X-%s-Partition", who);
	add_u64(headers, name, told->partition);
}

static void add_query(struct buf *url, const char *name, const char *value)
{
	if (!value || (!*value && strcmp(name, "path") != 0))
		return;
	buf_printf(url, "&%s=", name);
	url_quote(url, value, "");
}

static void add_list(struct buf *url, const struct backend_list *list)
{
	buf_printf(url, "?format=json&limit=%u", list->limit);
	add_query(url, "marker", list->marker);
	add_query(url, "end_marker", list->end_marker);
	add_query(url, "prefix", list->prefix);
	add_query(url, "delimiter", list->delimiter);
	add_query(url, "path", list->path);
	if (list->reverse)
		buf_str(url, "&reverse=true");
}

static void add_url(struct buf *url, const struct backend_msg *msg, const struct swift_spot *spot)
{
	const char *names[] = {msg->account, msg->container, msg->object};
	bool v6 = strchr(spot->ip, ':');

	buf_printf(url, "http://%s%s%s:%u/", v6 ? "[" : "", spot->ip, v6 ? "]" : "", spot->port);
	url_quote(url, spot->device, "");
	buf_printf(url, "/%llu", (unsigned long long)spot->partition);
	for (unsigned i = 0; i <= msg->kind; i++) {
		buf_char(url, '/');
		url_quote(url, names[i] ? names[i] : "", "");
	}
	if (msg->op == BACKEND_DB_LIST)
		add_list(url, &msg->list);
}

static void add_times(struct buf *headers, const struct backend_msg *msg)
{
	char ts[TS_TEXT_SIZE];

	if (!msg->ts)
		return;
	ts_format(msg->ts, ts);
	kv_add(headers, "X-Timestamp", ts);
}

/* Headers that clients know by another name than servers keep them. */
static const struct {
	const char *ours, *theirs;
} renamed[] = {
        {"X-Account-Rfc-Compliant-Etags", "X-Account-Sysmeta-Rfc-Compliant-Etags"},
        {"X-Container-Rfc-Compliant-Etags", "X-Container-Sysmeta-Rfc-Compliant-Etags"},
};

static void add_headers(struct buf *headers, const struct backend_msg *msg)
{
	struct kv_pair pair;

	for (size_t at = 0; kv_next(msg->headers, msg->headers_len, &at, &pair);) {
		const char *name = pair.name;
		for (unsigned i = 0; i < COUNT_OF(renamed); i++) {
			if (strcasecmp(name, renamed[i].ours) == 0)
				name = renamed[i].theirs;
		}
		kv_add(headers, name, pair.value);
	}
}

static void add_range(struct buf *headers, const struct backend_msg *msg)
{
	char text[64];

	if (!msg->len || (msg->len == UINT64_MAX && !msg->offset))
		return;
	if (msg->len > UINT64_MAX - msg->offset)
		snprintf(text, sizeof(text), "bytes=%llu-", (unsigned long long)msg->offset);
	else
		snprintf(text, sizeof(text), "bytes=%llu-%llu", (unsigned long long)msg->offset,
		        (unsigned long long)(msg->offset + msg->len - 1));
	kv_add(headers, "Range", text);
}

static void add_object(
        struct buf *headers, const struct backend_msg *msg, const struct swift_route *route)
{
	char etag[33];

	add_u64(headers, "X-Backend-Storage-Policy-Index", msg->policy);
	if (route->spot.next_part_power)
		add_u64(headers, "X-Backend-Next-Part-Power", route->spot.next_part_power);
	if (msg->op == BACKEND_OBJECT_GET || msg->op == BACKEND_OBJECT_READ)
		add_range(headers, msg);
	if (msg->op == BACKEND_OBJECT_PUT && !msg->stage) {
		md5_hex(msg->etag, etag);
		kv_add(headers, "Etag", etag);
	}
	if (is_put(msg) && msg->if_absent)
		kv_add(headers, "If-None-Match", "*");
	if (is_put(msg) && !swift_tells(msg))
		kv_add(headers, "X-Backend-Replication", "true");
	if (!swift_tells(msg))
		return;
	add_told(headers, "Container", &route->parent);
	if (!route->expirer.hosts.len)
		return;
	add_told(headers, "Delete-At", &route->expirer);
	kv_add(headers, "X-Delete-At-Container", route->expirer_container);
}

void swift_ask_of(
        const struct backend_msg *msg, const struct swift_route *route, struct swift_ask *ret_ask)
{
	struct buf *headers = &ret_ask->headers;

	*ret_ask = (struct swift_ask){.method = method_of(msg)};
	if (!ret_ask->method)
		return;
	add_url(&ret_ask->url, msg, &route->spot);
	kv_add(headers, "User-Agent", "proxy-server cairn");
	if (msg->op == BACKEND_OBJECT_PUT || msg->op == BACKEND_OBJECT_STAGE ||
	        msg->op == BACKEND_OBJECT_POST || msg->op == BACKEND_OBJECT_DELETE ||
	        msg->op == BACKEND_DB_PUT || msg->op == BACKEND_DB_POST ||
	        msg->op == BACKEND_DB_DELETE) {
		add_times(headers, msg);
		add_headers(headers, msg);
	}
	if (msg->kind == BACKEND_OBJECT) {
		add_object(headers, msg, route);
		return;
	}
	if (msg->op == BACKEND_DB_PUT && msg->kind == BACKEND_CONTAINER)
		add_u64(headers, "X-Backend-Storage-Policy-Index", msg->policy);
	add_told(headers, "Account", &route->parent);
}

/* --- answers --- */

struct head {
	const void *headers;
	size_t len;
};

static const char *text_of(const struct head *h, const char *name)
{
	return kv_get(h->headers, h->len, name);
}

static uint64_t number_of(const struct head *h, const char *name)
{
	const char *text = text_of(h, name);

	return text && *text >= '0' && *text <= '9' ? strtoull(text, NULL, 10) : 0;
}

/* "1700000000.12345", and perhaps "_" with an offset of later writes of the same time. */
static uint64_t time_of(const struct head *h, const char *name)
{
	const char *text = text_of(h, name);
	char plain[TS_TEXT_SIZE + 8];
	uint64_t ts;

	if (!text)
		return 0;
	snprintf(plain, sizeof(plain), "%.*s", (int)strcspn(text, "_"), text);
	return ts_parse(plain, &ts) ? ts : 0;
}

static void read_etag(const struct head *h, uint8_t ret_etag[16])
{
	const char *text = text_of(h, "Etag");
	char digits[3] = {0}, *end;

	memset(ret_etag, 0, 16);
	if (!text)
		return;
	text += *text == '"';
	for (unsigned i = 0; i < 16 && strlen(text) >= 2; i++, text += 2) {
		memcpy(digits, text, 2);
		unsigned long byte = strtoul(digits, &end, 16);
		if (*end)
			return;
		ret_etag[i] = (uint8_t)byte;
	}
}

static bool starts(const char *name, const char *prefix)
{
	return strncasecmp(name, prefix, strlen(prefix)) == 0;
}

/* What belongs to the object, and not to this answer or its server. */
static bool belongs_to_object(const char *name)
{
	static const char *const kept[] = {"Content-Type", "Content-Encoding",
	        "Content-Disposition", "Content-Language", "Cache-Control", "Expires",
	        "X-Robots-Tag", "X-Delete-At", "X-Object-Manifest", "X-Static-Large-Object"};

	for (unsigned i = 0; i < COUNT_OF(kept); i++) {
		if (strcasecmp(name, kept[i]) == 0)
			return true;
	}
	return starts(name, "X-Object-Meta-") || starts(name, "X-Object-Sysmeta-") ||
	       starts(name, "X-Object-Transient-Sysmeta-");
}

static bool belongs_to_db(const char *name)
{
	static const char *const kept[] = {"X-Container-Read", "X-Container-Write",
	        "X-Container-Sync-Key", "X-Container-Sync-To", "X-Versions-Location"};

	for (unsigned i = 0; i < COUNT_OF(kept); i++) {
		if (strcasecmp(name, kept[i]) == 0)
			return true;
	}
	return starts(name, "X-Container-Meta-") || starts(name, "X-Container-Sysmeta-") ||
	       starts(name, "X-Account-Meta-") || starts(name, "X-Account-Sysmeta-");
}

static void keep_headers(
        const struct head *h, bool (*keeps)(const char *name), struct backend_reply *reply)
{
	struct kv_pair pair;

	for (size_t at = 0; kv_next(h->headers, h->len, &at, &pair);) {
		const char *name = pair.name;
		for (unsigned i = 0; i < COUNT_OF(renamed); i++) {
			if (strcasecmp(name, renamed[i].theirs) == 0)
				name = renamed[i].ours;
		}
		if (keeps(pair.name))
			kv_add(&reply->headers, name, pair.value);
	}
}

/* "bytes 0-9/100" and "bytes *" "/100" name the whole size. */
static uint64_t size_of(const struct head *h)
{
	const char *range = text_of(h, "Content-Range");
	const char *slash = range ? strchr(range, '/') : NULL;

	if (slash && slash[1] >= '0' && slash[1] <= '9')
		return strtoull(slash + 1, NULL, 10);
	return number_of(h, "Content-Length");
}

static void read_object(const struct head *h, struct backend_reply *reply)
{
	reply->ts = time_of(h, "X-Backend-Data-Timestamp");
	reply->meta_ts = time_of(h, "X-Backend-Timestamp");
	if (!reply->ts)
		reply->ts = reply->meta_ts;
	if (reply->meta_ts < reply->ts)
		reply->meta_ts = reply->ts;
	reply->size = size_of(h);
	read_etag(h, reply->etag);
	keep_headers(h, belongs_to_object, reply);
}

static uint64_t policy_total(const struct head *h, const char *policy, const char *what)
{
	char name[300];

	snprintf(name, sizeof(name), "X-Account-Storage-Policy-%s-%s", policy, what);
	return number_of(h, name);
}

static void read_account(const struct head *h, const char *const policies[BACKEND_POLICIES],
        struct backend_reply *reply)
{
	uint64_t objects = number_of(h, "X-Account-Object-Count"),
	         bytes = number_of(h, "X-Account-Bytes-Used");

	reply->containers = number_of(h, "X-Account-Container-Count");
	for (unsigned p = 0; p < BACKEND_POLICIES; p++) {
		if (!policies[p])
			continue;
		reply->count[p] = policy_total(h, policies[p], "Object-Count");
		reply->bytes[p] = policy_total(h, policies[p], "Bytes-Used");
		reply->containers_of[p] = policy_total(h, policies[p], "Container-Count");
		objects -= objects < reply->count[p] ? objects : reply->count[p];
		bytes -= bytes < reply->bytes[p] ? bytes : reply->bytes[p];
	}
	/* Of policies that this proxy does not know. */
	reply->count[0] += objects;
	reply->bytes[0] += bytes;
	reply->ts = time_of(h, "X-Timestamp");
	reply->put_ts = time_of(h, "X-PUT-Timestamp");
}

static bool read_container(const struct head *h, struct backend_reply *reply)
{
	uint64_t policy = number_of(h, "X-Backend-Storage-Policy-Index");

	reply->ts = time_of(h, "X-Backend-Timestamp");
	reply->put_ts = time_of(h, "X-Backend-PUT-Timestamp");
	reply->delete_ts = time_of(h, "X-Backend-DELETE-Timestamp");
	if (policy >= BACKEND_POLICIES)
		return false;
	reply->policy = (uint8_t)policy;
	reply->count[policy] = number_of(h, "X-Container-Object-Count");
	reply->bytes[policy] = number_of(h, "X-Container-Bytes-Used");
	return true;
}

/* Servers give headers in any order, so they are summed. */
static void hash_db(struct backend_reply *reply)
{
	uint64_t sums[2] = {0, 0};
	struct kv_pair pair;
	const uint64_t *numbers[] = {reply->count, reply->bytes};

	for (size_t at = 0, from = 0; kv_next(reply->headers.data, reply->headers.len, &at, &pair);
	        from = at) {
		for (unsigned i = 0; i < 2; i++)
			sums[i] += hash_bytes(reply->headers.data + from, at - from, i);
	}
	for (unsigned i = 0; i < 2; i++) {
		for (unsigned n = 0; n < 2; n++)
			sums[i] += hash_bytes(numbers[n], sizeof(reply->count), i + 2 * n + 2);
		sums[i] += hash_bytes(&reply->containers, sizeof(reply->containers), i + 6);
		sums[i] += reply->deleted;
	}
	memcpy(reply->hash, sums, sizeof(reply->hash));
}

static bool is_sharded(const struct head *h)
{
	const char *state = text_of(h, "X-Backend-Sharding-State");

	return state && (strcmp(state, "sharding") == 0 || strcmp(state, "sharded") == 0);
}

static enum err read_db(const struct backend_msg *msg, const struct head *h, enum err err,
        const char *const policies[BACKEND_POLICIES], struct backend_reply *reply)
{
	const char *status = text_of(h, "X-Account-Status");

	if (msg->kind == BACKEND_ACCOUNT)
		read_account(h, policies, reply);
	else if (!read_container(h, reply) && !err)
		return ERR_UNSUPPORTED;
	reply->meta_ts = reply->put_ts;
	reply->deleted = (status && strcasecmp(status, "Deleted") == 0) ||
	                 (err == ERR_NOT_FOUND && reply->delete_ts != 0);
	if (!err)
		keep_headers(h, belongs_to_db, reply);
	hash_db(reply);
	/* Its rows are in containers of their own, and the root's listing would be no listing. */
	if (!err && msg->op == BACKEND_DB_LIST && is_sharded(h))
		return ERR_UNSUPPORTED;
	return err;
}

static enum err write_err(const struct backend_msg *msg, int status)
{
	if (status == 202 && msg->op == BACKEND_DB_PUT)
		return ERR_EXISTS;
	if (status / 100 == 2)
		return ERR_OK;
	return status == 404   ? ERR_NOT_FOUND
	       : status == 409 ? ERR_CONFLICT
	       : status == 412 ? ERR_PRECONDITION
	       : status == 507 ? ERR_NO_SPACE
	                       : ERR_UNAVAILABLE;
}

static enum err read_err(int status)
{
	if (status / 100 == 2 || status == 416)
		return ERR_OK;
	return status == 404 ? ERR_NOT_FOUND : status == 507 ? ERR_IO : ERR_UNAVAILABLE;
}

static enum err read_version(const struct backend_msg *msg, const struct head *h, int status,
        struct backend_reply *reply)
{
	enum err err = read_err(status);

	if (err != ERR_NOT_FOUND) {
		if (!err)
			read_object(h, reply);
		return err;
	}
	reply->ts = reply->meta_ts = time_of(h, "X-Backend-Timestamp");
	reply->deleted = reply->ts != 0;
	bool asks_bytes = msg->op == BACKEND_OBJECT_GET || msg->op == BACKEND_OBJECT_READ;
	return reply->deleted && !asks_bytes ? ERR_OK : ERR_NOT_FOUND;
}

enum err swift_read_head(const struct backend_msg *msg, int status, const void *headers,
        size_t headers_len, const char *const policies[BACKEND_POLICIES],
        struct backend_reply *reply)
{
	struct head h = {headers, headers_len};

	switch ((enum backend_op)msg->op) {
	case BACKEND_OBJECT_VERSION:
	case BACKEND_OBJECT_GRANT:
	case BACKEND_OBJECT_GET:
	case BACKEND_OBJECT_READ:
		return read_version(msg, &h, status, reply);
	case BACKEND_DB_HEAD:
	case BACKEND_DB_LIST:
		return read_db(msg, &h, read_err(status), policies, reply);
	default:
		reply->ts = time_of(&h, "X-Backend-Timestamp");
		if (msg->op == BACKEND_OBJECT_PUT)
			read_etag(&h, reply->etag);
		return write_err(msg, status);
	}
}

/* Servers before Swift 2.33 do not tell it: then there must be only one to be sure. */
static uint8_t only_policy(const char *const policies[BACKEND_POLICIES])
{
	uint8_t only = POLICY_UNKNOWN;
	unsigned count = 0;

	for (uint8_t p = 0; p < BACKEND_POLICIES; p++) {
		if (policies[p]) {
			only = p;
			count++;
		}
	}
	return count == 1 ? only : POLICY_UNKNOWN;
}

static uint8_t policy_named(const char *name, const char *const policies[BACKEND_POLICIES])
{
	for (uint8_t p = 0; p < BACKEND_POLICIES; p++) {
		if (policies[p] && strcasecmp(policies[p], name) == 0)
			return p;
	}
	return POLICY_UNKNOWN;
}

static bool read_row(
        const struct jval *v, const char *const policies[BACKEND_POLICIES], struct buf *rows)
{
	struct backend_row row = {.name = NULL, .policy = only_policy(policies)};
	const char *date = "", *policy;

	if (jread_str(jread_get(v, "subdir"), &row.name)) {
		row.subdir = true;
	} else if (!jread_str(jread_get(v, "name"), &row.name) ||
	           !jread_u64(jread_get(v, "bytes"), UINT64_MAX, &row.bytes) ||
	           !jread_str(jread_get(v, "last_modified"), &date) ||
	           !iso_date_parse(date, &row.ts)) {
		return false;
	}
	jread_u64(jread_get(v, "count"), UINT64_MAX, &row.count);
	jread_str(jread_get(v, "hash"), &row.etag);
	jread_str(jread_get(v, "content_type"), &row.content_type);
	if (jread_str(jread_get(v, "storage_policy"), &policy))
		row.policy = policy_named(policy, policies);
	backend_rows_add(rows, &row);
	return true;
}

enum err swift_read_rows(const struct backend_msg *msg, const void *text, size_t len,
        const char *const policies[BACKEND_POLICIES], struct backend_reply *reply)
{
	AUTO(jroot) struct jroot root = JROOT_NONE;

	(void)msg;
	if (!len)
		return ERR_OK;
	enum err err = jread_parse(text, len, &root);
	if (!err && !jread_is_array(root.value))
		err = ERR_FORMAT;
	for (size_t i = 0; !err && i < jread_len(root.value); i++) {
		if (!read_row(jread_at(root.value, i), policies, &reply->rows))
			err = ERR_FORMAT;
	}
	return err ? err : reply->rows.err;
}
