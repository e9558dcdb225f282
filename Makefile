# SPDX-License-Identifier: GPL-2.0-only
# Everything is built below out/.  `make` alone says what there is.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c

O ?= out/user
ifeq ($(origin CC),default)
CC := gcc
endif
CFLAGS ?= -O2 -g -Wall -Wextra
PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
MANDIR ?= $(PREFIX)/share/man

# For builds of their own, such as `make O=out/asan SANITIZE=address,undefined build`.
ifneq ($(SANITIZE),)
SANITIZE_CFLAGS := -fsanitize=$(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer
override CFLAGS += $(SANITIZE_CFLAGS)
endif

# Debian packages: to build the kernel and our programs, to run guests and what the
# tests and the demonstration run in them, to draw, to check the sources.
PACKAGES := gcc ccache make git rsync perl xz-utils flex bison bc kmod cpio libc6-dev \
	libelf-dev libssl-dev \
	libjansson-dev libaio-dev liburing-dev pkg-config \
	qemu-system-x86 util-linux procps xfsprogs e2fsprogs dmsetup quota acl attr libcap2-bin fio jq sqlite3 \
	gnuplot-nox \
	clang clang-format libclang-rt-dev shellcheck sparse spin stress-ng valgrind
ifeq ($(KERNEL_SRC)$(KERNEL_VERSION),)
PACKAGES += linux-source-6.12
endif

# The kernel's make is run from here: our variables and options are not for it.
unexport MAKEFLAGS

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

## Targets:

help: ## this text
	@echo "writethrough $$(cat VERSION): buffered write-through I/O for Linux 6.12"
	@awk -F ' *## *' '/^## /{ print "\n" $$2; next } \
		/^[a-z-]+:.*##/{ sub(/:.*/, "", $$1); printf "  %-14s %s\n", $$1, $$2 } \
		/^# VAR /{ sub(/^# VAR /, ""); print "  " $$0 }' $(firstword $(MAKEFILE_LIST))

USER_TARGETS :=
include lib/lib.mk
include cli/cli.mk
include tests/tests.mk
include bench/bench.mk

deps: ## install the Debian packages that are missing (root or sudo)
	@free=$$(df --output=avail -BG . | tail -n 1 | tr -dc 0-9); \
	if [[ ! -e out/src/stamp && $$free -lt 6 ]]; then \
		echo "make deps: $$PWD: $$free GiB are free, 6 GiB are needed" >&2; \
		exit 1; \
	fi; \
	missing=$$(comm -23 <(printf '%s\n' $(PACKAGES) | sort) \
		<(dpkg-query -W -f='$${db:Status-Status} $${Package}\n' | \
			sed -n 's/^installed //p' | sort) | xargs); \
	[[ $$missing ]] || exit 0; \
	echo "installing $$missing"; \
	run="env DEBIAN_FRONTEND=noninteractive"; \
	if ((UID)); then \
		command -v sudo >/dev/null || { \
			echo "make deps: not root, and sudo is missing" >&2; exit 1; }; \
		run="sudo $$run"; \
	fi; \
	$$run apt-get update -qq || true; \
	$$run apt-get install -y -qq -o Dpkg::Use-Pty=0 --no-install-recommends $$missing \
		>/dev/null

build: $(USER_TARGETS) ## library, tool and test programs, in out/user

kernel: deps ## the patched kernel of the lab
	@lab/build-kernel patched

# The kernels come first: their progress is seen here, not in a guest's console.
kernels: deps
	@lab/build-kernel patched
	@lab/build-kernel stock

test: kernels ## all tests, in guests of the lab; TESTS= for some
	@$(MAKE) --no-print-directory -s -j$$(nproc) build
	@lab/build-kernel --lab qemu patched
	@case "$(TESTS)" in \
	*--quick*) ;; \
	*) lab/build-kernel --debug patched ;; \
	esac; \
	tests/check $(TESTS)

# Not `kernels`: these tests are all on the patched one.
coverage: deps ## which lines of ours in the kernel the tests run; what does not is explained
	@lab/build-kernel --coverage patched
	@$(MAKE) --no-print-directory -s -j$$(nproc) build
	@rm -rf out/coverage
	@tests/check --coverage $(TESTS)
	@tests/coverage

# What a soak needs is built before its time runs.
soak: kernels ## searches for SOAK=2h with new seeds; out/soak/report.html
	@for k in --debug --coverage '--lab qemu' '--lab qemu --debug' '--lab qemu --kcsan'; do \
		lab/build-kernel $$k patched; \
	done
	@$(MAKE) --no-print-directory -s -j$$(nproc) build
	@tests/soak $(SOAK)

demo: kernel ## write-through beside the stock paths, and SQLite over a power cut
	@$(MAKE) --no-print-directory -s -j$$(nproc) build
	@bench/demo

bench: kernels ## all paths measured, and the targets; BENCH=full for all cases
	@lab/build-kernel --lab qemu patched
	@$(MAKE) --no-print-directory -s -j$$(nproc) build
	@bench/run $(if $(filter full,$(BENCH)),--full) $(ARGS)

bench-compare: ## what got faster or slower from A=results.json to B=results.json
	@bench/compare "$(A)" "$(B)"

shell: kernels ## an interactive guest; ARGS= for lab/run
	@$(MAKE) --no-print-directory -s -j$$(nproc) build
	@lab/run $(ARGS) -- bash -i

stat: ## how much existing kernel code we patch, and how much we add
	@git apply --numstat kernel/patches/*.patch | \
		awk '{ files[$$3]; added += $$1; removed += $$2 } \
		END { printf "existing files  %d, %d lines added, %d removed\n", \
			length(files), added, removed }'
	@find kernel/files -type f -exec cat {} + | \
		awk 'END { printf "new files       %d lines\n", NR }'

## Checks:

lint: lint-shell lint-format lint-build lint-series ## all of these

lint-series: deps ## checkpatch --strict on each patch
	kernel/scripts/check-series --quick

SCRIPTS = $(shell git ls-files -co --exclude-standard | \
	xargs -d '\n' grep -lsE -m 1 '^(\#!/bin/(ba)?sh|\# shellcheck shell=)')
lint-shell: deps ## shellcheck
	@shellcheck -x $(SCRIPTS)
	@echo "shellcheck: $(words $(SCRIPTS)) scripts"

SOURCES = $(shell git ls-files -co --exclude-standard 'lib/*.[ch]' 'cli/*.[ch]' \
	'tests/*.[ch]' 'lab/*.[ch]' 'bench/*.[ch]')
lint-format: deps ## clang-format on our programs
	@clang-format --dry-run -Werror $(SOURCES)
	@echo "clang-format: $(words $(SOURCES)) files"

lint-build: deps ## -Werror builds with gcc and clang
	@$(MAKE) --no-print-directory -s -j$$(nproc) O=out/lint-gcc CC=gcc CFLAGS='$(CFLAGS) -Werror' build
	@$(MAKE) --no-print-directory -s -j$$(nproc) O=out/lint-clang CC=clang CFLAGS='$(CFLAGS) -Werror' build
	@echo "-Werror: gcc and clang"

sanitize: kernels ## our programs with the compiler's sanitizers, and under valgrind
	@tests/sanitize

fuzz: deps ## calls under the shim, and parsers, by libFuzzer; FUZZ= for how long each
	@$(MAKE) --no-print-directory -s -j$$(nproc) $(FUZZ_BIN)
	@for target in $(notdir $(FUZZ_BIN)); do \
		tests/common/fuzz --time $(or $(FUZZ),1m) $$target out/fuzz/corpus; \
	done

series-check: deps ## each patch alone: checkpatch, build without warnings, sparse
	kernel/scripts/check-series

## Installing and cleaning:

install: install-lib install-cli ## to PREFIX, below DESTDIR

uninstall: ## what install put there
	rm -f $(addprefix $(DESTDIR)$(LIBDIR)/, libwritethrough.so \
		libwritethrough.so.0 libwritethrough.so.$(LIB_VERSION) \
		libwritethrough.a libwt-preload.so pkgconfig/libwritethrough.pc) \
		$(DESTDIR)$(INCLUDEDIR)/writethrough.h $(DESTDIR)$(PREFIX)/bin/wt \
		$(DESTDIR)$(MANDIR)/man1/wt.1 \
		$(addprefix $(DESTDIR)$(MANDIR)/man3/, libwritethrough.3 $(notdir $(wildcard man/wt_*.3))) \
		$(DESTDIR)$(MANDIR)/man7/writethrough.7

clean: ## our programs and results; the kernels stay
	rm -rf $(O) out/lint-gcc out/lint-clang out/asan out/ubsan out/fuzz out/test out/test.asan \
		out/test.ubsan out/demo out/bench

distclean: ## all of out/
	rm -rf out

## Variables:
# VAR KERNEL_VERSION=  version of the package linux-source-6.12 (default: the newest)
# VAR KERNEL_SRC=      kernel source instead, a directory or a tarball
# VAR PREFIX= DESTDIR= where to install (default: /usr/local)
# VAR BENCH=           quick, of about 10 minutes, or full; ARGS= for bench/run
# VAR A= B=            files for bench-compare
# VAR SOAK=            how long to search, such as 90m or 2h (default: 2h)
# VAR TESTS=           options and tests for tests/check, such as xfs/freeze
# VAR FUZZ=            how long to fuzz each target: 90s, 10m, 8h (default: 1m)
# VAR CC= CFLAGS=      for our programs
# VAR SANITIZE=        sanitizers for a build of its own, with O=

.PHONY: help deps build kernel kernels test coverage soak demo bench bench-compare shell stat \
	lint lint-series lint-shell lint-format lint-build sanitize fuzz series-check \
	install uninstall clean distclean
