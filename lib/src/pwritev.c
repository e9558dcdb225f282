// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/*
 * wt_pwritev(): ask the kernel for write-through each time, because the operator
 * may switch it on or off between two calls.
 */
#include "internal.h"

ssize_t wt_pwritev(int fd, const struct iovec *iov, int iovcnt, int64_t offset,
		   unsigned int flags, enum wt_path *path)
{
	enum wt_path ran = WT_PATH_WRITETHROUGH;
	int saved = errno, rwf = wt_rwf_of(flags), err;
	ssize_t ret;

	if (flags & ~WT_FLAGS) {
		ret = -EINVAL;
		goto out;
	}
	ret = wt_sys_pwritev2(fd, iov, iovcnt, offset, rwf | RWF_WRITETHROUGH);
	if (ret != -EOPNOTSUPP || (flags & WT_REQUIRE))
		goto out;

	ret = wt_sys_pwritev2(fd, iov, iovcnt, offset, rwf);
	if (ret > 0) {
		err = wt_wait_written(fd, offset, ret, rwf, &ran);
		if (err)
			ret = err;
	}
out:
	/* The kernel looks at no flag when there is nothing to write. */
	if (path)
		*path = ret > 0 ? ran : WT_PATH_NONE;
	errno = saved;
	return ret;
}

const char *wt_path_name(enum wt_path path)
{
	switch (path) {
	case WT_PATH_WRITETHROUGH:
		return "writethrough";
	case WT_PATH_DIRECT:
		return "direct";
	case WT_PATH_FALLBACK:
		return "fallback";
	default:
		return "none";
	}
}
