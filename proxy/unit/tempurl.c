/* tempurl: a URL that its owner has signed with a key of the account or container is good without a
 * token, for the methods, the time and the addresses that are signed with it. */
#include "proxy/pipeline.h"
#include "proxy/unit/signature.h"

#include "lib/base/kv.h"
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define EXPIRES_MAX 253402300799ll /* the year 9999: later ones have no date in a header */

/* What the query says; NULL where it says nothing. */
struct asked {
	const char *signature, *expires, *prefix, *range, *filename;
	bool shown_inline;
};

static bool reads(const struct request *request)
{
	return request->head || strcmp(request->http->method, "GET") == 0;
}

static enum step refuse(struct request *request)
{
	return request_fail_html(request, 401, "401 Unauthorized: Temp URL invalid\n");
}

/* The first of a name counts, as with Python's parse_qs. */
static struct asked parse(const struct request *request)
{
	struct asked asked = {0};
	struct {
		const char *name, **value;
	} known[] = {{"temp_url_sig", &asked.signature}, {"temp_url_expires", &asked.expires},
	        {"temp_url_prefix", &asked.prefix}, {"temp_url_ip_range", &asked.range},
	        {"filename", &asked.filename}};

	for (unsigned i = request->query.count; i-- > 0;) {
		const struct query_pair *pair = &request->query.pairs[i];
		asked.shown_inline |= strcmp(pair->name, "inline") == 0;
		for (unsigned k = 0; k < COUNT_OF(known); k++) {
			if (strcmp(pair->name, known[k].name) == 0)
				*known[k].value = pair->value;
		}
	}
	return asked;
}

/* Seconds since 1970; 0: it is over, or no time at all. */
static int64_t parse_expires(const struct request *request, const char *text)
{
	struct tm tm = {0};
	int64_t seconds;
	int end = 0;

	if (!signature_int(text, &seconds)) {
		if (sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2dZ%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
		            &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &end) != 6 ||
		        !end || text[end] || strpbrk(text, " +") || tm.tm_year < 1970 ||
		        tm.tm_mon < 1 || tm.tm_mon > 12 || tm.tm_mday < 1 || tm.tm_mday > 31 ||
		        tm.tm_hour < 0 || tm.tm_hour > 23 || tm.tm_min < 0 || tm.tm_min > 59 ||
		        tm.tm_sec < 0 || tm.tm_sec > 61)
			return 0;
		int day = tm.tm_mday;
		tm.tm_year -= 1900;
		tm.tm_mon--;
		seconds = timegm(&tm);
		if (tm.tm_mday != day && tm.tm_sec < 60)
			return 0; /* no such day in that month */
	}
	const struct env *env = request->proxy->cluster->env;
	return seconds < (int64_t)(env->wall_us(env) / 1000000) ? 0 : seconds;
}

/* --- addresses --- */

static bool parse_address(const char *text, uint8_t ret_bytes[16], unsigned *ret_len)
{
	*ret_len = inet_pton(AF_INET, text, ret_bytes) == 1    ? 4
	           : inet_pton(AF_INET6, text, ret_bytes) == 1 ? 16
	                                                       : 0;
	return *ret_len;
}

static bool bit(const uint8_t *bytes, unsigned i)
{
	return bytes[i / 8] >> (7 - i % 8) & 1;
}

/* Of "24", "255.255.255.0" or "0.0.0.255"; false when it is none of them. */
static bool parse_mask(const char *text, unsigned address_len, unsigned *ret_bits)
{
	uint8_t mask[16];
	unsigned len, bits = 0;
	int64_t number;

	if (*text && strspn(text, "0123456789") == strlen(text) && signature_int(text, &number)) {
		*ret_bits = (unsigned)number;
		return number <= address_len * 8;
	}
	if (address_len != 4 || !parse_address(text, mask, &len) || len != 4)
		return false;
	bool inverse = !bit(mask, 0);
	while (bits < 32 && bit(mask, bits) != inverse)
		bits++;
	*ret_bits = bits;
	while (bits < 32 && bit(mask, bits) == inverse)
		bits++;
	return bits == 32;
}

/* Is the client of this network ("192.0.2.0/24", "2001:db8::1")? One with bits behind its mask is
 * none. */
static bool is_within(struct request *request, const char *range)
{
	uint8_t network[16], client[16];
	unsigned len, client_len, bits;
	const char *slash = strchr(range, '/');
	const char *text =
	        slash ? arena_strndup(request_arena(request), range, (size_t)(slash - range))
	              : range;

	if (!parse_address(text, network, &len))
		return false;
	bits = len * 8;
	if (slash && !parse_mask(slash + 1, len, &bits))
		return false;
	for (unsigned i = bits; i < len * 8; i++) {
		if (bit(network, i))
			return false;
	}
	if (!parse_address(request->http->remote, client, &client_len) || client_len != len)
		return false;
	for (unsigned i = 0; i < bits; i++) {
		if (bit(network, i) != bit(client, i))
			return false;
	}
	return true;
}

/* --- the signature --- */

/* HEAD may be done by who may do anything else. */
static bool fits(struct request *request, const struct signature *signature,
        const struct signature_key *key, const struct asked *asked, const char *rest)
{
	static const char *const all[] = {"HEAD", "GET", "POST", "PUT"};
	AUTO(buf) struct buf message = BUF_NONE;

	for (unsigned i = 0; i < (request->head ? COUNT_OF(all) : 1); i++) {
		buf_reset(&message);
		if (asked->range && *asked->range)
			buf_printf(&message, "ip=%s\n", asked->range);
		buf_printf(
		        &message, "%s\n%s", request->head ? all[i] : request->http->method, rest);
		if (signature_fits(signature, key->text, message.data, message.len))
			return true;
	}
	return false;
}

static const char *signed_part(struct request *request, const struct asked *asked, int64_t expires)
{
	return arena_printf(request_arena(request), "%lld\n%s/v1/%s/%s/%s", (long long)expires,
	        asked->prefix ? "prefix:" : "", request->account, request->container,
	        asked->prefix ? asked->prefix : request->object);
}

/* Is this path one to sign? A container itself may be, where a static site may be shown. */
static bool is_path(const struct request *request, const struct asked *asked)
{
	const char *object = request->object;

	if (!request->container || !has_prefix(request->path, "/v1/"))
		return false;
	if (reads(request) && asked->prefix && !*asked->prefix)
		return true;
	if (!object || !object[strspn(object, "/")])
		return false;
	return !asked->prefix || strncmp(object, asked->prefix, strlen(asked->prefix)) == 0;
}

/* Only what belongs to the URL is left of the query: nothing makes a manifest of what is put. */
static void trim_query(struct request *request)
{
	static const char known[] = "temp_url_sig temp_url_expires temp_url_prefix filename inline";
	unsigned kept = 0;

	for (unsigned i = 0; i < request->query.count; i++) {
		if (words_have(known, request->query.pairs[i].name))
			request->query.pairs[kept++] = request->query.pairs[i];
	}
	request->query.count = kept;
}

/* Who may put here must not get to read elsewhere by what is put. */
static const char *pointer(const struct request *request)
{
	static const char *const names[] = {"X-Object-Manifest", "X-Symlink-Target"};

	for (unsigned i = 0; !reads(request) && i < COUNT_OF(names); i++) {
		for (unsigned h = 0; h < request->http->header_count; h++) {
			char name[32];
			snprintf(name, sizeof(name), "%s", request->http->headers[h].name);
			title_case(name);
			if (strcmp(name, names[i]) == 0)
				return names[i];
		}
	}
	return NULL;
}

static void trim_headers(struct request *request)
{
	const struct unit_options *options = &request_cluster(request)->units;
	struct http_req *http = request->http;
	unsigned kept = 0;

	for (unsigned i = 0; i < http->header_count; i++) {
		const char *name = http->headers[i].name;
		if (words_have(options->tempurl_incoming_allow, name) ||
		        !words_have(options->tempurl_incoming_remove, name))
			http->headers[kept++] = http->headers[i];
	}
	http->header_count = kept;
}

static enum step permit(
        struct request *request, const struct asked *asked, int64_t expires, bool for_container)
{
	struct permit *permit = arena_zalloc(request_arena(request), sizeof(*permit));
	const char *name = pointer(request);

	if (name)
		return request_fail_html(request, 400,
		        arena_printf(request_arena(request),
		                "The header '%s' is not allowed in this tempurl", name));
	*permit = (struct permit){.account = request->account,
	        .container = for_container ? request->container : NULL,
	        .expires = expires > EXPIRES_MAX ? EXPIRES_MAX : expires,
	        .filename = asked->filename && *asked->filename ? asked->filename : NULL,
	        .shown_inline = asked->shown_inline};
	request->permit = permit;
	request->identified = true;
	trim_headers(request);
	trim_query(request);
	return STEP_NEXT;
}

static enum step enter(struct request *request)
{
	const struct unit_options *options = &request_cluster(request)->units;
	struct signature_key keys[SIGNATURE_KEYS];
	struct signature signature;

	if (request->parent || strcmp(request->http->method, "OPTIONS") == 0)
		return STEP_NEXT;
	struct asked asked = parse(request);
	if (!asked.signature && !asked.expires)
		return STEP_NEXT;
	int64_t expires = asked.expires ? parse_expires(request, asked.expires) : 0;
	if (expires <= 0 || !asked.signature || !is_path(request, &asked) ||
	        !words_have(options->tempurl_methods, request->http->method) ||
	        !signature_parse(asked.signature, options->tempurl_digests, &signature) ||
	        (asked.range && *asked.range && !is_within(request, asked.range)))
		return refuse(request);
	bool known = info_get(
	        &request->account_info, &request->op, request->proxy, request->account, NULL);
	known &= info_get(&request->container_info, &request->op, request->proxy, request->account,
	        request->container);
	if (!known)
		return STEP_WAIT;
	if (request->account_info.err || request->container_info.err)
		return request_fail(request, 503);
	unsigned count =
	        signature_keys(request->account_info.info, request->container_info.info, keys);
	const char *rest = signed_part(request, &asked, expires);
	for (unsigned i = 0; i < count; i++) {
		if (fits(request, &signature, &keys[i], &asked, rest))
			return permit(request, &asked, expires, keys[i].for_container);
	}
	return refuse(request);
}

static enum step at_end(struct request *request)
{
	return request->permit && !request->synced && !request->parent && !request->object
	               ? refuse(request)
	               : STEP_NEXT;
}

/* --- the answer --- */

static void disposition(struct buf *out, const char *kind, const char *filename)
{
	buf_printf(out, "%s; filename=\"", kind);
	url_quote(out, filename, " ");
	buf_str(out, "\"; filename*=UTF-8''");
	url_quote(out, filename, "");
}

static const char *base_name(struct request *request)
{
	const char *object = request->object ? request->object : request->container;
	size_t len = strlen(object);

	while (len && object[len - 1] == '/')
		len--;
	const char *slash = memrchr(object, '/', len);
	size_t from = slash ? (size_t)(slash + 1 - object) : 0;
	return arena_strndup(request_arena(request), object + from, len - from);
}

static void say_how_to_show(struct request *request, const char *existing)
{
	const struct permit *permit = request->permit;
	AUTO(buf) struct buf text = BUF_NONE;
	char date[HTTP_DATE_SIZE];

	if (permit->shown_inline && !permit->filename)
		buf_str(&text, "inline");
	else if (permit->filename)
		disposition(
		        &text, permit->shown_inline ? "inline" : "attachment", permit->filename);
	else if (existing)
		buf_str(&text, existing);
	else
		disposition(&text, "attachment", base_name(request));
	http_header(request->http, "Content-Disposition", buf_text(&text));
	http_date_format(permit->expires, date);
	http_header(request->http, "Expires", date);
}

static void answer(struct request *request, int status)
{
	const struct unit_options *options = &request_cluster(request)->units;
	struct buf told = BUF_NONE, *out = &request->http->out;
	const char *existing = NULL;
	struct kv_pair pair;

	if (!request->permit || !request->permit->expires || request->parent)
		return;
	bool shows = reads(request) && status / 100 == 2;
	for (size_t at = 0; kv_next(out->data, out->len, &at, &pair);) {
		if (shows && strcasecmp(pair.name, "Content-Disposition") == 0)
			existing = arena_strdup(request_arena(request), pair.value);
		else if (words_have(options->tempurl_outgoing_allow, pair.name) ||
		         !words_have(options->tempurl_outgoing_remove, pair.name))
			kv_add_len(&told, pair.name, pair.name_len, pair.value, pair.value_len);
	}
	buf_done(out);
	*out = told;
	if (shows)
		say_how_to_show(request, existing);
}

static bool tell(const struct cluster *cluster, struct buf *out)
{
	const struct unit_options *o = &cluster->units;
	const struct {
		const char *name, *list;
	} lists[] = {{"methods", o->tempurl_methods},
	        {"incoming_remove_headers", o->tempurl_incoming_remove},
	        {"incoming_allow_headers", o->tempurl_incoming_allow},
	        {"outgoing_remove_headers", o->tempurl_outgoing_remove},
	        {"outgoing_allow_headers", o->tempurl_outgoing_allow}};

	if (!o->tempurl_methods)
		return false;
	for (unsigned i = 0; i < COUNT_OF(lists); i++) {
		buf_printf(out, "\"%s\": ", lists[i].name);
		words_json(out, lists[i].list);
		buf_str(out, ", ");
	}
	signature_tell(out, o->tempurl_digests);
	return true;
}

const struct unit unit_tempurl = {
        .name = "tempurl", .enter = enter, .answer = answer, .info = tell};
const struct unit unit_tempurl_end = {.name = "tempurl", .pass = at_end};
