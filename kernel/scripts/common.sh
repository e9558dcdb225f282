# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034
# What the scripts of this folder share.  The environment can move the series
# (WT_SERIES_DIR has patches/ and files/) and the trees (WT_SRC_DIR).

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
series_dir=$(realpath -m "${WT_SERIES_DIR:-$top/kernel}")
patches=$series_dir/patches
files=$series_dir/files
src=$(realpath -m "${WT_SRC_DIR:-$top/out/src}")
stock=$src/stock
patched=$src/patched
me=$(basename "$0")

# The user's own settings (filters, signing, line ends) must not change a tree.
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE
export GIT_AUTHOR_NAME='writethrough developers'
export GIT_AUTHOR_EMAIL='dev@writethrough.invalid'
export GIT_COMMITTER_NAME=$GIT_AUTHOR_NAME
export GIT_COMMITTER_EMAIL=$GIT_AUTHOR_EMAIL
# Fixed, so that the same series gives the same commits everywhere.
export GIT_AUTHOR_DATE='2026-01-01T00:00:00Z'
export GIT_COMMITTER_DATE=$GIT_AUTHOR_DATE

die()
{
	echo "$me: $1" >&2
	exit 1
}

bad_usage()
{
	echo "$me: $1" >&2
	echo "Try '$me --help'." >&2
	exit 2
}

tree()
{
	git -C "$patched" "$@"
}

# The commit under the series of the tree as it is: apply may have a newer one.
base()
{
	tree rev-list --max-parents=0 HEAD
}

# Stops when the tree has changes that no commit has.  Ignored files count: the
# .gitignore of Debian's tarball ignores everything, so also a new source file.
refuse_uncommitted()
{
	local stray
	stray=$({
		tree status --porcelain -uno
		tree ls-files --others -x '*~' -x '.*.sw?' -x '*.orig' -x '*.rej' \
			-x __pycache__ | sed 's/^/?? /'
	} | head -n 5)
	[[ -z $stray ]] || die "$patched: has changes that are not committed:
$stray
Commit them (new files by 'git add -f') and run kernel/scripts/refresh, or put
them away with 'git stash -a'."
}

# Names of the patches, in order.
series()
{
	[[ ! -e $patches/series ]] ||
		sed -e 's/#.*//' -e 's/[[:space:]]*$//' -e '/^$/d' "$patches/series"
}

new_files()
{
	[[ ! -d $files ]] || (cd "$files" && find . -type f -printf '%P\n' | LC_ALL=C sort)
}
