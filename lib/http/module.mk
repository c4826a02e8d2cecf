SRC += lib/http/http.c lib/http/edge_mhd.c lib/http/guard.c lib/http/url.c lib/http/range.c lib/http/caller.c lib/http/client.c lib/http/fetch.c
UNIT += tests/unit/lib/http/test_client.c tests/unit/lib/http/test_http.c tests/unit/lib/http/test_edge.c
