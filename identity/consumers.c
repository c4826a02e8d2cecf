/* Consumers of OAuth 1.0a. Their secret is told once, when they are made. */
#include "identity/manage.h"

static void consumer_defaults(struct rest_req *req, void *record)
{
	((struct consumer *)record)->secret = resource_new_id(req->arena);
}

static void consumer_show(struct rest_req *req, const void *record, struct jout *out)
{
	if (req->route->method == REST_POST)
		jout_text(out, "secret", ((const struct consumer *)record)->secret);
}

const struct managed managed_consumer = {
        .resource = {.fields = &consumer_fields,
                .size = sizeof(struct consumer),
                .path = "/v3/OS-OAUTH1/consumers",
                .show = consumer_show},
        .noun = "consumer",
        .param = "consumer_id",
        .defaults = consumer_defaults,
};
