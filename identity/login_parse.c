/* What the body of a login asks for. */
#include "identity/login.h"

#include <stdio.h>
#include <string.h>

static enum err wants(struct rest_req *req, const char *where, const char *what)
{
	return rest_fail(
	        req, ERR_BAD_REQUEST, "Invalid input for field '%s': wants %s.", where, what);
}

static bool text_of(const struct jval *object, const char *name, const char **ret_text)
{
	const struct jval *value = jread_get(object, name);

	return !value || jread_str(value, ret_text);
}

static enum err parse_named(
        struct rest_req *req, const struct jval *value, const char *where, struct named *ret)
{
	const struct jval *domain = jread_get(value, "domain");
	char in[80];

	*ret = (struct named){.id = NULL};
	if (!jread_is_object(value))
		return wants(req, where, "an object");
	if (!text_of(value, "id", &ret->id) || !text_of(value, "name", &ret->name))
		return wants(req, where, "id and name as strings");
	if (!ret->id && !ret->name)
		return wants(req, where, "id or name");
	if (!domain)
		return ERR_OK;
	snprintf(in, sizeof(in), "%s/domain", where);
	if (!jread_is_object(domain) || !text_of(domain, "id", &ret->domain_id) ||
	        !text_of(domain, "name", &ret->domain_name))
		return wants(req, in, "id or name as a string");
	return ret->domain_id || ret->domain_name ? ERR_OK : wants(req, in, "id or name");
}

/* --- methods --- */

static enum err parse_password(struct login *l, const struct jval *by)
{
	const struct jval *user = jread_get(by, "user");
	enum err err = parse_named(l->req, user, "identity/password/user", &l->user);

	if (!err && !jread_str(jread_get(user, "password"), &l->password))
		return wants(l->req, "identity/password/user", "a password");
	return err;
}

static enum err parse_token(struct login *l, const struct jval *by)
{
	return jread_str(jread_get(by, "id"), &l->token_text)
	               ? ERR_OK
	               : wants(l->req, "identity/token", "id, a token");
}

static enum err parse_application(struct login *l, const struct jval *by)
{
	const char *where = "identity/application_credential";
	enum err err = parse_named(l->req, by, where, &l->application);

	if (err)
		return err;
	if (!jread_str(jread_get(by, "secret"), &l->secret))
		return wants(l->req, where, "a secret");
	if (l->application.id)
		return ERR_OK;
	return parse_named(l->req, jread_get(by, "user"), "identity/application_credential/user",
	        &l->application_user);
}

static enum err parse_totp(struct login *l, const struct jval *by)
{
	const struct jval *user = jread_get(by, "user");
	enum err err = parse_named(l->req, user, "identity/totp/user", &l->totp_user);

	if (!err && !jread_str(jread_get(user, "passcode"), &l->passcode))
		return wants(l->req, "identity/totp/user", "a passcode");
	return err;
}

static const struct {
	const char *name;
	unsigned bit;
	enum err (*parse)(struct login *l, const struct jval *by);
} ways[] = {{"password", TOKEN_BY_PASSWORD, parse_password}, {"token", TOKEN_BY_TOKEN, parse_token},
        {"application_credential", TOKEN_BY_APPLICATION, parse_application},
        {"totp", TOKEN_BY_TOTP, parse_totp}};

static enum err parse_method(struct login *l, const struct jval *identity, const char *method)
{
	for (unsigned i = 0; i < COUNT_OF(ways); i++) {
		if (strcmp(method, ways[i].name) != 0)
			continue;
		if (l->methods & ways[i].bit)
			return wants(l->req, "identity/methods", "each way once");
		l->methods |= ways[i].bit;
		return ways[i].parse(l, jread_get(identity, method));
	}
	return rest_fail(
	        l->req, ERR_UNAUTHORIZED, "Attempted to authenticate with an unsupported method.");
}

static enum err parse_methods(struct login *l, const struct jval *identity)
{
	const struct jval *list = jread_get(identity, "methods");
	const char *method;
	enum err err = ERR_OK;

	if (!jread_is_array(list) || !jread_len(list))
		return wants(l->req, "identity/methods", "an array with the ways used");
	for (size_t i = 0; i < jread_len(list) && !err; i++)
		err = jread_str(jread_at(list, i), &method)
		              ? parse_method(l, identity, method)
		              : wants(l->req, "identity/methods", "strings");
	return err;
}

/* --- the scope --- */

static enum err parse_place(struct login *l, const struct jval *project, const struct jval *domain)
{
	if (domain) {
		l->wanted = SCOPE_DOMAIN;
		return parse_named(l->req, domain, "scope/domain", &l->scope);
	}
	l->wanted = SCOPE_PROJECT;
	enum err err = parse_named(l->req, project, "scope/project", &l->scope);
	if (!err && !l->scope.id && !l->scope.domain_id && !l->scope.domain_name)
		return wants(l->req, "scope/project", "the domain of a name");
	return err;
}

static enum err parse_scope(struct login *l, const struct jval *scope)
{
	const struct jval *project = jread_get(scope, "project"),
	                  *domain = jread_get(scope, "domain"),
	                  *system = jread_get(scope, "system"),
	                  *trust = jread_get(scope, "OS-TRUST:trust");
	const char *text;
	bool all;

	if (!scope)
		return ERR_OK;
	l->wanted = SCOPE_NONE;
	if (jread_str(scope, &text) || jread_get(scope, "unscoped"))
		return ERR_OK;
	if (!jread_is_object(scope) ||
	        (project != NULL) + (domain != NULL) + (system != NULL) + (trust != NULL) != 1)
		return wants(l->req, "scope",
		        "one of project, domain, system and OS-TRUST:trust, or unscoped");
	if (project || domain)
		return parse_place(l, project, domain);
	if (trust) {
		l->wanted = SCOPE_TRUST;
		return jread_str(jread_get(trust, "id"), &l->scope.id)
		               ? ERR_OK
		               : wants(l->req, "scope/OS-TRUST:trust", "id, a string");
	}
	l->wanted = SCOPE_SYSTEM;
	return jread_bool(jread_get(system, "all"), &all) && all
	               ? ERR_OK
	               : wants(l->req, "scope/system", "all: true");
}

enum err login_parse(struct login *l)
{
	const struct jval *auth = jread_get(l->req->body, "auth");
	const struct jval *identity = jread_get(auth, "identity"), *scope;

	if (!jread_is_object(identity))
		return wants(l->req, "auth", "an object with identity");
	enum err err = parse_methods(l, identity);
	scope = jread_get(auth, "scope");
	if (!err && scope && l->methods & TOKEN_BY_APPLICATION)
		return rest_fail(l->req, ERR_UNAUTHORIZED,
		        "Application credentials cannot request a scope.");
	return err ? err : parse_scope(l, scope);
}
