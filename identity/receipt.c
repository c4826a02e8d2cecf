/* Receipts: a user whose multi_factor_auth_rules want several ways may show them one after the
 * other. Who has shown some gets a receipt, which is signed as tokens are and kept nowhere. */
#include "identity/login.h"

#include "identity/revoke.h"
#include <string.h>

#define HEADER "Openstack-Auth-Receipt"

enum err receipt_take(struct login *l)
{
	const char *text = http_get(l->req->http, HEADER);
	struct token receipt;

	l->received = 0;
	if (!text)
		return ERR_OK;
	enum err err = keys_check_receipt(identity_of(l->req), text, l->req->arena, &receipt);
	if (!err && strcmp(receipt.user_id, l->found.id) != 0)
		err = ERR_UNAUTHORIZED;
	if (!err)
		err = revoke_check(identity_of(l->req), &receipt);
	if (!err)
		l->received = receipt.methods;
	return err;
}

static void show_required(const struct login *l, struct jout *out)
{
	AUTO(jroot) struct jroot options = JROOT_NONE;

	jout_array(out, "required_auth_methods");
	if (l->found.options)
		jread_parse(l->found.options, strlen(l->found.options), &options);
	const struct jval *rules = jread_get(options.value, "multi_factor_auth_rules");
	for (size_t i = 0; i < jread_len(rules); i++)
		jout_value(out, NULL, jread_at(rules, i));
	jout_end_array(out);
}

static enum err write_receipt(struct db_tx *tx, void *arg)
{
	struct login *l = arg;
	struct rest_req *req = l->req;
	uint64_t now = time_now_us();
	AUTO(buf) struct buf text = BUF_NONE;
	struct token receipt = {.issued_us = now,
	        .expires_us = now + identity_of(req)->conf.receipt_seconds * 1000000,
	        .news = l->news,
	        .methods = l->methods | l->received,
	        .user_id = l->found.id,
	        .user_domain_id = l->found.domain_id};
	char issued[TIME_TEXT], expires[TIME_TEXT];
	enum err err = l->passcode ? totp_take(tx, &l->totp) : ERR_OK;

	buf_reset(&req->out);
	req->json = (struct jout){.out = &req->out};
	if (err)
		return err;
	login_make_audit(receipt.audit);
	time_format(receipt.issued_us, issued);
	time_format(receipt.expires_us, expires);
	jout_object(&req->json, NULL);
	jout_object(&req->json, "receipt");
	show_methods(&receipt, &req->json);
	err = show_user(req, tx, receipt.user_id, &req->json);
	jout_text(&req->json, "expires_at", expires);
	jout_text(&req->json, "issued_at", issued);
	jout_end_object(&req->json);
	show_required(l, &req->json);
	jout_end_object(&req->json);
	if (!err)
		err = keys_sign_receipt(identity_of(req), &receipt, &text);
	if (!err) {
		buf_reset(&req->headers);
		rest_header(req, HEADER, buf_text(&text));
	}
	return err;
}

enum err receipt_give(struct login *l)
{
	l->req->status = 401;
	return db_run(identity_of(l->req)->db, l->passcode ? DB_WRITE : DB_READ, write_receipt, l);
}
