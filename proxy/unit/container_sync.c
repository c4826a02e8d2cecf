/* container_sync: what another cluster of a realm signs with its key and the container's, is done
 * whoever asks, at the time that it says. And where a container may be synced to. */
#include "proxy/pipeline.h"
#include "proxy/unit/sync_realms.h"
#include "proxy/unit/versions.h"

#include "lib/crypto/hmac.h"
#include "lib/http/url.h"
#include <string.h>
#include <strings.h>

static const char *word(struct arena *arena, const char **text)
{
	*text += strspn(*text, " \t");
	size_t len = strcspn(*text, " \t");
	const char *found = len ? arena_strndup(arena, *text, len) : NULL;

	*text += len;
	return found;
}

static enum step refuse(struct request *request)
{
	static const char text[] =
	        "X-Container-Sync-Auth header not valid; contact cluster operator "
	        "for support.";
	AUTO(buf) struct buf realm = BUF_NONE;

	buf_str(&realm, "SwiftContainerSync realm=\"");
	url_quote(&realm, request->account, "");
	buf_char(&realm, '"');
	http_header(request->http, "Www-Authenticate", buf_text(&realm));
	http_header(request->http, "Content-Type", "text/plain");
	request_headers(request, 401);
	http_reply_text(request->http, 401, text);
	return STEP_DONE;
}

static bool fits(struct request *request, const char *realm_key, const char *user_key,
        const char *nonce, const char *signature)
{
	const char *at = http_get(request->http, "X-Timestamp");
	AUTO(buf) struct buf path = BUF_NONE;
	char made[SYNC_SIGNATURE_SIZE];
	size_t len;

	if (!realm_key || strlen(signature) != sizeof(made) - 1)
		return false;
	/* Whichever way it was quoted on its way. */
	url_quote(&path,
	        url_unquote(request_arena(request), request->path, strlen(request->path), &len),
	        "");
	sync_sign(request->http->method, buf_text(&path), at ? at : "0", nonce, realm_key, user_key,
	        made);
	return hmac_equal(made, signature, sizeof(made) - 1);
}

static bool is_signed(struct request *request, const char *auth)
{
	const struct sync_realms *realms = request_cluster(request)->sync;
	struct arena *arena = request_arena(request);
	const char *realm_name = word(arena, &auth), *nonce = word(arena, &auth),
	           *signature = word(arena, &auth);
	const char *user_key = info_header(request->container_info.info, "X-Container-Sync-Key");

	if (!signature || word(arena, &auth) || !user_key || !*user_key)
		return false;
	const struct sync_realm *realm = sync_realm_find(realms, realm_name);
	return realm && realm->key && *realm->key &&
	       (fits(request, realm->key, user_key, nonce, signature) ||
	               (realm->key2 && *realm->key2 &&
	                       fits(request, realm->key2, user_key, nonce, signature)));
}

static enum step permit(struct request *request)
{
	const char *at = http_get(request->http, "X-Timestamp");
	struct permit *permit = arena_zalloc(request_arena(request), sizeof(*permit));

	*permit = (struct permit){.account = request->account, .container = request->container};
	request->permit = permit;
	request->identified = request->synced = true;
	if (!at || !request->object)
		return STEP_NEXT;
	/* "1700000000.12345_0000000000000001": what is behind it has no place in our times. */
	at = arena_strndup(request_arena(request), at, strcspn(at, "_"));
	if (!ts_parse(at, &request->set_ts) || !request->set_ts)
		return request_fail_text(request, 400, "Invalid X-Timestamp");
	return STEP_NEXT;
}

static enum step enter(struct request *request)
{
	const char *auth = http_get(request->http, "X-Container-Sync-Auth");

	if (request->parent || !auth || !*auth || !request->container)
		return STEP_NEXT;
	if (!info_get(&request->container_info, &request->op, request->proxy, request->account,
	            request->container))
		return STEP_WAIT;
	if (request->container_info.err)
		return request_fail(request, 503);
	return is_signed(request, auth) ? permit(request) : refuse(request);
}

/* Who may not set it is not told what is wrong with it. */
static enum step pass(struct request *request)
{
	const struct sync_realms *realms = request_cluster(request)->sync;
	const char *to = http_get(request->http, "X-Container-Sync-To"),
	           *method = request->http->method;

	if (!to || !*to || !request->container || request->object || !request->identity.owner ||
	        (strcmp(method, "PUT") != 0 && strcmp(method, "POST") != 0))
		return STEP_NEXT;
	const char *versions = info_header(request->container_info.info, VERSIONS_CONTAINER);
	if (versions && *versions)
		return request_fail_html(request, 400,
		        "Cannot configure container sync on a container with object versioning "
		        "configured.");
	if (realms && !realms->full_urls && strncmp(to, "//", 2) != 0)
		return request_fail_html(request, 400,
		        "Full URLs are not allowed for X-Container-Sync-To values. Only realm "
		        "values of the format //realm/cluster/account/container are allowed.\n");
	AUTO(buf) struct buf error = BUF_NONE;
	struct sync_target target = {0};
	bool good = sync_target_parse(realms, to, &target, &error);
	buf_done(&target.url);
	return good ? STEP_NEXT : request_fail_text(request, 400, buf_text(&error));
}

static bool is_here(
        const struct sync_realms *realms, const struct sync_realm *realm, const char *cluster)
{
	size_t len = strlen(realm->name);
	const char *current = realms->current;

	return current && strncasecmp(current, realm->name, len) == 0 && current[len] == '/' &&
	       strcasecmp(current + len + 1, cluster) == 0;
}

static bool tell(const struct cluster *cluster, struct buf *out)
{
	const struct sync_realms *realms = cluster->sync;
	const char *comma = "";

	buf_str(out, "\"realms\": {");
	for (unsigned i = 0; realms && i < realms->count; i++) {
		const struct sync_realm *r = &realms->realms[i];
		if (!r->cluster_count)
			continue;
		buf_printf(out, "%s\"%s\": {\"clusters\": {", comma, r->name);
		for (unsigned j = 0; j < r->cluster_count; j++)
			buf_printf(out, "%s\"%s\": {%s}", j ? ", " : "", r->clusters[j].name,
			        is_here(realms, r, r->clusters[j].name) ? "\"current\": true" : "");
		buf_str(out, "}}");
		comma = ", ";
	}
	buf_char(out, '}');
	return realms;
}

const struct unit unit_container_sync = {
        .name = "container_sync", .enter = enter, .pass = pass, .info = tell};
