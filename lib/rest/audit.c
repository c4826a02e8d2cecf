#include "lib/rest/audit.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define PATH_MAX_SHOWN 512

/* Has it come to show who it is, rather than to change something? */
static bool is_login(const struct rest_req *req)
{
	return req->route->method == REST_POST && req->route->flags & REST_OPEN &&
	       strstr(req->route->path, "tokens");
}

bool audit_wants(const struct rest_req *req)
{
	const struct rest_service *s = req->service;

	return s->audit && req->route && req->route->method != REST_GET &&
	       (s->audit_logins || !is_login(req));
}

static const char *action_of(const struct rest_req *req)
{
	if (is_login(req))
		return "authenticate";
	switch (req->route->method) {
	case REST_POST:
		return "create";
	case REST_DELETE:
		return "delete";
	default:
		return "update";
	}
}

static void print_time(struct jout *out)
{
	struct timespec now;
	struct tm tm;
	char text[48];

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	size_t len = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text + len, sizeof(text) - len, ".%06ld+00:00", now.tv_nsec / 1000);
	jout_text(out, "eventTime", text);
}

static void print_initiator(const struct rest_req *req, struct jout *out)
{
	const struct rest_caller *c = &req->caller;
	const char *id = req->actor ? req->actor : c->user_id;

	jout_object(out, "initiator");
	jout_text(out, "typeURI", "service/security/account/user");
	jout_text(out, "id", id ? id : "unknown");
	if (c->project_id)
		jout_text(out, "project_id", c->project_id);
	if (c->domain_id)
		jout_text(out, "domain_id", c->domain_id);
	jout_text(out, "request_id", req->id);
	jout_object(out, "host");
	jout_text(out, "address", req->http->remote);
	jout_end_object(out);
	jout_end_object(out);
}

/* "/v3/users/{user_id}": what is changed is a user, the last one that the path names. */
static void print_target(const struct rest_req *req, struct jout *out)
{
	const char *path = req->route->path, *last = NULL, *id = req->made;
	size_t last_len = 0;
	char type[96];
	unsigned n = 0;

	for (const char *at = path; *at == '/';) {
		size_t len = strcspn(++at, "/");
		if (*at == '{') {
			if (!req->made)
				id = req->params[n];
			n++;
		} else if (len) {
			last = at;
			last_len = len;
		}
		at += len;
	}
	snprintf(type, sizeof(type), "data/security/%.*s", (int)last_len, last ? last : "");
	jout_object(out, "target");
	jout_text(out, "typeURI", type);
	jout_text(out, "id", id ? id : "unknown");
	jout_end_object(out);
}

void audit_print(const struct rest_req *req, struct buf *buf)
{
	struct jout json = {.out = buf}, *out = &json;
	char code[16], path[PATH_MAX_SHOWN];

	snprintf(code, sizeof(code), "%d", req->status);
	snprintf(path, sizeof(path), "%s", req->path);
	jout_object(out, NULL);
	jout_text(out, "typeURI", "http://schemas.dmtf.org/cloud/audit/1.0/event");
	jout_text(out, "eventType", "activity");
	jout_text(out, "id", req->id);
	print_time(out);
	jout_text(out, "action", action_of(req));
	jout_text(out, "outcome", req->status < 400 ? "success" : "failure");
	jout_object(out, "reason");
	jout_text(out, "reasonType", "HTTP");
	jout_text(out, "reasonCode", code);
	jout_end_object(out);
	print_initiator(req, out);
	print_target(req, out);
	jout_object(out, "observer");
	jout_text(out, "typeURI", "service/security");
	jout_text(out, "id", req->service->name);
	jout_end_object(out);
	jout_text(out, "requestPath", path);
	jout_end_object(out);
}
