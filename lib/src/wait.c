// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/* The second half of a fallback: wait for the I/O of a stock write. */
#include <fcntl.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <sys/vfs.h>

#include "internal.h"

/*
 * sync_file_range() acts on the page cache of the inode that was opened.  Overlayfs,
 * and FUSE with passthrough, keep the data in another inode's; ecryptfs has a second
 * cache below; and btrfs begins the I/O of compressed data only after the first pass.
 * All of them do in fsync() what is missing here.
 */
static bool range_is_enough(int fd)
{
	struct statfs fs;

	if (fstatfs(fd, &fs))
		return false;
	switch ((unsigned long)fs.f_type) {
	case OVERLAYFS_SUPER_MAGIC:
	case FUSE_SUPER_MAGIC:
	case ECRYPTFS_SUPER_MAGIC:
	case BTRFS_SUPER_MAGIC:
		return false;
	}
	return true;
}

int wt_wait_written(int fd, int64_t offset, size_t len, int rwf,
		    enum wt_path *path)
{
	int fl = fcntl(fd, F_GETFL);

	*path = fl >= 0 && (fl & O_DIRECT) ? WT_PATH_DIRECT : WT_PATH_FALLBACK;
	if (fl < 0)
		return -errno;
	/* Those writes return after their I/O anyway; O_SYNC contains O_DSYNC. */
	if ((fl & (O_DIRECT | O_DSYNC)) || (rwf & (RWF_DSYNC | RWF_SYNC)))
		return 0;
	/*
	 * Where an append or a write at the shared file offset went cannot be
	 * known afterwards: other writers may have moved both.  Waiting for the
	 * whole file contains it, and costs little where all writes are waited
	 * for.
	 */
	if (offset < 0 || (fl & O_APPEND) || (rwf & RWF_APPEND)) {
		offset = 0;
		len = 0;
	}
	if (!range_is_enough(fd))
		/* EINVAL: pipes and devices that are named there, see below */
		return !fdatasync(fd) || errno == EINVAL ? 0 : -errno;
	/* All three: only then does the kernel skip no page under writeback. */
	if (!sync_file_range(fd, offset, len,
			     SYNC_FILE_RANGE_WAIT_BEFORE |
				     SYNC_FILE_RANGE_WRITE |
				     SYNC_FILE_RANGE_WAIT_AFTER))
		return 0;
	/* Pipes, sockets, character devices: no cache to wait for. */
	return errno == ESPIPE ? 0 : -errno;
}
