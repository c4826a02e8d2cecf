/* v1 auth with accounts from the configuration, as Swift's tempauth has them. A token is
 * "AUTH_tk" + hex of (user number, expiry, HMAC): any reactor checks it without shared state. */
#include "proxy/pipeline.h"
#include "proxy/proxy.h"

#include "lib/base/hex.h"
#include "lib/crypto/hmac.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define TOKEN_PREFIX "AUTH_tk"
#define TOKEN_BYTES  24 /* user u32, expiry u32 (seconds), first 16 bytes of the HMAC */

static const char *const prefixes[] = {"AUTH_", "SERVICE_"};

int tempauth_prefix(const char *account)
{
	for (int i = 0; i < (int)COUNT_OF(prefixes); i++) {
		if (strncmp(account, prefixes[i], strlen(prefixes[i])) == 0)
			return i;
	}
	return -1;
}

static void put_u32(uint8_t *p, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(value >> 8 * i);
}

static uint32_t get_u32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* The key of the MAC covers the user's own secret too: a changed key ends its tokens. */
static void seal(const struct cluster *cluster, const struct user *user, uint8_t token[TOKEN_BYTES])
{
	uint8_t mac[32];
	char text[600];
	int n = snprintf(text, sizeof(text), "%s %s %s", user->name, user->key, user->groups);
	uint8_t input[8 + sizeof(text)];
	size_t len = n < (int)sizeof(text) ? (size_t)n : sizeof(text) - 1;

	memcpy(input, token, 8);
	memcpy(input + 8, text, len);
	hmac_sha256(cluster->token_secret, sizeof(cluster->token_secret), input, 8 + len, mac);
	memcpy(token + 8, mac, TOKEN_BYTES - 8);
}

static const char *make_token(struct request *request, uint32_t index, uint32_t expires)
{
	struct cluster *cluster = request_cluster(request);
	uint8_t token[TOKEN_BYTES];
	char *text = arena_alloc(request_arena(request), sizeof(TOKEN_PREFIX) + 2 * TOKEN_BYTES);

	put_u32(token, index);
	put_u32(token + 4, expires);
	seal(cluster, &cluster->users[index], token);
	memcpy(text, TOKEN_PREFIX, sizeof(TOKEN_PREFIX));
	hex_encode(token, TOKEN_BYTES, text + strlen(TOKEN_PREFIX));
	return text;
}

static int nibble(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool decode(const char *text, uint8_t token[TOKEN_BYTES])
{
	if (strncmp(text, TOKEN_PREFIX, strlen(TOKEN_PREFIX)) != 0)
		return false;
	text += strlen(TOKEN_PREFIX);
	if (strlen(text) != 2 * TOKEN_BYTES)
		return false;
	for (int i = 0; i < TOKEN_BYTES; i++) {
		int high = nibble(text[2 * i]), low = nibble(text[2 * i + 1]);
		if (high < 0 || low < 0)
			return false;
		token[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

static unsigned user_count(const struct cluster *cluster)
{
	unsigned n = 0;

	while (cluster->users && cluster->users[n].name)
		n++;
	return n;
}

/* The last token this thread accepted: most clients repeat theirs. */
static _Thread_local struct {
	char token[sizeof(TOKEN_PREFIX) + 2 * TOKEN_BYTES];
	const struct cluster *cluster;
	const struct user *user;
	uint32_t expires;
} recent[16];

static const struct user *check_token(struct cluster *cluster, const char *text)
{
	uint8_t token[TOKEN_BYTES], sealed[TOKEN_BYTES];
	uint32_t now = (uint32_t)(cluster->env->wall_us(cluster->env) / 1000000);

	if (!decode(text, token))
		return NULL;
	unsigned slot = token[8] % COUNT_OF(recent);
	if (recent[slot].cluster == cluster && strcmp(recent[slot].token, text) == 0)
		return now < recent[slot].expires ? recent[slot].user : NULL;
	uint32_t index = get_u32(token), expires = get_u32(token + 4);
	if (index >= user_count(cluster) || now >= expires)
		return NULL;
	memcpy(sealed, token, 8);
	seal(cluster, &cluster->users[index], sealed);
	if (!hmac_equal(sealed, token, TOKEN_BYTES))
		return NULL;
	memcpy(recent[slot].token, text, strlen(text) + 1);
	recent[slot].cluster = cluster;
	recent[slot].user = &cluster->users[index];
	recent[slot].expires = expires;
	return recent[slot].user;
}

#define GROUPS_MAX 24

static void add_group(
        struct request *request, const char **groups, unsigned *count, const char *name)
{
	(void)request;
	if (*count < GROUPS_MAX - 1)
		groups[(*count)++] = name;
}

static void add_user_groups(
        struct request *request, const struct user *user, const char **groups, unsigned *count)
{
	struct arena *arena = request_arena(request);
	size_t account_len = strcspn(user->name, ":");
	const char *account = arena_strndup(arena, user->name, account_len);

	add_group(request, groups, count, account);
	add_group(request, groups, count, user->name);
	for (const char *p = user->groups; *p;) {
		size_t len = strcspn(p, ", ");
		const char *name = arena_strndup(arena, p, len);
		p += len + (p[len] != 0);
		if (strcmp(name, ".admin") == 0) {
			for (unsigned i = 0; i < COUNT_OF(prefixes); i++)
				add_group(request, groups, count,
				        arena_printf(arena, "%s%s", prefixes[i], account));
		} else if (len) {
			add_group(request, groups, count, name);
		}
	}
}

static bool in_groups(const struct identity *identity, const char *name)
{
	for (unsigned i = 0; identity->groups && identity->groups[i]; i++) {
		if (strcmp(identity->groups[i], name) == 0)
			return true;
	}
	return false;
}

bool tempauth_is_token(const char *text)
{
	return strncmp(text, TOKEN_PREFIX, strlen(TOKEN_PREFIX)) == 0;
}

static void become(struct request *request, const struct user *user, const struct user *helper)
{
	unsigned count = 0;
	const char **groups = arena_zalloc(request_arena(request), GROUPS_MAX * sizeof(*groups));

	add_user_groups(request, user, groups, &count);
	if (helper)
		add_user_groups(request, helper, groups, &count);
	request->identity.user = user->name;
	request->identity.groups = groups;
	request->identity.reseller = in_groups(&request->identity, ".reseller_admin");
}

void tempauth_become(struct request *request, const struct user *user)
{
	become(request, user, NULL);
}

bool tempauth_identify(struct request *request, const char *token, const char *service)
{
	struct cluster *cluster = request_cluster(request);
	const struct user *user = check_token(cluster, token);

	if (user)
		become(request, user, service ? check_token(cluster, service) : NULL);
	return user;
}

static bool owner_allowed(const struct identity *identity, const struct access *access)
{
	bool account_change = !access->container && !access->posts && !access->reads;

	if (identity->reseller)
		return true;
	if (!in_groups(identity, access->account) || account_change)
		return false; /* an account of another prefix is in nobody's groups */
	return tempauth_prefix(access->account) != 1 || in_groups(identity, "service");
}

bool tempauth_authorize(struct request *request, const struct access *access, const char *acl)
{
	if (owner_allowed(&request->identity, access)) {
		request->identity.owner = true;
		return true;
	}
	if (access->reads && in_groups(&request->identity, ".reseller_reader"))
		return true;
	if (access->options)
		return true;
	if (acl_referrer_allowed(acl, http_get(request->http, "Referer")) &&
	        (access->object || acl_rlistings(acl)))
		return true;
	return acl_group_allowed(acl, request->identity.groups);
}

/* --- GET /auth/v1.0 --- */

static enum step refuse_auth(struct request *request, const char *realm)
{
	http_header(request->http, "Www-Authenticate",
	        arena_printf(request_arena(request), "Swift realm=\"%s\"", realm));
	http_header(request->http, "Content-Type", "text/html; charset=UTF-8");
	request_headers(request, 401);
	http_reply_text(request->http, 401, swift_error_body(request_arena(request), 401));
	return STEP_DONE;
}

static const char *either(struct request *request, const char *first, const char *second)
{
	const char *value = http_get(request->http, first);

	return value && *value ? value : http_get(request->http, second);
}

static enum step grant(struct request *request, uint32_t index)
{
	struct cluster *cluster = request_cluster(request);
	const char *name = cluster->users[index].name;
	const char *host = http_get(request->http, "Host");
	uint32_t now = (uint32_t)(cluster->env->wall_us(cluster->env) / 1000000);
	const char *token = make_token(request, index, now + cluster->token_life_s);

	http_header(request->http, "X-Auth-Token", token);
	http_header(request->http, "X-Storage-Token", token);
	request_header_u64(request, "X-Auth-Token-Expires", cluster->token_life_s);
	http_header(request->http, "X-Storage-Url",
	        arena_printf(request_arena(request), "%s://%s/v1/AUTH_%.*s",
	                cluster->tls ? "https" : "http", host ? host : "localhost",
	                (int)strcspn(name, ":"), name));
	return request_empty(request, 200);
}

static bool same_secret(const char *a, const char *b)
{
	size_t n = strlen(a);

	return strlen(b) == n && hmac_equal(a, b, n);
}

static enum step auth_state(struct op *op)
{
	struct request *request = request_of(op);
	struct cluster *cluster = request_cluster(request);
	struct arena *arena = request_arena(request);
	const char *user, *key, *account = NULL;
	char path_account[256] = "", version[16] = "", verb[16] = "";

	if (request->http->gone)
		return STEP_DONE;
	if (strcmp(request->http->method, "GET") != 0)
		return request_fail(request, 405);
	sscanf(request->path, "/auth/%15[^/]/%255[^/]/%15s", version, path_account, verb);
	if (strcmp(version, "v1") == 0 && strcmp(verb, "auth") == 0) {
		user = either(request, "X-Storage-User", "X-Auth-User");
		key = either(request, "X-Storage-Pass", "X-Auth-Key");
		account = path_account;
		if (user && !strchr(user, ':'))
			user = arena_printf(arena, "%s:%s", account, user);
	} else if (strcmp(version, "v1.0") == 0 || strcmp(version, "auth") == 0) {
		user = either(request, "X-Auth-User", "X-Storage-User");
		key = either(request, "X-Auth-Key", "X-Storage-Pass");
	} else {
		return request_fail(request, *version ? 400 : 404);
	}
	const char *colon = user ? strchr(user, ':') : NULL;
	if (!colon)
		return refuse_auth(request, account && *account ? account : "unknown");
	const char *realm = arena_strndup(arena, user, (size_t)(colon - user));
	if (account && strcmp(account, realm) != 0)
		return refuse_auth(request, account);
	for (uint32_t i = 0; key && cluster->users[i].name; i++) {
		if (strcmp(cluster->users[i].name, user) == 0 &&
		        same_secret(cluster->users[i].key, key))
			return grant(request, i);
	}
	return refuse_auth(request, *realm ? realm : "unknown");
}

static const struct op_state auth_states[] = {{"auth", auth_state, 0, 0}};
const struct method auth_get = {.name = "auth", .states = auth_states};

static bool tell(const struct cluster *cluster, struct buf *out)
{
	buf_str(out, "\"account_acls\": true");
	return cluster->users;
}

const struct unit unit_tempauth = {.name = "tempauth", .info = tell};
