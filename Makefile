# touchpointd: `make help` lists the targets. Objects of each flavour (release, asan, tsan) live in their own tree under build/.

CC          ?= gcc
CLANG       ?= clang
FLAVOUR     ?= release
VERSION     := 0.1.0
BUILD       := build
OUT         := $(BUILD)/$(FLAVOUR)
PREFIX      ?= /usr/local
DESTDIR     ?=
UNITDIR     ?= $(PREFIX)/lib/systemd/system
# make V=1 shows each command
Q           := $(if $(V),,@)

PKGS        := libxml-2.0 libssl libcrypto libcurl libevent_core libevent_openssl libevent_pthreads jansson libcyaml yaml-0.1 sqlite3 libpq icu-i18n icu-uc
PKG_CFLAGS  := $(shell pkg-config --cflags $(PKGS) 2>/dev/null | sed 's/-I/-isystem /g')
# libcsv has no pkg-config file
PKG_LIBS    := $(shell pkg-config --libs $(PKGS) 2>/dev/null) -lcsv -lpthread -lm
# sd_notify is optional
ifeq ($(shell pkg-config --exists libsystemd 2>/dev/null && echo yes),yes)
PKG_CFLAGS  += -DHAVE_SYSTEMD $(shell pkg-config --cflags libsystemd)
PKG_LIBS    += $(shell pkg-config --libs libsystemd)
endif

WARN := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wstrict-prototypes -Wmissing-prototypes \
        -Wvla -Wformat=2 -Wcast-qual -Wnull-dereference -Wimplicit-fallthrough -Wswitch-enum -Wundef -Wpointer-arith \
        -Wwrite-strings -Werror
BASE_CFLAGS := -std=c17 -D_POSIX_C_SOURCE=200809L -iquote include $(WARN) $(PKG_CFLAGS) -DTP_VERSION='"$(VERSION)"' -g -pthread -MMD -MP

CFLAGS_release := -O2 -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fstack-clash-protection -fPIE
LDFLAGS_release := -pie -Wl,-z,relro,-z,now,-z,noexecstack
CFLAGS_asan := -O1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all -DTP_TEST_BUILD
LDFLAGS_asan := -fsanitize=address,undefined
CFLAGS_tsan := -O1 -fno-omit-frame-pointer -fsanitize=thread -fPIE -DTP_TEST_BUILD
LDFLAGS_tsan := -fsanitize=thread -pie
CFLAGS_fuzz := -O1 -fno-omit-frame-pointer -fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=all -DTP_TEST_BUILD
LDFLAGS_fuzz := -fsanitize=address,undefined,fuzzer
CFLAGS_clang := -O1
LDFLAGS_clang :=
ifneq ($(filter fuzz clang,$(FLAVOUR)),)
override CC := $(CLANG)
endif

ALL_CFLAGS  = $(BASE_CFLAGS) $(CFLAGS_$(FLAVOUR)) $(CFLAGS)
ALL_LDFLAGS = $(LDFLAGS_$(FLAVOUR)) $(LDFLAGS)

CTL_SRC     := $(wildcard receiver/ctl/*.c)
CTL_OBJ     := $(CTL_SRC:%.c=$(OUT)/%.o)
LIB_SRC     := $(wildcard soap/*.c) $(filter-out receiver/main.c $(CTL_SRC),$(wildcard receiver/*.c receiver/*/*.c))
LIB_OBJ     := $(LIB_SRC:%.c=$(OUT)/%.o) $(if $(filter receiver/store/%,$(LIB_SRC)),$(OUT)/gen/store_schema.o $(OUT)/gen/store_schema_postgres.o) $(OUT)/gen/page_files.o
LIB         := $(OUT)/libtouchpoint.a
SIM_SRC     := $(filter-out %_test.c,$(wildcard tests/orgsim/*.c))
SIM_OBJ     := $(SIM_SRC:%.c=$(OUT)/%.o)
SIM_LIBS    := $(PKG_LIBS) $(shell pkg-config --libs libevent_extra 2>/dev/null || echo -levent_extra)
SIM_LIB     := $(OUT)/liborgsim.a
UNIT_SRC    := $(wildcard tests/unit/*_test.c tests/store/*_test.c)
UNIT_BIN    := $(UNIT_SRC:%.c=$(OUT)/%)
SIM_TEST_SRC := $(wildcard tests/orgsim/*_test.c)
SIM_TEST_BIN := $(SIM_TEST_SRC:%.c=$(OUT)/%)
TEST_HELPERS := $(filter-out %_test.c,$(wildcard tests/unit/*.c tests/store/*.c))
TEST_HELPER_OBJ := $(TEST_HELPERS:%.c=$(OUT)/%.o)
PEER_BIN    := $(OUT)/tests/conformance/http/echo
FUZZ_SRC    := $(wildcard tests/fuzz/*_fuzz.c)
FUZZ_BIN    := $(FUZZ_SRC:%.c=$(OUT)/%)
SCHEMA_SQL  := $(sort $(wildcard receiver/store/schema/*.sql))
SCHEMA_PG   := $(sort $(wildcard receiver/store/schema/postgres/*.sql))
PAGE_FILES  := $(sort $(foreach kind,html css js svg,$(wildcard receiver/admin/page/*.$(kind) receiver/admin/page/*/*.$(kind))))

.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: all daemon orgsim test demo lint format bench chaos faults fuzz model tsan install deb rootfs clean help deps layers size tests-build fuzz-build clang

all: ## build build/touchpointd, build/touchpointctl, build/orgsim
	@tests/deps.sh build
	@$(MAKE) --no-print-directory daemon orgsim FLAVOUR=release

daemon: $(OUT)/touchpointd $(OUT)/touchpointctl
	@if [ "$(FLAVOUR)" = release ]; then cp -f $^ $(BUILD); fi
orgsim: $(OUT)/orgsim
	@if [ "$(FLAVOUR)" = release ]; then cp -f $< $(BUILD)/orgsim; fi

test: ## run all tests under ASan and UBSan (and TSan where there are threads); last line: N passed, N failed
	@tests/deps.sh test
	@tests/run.sh

demo: ## build, start a simulated org and the receiver, tell the whole story; KEEP=1 leaves it running
	@tests/deps.sh demo
	@$(MAKE) --no-print-directory daemon orgsim FLAVOUR=release
	@tests/demo/demo.sh $(if $(KEEP),--keep)

bench: ## measure the intake against nginx and a gSOAP peer, and the work against orgsim; table and build/bench.json
	@tests/deps.sh bench
	@$(MAKE) --no-print-directory daemon orgsim FLAVOUR=release
	@tests/bench/bench.sh

chaos: ## 1,000 random histories of an org, with losses, faults and kills, against an oracle; SEED=1 HISTORIES=1000 STEP=1
	@tests/deps.sh demo
	@$(MAKE) --no-print-directory daemon orgsim FLAVOUR=asan
	@TP_FLAVOUR=asan python3 -B tests/chaos/chaos.py $(if $(SEED),--seed $(SEED)) $(if $(HISTORIES),--histories $(HISTORIES)) $(if $(STEP),--step $(STEP))

faults: ## 50 rounds of each fault of several daemons on one PostgreSQL, against the oracle; ROUNDS=50 SEED=1 KINDS="cut frozen"
	@tests/deps.sh test
	@$(MAKE) --no-print-directory daemon orgsim FLAVOUR=asan
	@TP_FLAVOUR=asan python3 -B tests/faults/postgres.py $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(SEED),--seed $(SEED)) $(KINDS)

lint: ## format, layers, sizes, warnings of gcc and clang, clang-tidy, cppcheck, -fanalyzer, shellcheck
	@tests/deps.sh lint
	@tests/lint/lint.sh

format: ## lay out all C files with clang-format
	clang-format -i $$(git ls-files '*.c' '*.h')

fuzz: ## run every fuzz target for FUZZ_SECONDS (60) on its saved corpus
	@tests/deps.sh fuzz
	@$(MAKE) --no-print-directory fuzz-build FLAVOUR=fuzz
	@tests/fuzz/fuzz.sh

model: ## check the lease protocol's model with spin; fails if a rule is missing
	@tests/deps.sh model
	@receiver/store/model/check.sh

layers: ## check what may include what, where library headers may appear, and banned functions
	@tests/lint/layers.sh

size: ## report file and function sizes
	@tests/lint/size.sh

tsan: ## build and run the threaded tests and the demo with ThreadSanitizer (make test does so too)
	@tests/deps.sh test
	@tests/run.sh tsan/

clang: ## compile everything with clang, warnings as errors
	@$(MAKE) --no-print-directory daemon orgsim tests-build FLAVOUR=clang

deps: ## install the packages that build, tests and demo need (apt-get, as root or through sudo)
	@tests/deps.sh all

install: daemon ## install daemon, touchpointctl, manual pages, systemd unit, …; DESTDIR=, PREFIX=/usr/local (run make before)
	install -D -m 0755 $(OUT)/touchpointd $(DESTDIR)$(PREFIX)/sbin/touchpointd
	install -D -m 0755 $(OUT)/touchpointctl $(DESTDIR)$(PREFIX)/bin/touchpointctl
	@for page in deploy/man/*.scd; do \
	    name=$$(basename $$page .scd); section=$${name##*.}; \
	    if command -v scdoc >/dev/null; then \
	        install -d $(DESTDIR)$(PREFIX)/share/man/man$$section; \
	        scdoc <$$page >$(DESTDIR)$(PREFIX)/share/man/man$$section/$$name; \
	        chmod 0644 $(DESTDIR)$(PREFIX)/share/man/man$$section/$$name; \
	    else echo "no manual page $$name: scdoc is not installed"; fi; done
	install -D -m 0644 deploy/completion/touchpointctl.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/touchpointctl
	install -D -m 0644 deploy/touchpointd.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/touchpointd.conf
	install -D -m 0644 deploy/touchpointd.tmpfiles $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/touchpointd.conf
	install -D -m 0755 deploy/certificate-hook $(DESTDIR)$(PREFIX)/share/touchpointd/certificate-hook
	install -D -m 0644 deploy/prometheus/touchpointd.rules.yaml $(DESTDIR)$(PREFIX)/share/touchpointd/prometheus/touchpointd.rules.yaml
	install -D -m 0644 deploy/grafana/touchpointd.json $(DESTDIR)$(PREFIX)/share/touchpointd/grafana/touchpointd.json
	install -D -m 0644 deploy/touchpointd.example.yaml $(DESTDIR)$(PREFIX)/share/doc/touchpointd/touchpointd.example.yaml
	install -d $(DESTDIR)$(UNITDIR)
	sed 's|/usr/sbin/touchpointd|$(PREFIX)/sbin/touchpointd|' deploy/touchpointd.service >$(DESTDIR)$(UNITDIR)/touchpointd.service
	chmod 0644 $(DESTDIR)$(UNITDIR)/touchpointd.service

deb: ## build a Debian package in build/deb (with the packages that debhelper needs)
	@tests/deps.sh deb
	@rm -rf $(BUILD)/deb && mkdir -p $(BUILD)/deb/touchpointd-$(VERSION)
	@tar -c --exclude=./$(BUILD) --exclude=./.git --exclude=node_modules . | tar -x -C $(BUILD)/deb/touchpointd-$(VERSION)
	@cp -r deploy/debian $(BUILD)/deb/touchpointd-$(VERSION)/debian
	@cd $(BUILD)/deb/touchpointd-$(VERSION) && dpkg-buildpackage -b -us -uc
	@lintian --fail-on error,warning $(BUILD)/deb/touchpointd_$(VERSION)_*.changes

rootfs: deb ## as root: build the container's root file system, try the daemon in it, install the package in a fresh Debian (minutes)
	@tests/deps.sh rootfs
	@$(MAKE) --no-print-directory daemon orgsim FLAVOUR=release
	@TP_FLAVOUR=release python3 -B tests/deploy/rootfs.py

clean: ## remove build/
	rm -rf $(BUILD)

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

tests-build: $(UNIT_BIN) $(SIM_TEST_BIN) $(PEER_BIN)
fuzz-build: $(FUZZ_BIN)

$(OUT)/%.o: %.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -c $< -o $@

$(OUT)/gen/%.o: $(BUILD)/gen/%.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -c $< -o $@

$(BUILD)/gen/store_schema.c: $(SCHEMA_SQL) receiver/store/schema/embed.sh
	@mkdir -p $(@D)
	$(Q)receiver/store/schema/embed.sh sqlite $(SCHEMA_SQL) > $@.$$$$.tmp && mv $@.$$$$.tmp $@

$(BUILD)/gen/store_schema_postgres.c: $(SCHEMA_PG) receiver/store/schema/embed.sh
	@mkdir -p $(@D)
	$(Q)receiver/store/schema/embed.sh postgres $(SCHEMA_PG) > $@.$$$$.tmp && mv $@.$$$$.tmp $@

$(BUILD)/gen/page_files.c: $(PAGE_FILES) receiver/admin/page/embed.sh
	@mkdir -p $(@D)
	$(Q)receiver/admin/page/embed.sh receiver/admin/page $(PAGE_FILES) > $@.$$$$.tmp && mv $@.$$$$.tmp $@

$(LIB): $(LIB_OBJ)
	@rm -f $@
	$(Q)ar rcs $@ $^
$(SIM_LIB): $(filter-out %/main.o,$(SIM_OBJ))
	@rm -f $@
	$(Q)ar rcs $@ $^

$(OUT)/touchpointd: $(OUT)/receiver/main.o $(LIB)
	$(Q)$(CC) $(ALL_LDFLAGS) $^ -o $@ $(PKG_LIBS)

# the client sees base/ alone (checked by tests/lint/layers.sh)
$(OUT)/touchpointctl: $(CTL_OBJ) $(LIB)
	$(Q)$(CC) $(ALL_LDFLAGS) $^ -o $@ $(PKG_LIBS)

# orgsim shares soap/ and base/ with the daemon, and nothing of its org client or rules (checked by tests/lint/layers.sh)
$(OUT)/orgsim: $(OUT)/tests/orgsim/main.o $(SIM_LIB) $(LIB)
	$(Q)$(CC) $(ALL_LDFLAGS) $^ -o $@ $(SIM_LIBS)

$(OUT)/tests/orgsim/%_test: $(OUT)/tests/orgsim/%_test.o $(SIM_LIB) $(LIB)
	$(Q)$(CC) $(ALL_LDFLAGS) $^ -o $@ $(SIM_LIBS) -lcmocka

$(OUT)/tests/unit/%_test: $(OUT)/tests/unit/%_test.o $(TEST_HELPER_OBJ) $(LIB)
	$(Q)$(CC) $(ALL_LDFLAGS) $^ -o $@ $(PKG_LIBS) -lcmocka
$(OUT)/tests/unit/ctl_where_test: $(OUT)/receiver/ctl/where.o
$(OUT)/tests/store/%_test: $(OUT)/tests/store/%_test.o $(TEST_HELPER_OBJ) $(LIB)
	$(Q)$(CC) $(ALL_LDFLAGS) $^ -o $@ $(PKG_LIBS) -lcmocka
$(PEER_BIN): $(OUT)/tests/conformance/http/echo.o $(LIB)
	$(Q)$(CC) $(ALL_LDFLAGS) $^ -o $@ $(PKG_LIBS)
$(OUT)/tests/fuzz/%_fuzz: $(OUT)/tests/fuzz/%_fuzz.o $(LIB)
	$(Q)$(CC) $(ALL_LDFLAGS) $^ -o $@ $(PKG_LIBS)

# the simulated org has what is shipped for the real one, wherever it is started
$(SIM_OBJ) $(SIM_TEST_SRC:%.c=$(OUT)/%.o): BASE_CFLAGS += -DORGSIM_METADATA='"$(CURDIR)/deploy/salesforce"'

-include $(shell find $(OUT) -name '*.d' 2>/dev/null)
