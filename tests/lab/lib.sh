# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# What the tests of the lab share.  They run on the host, in the project's folder.
. "$(dirname "${BASH_SOURCE[0]}")/../common/lib.sh"

# The whole test, for each lab.
in_each_lab()
{
	local l
	[[ ! ${LAB:-} ]] || return 0
	for l in ${WT_CHECK_LAB:-uml qemu}; do
		echo "lab $l"
		mkdir "$WT_TMP/$l"
		LAB=$l WT_TMP=$WT_TMP/$l "$0"
	done
	exit
}

top=$PWD
kernel=$WT_CHECK_KERNEL
lab=${LAB:-uml}
# A folder that both sides can write.
mkdir -p "$top/out/test"
# shellcheck disable=SC2034 # for the tests
shared=$(mktemp -d "$top/out/test/lab.XXXXXX")
on_exit "rm -rf '$shared'"

# guest STATUS ARGUMENTS: lab/run with these ends so; what it wrote is left in
# $WT_TMP/out and err
guest()
{
	local expected=$1 rc=0
	shift
	lab/run --lab "$lab" --kernel "$kernel" "$@" >"$WT_TMP/out" 2>"$WT_TMP/err" </dev/null || rc=$?
	[[ $rc == "$expected" ]] ||
		fail "lab/run $*: status $rc, expected $expected: $(<"$WT_TMP/out") $(<"$WT_TMP/err")"
}

# says out|err TEXT
says()
{
	grep -qF -- "$2" "$WT_TMP/$1" || fail "'$2' expected in: $(<"$WT_TMP/$1")"
}

# quiet out|err
quiet()
{
	[[ ! -s $WT_TMP/$1 ]] || fail "nothing expected in $1: $(<"$WT_TMP/$1")"
}

# The process and all that descend from it.
descend_from()
{
	local child
	echo "$1"
	for child in $(pgrep -P "$1"); do
		descend_from "$child"
	done
}
