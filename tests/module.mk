TESTLIB += tests/lib/test.c
FUZZ += $(wildcard tests/fuzz/fuzz_*.c)

# What the API tests start beside the cloud.
$(B)/tests/api/%: tests/api/%.c
	@mkdir -p $(@D)
	@echo "  LD $@"
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $< $(LDFLAGS) -lfuse3 -o $@
api-build: $(B)/tests/api/stuck_fs
