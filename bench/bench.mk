# SPDX-License-Identifier: GPL-2.0-only
# The demonstration and the bench are scripts over fio, jq, sqlite3 and gnuplot, and a
# program of the tests.

ifneq ($(filter-out quick full,$(BENCH)),)
$(error BENCH=$(BENCH): quick and full are allowed)
endif

USER_TARGETS += $(O)/bench/steps

$(O)/bench/steps: bench/steps.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(SANITIZE_CFLAGS) -o $@ $<
