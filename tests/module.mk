TESTLIB += tests/lib/test.c
SIM = $(wildcard tests/sim/*.c)
FUZZ += $(wildcard tests/fuzz/fuzz_*.c)

# What the API tests start beside the cloud.
$(B)/tests/api/%: tests/api/%.c
	@mkdir -p $(@D)
	@echo "  LD $@"
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $< $(LDFLAGS) -lfuse3 -o $@
api-build: $(B)/tests/api/stuck_fs

# The simulation brings its own disks, stores and edge, so these come before the library.
$(B)/cairn-sim: $(SIM:%.c=$(B)/%.o) $(B)/libcairn.a
	@echo "  LD $@"
	$(Q)$(CC) $(LDFLAGS) $^ $(LDLIBS) -o $@
