# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# What the tests of crash states share: see doc/testing.md, "Crash states".
#
#	crash_record NAME DISK MKFS ACTS WORKLOAD...	makes $recording
#	crash_check STATES [OPTION...]			judges states of it
#	crash_states SHARE NAME DISK MKFS ACTS WORKLOAD...	both
#
# WT_CRASH_STATES is how many states a test judges, WT_CRASH_SEED which, and which random
# numbers the workloads get.
. "$(dirname "${BASH_SOURCE[0]}")/../common/lib.sh"

DEV=/dev/nbd0
FSTYP=xfs
states=${WT_CRASH_STATES:-$((WT_LAB_DEBUG ? 12 : 64))}
seed=${WT_CRASH_SEED:-1}
disk_bytes=$((64 << 20))

# crash_record NAME fua|nofua|nocache[,BLOCK[,MODE]] MKFS-ARGS ACTS WORKLOAD...
crash_record()
{
	local name=$1 disk bs mode acts=$4 mkfs=$3 in out pid
	IFS=, read -r disk bs mode <<<"$2"
	shift 4
	recording=$WT_TMP/$name
	mkfifo "$WT_TMP/in" "$WT_TMP/out"
	"$bin/crash-disk" "$recording" $DEV $disk_bytes "${bs:-512}" "$disk" "$seed" \
		<"$WT_TMP/in" >"$WT_TMP/out" &
	pid=$!
	exec {in}>"$WT_TMP/in" {out}<"$WT_TMP/out"
	rm "$WT_TMP/in" "$WT_TMP/out"
	read -rt 20 -u "$out" || fail "no disk"
	# Small, so that its log comes round: mkfs.xfs calls that unsupported.
	# shellcheck disable=SC2086 # words
	mkfs.xfs -q -f -K --unsupported -d agcount=2 -l size=8m $mkfs $DEV >"$WT_TMP/mkfs" 2>&1 ||
		fail "mkfs.xfs $mkfs: $(<"$WT_TMP/mkfs")"
	fs_umount
	fs_mount
	[[ ! ${mode:-} ]] || set_mode "$mode"
	"$bin/crash-load" "$recording" "$TEST_DIR" "$seed" "$acts" "$@" {in}>&- ||
		fail "the workload $name"
	umount "$TEST_DIR"
	exec {in}>&- {out}<&-
	wait "$pid" || fail "the disk"
}

# crash_check STATES [OPTION...]: fails if a state is bad; leaves $checked
crash_check()
{
	local n=$1 kept name
	shift
	if checked=$("$bin/crash-check" -n "$n" -s "$seed" "$@" "$recording" $DEV "$TEST_DIR"); then
		return 0
	fi
	return 1
}

# crash_states SHARE ...: SHARE is this recording's percentage of the states
crash_states()
{
	local share=$1 kept
	shift
	crash_record "$@"
	if crash_check $((states * share / 100)); then
		echo "$1: $checked"
		rm "$recording"
		return
	fi
	kept=$WT_OUT/crash/$1.$seed
	mkdir -p "$WT_OUT/crash"
	cp --sparse=always "$recording" "$kept" 2>/dev/null || true
	echo "$checked"
	sed -n "s|^BAD \(-p [0-9]* -c [0-9]*\).*|again: tests/crash-again out/crash/$1.$seed \1|p" <<<"$checked"
	fail "$1: $2 $3 $4 ${*:5}"
}
