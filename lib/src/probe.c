// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/*
 * wt_probe(): a write-through write of one byte that cannot happen.  The byte's
 * address is unreadable, and RWF_NOWAIT keeps the kernel from updating so much
 * as a timestamp on the way to that discovery.
 */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "internal.h"

/* -errno; any other result is impossible. */
static int impossible_write(int fd)
{
	static const struct timespec now;
	long size = sysconf(_SC_PAGESIZE);
	sigset_t xfsz, old, pending;
	struct iovec iov = { .iov_len = 1 };
	ssize_t ret;

	/* No address is unreadable in every process: 0 may be mapped. */
	iov.iov_base =
		mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (iov.iov_base == MAP_FAILED)
		return -errno;
	/*
	 * Above RLIMIT_FSIZE, and an append may be there, the kernel sends
	 * SIGXFSZ.  It goes to this thread, so it can be held back and taken
	 * away; one that was pending before stays.
	 */
	sigemptyset(&xfsz);
	sigaddset(&xfsz, SIGXFSZ);
	pthread_sigmask(SIG_BLOCK, &xfsz, &old);
	sigpending(&pending);

	ret = wt_sys_pwritev2(fd, &iov, 1, 0, RWF_WRITETHROUGH | RWF_NOWAIT);

	if (ret == -EFBIG && !sigismember(&pending, SIGXFSZ))
		while (sigtimedwait(&xfsz, NULL, &now) < 0 && errno == EINTR)
			;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	munmap(iov.iov_base, size);
	return ret < 0 ? ret : -EIO;
}

int wt_probe(int fd, struct wt_caps *caps)
{
	int saved = errno, ret = -EBADF, fl;

	if (!caps)
		return -EFAULT;
	memset(caps, 0, sizeof(*caps));
	fl = fcntl(fd, F_GETFL);
	if (fl >= 0 && (fl & O_DIRECT))
		caps->flags |= WT_CAP_DIRECT;
	/* For pipes the kernel would say ESPIPE first. */
	if (fl >= 0 && (fl & O_ACCMODE) != O_RDONLY)
		ret = impossible_write(fd);
	switch (ret) {
	case -EFAULT:
	case -EAGAIN:
	case -EFBIG: /* looked at after the flags */
		caps->flags |= WT_CAP_WRITETHROUGH;
		ret = 0;
		break;
	case -EINVAL:
		/*
		 * One byte is too little for O_DIRECT, which is found out after
		 * the flags.  Elsewhere it is a kernel before 4.13, which
		 * refuses unknown flags with this.
		 */
		if (fl & O_DIRECT)
			caps->flags |= WT_CAP_WRITETHROUGH;
		ret = 0;
		break;
	case -EOPNOTSUPP:
	case -ESPIPE:
		ret = 0;
		break;
	}
	errno = saved;
	return ret;
}
