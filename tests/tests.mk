# SPDX-License-Identifier: GPL-2.0-only
# Programs of the tests: tests/AREA/NAME.c becomes $(O)/tests/AREA/NAME.

TEST_SRC := $(filter-out tests/meta/% tests/fuzz/%,$(wildcard tests/*/*.c))
TEST_BIN := $(TEST_SRC:tests/%.c=$(O)/tests/%)
TEST_CFLAGS := -O2 -g -Wall -Wextra -Werror -Itests/common -Ilib/include -pthread \
	$(SANITIZE_CFLAGS)

USER_TARGETS += $(TEST_BIN)

# Only the tests of the library and the tool link it: the tests of the kernel must
# not depend on it.
TEST_LIB = $(filter $(O)/tests/lib/% $(O)/tests/cli/%,$@)

$(filter $(O)/tests/lib/% $(O)/tests/cli/%,$(TEST_BIN)): $(O)/lib/libwritethrough.a

$(TEST_BIN): $(O)/tests/%: tests/%.c
	@mkdir -p $(@D)
	$(CC) $(TEST_CFLAGS) -MMD -MP -MF $@.d -o $@ $< \
		$(if $(TEST_LIB),$(O)/lib/libwritethrough.a)

# For libFuzzer.  They have what they test in them, and are not part of `build`.
FUZZ_BIN := $(patsubst tests/fuzz/%.c,out/fuzz/%,$(wildcard tests/fuzz/*.c))

$(FUZZ_BIN): out/fuzz/%: tests/fuzz/%.c
	@mkdir -p $(@D)
	clang $(TEST_CFLAGS) -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all \
		-MMD -MP -MF $@.d -o $@ $< -ljansson

-include $(TEST_BIN:=.d) $(FUZZ_BIN:=.d)

# The one program of several files.
WTX := $(O)/tests/common/wtx
USER_TARGETS += $(WTX)

$(WTX): $(wildcard tests/common/wtx/*.[ch]) tests/common/async.h tests/common/wttest.h
	@mkdir -p $(@D)
	$(CC) $(TEST_CFLAGS) -o $@ $(filter %.c,$^)
