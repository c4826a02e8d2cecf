/* What is set for a whole bucket: policy, CORS, lifecycle, notifications and the like. Each is
 * a text in the container's system metadata.
 *
 *   Get...     prepare -> tell
 *   Put...     prepare -> read -> store
 *   Delete...  prepare -> drop */
#include "proxy/s3/config.h"

#include "lib/auth/aws_policy.h"
#include "proxy/s3/cors.h"
#include "proxy/s3/document.h"
#include "proxy/s3/encryption.h"
#include "proxy/s3/event.h"
#include "proxy/s3/lifecycle.h"
#include "proxy/s3/notification.h"
#include "proxy/s3/s3.h"

#include <string.h>

enum { PREPARE, READ, STORE };

struct config_op {
	struct s3_document document; /* the first member */
	struct sub sub;
	const char *kept;   /* what is to be kept */
	const char *beside; /* the same of config->beside */
	struct notification notification;
};

struct config {
	const char *query, *header, *root; /* root NULL: it is no XML */
	const char *beside;                /* kept along with it, or NULL */
	const char *tells;                 /* that, in an answer's header; or NULL */
	enum s3_error none;                /* S3_OK: "" is told */
	int status;                        /* of a PUT */
	size_t max;
	enum s3_error (*take)(struct request *request, struct config_op *c, const char **ret_text);
	void (*tell)(const char *kept, struct buf *out);
};

static const struct config *config_of(const struct request *request);

static void op_done(struct request *request)
{
	struct config_op *c = request->own;

	s3_document_done(&c->document);
	sub_done(&c->sub);
}

static struct config_op *own(struct request *request)
{
	if (!request->own) {
		request->own = arena_zalloc(request_arena(request), sizeof(struct config_op));
		request->own_done = op_done;
	}
	return request->own;
}

/* --- policy --- */

static enum s3_error take_policy(
        struct request *request, struct config_op *c, const char **ret_text)
{
	const struct buf *text = &c->document.gather.text;
	AUTO(jroot) struct jroot root = JROOT_NONE;

	if (text->len > S3_POLICY_MAX) {
		*ret_text = "Policy exceeds the maximum allowed document size.";
		return S3_MalformedPolicy;
	}
	if (jread_parse(text->data, text->len, &root) || strlen(buf_text(text)) != text->len) {
		*ret_text = "Policies must be valid JSON and the first byte must be '{'";
		return S3_MalformedPolicy;
	}
	*ret_text = s3_policy_check(root.value, request->s3->bucket);
	if (*ret_text)
		return S3_MalformedPolicy;
	if (s3_blocks(request->container_info.info, S3_BLOCK_PUBLIC_POLICY) &&
	        s3_policy_is_public(root.value))
		return S3_AccessDenied;
	c->kept = arena_strdup(request_arena(request), buf_text(text));
	c->beside = is_true(http_get(request->http, "x-amz-confirm-remove-self-bucket-access"))
	                    ? "true"
	                    : "";
	return S3_OK;
}

static void tell_policy(const char *kept, struct buf *out)
{
	buf_str(out, kept);
}

static enum step tell_status(struct op *op)
{
	struct request *request = request_of(op);
	const char *kept = info_header(request->container_info.info, S3_BUCKET_POLICY);
	AUTO(jroot) struct jroot root = JROOT_NONE;
	AUTO(buf) struct buf xml = BUF_NONE;
	struct s3_acl acl;

	s3_acl_of_bucket(request, &acl);
	bool is_public = s3_acl_is_public(&acl);
	if (kept && *kept && !jread_parse(kept, strlen(kept), &root))
		is_public |= s3_policy_is_public(root.value);
	s3_xml_begin(&xml, "PolicyStatus");
	s3_xml_bool(&xml, "IsPublic", is_public);
	buf_str(&xml, "</PolicyStatus>");
	return s3_reply_xml(request, &xml);
}

/* --- public access block: the names of those that are on --- */

static const char *const blocks[] = {S3_BLOCK_PUBLIC_ACLS, S3_IGNORE_PUBLIC_ACLS,
        S3_BLOCK_PUBLIC_POLICY, S3_RESTRICT_PUBLIC_BUCKETS};

static bool has_word(const char *text, const char *word)
{
	size_t len = strlen(word);

	for (const char *p = text; p && (p = strstr(p, word)); p += len) {
		if ((p == text || p[-1] == ' ') && (p[len] == ' ' || !p[len]))
			return true;
	}
	return false;
}

bool s3_blocks(const struct info *info, const char *what)
{
	return has_word(info_header(info, S3_PUBLIC_ACCESS), what);
}

static enum s3_error take_blocks(
        struct request *request, struct config_op *c, const char **ret_text)
{
	AUTO(buf) struct buf kept = BUF_NONE;

	(void)ret_text;
	buf_str(&kept, "set");
	for (unsigned i = 0; i < COUNT_OF(blocks); i++) {
		const char *text = xml_text(c->document.root, blocks[i]);
		if (text && strcasecmp(text, "true") == 0)
			buf_printf(&kept, " %s", blocks[i]);
		else if (text && strcasecmp(text, "false") != 0)
			return S3_MalformedXML;
	}
	c->kept = arena_strdup(request_arena(request), buf_text(&kept));
	return S3_OK;
}

static void tell_blocks(const char *kept, struct buf *out)
{
	s3_xml_begin(out, "PublicAccessBlockConfiguration");
	for (unsigned i = 0; i < COUNT_OF(blocks); i++)
		s3_xml_bool(out, blocks[i], has_word(kept, blocks[i]));
	buf_str(out, "</PublicAccessBlockConfiguration>");
}

/* --- ownership --- */

bool s3_ownership_good(const char *text)
{
	return text &&
	       (strcmp(text, S3_OWNER_ENFORCED) == 0 || strcmp(text, S3_OWNER_PREFERRED) == 0 ||
	               strcmp(text, S3_OBJECT_WRITER) == 0);
}

bool s3_owner_enforced(const struct info *info)
{
	const char *kept = info_header(info, S3_OWNERSHIP);

	return kept && strcmp(kept, S3_OWNER_ENFORCED) == 0;
}

static enum s3_error take_ownership(
        struct request *request, struct config_op *c, const char **ret_text)
{
	const struct xml *rule = xml_child(c->document.root, "Rule");
	const char *text = xml_text(rule, "ObjectOwnership");
	struct s3_acl acl;

	if (!s3_ownership_good(text) || xml_next(rule))
		return S3_MalformedXML;
	s3_acl_of_bucket(request, &acl);
	if (strcmp(text, S3_OWNER_ENFORCED) == 0 && !s3_acl_is_private(&acl)) {
		*ret_text = "Bucket cannot have ACLs set with ObjectOwnership's "
		            "BucketOwnerEnforced setting";
		return S3_InvalidBucketAclWithObjectOwnership;
	}
	c->kept = text;
	return S3_OK;
}

static void tell_ownership(const char *kept, struct buf *out)
{
	s3_xml_begin(out, "OwnershipControls");
	buf_str(out, "<Rule>");
	s3_xml_text(out, "ObjectOwnership", kept);
	buf_str(out, "</Rule></OwnershipControls>");
}

/* --- CORS --- */

static enum s3_error take_cors(struct request *request, struct config_op *c, const char **ret_text)
{
	const struct buf *text = &c->document.gather.text;

	if (!s3_cors_good(c->document.root, ret_text))
		return *ret_text ? S3_InvalidRequest : S3_MalformedXML;
	c->kept = arena_strndup(request_arena(request), text->data, text->len);
	return S3_OK;
}

/* --- lifecycle --- */

static const char *new_id(struct request *request)
{
	const struct env *env = request_cluster(request)->env;
	uint64_t random[2];

	env->random(env, random, sizeof(random));
	return arena_printf(request_arena(request), "%016llx%016llx", (unsigned long long)random[0],
	        (unsigned long long)random[1]);
}

static bool is_class(struct request *request, const struct lifecycle_action *move)
{
	unsigned policy;

	return s3_class_policy(request_cluster(request), move->class, &policy);
}

static enum s3_error check_moves(struct request *request, const struct lifecycle_rule *rule)
{
	bool known = true;

	for (unsigned i = 0; i < rule->move_count; i++)
		known &= is_class(request, &rule->moves[i]);
	for (unsigned i = 0; i < rule->noncurrent_move_count; i++)
		known &= is_class(request, &rule->noncurrent_moves[i]);
	return known ? S3_OK : S3_InvalidStorageClass;
}

static enum s3_error take_lifecycle(
        struct request *request, struct config_op *c, const char **ret_text)
{
	const char *min = http_get(request->http, S3_TRANSITION_MIN_SAID);
	AUTO(buf) struct buf kept = BUF_NONE;
	struct lifecycle lifecycle;
	enum s3_error error;

	if (min && strcmp(min, S3_TRANSITION_ALL_128K) != 0 &&
	        strcmp(min, S3_TRANSITION_VARIES) != 0) {
		*ret_text = "Invalid value for " S3_TRANSITION_MIN_SAID;
		return S3_InvalidArgument;
	}
	error = lifecycle_read(c->document.root, request_arena(request), &lifecycle, ret_text);
	for (unsigned i = 0; !error && i < lifecycle.count; i++) {
		if (!lifecycle.rules[i].id)
			lifecycle.rules[i].id = new_id(request);
		error = check_moves(request, &lifecycle.rules[i]);
	}
	if (error)
		return error;
	lifecycle_write(&lifecycle, &kept);
	if (kept.len > LIFECYCLE_KEPT) {
		*ret_text = "The lifecycle configuration is too long: 40 KiB are kept.";
		return S3_InvalidRequest;
	}
	c->kept = arena_strdup(request_arena(request), buf_text(&kept));
	c->beside = min;
	return S3_OK;
}

static void tell_lifecycle(const char *kept, struct buf *out)
{
	buf_str(out, kept);
}

/* --- encryption --- */

static enum s3_error take_encryption(
        struct request *request, struct config_op *c, const char **ret_text)
{
	return s3_encryption_read(c->document.root, request_arena(request), &c->kept, ret_text);
}

/* --- web site --- */

static enum s3_error take_website(
        struct request *request, struct config_op *c, const char **ret_text)
{
	const struct buf *text = &c->document.gather.text;
	enum s3_error error = s3_website_good(c->document.root, request_arena(request), ret_text);

	if (!error)
		c->kept = arena_strndup(request_arena(request), text->data, text->len);
	return error;
}

/* --- notifications --- */

static enum s3_error take_notification(
        struct request *request, struct config_op *c, const char **ret_text)
{
	const char *skip = http_get(request->http, "x-amz-skip-destination-validation");
	struct notification *n = &c->notification;
	AUTO(buf) struct buf kept = BUF_NONE;
	enum s3_error error =
	        notification_read(c->document.root, request_arena(request), n, ret_text);

	for (unsigned i = 0; !error && i < n->count; i++) {
		if (!n->rules[i].id)
			n->rules[i].id = new_id(request);
		if (event_target_find(request_cluster(request)->events, n->rules[i].arn) ||
		        (skip && is_true(skip)))
			continue;
		*ret_text = "Unable to validate the following destination configurations";
		return s3_invalid_argument(request, n->rules[i].arn,
		        "The destination ARN names no target of this service");
	}
	if (error)
		return error;
	notification_write(n, &kept);
	if (kept.len > NOTIFICATION_KEPT) {
		*ret_text = "The notification configuration is too long: 40 KiB are kept.";
		return S3_InvalidRequest;
	}
	c->kept = arena_strdup(request_arena(request), buf_text(&kept));
	return S3_OK;
}

static void tell_notification(const char *kept, struct buf *out)
{
	struct notification n = {0};
	struct arena arena;

	arena_init(&arena);
	notification_parse(kept, &arena, &n);
	notification_tell(&n, out);
	arena_done(&arena);
}

/* --- request payment, acceleration --- */

static enum s3_error take_payer(struct request *request, struct config_op *c, const char **ret_text)
{
	const char *payer = xml_text(c->document.root, "Payer");

	(void)request;
	(void)ret_text;
	if (!payer ||
	        (strcmp(payer, S3_BUCKET_OWNER_PAYS) != 0 && strcmp(payer, S3_REQUESTER) != 0))
		return S3_MalformedXML;
	c->kept = payer;
	return S3_OK;
}

static void tell_payer(const char *kept, struct buf *out)
{
	s3_xml_begin(out, "RequestPaymentConfiguration");
	s3_xml_text(out, "Payer", *kept ? kept : S3_BUCKET_OWNER_PAYS);
	buf_str(out, "</RequestPaymentConfiguration>");
}

/* There is nothing that would make it faster. */
static enum s3_error take_acceleration(
        struct request *request, struct config_op *c, const char **ret_text)
{
	const char *status = xml_text(c->document.root, "Status");

	(void)request;
	if (status && strcmp(status, "Enabled") == 0) {
		*ret_text = "Amazon S3 Transfer Acceleration cannot be enabled on this bucket.";
		return S3_InvalidRequest;
	}
	if (!status || strcmp(status, "Suspended") != 0)
		return S3_MalformedXML;
	c->kept = status;
	return S3_OK;
}

static void tell_acceleration(const char *kept, struct buf *out)
{
	s3_xml_begin(out, "AccelerateConfiguration");
	if (*kept)
		s3_xml_text(out, "Status", kept);
	buf_str(out, "</AccelerateConfiguration>");
}

/* --- all of them --- */

static const struct config configs[] = {
        {"policy", S3_BUCKET_POLICY, NULL, S3_POLICY_HARD, NULL, S3_NoSuchBucketPolicy, 204,
                1u << 20, take_policy, tell_policy},
        {"publicAccessBlock", S3_PUBLIC_ACCESS, "PublicAccessBlockConfiguration", NULL, NULL,
                S3_NoSuchPublicAccessBlockConfiguration, 200, 64u << 10, take_blocks, tell_blocks},
        {"ownershipControls", S3_OWNERSHIP, "OwnershipControls", NULL, NULL,
                S3_OwnershipControlsNotFoundError, 200, 64u << 10, take_ownership, tell_ownership},
        {"lifecycle", S3_LIFECYCLE, "LifecycleConfiguration", S3_TRANSITION_MIN,
                S3_TRANSITION_MIN_SAID, S3_NoSuchLifecycleConfiguration, 200, LIFECYCLE_BYTES,
                take_lifecycle, tell_lifecycle},
        {"cors", S3_CORS, "CORSConfiguration", NULL, NULL, S3_NoSuchCORSConfiguration, 200,
                64u << 10, take_cors, s3_cors_tell},
        {"website", S3_WEBSITE, "WebsiteConfiguration", NULL, NULL, S3_NoSuchWebsiteConfiguration,
                200, 40u << 10, take_website, s3_website_tell},
        {"requestPayment", S3_PAYER, "RequestPaymentConfiguration", NULL, NULL, S3_OK, 200,
                64u << 10, take_payer, tell_payer},
        {"accelerate", S3_ACCELERATE, "AccelerateConfiguration", NULL, NULL, S3_OK, 200, 64u << 10,
                take_acceleration, tell_acceleration},
        {"encryption", S3_ENCRYPTION, "ServerSideEncryptionConfiguration", NULL, NULL,
                S3_ServerSideEncryptionConfigurationNotFoundError, 200, 64u << 10, take_encryption,
                s3_encryption_tell},
        {"notification", S3_NOTIFICATION, "NotificationConfiguration", NULL, NULL, S3_OK, 200,
                NOTIFICATION_BYTES, take_notification, tell_notification},
};

static const struct config *config_of(const struct request *request)
{
	unsigned i = 0;

	while (i + 1 < COUNT_OF(configs) &&
	        strcmp(configs[i].query, request->s3->operation->query) != 0)
		i++;
	return &configs[i];
}

/* What is kept beside it, in the answer. */
static void tell_beside(struct request *request, const struct config *config, const char *beside)
{
	if (config->tells)
		http_header(request->http, config->tells,
		        beside && *beside ? beside : S3_TRANSITION_ALL_128K);
}

static enum step tell(struct op *op)
{
	struct request *request = request_of(op);
	const struct config *config = config_of(request);
	const char *kept = info_header(request->container_info.info, config->header);
	AUTO(buf) struct buf text = BUF_NONE;

	if (config->none && (!kept || !*kept))
		return s3_fail(request, config->none);
	config->tell(kept ? kept : "", &text);
	if (config->tells)
		tell_beside(
		        request, config, info_header(request->container_info.info, config->beside));
	if (config->root)
		return s3_reply_xml(request, &text);
	http_header(request->http, "Content-Type", "application/json");
	request_headers(request, 200);
	http_reply_text(request->http, 200, buf_text(&text));
	return STEP_DONE;
}

static enum step read(struct op *op)
{
	struct request *request = request_of(op);
	const struct config *config = config_of(request);
	struct config_op *c = own(request);
	const char *text = NULL;
	enum step step = config->root ? s3_document_read(request, config->root, config->max,
	                                        S3_DIGEST_IF_SENT)
	                              : s3_document_text(request, config->max, S3_DIGEST_IF_SENT);

	if (step != STEP_NEXT)
		return step;
	enum s3_error error = config->take(request, c, &text);
	return error ? s3_fail_text(request, error, text) : op_go(op, STORE);
}

static bool store(struct request *request)
{
	const struct config *config = config_of(request);
	struct config_op *c = own(request);

	if (!c->sub.x && !c->sub.headed) {
		sub_init(&c->sub, request, NULL, SUB_AS_SYSTEM, "POST");
		sub_path(&c->sub, request->account, request->container, NULL, NULL);
		sub_header(&c->sub, config->header, c->kept ? c->kept : "");
		if (config->beside)
			sub_header(&c->sub, config->beside, c->beside ? c->beside : "");
		sub_start(&c->sub);
	}
	return sub_headed(&c->sub);
}

static enum step store_state(struct op *op)
{
	struct request *request = request_of(op);
	const struct config *config = config_of(request);
	const struct config_op *c = own(request);
	const struct sub *sub = &c->sub;
	int status = c->kept ? config->status : 204;

	if (!store(request))
		return STEP_WAIT;
	if (c->kept && sub_ok(sub))
		tell_beside(request, config, c->beside);
	if (c->notification.count && sub_ok(sub))
		s3_event_test(request, &c->notification);
	return sub_ok(sub) ? s3_empty(request, status) : s3_fail_sub(request, sub);
}

static const struct op_state get_states[] = {
        {"prepare", s3_prepare, TO(1), 15000},
        {"tell", tell, 0, 0},
};
const struct method s3_config_get = {.name = "s3-config-get", .states = get_states};

static const struct op_state put_states[] = {
        [PREPARE] = {"prepare", s3_prepare, TO(READ), 15000},
        [READ] = {"read", read, TO(STORE), 0},
        [STORE] = {"store", store_state, 0, 0},
};
const struct method s3_config_put = {
        .name = "s3-config-put", .states = put_states, .body = gather_on_body};

static const struct op_state delete_states[] = {
        {"prepare", s3_prepare, TO(1), 15000},
        {"drop", store_state, 0, 0},
};
const struct method s3_config_delete = {.name = "s3-config-delete", .states = delete_states};

static const struct op_state status_states[] = {
        {"prepare", s3_prepare, TO(1), 15000},
        {"tell", tell_status, 0, 0},
};
const struct method s3_policy_status = {.name = "s3-policy-status", .states = status_states};
