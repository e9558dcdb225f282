# SPDX-License-Identifier: GPL-2.0-only
# Programs of the tests: tests/AREA/NAME.c becomes $(O)/tests/AREA/NAME.

TEST_SRC := $(filter-out tests/meta/%,$(wildcard tests/*/*.c))
TEST_BIN := $(TEST_SRC:tests/%.c=$(O)/tests/%)
TEST_CFLAGS := -O2 -g -Wall -Wextra -Werror -Itests/common -Ilib/include -pthread

USER_TARGETS += $(TEST_BIN)

# Only the tests of the library and the tool link it: the tests of the kernel must
# not depend on it.
TEST_LIB = $(filter $(O)/tests/lib/% $(O)/tests/cli/%,$@)

$(filter $(O)/tests/lib/% $(O)/tests/cli/%,$(TEST_BIN)): $(O)/lib/libwritethrough.a

$(TEST_BIN): $(O)/tests/%: tests/%.c
	@mkdir -p $(@D)
	$(CC) $(TEST_CFLAGS) -MMD -MP -MF $@.d -o $@ $< \
		$(if $(TEST_LIB),$(O)/lib/libwritethrough.a)

-include $(TEST_BIN:=.d)
