/* Storage policies: "index name aliases...", and what makes one erasure-coded: "type=ec k=4 m=2".
 */
#include "node/node.h"

#include "lib/base/mem.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static enum err wrong(
        const struct node *node, struct buf *error, const char *what, const char *line)
{
	buf_printf(error, "%s: [cluster] policy %s: '%s'", node->conf_path, what, line);
	return ERR_CONFIG;
}

struct options {
	const char *type;
	unsigned long k, m;
};

/* False when the word is none of ours. */
static bool parse_option(char *word, struct options *o)
{
	char *value = strchr(word, '='), *end = "";

	*value++ = 0;
	if (strcmp(word, "type") == 0)
		o->type = value;
	else if (strcmp(word, "k") == 0)
		o->k = strtoul(value, &end, 10);
	else if (strcmp(word, "m") == 0)
		o->m = strtoul(value, &end, 10);
	else
		return false;
	return *value && !*end;
}

static enum err make_code(const struct node *node, struct policy *policy, const struct options *o,
        struct buf *error, const char *line)
{
	if (!o->type || strcmp(o->type, "replication") == 0)
		return o->k || o->m ? wrong(node, error, "has k and m only with type=ec", line)
		                    : ERR_OK;
	if (strcmp(o->type, "ec") != 0)
		return wrong(node, error, "wants type=replication or type=ec", line);
	if (o->k > EC_K_MAX || o->m > EC_M_MAX || o->k + o->m > REPLICAS_MAX || !o->k || !o->m)
		return wrong(node, error,
		        "with type=ec wants k=1 to 15 and m=1 to 8, at most 16 together", line);
	struct ec *ec = mem_zalloc(sizeof(*ec));
	ec_init(ec, (unsigned)o->k, (unsigned)o->m);
	policy->ec = ec;
	return ERR_OK;
}

static bool is_taken(const struct policy *policies, const char *name)
{
	for (unsigned p = 0; p < BACKEND_POLICIES; p++) {
		if (policies[p].name && strcasecmp(policies[p].name, name) == 0)
			return true;
	}
	return false;
}

static enum err parse(struct node *node, const char *line, struct buf *error)
{
	struct policy *policies = node->cluster.policies;
	AUTO(buf) struct buf aliases = BUF_NONE;
	struct options options = {0};
	char *end, *save = NULL;
	unsigned long index = strtoul(line, &end, 10);

	if (end == line || index >= BACKEND_POLICIES)
		return wrong(node, error, "wants an index below 16 and a name", line);
	char *text = mem_strdup(end), *name = strtok_r(text, " \t", &save);
	enum err err = ERR_OK;
	if (!name || strchr(name, '='))
		err = wrong(node, error, "wants a name behind its index", line);
	else if (policies[index].name || is_taken(policies, name))
		err = wrong(node, error, "wants an index and a name of its own", line);
	for (char *word; !err && (word = strtok_r(NULL, " \t", &save));) {
		if (!strchr(word, '='))
			buf_printf(&aliases, "%s%s", aliases.len ? " " : "", word);
		else if (!parse_option(word, &options))
			err = wrong(node, error, "knows type=, k= and m=", line);
	}
	struct policy policy = {0};
	if (!err)
		err = make_code(node, &policy, &options, error, line);
	if (!err) {
		policies[index].name = mem_strdup(name);
		policies[index].aliases = mem_strdup(buf_text(&aliases));
		policies[index].ec = policy.ec;
	}
	free(text);
	return err;
}

enum err node_policies(struct node *node, struct buf *error)
{
	const struct conf_list *list = &node->conf.policies;
	struct policy *policies = node->cluster.policies;
	enum err err = ERR_OK;

	if (!list->count) {
		policies[0].name = "Policy-0";
		policies[0].aliases = "";
		return ERR_OK;
	}
	for (unsigned i = 0; !err && i < list->count; i++)
		err = parse(node, list->items[i], error);
	if (!err && !policies[0].name) {
		buf_printf(error, "%s: [cluster] there must be a policy '0'", node->conf_path);
		err = ERR_CONFIG;
	}
	return err;
}
