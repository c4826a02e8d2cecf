/* Answers of the DNS, and lists of servers. The first byte chooses. */
#include "lib/dns/dns.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void use_answer(const uint8_t *data, size_t size)
{
	char name[DNS_NAME_SIZE];
	uint32_t ttl_s;

	if (dns_cname_read(data, size, name, &ttl_s) == ERR_OK)
		require(*name && strlen(name) < DNS_NAME_SIZE && name[strlen(name) - 1] != '.');
}

static void use_servers(const uint8_t *data, size_t size)
{
	struct dns_servers servers;
	char *text = malloc(size + 1);

	require(text);
	memcpy(text, data, size);
	text[size] = 0;
	if (dns_servers_parse(text, &servers))
		require(servers.count <= DNS_SERVERS_MAX);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size)
		return 0;
	if (*data & 1)
		use_servers(data + 1, size - 1);
	else
		use_answer(data + 1, size - 1);
	return 0;
}
