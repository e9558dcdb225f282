# SPDX-License-Identifier: GPL-2.0-only
# Two files of results, and what is different in them.
include "numbers";

def described: .header | "\(.date // "no date"), \(.commit // "no commit"), \(.rounds // "?") rounds, \([.kernels[]? | .release] | join(", "))";
def key: "\(.name), \(.path)";
def change($a; $b): if $a == 0 then 0 else ($b / $a - 1) * 100 end;

# A change is one when the rounds of the two do not overlap.
def verdict($a; $b):
	if $b.min > $a.max then "faster" elif $b.max < $a.min then "slower" else "within the spread" end;

# What has a number and a spread: cases, and the kernels by their ratio
def measured:
	(.cases[] | {name, path, digits: 0, unit: "IOPS", value: .iops, spread: .spread}),
	(.kernels[] | {name, path: "patched x stock", digits: 2, unit: "x", value: .ratio.median, spread: .ratio});
def counted:
	(.cases[] | {name, path} + ({what: "device writes a write", value: .dev_writes_per_op},
		{what: "flushes a write", value: .dev_flushes_per_op})),
	(.allocations[] | {name: "allocations, \(.engine)", path, what: "objects a write", value: .objects_per_op});
def by_key: reduce .[] as $x ({}; .["\($x | key)\($x.what // "")"] = $x);

$old[0] as $old | $new[0] as $new |
([$old | measured]) as $a | ([$new | measured]) as $b |
([$old | counted] | by_key) as $ca | [$new | counted] as $cb |
($a | by_key) as $ka | ($b | by_key) as $kb |
{
	old: ($old | described),
	new: ($new | described),
	differ: [
		("fio", "guest") as $k | select($old.header[$k] != $new.header[$k]) |
			"\($k): \($old.header[$k] // "none"), \($new.header[$k] // "none")"],
	rows: [$a[] | . as $x | ($kb[key] // empty) as $y |
		{name, path, digits, unit, old: $x.value, new: $y.value, change: change($x.value; $y.value),
			verdict: verdict($x.spread; $y.spread)}],
	counts: [$cb[] | . as $y | ($ca["\(key)\(.what)"] // empty) as $x |
		select($x.value != null and $y.value != null) |
		select(($x.value | to(2)) != ($y.value | to(2))) |
		{name, path, what, old: $x.value, new: $y.value}],
	only_old: [$a[] | key | select($kb[.] == null)],
	only_new: [$b[] | key | select($ka[.] == null)]
}
