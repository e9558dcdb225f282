/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* What the library and the preloaded shim share. */
#ifndef WT_INTERNAL_H
#define WT_INTERNAL_H

#include <errno.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "writethrough.h"

/*
 * Past the C library on purpose: its pwritev2() may be the shim's own, and it
 * emulates some calls.  Bytes or -errno; clobbers errno.
 */
static inline ssize_t wt_sys_pwritev2(int fd, const struct iovec *iov,
				      int iovcnt, int64_t offset, int rwf)
{
	/* On 64-bit kernels the first half is all of it, and the second unused. */
	long ret = syscall(SYS_pwritev2, fd, iov, (long)iovcnt, (long)offset,
			   (long)((uint64_t)offset >> 32), rwf);

	return ret < 0 ? -errno : ret;
}

/*
 * After a write of @len bytes on the stock path: wait until its I/O has ended.
 * @offset and @rwf as given to the write.  Sets @path; 0 or -errno; clobbers
 * errno.
 */
int wt_wait_written(int fd, int64_t offset, size_t len, int rwf,
		    enum wt_path *path);

#define WT_FLAGS (WT_REQUIRE | WT_DSYNC | WT_SYNC | WT_APPEND)

/* The RWF_* that @flags (WT_*) ask for in any case. */
static inline int wt_rwf_of(unsigned int flags)
{
	int rwf = 0;

	if (flags & WT_DSYNC)
		rwf |= RWF_DSYNC;
	if (flags & WT_SYNC)
		rwf |= RWF_SYNC;
	if (flags & WT_APPEND)
		rwf |= RWF_APPEND;
	return rwf;
}

/*
 * What a request that cannot be tried is to carry: sets @rwf; the enum wt_path
 * that it will take, or -errno.
 */
int wt_async_rwf(unsigned int flags, const struct wt_caps *caps, int *rwf);

#endif
