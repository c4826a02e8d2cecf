TESTLIB += tests/lib/test.c
SIM = $(wildcard tests/sim/*.c)
UNIT += tests/unit/sim/test_history.c
FUZZ += $(wildcard tests/fuzz/fuzz_*.c)

# What the API tests start beside the cloud.
$(B)/tests/api/%: tests/api/%.c
	@mkdir -p $(@D)
	@echo "  LD $@"
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $< $(LDFLAGS) -lfuse3 -o $@
api-build: $(B)/tests/api/stuck_fs

# The simulation brings its own disks, stores and edge, and rules that can be disabled: these come
# before the library.
MUTANTS = $(shell grep -l 'lib/base/mutant.h' $(SRC))
$(B)/mutants/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC $< (mutants)"
	$(Q)$(CC) $(CPPFLAGS) -DCAIRN_MUTANTS $(CFLAGS) -c $< -o $@
$(B)/cairn-sim: $(SIM:%.c=$(B)/%.o) $(MUTANTS:%.c=$(B)/mutants/%.o) $(B)/libcairn.a
	@echo "  LD $@"
	$(Q)$(CC) $(LDFLAGS) $^ $(LDLIBS) -o $@

$(B)/tests/bench/%: tests/bench/%.c $(B)/libcairn.a
	@mkdir -p $(@D)
	@echo "  LD $@"
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $< $(LDFLAGS) $(B)/libcairn.a $(LDLIBS) -o $@
bench-ec: $(B)/tests/bench/ec
	@$<
.PHONY: bench-ec
