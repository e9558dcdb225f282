# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# What the jobs share.  They run as root in a guest of the lab, with an XFS at
# $TEST_DIR.
set -euo pipefail
export LC_ALL=C

wt=/out/user/bin/wt
tmp=$(mktemp -d)
dev=$(basename "$(findmnt -no SOURCE "$TEST_DIR")")
sys=/sys/fs/xfs/$dev/writethrough

die()
{
	echo "demo: $*" >&2
	exit 1
}

[[ -d $sys ]] || die "this kernel has no write-through: $sys is missing"

# The mode of the boot is what is shown; `off` is the stock path beside it.
mode=$(sed 's/.*\[\(.*\)\].*/\1/' "$sys/mode")

# through ARGS...: `wt run` for the files of the test filesystem.  What it counted and what the
# program said on its standard error goes to $tmp/stats.
through()
{
	echo "$mode" >"$sys/mode"
	"$wt" run --match "$TEST_DIR/*" --require --stats --json "$@" 2>"$tmp/stats"
}

# The block layer's counters: reads, writes, KiB written, flushes
dev_stat()
{
	local field
	read -ra field <"/sys/class/block/$dev/stat"
	echo "${field[0]} ${field[4]} $((field[6] / 2)) ${field[15]}"
}

# stat_since BEFORE: what they grew by, as JSON
stat_since()
{
	local before now
	read -ra before <<<"$1"
	read -ra now <<<"$(dev_stat)"
	printf '{"reads":%d,"writes":%d,"kib":%d,"flushes":%d}' \
		$((now[0] - before[0])) $((now[1] - before[1])) \
		$((now[2] - before[2])) $((now[3] - before[3]))
}

# The filesystem's counters, as JSON
counters()
{
	local c all=
	for c in calls bytes bios fua flushes fallbacks errors; do
		all+=",\"$c\":$(<"$sys/$c")"
	done
	echo "{${all:1}}"
}

reset_counters()
{
	echo 1 >"$sys/reset_stats"
}
