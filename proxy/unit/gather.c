#include "proxy/unit/gather.h"

#define PIECE (64u << 10)

static void want(struct request *request, struct gather *g, size_t max, enum err *ret_err)
{
	const struct http_req *http = request->http;
	size_t size = http->has_length && http->content_length < max ? http->content_length : max;

	if (!credit_take(&g->credit, &request->proxy->budget, &request->op, size, ret_err))
		return;
	struct bytes *into = bytes_new(PIECE);
	if (!into) {
		*ret_err = ERR_BUSY;
		return;
	}
	g->receiving = true;
	http_body_want(request->http, into);
}

bool gather_ready(struct request *request, size_t max, enum err *ret_err)
{
	struct gather *g = request->own;

	*ret_err = ERR_OK;
	if (request->http->gone)
		*ret_err = ERR_CLIENT_GONE;
	else if (g->text.len > max || request->http->content_length > max)
		*ret_err = ERR_TOO_LARGE;
	else if (g->text.err)
		*ret_err = ERR_BUSY;
	else if (!g->received && !g->receiving)
		want(request, g, max, ret_err);
	return g->received || *ret_err;
}

void gather_on_body(struct request *request, struct bytes *piece, bool last)
{
	struct gather *g = request->own;

	if (g && g->receiving) {
		g->receiving = false;
		g->received = last;
		if (piece)
			buf_add(&g->text, piece->data, piece->len);
		op_wake(&request->op);
	}
	bytes_unref(piece);
}

void gather_done(struct gather *g)
{
	buf_done(&g->text);
	credit_give(&g->credit);
}
