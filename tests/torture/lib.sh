# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# How the tests here run tests/common/wtx.
#
# With WT_SECONDS each run of it takes so long, and does what no run before has done.
. "$(dirname "${BASH_SOURCE[0]}")/../common/lib.sh"

# sequences NUMBER [WTX-OPTION...]: fewer on the debug kernel
sequences()
{
	local args=(-n $((WT_LAB_DEBUG ? ($1 + 4) / 5 : $1)))
	[[ ! ${WT_SECONDS:-} ]] || args=(-t "$WT_SECONDS" -s "$(date +%s)")
	"$bin/wtx" "${args[@]}" "${@:2}" "$TEST_DIR"
}

# threads HOW SECONDS [WTX-OPTION...]
threads()
{
	"$bin/wtx" "--$1" -t "${WT_SECONDS:-$2}" -s "$(date +%s)" "${@:3}" "$TEST_DIR"
}

# What went through, at least one call; what was refused, none.
went_through()
{
	((0 < $(counter calls))) || fail "no call was written through"
	want "$(counter fallbacks)" 0 "fallbacks"
}

# fs_make_rt RTDEV MKFS-ARGS...: files on a realtime device; after the test nothing must
# try to mount it without that
fs_make_rt()
{
	local rt=$1
	shift
	fs_umount
	mkfs.xfs -q -f -m reflink=0 -r rtdev="$rt" "$@" "$DEV"
	mount -t xfs -o rtdev="$rt" "$DEV" "$TEST_DIR"
	xfs_io -c 'chattr +t' "$TEST_DIR"
}

# fs_check_rt RTDEV: unmounted and sound
fs_check_rt()
{
	fs_umount
	xfs_repair -n -r "$1" "$DEV" >"$WT_TMP/repair" 2>&1 ||
		fail "xfs_repair: $(<"$WT_TMP/repair")"
	wipefs -aq "$DEV"
}
