#include "lib/auth/policy.h"
#include "lib/auth/check.h"

#include "lib/base/mem.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

struct rule {
	char *name; /* owned */
	struct check *check;
	size_t line; /* of the file; 0: a default */
	uint8_t seen;
};

struct policy {
	struct rule *rules; /* by name, once all are there */
	unsigned count, cap;
};

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct rule *)a)->name, ((const struct rule *)b)->name);
}

static struct rule *find(const struct policy *p, const char *name)
{
	struct rule key = {.name = (char *)(uintptr_t)name};

	return p->count ? bsearch(&key, p->rules, p->count, sizeof(key), by_name) : NULL;
}

static struct rule *add(struct policy *p, const char *name)
{
	if (p->count == p->cap) {
		p->cap = p->cap ? p->cap * 2 : 64;
		p->rules = mem_realloc(p->rules, p->cap * sizeof(*p->rules));
	}
	p->rules[p->count] = (struct rule){.name = mem_strdup(name)};
	return &p->rules[p->count++];
}

void policy_free(struct policy *p)
{
	if (!p)
		return;
	for (unsigned i = 0; i < p->count; i++) {
		free(p->rules[i].name);
		check_free(p->rules[i].check);
	}
	free(p->rules);
	free(p);
}

/* --- the file --- */

struct reader {
	struct policy *policy;
	const char *path;
	yaml_document_t document;
	struct buf *error;
};

static enum err wrong(struct reader *r, size_t line, const char *name, const char *why)
{
	buf_printf(
	        r->error, "%s:%zu: %s%s%s", r->path, line, name ? name : "", name ? ": " : "", why);
	return ERR_CONFIG;
}

/* The old form: a list of alternatives, each a list of checks that must all hold. */
static bool join(struct reader *r, const yaml_node_t *list, const char *word, struct buf *out)
{
	const yaml_node_item_t *item = list->data.sequence.items.start;

	for (; item < list->data.sequence.items.top; item++) {
		const yaml_node_t *node = yaml_document_get_node(&r->document, *item);
		if (item > list->data.sequence.items.start)
			buf_str(out, word);
		if (node->type == YAML_SCALAR_NODE) {
			buf_add(out, node->data.scalar.value, node->data.scalar.length);
		} else if (node->type == YAML_SEQUENCE_NODE && strcmp(word, " or ") == 0) {
			buf_char(out, '(');
			if (!join(r, node, " and ", out))
				return false;
			buf_char(out, ')');
		} else {
			return false;
		}
	}
	return true;
}

static enum err set(struct reader *r, const yaml_node_t *key, const yaml_node_t *value)
{
	AUTO(buf) struct buf text = BUF_NONE;
	size_t line = key->start_mark.line + 1;
	const char *name = (const char *)key->data.scalar.value, *why;
	struct rule *rule = NULL;

	if (key->type != YAML_SCALAR_NODE || !*name)
		return wrong(r, line, NULL, "wants names of rules");
	if (value->type == YAML_SCALAR_NODE)
		buf_add(&text, value->data.scalar.value, value->data.scalar.length);
	else if (value->type != YAML_SEQUENCE_NODE || !join(r, value, " or ", &text))
		return wrong(r, line, name, "wants a text");
	for (unsigned i = 0; i < r->policy->count && !rule; i++) {
		if (strcmp(r->policy->rules[i].name, name) == 0)
			rule = &r->policy->rules[i];
	}
	if (rule && rule->line)
		return wrong(r, line, name, "is there twice");
	if (!rule)
		rule = add(r->policy, name);
	check_free(TAKE(rule->check));
	rule->line = line;
	if (strlen(buf_text(&text)) != text.len)
		return wrong(r, line, name, "has a NUL in it");
	return check_parse(buf_text(&text), &rule->check, &why) ? wrong(r, line, name, why)
	                                                        : ERR_OK;
}

static enum err take_document(struct reader *r)
{
	const yaml_node_t *root = yaml_document_get_root_node(&r->document);
	const yaml_node_pair_t *pair;
	enum err err = ERR_OK;

	if (!root) /* nothing but comments */
		return ERR_OK;
	if (root->type == YAML_SCALAR_NODE && !root->data.scalar.length)
		return ERR_OK;
	if (root->type != YAML_MAPPING_NODE)
		return wrong(r, root->start_mark.line + 1, NULL, "wants lines of name: \"check\"");
	for (pair = root->data.mapping.pairs.start; pair < root->data.mapping.pairs.top && !err;
	        pair++)
		err = set(r, yaml_document_get_node(&r->document, pair->key),
		        yaml_document_get_node(&r->document, pair->value));
	return err;
}

static enum err read_file(struct policy *policy, const char *path, struct buf *error)
{
	struct reader r = {.policy = policy, .path = path, .error = error};
	yaml_parser_t parser;
	FILE *file = fopen(path, "re");
	enum err err = ERR_OK;

	if (!file) {
		buf_printf(error, "%s: %s", path, strerror(errno));
		return ERR_CONFIG;
	}
	yaml_parser_initialize(&parser);
	yaml_parser_set_input_file(&parser, file);
	if (!yaml_parser_load(&parser, &r.document)) {
		err = wrong(&r, parser.problem_mark.line + 1, NULL,
		        parser.problem ? parser.problem : "is not YAML");
	} else {
		err = take_document(&r);
		yaml_document_delete(&r.document);
	}
	yaml_parser_delete(&parser);
	fclose(file);
	return err;
}

/* --- rules that name rules --- */

enum { NEW, OPEN, DONE };

static enum err follow(
        struct policy *p, struct rule *rule, struct check *c, const char *path, struct buf *error);

static enum err link_rule(struct policy *p, struct rule *rule, const char *path, struct buf *error)
{
	if (rule->seen == DONE)
		return ERR_OK;
	if (rule->seen == OPEN) {
		buf_printf(error, "%s:%zu: %s: names itself", rule->line ? path : "default",
		        rule->line, rule->name);
		return ERR_CONFIG;
	}
	rule->seen = OPEN;
	enum err err = follow(p, rule, rule->check, path, error);
	rule->seen = DONE;
	return err;
}

static enum err follow(
        struct policy *p, struct rule *rule, struct check *c, const char *path, struct buf *error)
{
	enum err err = c->left ? follow(p, rule, c->left, path, error) : ERR_OK;

	if (!err && c->right)
		err = follow(p, rule, c->right, path, error);
	if (err || c->kind != CHECK_RULE)
		return err;
	struct rule *named = find(p, c->value);
	if (!named) {
		buf_printf(error, "%s:%zu: %s: there is no rule \"%s\"",
		        rule->line ? path : "default", rule->line, rule->name, c->value);
		return ERR_CONFIG;
	}
	c->rule = named->check;
	return link_rule(p, named, path, error);
}

enum err policy_new(const struct policy_rule *rules, unsigned count, const char *path,
        struct policy **ret_policy, struct buf *error)
{
	struct policy *p = mem_zalloc(sizeof(*p));
	const char *why;
	enum err err = ERR_OK;

	for (unsigned i = 0; i < count && !err; i++) {
		struct rule *rule = add(p, rules[i].name);
		if ((err = check_parse(rules[i].check, &rule->check, &why)))
			buf_printf(error, "default %s: %s", rules[i].name, why);
	}
	if (!err && path)
		err = read_file(p, path, error);
	if (!err && p->count)
		qsort(p->rules, p->count, sizeof(*p->rules), by_name);
	for (unsigned i = 0; i < p->count && !err; i++)
		err = link_rule(p, &p->rules[i], path, error);
	if (err) {
		policy_free(p);
		return ERR_CONFIG;
	}
	*ret_policy = p;
	return ERR_OK;
}

bool policy_allows(const struct policy *policy, const char *rule, struct policy_facts caller,
        struct policy_facts target)
{
	const struct rule *r = find(policy, rule);

	return r && check_holds(r->check, caller, target);
}

void policy_print(struct buf *out, const struct policy_rule *rules, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		const struct policy_rule *r = &rules[i];
		if (r->help)
			buf_printf(out, "# %s\n", r->help);
		for (const char *at = r->operations; at && *at;) {
			size_t len = strcspn(at, ",");
			buf_printf(out, "# %.*s\n", (int)len, at);
			at += len + strspn(at + len, ", ");
		}
		buf_printf(out, "#\"%s\": \"%s\"\n\n", r->name, r->check);
	}
}
