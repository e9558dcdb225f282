# SPDX-License-Identifier: GPL-2.0-only
# wt, the tool.

CLI_BIN := $(O)/bin/wt
CLI_OBJ := $(patsubst cli/%.c,$(O)/obj/cli/%.o,$(wildcard cli/*.c))
CLI_CFLAGS := -std=gnu11 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -Ilib/include \
	-DWT_VERSION='"$(LIB_VERSION)"' -DWT_LIBDIR='"$(LIBDIR)"'

USER_TARGETS += $(CLI_BIN)

# Changes when LIBDIR does, which may be given to "make install" and not to "make build".
.PHONY: FORCE
$(O)/obj/cli/libdir: FORCE
	@mkdir -p $(@D)
	@echo '$(LIBDIR)' | cmp -s - $@ || echo '$(LIBDIR)' >$@

$(O)/obj/cli/%.o: cli/%.c $(wildcard cli/*.h lib/src/stats.h lib/include/*.h) cli/cli.mk VERSION $(O)/obj/cli/libdir
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(CLI_CFLAGS) -c -o $@ $<

# The library statically: the tool runs from where it was built.
$(CLI_BIN): $(CLI_OBJ) $(LIB_A)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(CLI_OBJ) $(LIB_A) -ljansson

.PHONY: install-cli
install-cli: $(CLI_BIN)
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(MANDIR)/man1
	install -m 755 $(CLI_BIN) $(DESTDIR)$(PREFIX)/bin
	install -m 644 man/wt.1 $(DESTDIR)$(MANDIR)/man1
