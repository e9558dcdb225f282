# SPDX-License-Identifier: GPL-2.0-only
# Nothing here is built: the demonstration is scripts over fio, jq and sqlite3.
