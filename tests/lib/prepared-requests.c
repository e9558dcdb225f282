// SPDX-License-Identifier: GPL-2.0-only
/*
 * wt_prep_pwritev() and wt_aio_prep_pwritev() fill requests as liburing and libaio
 * do, with the flags that wt_probe()'s answer allows, and say which path that is.
 * On a ring, the device has the data at the completion, with support and without;
 * an answer that has become wrong is -EOPNOTSUPP and nothing written.
 * Fails if a field, a path or an error is another one, or if a request without
 * support completes before its I/O, which a plain buffered one does.
 *
 * debug: no
 * need: disk nullblk,cache,size=512M
 */
#include "libtest.h"

#include <libaio.h>
#include <liburing.h>
#include <sys/sysmacros.h>

#define ALL (WT_DSYNC | WT_SYNC | WT_APPEND)
#define SIZE 8192

static const struct wt_caps none,
	supported = { .flags = WT_CAP_WRITETHROUGH },
	direct = { .flags = WT_CAP_DIRECT },
	both = { .flags = WT_CAP_WRITETHROUGH | WT_CAP_DIRECT };

/* --- What is filled in ------------------------------------------------------ */

static void filled(unsigned int flags, const struct wt_caps *caps, int rwf,
		   int path)
{
	struct iovec iov[3] = { 0 };
	struct io_uring_sqe sqe, sqe_expected;
	struct iocb iocb, iocb_expected;

	/* What was there before must not shine through. */
	memset(&sqe, 0xff, sizeof(sqe));
	memset(&sqe_expected, 0, sizeof(sqe_expected));
	sqe.user_data = sqe_expected.user_data = 4242;
	memset(&iocb, 0xff, sizeof(iocb));
	if (path >= 0) {
		io_uring_prep_writev2(&sqe_expected, 7, iov, 3, -1, rwf);
		io_prep_pwritev2(&iocb_expected, 7, iov, 3, 1LL << 40, rwf);
	} else {
		io_uring_prep_nop(&sqe_expected);
	}
	errno = 4242;
	want(wt_prep_pwritev(&sqe, 7, iov, 3, -1, flags, caps), path);
	want(wt_aio_prep_pwritev(&iocb, 7, iov, 3, 1LL << 40, flags, caps),
	     path);
	want(errno, 4242);
	if (memcmp(&sqe, &sqe_expected, sizeof(sqe)))
		fail("sqe of flags 0x%x, path %d", flags, path);
	if (path >= 0 && memcmp(&iocb, &iocb_expected, sizeof(iocb)))
		fail("iocb of flags 0x%x, path %d", flags, path);
}

static void test_filled(void)
{
	unsigned int flags, bit;
	int rwf;

	for (flags = 0; flags <= (ALL | WT_REQUIRE); flags++) {
		rwf = (flags & WT_DSYNC ? RWF_DSYNC : 0) |
		      (flags & WT_SYNC ? RWF_SYNC : 0) |
		      (flags & WT_APPEND ? RWF_APPEND : 0);
		filled(flags, &supported, rwf | RWF_WRITETHROUGH,
		       WT_PATH_WRITETHROUGH);
		filled(flags, &both, rwf | RWF_WRITETHROUGH,
		       WT_PATH_WRITETHROUGH);
		if (flags & WT_REQUIRE) {
			filled(flags, &none, 0, -EOPNOTSUPP);
			filled(flags, &direct, 0, -EOPNOTSUPP);
		} else {
			filled(flags, &none, rwf | RWF_DSYNC, WT_PATH_FALLBACK);
			filled(flags, &direct, rwf, WT_PATH_DIRECT);
		}
		filled(flags, NULL, 0, -EFAULT);
	}
	for (bit = 0x10; bit; bit <<= 1)
		filled(bit, &supported, 0, -EINVAL);
}

/* --- What the kernel does with it -------------------------------------------- */

static io_context_t ctx;
static struct io_uring ring;

/* One write of each kind: what was prepared, or of its completion, bytes or -errno. */
typedef int (*write_fn)(int fd, const struct iovec *iov, int iovcnt,
			int64_t offset, unsigned int flags,
			const struct wt_caps *caps, ssize_t *res);

static int aio_write(int fd, const struct iovec *iov, int iovcnt,
		     int64_t offset, unsigned int flags,
		     const struct wt_caps *caps, ssize_t *res)
{
	struct iocb iocb, *list = &iocb;
	struct io_event event;
	int path, ret;

	path = wt_aio_prep_pwritev(&iocb, fd, iov, iovcnt, offset, flags, caps);
	ret = io_submit(ctx, 1, &list);
	if (path < 0)
		want(ret, -EINVAL);
	*res = ret;
	if (ret == 1) {
		want(io_getevents(ctx, 1, 1, &event, NULL), 1);
		want(event.obj == &iocb, 1);
		*res = (long)event.res;
	}
	return path;
}

static int uring_write(int fd, const struct iovec *iov, int iovcnt,
		       int64_t offset, unsigned int flags,
		       const struct wt_caps *caps, ssize_t *res)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);
	struct io_uring_cqe *cqe;
	int path;

	sqe->user_data = 77;
	path = wt_prep_pwritev(sqe, fd, iov, iovcnt, offset, flags, caps);
	want(io_uring_submit(&ring), 1);
	want(io_uring_wait_cqe(&ring, &cqe), 0);
	want(cqe->user_data, 77);
	*res = cqe->res;
	io_uring_cqe_seen(&ring, cqe);
	if (path < 0)
		want(*res, 0);
	return path;
}

/* Sectors that the device below @fd has written. */
static long long written(int fd)
{
	long long n = -1;
	char name[64];
	struct stat st;
	FILE *f;

	must(fstat(fd, &st));
	snprintf(name, sizeof(name), "/sys/dev/block/%u:%u/stat",
		 major(st.st_dev), minor(st.st_dev));
	f = fopen(name, "r");
	if (!f || fscanf(f, "%*d %*d %*d %*d %*d %*d %lld", &n) != 1)
		fail("%s: %lld", name, n);
	fclose(f);
	return n;
}

/* Two segments, and all of it there when it completes. */
static void whole(write_fn fn, int fd, int64_t offset, unsigned int flags,
		  const struct wt_caps *caps, int path, int64_t lands)
{
	static uint64_t seed = 1;
	uint8_t buf[SIZE] __attribute__((aligned(4096)));
	struct iovec iov[2] = { { buf, SIZE / 2 },
				{ buf + SIZE / 2, SIZE / 2 } };
	long long before = written(fd);
	ssize_t res;

	wt_fill(buf, SIZE, lands, ++seed);
	want(fn(fd, iov, 2, offset, flags, caps, &res), path);
	want(res, SIZE);
	if (written(fd) - before < SIZE / 512)
		fail("completed when %lld sectors were written, path %d",
		     written(fd) - before, path);
	want(pread(fd, buf, SIZE, lands), SIZE);
	want(wt_differs(buf, SIZE, lands, seed), -1);
}

static void none_written(write_fn fn, int fd, const struct wt_caps *caps,
			 unsigned int flags, int path, ssize_t expected)
{
	struct iovec iov = { "x", 1 };
	off_t size = lt_size(fd);
	ssize_t res;

	want(fn(fd, &iov, 1, size, flags, caps, &res), path);
	want(res, expected);
	want(lt_size(fd), size);
}

static void set_mode(const char *mode)
{
	char command[PATH_MAX + 64];

	snprintf(command, sizeof(command), "%s/bin/wt mode . %s",
		 wt_env("WT_PROGRAMS"), mode);
	want(system(command), 0);
}

static void test_writes(write_fn fn, const char *name)
{
	enum wt_path path =
		lt_supported() ? WT_PATH_WRITETHROUGH : WT_PATH_FALLBACK;
	int fd = must(open(name, O_RDWR | O_CREAT, 0600));
	int shm = must(open("/dev/shm", O_RDWR | O_TMPFILE, 0600));
	int uring = fn == uring_write;
	struct wt_caps caps;
	unsigned int flags;

	want(wt_probe(fd, &caps), 0);
	for (flags = 0; flags <= ALL; flags += WT_DSYNC)
		whole(fn, fd, flags & WT_APPEND ? 0 : lt_size(fd), flags, &caps,
		      path, lt_size(fd));
	whole(fn, fd, 0, 0, &caps, path, 0);
	if (uring) {
		must(lseek(fd, 100, SEEK_SET));
		whole(fn, fd, -1, 0, &caps, path, 100);
		want(lseek(fd, 0, SEEK_CUR), 100 + SIZE);
	}
	whole(fn, fd, 0, 0, &none, WT_PATH_FALLBACK, 0);
	none_written(fn, fd, &none, WT_REQUIRE, -EOPNOTSUPP,
		     uring ? 0 : -EINVAL);
	if (!lt_supported())
		none_written(fn, fd, &supported, 0, WT_PATH_WRITETHROUGH,
			     -EOPNOTSUPP);

	/* The operator's switch, between the probe and the request */
	if (lt_supported()) {
		set_mode("off");
		none_written(fn, fd, &caps, 0, WT_PATH_WRITETHROUGH,
			     -EOPNOTSUPP);
		want(wt_probe(fd, &caps), 0);
		whole(fn, fd, 0, 0, &caps, WT_PATH_FALLBACK, 0);
		set_mode("on");
	}
	close(fd);

	fd = must(open(name, O_RDWR | O_DIRECT));
	want(wt_probe(fd, &caps), 0);
	want(!!(caps.flags & WT_CAP_DIRECT), 1);
	whole(fn, fd, 0, 0, &caps,
	      lt_supported() ? WT_PATH_WRITETHROUGH : WT_PATH_DIRECT, 0);
	whole(fn, fd, 0, 0, &direct, WT_PATH_DIRECT, 0);
	close(fd);

	/* tmpfs has none on any kernel, and refuses what was wrongly said. */
	want(wt_probe(shm, &caps), 0);
	none_written(fn, shm, &caps, WT_REQUIRE, -EOPNOTSUPP,
		     uring ? 0 : -EINVAL);
	none_written(fn, shm, &supported, WT_REQUIRE, WT_PATH_WRITETHROUGH,
		     -EOPNOTSUPP);
	close(shm);
}

int main(void)
{
	const char *dir = lt_enter_dir();

	test_filled();
	want(io_setup(4, &ctx), 0);
	want(io_uring_queue_init(4, &ring, 0), 0);
	test_writes(aio_write, "aio");
	test_writes(uring_write, "uring");
	io_uring_queue_exit(&ring);
	want(io_destroy(ctx), 0);
	lt_leave_dir(dir);
	return 0;
}
