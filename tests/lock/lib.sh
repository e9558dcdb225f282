# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# How a test here reads what a suite of the kernel's own tests found at boot.
. "$(dirname "${BASH_SOURCE[0]}")/../common/lib.sh"

# suite_passed NAME: all of it has run, nothing was left out, nothing failed
suite_passed()
{
	local results cases
	results=$(cat "/sys/kernel/debug/kunit/$1/results")
	echo "$results"
	! grep -qE '^ *not ok |# SKIP' <<<"$results" || fail "a test of $1 failed or was left out"
	# A suite that did not run is "ok", too.
	cases=$(sed -nE 's/^    1\.\.([1-9][0-9]*)$/\1/p' <<<"$results")
	want "$(grep -cE '^    ok [0-9]+ ' <<<"$results")" "${cases:-some}" "tests of $1 that ran"
	want "$(tail -n 1 <<<"$results")" "ok 1 $1" "the end of $1"
}
