// SPDX-License-Identifier: GPL-2.0-only
/*
 * wt_pwritev() with every argument that can be wrong: the result is -errno as
 * pwritev2() would have it, errno itself and the file stay as they were, and the
 * path is "none".  WT_REQUIRE is -EOPNOTSUPP exactly where there is no support.
 * Fails if a call returns anything else or leaves a byte behind.
 *
 * debug: no
 * need: disk nullblk,cache,size=512M
 */
#include "libtest.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>

static int fd;
static char *page; /* readable, and one behind it that is not */
static long page_size;
static volatile sig_atomic_t signals;

static void on_signal(int sig)
{
	(void)sig;
	signals = signals + 1;
}

static ssize_t call(int f, const struct iovec *iov, int iovcnt, int64_t offset,
		    unsigned int flags)
{
	enum wt_path path = 77;
	ssize_t ret;

	errno = 4242;
	ret = wt_pwritev(f, iov, iovcnt, offset, flags, &path);
	want(errno, 4242);
	want(path == WT_PATH_NONE, ret <= 0);
	return ret;
}

static ssize_t put(int f, const void *buf, size_t len, int64_t offset,
		   unsigned int flags)
{
	struct iovec iov = { .iov_base = (void *)buf, .iov_len = len };

	return call(f, &iov, 1, offset, flags);
}

static void unchanged(void)
{
	char got[8];

	want(lt_size(fd), 8);
	want(pread(fd, got, 8, 0), 8);
	want(memcmp(got, "original", 8), 0);
	want(lseek(fd, 0, SEEK_CUR), 3);
}

static void test_descriptors(void)
{
	int rdonly = must(open("f", O_RDONLY)), pipes[2];

	want(put(-1, "x", 1, 0, 0), -EBADF);
	want(put(12345, "x", 1, 0, 0), -EBADF);
	want(put(rdonly, "x", 1, 0, 0), -EBADF);
	must(pipe(pipes));
	want(put(pipes[1], "x", 1, 0, 0), -ESPIPE);
	want(put(pipes[1], "x", 1, -1, WT_REQUIRE), -EOPNOTSUPP);
	want(put(pipes[1], "x", 1, -1, 0), 1);
	want(put(pipes[1], "x", 1, -1, WT_DSYNC), 1);
	close(pipes[0]);
	signal(SIGPIPE, SIG_IGN);
	want(put(pipes[1], "x", 1, -1, 0), -EPIPE);
	close(pipes[1]);
	close(rdonly);
}

static void test_vectors(void)
{
	static struct iovec many[IOV_MAX + 1];
	struct iovec iov[2];
	int i;

	for (i = 0; i <= IOV_MAX; i++)
		many[i] = (struct iovec){ page, 0 };
	want(call(fd, NULL, 0, 0, 0), 0);
	want(call(fd, many, IOV_MAX, 0, 0), 0);
	want(call(fd, many, IOV_MAX + 1, 0, 0), -EINVAL);
	want(call(fd, many, -1, 0, 0), -EINVAL);
	want(call(fd, (void *)(page + page_size), 1, 0, 0), -EFAULT);
	want(put(fd, page, (size_t)-1, 0, 0), -EINVAL);
	want(put(fd, page + page_size, 1, 0, 0), -EFAULT);
	unchanged();
	/* Good until the bad segment: as far as the kernel's own call got. */
	iov[0] = (struct iovec){ "ORIG", 4 };
	iov[1] = (struct iovec){ page + page_size, 4 };
	want(call(fd, iov, 2, 0, 0), 4);
	want(put(fd, "orig", 4, 0, 0), 4);
	unchanged();
}

static void test_numbers(void)
{
	unsigned int bit;

	want(put(fd, "x", 1, -2, 0), -EINVAL);
	want(put(fd, "x", 1, INT64_MIN, 0), -EINVAL);
	for (bit = 0x10; bit; bit <<= 1)
		want(put(fd, "x", 1, 0, bit), -EINVAL);
	unchanged();
	want(put(fd, "", 0, 0, 0), 0);
	want(put(fd, "", 0, 0, WT_REQUIRE), 0);
	unchanged();
}

static void test_size_limit(void)
{
	struct rlimit old, limit;

	must(getrlimit(RLIMIT_FSIZE, &old));
	limit = old;
	limit.rlim_cur = 8;
	signal(SIGXFSZ, on_signal);
	must(setrlimit(RLIMIT_FSIZE, &limit));
	want(put(fd, "x", 1, 8, 0), -EFBIG);
	want(signals, 1);
	want(put(fd, "alZZ", 4, 6, 0), 2);
	want(signals, 1);
	must(setrlimit(RLIMIT_FSIZE, &old));
	signal(SIGXFSZ, SIG_DFL);
	unchanged();
	want(put(fd, "x", 1, INT64_MAX, 0), -EINVAL);
	unchanged();
}

static void test_require(void)
{
	int other = must(open("/dev/shm/wt-test", O_RDWR | O_CREAT, 0600));
	bool yes = lt_supported();
	enum wt_path path;
	struct iovec iov = { "orig", 4 };

	want(put(fd, "orig", 4, 0, WT_REQUIRE), yes ? 4 : -EOPNOTSUPP);
	want(wt_pwritev(fd, &iov, 1, 0, WT_REQUIRE, NULL),
	     yes ? 4 : -EOPNOTSUPP);
	want(wt_pwritev(fd, &iov, 1, 0, 0, &path), 4);
	want(path, yes ? WT_PATH_WRITETHROUGH : WT_PATH_FALLBACK);
	unchanged();
	/* tmpfs has none on any kernel. */
	want(put(other, "orig", 4, 0, WT_REQUIRE), -EOPNOTSUPP);
	want(lt_size(other), 0);
	want(wt_pwritev(other, &iov, 1, 0, 0, &path), 4);
	want(path, WT_PATH_FALLBACK);
	close(other);
	unlink("/dev/shm/wt-test");
}

int main(void)
{
	const char *dir = lt_enter_dir();

	page_size = sysconf(_SC_PAGESIZE);
	page = mmap(NULL, 2 * page_size, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED)
		fail("mmap");
	must(mprotect(page + page_size, page_size, PROT_NONE));
	fd = must(open("f", O_RDWR | O_CREAT, 0600));
	want(write(fd, "original", 8), 8);
	must(lseek(fd, 3, SEEK_SET));

	test_descriptors();
	test_vectors();
	test_numbers();
	test_size_limit();
	test_require();
	lt_leave_dir(dir);
	return 0;
}
