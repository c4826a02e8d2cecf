/* Actions of STS and IAM: forms that come to the root of S3's address, as body or (GET) as query,
 * signed for these services.
 * The identity service does what they say (identity/aws.h); here it is looked at who has signed.
 *
 *   read -> login -> ask -> tell */
#include "proxy/keystone.h"
#include "proxy/s3/s3.h"
#include "proxy/s3/sign_query.h"

#include "lib/base/hex.h"
#include "lib/crypto/sha256.h"
#include "proxy/unit/gather.h"
#include <string.h>

enum { READ, LOGIN, ASK };

#define FORM_MAX (64u << 10)

struct action {
	struct gather gather; /* the first member */
	struct request *request;
	struct verify_ask ask;
	bool pending, asked;
	char hash[2 * SHA256_BYTES + 1];
};

static void action_done(struct request *request)
{
	struct action *a = request->own;

	gather_done(&a->gather);
	if (a->asked)
		arena_done(&a->ask.arena);
}

static struct action *own(struct request *request)
{
	if (!request->own) {
		struct action *a = arena_zalloc(request_arena(request), sizeof(*a));
		a->request = request;
		request->own = a;
		request->own_done = action_done;
	}
	return request->own;
}

/* --- answers --- */

static const char *space_of(const struct request *request)
{
	const char *service = request->s3->sign.service;

	return service && strcmp(service, "iam") == 0 ? "https://iam.amazonaws.com/doc/2010-05-08/"
	                                              : "https://sts.amazonaws.com/doc/2011-06-15/";
}

static enum step reply(struct request *request, int status, const struct buf *xml)
{
	http_header(request->http, "Content-Type", "text/xml");
	request_headers(request, status);
	http_reply_text(request->http, status, buf_text(xml));
	return STEP_DONE;
}

static enum step fail(struct request *request, int status, const char *code, const char *text)
{
	AUTO(buf) struct buf xml = BUF_NONE;

	buf_printf(&xml, "<ErrorResponse xmlns=\"%s\"><Error><Type>%s</Type>", space_of(request),
	        status < 500 ? "Sender" : "Receiver");
	s3_xml_text(&xml, "Code", code);
	s3_xml_text(&xml, "Message", text);
	buf_str(&xml, "</Error>");
	s3_xml_text(&xml, "RequestId", request->trans_id);
	buf_str(&xml, "</ErrorResponse>");
	return reply(request, status, &xml);
}

static enum step fail_as_s3(struct request *request, enum s3_error error, const char *text)
{
	if (error == S3_InvalidAccessKeyId)
		return fail(request, 403, "InvalidClientTokenId",
		        "The security token included in the request is invalid.");
	return fail(request, s3_error_status(error), s3_error_code(error),
	        text ? text : s3_error_text(error));
}

/* --- states --- */

static void take_hash(struct request *request, struct action *a)
{
	uint8_t digest[SHA256_BYTES];

	sha256_digest(a->gather.text.data, a->gather.text.len, digest);
	hex_encode(digest, sizeof(digest), a->hash);
	request->s3->body_hash = a->hash;
}

static enum step read_form(struct op *op)
{
	struct request *request = request_of(op);
	struct action *a = own(request);
	enum err err;

	if (!gather_ready(request, FORM_MAX, &err))
		return STEP_WAIT;
	if (err == ERR_CLIENT_GONE)
		return STEP_DONE;
	if (err)
		return err == ERR_TOO_LARGE
		               ? fail(request, 400, "ValidationError", "The form is too long.")
		               : fail_as_s3(request, S3_ServiceUnavailable, NULL);
	take_hash(request, a);
	return op_go(op, LOGIN);
}

static bool is_ours(const struct s3_sign *sign)
{
	return sign->kind == S3_SIGNED_4 &&
	       (strcmp(sign->service, "sts") == 0 || strcmp(sign->service, "iam") == 0);
}

static enum step login(struct op *op)
{
	struct request *request = request_of(op);
	struct s3 *s3 = request->s3;
	enum s3_error error;
	const char *text = NULL;

	if (request->http->gone)
		return STEP_DONE;
	if (!s3_login(request, &error, &text))
		return STEP_WAIT;
	if (error)
		return fail_as_s3(request, error, text);
	if (!is_ours(&s3->sign))
		return s3->sign.kind == S3_UNSIGNED
		               ? fail(request, 403, "MissingAuthenticationToken",
		                         "Request is missing Authentication Token")
		               : fail(request, 400, "InvalidAction",
		                         "It has to be signed for the service sts or iam.");
	request->account = s3->caller.account;
	if (s3->caller.user)
		return fail(request, 400, "InvalidAction",
		        "STS and IAM are for users of the identity service: get keys by openstack "
		        "ec2 credentials create.");
	return op_go(op, ASK);
}

static void answered(struct verify_ask *ask)
{
	struct action *a = CONTAINER_OF(ask, struct action, ask);

	a->pending = false;
	op_child_end(&a->request->op);
}

static enum err ask(struct request *request, struct action *a)
{
	struct s3_sign *sign = &request->s3->sign;
	bool get = strcmp(request->http->method, "GET") == 0;
	const char *form = get ? sign_query(request->http) : buf_text(&a->gather.text);
	size_t len = get ? strlen(form) : a->gather.text.len;

	if (strlen(form) != len || !utf8_valid(form, len))
		return ERR_BAD_REQUEST;
	a->ask.done = answered;
	const struct verify_form asked = {.service = sign->service,
	        .access = sign->access,
	        .session = sign->session,
	        .form = form,
	        .from = request->http->remote,
	        .agent = http_get(request->http, "User-Agent"),
	        .tls = request->proxy->cluster->tls};
	enum err err =
	        verify_action_ask(request_cluster(request)->keystone->verify, &a->ask, &asked);
	if (!err) {
		a->asked = a->pending = true;
		op_child_begin(&request->op);
	}
	return err;
}

static enum step tell(struct request *request, const struct verify_action *said)
{
	AUTO(buf) struct buf xml = BUF_NONE;

	if (!said->name)
		return fail(request, (int)said->status, said->code, said->text);
	buf_printf(&xml, "<%sResponse xmlns=\"%s\"><%sResult>%s</%sResult><ResponseMetadata>",
	        said->name, space_of(request), said->name, said->result, said->name);
	s3_xml_text(&xml, "RequestId", request->trans_id);
	buf_printf(&xml, "</ResponseMetadata></%sResponse>", said->name);
	return reply(request, 200, &xml);
}

static enum step ask_state(struct op *op)
{
	struct request *request = request_of(op);
	struct action *a = request->own;
	struct verify_action said = {.name = NULL};

	if (request->http->gone && !a->pending)
		return STEP_DONE;
	if (a->pending)
		return STEP_WAIT;
	if (!a->asked) {
		enum err err = ask(request, a);
		if (err == ERR_BAD_REQUEST)
			return fail(request, 400, "ValidationError", "The form is no UTF-8.");
		return err ? fail_as_s3(request, S3_ServiceUnavailable, NULL) : STEP_WAIT;
	}
	a->asked = false;
	enum err err = verify_action_answer(&a->ask, request_arena(request), &said);
	if (err)
		return fail_as_s3(request, s3_login_error(err), NULL);
	return tell(request, &said);
}

static const struct op_state states[] = {
        [READ] = {"read", read_form, TO(LOGIN), 0},
        [LOGIN] = {"login", login, TO(ASK), 15000},
        [ASK] = {"ask", ask_state, 0, 0},
};
const struct method s3_action = {.name = "s3-action", .states = states, .body = gather_on_body};
