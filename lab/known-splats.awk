# SPDX-License-Identifier: GPL-2.0-only
# Cuts out of a kernel's log the one assertion that the stock kernel is known to hit:
# `new_size <= XFS_ISIZE` in xfs_itruncate_extents of an attribute fork at inactivation.
# Prints how often; the rest of the log goes to the file `out`.
#
# Exactly it: the text of the assertion, a report that ends in its own time, and a call
# trace through xfs_inactive and xfs_attr_inactive.  Any other report stays.

function flush_report(	i)
{
	if (n && is_assert && inactive && attr)
		known++
	else
		for (i = 1; i <= n; i++)
			print held[i] > out
	n = is_assert = inactive = attr = 0
}

{
	line = $0
	sub(/^\[[^]]*\] ?/, "", line)
}
line ~ /^XFS: Assertion failed: new_size <= XFS_ISIZE\(ip\), file: fs\/xfs\/xfs_inode\.c/ {
	flush_report()
	is_assert = 1
	held[++n] = $0
	next
}
n {
	held[++n] = $0
	if (line ~ /xfs_inactive\+/)
		inactive = 1
	if (line ~ /xfs_attr_inactive\+/)
		attr = 1
	if (line ~ /end trace|^---\[/)
		flush_report()
	else if (n > 120)
		flush_report()
	next
}
{ print > out }
END {
	flush_report()
	printf "" > out
	print known + 0
}
