# SPDX-License-Identifier: GPL-2.0-only
# From the lines of the jobs to results.json, with the targets.  $start: microseconds for which
# a job of one call keeps the guest busy.
include "numbers";

def rank: {buffered: 0, writethrough: 1, direct: 2}[.];
def percentiles: with_entries(.key |= "p" + (tonumber | tostring) | .value /= 1000);

# What fio said of one turn.  In a mix all calls are counted, and the times are of the writes.
def turn:
	. as $t | .fio.jobs[0] as $job | "\(.name), \(.path // .release)" as $what |
	($job.write.total_ios + $job.read.total_ios) as $did |
	([$job.write.runtime, $job.read.runtime] | max) as $ms |
	if $job.error != 0 or $did != $t.ops then
		error("\($what): fio did \($did) of \($t.ops) calls, error \($job.error)")
	elif $ms == 0 then error("\($what): \($t.ops) calls took less than a millisecond")
	else
		($job | if .write.total_ios > 0 then .write else .read end) as $d |
		del(.fio) + {
			iops: ($t.ops / $ms * 1000),
			mbps: (($job.write.io_bytes + $job.read.io_bytes) / $ms / 1000),
			writes: $job.write.total_ios,
			lat_us: ($d.lat_ns.percentile | percentiles),
			submit_us: (if $d.slat_ns.N > 0 then $d.slat_ns.percentile | percentiles else null end)}
	end;

# over(F; n): the median of it over the rounds, with n digits
def over(f; n): [.[] | f | select(. != null)] | median | to(n);
def all_counters:
	[.[].counters | select(. != null)] |
	if length == 0 then null else . as $c | reduce ($c[0] | keys[]) as $k ({}; .[$k] = ($c | map(.[$k]) | add)) end;

# From the turns of one path to a case
def case_of($start):
	(.[0] | {name, kernel, path, engine, bs, depth, jobs, files, pattern, dsync, device}) + {
		iops: over(.iops; 1),
		mbps: over(.mbps; 2),
		lat_us: {p50: over(.lat_us.p50; 1), p99: over(.lat_us.p99; 1), "p99.9": over(.lat_us["p99.9"]; 1)},
		submit_us: (if .[0].submit_us then {p50: over(.submit_us.p50; 2), p99: over(.submit_us.p99; 2)} else null end),
		dev_writes_per_op: over(.did.writes / .writes; 3),
		dev_flushes_per_op: over(.did.flushes / .writes; 3),
		dev_kib_per_op: over(.did.kib / .writes; 2),
		cpu_us_per_op: over(if .busy_us then (.busy_us - $start) / .ops else null end; 1),
		ops: .[0].ops,
		rounds: length,
		spread: (map(.iops) | spread | {min: (.min | to(1)), max: (.max | to(1))}),
		lat_spread_us: {p50: (map(.lat_us.p50) | spread), p99: (map(.lat_us.p99) | spread)},
		counters: all_counters,
		by_round: (sort_by(.round) | map({round, iops: (.iops | to(1))}))};

# times(A; B): how often the IOPS of B those of A are, compared within each round
def times($a; $b): if $a == null or $b == null then null else
	[$a.by_round[] | . as $x | $b.by_round[] | select(.round == $x.round) | $x.iops / .iops] |
	spread | map_values(to(3)) end;

def with_ratios: . as $all | map(. as $c |
	def beside(p): times($c; first($all[] | select(.name == $c.name and .path == p)) // null);
	. + {vs_buffered: beside("buffered"), vs_direct: beside("direct")});

# Patched against stock: each boot of the one with that of the other next to it.
def kernels:
	group_by(.name) | map(
		([.[] | select(.patched) | .iops] | median | to(1)) as $patched |
		([.[] | select(.patched | not) | .iops] | median | to(1)) as $stock |
		([group_by(.round)[] | (map(select(.patched) | .iops) | median) / (map(select(.patched | not) | .iops) | median)] |
			spread | map_values(to(3))) as $ratio |
		{name: .[0].name, $stock, $patched, $ratio, boots: (map(.round) | unique | length)});

# The same, counted
def instructions:
	(map(.name) | reduce .[] as $k ([]; if index([$k]) then . else . + [$k] end)) as $order |
	group_by(.name) | map(
		([.[] | select(.patched) | .instructions] | median | to(0)) as $patched |
		([.[] | select(.patched | not) | .instructions] | median | to(0)) as $stock |
		{name: .[0].name, $stock, $patched, ratio: ($stock / $patched | to(4)), calls: ([.[] | select(.patched)] | length)}) |
	sort_by(.name as $k | $order | index([$k]));

# The turns in the order of measurement
def sharing:
	(map([.turn, .job]) | reduce .[] as $k ([]; if index([$k]) then . else . + [$k] end)) as $order |
	group_by([.turn, .job]) | map({turn: .[0].turn, job: .[0].job, iops: over(.iops; 1),
		spread: (map(.iops) | spread | {min: (.min | to(1)), max: (.max | to(1))}),
		max_ms: (map(.max_ms) | max | to(1)), rounds: length,
		by_round: (sort_by(.round) | map({round, iops: (.iops | to(1))}))}) |
	sort_by([.turn, .job] as $k | $order | index([$k]));

def allocations:
	group_by([.engine != "psync", .path != "writethrough"]) | map({engine: .[0].engine, path: .[0].path,
		objects_per_op: over(.objects / .ops; 2), pages_per_op: over(.pages / .ops; 2),
		rounds: length});

# A turn that was not what its path is makes its figures worthless.
def failures:
	.[] | "\(.name), \(.path), round \(.round)" as $what | .counters as $c |
	if $c == null then empty
	elif .path == "writethrough" then
		select([$c.calls, $c.fallbacks, $c.errors] != [.writes, 0, 0]) |
			"\($what): the kernel counted \($c.calls) calls, \($c.fallbacks) fallbacks, \($c.errors) errors for \(.writes) writes"
	else
		select($c.calls != 0) | "\($what): \($c.calls) calls went through"
	end,
	(select(.pattern == "overwrite" and .path != "direct" and .did.reads != 0) |
		"\($what): \(.did.reads) device reads: the file was not in the cache");

# --- The targets -------------------------------------------------------------------

# A row: what, what of it, what is wanted, what there is.
def row($what; $of; $got; $op; $limit; $unit; $digits):
	{what: $what, of: $of, op: $op, limit: $limit, unit: $unit,
		got: (if $got | type == "object" then $got.median else $got end),
		min: (if $got | type == "object" then $got.min else null end),
		max: (if $got | type == "object" then $got.max else null end)} |
	. + {digits: $digits, met: (if .got == null then null
		elif $op == ">=" then .got >= .limit
		elif $op == "<=" then .got <= .limit
		elif $op == "<" then .got < .limit
		else .got == .limit end)};

def targets:
	.cases as $cases | .kernels as $kernels | .instructions as $instructions | .allocations as $allocations | .sharing as $sharing |
	def a($name; $path): first($cases[] | select(.name == $name and .path == $path)) // null;
	def wt($name): a($name; "writethrough");
	def direct($what; $name; $limit):
		row($what; "IOPS, x direct"; wt($name).vs_direct; ">="; $limit; "x"; 2);
	def buffered($what; $name; $limit):
		row($what; "IOPS, x stock buffered"; wt($name).vs_buffered; ">="; $limit; "x"; 2);
	def device($what; $name):
		row($what; "device writes a write"; wt($name).dev_writes_per_op; "="; 1; ""; 2),
		row($what; "flushes a write"; wt($name).dev_flushes_per_op; "="; 0; ""; 2);
	def of($turn; $job): first($sharing[] | select(.turn == $turn and .job == $job)) // null;
	def sharing($what; $job; $turn; $beside; $limit):
		row($what; "IOPS of \($job), x \($beside)"; times(of($turn; $job); of($beside; $job)); ">="; $limit; "x"; 2);
	def objects($engine; $path): first($allocations[] | select(.engine == $engine and .path == $path) | .objects_per_op) // null;

	("4 KiB overwrite, psync" as $w | "fua/overwrite/durable/4k/psync/1" as $n |
		direct($w; $n; 1), buffered($w; $n; 1.7), device($w; $n)),
	(["io_uring", 16], ["io_uring", 64], ["libaio", 16] |
		"4 KiB overwrite, \(.[0]), depth \(.[1])" as $w | "fua/overwrite/durable/4k/\(.[0])/\(.[1])" as $n |
		direct($w; $n; 1.1), buffered($w; $n; 12)),
	("4 KiB overwrite, 10 ms disk, io_uring, depth 32" as $w | "slow/overwrite/durable/4k/io_uring/32" as $n |
		direct($w; $n; 0.98), buffered($w; $n; 35),
		row($w; "submission, p99, us"; wt($n).submit_us.p99; "<"; 1000; ""; 0)),
	("4 KiB overwrite, 10 ms disk, 16 writers of one file" as $w |
		"slow/overwrite/durable/4k/psync/1/16x1" as $n |
		direct($w; $n; 1), buffered($w; $n; 10)),
	(8, 16 | direct("\(.) KiB overwrite, io_uring, depth 16"; "fua/overwrite/durable/\(.)k/io_uring/16"; 1)),
	("4 KiB append, psync" as $w | "fua/append/durable/4k/psync/1" as $n |
		direct($w; $n; 1), buffered($w; $n; 1.3)),
	("1 MiB overwrite, psync" as $w | "fua/overwrite/durable/1m/psync/1" as $n |
		buffered($w; $n; 1),
		(a($n; "direct").dev_writes_per_op as $direct |
			if $direct == null then row($w; "device writes a write"; null; "<="; 0; ""; 2)
			else row($w; "device writes a write"; wt($n).dev_writes_per_op; "<="; $direct + 1; ""; 2) end)),
	("4 KiB overwrite, no FUA, io_uring, depth 64" as $w | "nofua/overwrite/durable/4k/io_uring/64" as $n |
		direct($w; $n; 1), row($w; "flushes a write"; wt($n).dev_flushes_per_op; "<"; 0.2; ""; 2)),
	({"buffered-write": "plain buffered write", "buffered-read": "plain buffered read",
			"durable-write": "durable buffered write, mode off",
			"direct-write": "direct write", "direct-read": "direct read", "mmap-write": "mmap, stores"} | to_entries[] |
		.key as $k | row(.value; "IOPS, patched x stock"; (first($kernels[] | select(.name == $k)) // {}).ratio; ">="; 0.98; "x"; 2)),
	({"buffered-write": "plain buffered write", "buffered-read": "plain buffered read", "direct-write": "direct write",
			"direct-read": "direct read"} | to_entries[] | .key as $k |
		row(.value; "instructions, stock / patched"; (first($instructions[] | select(.name == $k)) // {}).ratio; ">="; 0.99; "x"; 3)),
	sharing("16 writers of one file, 10 ms disk"; "writers"; "16 writers, one file"; "16 writers, 16 files"; 0.95),
	sharing("the same, in large folios, QEMU"; "writers"; "16 writers, folios of many pages"; "16 writers, folios of one page"; 0.9),
	sharing("8 cached readers beside 8 writers of the file"; "readers"; "readers beside writers"; "readers alone"; 0.9),
	("buffered", "direct" | sharing("a buffered and a direct stream, one file"; .; "buffered beside direct"; "\(.) alone"; 0.3)),
	("buffered", "direct" | . as $j | row("a buffered and a direct stream, one file"; "longest wait of \($j), ms";
		(of("buffered beside direct"; $j) | if . then .max_ms else null end); "<="; 120; ""; 0)),
	("psync", "io_uring" | . as $e | objects($e; "direct") as $direct |
		row("4 KiB overwrite, \($e), depth 1"; "allocations a write"; (objects($e; "writethrough") | to(1)); "<="; ($direct | to(1)); ""; 1));

($start | if length > 0 then median else 0 end) as $start |
($cases | map(turn)) as $turns |
{header: ($setting[0] + {devices: $devices, kernels: ([($cases[] | {patched: true, release}), ($kernels[] | {patched, release})] | unique)}),
	cases: ($turns | group_by([.name, (.path | rank)]) | map(case_of($start)) | with_ratios |
		# in the order of measurement, not of the alphabet
		(reduce ($cases | map(.name) | unique[]) as $n ({}; .[$n] = ($cases | map(.name) | index($n)))) as $at |
		sort_by([$at[.name], (.path | rank)])),
	kernels: ($kernels | map(turn) | kernels),
	instructions: ($instructions | instructions),
	sharing: ($sharing | sharing),
	allocations: ($allocations | allocations)} |
. + {targets: [targets], failures: ($turns | [failures])}
