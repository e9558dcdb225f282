// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/*
 * Requests of io_uring and of Linux AIO.  Both are the kernel's own structures,
 * so that the library needs neither liburing nor libaio.
 */
#include <linux/aio_abi.h>
#include <linux/io_uring.h>

#include "internal.h"

int wt_async_rwf(unsigned int flags, const struct wt_caps *caps, int *rwf)
{
	*rwf = 0;
	if (flags & ~WT_FLAGS)
		return -EINVAL;
	if (!caps)
		return -EFAULT;
	*rwf = wt_rwf_of(flags);
	if (caps->flags & WT_CAP_WRITETHROUGH) {
		*rwf |= RWF_WRITETHROUGH;
		return WT_PATH_WRITETHROUGH;
	}
	if (flags & WT_REQUIRE)
		return -EOPNOTSUPP;
	/* Those complete after their I/O anyway. */
	if (caps->flags & WT_CAP_DIRECT)
		return WT_PATH_DIRECT;
	/*
	 * A plain buffered request completes when its data has been copied, and
	 * nothing can be added to its completion: a second request that waits
	 * for the I/O would have a result of its own.  With RWF_DSYNC there is
	 * one completion, after the I/O and with its error; it flushes the
	 * device too, which is more than asked and never less.
	 */
	*rwf |= RWF_DSYNC;
	return WT_PATH_FALLBACK;
}

int wt_prep_pwritev(struct io_uring_sqe *sqe, int fd, const struct iovec *iov,
		    int iovcnt, int64_t offset, unsigned int flags,
		    const struct wt_caps *caps)
{
	int rwf, path = wt_async_rwf(flags, caps, &rwf);

	if (path < 0) {
		*sqe = (struct io_uring_sqe){ .opcode = IORING_OP_NOP,
					      .fd = -1,
					      .user_data = sqe->user_data };
		return path;
	}
	*sqe = (struct io_uring_sqe){ .opcode = IORING_OP_WRITEV,
				      .fd = fd,
				      .off = offset,
				      .addr = (uintptr_t)iov,
				      .len = iovcnt,
				      .rw_flags = rwf,
				      .user_data = sqe->user_data };
	return path;
}

int wt_aio_prep_pwritev(struct iocb *iocb, int fd, const struct iovec *iov,
			int iovcnt, int64_t offset, unsigned int flags,
			const struct wt_caps *caps)
{
	int rwf, path = wt_async_rwf(flags, caps, &rwf);

	if (path < 0) {
		*iocb = (struct iocb){ .aio_lio_opcode = IOCB_CMD_NOOP,
				       .aio_fildes = -1,
				       .aio_reserved2 = 1 };
		return path;
	}
	*iocb = (struct iocb){ .aio_rw_flags = rwf,
			       .aio_lio_opcode = IOCB_CMD_PWRITEV,
			       .aio_fildes = fd,
			       .aio_buf = (uintptr_t)iov,
			       .aio_nbytes = (unsigned int)iovcnt,
			       .aio_offset = offset };
	return path;
}
