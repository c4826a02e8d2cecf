#include "lib/http/guard.h"

#include <string.h>
#include <strings.h>

/* RFC 9110 5.6.2 */
static bool is_tchar(unsigned char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c && strchr("!#$%&'(*+-.^_`|~", c)); /* and '(', which Swift has taken */
}

bool guard_is_token(const char *text)
{
	if (!*text)
		return false;
	for (; *text; text++) {
		if (!is_tchar((unsigned char)*text))
			return false;
	}
	return true;
}

/* More than tokens: S3 clients name metadata as they like, and sign that. Who handles the request
 * drops the others (guard_drop_odd). */
static bool is_name(const char *text)
{
	const char *at = text;

	while (*at > 0x20 && *at < 0x7f && *at != ':')
		at++;
	return *text && !*at;
}

void guard_drop_odd(struct http_req *req)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < req->header_count; i++) {
		const char *name = req->headers[i].name;
		if (guard_is_token(name))
			req->headers[kept++] = req->headers[i];
	}
	req->header_count = kept;
}

static bool parse_length(const char *text, uint64_t *ret_length)
{
	uint64_t length = 0;

	if (!*text)
		return false;
	for (; *text; text++) {
		if (*text < '0' || *text > '9' || length > (UINT64_MAX - 9) / 10)
			return false;
		length = length * 10 + (uint64_t)(*text - '0');
	}
	*ret_length = length;
	return true;
}

static bool target_ok(const char *target)
{
	for (; *target; target++) {
		unsigned char c = (unsigned char)*target;
		if (c <= 0x20 || c == 0x7f)
			return false;
	}
	return true;
}

const char *guard_check(struct http_req *req, int *ret_status)
{
	unsigned hosts = 0, lengths = 0, codings = 0;
	bool unknown = false;

	*ret_status = 400;
	if (!guard_is_token(req->method))
		return "Bad method";
	if (!target_ok(req->target))
		return "Control byte or space in the request target";
	for (unsigned i = 0; i < req->header_count; i++) {
		const struct http_header *h = &req->headers[i];

		if (!is_name(h->name))
			return "Bad header name";
		if (strcasecmp(h->name, "Host") == 0) {
			hosts++;
		} else if (strcasecmp(h->name, "Content-Length") == 0) {
			lengths++;
			if (!parse_length(h->value, &req->content_length))
				return "Invalid Content-Length";
			req->has_length = true;
		} else if (strcasecmp(h->name, "Transfer-Encoding") == 0) {
			codings++;
			if (strcasecmp(h->value, "chunked") != 0)
				unknown = true;
			req->chunked = true;
		} else if (strcasecmp(h->name, "Expect") == 0) {
			if (strcasecmp(h->value, "100-continue") == 0)
				req->expects_continue = !req->http_1_0;
		}
	}
	if (lengths > 1)
		return "Duplicate Content-Length";
	if (unknown) {
		*ret_status = 501;
		return "Unsupported Transfer-Encoding";
	}
	if (codings > 1)
		return "Duplicate Transfer-Encoding";
	if (codings && lengths)
		return "Content-Length with Transfer-Encoding";
	if (codings && req->http_1_0)
		return "Transfer-Encoding in HTTP/1.0";
	if (hosts > 1)
		return "Duplicate Host";
	if (hosts == 0 && !req->http_1_0)
		return "Missing Host";
	return NULL;
}
