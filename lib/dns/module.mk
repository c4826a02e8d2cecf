SRC += lib/dns/dns.c
UNIT += tests/unit/lib/dns/test_dns.c
