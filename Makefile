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
CPPFLAGS= -I. -isystem /usr/include/mariadb -isystem /usr/include/libxml2 -D_GNU_SOURCE -DCAIRN_VERSION='"$(VERSION)"' -MMD -MP
LDFLAGS = $(if $(SAN),-fsanitize=$(SAN))
LDLIBS  = -lcrypt -lldap -llber -lyaml -lsqlite3 -lmariadb -luring -lmicrohttpd -l:libleveldb.a -l:libsnappy.so.1 -lstdc++ -lisal -ljansson -larchive -lxml2 -lcurl -lrabbitmq -lssl -lcrypto -lIPSec_MB -lz -lresolv -lpthread -lm

all: $(B)/cairn

SRC :=
UNIT :=
FAULT :=
TESTLIB :=
FUZZ :=
CLI :=
-include $(wildcard lib/*/module.mk ring/module.mk proxy/module.mk proxy/unit/module.mk proxy/s3/module.mk objectd/module.mk \
	containerd/module.mk accountd/module.mk node/module.mk migrate/module.mk identity/module.mk cli/module.mk tests/module.mk)

OBJ  = $(SRC:%.c=$(B)/%.o)
CLIOBJ = $(CLI:%.c=$(B)/%.o)
TESTBIN = $(UNIT:%.c=$(B)/%)
FAULTBIN = $(FAULT:%.c=$(B)/%)
DEPS = $(OBJ:.o=.d) $(TESTLIB:%.c=$(B)/%.d) $(CLIOBJ:.o=.d) $(TESTBIN:=.d) $(FAULTBIN:=.d) $(SIM:%.c=$(B)/%.d) $(SRC:%.c=$(B)/mutants/%.d)

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

# A library: a test that brings its own fake of a module links no helper that needs the real one.
$(B)/libtest.a: $(TESTLIB:%.c=$(B)/%.o)
	@rm -f $@
	$(Q)ar rcs $@ $^

$(B)/tests/unit/%: tests/unit/%.c $(B)/libtest.a $(B)/libcairn.a
	@mkdir -p $(@D)
	@echo "  LD $@"
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $< $(LDFLAGS) $(B)/libtest.a $(B)/libcairn.a $(LDLIBS) -lcmocka -o $@

$(B)/tests/fault/%: tests/fault/%.c $(B)/libtest.a $(B)/libcairn.a
	@mkdir -p $(@D)
	@echo "  LD $@"
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $< $(LDFLAGS) $(B)/libtest.a $(B)/libcairn.a $(LDLIBS) -lcmocka -o $@

unit-build: $(TESTBIN) $(FAULTBIN)
unit: $(TESTBIN)
	@tools/run-unit $(TESTBIN)

# --- a cloud on this machine ---
VAR      = var
PORT     = $(shell echo $$((8080 + $(PORT_BASE))))
PORT_BASE= 0
WIRE     = 0
WIRE_PORT= $(shell echo $$((6200 + $(PORT_BASE))))
IDENTITY = 1
IDENTITY_PORT = $(shell echo $$((5000 + $(PORT_BASE))))
DEVICES  = 4
REPLICAS = 3
EC       =

deps-build:
	@tools/install-deps build

up: deps-build
	@$(MAKE) --no-print-directory all
	@$(B)/cairn up --state "$(VAR)" --port $(PORT) --devices $(DEVICES) --replicas $(REPLICAS) \
		$(if $(filter-out 0,$(WIRE)),--wire $(WIRE_PORT)) $(if $(EC),--ec $(EC)) \
		$(if $(filter-out 0,$(IDENTITY)),--identity $(IDENTITY_PORT))

down:
	@$(B)/cairn down --state "$(VAR)"

# Several nodes on this machine, each in a network namespace.
N        = 5
CLUSTER  = var-cluster

cluster: deps-build
	@tools/install-deps cluster
	@$(MAKE) --no-print-directory all
	@VAR="$(CLUSTER)" B=$(B) REPLICAS=$(REPLICAS) tools/cluster up $(N)

cluster-down:
	@VAR="$(CLUSTER)" B=$(B) tools/cluster down

# --- tests ---
# What CI runs. The last line adds up all suites.
check:
	@tools/install-deps build check lint
	@$(MAKE) --no-print-directory all unit-build fuzz-build api-build $(B)/cairn-sim
	@B=$(B) SAN="$(SAN)" tools/check unit fault sim fuzz api $(if $(SAN),,lint)

check-api: all api-build
	@B=$(B) SAN="$(SAN)" tools/check api
SEED     = 1
ROUNDS   = 300
check-sim: $(B)/cairn-sim
	@B=$(B) SAN="$(SAN)" SEED=$(SEED) ROUNDS=$(ROUNDS) tools/check sim
check-mutants: $(B)/cairn-sim
	@B=$(B) SEED=$(SEED) tools/check mutants
MINUTES  = 30
check-storm: all
	@tools/install-deps check cluster
	@B=$(B) SEED=$(SEED) MINUTES=$(MINUTES) tests/storm/storm.py
check-fuzz: fuzz-build
	@B=$(B) SAN="$(SAN)" tools/check fuzz
check-fault: unit-build
	@B=$(B) SAN="$(SAN)" CRASH_POINTS=12000 tools/check fault

FUZZBIN = $(FUZZ:%.c=$(B)/%)
$(B)/tests/fuzz/%: tests/fuzz/%.c tests/lib/fuzz.c $(B)/libcairn.a
	@mkdir -p $(@D)
	@echo "  LD $@"
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $< tests/lib/fuzz.c $(LDFLAGS) $(B)/libcairn.a $(LDLIBS) -o $@
fuzz-build: $(FUZZBIN)

bench: deps-build
	@tools/install-deps bench
	@$(MAKE) --no-print-directory all
	@B=$(B) tests/bench/run

bench-wire: deps-build
	@tools/install-deps bench
	@$(MAKE) --no-print-directory all
	@B=$(B) tests/bench/wire

bench-s3: deps-build
	@tools/install-deps bench rgw
	@$(MAKE) --no-print-directory all
	@B=$(B) tests/bench/s3

bench-swift-api: deps-build
	@tools/install-deps bench
	@$(MAKE) --no-print-directory all
	@B=$(B) tests/bench/swift-api

# Of several nodes: OBJECTS=1000000 small ones and a sixth node; a lost device of fragments.
bench-cluster: deps-build
	@tools/install-deps bench cluster
	@$(MAKE) --no-print-directory all
	@B=$(B) tests/bench/grow
	@B=$(B) tests/bench/rebuild
	@B=$(B) tests/bench/compare

bench-identity: deps-build
	@$(MAKE) --no-print-directory all $(B)/tests/bench/verify
	@B=$(B) tests/bench/identity

bench-migrate: deps-build
	@tools/install-deps bench
	@$(MAKE) --no-print-directory all
	@B=$(B) tests/bench/migrate

lint:
	@tools/install-deps lint
	@tools/lint

docs-s3: all
	@{ sed '/^| operation /,$$d' docs/s3.md; $(B)/cairn node --print-s3; } > $(B)/s3.md && cp $(B)/s3.md docs/s3.md

format:
	git ls-files -z '*.c' '*.h' | xargs -0 clang-format -i

# --- on this system ---
PREFIX = /usr/local
DEST   = $(DESTDIR)$(PREFIX)
MAN5   = $(wildcard */*.5)
MAN8   = $(wildcard */*.8)
UNIT_DIR = lib/systemd/system
UNITS = cairn-node.service cairn-identity.service
install: all
	install -D -m 755 $(B)/cairn $(DEST)/sbin/cairn
	@mkdir -p $(DEST)/$(UNIT_DIR) $(DEST)/share/man/man5 $(DEST)/share/man/man8
	for u in $(UNITS); do sed 's|@PREFIX@|$(PREFIX)|' docs/$$u >$(DEST)/$(UNIT_DIR)/$$u; done
	install -D -m 644 docs/cairn.sysusers $(DEST)/lib/sysusers.d/cairn.conf
	install -m 644 $(MAN5) $(DEST)/share/man/man5
	install -m 644 $(MAN8) $(DEST)/share/man/man8
	@echo "Next: systemd-sysusers; a configuration in /etc/cairn/cairn.conf; systemctl enable --now cairn-node"
	@echo "      (man cairn-node tells how)"

# The configuration and all data stay.
uninstall:
	rm -f $(DEST)/sbin/cairn $(addprefix $(DEST)/$(UNIT_DIR)/,$(UNITS)) $(DEST)/lib/sysusers.d/cairn.conf \
		$(addprefix $(DEST)/share/man/man5/,$(notdir $(MAN5))) \
		$(addprefix $(DEST)/share/man/man8/,$(notdir $(MAN8)))

clean:
	rm -rf build build-*

help:
	@echo "make up | down        a cloud on this machine, with its state in ./var"
	@echo "                      VAR=DIR PORT_BASE=N DEVICES=N REPLICAS=N EC=K+M WIRE=1 (at the first start); IDENTITY=0: without"
	@echo "                      an identity service; ADMIN_PASSWORD in the environment: of its first user"
	@echo "make all              build $(B)/cairn; B=DIR moves it, Q= shows commands whole"
	@echo "make unit             the fast tests"
	@echo "make cluster          N=5 nodes in network namespaces of this machine; make cluster-down"
	@echo "make check            all tests, as CI runs them; check-api check-fuzz check-fault: some of them; check-sim SEED= ROUNDS=,"
	@echo "                      check-storm MINUTES=30 SEED=1 (clients while nodes, links and disks fail),"
	@echo "                      check-mutants (does the simulation notice every rule that is broken?)"
	@echo "make bench            the comparison with Swift, nginx and fio; bench-ec: erasure code, bench-wire: what the wire costs; bench-swift-api: large objects and bulk beside Swift; bench-s3: S3 beside Swift's API and Ceph's gateway; bench-cluster: a node more, a device less, nothing that differs; bench-migrate; bench-identity: beside Debian's Keystone"
	@echo "make lint | format    the rules of the tree; clang-format"
	@echo "make docs-s3          the table of operations in docs/s3.md, from the one in the code"
	@echo "make install          into PREFIX=$(PREFIX), below DESTDIR= ; uninstall keeps all data"
	@echo "make clean            remove what was built"
	@echo "SAN=address,undefined or SAN=thread builds with sanitizers, in a folder of their own"

.PHONY: docs-s3 all unit unit-build up down cluster cluster-down bench-cluster bench-identity bench-migrate check check-api check-sim check-mutants check-storm check-fuzz check-fault fuzz-build api-build bench bench-s3 bench-wire bench-swift-api lint format \
	install uninstall clean help deps-build
.DELETE_ON_ERROR:
.SECONDARY:
-include $(DEPS)
