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

/* wt_caps.flags */
#define WT_CAP_WRITETHROUGH (UINT64_C(1) << 0) /* it takes RWF_WRITETHROUGH */
#define WT_CAP_DIRECT (UINT64_C(1) << 1) /* it is open with O_DIRECT */

struct wt_caps {
	uint64_t flags;
	uint64_t reserved[7]; /* zeroed by wt_probe() */
};

/* Flags of wt_pwritev() and of the functions that prepare requests. */
#define WT_REQUIRE 0x1u /* no fallback: -EOPNOTSUPP instead */
#define WT_DSYNC 0x2u /* as O_DSYNC: durable when the write has ended */
#define WT_SYNC 0x4u /* as O_SYNC: and all of its metadata with it */
#define WT_APPEND 0x8u /* as O_APPEND, for this call */

/* How a write was performed. */
enum wt_path {
	WT_PATH_NONE = 0, /* nothing was written */
	WT_PATH_WRITETHROUGH = 1, /* by the kernel, with RWF_WRITETHROUGH */
	WT_PATH_DIRECT = 2, /* without it, on an O_DIRECT descriptor */
	WT_PATH_FALLBACK = 3, /* buffered, and the I/O waited for */
};

/*
 * What @fd supports, found out by trying and without any effect on the file.
 * @fd must be open for writing.  Returns 0 and fills @caps; WT_CAP_WRITETHROUGH
 * is clear when there is no support.  An error means that the question has no answer:
 * -EBADF (not open for writing), -EIO, -EROFS, -EPERM...
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

struct io_uring_sqe;
struct iocb;

/*
 * The same as a request of io_uring or of libaio: fill @sqe or @iocb; the caller
 * submits it, and its completion says what wt_pwritev() would return.  These
 * neither submit nor ask the kernel, so @caps is what wt_probe() found of @fd.
 * @offset is in bytes; -1, of io_uring only, means the file's own offset.  The
 * buffers must stay as they are until the completion, @iov until the kernel has
 * taken the request.  @sqe keeps its user_data; all else in @sqe and @iocb is set
 * anew.
 *
 * Without support and without WT_REQUIRE, RWF_DSYNC is prepared, because a stock
 * buffered request would complete before its I/O; with O_DIRECT, a plain one.
 *
 * Returns the enum wt_path that was prepared, or a negative errno value: -EINVAL
 * for an unknown flag, -EFAULT when @caps is NULL, and -EOPNOTSUPP for WT_REQUIRE
 * without support.  On failure @sqe is a no-op, since it cannot be given back to
 * its ring, and @iocb is one that io_submit() refuses with -EINVAL.
 *
 * When the operator switches write-through off after the probe, the completion
 * is -EOPNOTSUPP and nothing was written: probe and prepare again.
 */
int wt_prep_pwritev(struct io_uring_sqe *sqe, int fd, const struct iovec *iov,
		    int iovcnt, int64_t offset, unsigned int flags,
		    const struct wt_caps *caps);
int wt_aio_prep_pwritev(struct iocb *iocb, int fd, const struct iovec *iov,
			int iovcnt, int64_t offset, unsigned int flags,
			const struct wt_caps *caps);

/* "none", "writethrough", "direct" or "fallback"; never NULL. */
const char *wt_path_name(enum wt_path path);

#ifdef __cplusplus
}
#endif

#endif
