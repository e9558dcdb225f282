# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# What the tests of crash states share: see doc/testing.md, "Crash states".
#
# WT_CRASH_STATES is about how many states a test judges, WT_CRASH_SEED which, and what the
# workloads do.
. "$(dirname "${BASH_SOURCE[0]}")/../common/lib.sh"

DEV=/dev/nbd0
FSTYP=xfs
states=${WT_CRASH_STATES:-$((WT_LAB_DEBUG ? 12 : 64))}
seed=${WT_CRASH_SEED:-1}
disk_bytes=$((64 << 20))

# crash_record NAME fua|nofua|nocache[,BLOCK[,MODE]] MKFS-ARGS ACTS WORKLOAD...: records
# in $recording what the disk is asked for by a workload of common/crash-load.c
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
	fs_umount_mounted
	exec {in}>&- {out}<&-
	wait "$pid" || fail "the disk"
}

# crash_check STATES [OPTION...]: of the recording; what it says is in $checked
crash_check()
{
	local n=$1
	shift
	checked=$("$bin/crash-check" -n "$n" -s "$seed" "$@" "$recording" $DEV "$TEST_DIR")
}

# crash_states PERCENT NAME ...: records, and judges that part of the states
crash_states()
{
	local percent=$1 name=$2 kept
	shift
	crash_record "$@"
	if crash_check $((states * percent / 100)); then
		echo "$name: $checked"
		sed -nE 's/^([0-9]+) states, ([0-9]+) lossy.*/count: crash states \1\ncount: crash states with losses \2/p' \
			<<<"$checked"
		rm "$recording"
		return
	fi
	kept=crash/$name.$seed
	mkdir -p "$WT_OUT/crash"
	cp "$recording" "$WT_OUT/$kept"
	echo "$checked"
	sed -n "s|^BAD \(-p [0-9]* -c [0-9]*\).*|again: tests/crash-states --again out/$kept \1|p" <<<"$checked"
	fail "$*"
}

# crash_finds LIE...: the checker is no use if it believes them
crash_finds()
{
	local lie
	for lie; do
		if crash_check 50 -l "$lie"; then
			fail "$recording: the lie '$lie' is not found: $checked"
		fi
		grep -q '^BAD' <<<"$checked" || fail "$recording: no state was judged: $checked"
		echo "found: $lie: $(grep -m 1 '^BAD' <<<"$checked")"
	done
}
