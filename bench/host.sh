# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# What the demonstration and the bench share on the host.
set -euo pipefail
export LC_ALL=C
bench=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$bench/.."

# What messages begin with, and how many steps there are
me=${0##*/} steps=0
die()
{
	echo "$me: $*" >&2
	exit 1
}

# bad TEXT: wrong arguments
bad()
{
	echo "$me: $1" >&2
	echo "Try '$me --help'." >&2
	exit 2
}

# step TEXT: the next of $steps
step_now=0
step()
{
	step_now=$((step_now + 1))
	printf '[%d/%d, %d s] %s\n' "$step_now" "$steps" "$SECONDS" "$1"
}

# in_guest WHAT LAB-ARGS...: a wrong option is the caller's fault
in_guest()
{
	local what=$1 status=0
	shift
	lab/run "$@" || status=$?
	((status != 2)) || exit 2
	((status == 0)) || die "$what failed: status $status"
}

# need TOOL...
need()
{
	local tool missing=()
	for tool; do
		PATH=$PATH:/sbin:/usr/sbin command -v "$tool" >/dev/null || missing+=("$tool")
	done
	((${#missing[@]} == 0)) || die "missing: ${missing[*]}: make deps installs them"
}

# table FILE FILTER: the arrays that it makes of the file, as a table, the first column to the
# left
table()
{
	jq -r -L "$bench" "include \"text\"; $2 | @tsv" "$1" | awk -F '\t' '
	{
		for (i = 1; i <= NF; i++) {
			cell[NR, i] = $i
			if (length($i) > width[i])
				width[i] = length($i)
		}
		columns = NF
	}
	END {
		for (r = 1; r <= NR; r++) {
			printf "  %-" width[1] "s", cell[r, 1]
			for (i = 2; i <= columns; i++)
				printf "  %" width[i] "s", cell[r, i]
			print ""
		}
	}'
}
