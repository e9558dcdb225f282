# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# Runs tests/check on sample tests that behave badly, from tests/meta/cases.
set -euo pipefail

fail()
{
	echo "FAIL: $*"
	exit 1
}

# check CASE...: output in $out, status in $rc, last line in $last
check()
{
	local name
	name=$(basename "$0")
	rc=0
	out=$(tests/check --root tests/meta/cases --out "out/test/meta.$name" \
		--kernel "$WT_CHECK_KERNEL" --quick --jobs 1 "$@" 2>&1) || rc=$?
	last=${out##*$'\n'}
	echo "$out"
}

# caught CASE REASON: the case fails for that reason (a regular expression), the
# sound test after it passes all the same, and the whole counts as failed.
caught()
{
	check "$1" bad/zz-sound
	((rc == 1)) || fail "exit status $rc, expected 1"
	[[ $last == '1 passed, 1 failed, 0 skipped' ]] || fail "last line: $last"
	grep -Eq "^FAIL $1  [0-9.]+s: .*($2)" <<<"$out" || fail "no such reason: $2"
	grep -q '^ok   bad/zz-sound ' <<<"$out" || fail "the sound test did not pass"
	grep -Eq "\"name\": \"$1\".*\"verdict\": \"fail\"" \
		"out/test/meta.$(basename "$0")/results.json" ||
		fail "results.json does not say so"
}
