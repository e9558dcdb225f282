# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# What the jobs of the demonstration share: they need a kernel with write-through.
# shellcheck disable=SC2034 # for the jobs, and for common.sh
. "$(dirname "$0")/common.sh"

me=demo
wt=/out/user/bin/wt
at "$TEST_DIR"
[[ -d $sys ]] || die "this kernel has no write-through: $sys is missing"

# The mode of the boot is what is shown; `off` is the stock path beside it.
mode=$(sed 's/.*\[\(.*\)\].*/\1/' "$sys/mode")

# through ARGS...: `wt run` for the files of the test filesystem.  What it counted and what the
# program said on its standard error goes to $tmp/stats.
through()
{
	set_mode "$mode"
	"$wt" run --match "$TEST_DIR/*" --require --stats --json "$@" 2>"$tmp/stats"
}
