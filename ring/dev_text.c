#include "ring/dev_text.h"

#include "lib/base/mem.h"
#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

void dev_text_done(struct dev_text *text)
{
	free(text->dev.ip);
	free(text->dev.replication_ip);
	free(text->dev.device);
	free(text->dev.meta);
	*text = DEV_TEXT_NONE;
}

static bool is_host_name(const char *name)
{
	size_t label = 0, len = strlen(name);

	if (len < 1 || len > 255)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (name[i] == '.') {
			if (label == 0 || name[i - 1] == '-')
				return false;
			label = 0;
		} else {
			if (!isalnum((unsigned char)name[i]) && (name[i] != '-' || label == 0))
				return false;
			if (++label > 63)
				return false;
		}
	}
	return name[len - 1] != '-';
}

/* One spelling of each address: lower case, IPv6 in its canonical form. NULL when it is none. */
static char *address_new(const char *text, size_t len, bool host_allowed)
{
	char *name = mem_strndup(text, len), canonical[INET6_ADDRSTRLEN];
	unsigned char bytes[16];

	for (char *c = name; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	if (inet_pton(AF_INET, name, bytes) == 1)
		return name;
	if (inet_pton(AF_INET6, name, bytes) == 1) {
		free(name);
		return mem_strdup(inet_ntop(AF_INET6, bytes, canonical, sizeof(canonical)));
	}
	if (host_allowed && is_host_name(name))
		return name;
	free(name);
	return NULL;
}

static bool number_at(const char **at, uint32_t *ret_number)
{
	char *end;
	unsigned long long number;

	if (!isdigit((unsigned char)**at))
		return false;
	number = strtoull(*at, &end, 10);
	if (number > INT32_MAX)
		return false;
	*at = end;
	*ret_number = (uint32_t)number;
	return true;
}

/* A letter and a number, when the letter is there. */
static bool letter_at(
        const char **at, char letter, enum dev_field field, unsigned *given, uint32_t *ret_number)
{
	if (**at != letter)
		return true;
	*given |= field;
	++*at;
	return number_at(at, ret_number);
}

static bool address_at(const char **at, enum dev_field field, unsigned *given, char **ret_ip)
{
	const char *start = *at, *end;
	size_t len;

	if (*start == '[') {
		start++;
		len = strcspn(start, "]");
		if (start[len] != ']')
			return false;
		end = start + len + 1;
	} else if (isdigit((unsigned char)*start)) {
		len = strspn(start, "0123456789.");
		end = start + len;
	} else {
		return true;
	}
	*given |= field;
	*ret_ip = address_new(start, len, false);
	*at = end;
	return *ret_ip != NULL;
}

static bool parse(const char *at, struct dev_text *text)
{
	struct ring_dev *dev = &text->dev;
	unsigned *given = &text->given;

	if (!letter_at(&at, 'd', DEV_ID, given, &dev->id) ||
	        !letter_at(&at, 'r', DEV_REGION, given, &dev->region) ||
	        !letter_at(&at, 'z', DEV_ZONE, given, &dev->zone))
		return false;
	at += *at == '-';
	if (!address_at(&at, DEV_IP, given, &dev->ip) ||
	        !letter_at(&at, ':', DEV_PORT, given, &dev->port))
		return false;
	if (*at == 'R') {
		at++;
		if (!address_at(&at, DEV_REPLICATION_IP, given, &dev->replication_ip) ||
		        !letter_at(&at, ':', DEV_REPLICATION_PORT, given, &dev->replication_port))
			return false;
	}
	if (*at == '/') {
		size_t len = strcspn(++at, "_");
		*given |= DEV_NAME;
		dev->device = mem_strndup(at, len);
		at += len;
		if (len == 0 || dev->device[0] == ' ' || dev->device[len - 1] == ' ')
			return false;
	}
	if (*at == '_') {
		*given |= DEV_META;
		dev->meta = mem_strdup(at + 1);
		return true;
	}
	return *at == 0 && *given;
}

enum err dev_text_parse(const char *text, struct dev_text *ret_text)
{
	return parse(text, ret_text) ? ERR_OK : ERR_BAD_REQUEST;
}

static enum err set_number(const char *value, uint32_t max, uint32_t *ret_number)
{
	const char *at = value;
	uint32_t number;

	if (!number_at(&at, &number) || *at || number > max)
		return ERR_BAD_REQUEST;
	*ret_number = number;
	return ERR_OK;
}

static enum err set_text(char *value, char **ret_text)
{
	if (!value)
		return ERR_BAD_REQUEST;
	free(*ret_text);
	*ret_text = value;
	return ERR_OK;
}

enum err dev_text_set(struct dev_text *text, enum dev_field field, const char *value)
{
	struct ring_dev *dev = &text->dev;
	char *end;

	text->given |= field;
	switch (field) {
	case DEV_ID:
		return set_number(value, INT32_MAX, &dev->id);
	case DEV_REGION:
		return set_number(value, INT32_MAX, &dev->region);
	case DEV_ZONE:
		return set_number(value, INT32_MAX, &dev->zone);
	case DEV_PORT:
		return set_number(value, UINT16_MAX, &dev->port);
	case DEV_REPLICATION_PORT:
		return set_number(value, UINT16_MAX, &dev->replication_port);
	case DEV_IP:
		return set_text(address_new(value, strlen(value), true), &dev->ip);
	case DEV_REPLICATION_IP:
		return set_text(address_new(value, strlen(value), true), &dev->replication_ip);
	case DEV_NAME:
		return set_text(*value ? mem_strdup(value) : NULL, &dev->device);
	case DEV_META:
		return set_text(mem_strdup(value), &dev->meta);
	case DEV_WEIGHT:
		dev->weight = strtod(value, &end);
		return *value && !*end && dev->weight >= 0 ? ERR_OK : ERR_BAD_REQUEST;
	}
	return ERR_BAD_REQUEST;
}

bool dev_text_matches(const struct dev_text *text, const struct ring_dev *dev)
{
	const struct ring_dev *want = &text->dev;
	unsigned given = text->given;

	return (!(given & DEV_ID) || want->id == dev->id) &&
	       (!(given & DEV_REGION) || want->region == dev->region) &&
	       (!(given & DEV_ZONE) || want->zone == dev->zone) &&
	       (!(given & DEV_IP) || !strcmp(want->ip, dev->ip)) &&
	       (!(given & DEV_PORT) || want->port == dev->port) &&
	       (!(given & DEV_REPLICATION_IP) ||
	               !strcmp(want->replication_ip, dev->replication_ip)) &&
	       (!(given & DEV_REPLICATION_PORT) ||
	               want->replication_port == dev->replication_port) &&
	       (!(given & DEV_NAME) || !strcmp(want->device, dev->device)) &&
	       (!(given & DEV_META) || strstr(dev->meta, want->meta)) &&
	       (!(given & DEV_WEIGHT) || want->weight == dev->weight);
}

static void address_print(const char *ip, uint32_t port, struct buf *out)
{
	buf_printf(out, strchr(ip, ':') ? "[%s]:%u" : "%s:%u", ip, port);
}

void dev_text_print(const struct ring_dev *dev, struct buf *out)
{
	buf_printf(out, "d%ur%uz%u-", dev->id, dev->region, dev->zone);
	address_print(dev->ip, dev->port, out);
	buf_char(out, 'R');
	address_print(dev->replication_ip, dev->replication_port, out);
	buf_printf(out, "/%s_\"%s\"", dev->device, dev->meta);
}
