# One entry point. `make help` lists the targets.
# B= moves the build directory, Q= shows commands whole, SAN= builds with sanitizers (address,undefined or thread).
CC      = gcc
SAN     =
Q       = @
B       = build$(if $(SAN),-$(subst $(comma),-,$(SAN)))
comma   = ,
VERSION = 0.1.0

WARN    = -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion -Wstrict-prototypes \
          -Wmissing-prototypes -Wpointer-arith -Werror
OPT     = -O2 -g -fno-omit-frame-pointer
CFLAGS  = -std=gnu17 $(OPT) $(WARN) $(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all)
CPPFLAGS= -I. -D_GNU_SOURCE -DCAIRN_VERSION='"$(VERSION)"' -MMD -MP
LDFLAGS = $(if $(SAN),-fsanitize=$(SAN))
LDLIBS  = -luring -lmicrohttpd -l:libleveldb.a -l:libsnappy.so.1 -lstdc++ -lisal -ljansson -lxml2 -lcrypto -lz -lpthread -lm

all: $(B)/cairn

SRC :=
UNIT :=
TESTLIB :=
CLI :=
-include $(wildcard lib/*/module.mk ring/module.mk proxy/module.mk objectd/module.mk \
	containerd/module.mk accountd/module.mk node/module.mk cli/module.mk tests/module.mk)

OBJ  = $(SRC:%.c=$(B)/%.o)
CLIOBJ = $(CLI:%.c=$(B)/%.o)
TESTBIN = $(UNIT:%.c=$(B)/%)
DEPS = $(OBJ:.o=.d) $(TESTLIB:%.c=$(B)/%.d) $(CLIOBJ:.o=.d) $(TESTBIN:=.d)

$(B)/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC $<"
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(CFLAGS_$(subst /,_,$(basename $<))) -c $< -o $@

$(B)/libcairn.a: $(OBJ)
	@rm -f $@
	$(Q)ar rcs $@ $^

$(B)/cairn: $(CLIOBJ) $(B)/libcairn.a
	@echo "  LD $@"
	$(Q)$(CC) $(LDFLAGS) $^ $(LDLIBS) -o $@

$(B)/tests/unit/%: tests/unit/%.c $(TESTLIB:%.c=$(B)/%.o) $(B)/libcairn.a
	@mkdir -p $(@D)
	@echo "  LD $@"
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $< $(TESTLIB:%.c=$(B)/%.o) $(LDFLAGS) $(B)/libcairn.a $(LDLIBS) -lcmocka -o $@

unit-build: $(TESTBIN)
unit: $(TESTBIN)
	tools/run-unit $(TESTBIN)

format:
	git ls-files -z '*.c' '*.h' | xargs -0 clang-format -i

clean:
	rm -rf build build-*

.PHONY: all unit unit-build format clean
.DELETE_ON_ERROR:
.SECONDARY:
-include $(DEPS)
