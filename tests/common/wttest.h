/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the tests in C share.  The flag goes to the kernel by pwritev2() itself,
 * never through the library: the tests of the kernel must not depend on it.
 */
#ifndef WTTEST_H
#define WTTEST_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef RWF_WRITETHROUGH
#define RWF_WRITETHROUGH 0x00000200
#endif

#ifndef RWF_NOAPPEND
#define RWF_NOAPPEND 0x00000020
#endif

__attribute__((format(printf, 3, 4), noreturn)) static inline void
wt_fail_at(const char *file, int line, const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	fprintf(stderr, "%s:%d: ", file, line);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

#define fail(...) wt_fail_at(__FILE__, __LINE__, __VA_ARGS__)

/* Preparation that cannot fail on a sound machine. */
#define must(expr)                                                     \
	({                                                             \
		__typeof__(expr) must_ret = (expr);                    \
		if (must_ret < 0)                                      \
			fail("%s: %s", #expr, strerrorname_np(errno)); \
		must_ret;                                              \
	})

/*
 * Content is a function of the byte's position and a seed, so that a test needs
 * no copy to compare with.  Seed 0 is zeroes; no other seed yields a zero byte.
 */
static inline uint8_t wt_pattern(uint64_t pos, uint64_t seed)
{
	uint64_t x = (pos >> 2) * 0x9e3779b97f4a7c15ULL + seed;

	if (!seed)
		return 0;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	x >>= 8 * (pos & 3);
	return (x & 0xff) ? (x & 0xff) : 0xa5;
}

static inline void wt_fill(uint8_t *buf, size_t len, uint64_t pos,
			   uint64_t seed)
{
	for (size_t i = 0; i < len; i++)
		buf[i] = wt_pattern(pos + i, seed);
}

/* Index of the first byte that differs, or -1. */
static inline ssize_t wt_differs(const uint8_t *buf, size_t len, uint64_t pos,
				 uint64_t seed)
{
	for (size_t i = 0; i < len; i++)
		if (buf[i] != wt_pattern(pos + i, seed))
			return i;
	return -1;
}

/* Bytes or -errno; @pos of -1 uses the file's own offset. */
static inline ssize_t wt_raw_pwritev2(int fd, const struct iovec *iov,
				      int iovcnt, off_t pos, int flags)
{
	ssize_t ret;

	/* 64-bit: the second half of the position is not looked at. */
	ret = syscall(SYS_pwritev2, fd, iov, iovcnt, pos, 0L, flags);
	return ret < 0 ? -errno : ret;
}

static inline ssize_t wt_raw_pwrite(int fd, const void *buf, size_t len,
				    off_t pos, int flags)
{
	struct iovec iov = { .iov_base = (void *)buf, .iov_len = len };

	return wt_raw_pwritev2(fd, &iov, 1, pos, flags);
}

/* Compare a result that is bytes or -errno. */
#define want(expr, expected)                                             \
	do {                                                             \
		ssize_t want_ret = (expr), want_exp = (expected);        \
		if (want_ret != want_exp)                                \
			fail("%s is %zd (%s), expected %zd (%s)", #expr, \
			     want_ret,                                   \
			     want_ret < 0 ? strerrorname_np(-want_ret) : \
					    "bytes",                     \
			     want_exp,                                   \
			     want_exp < 0 ? strerrorname_np(-want_exp) : \
					    "bytes");                    \
	} while (0)

static inline const char *wt_env(const char *name)
{
	const char *val = getenv(name);

	if (!val)
		fail("%s is not set: run this by tests/check", name);
	return val;
}

/* struct xfs_fsop_handlereq of xfs_fs.h */
struct wt_handle_request {
	uint32_t fd;
	void *path;
	uint32_t oflags;
	void *ihandle;
	uint32_t ihandlen;
	void *ohandle;
	uint32_t *ohandlen;
};
#define WT_FD_TO_HANDLE _IOWR('X', 106, struct wt_handle_request)
#define WT_OPEN_BY_HANDLE _IOWR('X', 107, struct wt_handle_request)

/*
 * The same file on XFS, opened so that no write changes its times: a write that must not
 * wait is never refused because they are due, however slow the machine.
 */
static inline int wt_open_nocmtime(int fd, const char *path, int flags)
{
	char handle[64], *copy = strdup(path);
	int dir = must(open(dirname(copy), O_RDONLY | O_DIRECTORY));
	uint32_t len = sizeof(handle);
	struct wt_handle_request request = {
		.fd = fd, .oflags = flags, .ohandle = handle, .ohandlen = &len
	};

	must(ioctl(dir, WT_FD_TO_HANDLE, &request));
	must(close(fd));
	request.ihandle = handle;
	request.ihandlen = len;
	fd = must(ioctl(dir, WT_OPEN_BY_HANDLE, &request));
	must(close(dir));
	free(copy);
	return fd;
}

#endif
