# SPDX-License-Identifier: GPL-2.0-only
# Nothing here is built: the demonstration and the bench are scripts over fio, jq, sqlite3
# and gnuplot.

ifneq ($(filter-out quick full,$(BENCH)),)
$(error BENCH=$(BENCH): quick and full are allowed)
endif
