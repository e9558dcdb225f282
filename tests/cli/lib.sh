# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# What the tests of the tool share.
. "$(dirname "${BASH_SOURCE[0]}")/../common/lib.sh"

wt=$WT_PROGRAMS/bin/wt
cd "$WT_TMP"

# Can the writes of a test go through?  The lab says which kernel runs.
# shellcheck disable=SC2034 # for the tests
through=$([[ ${WT_LAB_KERNEL:-} == patched ]] && echo 1 || echo 0)

# status EXPECTED COMMAND...: its output is left in $WT_TMP/out and err
status()
{
	local expected=$1 rc=0
	shift
	"$@" >"$WT_TMP/out" 2>"$WT_TMP/err" || rc=$?
	[[ $rc == "$expected" ]] ||
		fail "$*: status $rc, expected $expected: $(<"$WT_TMP/err")"
}

# says out|err TEXT
says()
{
	grep -qF -- "$2" "$WT_TMP/$1" ||
		fail "'$2' expected in: $(<"$WT_TMP/$1")"
}

# wrong WHAT ALLOWED ARGS...: wrong usage of wt, which says both, and no more
# than that happens
wrong()
{
	local what=$1 allowed=$2
	shift 2
	status 2 "$wt" "$@"
	says err "$what"
	says err "$allowed"
	[[ ! -s $WT_TMP/out ]] || fail "$*: $(<"$WT_TMP/out")"
}

# json out|err KEY: of the one object on the last line; strings without quotes
json()
{
	local value
	value=$(tail -n 1 "$WT_TMP/$1" |
		sed -n "s/^{.*\"$2\":\(\"\([^\"]*\)\"\|\([^,}]*\)\)[,}].*/\2\3/p")
	[[ -n $value ]] || fail "no $2 in: $(<"$WT_TMP/$1")"
	echo "$value"
}
