/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Buffered writes that return when their own I/O has ended: see
 * libwritethrough(3), and writethrough(7) for what such a write promises.
 *
 * Every function may be called from any thread and from a signal handler,
 * leaves errno alone, and returns a negative errno value on failure.
 */
#ifndef WRITETHROUGH_H
#define WRITETHROUGH_H

#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifndef RWF_WRITETHROUGH
#define RWF_WRITETHROUGH 0x00000200
#endif

/* wt_caps.flags: the file takes RWF_WRITETHROUGH. */
#define WT_CAP_WRITETHROUGH (UINT64_C(1) << 0)

struct wt_caps {
	uint64_t flags;
	uint64_t reserved[7]; /* zeroed by wt_probe() */
};

/* Flags of wt_pwritev(). */
#define WT_REQUIRE 0x1u /* no fallback: -EOPNOTSUPP instead */
#define WT_DSYNC 0x2u /* as O_DSYNC: durable when the call returns */
#define WT_SYNC 0x4u /* as O_SYNC: and all of its metadata with it */
#define WT_APPEND 0x8u /* as O_APPEND, for this call */

/* How a write was performed. */
enum wt_path {
	WT_PATH_NONE = 0, /* nothing was written */
	WT_PATH_WRITETHROUGH = 1, /* by the kernel, with RWF_WRITETHROUGH */
	WT_PATH_DIRECT = 2, /* without it, on an O_DIRECT descriptor */
	WT_PATH_FALLBACK = 3, /* buffered, then the I/O waited for */
};

/*
 * What @fd supports, found out by trying and without any effect on the file.
 * @fd must be open for writing.  Returns 0 and fills @caps; all flags are clear
 * when there is no support.  An error means that the question has no answer:
 * -EBADF (not open for writing), -ETXTBSY (swap file), -EIO, -EROFS, -EPERM...
 */
int wt_probe(int fd, struct wt_caps *caps);

/*
 * pwritev2() that returns when the I/O has ended.  @offset is in bytes; -1 means
 * the file's own offset, which then moves.  @flags are WT_*.
 *
 * Returns the bytes written, which may be fewer than asked, or a negative errno
 * value: those of pwritev2(2), -EINVAL for an unknown flag, and -EOPNOTSUPP for
 * WT_REQUIRE where the file has no support.
 *
 * Without support and without WT_REQUIRE, the write runs on the stock path and
 * its I/O is then waited for by sync_file_range(2).  An error of that I/O is
 * returned although the data is in the page cache.
 *
 * @path may be NULL.  It is set on every return: to the path that wrote, or to
 * WT_PATH_NONE when the result is zero or an error.
 */
ssize_t wt_pwritev(int fd, const struct iovec *iov, int iovcnt, int64_t offset,
		   unsigned int flags, enum wt_path *path);

/* "none", "writethrough", "direct" or "fallback"; never NULL. */
const char *wt_path_name(enum wt_path path);

#ifdef __cplusplus
}
#endif

#endif
