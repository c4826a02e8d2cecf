SRC += lib/xml/xml.c
UNIT += tests/unit/lib/xml/test_xml.c
