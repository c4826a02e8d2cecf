SRC += lib/rest/audit.c lib/rest/fields.c
UNIT += tests/unit/lib/rest/test_fields.c
SRC += lib/rest/resource.c lib/rest/rest.c lib/rest/serve.c
