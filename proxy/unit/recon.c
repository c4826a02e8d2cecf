#include "proxy/unit/recon.h"

#include <string.h>

static void recon_done(struct request *request)
{
	struct recon_ask *ask = request->own;

	buf_done(&ask->out);
}

void recon_answered(struct recon_ask *ask)
{
	ask->answered = true;
	op_child_end(&ask->request->op);
}

static struct recon_ask *parse(struct request *request)
{
	struct arena *arena = request_arena(request);
	struct recon_ask *ask = arena_zalloc(arena, sizeof(*ask));
	const char *check = request->path + strlen(RECON_PREFIX), *slash = strchr(check, '/');

	request->own = ask;
	request->own_done = recon_done;
	ask->request = request;
	ask->check = slash ? arena_strndup(arena, check, (size_t)(slash - check)) : check;
	ask->type = slash && slash[1] ? slash + 1 : NULL;
	return ask;
}

static enum step answer(struct op *op)
{
	struct request *request = request_of(op);
	struct recon_ask *ask = request->own ? request->own : parse(request);

	if (!ask->asked) {
		ask->asked = true;
		op_child_begin(op);
		/* From here on ask->err is the other thread's. */
		enum err err = request->proxy->recon(request->proxy, ask);
		if (err) {
			ask->err = err;
			recon_answered(ask);
		}
	}
	if (!ask->answered)
		return STEP_WAIT;
	if (request->http->gone)
		return STEP_DONE;
	if (ask->err == ERR_NOT_FOUND)
		return request_fail_text(request, 404,
		        arena_printf(request_arena(request), "Invalid path: %s", request->path));
	if (ask->err)
		return request_err(request, ask->err);
	http_header(request->http, "Content-Type", "application/json");
	request_headers(request, 200);
	if (request->head)
		http_reply_head(request->http, 200, ask->out.len);
	else
		http_reply_text(request->http, 200, buf_text(&ask->out));
	return STEP_DONE;
}

static const struct op_state states[] = {{"recon", answer, 0, 0}};
const struct method recon_get = {.name = "recon", .states = states};
