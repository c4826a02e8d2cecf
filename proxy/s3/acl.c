#include "proxy/s3/acl.h"

#include "lib/base/markup.h"
#include "lib/json/jout.h"
#include "lib/json/jread.h"
#include <string.h>
#include <strings.h>

static const struct {
	const char *name, *header;
	enum s3_right right;
} rights[] = {
        {"READ", "x-amz-grant-read", S3_READ},
        {"WRITE", "x-amz-grant-write", S3_WRITE},
        {"READ_ACP", "x-amz-grant-read-acp", S3_READ_ACP},
        {"WRITE_ACP", "x-amz-grant-write-acp", S3_WRITE_ACP},
        {"FULL_CONTROL", "x-amz-grant-full-control", S3_FULL_CONTROL},
};

static const struct {
	const char *name, *uri;
	enum s3_grantee kind;
} groups[] = {
        {"AllUsers", "http://acs.amazonaws.com/groups/global/AllUsers", S3_GRANTEE_ALL},
        {"AuthenticatedUsers", "http://acs.amazonaws.com/groups/global/AuthenticatedUsers",
                S3_GRANTEE_AUTHENTICATED},
        {"LogDelivery", "http://acs.amazonaws.com/groups/s3/LogDelivery", S3_GRANTEE_LOG_DELIVERY},
};

static bool right_of(const char *name, enum s3_right *ret_right)
{
	for (unsigned i = 0; name && i < COUNT_OF(rights); i++) {
		if (strcmp(rights[i].name, name) == 0) {
			*ret_right = rights[i].right;
			return true;
		}
	}
	return false;
}

static const char *right_name(enum s3_right right)
{
	unsigned i = 0;

	while (i + 1 < COUNT_OF(rights) && rights[i].right != right)
		i++;
	return rights[i].name;
}

static bool group_of(const char *text, bool by_uri, enum s3_grantee *ret_kind)
{
	for (unsigned i = 0; i < COUNT_OF(groups); i++) {
		if (strcmp(by_uri ? groups[i].uri : groups[i].name, text) == 0) {
			*ret_kind = groups[i].kind;
			return true;
		}
	}
	return false;
}

static unsigned group_at(enum s3_grantee kind)
{
	unsigned i = 0;

	while (i + 1 < COUNT_OF(groups) && groups[i].kind != kind)
		i++;
	return i;
}

static void begin(struct arena *arena, struct s3_acl *acl)
{
	acl->grants = arena_alloc(arena, S3_GRANTS_MAX * sizeof(*acl->grants));
	acl->count = 0;
}

static bool add(struct s3_acl *acl, struct s3_grant grant)
{
	if (acl->count == S3_GRANTS_MAX)
		return false;
	acl->grants[acl->count++] = grant;
	return true;
}

/* --- as it is kept --- */

static bool read_grant(const struct jval *row, struct arena *arena, struct s3_acl *acl)
{
	struct s3_grant grant = {0};
	bool user = jread_len(row) == 3;
	const char *who, *name = NULL, *right;

	if (!jread_str(jread_at(row, 0), &who) || !jread_str(jread_at(row, user ? 2 : 1), &right) ||
	        !right_of(right, &grant.right) || (user && !jread_str(jread_at(row, 1), &name)))
		return false;
	if (user) {
		grant.id = arena_strdup(arena, who);
		grant.name = arena_strdup(arena, name);
	} else if (!group_of(who, false, &grant.kind)) {
		return false;
	}
	return add(acl, grant);
}

bool s3_acl_read(const char *json, struct arena *arena, struct s3_acl *ret_acl)
{
	AUTO(jroot) struct jroot root = JROOT_NONE;
	struct s3_acl acl;
	const char *owner, *name;

	if (jread_parse(json, strlen(json), &root) ||
	        !jread_str(jread_get(root.value, "owner"), &owner) ||
	        !jread_str(jread_get(root.value, "name"), &name))
		return false;
	begin(arena, &acl);
	acl.owner = arena_strdup(arena, owner);
	acl.owner_name = arena_strdup(arena, name);
	const struct jval *all = jread_get(root.value, "grants");
	for (size_t i = 0; i < jread_len(all); i++) {
		if (!read_grant(jread_at(all, i), arena, &acl))
			return false;
	}
	*ret_acl = acl;
	return true;
}

void s3_acl_print(const struct s3_acl *acl, struct buf *out)
{
	struct jout j = {out, false};

	jout_object(&j, NULL);
	jout_text(&j, "owner", acl->owner);
	jout_text(&j, "name", acl->owner_name);
	jout_array(&j, "grants");
	for (unsigned i = 0; i < acl->count; i++) {
		const struct s3_grant *g = &acl->grants[i];
		jout_array(&j, NULL);
		jout_text(&j, NULL, g->id ? g->id : groups[group_at(g->kind)].name);
		if (g->id)
			jout_text(&j, NULL, g->name ? g->name : g->id);
		jout_text(&j, NULL, right_name(g->right));
		jout_end_array(&j);
	}
	jout_end_array(&j);
	jout_end_object(&j);
}

/* --- canned --- */

enum s3_error s3_acl_canned(struct arena *arena, const char *name, const char *owner,
        const char *owner_name, const char *bucket_owner, const char *bucket_owner_name,
        struct s3_acl *ret_acl)
{
	static const struct {
		const char *name;
		enum s3_grantee kind;
		int right, bucket_owner; /* of the group, or S3_GRANTEE_ID: none */
	} canned[] = {
	        {"private", S3_GRANTEE_ID, 0, 0},
	        {"public-read", S3_GRANTEE_ALL, S3_READ, 0},
	        {"public-read-write", S3_GRANTEE_ALL, S3_READ | S3_WRITE, 0},
	        {"authenticated-read", S3_GRANTEE_AUTHENTICATED, S3_READ, 0},
	        {"log-delivery-write", S3_GRANTEE_LOG_DELIVERY, S3_WRITE | S3_READ_ACP, 0},
	        {"bucket-owner-read", S3_GRANTEE_ID, 0, S3_READ},
	        {"bucket-owner-full-control", S3_GRANTEE_ID, 0, S3_FULL_CONTROL},
	        {"aws-exec-read", S3_GRANTEE_ID, 0, 0},
	};
	struct s3_acl acl = {.owner = owner, .owner_name = owner_name};
	unsigned at = 0;

	while (name && at < COUNT_OF(canned) && strcmp(canned[at].name, name) != 0)
		at++;
	if (at == COUNT_OF(canned))
		return S3_InvalidArgument;
	begin(arena, &acl);
	for (unsigned i = 0; i < COUNT_OF(rights) && rights[i].right != S3_FULL_CONTROL; i++) {
		if (canned[at].right & (int)rights[i].right)
			add(&acl, (struct s3_grant){canned[at].kind, NULL, NULL, rights[i].right});
	}
	add(&acl, (struct s3_grant){S3_GRANTEE_ID, owner, owner_name, S3_FULL_CONTROL});
	if (canned[at].bucket_owner && bucket_owner && strcmp(bucket_owner, owner) != 0)
		add(&acl, (struct s3_grant){S3_GRANTEE_ID, bucket_owner, bucket_owner_name,
		                  (enum s3_right)canned[at].bucket_owner});
	*ret_acl = acl;
	return S3_OK;
}

/* --- headers --- */

bool s3_acl_in_headers(const struct http_req *http)
{
	for (unsigned i = 0; i < COUNT_OF(rights); i++) {
		if (http_get(http, rights[i].header))
			return true;
	}
	return false;
}

/* "id=\"...\"", of what is between commas. */
static enum s3_error grant_of_pair(struct arena *arena, const char *text, size_t len,
        enum s3_right right, struct s3_acl *acl, const char **ret_text)
{
	struct s3_grant grant = {.right = right};
	const char *equals = memchr(text, '=', len);

	if (!equals) {
		*ret_text = "Argument format not recognized";
		return S3_InvalidArgument;
	}
	const char *value = equals + 1, *end = text + len;
	while (value < end && (*value == ' ' || *value == '"'))
		value++;
	while (end > value && (end[-1] == ' ' || end[-1] == '"'))
		end--;
	size_t name_len = (size_t)(equals - text);
	while (name_len && text[name_len - 1] == ' ')
		name_len--;
	const char *who = arena_strndup(arena, value, (size_t)(end - value));
	if (name_len == 2 && strncasecmp(text, "id", 2) == 0)
		grant.id = who;
	else if (name_len == 12 && strncasecmp(text, "emailAddress", 12) == 0) {
		grant.kind = S3_GRANTEE_EMAIL;
		grant.id = who;
	} else if (name_len != 3 || strncasecmp(text, "uri", 3) != 0 ||
	           !group_of(who, true, &grant.kind)) {
		*ret_text = "Invalid group uri";
		return S3_InvalidArgument;
	}
	return add(acl, grant) ? S3_OK : S3_MalformedACLError;
}

enum s3_error s3_acl_of_headers(
        struct http_req *http, struct s3_acl *ret_acl, const char **ret_text)
{
	enum s3_error error = S3_OK;

	begin(&http->arena, ret_acl);
	for (unsigned i = 0; i < COUNT_OF(rights) && !error; i++) {
		const char *p = http_get(http, rights[i].header);
		while (p && *p && !error) {
			p += strspn(p, ", ");
			size_t len = strcspn(p, ",");
			if (len)
				error = grant_of_pair(
				        &http->arena, p, len, rights[i].right, ret_acl, ret_text);
			p += len;
		}
	}
	return error;
}

/* --- XML --- */

static enum s3_error grant_of_xml(
        const struct xml *element, struct s3_acl *acl, const char **ret_text)
{
	const struct xml *grantee = xml_child(element, "Grantee");
	const char *id = xml_text(grantee, "ID"), *uri = xml_text(grantee, "URI"),
	           *email = xml_text(grantee, "EmailAddress"),
	           *right = xml_text(element, "Permission");
	struct s3_grant grant = {0};

	if (!right_of(right, &grant.right) || !!id + !!uri + !!email != 1)
		return S3_MalformedACLError;
	if (uri && !group_of(uri, true, &grant.kind)) {
		*ret_text = "Invalid group uri";
		return S3_InvalidArgument;
	}
	if (email)
		grant.kind = S3_GRANTEE_EMAIL;
	grant.id = id ? id : email;
	return add(acl, grant) ? S3_OK : S3_MalformedACLError;
}

enum s3_error s3_acl_of_xml(
        const struct xml *root, struct arena *arena, struct s3_acl *ret_acl, const char **ret_text)
{
	const struct xml *list = xml_child(root, "AccessControlList");
	enum s3_error error = S3_OK;

	if (!list)
		return S3_MalformedACLError;
	begin(arena, ret_acl);
	ret_acl->owner = xml_text(xml_child(root, "Owner"), "ID");
	ret_acl->owner_name = NULL;
	for (const struct xml *g = list->first; g && !error; g = g->next)
		error = strcmp(g->name, "Grant") == 0 ? grant_of_xml(g, ret_acl, ret_text)
		                                      : S3_MalformedACLError;
	return error;
}

static void tell(struct buf *xml, const char *name, const char *text)
{
	buf_printf(xml, "<%s>", name);
	markup_escape(xml, text, strlen(text), "&<>\"");
	buf_printf(xml, "</%s>", name);
}

static void tell_grantee(const struct s3_grant *g, struct buf *xml)
{
	buf_printf(xml,
	        "<Grantee xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" "
	        "xsi:type=\"%s\">",
	        g->id ? "CanonicalUser" : "Group");
	if (g->id) {
		tell(xml, "ID", g->id);
		tell(xml, "DisplayName", g->name ? g->name : g->id);
	} else {
		tell(xml, "URI", groups[group_at(g->kind)].uri);
	}
	buf_str(xml, "</Grantee>");
}

static void tell_grants(const struct s3_acl *acl, bool of_groups, struct buf *xml)
{
	for (unsigned i = 0; i < acl->count; i++) {
		const struct s3_grant *g = &acl->grants[i];
		if (of_groups != !g->id)
			continue;
		buf_str(xml, "<Grant>");
		tell_grantee(g, xml);
		tell(xml, "Permission", right_name(g->right));
		buf_str(xml, "</Grant>");
	}
}

void s3_acl_tell(const struct s3_acl *acl, struct buf *xml)
{
	buf_str(xml, "<Owner>");
	tell(xml, "ID", acl->owner);
	tell(xml, "DisplayName", acl->owner_name);
	buf_str(xml, "</Owner><AccessControlList>");
	tell_grants(acl, true, xml);
	tell_grants(acl, false, xml);
	buf_str(xml, "</AccessControlList>");
}

/* --- what it gives --- */

bool s3_acl_is_private(const struct s3_acl *acl)
{
	const struct s3_grant *g = acl->grants;

	return acl->count == 1 && g->id && strcmp(g->id, acl->owner) == 0 &&
	       g->right == S3_FULL_CONTROL;
}

static bool is_public(const struct s3_grant *grant)
{
	return grant->kind == S3_GRANTEE_ALL || grant->kind == S3_GRANTEE_AUTHENTICATED;
}

bool s3_acl_is_public(const struct s3_acl *acl)
{
	for (unsigned i = 0; i < acl->count; i++) {
		if (is_public(&acl->grants[i]))
			return true;
	}
	return false;
}

bool s3_acl_gives(const struct s3_acl *acl, const char *id, enum s3_right right, bool with_public)
{
	int given = 0;

	for (unsigned i = 0; i < acl->count; i++) {
		const struct s3_grant *g = &acl->grants[i];
		bool fits = g->kind == S3_GRANTEE_ID    ? id && g->id && strcmp(g->id, id) == 0
		            : g->kind == S3_GRANTEE_ALL ? with_public
		            : g->kind == S3_GRANTEE_AUTHENTICATED ? with_public && id
		                                                  : false;
		given |= fits ? (int)g->right : 0;
	}
	return ((int)right & ~given) == 0;
}
