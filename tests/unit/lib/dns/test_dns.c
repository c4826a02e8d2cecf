/* Servers that are named, and what an answer says. */
#include "tests/lib/test.h"

#include "lib/dns/dns.h"
#include <arpa/inet.h>
#include <string.h>

static bool parses(const char *text, unsigned count)
{
	struct dns_servers servers = {.count = 77};
	bool good = dns_servers_parse(text, &servers);

	return good ? servers.count == count : servers.count == 77 && count == UINT32_MAX;
}

static void servers_have_addresses_and_ports(void **state)
{
	struct dns_servers servers;

	(void)state;
	assert_true(parses("", 0));
	assert_true(parses(" , ", 0));
	assert_true(parses("127.0.0.1, 127.0.0.2,127.0.0.3:5353", 3));
	assert_true(parses("::1", 1));
	for (unsigned i = 0; i < 8; i++)
		assert_true(parses(((const char *const[]){"localhost", "127.0.0.1:", "127.0.0.1:0",
		                           "127.0.0.1:65536", "[127.0.0.1]", "[::1", "[::1]x",
		                           "1.1.1.1,1.1.1.2,1.1.1.3,1.1.1.4"})[i],
		        UINT32_MAX));
	assert_true(dns_servers_parse("192.0.2.1:5353, [2001:db8::1]:99, 2001:db8::2", &servers));
	const struct sockaddr_in *v4 = (const void *)&servers.servers[0];
	assert_int_equal(v4->sin_family, AF_INET);
	assert_int_equal(ntohs(v4->sin_port), 5353);
	assert_int_equal(ntohl(v4->sin_addr.s_addr), 0xc0000201);
	assert_int_equal(servers.servers[1].sin6_family, AF_INET6);
	assert_int_equal(ntohs(servers.servers[1].sin6_port), 99);
	assert_int_equal(ntohs(servers.servers[2].sin6_port), 53);
}

/* "www.a.b CNAME c.b", ttl 300, the target's end by a pointer to the question. */
static const uint8_t answer[] = {0, 7, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0, 3, 'w', 'w', 'w', 1, 'a',
        1, 'b', 0, 0, 5, 0, 1, 0xc0, 12, 0, 5, 0, 1, 0, 0, 1, 0x2c, 0, 4, 1, 'c', 0xc0, 18};

static void an_answer_tells_the_name_and_for_how_long(void **state)
{
	char name[DNS_NAME_SIZE];
	uint32_t ttl_s;

	(void)state;
	assert_int_equal(dns_cname_read(answer, sizeof(answer), name, &ttl_s), ERR_OK);
	assert_string_equal(name, "c.b");
	assert_int_equal(ttl_s, 300);
}

static void what_is_cut_off_or_loops_is_no_answer(void **state)
{
	char name[DNS_NAME_SIZE];
	uint8_t bad[sizeof(answer)];
	uint32_t ttl_s;

	(void)state;
	for (size_t len = 0; len < sizeof(answer); len++)
		assert_int_not_equal(dns_cname_read(answer, len, name, &ttl_s), ERR_OK);
	memcpy(bad, answer, sizeof(bad));
	bad[sizeof(bad) - 1] = sizeof(bad) - 2; /* to itself */
	assert_int_equal(dns_cname_read(bad, sizeof(bad), name, &ttl_s), ERR_FORMAT);
	memcpy(bad, answer, sizeof(bad));
	bad[28] = 1; /* an address */
	assert_int_equal(dns_cname_read(bad, sizeof(bad), name, &ttl_s), ERR_NOT_FOUND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(servers_have_addresses_and_ports),
	        cmocka_unit_test(an_answer_tells_the_name_and_for_how_long),
	        cmocka_unit_test(what_is_cut_off_or_loops_is_no_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
