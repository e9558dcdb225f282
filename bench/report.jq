# SPDX-License-Identifier: GPL-2.0-only
# From the lines of the jobs to the report, and what is wrong with it.

include "numbers";

def rank: {buffered: 0, writethrough: 1, direct: 2}[.];

# What fio said of one round, in place of all it said
def round_of:
	.fio.jobs[0] as $job | $job.write as $write |
	if $job.error != 0 or $write.total_ios != .ops then
		error("fio wrote \($write.total_ios) of \(.ops) blocks, error \($job.error)")
	else
		. + {iops: $write.iops, lat_us: {
			p50: ($write.clat_ns.percentile["50.000000"] / 1000),
			p99: ($write.clat_ns.percentile["99.000000"] / 1000)}} | del(.fio)
	end;

def cases:
	group_by([.dsync, (.path | rank)]) | map({
		path: .[0].path,
		dsync: .[0].dsync,
		iops: map(.iops) | median,
		lat_us: {p50: (map(.lat_us.p50) | median), p99: (map(.lat_us.p99) | median)},
		dev_writes_per_op: map(.device.writes / .ops) | median,
		dev_flushes_per_op: map(.device.flushes / .ops) | median,
		dev_kib_per_op: map(.device.kib / .ops) | median,
		dev_reads_per_cached_read: map(.read.reads / .ops) | median,
		iops_with_fsync: (if .[0] | .path == "buffered" and (.dsync | not)
			then map(.ops / (.ops / .iops + .fsync_us / 1e6)) | median else null end),
		spread: {iops: map(.iops) | spread, p50: map(.lat_us.p50) | spread, p99: map(.lat_us.p99) | spread},
		rounds: .}) |
	. as $all | map(
		. as $c |
		def beside(p): $c.iops / ($all[] | select(.path == p and .dsync == $c.dsync) | .iops);
		. + {iops_vs_direct: beside("direct"), iops_vs_buffered: beside("buffered")});

def loads:
	group_by([.journal != "wal", (.path | rank)]) | map(.[0] + {
		seconds: map(.seconds) | spread,
		rounds: .} | del(.round)) |
	. as $all | map(
		. as $l |
		. + {seconds_vs_buffered: (.seconds.median /
			($all[] | select(.path == "buffered" and .journal == $l.journal) | .seconds.median))});

def what: {
	"through-wal": "wt run --dsync, WAL, synchronous=FULL",
	"through-delete": "wt run --dsync, rollback journal, synchronous=EXTRA",
	"through-unsynced": "wt run --dsync, WAL, synchronous=OFF",
	"control": "without wt run, WAL, synchronous=OFF"}[.];

# Each line is a promise; what it prints says how it was broken.
def failures:
	(.cases | if length == 6 then empty else "overwrites: \(length) cases, not 6" end),
	(.cases[] | "4 KiB overwrites, \(.path), dsync=\(.dsync)" as $name |
		(.rounds[] | select(.path == "writethrough") | .counters as $c |
			select([$c.calls, $c.bytes, $c.fallbacks, $c.errors] != [.ops, .ops * 4096, 0, 0]) |
			"\($name): the kernel counted \($c.calls) calls, \($c.bytes) bytes, \($c.fallbacks) fallbacks, \($c.errors) errors for \(.ops) calls of 4096 bytes"),
		(.rounds[] | select(.path == "writethrough" and .dsync) | .counters as $c |
			select($c.fua + $c.flushes != .ops or $c.fua + .device.flushes < .ops) |
			"\($name): \($c.fua) FUA writes, \($c.flushes) flushes (\(.device.flushes) by the device) for \(.ops) durable calls"),
		(.rounds[] | select(.path != "writethrough" and .counters.calls != 0) |
			"\($name): \(.counters.calls) calls went through"),
		# The empty request of a flush is counted as a write too.
		(select(.path == "writethrough") |
			(.dev_writes_per_op - .dev_flushes_per_op | to(2) | select(. != 1) |
				"\($name): \(.) device writes with data a call, not 1.00"),
			(select(.dsync | not) | .dev_flushes_per_op | to(2) | select(. != 0) |
				"\($name): \(.) flushes a call, not 0.00"),
			(.dev_kib_per_op | to(2) | select(. != 4) | "\($name): \(.) KiB to the device a call, not 4.00"),
			(.dev_reads_per_cached_read | to(2) | select(. != 0) | "\($name): \(.) device reads a cached read, not 0.00"))),
	(.loads | if length == 4 then empty else "loads: \(length) cases, not 4" end),
	(.loads[] | "load, \(.path), journal \(.journal)" as $name | .rounds[] | .counters as $c |
		if .path == "buffered" then
			select($c.calls != 0) | "\($name): \($c.calls) calls went through"
		else
			(select([$c.calls, $c.bytes] != [.run.calls, .run.bytes] or $c.calls == 0) |
				"\($name): the kernel counted \($c.calls) calls, \($c.bytes) bytes; wt run counted \(.run.calls), \(.run.bytes)"),
			(select([$c.fallbacks, $c.errors] != [0, 0]) |
				"\($name): \($c.fallbacks) fallbacks, \($c.errors) errors")
		end),
	(.cut | if length == 4 then empty else "cut: \(length) databases, not 4" end),
	(.cut[] | if .name == "control" then
			select(.lost == 0) | "cut: even a writer without any sync lost nothing: that was no cut"
		else
			(select(.acked == 0) | "cut, \(.what): no commit was acknowledged"),
			(select(.lost != 0) | "cut, \(.what): \(.lost) of \(.acked) acknowledged commits are lost"),
			(select(.integrity != "ok") | "cut, \(.what): integrity check: \(.integrity)")
		end);

{setting: ($setting[0] + {kernel: $overwrites[0].kernel}), cases: ($overwrites | map(round_of) | cases), loads: ($loads | loads), cut: ($cut | map(.what = (.name | what)))} |
. + {failures: ([failures] | unique)}
