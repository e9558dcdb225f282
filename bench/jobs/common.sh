# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# What the jobs share.  They run as root in a guest of the lab.
set -euo pipefail
export LC_ALL=C

jobs=$(cd "$(dirname "$0")" && pwd)
tmp=$(mktemp -d)

die()
{
	echo "${me:-bench}: $*" >&2
	exit 1
}

# at DIR: what follows is about the filesystem there.  $sys exists where the kernel has
# write-through.
at()
{
	dev=$(basename "$(findmnt -no SOURCE "$1")")
	sys=/sys/fs/xfs/$dev/writethrough
}

# hold_log_worker DEVICE DIR: XFS puts new timestamps into its log in memory and a worker sends
# them out every 30 seconds.  Which case that hits would be chance, so the worker waits: it
# takes its new interval from a new mount.
hold_log_worker()
{
	echo 720000 >/proc/sys/fs/xfs/xfssyncd_centisecs
	! grep -q "^$1 " /proc/self/mounts || umount "$1"
	mkdir -p "$2"
	mount -t xfs "$1" "$2"
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
	if [[ ! -d $sys ]]; then
		echo null
		return
	fi
	for c in calls bytes bios fua flushes fallbacks errors; do
		all+=",\"$c\":$(<"$sys/$c")"
	done
	echo "{${all:1}}"
}

# The filesystem's mode, where the kernel has one
set_mode()
{
	[[ ! -d $sys ]] || echo "$1" >"$sys/mode"
}

reset_counters()
{
	[[ ! -d $sys ]] || echo 1 >"$sys/reset_stats"
}

# What case.fio takes; a job changes what is different.
export DIR NAMED=filename FORMAT=file SIZE BYTES DIRECT=0 SYNC=none RW=randwrite BS=4096 ENGINE=psync DEPTH=1 JOBS=1

# run_fio [COMMAND]...: fio with that, under the command; what it says is left in $tmp/fio as
# JSON, and in $tmp/err
run_fio()
{
	local said
	(cd "$tmp" && "$@" fio --output-format=json --output=fio --eta=never \
		"$jobs/case.fio" >err 2>&1) || return
	# It also tells where the output of its commands is.
	said=$(<"$tmp/fio")
	echo "{${said#*\{}" >"$tmp/fio"
}
