# SPDX-License-Identifier: GPL-2.0-only
# Prints what a kernel's log complains about, each complaint with what follows it.
#
#   awk [-v also=REGEX] [-v known_file=FILE] -f lab/complaints.awk LOG
#
#   also        what else is a complaint
#   known_file  gets the number of known complaints, if there are any
#
# One complaint is known, and left out: the debug build of stock 6.12 asserts that an
# inode is not smaller than what its attribute fork is truncated to on inactivation,
# and that is the size of another fork.  It is known only as exactly this text, with
# one warning of assfail() that names xfs_attr_inactive() in its trace, and nothing
# else up to the trace's end.

function begins(s)
{
	return s ~ /WARNING: |BUG: |KASAN: |UBSAN: |Oops|general protection|Kernel panic/ ||
		s ~ /(circular|recursive) locking|inconsistent lock|lock held when|RCU usage/ ||
		s ~ /INFO: (task|rcu|trying to register non-static key)/ ||
		s ~ /scheduling while atomic|sleeping function|[Bb]ad page|Busy inodes/ ||
		s ~ /refcount_t: |list_(add|del) corruption|kmemleak: [0-9]+ new suspected/ ||
		s ~ /Assertion failed: / || (also != "" && s ~ also)
}

function end_block(	i)
{
	if (assertion && warnings == 1 && others == 0 && inactivation)
		known++
	else
		for (i = 0; i < lines; i++)
			print block[i]
	lines = 0
}

lines == 0 && begins($0) {
	assertion = /Assertion failed: new_size <= XFS_ISIZE\(ip\), file: fs\/xfs\/xfs_inode\.c,/
	warnings = others = inactivation = 0
	block[lines++] = $0
	next
}
lines > 0 {
	if (/WARNING: .* at fs\/xfs\/xfs_message\.c:[0-9]+ assfail\+/)
		warnings++
	else if (!/Call Trace/ && begins($0))
		others++
	if (/ xfs_attr_inactive\+/)
		inactivation = 1
	if (lines < 60)
		block[lines++] = $0
	if (/---\[ end trace/)
		end_block()
}
END {
	if (lines)
		end_block()
	if (known && known_file != "")
		print known > known_file
}
