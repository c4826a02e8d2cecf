#include "lib/auth/aws_policy_internal.h"
#include "lib/http/url.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum how { STRING, NUMBER, DATE, BOOL, IP, LIKE, NO_CASE, BINARY, NONE };

static const struct operator
{
	const char *name;
	enum how how;
	bool negated;
	int order; /* of numbers and dates: bits: 1 less, 2 equal, 4 greater */
}
operators[] = {
        {"StringEquals", STRING, false, 0},
        {"StringNotEquals", STRING, true, 0},
        {"StringEqualsIgnoreCase", NO_CASE, false, 0},
        {"StringNotEqualsIgnoreCase", NO_CASE, true, 0},
        {"StringLike", LIKE, false, 0},
        {"StringNotLike", LIKE, true, 0},
        {"ArnEquals", LIKE, false, 0},
        {"ArnLike", LIKE, false, 0},
        {"ArnNotEquals", LIKE, true, 0},
        {"ArnNotLike", LIKE, true, 0},
        {"BinaryEquals", BINARY, false, 0},
        {"Bool", BOOL, false, 0},
        {"IpAddress", IP, false, 0},
        {"NotIpAddress", IP, true, 0},
        {"Null", NONE, false, 0},
        {"NumericEquals", NUMBER, false, 2},
        {"NumericNotEquals", NUMBER, true, 2},
        {"NumericLessThan", NUMBER, false, 1},
        {"NumericLessThanEquals", NUMBER, false, 3},
        {"NumericGreaterThan", NUMBER, false, 4},
        {"NumericGreaterThanEquals", NUMBER, false, 6},
        {"DateEquals", DATE, false, 2},
        {"DateNotEquals", DATE, true, 2},
        {"DateLessThan", DATE, false, 1},
        {"DateLessThanEquals", DATE, false, 3},
        {"DateGreaterThan", DATE, false, 4},
        {"DateGreaterThanEquals", DATE, false, 6},
};

/* "ForAnyValue:StringLikeIfExists" */
struct condition {
	const struct operator* operator;
	bool if_exists, for_all, for_any;
};

static bool parse_operator(const char *name, struct condition *ret)
{
	static const char exists[] = "IfExists";

	*ret = (struct condition){0};
	if (strncmp(name, "ForAllValues:", 13) == 0) {
		ret->for_all = true;
		name += 13;
	} else if (strncmp(name, "ForAnyValue:", 12) == 0) {
		ret->for_any = true;
		name += 12;
	}
	for (unsigned i = 0; i < COUNT_OF(operators); i++) {
		size_t len = strlen(operators[i].name);
		if (strncmp(operators[i].name, name, len) != 0)
			continue;
		ret->if_exists = strcmp(name + len, exists) == 0;
		if (!name[len] || (ret->if_exists && operators[i].how != NONE)) {
			ret->operator= & operators[i];
			return true;
		}
	}
	return false;
}

static bool parse_address(const char *text, size_t len, uint8_t ret[16])
{
	static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
	char copy[64];

	if (len >= sizeof(copy))
		return false;
	memcpy(copy, text, len);
	copy[len] = 0;
	if (inet_pton(AF_INET6, copy, ret) == 1)
		return true;
	memcpy(ret, mapped, sizeof(mapped));
	return inet_pton(AF_INET, copy, ret + 12) == 1;
}

static bool in_network(const char *network, const char *address)
{
	uint8_t net[16], ip[16];
	size_t len = strcspn(network, "/");
	unsigned long bits = 128;

	if (!parse_address(network, len, net) || !parse_address(address, strlen(address), ip))
		return false;
	if (network[len]) {
		bool v4 = !memchr(network, ':', len);
		char *end;
		bits = strtoul(network + len + 1, &end, 10) + (v4 ? 96 : 0);
		if (*end || bits > 128)
			return false;
	}
	for (unsigned i = 0; i < bits; i++) {
		if ((net[i / 8] ^ ip[i / 8]) >> (7 - i % 8) & 1)
			return false;
	}
	return true;
}

static bool number_of(const char *text, enum how how, double *ret)
{
	char date[ISO_DATE_SIZE], *end;
	size_t len = strcspn(text, "Z");
	uint64_t ts;

	if (how == DATE && len < sizeof(date)) {
		memcpy(date, text, len);
		date[len] = 0;
		if (iso_date_parse(date, &ts)) {
			*ret = (double)(ts / 100000);
			return true;
		}
	}
	*ret = strtod(text, &end);
	return end != text && !*end;
}

static bool compares(const struct operator* o, const char *wanted, const char *is)
{
	double a, b;

	if (!number_of(wanted, o->how, &a) || !number_of(is, o->how, &b))
		return false;
	return o->order & (b < a ? 1 : b > a ? 4 : 2);
}

static bool value_fits(const struct s3_policy_ask *ask, const struct operator* o,
        const char *wanted, const char *is)
{
	AUTO(buf) struct buf expanded = BUF_NONE;

	s3_policy_expand(ask, wanted, o->how == LIKE, &expanded);
	wanted = buf_text(&expanded);
	switch (o->how) {
	case STRING:
	case BINARY:
		return strcmp(wanted, is) == 0;
	case NO_CASE:
	case BOOL:
		return strcasecmp(wanted, is) == 0;
	case LIKE:
		return s3_policy_like(wanted, is, false);
	case IP:
		return in_network(wanted, is);
	case NUMBER:
	case DATE:
		return compares(o, wanted, is);
	default:
		return false;
	}
}

/* Text of what may stand as a number or a boolean in JSON. */
static const char *wanted_at(const struct jval *wanted, size_t i, struct buf *out)
{
	const struct jval *value = jread_is_array(wanted) ? jread_at(wanted, i) : wanted;
	const char *text;

	buf_reset(out);
	if (jread_str(value, &text))
		return text;
	jread_print(value, out);
	return buf_text(out);
}

static bool any_fits(const struct s3_policy_ask *ask, const struct operator* o,
        const struct jval *wanted, const char *is)
{
	AUTO(buf) struct buf text = BUF_NONE;
	size_t count = jread_is_array(wanted) ? jread_len(wanted) : 1;

	for (size_t i = 0; i < count; i++) {
		if (value_fits(ask, o, wanted_at(wanted, i, &text), is))
			return true;
	}
	return false;
}

static bool key_holds(const struct s3_policy_ask *ask, const struct condition *c, const char *key,
        const struct jval *wanted)
{
	const struct operator* o = c->operator;
	AUTO(buf) struct buf text = BUF_NONE;
	const char *is = ask->value(ask->arg, key, 0);
	bool any = false, all = true;

	if (o->how == NONE)
		return (strcasecmp(wanted_at(wanted, 0, &text), "true") == 0) == !is;
	if (!is)
		return c->if_exists || c->for_all || (o->negated && !c->for_any);
	for (unsigned n = 0; is; is = ask->value(ask->arg, key, ++n)) {
		bool fits = any_fits(ask, o, wanted, is) != o->negated;
		any |= fits;
		all &= fits;
	}
	return c->for_all || (o->negated && !c->for_any) ? all : any;
}

bool s3_conditions_hold(const struct s3_policy_ask *ask, const struct jval *conditions)
{
	struct condition c;
	const char *name, *key;

	for (size_t i = 0; (name = jread_name(conditions, i)); i++) {
		const struct jval *keys = jread_get(conditions, name);
		if (!parse_operator(name, &c))
			return false;
		for (size_t k = 0; (key = jread_name(keys, k)); k++) {
			if (!key_holds(ask, &c, key, jread_get(keys, key)))
				return false;
		}
	}
	return true;
}

/* --- is it public, is it a condition? --- */

/* Is what the key may be said without wildcards? */
static bool is_fixed(const char *key, const struct jval *wanted)
{
	AUTO(buf) struct buf out = BUF_NONE;
	bool ip = strcasecmp(key, "aws:SourceIp") == 0;

	for (size_t i = 0; i < s3_texts_len(wanted); i++) {
		const char *text = wanted_at(wanted, i, &out), *slash = strchr(text, '/');
		if (strpbrk(text, "*?") || strstr(text, "${"))
			return false;
		if (ip && slash && strtoul(slash + 1, NULL, 10) < (strchr(text, ':') ? 32 : 8))
			return false;
	}
	return s3_texts_len(wanted);
}

bool s3_conditions_bind(const struct jval *conditions)
{
	static const char *const keys[] = {"aws:SourceIp", "aws:SourceArn", "aws:SourceVpc",
	        "aws:SourceVpce", "aws:SourceOwner", "aws:SourceAccount", "aws:PrincipalOrgID",
	        "aws:PrincipalArn", "aws:PrincipalAccount", "aws:userid",
	        "s3:x-amz-server-side-encryption-aws-kms-key-id", "s3:DataAccessPointAccount"};
	struct condition c;
	const char *name, *key;

	for (size_t i = 0; (name = jread_name(conditions, i)); i++) {
		const struct jval *all = jread_get(conditions, name);
		if (!parse_operator(name, &c) || c.operator->negated || c.if_exists || c.for_all)
			continue;
		for (size_t k = 0; (key = jread_name(all, k)); k++) {
			for (unsigned n = 0; n < COUNT_OF(keys); n++) {
				if (strcasecmp(keys[n], key) == 0 &&
				        is_fixed(key, jread_get(all, key)))
					return true;
			}
		}
	}
	return false;
}

/* A text, number or boolean, or several. */
static bool wanted_good(const struct jval *wanted)
{
	bool many = jread_is_array(wanted), good = true;

	for (size_t i = 0; good && i < (many ? jread_len(wanted) : 1); i++) {
		const struct jval *one = many ? jread_at(wanted, i) : wanted;
		good = !jread_is_null(one) && !jread_is_array(one) && !jread_is_object(one);
	}
	return good;
}

const char *s3_conditions_wrong(const struct jval *conditions)
{
	struct condition c;
	const char *name, *key;

	if (!conditions)
		return NULL;
	if (!jread_is_object(conditions))
		return "Syntax errors in policy.";
	for (size_t i = 0; (name = jread_name(conditions, i)); i++) {
		if (!parse_operator(name, &c))
			return "Invalid Condition type";
		const struct jval *keys = jread_get(conditions, name);
		if (!jread_is_object(keys))
			return "Policy has an invalid condition key";
		for (size_t k = 0; (key = jread_name(keys, k)); k++) {
			if (!wanted_good(jread_get(keys, key)))
				return "Syntax errors in policy.";
		}
	}
	return NULL;
}
