# SPDX-License-Identifier: GPL-2.0-only
# The legs of a soak, as one report.
def minutes: . / 60 | floor;
{
	budget_minutes: ($budget | minutes),
	coverage: $coverage,
	minutes: (map(.seconds) | add // 0 | minutes),
	legs: map({name, seed, seconds, ok: (.rc == 0), again}),
	tests: (map(.tests | length) | add // 0),
	# What the tests have counted: states, operations, faults ...
	counts: (map(.tests[].counts // {} | to_entries[]) | group_by(.key)
		| map({key: .[0].key, value: (map(.value) | add)}) | from_entries),
	slowest: (map(.tests[]) | group_by([.name, .kernel])
		| map(max_by(.ms) | {name, kernel, seconds: (.ms / 1000 | floor)})
		| sort_by(-.seconds) | .[:15]),
	failed: (map(. as $leg
		| if .rc == 0 then empty
		elif any(.tests[]; .verdict == "fail")
		then .tests[] | select(.verdict == "fail")
			| {name: "\(.name) (\(.kernel))", seed: $leg.seed, reason, again, output: (.output // "")}
		else {name, seed, reason: "exit status \(.rc)", again, output: (.log // "")} end))
}
