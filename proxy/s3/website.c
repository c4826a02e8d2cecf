#include "proxy/s3/website.h"

#include "lib/http/url.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define RULES_MAX    50
#define LOCATION_MAX 2048

/* --- what is taken --- */

static bool is_host(const char *text)
{
	return *text && strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	                             "0123456789.-_:[]") == strlen(text);
}

/* Three digits; else 0. */
static int read_status(const char *text)
{
	return strlen(text) == 3 && strspn(text, "0123456789") == 3 ? (int)strtol(text, NULL, 10)
	                                                            : 0;
}

static const char *wrong_target(const struct xml *target)
{
	const char *protocol = xml_text(target, "Protocol"), *host = xml_text(target, "HostName");

	if (protocol && strcmp(protocol, "http") != 0 && strcmp(protocol, "https") != 0)
		return "Invalid protocol, protocol can be http or https. If not defined the "
		       "protocol will be selected automatically.";
	return host && !is_host(host) ? "The HostName is not a valid host name." : NULL;
}

static const char *wrong_rule(const struct xml *rule, struct arena *arena)
{
	const struct xml *condition = xml_child(rule, "Condition"),
	                 *redirect = xml_child(rule, "Redirect");
	const char *wanted = xml_text(condition, "HttpErrorCodeReturnedEquals"),
	           *code = xml_text(redirect, "HttpRedirectCode");
	int status = wanted ? read_status(wanted) : 400, to = code ? read_status(code) : 301;

	if (condition && !wanted && !xml_child(condition, "KeyPrefixEquals"))
		return "Condition cannot be empty. To redirect all requests without a condition, "
		       "the condition element shouldn't be present.";
	if (status < 400 || status > 599)
		return arena_printf(arena,
		        "The provided HTTP error code (%s) is not valid. Valid codes are 4XX or "
		        "5XX.",
		        wanted);
	if (!redirect || !redirect->first)
		return "Redirect cannot be empty.";
	if (to <= 300 || to > 399)
		return arena_printf(arena,
		        "The provided HTTP redirect code (%s) is not valid. Valid codes are 3XX "
		        "except 300.",
		        code);
	if (xml_child(redirect, "ReplaceKeyWith") && xml_child(redirect, "ReplaceKeyPrefixWith"))
		return "You can only define ReplaceKeyPrefix or ReplaceKey but not both.";
	return wrong_target(redirect);
}

enum s3_error s3_website_good(const struct xml *root, struct arena *arena, const char **ret_text)
{
	const struct xml *all = xml_child(root, "RedirectAllRequestsTo"),
	                 *index = xml_child(root, "IndexDocument"),
	                 *error = xml_child(root, "ErrorDocument"),
	                 *rules = xml_child(root, "RoutingRules");
	const char *suffix = xml_text(index, "Suffix"), *key = xml_text(error, "Key");
	unsigned count = 0;

	if (all) {
		if (!xml_text(all, "HostName") || xml_next(all))
			return S3_MalformedXML;
		if (index || error || rules)
			*ret_text = "RedirectAllRequestsTo cannot be provided in conjunction with "
			            "other Routing Rules.";
		else
			*ret_text = wrong_target(all);
		return *ret_text ? S3_InvalidRequest : S3_OK;
	}
	if (!index)
		*ret_text = "A value for IndexDocument Suffix must be provided if "
		            "RedirectAllRequestsTo is empty";
	else if (!suffix || !*suffix || strchr(suffix, '/'))
		*ret_text = "The IndexDocument Suffix is not well formed";
	else if (error && (!key || !*key))
		*ret_text = "The ErrorDocument Key is not well formed";
	if (*ret_text)
		return S3_InvalidArgument;
	for (const struct xml *r = rules ? rules->first : NULL; r; r = r->next) {
		if (strcmp(r->name, "RoutingRule") != 0)
			return S3_MalformedXML;
		*ret_text = ++count > RULES_MAX
		                    ? "50 routing rules are what a website configuration may have."
		                    : wrong_rule(r, arena);
		if (*ret_text)
			return S3_InvalidRequest;
	}
	return S3_OK;
}

void s3_website_tell(const char *kept, struct buf *out)
{
	buf_str(out, kept);
}

bool s3_website_location_good(const char *location)
{
	for (const char *p = location; *p; p++) {
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			return false;
	}
	return strlen(location) <= LOCATION_MAX &&
	       (*location == '/' || strncmp(location, "http://", 7) == 0 ||
	               strncmp(location, "https://", 8) == 0);
}

/* --- what it says about a request --- */

static bool fits(const struct xml *rule, const struct s3_website_asked *asked)
{
	const struct xml *condition = xml_child(rule, "Condition");
	const char *prefix = xml_text(condition, "KeyPrefixEquals"),
	           *status = xml_text(condition, "HttpErrorCodeReturnedEquals");

	if ((status ? read_status(status) : 0) != asked->status)
		return false;
	return !prefix || strncmp(asked->key, prefix, strlen(prefix)) == 0;
}

/* A key from a rule may have more than a key's part of an URL: "#!/", "?page=1". */
#define RULES_OWN "#!?&=+:@;,$'()*%"

static void add_url(const struct xml *rule, const struct xml *to,
        const struct s3_website_asked *asked, struct buf *out)
{
	const char *protocol = xml_text(to, "Protocol"), *host = xml_text(to, "HostName"),
	           *whole = xml_text(to, "ReplaceKeyWith"),
	           *part = xml_text(to, "ReplaceKeyPrefixWith"),
	           *prefix = xml_text(xml_child(rule, "Condition"), "KeyPrefixEquals"),
	           *key = asked->key;

	buf_printf(
	        out, "%s://%s/", protocol ? protocol : asked->protocol, host ? host : asked->host);
	if (whole) {
		url_quote(out, whole, RULES_OWN);
		return;
	}
	if (part) {
		url_quote(out, part, RULES_OWN);
		key += prefix ? strlen(prefix) : 0;
	}
	url_quote(out, key, "");
}

bool s3_website_redirect(const struct xml *root, const struct s3_website_asked *asked,
        struct buf *ret_url, int *ret_status)
{
	const struct xml *all = xml_child(root, "RedirectAllRequestsTo"),
	                 *rules = xml_child(root, "RoutingRules");

	if (all) {
		*ret_status = 301;
		add_url(NULL, all, asked, ret_url);
		return true;
	}
	for (const struct xml *r = rules ? rules->first : NULL; r; r = r->next) {
		const struct xml *to = xml_child(r, "Redirect");
		const char *code = xml_text(to, "HttpRedirectCode");
		if (!fits(r, asked))
			continue;
		add_url(r, to, asked, ret_url);
		*ret_status = code ? read_status(code) : 301;
		return true;
	}
	return false;
}

const char *s3_website_index(const struct xml *root, struct arena *arena, const char *key)
{
	const char *suffix = xml_text(xml_child(root, "IndexDocument"), "Suffix");
	size_t len = strlen(key);

	if (!suffix || (len && key[len - 1] != '/'))
		return NULL;
	return arena_printf(arena, "%s%s", key, suffix);
}
