# SPDX-License-Identifier: Apache-2.0
# One makefile, not recursive. "make help" lists the targets. Modules are the folders of engine/, found by wildcard.
#
#   ARCH=aarch64   build for another machine (needs Debian's gcc-aarch64-linux-gnu)
#   SOURCES=DIR    take the third-party tarballs from a folder
#   V=1            show the commands

VERSION := 0.1.0
# The day of this version: the time of every member of every artefact, and in their names.
SOURCE_DATE_EPOCH ?= 1795305600
HOST_ARCH := $(shell uname -m)
ARCH ?= $(HOST_ARCH)
CROSS := $(if $(filter $(HOST_ARCH),$(ARCH)),,$(ARCH)-linux-gnu-)
BUILD_CC ?= gcc
CLANG ?= clang
PYTHON ?= /usr/bin/python3
comma := ,
Q := $(if $(V),,@)

# All cores, unless the caller says otherwise.
ifeq (0,$(MAKELEVEL)$(findstring -j,$(shell ps -o args= -p $$PPID 2>/dev/null)))
MAKEFLAGS += -j$(shell nproc)
endif
MAKEFLAGS += --no-builtin-rules
.SUFFIXES:
.DELETE_ON_ERROR:

out := build/$(ARCH)
san := build/$(HOST_ARCH)/san
fuzz := build/$(HOST_ARCH)/fuzz
sysroot := $(CURDIR)/$(out)/sysroot
host := $(CURDIR)/build/$(HOST_ARCH)/host
export ARCH CROSS BUILD_CC SOURCES VERSION SOURCE_DATE_EPOCH

.PHONY: all
all:

# --- third-party libraries: one rule a recipe, written from the recipes' own comments -------------------------------------

recipes := $(wildcard image-recipes/*.sh)

build/recipes.mk: $(recipes) Makefile
	@mkdir -p build
	@awk 'function finish(   i, n, need, v, vars) { \
		if (name == "") return; \
		v = split(variants, vars, " "); n = split(needs, need, " "); \
		for (; v > 0; v--) { \
			var = vars[v] == "musl" ? "sysroot" : "host"; \
			stamp = "$$(" var ")/.built/" name ".key"; \
			printf "%s_libs += %s\n%s: $$(wildcard image-recipes/%s.*) image-recipes/sources.lock scripts/build-recipe build/sources/.fetched build/%s |", var, stamp, stamp, name, (vars[v] == "musl" ? "$$(ARCH)/compiler" : "$$(HOST_ARCH)/compiler"); \
			for (i = 1; i <= n; i++) \
				if (var == "sysroot" || need[i] != "musl") printf " $$(%s)/.built/%s.key", var, need[i]; \
			printf "\n\t$$(Q)%sscripts/build-recipe %s %s $$(%s)\n", (var == "host" ? "ARCH=$$(HOST_ARCH) CROSS= " : ""), name, vars[v], var; \
		} } \
		FNR == 1 { finish(); name = FILENAME; sub(/.*\//, "", name); sub(/\.sh$$/, "", name); needs = variants = "" } \
		/^# needs:/ { needs = $$0; sub(/^# needs: */, "", needs) } \
		/^# variants:/ { variants = $$0; sub(/^# variants: */, "", variants) } \
		END { finish() }' $(recipes) >$@.new
	@mv $@.new $@

ifeq (,$(filter help clean distclean,$(MAKECMDGOALS)))
include build/recipes.mk
endif

build/sources/.fetched: image-recipes/sources.lock scripts/fetch-sources
	$(Q)scripts/fetch-sources $(if $(filter vm test%,$(MAKECMDGOALS)),vm)
	@touch $@
build/sources/.fetched-vm-$(ARCH): build/sources/.fetched
	$(Q)scripts/fetch-sources vm
	@touch $@

# Files that change only when what they say changes: the compiler's version and the flags.
remember = $(shell mkdir -p $(dir $1); printf '%s\n' '$(subst ','\'',$2)' | cmp -s - $1 || printf '%s\n' '$(subst ','\'',$2)' >$1)
gcc_version := $(shell $(CROSS)gcc --version 2>/dev/null | head -n 1)
$(call remember,$(out)/compiler,$(gcc_version))
ifneq ($(ARCH),$(HOST_ARCH))
$(call remember,build/$(HOST_ARCH)/compiler,$(shell $(BUILD_CC) --version | head -n 1))
endif

.PHONY: sysroot host-libs
sysroot: $(sysroot_libs)
host-libs: $(host_libs)
# What compiling waits for: busybox and the certificates are for the root file system only.
compile_libs = $(filter-out %/busybox.key %/ca-certificates.key %/e2fsprogs.key,$(sysroot_libs))

# --- what is compiled, and how ---------------------------------------------------------------------------------------------

# maybe-uninitialized is a guess of the optimizer that each version of gcc makes otherwise: a warning, and make check looks closer.
warnings := -Wall -Wextra -Werror -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wformat=2 -Wundef \
	-Wswitch-enum -Wimplicit-fallthrough -Wold-style-definition -Wno-error=maybe-uninitialized
hardening := -fstack-protector-strong -D_FORTIFY_SOURCE=3 -fstack-clash-protection -ftrivial-auto-var-init=zero
common_flags := -std=gnu17 -D_GNU_SOURCE= -DCLEAT_VERSION='"$(VERSION)"' -Iengine -ffile-prefix-map=$(CURDIR)/=

cc := $(sysroot)/bin/musl-gcc
cflags := $(common_flags) $(warnings) -Wframe-larger-than=16384 $(hardening) -Os -fPIE -ffunction-sections -fdata-sections
# Reading units is the only work here that anybody waits for: a tenth less time for 60 KiB.
cflags_unit := -O2
cflags_spec := -O2
cflags_util := -O2
# A container's output passes here line by line.
cflags_log := -O2
ldflags := -static-pie -L$(sysroot)/lib -Wl,--gc-sections -Wl,-z,relro,-z,now,-z,noexecstack -Wl,--build-id=none
# 300 KiB of relocations, which every worker would read at its birth, in 3 KiB; the linker knows it for this machine only.
ldflags += $(if $(filter x86_64,$(ARCH)),-Wl$(comma)-z$(comma)pack-relative-relocs)

# Sanitizers make frames larger: the limit on frames is the product's. Of what -g writes they use lines and names of functions.
san_cc := $(BUILD_CC)
sanitize := -fsanitize=address,undefined -fno-sanitize-recover=all
san_cflags := $(common_flags) $(warnings) -isystem $(host)/include -O1 -g1 -fno-omit-frame-pointer $(sanitize)
san_ldflags := $(sanitize) -L$(host)/lib

third_party := -larchive -lisal -lzstd -lseccomp -lcap -lcurl -lmbedtls -lmbedx509 -lmbedcrypto -linih -lyyjson -lcrypt -lyaml
# Tests write gzip with it and compare ours with it.
test_libs := -lz

$(call remember,$(out)/flags,$(cc) $(cflags) unit: $(cflags_unit) spec: $(cflags_spec) util: $(cflags_util) log: $(cflags_log))
$(call remember,$(out)/ldflags,$(ldflags) $(third_party))
$(call remember,$(san)/flags,$(san_cc) $(san_cflags) $(san_ldflags) $(third_party))

modules := $(sort $(notdir $(patsubst %/,%,$(dir $(wildcard engine/*/*.c)))))
modules_with_init := $(modules) $(if $(wildcard init/*.c),init)
source_dir = $(if $(filter init,$1),init,engine/$1)
sources_of = $(wildcard $(call source_dir,$1)/*.c)
objects_of = $(patsubst %.c,$2/obj/$1/%.o,$(notdir $(call sources_of,$1)))

# What a module may lean on (the include allow-list; scripts/check-includes checks the sources against the same table).
uses_util := util
uses_unit := unit util
uses_image := image util
uses_net := net util
uses_log := log util
uses_status := status util
uses_spec := spec unit image net util
uses_runtime := runtime $(uses_spec)
uses_shim := shim log $(uses_runtime)
uses_supervise := supervise log $(uses_spec)
uses_api := api $(uses_supervise)
uses_boot := boot unit util
uses_cli := cli boot status $(uses_api)
uses_init := init util
# A module that is not in the table yet may use util only, until DESIGN.md says more.
closure = $(filter $(modules_with_init),$(sort $(or $(uses_$1),$1 util)))
libs_of = $(foreach m,$1,$2/lib/lib$m.a)

# Two makes may run in the same clone: every output is written under another name and moved into place.
# $1 compiler and flags
define compile
@mkdir -p $(@D)
$(Q)$1 -MMD -MP -MT $@ -MF $@.d.$$$$ -c $< -o $@.$$$$ && mv $@.d.$$$$ $(@:.o=.d) && mv $@.$$$$ $@ || \
	{ rm -f $@.$$$$ $@.d.$$$$; exit 1; }
endef

# $1 module
define module_rules
$(out)/obj/$1/%.o: $(call source_dir,$1)/%.c $(out)/flags | $(compile_libs)
	$$(if $$(V),,@echo "  CC       $$<")
	$$(call compile,$(cc) $$(cflags) $$(cflags_$1))
$(san)/obj/$1/%.o: $(call source_dir,$1)/%.c $(san)/flags | $(host_libs)
	$$(if $$(V),,@echo "  CC san   $$<")
	$$(call compile,$$(san_cc) $$(san_cflags))
$(out)/lib/lib$1.a: $(call objects_of,$1,$(out))
$(san)/lib/lib$1.a: $(call objects_of,$1,$(san))
endef
$(foreach m,$(modules_with_init),$(eval $(call module_rules,$m)))

define archive
@mkdir -p $(@D)
$(Q)rm -f $@.$$$$; $(if $(filter $(out)/lib/%,$@),$(CROSS))ar rcsD $@.$$$$ $^ && mv $@.$$$$ $@
endef
# Not one rule: a pattern rule with two targets makes both.
$(out)/lib/%.a:
	$(archive)
$(san)/lib/%.a:
	$(archive)
$(fuzz)/lib/%.a:
	$(archive)

# The mains of the engine's programs.
$(out)/obj/%.o: engine/%.c $(out)/flags | $(compile_libs)
	$(if $(V),,@echo "  CC       $<")
	$(call compile,$(cc) $(cflags))

# --- programs --------------------------------------------------------------------------------------------------------------

programs := $(if $(wildcard engine/cleat.c),cleat) $(if $(wildcard engine/cleat-runtime.c),cleat-runtime) \
	$(if $(wildcard init/*.c),cleat-init) cleat-container-init
cleat_libs := $(call libs_of,$(filter-out runtime shim,$(modules)),$(out))
runtime_libs := $(call libs_of,$(filter util spec unit image net runtime shim log,$(modules)),$(out))
init_libs := $(call libs_of,$(filter util,$(modules)),$(out))

define link
@mkdir -p $(@D)
$(if $(V),,@echo "  LINK     $@")
$(Q)$(cc) $(ldflags) -o $@.$$$$ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) $(third_party) -Wl,--end-group && \
	mv $@.$$$$ $@ || { rm -f $@.$$$$; exit 1; }
endef

$(out)/bin/cleat: $(out)/obj/cleat.o $(cleat_libs) $(out)/ldflags
	$(link)
$(out)/bin/cleat-runtime: $(out)/obj/cleat-runtime.o $(runtime_libs) $(out)/ldflags
	$(link)
$(out)/bin/cleat-init: $(call objects_of,init,$(out)) $(init_libs) $(out)/ldflags
	$(link)

$(out)/bin/cleat-container-init: $(out)/obj/container-init.o $(out)/ldflags
	$(link)

binaries := $(addprefix $(out)/bin/,$(programs))
all: $(filter-out %/e2fsprogs.key,$(sysroot_libs)) $(foreach m,$(modules),$(out)/lib/lib$m.a) $(binaries)

# --- unit tests and simulations: gcc, glibc, address and undefined behaviour sanitizers ------------------------------------

T ?=
unit_sources := $(wildcard tests/unit/$(or $T,*)/test_*.c)
unit_tests := $(patsubst tests/%.c,$(san)/%,$(unit_sources))
sim_tests := $(patsubst tests/%.c,$(san)/%,$(wildcard tests/sim/test_*.c))

# A unit test is short and runs once: optimizing its own file takes longer than that saves. Simulations run for seconds.
define link_test
@mkdir -p $(@D)
$(if $(V),,@echo "  TEST     $<")
$(Q)$(san_cc) $(san_cflags) $(if $(filter tests/unit/%,$<),-O0) -I. -Itests/unit -MMD -MP -MT $@ -MF $@.d.$$$$ -o $@.$$$$ $(filter %.c,$^) \
	-Wl,--start-group $(filter %.a,$^) $(san_ldflags) $(third_party) -Wl,--end-group $(test_libs) -lcmocka && \
	mv $@.d.$$$$ $@.d && mv $@.$$$$ $@ || { rm -f $@.$$$$ $@.d.$$$$; exit 1; }
endef

# $1 module, or sim for the simulations of supervise
define test_rules
$(san)/$2/%: tests/$2/%.c tests/unit/unit_test.h $(san)/flags $(call libs_of,$(call closure,$1),$(san)) | $(host_libs)
	$$(link_test)
endef
$(foreach m,$(modules_with_init),$(eval $(call test_rules,$m,unit/$m)))
$(eval $(call test_rules,supervise,sim))

.PHONY: unit sim unit-binaries
unit-binaries: $(unit_tests) $(sim_tests)
unit: $(unit_tests)
	$(Q)scripts/run-unit $(unit_tests)
sim: $(sim_tests)
	$(Q)scripts/run-unit $(sim_tests)

-include $(wildcard $(out)/obj/*.d $(out)/obj/*/*.d $(san)/obj/*/*.d $(san)/unit/*/*.d $(san)/sim/*.d)

# --- root file system, artefacts, and running it here ----------------------------------------------------------------------

rootfs_stamp := $(out)/.rootfs
$(rootfs_stamp): $(binaries) $(addprefix $(sysroot)/.built/,busybox.key ca-certificates.key) rootfs/manifest \
		$(shell find rootfs/skel -type f 2>/dev/null) scripts/make-rootfs $(out)/flags
	$(Q)scripts/make-rootfs
	@touch $@

# Of what scripts/make-lxc writes, the first and the last.
release_date := $(shell date -u -d @$(SOURCE_DATE_EPOCH) +%Y%m%d)
deb_arch := $(or $(patsubst x86_64,amd64,$(filter x86_64,$(ARCH))),$(patsubst aarch64,arm64,$(filter aarch64,$(ARCH))),$(ARCH))
lxc_files := dist/cleat-$(VERSION)-default_$(release_date)_$(deb_arch).tar.xz dist/cleat-$(VERSION)-$(ARCH).cdx.json
$(lxc_files) &: $(rootfs_stamp) scripts/make-lxc scripts/make-sbom scripts/write-sums image-recipes/sources.lock $(recipes) \
		$(wildcard image-recipes/lxc/* image-recipes/incus/* image-recipes/sbom/*)
	$(Q)scripts/make-lxc

vm_stamp := $(out)/.vm
$(vm_stamp): $(rootfs_stamp) $(sysroot)/.built/e2fsprogs.key build/sources/.fetched-vm-$(ARCH) scripts/make-vm scripts/write-sums \
		$(shell find image-recipes/vm -type f 2>/dev/null)
	$(Q)scripts/make-vm
	@touch $@

# The examples as /config of an appliance: units as they are, and images from our own recipes, without network.
examples := $(patsubst appliance/examples/%/image.recipe,%,$(wildcard appliance/examples/*/image.recipe))
image_of = $(out)/images/$(shell sed -n 's|^name .*/\([^/:]*\):.*|\1|p' appliance/examples/$1/image.recipe).tar

# $1 example, $2 its image
define example_rules
$2: appliance/examples/$1/image.recipe appliance/examples/build-image \
		$(patsubst appliance/examples/$1/%.c,$(out)/images/.bin/$1/%,$(wildcard appliance/examples/$1/*.c))
	$$(if $$(V),,@echo "  IMAGE    $$@")
	@mkdir -p $$(@D)
	$$(Q)appliance/examples/build-image $$< $(out)/images/.bin/$1 $$@ $(ARCH)
$(out)/images/.bin/$1/%: appliance/examples/$1/%.c $(out)/flags | $(compile_libs)
	@mkdir -p $$(@D)
	$$(if $$(V),,@echo "  CC       $$<")
	$$(Q)$$(cc) $$(cflags) $$(ldflags) -s -o $$@ $$<
$(out)/examples/$1/.ready: $(wildcard appliance/examples/$1/units/*) $2
	@rm -rf $$(@D)
	@mkdir -p $$(@D)/units $$(@D)/images
	@cp appliance/examples/$1/units/* $$(@D)/units/
	@cp $2 $$(@D)/images/
	@touch $$@
endef
$(foreach e,$(examples),$(eval $(call example_rules,$e,$(call image_of,$e))))

# For another machine, whose programs the tests run under qemu-user.
.PHONY: aarch64
aarch64: | build/sources/.fetched-vm-$(HOST_ARCH)
	$(Q)$(MAKE) --no-print-directory ARCH=aarch64 lxc vm

.PHONY: rootfs lxc vm run examples
examples: $(foreach e,$(examples),$(out)/examples/$e/.ready)
rootfs: $(rootfs_stamp)
lxc: $(lxc_files)
vm: $(vm_stamp)
run: $(if $(VM),$(vm_stamp),$(rootfs_stamp)) examples
	$(Q)exec env CONFIG='$(CONFIG)' DATA='$(DATA)' PORTS='$(if $(filter undefined,$(origin PORTS)),8000$(comma)25328,$(PORTS))' RUN='$(RUN)' $(if $(VM),MEMORY='$(MEMORY)' ACCEL='$(ACCEL)' DISK='$(DISK)' scripts/boot-vm,scripts/boot)

# --- fuzz targets: clang, libFuzzer, address and undefined behaviour sanitizers --------------------------------------------

fuzz_sanitize := -fsanitize=address,undefined -fno-sanitize-recover=all
fuzz_cflags := $(common_flags) -w -isystem $(host)/include -O1 -g1 -fno-omit-frame-pointer $(fuzz_sanitize)
fuzz_targets := $(patsubst tests/fuzz/%.c,$(fuzz)/%,$(wildcard tests/fuzz/fuzz_*.c))
fuzz_libs := $(call libs_of,$(modules),$(fuzz))
SECONDS_EACH := $(or $(SECONDS),20)
$(call remember,$(fuzz)/flags,$(CLANG) $(fuzz_cflags))

define fuzz_rules
$(fuzz)/obj/$1/%.o: $(call source_dir,$1)/%.c $(fuzz)/flags | $(host_libs)
	$$(if $$(V),,@echo "  CC fuzz  $$<")
	$$(call compile,$$(CLANG) $$(fuzz_cflags) -fsanitize=fuzzer-no-link)
$(fuzz)/lib/lib$1.a: $(call objects_of,$1,$(fuzz))
endef
$(foreach m,$(modules),$(eval $(call fuzz_rules,$m)))

$(fuzz)/fuzz_%: tests/fuzz/fuzz_%.c $(fuzz_libs) $(fuzz)/flags | $(host_libs)
	@mkdir -p $(@D)
	$(if $(V),,@echo "  FUZZ     $<")
	$(Q)$(CLANG) $(fuzz_cflags) -I. -Itests/unit -fsanitize=fuzzer -MMD -MP -MT $@ -MF $@.d.$$$$ -o $@.$$$$ $< \
		-Wl,--start-group $(fuzz_libs) -L$(host)/lib $(third_party) -Wl,--end-group $(test_libs) && \
		mv $@.d.$$$$ $@.d && mv $@.$$$$ $@ || { rm -f $@.$$$$ $@.d.$$$$; exit 1; }

-include $(wildcard $(fuzz)/*.d $(fuzz)/obj/*/*.d)

.PHONY: fuzz fuzz-binaries
fuzz-binaries: $(fuzz_targets)
fuzz: $(fuzz_targets)
	$(Q)scripts/run-fuzz $(SECONDS_EACH) $(notdir $(fuzz_targets))

# --- bench: the product's compiler and flags ------------------------------------------------------------------------------

bench_programs := $(patsubst tests/bench/%.c,$(out)/bench/%,$(wildcard tests/bench/*.c))
bench_libs := $(call libs_of,$(modules),$(out))

$(out)/bench/%: tests/bench/%.c $(bench_libs) $(out)/flags $(out)/ldflags | $(compile_libs)
	@mkdir -p $(@D)
	$(if $(V),,@echo "  BENCH    $<")
	$(Q)$(cc) $(cflags) -MMD -MP -MT $@ -MF $@.d $(ldflags) -o $@ $< -Wl,--start-group $(bench_libs) $(third_party) -Wl,--end-group

-include $(wildcard $(out)/bench/*.d)

.PHONY: bench
bench: $(bench_programs) $(rootfs_stamp) examples
	$(Q)tests/bench/run

# --- checks: each remembers the files it has passed -----------------------------------------------------------------------

check := build/$(HOST_ARCH)/check
c_sources := $(sort $(wildcard init/*.c engine/*.c engine/*/*.c))
c_files := $(sort $(c_sources) $(wildcard init/*.h engine/*/*.h tests/*/*.[ch] tests/*/*/*.[ch]))
scripts := $(sort $(shell grep -lE '^.!/bin/(ba)?sh' scripts/* rootfs/skel/usr/share/udhcpc/* rootfs/skel/usr/bin/* .ci/* $(wildcard tests/*/run appliance/*/* appliance/*/*/*) 2>/dev/null)) \
	$(recipes)
check_flags := $(common_flags) -isystem $(host)/include
# util/err.c defines what analysis.h turns into macros.
analysis_flags = $(check_flags) $(if $(filter engine/util/err.c,$<),,-include scripts/analysis.h)
$(call remember,$(check)/flags,$(check_flags) $(shell $(BUILD_CC) --version | head -n 1) $(shell clang-tidy --version 2>/dev/null | grep -i version))

# malloc-leak: it does not follow a pointer into the middle of a block (arena.c); LeakSanitizer does.
# fd-leak (gcc 13 and newer): takes the target of dup2 for a new descriptor, and loses those that stand in arrays.
# null-argument, null-dereference: it takes each NULL that an inline function of yyjson can return for one that comes, also
# where the type has been checked; clang's analyzer looks for the same with better judgement.
# infinite-loop (gcc 14): takes a search in a table, which the byte 0 ends, for one without end.
analyzer_flags := -O1 -fanalyzer -Werror -Wno-analyzer-malloc-leak -Wno-analyzer-fd-leak -Wno-analyzer-null-argument -Wno-analyzer-null-dereference \
	-Wno-analyzer-infinite-loop

# What both analyzers read of a file, for both. In one piece: another make may read it meanwhile.
check_depends = -MP -MT $@ -MT $(patsubst $(check)/analyzer/%,$(check)/tidy/%,$@) -MF $@.d.new

$(check)/analyzer/%.ok: %.c $(check)/flags Makefile | $(host_libs)
	@mkdir -p $(@D)
	$(if $(V),,@echo "  ANALYZE  $<")
	$(Q)$(BUILD_CC) $(analysis_flags) $(analyzer_flags) -MMD $(check_depends) -c $< -o /dev/null 2>$@.log || { \
		grep -q 'internal compiler error' $@.log && echo "  ANALYZE  $<: the analyzer crashed, not checked" && \
		$(BUILD_CC) $(analysis_flags) -MM $(check_depends) $< || { cat $@.log >&2; exit 1; }; }
	@mv $@.d.new $@.d && touch $@

# How far the path-sensitive analyzer goes in one function: a sixth of clang's own bound, in a quarter of its time. As many blocks of the code are
# reached, on fewer paths. DEEP=1: all of it.
tidy_depth := $(if $(DEEP),,-Xclang -analyzer-config -Xclang max-nodes=40000)

$(check)/tidy/%.ok: %.c $(check)/flags .clang-tidy | $(host_libs) $(check)/analyzer/%.ok
	@mkdir -p $(@D)
	$(if $(V),,@echo "  TIDY     $<")
	$(Q)clang-tidy --quiet $< -- $(analysis_flags) $(tidy_depth) 2>$@.log || { cat $@.log >&2; exit 1; }
	@touch $@

-include $(wildcard $(check)/analyzer/*/*.d $(check)/analyzer/*/*/*.d)

$(check)/cppcheck.ok: $(c_files) scripts/check-cppcheck | $(host_libs)
	$(Q)scripts/check-cppcheck $(check)/cppcheck
	@touch $@
$(check)/shell.ok: $(scripts)
	@mkdir -p $(@D)
	$(Q)shellcheck $(scripts)
	@touch $@
$(check)/format.ok: $(c_files) .clang-format scripts/check-format
	@mkdir -p $(@D)
	$(Q)scripts/check-format $(c_files)
	@touch $@
$(check)/includes.ok: $(c_files) scripts/check-includes
	@mkdir -p $(@D)
	$(Q)scripts/check-includes
	@touch $@
$(check)/banned.ok: $(c_files) scripts/check-banned
	@mkdir -p $(@D)
	$(Q)scripts/check-banned
	@touch $@

.PHONY: check check-fast check-generated format
check-fast: $(check)/includes.ok $(check)/banned.ok $(check)/format.ok $(check)/shell.ok
check: check-fast check-generated $(check)/cppcheck.ok $(patsubst %.c,$(check)/analyzer/%.ok,$(c_sources)) \
		$(patsubst %.c,$(check)/tidy/%.ok,$(c_sources))
	$(Q)scripts/report-sizes
check-generated: $(binaries)
	$(Q)scripts/check-generated
format:
	$(Q)scripts/check-format write $(c_files)

# --- everything -----------------------------------------------------------------------------------------------------------

.PHONY: test test-programs
test-programs: all rootfs lxc vm aarch64 examples unit-binaries fuzz-binaries
# Most tests wait most of the time: files of them run side by side, half as many again as there are processors.
TEST_WORKERS := $(shell echo $$(($$(nproc) * 3 / 2)))
test: check-fast test-programs
	$(Q)CLEAT_WORKERS=$(TEST_WORKERS) PYTHON=$(PYTHON) scripts/run-tests

.PHONY: soak
soak: all rootfs
	$(Q)CLEAT_BUILT=1 SOAK_SEC=$(or $(SOAK_SEC),600) SOAK_UNITS=$(or $(SOAK_UNITS),300) $(PYTHON) -m pytest -s -p no:cacheprovider tests/soak

# --- the rest -------------------------------------------------------------------------------------------------------------

.PHONY: clean distclean help
clean:
	rm -rf build/*/obj build/*/lib build/*/bin build/*/san build/*/rootfs build/*/.rootfs build/*/check build/*/fuzz \
		build/*/bench build/*/lxc build/*/images build/*/examples dist
distclean:
	rm -rf build dist

help:
	@echo 'make                 the programs, in build/$(ARCH)/bin'
	@echo 'make run             boot the appliance here (root); CONFIG=DIR DATA=DIR PORTS=8000,25328'
	@echo 'make lxc             templates for Proxmox VE, LXC, Incus and LXD, their digests and contents, in dist/'
	@echo 'make aarch64         the programs and templates for aarch64 (packages gcc-aarch64-linux-gnu; the tests want qemu-user-static)'
	@echo 'make vm              kernel, initramfs and disk images for VMs, in dist/; make run VM=1 boots one in QEMU (no root)'
	@echo 'make examples        the examples with their images, as configurations: build/$(ARCH)/examples'
	@echo 'make test            checks, build and all tests'
	@echo 'make unit [T=module] unit tests, with sanitizers'
	@echo 'make sim             simulations of the supervisor, with sanitizers'
	@echo 'make check           rules and static analysis; check-fast without the analysis; DEEP=1: five times as deep'
	@echo 'make format          clang-format over all C files'
	@echo 'make fuzz [SECONDS=n] each fuzz target for n seconds (20)'
	@echo 'make soak            ten minutes of 300 containers that exit, hang, flood, go sick; SOAK_SEC=n SOAK_UNITS=n'
	@echo 'make bench           the figures, each as bound, measured, met or missed'
	@echo 'make sysroot         third-party libraries only; host-libs: those for tests'
	@echo 'make clean           what we compiled; distclean: the libraries and sources too'
	@echo 'Settings: ARCH=aarch64 SOURCES=DIR V=1 CLANG=clang PYTHON=python3'
