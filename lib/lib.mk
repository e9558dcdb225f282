# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# libwritethrough, shared and static, and the shim that `wt run` preloads.

LIB_VERSION := $(shell cat VERSION)
LIB_SO := $(O)/lib/libwritethrough.so
LIB_A := $(O)/lib/libwritethrough.a
LIB_PRELOAD := $(O)/lib/libwt-preload.so
LIB_OBJ := $(patsubst lib/src/%.c,$(O)/obj/lib/%.o,$(addprefix lib/src/,prep.c probe.c pwritev.c wait.c))
PRELOAD_OBJ := $(patsubst lib/src/%.c,$(O)/obj/lib/%.o,$(addprefix lib/src/,preload.c glob.c prep.c probe.c wait.c))
LIB_CFLAGS := -std=gnu11 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -fPIC -Ilib/include

USER_TARGETS += $(LIB_SO) $(LIB_A) $(LIB_PRELOAD) \
	$(patsubst lib/%.c,$(O)/lib/%,$(wildcard lib/examples/*.c))

$(O)/obj/lib/%.o: lib/src/%.c $(wildcard lib/src/*.h lib/include/*.h) lib/lib.mk
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LIB_CFLAGS) -c -o $@ $<

# It defines both the 32-bit and the 64-bit name of each call.
$(O)/obj/lib/preload.o: LIB_CFLAGS := $(filter-out -D_FILE_OFFSET_BITS=64,$(LIB_CFLAGS))

$(LIB_A): $(LIB_OBJ)
	@mkdir -p $(@D)
	rm -f $@
	$(AR) rcs $@ $(LIB_OBJ)

$(LIB_SO).$(LIB_VERSION): $(LIB_OBJ) lib/libwritethrough.map
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDFLAGS) -shared -Wl,-soname,libwritethrough.so.0 \
		-Wl,--version-script=lib/libwritethrough.map -o $@ $(LIB_OBJ)

$(LIB_SO): $(LIB_SO).$(LIB_VERSION)
	ln -sf libwritethrough.so.$(LIB_VERSION) $(LIB_SO).0
	ln -sf libwritethrough.so.0 $@

$(LIB_PRELOAD): $(PRELOAD_OBJ) lib/libwt-preload.map
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDFLAGS) -shared -Wl,-soname,libwt-preload.so -Wl,-z,now -Wl,-Bsymbolic \
		-Wl,--version-script=lib/libwt-preload.map -o $@ $(PRELOAD_OBJ) -ldl

# As the README shows it: against the shared library, by its public name.
$(O)/lib/examples/%: lib/examples/%.c $(LIB_SO) lib/include/writethrough.h
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -Ilib/include -o $@ $< -L$(O)/lib -lwritethrough \
		$(if $(findstring -uring,$*),-luring) -Wl,-rpath,'$$ORIGIN/..'

# Tests that compare with what programs have in place of our library, or run it
# as they do.  The library itself needs neither.
$(O)/tests/lib/prepared-requests $(O)/tests/lib/shim-io-submit: \
	TEST_CFLAGS += -Wl,--no-as-needed -laio -luring

PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
MANDIR ?= $(PREFIX)/share/man

.PHONY: install-lib
install-lib: $(LIB_SO) $(LIB_A) $(LIB_PRELOAD)
	install -d $(DESTDIR)$(LIBDIR)/pkgconfig $(DESTDIR)$(INCLUDEDIR) \
		$(DESTDIR)$(MANDIR)/man3 $(DESTDIR)$(MANDIR)/man7
	install -m 755 $(LIB_SO).$(LIB_VERSION) $(LIB_PRELOAD) $(DESTDIR)$(LIBDIR)
	ln -sf libwritethrough.so.$(LIB_VERSION) $(DESTDIR)$(LIBDIR)/libwritethrough.so.0
	ln -sf libwritethrough.so.0 $(DESTDIR)$(LIBDIR)/libwritethrough.so
	install -m 644 $(LIB_A) $(DESTDIR)$(LIBDIR)
	install -m 644 lib/include/writethrough.h $(DESTDIR)$(INCLUDEDIR)
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(LIBDIR)|' \
		-e 's|@INCLUDEDIR@|$(INCLUDEDIR)|' -e 's|@VERSION@|$(LIB_VERSION)|' \
		lib/libwritethrough.pc.in >$(DESTDIR)$(LIBDIR)/pkgconfig/libwritethrough.pc
	install -m 644 man/libwritethrough.3 man/wt_*.3 $(DESTDIR)$(MANDIR)/man3
	install -m 644 man/writethrough.7 $(DESTDIR)$(MANDIR)/man7
