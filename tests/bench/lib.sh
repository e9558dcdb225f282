# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# What the tests of the bench share.  They run on the host, in the project's folder.
. "$(dirname "${BASH_SOURCE[0]}")/../common/lib.sh"

# status EXPECTED COMMAND...: its output is left in $WT_TMP/out and err
status()
{
	local expected=$1 rc=0
	shift
	"$@" >"$WT_TMP/out" 2>"$WT_TMP/err" || rc=$?
	[[ $rc == "$expected" ]] ||
		fail "$*: status $rc, expected $expected: $(<"$WT_TMP/out") $(<"$WT_TMP/err")"
}

# says out|err TEXT; blanks count as one
says()
{
	tr -s ' ' <"$WT_TMP/$1" | grep -qF -- "$2" || fail "'$2' expected in: $(<"$WT_TMP/$1")"
}

# want_json FILE EXPECTED FILTER: compared as jq prints it, compact
want_json()
{
	want "$(jq -c "$3" "$1")" "$2" "$3"
}

# --- Made-up results of the jobs ---------------------------------------------------------

# made_up DIR: a folder as bench/run leaves it, with no turns yet
made_up()
{
	dir=$1
	mkdir -p "$dir"
	touch "$dir"/{turns.jsonl{,.devices,.start},kernels.jsonl,instructions.jsonl,sharing.jsonl,allocations.jsonl}
	echo '{"date":"2001-02-03T04:05:06Z","commit":"abc","fio":"fio-0","host":{"cpu":"none","cpus":3,"others_percent":0},"guest":"made up","cases":"quick","only":null,"rounds":3}' \
		>"$dir/setting.json"
	echo '{"device":"fua","cache":true,"fua":true,"latency_us":80,"mib":1024,"block":512}' \
		>"$dir/turns.jsonl.devices"
	echo 1000 >"$dir/turns.jsonl.start"
}

# said_by_fio OPS MS read|write
said_by_fio()
{
	jq -nc --argjson ops "$1" --argjson ms "$2" --arg what "$3" '
		def p(f): {"50.000000": (10 * f), "99.000000": (20 * f), "99.900000": (30 * f)};
		{total_ios: 0, io_bytes: 0, runtime: 0} as $none |
		{total_ios: $ops, io_bytes: ($ops * 4096), runtime: $ms,
			lat_ns: {percentile: p($ms * 1000)}, slat_ns: {N: $ops, percentile: p($ms)}} as $some |
		{jobs: [{error: 0, read: (if $what == "read" then $some else $none end),
			write: (if $what == "write" then $some else $none end)}]}'
}

# turn PATH ROUND MS [FILTER]: 1000 durable 4 KiB writes of one caller, one device write each
turn()
{
	said_by_fio 1000 "$3" write | jq -c --arg path "$1" --argjson round "$2" '{
		name: "fua/overwrite/durable/4k/psync/1", device: "fua", pattern: "overwrite",
		dsync: true, engine: "psync", bs: 4096, depth: 1, jobs: 1, files: 1, $path, $round,
		ops: 1000, kernel: "6.12.1+", release: "6.12.1+ #1", busy_us: 51000,
		did: {reads: 0, writes: 1000, kib: 4000, flushes: 0},
		counters: ({calls: 0, bytes: 0, bios: 0, fua: 0, flushes: 0, fallbacks: 0, errors: 0} |
			if $path == "writethrough" then .calls = 1000 else . end),
		fio: .} | '"${4:-.}" >>"$dir/turns.jsonl"
}

# boot NAME ROUND true|false MS: of the patched kernel or the stock one
boot()
{
	said_by_fio 1000 "$4" "${1#*-}" | jq -c --arg name "$1" --argjson round "$2" --argjson patched "$3" '{
		$name, $round, ops: 1000, release: "6.12.1 #\($patched)", $patched, counters: null, fio: .}' \
		>>"$dir/kernels.jsonl"
}
