# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# Write-through writes to different blocks of one folio.
. "$(dirname "${BASH_SOURCE[0]}")/../common/lib.sh"

# one_folio FILE SIZE: so many bytes of seed 1, clean, cached in one folio
one_folio()
{
	want_io "$2 0 $2" -o creat "$1" write 0 "$2" 1 : fsync : folio 0
}

# nowait_goes POS LEN: a request that must not wait is sent
nowait_goes()
{
	want_ring 0 r submit "$1" "$2" 2 wt,nowait
	submitted=$((submitted + 1))
	want_ring 0 r ended
}

# nowait_refused POS LEN
nowait_refused()
{
	want_ring 0 r submit "$1" "$2" 9 wt,nowait
	want_ring "$submitted -EAGAIN" r reap
	submitted=$((submitted + 1))
}

# side_by_side FOLIO BLOCK: $f has one folio of at least four blocks
side_by_side()
{
	local folio=$1 bs=$2 engine last=$(($1 - $2)) writer sent results i
	for engine in aio uring; do
		echo "folio $folio, block $bs, $engine"
		one_folio "$f" "$folio"
		# What must not wait is refused for no other reason than these.
		ring_start r "$engine" "$f" -o nocmtime
		submitted=0
		dm_keeps "$f" 0 "$folio"
		want_ring 0 r submit 0 "$bs" 2 wt
		until_kept 1 'the first write'
		want_ring 0 r submit $((2 * bs + 7)) 100 2 wt,dsync
		until_kept 2 'a write to a part of another block'
		submitted=2
		nowait_goes "$last" "$bs"
		sent=$((submitted - 1))
		until_kept 3 'a write that must not wait, to another block'
		nowait_refused $((bs - 1)) 2
		nowait_refused $((2 * bs)) 7

		# Nobody who reads waits.
		want_io 'same same same same same' -o rdonly "$f" verify 0 "$bs" 2 : \
			verify "$bs" $((bs + 7)) 1 : verify $((2 * bs + 7)) 100 2 : \
			verify $((2 * bs + 107)) $((last - 2 * bs - 107)) 1 : verify "$last" "$bs" 2

		# A block is sent by one write at a time.
		"$bin/io" "$f" write $((bs - 1)) 2 3 wt >"$WT_TMP/out" &
		writer=$!
		wait_in_kernel "$writer"
		still_in_kernel "$writer" 'a write to a block in flight does not wait'
		want "$(kept)" 3 'writes that the device has'

		dm_healthy
		wait "$writer"
		want "$(<"$WT_TMP/out")" 2 'the write that waited'
		results=
		for ((i = 0; i < 3; i++)); do
			ring r reap
			results+=$reply$'\n'
		done
		want "$(sort -n <<<"${results%?}")" "0 $bs"$'\n1 100\n'"$sent $bs" results
		ring_stop r
		want_on_disk "$f" 0 $((bs - 1)) 2
		want_on_disk "$f" $((bs - 1)) 2 3
		want_on_disk "$f" $((bs + 1)) $((bs + 6)) 1
		want_on_disk "$f" $((2 * bs + 7)) 100 2
		want_on_disk "$f" $((2 * bs + 107)) $((last - 2 * bs - 107)) 1
		want_on_disk "$f" "$last" "$bs" 2
		want_io "0 $folio" "$f" fsync : folio 0
	done
}

# one_after_another FOLIO BLOCK: the second of two ends much later than the first
one_after_another()
{
	local folio=$1 bs=$2 first second tries store
	one_folio "$f" "$folio"
	ring_start r aio "$f"
	first=$(($(phys "$f" 0) / 512))
	second=$((first + 2 * bs / 512))
	for tries in {1..20}; do
		dm_swap "0 $first linear @ 0
$first $((bs / 512)) delay @ $first 0 @ $first 500 @ $first 0
$((first + bs / 512)) $((bs / 512)) linear @ $((first + bs / 512))
$second $((bs / 512)) delay @ $second 0 @ $second 1000000 @ $second 0
$((second + bs / 512)) $((dm_size - second - bs / 512)) linear @ $((second + bs / 512))"
		want_ring 0 r submit 0 "$bs" 2 wt
		want_ring 0 r submit $((2 * bs)) "$bs" 2 wt
		ring r ended
		((reply)) || break
		# The first was over already: they were not in flight together.
		dm_healthy
		ring r reap
		ring r reap
	done
	((tries < 20)) || fail 'the writes are never in flight together'
	want_ring "$((2 * tries - 2)) $bs" r reap
	want_ring 0 r ended
	# Its block is free, though the folio is still under writeback.
	want_ring 0 r submit 0 "$bs" 3 wt
	want_ring "$((2 * tries)) $bs" r reap
	want_ring 0 r ended

	"$bin/io" "$f" map "$folio" : store $((3 * bs)) "$bs" 9 >"$WT_TMP/store" &
	store=$!
	wait_in_kernel "$store"
	still_in_kernel "$store" 'a store does not wait for the folio'
	want_ring 0 r ended
	dm_healthy
	want_ring "$((2 * tries - 1)) $bs" r reap
	wait "$store"
	ring_stop r
	want_on_disk "$f" 0 "$bs" 3
	want_on_disk "$f" "$bs" "$bs" 1
	want_on_disk "$f" $((2 * bs)) "$bs" 2
	want_on_disk "$f" $((3 * bs)) "$bs" 1
	want_io 0 "$f" fsync
	want_on_disk "$f" $((3 * bs)) "$bs" 9
}

# --- A disk with guards: scsi_debug, which checks them when it takes the request ------

# guards dix_writes|dif_errors: how many
guards()
{
	grep -oh "$1=[0-9]*" /proc/scsi/scsi_debug/* | cut -d = -f 2
}

set_delay()
{
	echo "$1" >/sys/bus/pseudo/drivers/scsi_debug/ndelay
} 2>/dev/null

# disk_takes NANOSECONDS: for each request; it can be changed only while there is none
disk_takes()
{
	until_true 20 set_delay "$1" || fail "the disk's delay cannot be set"
}

# disk_is_busy; disk_is_free: with $busy_reads reads, one at a time, and then no more.  What
# is sent meanwhile has its guards and waits.
busy_reads=12
disk_is_busy()
{
	local block
	block=/sys/block/$(dev_name)
	disk_takes 400000000
	on_exit disk_is_free
	echo none >"$block/queue/scheduler"
	echo 4 >"$block/queue/max_sectors_kb"
	echo 1 >"$block/device/queue_depth"
	dd if="$DEV" of=/dev/null bs=$((busy_reads * 4))k count=1 skip=100 iflag=direct status=none &
	reader=$!
	wait_in_kernel "$reader"
}

disk_is_free()
{
	local block
	block=/sys/block/$(dev_name)
	[[ ! $reader ]] || wait "$reader"
	reader=
	disk_takes 0
	echo 64 >"$block/device/queue_depth"
	cat "$block/queue/max_hw_sectors_kb" >"$block/queue/max_sectors_kb"
}

# guarded_store FILE FOLIO: by a mapping, while the page waits in the disk's queue
guarded_store()
{
	local f=$1 folio=$2 mapped writer checked
	[[ $(cat "/sys/block/$(dev_name)/integrity/write_generate") == 1 ]] || fail "$DEV has no guards"
	one_folio "$f" "$folio"
	[[ -p $WT_TMP/fifo ]] || mkfifo "$WT_TMP/fifo"
	"$bin/io" "$f" map "$folio" : store 0 4096 5 : wait "$WT_TMP/fifo" : store 0 4096 9 : fsync \
		>"$WT_TMP/mapped" &
	mapped=$!
	until_true 20 grep -q stored "$WT_TMP/mapped" || fail 'no store'
	checked=$(guards dix_writes)
	disk_is_busy
	"$bin/io" "$f" write 0 4096 2 wt >"$WT_TMP/out" &
	writer=$!
	wait_in_kernel "$writer"
	: >"$WT_TMP/fifo"
	wait_in_kernel "$mapped"
	still_in_kernel "$writer" 'the write is over: nothing is proved'
	disk_is_free
	wait "$writer" "$mapped"
	want "$(<"$WT_TMP/out")" 4096 'the write'
	want "$(guards dif_errors)" 0 'guards refused'
	(($(guards dix_writes) > checked)) || fail 'no guard was checked'
	want_io same "$f" verify 0 4096 9
	want_on_disk "$f" 0 4096 9
}
