# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# What the tests in shell share.
#
# Nothing here asserts a time.  Where a test needs an I/O to be in flight, it
# puts a device-mapper target over the disk and suspends it: `hold`, `release`.
set -euo pipefail

FSTYP=${FSTYP:-xfs}
TEST_DIR=${TEST_DIR:-/mnt/test}
bin=$WT_PROGRAMS/tests/common
DEV=${TEST_DEV:-}
export DM_DISABLE_UDEV=1

fail()
{
	echo "FAIL: $*"
	exit 1
}

skip()
{
	echo "$*"
	exit 77
}

# want GOT EXPECTED WHAT
want()
{
	[[ $1 == "$2" ]] || fail "$3: got '${1//$'\n'/ }', expected '${2//$'\n'/ }'"
}

# io: see common/io.c
io()
{
	"$bin/io" "$@"
}

# want_io EXPECTED ARGS...: the lines of io, joined by blanks
want_io()
{
	local expected=$1 got
	shift
	got=$("$bin/io" "$@" | tr '\n' ' ') || true
	want "${got% }" "$expected" "io $*"
}

# ring_start NAME ENGINE FILE [IO-OPTION...]: an io that takes commands from `ring NAME`.
# Whatever waits in it does not make the test wait: that is a failure after a while.
declare -A ring_in=() ring_out=() ring_pid=()
ring_start()
{
	local in out
	mkfifo "$WT_TMP/ring.$1.in" "$WT_TMP/ring.$1.out"
	"$bin/io" -e "$2" "${@:4}" "$3" - \
		<"$WT_TMP/ring.$1.in" >"$WT_TMP/ring.$1.out" &
	ring_pid[$1]=$!
	exec {in}>"$WT_TMP/ring.$1.in" {out}<"$WT_TMP/ring.$1.out"
	rm "$WT_TMP/ring.$1.in" "$WT_TMP/ring.$1.out"
	ring_in[$1]=$in ring_out[$1]=$out
}

# ring NAME COMMAND...: its line becomes $reply
ring()
{
	local name=$1
	shift
	echo "$*" >&"${ring_in[$name]}"
	read -rt 20 -u "${ring_out[$name]}" reply ||
		fail "ring $name gives no answer to: $*"
}

# want_ring EXPECTED NAME COMMAND...
want_ring()
{
	local expected=$1
	shift
	ring "$@"
	want "$reply" "$expected" "ring $*"
}

ring_stop()
{
	local in=${ring_in[$1]} out=${ring_out[$1]}
	# Not by the end of its input: other children may have that open.
	echo quit >&"$in"
	exec {in}>&- {out}<&-
	wait "${ring_pid[$1]}"
}

# until_true SECONDS COMMAND...: a wait for an event, not a measurement
until_true()
{
	local i n=$(($1 * 20))
	shift
	for ((i = 0; i < n; i++)); do
		"$@" && return 0
		sleep 0.05
	done
	return 1
}

# on_exit COMMAND: run when the test ends, however it does, the last first
exit_commands=()
on_exit()
{
	exit_commands=("$*" "${exit_commands[@]}")
}

at_exit()
{
	local rc=$? c
	trap - EXIT
	set +e
	cd /
	dm_healthy
	# shellcheck disable=SC2046 # a list
	kill $(jobs -p) 2>/dev/null
	wait
	for c in "${exit_commands[@]}"; do
		eval "$c" || rc=1
	done
	exit "$rc"
}
trap at_exit EXIT

# --- Filesystem --------------------------------------------------------------

fs_mount()
{
	mkdir -p "$TEST_DIR"
	mount -t "$FSTYP" ${1:+-o "$1"} "$DEV" "$TEST_DIR"
}

# An io_uring gives its files back a moment after its process has ended.
fs_umount_mounted()
{
	until_true 10 umount "$TEST_DIR" 2>/dev/null || umount "$TEST_DIR"
}

# Not by mountpoint(1): a filesystem that is shut down looks like none to it.
fs_umount()
{
	! grep -q "^[^ ]* $TEST_DIR " /proc/self/mounts || fs_umount_mounted
}

# fs_make MKFS-ARGS...: a fresh XFS on $DEV, mounted
fs_make()
{
	local more=${WT_MKFS:-}
	[[ " $* " != *" crc=0"* ]] || more=
	fs_umount
	# shellcheck disable=SC2086 # words
	mkfs.xfs -q -f "$@" $more "$DEV"
	fs_mount
}

remount()
{
	fs_umount_mounted
	fs_mount
}

drop_caches()
{
	sync
	echo 3 >/proc/sys/vm/drop_caches
}

# shutdown_fs [-f]: as a crash; -f pushes the log first
shutdown_fs()
{
	xfs_io -x -c "shutdown ${1:-}" "$TEST_DIR"
}

# The kernel's name of a block device: dm-0 for /dev/mapper/x
dev_name()
{
	local n
	n=$(stat -Lc '%Hr:%Lr' "${1:-$DEV}")
	basename "$(readlink -f "/sys/dev/block/$n")"
}

# keep_dirty: what is dirty on $DEV stays so until someone has it written.  Without the
# timer the flusher comes at once, and writes if the disk has more dirty pages than its
# share of the threshold: of a disk that has written next to nothing in the last seconds,
# none at all.
keep_dirty()
{
	local share timer=/proc/sys/vm/dirty_writeback_centisecs
	share=/sys/class/block/$(dev_name)/bdi/min_ratio
	on_exit "echo $(<"$timer") >$timer"
	# That of a device of the test goes with it.
	[[ $DEV != "$TEST_DEV" ]] || on_exit "echo $(<"$share") >$share"
	echo 50 >"$share"
	echo 0 >$timer
}

# --- Counters of the filesystem ----------------------------------------------

sys_dir()
{
	echo "/sys/fs/xfs/$(dev_name)/writethrough"
}

counter()
{
	cat "$(sys_dir)/$1"
}

reset_counters()
{
	echo 1 >"$(sys_dir)/reset_stats"
}

# set_mode off|on|always
set_mode()
{
	echo "$1" >"$(sys_dir)/mode"
}

# --- Device ------------------------------------------------------------------

# dev_stat reads|writes|flushes [DEV]
dev_stat()
{
	local f
	case $1 in reads) f=1 ;; writes) f=5 ;; flushes) f=16 ;; esac
	awk -v f="$f" '{ print $f }' "/sys/class/block/$(dev_name "${2:-$DEV}")/stat"
}

# kernel_dev 'MAJOR MINOR': a dev_t inside the kernel
kernel_dev()
{
	echo $((${1% *} << 20 | ${1#* }))
}

# trace_instance NAME: where a new buffer for events is.  Without the names of tasks: for
# them the code of each wake-up is changed, on which QEMU's emulation of two processors can
# die (see slow.h).
trace_instance()
{
	mountpoint -q "$tracefs" || mount -t tracefs tracefs "$tracefs"
	mkdir -p "$tracefs/instances/$1"
	echo norecord-cmd >"$tracefs/instances/$1/trace_options"
	echo "$tracefs/instances/$1"
}

# trace_start [DEV]; trace_stop: every bio sent to the device by then, a line
# each: RWBS SECTOR SECTORS.  Splits by the device are not seen, so one line is
# one bio of the filesystem.
tracefs=/sys/kernel/tracing
trace_start()
{
	local t
	t=$(trace_instance wt)
	echo "dev == $(kernel_dev "$(stat -Lc '%Hr %Lr' "${1:-$DEV}")")" \
		>"$t/events/block/block_bio_queue/filter"
	echo 16384 >"$t/buffer_size_kb"
	echo >"$t/trace"
	echo 1 >"$t/events/block/block_bio_queue/enable"
}

trace_stop()
{
	local t=$tracefs/instances/wt
	echo 0 >"$t/events/block/block_bio_queue/enable"
	sed -n 's/.*block_bio_queue: [0-9]*,[0-9]* \([A-Z]*\) \([0-9]*\) + \([0-9]*\) .*/\1 \2 \3/p' \
		"$t/trace"
	rmdir "$t"
}

# order_start [DEV]; order_stop NR:SECTOR...: on that device, that the result of each
# request NR, which wrote from SECTOR, was reaped (by io -m $order_marks) when a flush had
# ended that began after the data was written.  Prints how many flushes there were.
# shellcheck disable=SC2034 # for tests
order_marks=$tracefs/instances/wt-order/trace_marker
order_start()
{
	local t e
	t=$(trace_instance wt-order)
	echo 16384 >"$t/buffer_size_kb"
	for e in issue complete; do
		echo "dev == $(kernel_dev "$(stat -Lc '%Hr %Lr' "${1:-$DEV}")")" \
			>"$t/events/block/block_rq_$e/filter"
		echo 1 >"$t/events/block/block_rq_$e/enable"
	done
}

order_stop()
{
	local t=$tracefs/instances/wt-order
	sed -n 's/.* block_rq_\(issue\|complete\): [0-9,]* \([A-Z]*\) [0-9]* *() \([0-9]*\) + \([0-9]*\) .*/\1 \2 \3 \4/p
		s/.*tracing_mark_write: \(.*\)/reaped \1/p' "$t/trace" >"$WT_TMP/order"
	rmdir "$t"
	awk -v requests="$*" '
	BEGIN {
		n = split(requests, r, /[: ]/)
		for (i = 1; i < n; i += 2)
			from[r[i]] = r[i + 1]
	}
	$2 == "FF" && $1 == "issue" { begun = NR; flushes++ }
	$2 == "FF" && $1 == "complete" { covered = begun }
	$1 == "complete" && $2 ~ /^W/ {
		for (s = $3; s < $3 + $4; s++)
			written[s] = NR
	}
	$1 == "reaped" && $2 in from {
		if (!(from[$2] in written))
			why = "before its data was written"
		else if (covered < written[from[$2]])
			why = "before a flush of its data"
		if (why) {
			why = "request " $2 " was complete " why
			exit
		}
		delete from[$2]
	}
	END {
		for (i in from)
			if (!why)
				why = "request " i " was not seen"
		print why ? why : flushes + 0
	}' "$WT_TMP/order"
}

# large_folios_start; large_folios_stop: how many of the filesystem have come into the
# page cache meanwhile
large_folios_start()
{
	local t
	t=$(trace_instance wt-folios)
	echo "order > 0 && s_dev == $(kernel_dev "$(stat -c '%Hd %Ld' "$TEST_DIR")")" \
		>"$t/events/filemap/mm_filemap_add_to_page_cache/filter"
	echo 1 >"$t/events/filemap/mm_filemap_add_to_page_cache/enable"
}

large_folios_stop()
{
	local t=$tracefs/instances/wt-folios
	echo 0 >"$t/events/filemap/mm_filemap_add_to_page_cache/enable"
	grep -c mm_filemap_add_to_page_cache: "$t/trace" || true
	rmdir "$t"
}

# bios FILE POS LEN: of a trace on stdin, the writes to that part of the file,
# which must be one extent.
bios_to()
{
	local phys
	phys=$(io -o rdonly "$1" phys "$2")
	awk -v s="$((${phys#shared } / 512))" -v n="$(($3 / 512))" \
		'$1 ~ /W/ && $2 < s + n && $2 + $3 > s'
}

# --- Holding I/O back --------------------------------------------------------

# dm_make [TABLE]: a device-mapper device over $TEST_DEV becomes $DEV.  The table
# has lines for dmsetup; @ in it is the disk.  Default: all of it, linear.
dm_make()
{
	dm_size=$(blockdev --getsz "$TEST_DEV")
	fs_umount
	dmsetup create wt-test --table "$(dm_table "${1:-0 $dm_size linear @ 0}")"
	dmsetup mknodes wt-test
	DEV=/dev/mapper/wt-test
	on_exit dm_remove
}

dm_remove()
{
	[[ $DEV == /dev/mapper/wt-test ]] || return 0
	dm_healthy
	fs_umount
	dmsetup remove wt-test
	DEV=$TEST_DEV
}

dm_table()
{
	echo "${1//@/$TEST_DEV}"
}

# Nothing is held back and nothing fails any more.
dm_healthy()
{
	[[ $DEV != /dev/mapper/wt-test ]] || dm_swap "0 $dm_size linear @ 0"
}

# dm_swap TABLE: I/O in flight is waited for, the filesystem not asked
dm_swap()
{
	# Resumed first, if held: a suspension of that kind would not wait.
	dmsetup resume wt-test
	dmsetup suspend --nolockfs wt-test
	dmsetup load wt-test --table "$(dm_table "$1")"
	dmsetup resume wt-test
}

# dm_around START SECTORS TARGET: a target in place of those sectors
dm_around()
{
	local end=$(($1 + $2))
	dm_swap "0 $1 linear @ 0
$1 $2 $3
$end $((dm_size - end)) linear @ $end"
}

# dm_fails FILE POS LEN: the device refuses those bytes of the file
dm_fails()
{
	dm_around $(($(phys "$1" "$2") / 512)) $(($3 / 512)) error
}

# dm_keeps FILE POS LEN: writes of those bytes are kept for longer than any test,
# or until dm_healthy; reads and flushes pass
dm_keeps()
{
	local s=$(($(phys "$1" "$2") / 512))
	dm_around "$s" $(($3 / 512)) "delay @ $s 0 @ $s 1000000 @ $s 0"
}

# kept [FIELD]: how many writes a delaying target has; FIELD 4: reads
kept()
{
	dmsetup status --noflush wt-test |
		awk -v f="${1:-5}" '$3 == "delay" { n += $f } END { print n + 0 }'
}

# until_kept N WHAT: until it has so many
until_kept()
{
	local i
	for ((i = 0; i < 400; i++)); do
		[[ $(kept) != "$1" ]] || return 0
		sleep 0.05
	done
	fail "$2: the device has $(kept) writes, expected $1"
}

# All I/O is kept, until release.
hold()
{
	dmsetup suspend --nolockfs --noflush wt-test
}

release()
{
	dmsetup resume wt-test
}

# wait_state VARIABLE PID: how the process is, and how often it has waited
wait_state()
{
	local line
	local -n _state=$1
	_state=
	{
		while read -r line; do
			case $line in
			State:* | voluntary_ctxt_switches:*) _state+=${line#*:} ;;
			esac
		done <"/proc/$2/status"
	} 2>/dev/null
	[[ $_state ]]
}

# in_kernel PID: it waits in the kernel, for I/O or for somebody who does, but not for its
# own program to be read: that has another filesystem, which waits, too, where it is 9p.
in_kernel()
{
	local before after stack
	while wait_state before "$1" && [[ $before == [[:space:]]D* ]]; do
		[[ -e /proc/$1/stack ]] || return 0
		{ read -r -d '' stack <"/proc/$1/stack"; } 2>/dev/null || :
		wait_state after "$1" || break
		# Else it ran meanwhile, and the stack may be of another wait.
		if [[ $after == "$before" ]]; then
			[[ $stack != *p9_client_rpc* ]]
			return
		fi
	done
	return 1
}

# wait_in_kernel PID: until the process waits inside the kernel
wait_in_kernel()
{
	local i state
	for ((i = 0; i < 500; i++)); do
		! in_kernel "$1" || return 0
		wait_state state "$1" || break
		[[ $state != [[:space:]]Z* ]] || break
		sleep 0.02
	done
	fail "process $1 does not wait in the kernel"
}

# still_in_kernel PID WHAT: it must still be there after the others had time to
# go wrong.  A machine too slow makes this pass, never fail.
still_in_kernel()
{
	sleep 0.3
	in_kernel "$1" || fail "$2"
}

# phys FILE POS: where on the device the byte is
phys()
{
	local p
	p=$(io -o rdonly "$1" phys "$2")
	p=${p##* }
	[[ $p =~ ^[0-9]+$ ]] || fail "$1 has nothing at $2: $p"
	echo "$p"
}

# want_on_disk FILE POS LEN SEED: what the device holds there, past all caches.
# The range must be one extent.
want_on_disk()
{
	want_io same -o rdonly "$1" ondisk "$TEST_DEV" "$2" "$3" "$4"
}

# for_block_sizes FUNCTION [SIZE...]: a fresh filesystem for each
for_block_sizes()
{
	local each=$1 bs
	shift
	(($#)) || set -- 512 1024 2048 4096
	for bs; do
		echo "block size $bs"
		if ((bs == 512)); then
			fs_make -m crc=0 -b size=512
		else
			fs_make -b size="$bs"
		fi
		"$each" "$bs"
	done
}

# matrix_of BLOCKSIZE STATE...: see common/matrix.c; each write must have gone
# through, and all is compared again after a remount.
matrix_of()
{
	local bs=$1 state flags n
	shift
	for flags in wt wt,dsync; do
		mkdir -p "$TEST_DIR/$flags"
		for state; do
			reset_counters
			n=$("$bin/matrix" "$state" "$bs" "$flags" "$TEST_DIR/$flags")
			want "$(counter calls)" "$n" "calls written through, $state"
			want "$(counter fallbacks)" 0 "fallbacks, $state"
			want "$(counter errors)" 0 "errors, $state"
		done
	done
	remount
	for flags in wt wt,dsync; do
		for state; do
			"$bin/matrix" -v "$state" "$bs" - "$TEST_DIR/$flags"
		done
	done
}

# stress_ng [WRAPPER...]: what stress-ng has to write files, all at once in $TEST_DIR, each
# verifying what it wrote, until each has done its share, however long that takes, or, with
# WT_SECONDS, for so long.  Not its io-uring, which fails on any kernel of these days: it
# asks for the status of a file that it has removed.
stress_ng()
{
	local s some rc=0 args=()
	local -A ops=([hdd]=1500 [iomix]=2000 [seek]=500 [revio]=6000 [copy-file]=60
		[sync-file]=50 [fallocate]=30 [fpunch]=20 [fsize]=60 [readahead]=1500 [aiol]=2000
		[msync]=400 [rename]=400)
	for s in "${!ops[@]}"; do
		args+=("--$s" 1)
		[[ ${WT_SECONDS:-} ]] || args+=("--$s-ops" "${ops[$s]}")
		case $s in
		hdd | iomix | revio | sync-file | fallocate | readahead) args+=("--$s-bytes" 16m) ;;
		copy-file) args+=(--copy-file-bytes 128m) ;;
		seek) args+=(--seek-size 16m --seek-punch) ;;
		msync) args+=(--msync-bytes 1m) ;;
		esac
	done
	"$@" stress-ng --verify --seed 7 --timeout "${WT_SECONDS:-0}" --metrics-brief \
		--temp-path "$TEST_DIR" "${args[@]}" >"$WT_TMP/stress-ng" 2>&1 || rc=$?
	((rc == 0)) || {
		cat "$WT_TMP/stress-ng"
		fail "stress-ng: status $rc"
	}
	# In a given time one or the other may not get to its first operation.
	[[ ! ${WT_SECONDS:-} ]] || return 0
	for s in "${!ops[@]}"; do
		# Those of fpunch are done by its children, which do not count.
		some='[1-9]'
		[[ $s != fpunch ]] || some='[0-9]'
		grep -qE "^stress-ng: metrc: .* $s +$some" "$WT_TMP/stress-ng" || {
			cat "$WT_TMP/stress-ng"
			fail "stress-ng did not run $s"
		}
	done
}
