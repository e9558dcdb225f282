// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every error a caller can bring about with its arguments, and what a call means
 * that is half good: EBADF, EFAULT in the first and in a later segment, EINVAL,
 * unknown flags, the flag on a read, on files without support and on O_DIRECT,
 * RWF_NOWAIT, RLIMIT_FSIZE with SIGXFSZ, and offsets.
 * Fails if a call returns anything else, or changes what it should not.
 *
 * need: disk nullblk,cache,size=512M
 */
#include "../common/wttest.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#define WT RWF_WRITETHROUGH

static char path[4096];
static uint8_t *buf, *got, *bad;
static long page;
static volatile sig_atomic_t signals;

static void on_signal(int sig)
{
	(void)sig;
	signals = signals + 1;
}

static off_t size_of(int fd)
{
	struct stat st;

	must(fstat(fd, &st));
	return st.st_size;
}

static int fresh(int flags)
{
	int fd = must(open(path, O_RDWR | O_CREAT | O_TRUNC | flags, 0644));

	wt_fill(buf, 4 * page, 0, 1);
	want(pwrite(fd, buf, 4 * page, 0), 4 * page);
	must(fsync(fd));
	return fd;
}

static void same(int fd, off_t pos, size_t len, uint64_t seed)
{
	ssize_t i;

	want(pread(fd, got, len, pos), (ssize_t)len);
	i = wt_differs(got, len, pos, seed);
	if (i >= 0)
		fail("byte %lld is 0x%02x, expected 0x%02x", (long long)pos + i,
		     got[i], wt_pattern(pos + i, seed));
}

static void bad_descriptors(void)
{
	int fd = fresh(0), ro = must(open(path, O_RDONLY)), p[2], s[2], null;
	int device;

	close(fd);
	want(wt_raw_pwrite(fd, buf, 1, 0, WT), -EBADF);
	want(wt_raw_pwrite(ro, buf, 1, 0, WT), -EBADF);
	same(ro, 0, 4 * page, 1);
	close(ro);

	must(pipe(p));
	want(wt_raw_pwrite(p[1], buf, 1, -1, WT), -EOPNOTSUPP);
	want(wt_raw_pwrite(p[1], buf, 1, 0, WT), -ESPIPE);
	must(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	want(wt_raw_pwrite(s[0], buf, 1, -1, WT), -EOPNOTSUPP);
	null = must(open("/dev/null", O_WRONLY));
	want(wt_raw_pwrite(null, buf, 1, 0, WT), -EOPNOTSUPP);
	device = must(open(wt_env("TEST_DEV"), O_RDWR));
	want(wt_raw_pwrite(device, buf, page, 0, WT), -EOPNOTSUPP);
	close(device);
}

static void bad_values(void)
{
	int fd = fresh(0);
	struct iovec many[1025] = {};
	struct iovec neg[2] = { { buf, page }, { buf, (size_t)-1 } };

	want(wt_raw_pwrite(fd, buf, page, -2, WT), -EINVAL);
	want(wt_raw_pwritev2(fd, many, 1025, 0, WT), -EINVAL);
	want(wt_raw_pwritev2(fd, neg, 2, 0, WT), -EINVAL);
	/* A flag nobody knows is not ignored because this one is known. */
	want(wt_raw_pwrite(fd, buf, page, 0, WT | 0x40000000), -EOPNOTSUPP);
	want(wt_raw_pwrite(fd, buf, page, 0, WT | RWF_APPEND | RWF_NOAPPEND),
	     -EINVAL);
	want(wt_raw_pwrite(fd, buf, 0, 0, WT), 0);
	want(wt_raw_pwritev2(fd, many, 0, 0, WT), 0);
	/* Past the end: that takes blocks. */
	want(wt_raw_pwrite(fd, buf, page, 4 * page, WT | RWF_NOWAIT), -EAGAIN);
	want(size_of(fd), 4 * page);
	same(fd, 0, 4 * page, 1);
	close(fd);
}

static void on_read(void)
{
	int fd = fresh(0);
	struct iovec iov = { got, page };
	ssize_t ret = preadv2(fd, &iov, 1, 0, WT);

	want(ret < 0 ? -errno : ret, -EOPNOTSUPP);
	close(fd);
	fd = must(open(path, O_RDWR | O_DIRECT));
	ret = preadv2(fd, &iov, 1, 0, WT);
	want(ret < 0 ? -errno : ret, -EOPNOTSUPP);
	close(fd);
}

static void on_direct(void)
{
	int fd = fresh(O_DIRECT), cached = must(open(path, O_RDONLY));

	same(cached, 0, 4 * page, 1);
	wt_fill(buf, page, page, 2);
	want(wt_raw_pwrite(fd, buf, page, page, WT), page);
	want(wt_raw_pwrite(fd, buf + 1, page, page, WT), -EINVAL);
	wt_fill(buf, page, 4 * page, 2);
	want(wt_raw_pwrite(fd, buf, page, 4 * page, WT | RWF_DSYNC), page);
	same(cached, page, page, 2);
	same(cached, 4 * page, page, 2);
	same(cached, 0, page, 1);
	want(size_of(fd), 5 * page);
	close(fd);
	close(cached);
}

/* Some of the bytes, and then the end of what can be read. */
static void bad_buffers(void)
{
	int fd = fresh(0);
	struct iovec iov[3];
	ssize_t ret;

	want(wt_raw_pwrite(fd, bad, page, 0, WT), -EFAULT);
	same(fd, 0, 4 * page, 1);
	iov[0] = (struct iovec){ bad, 100 };
	iov[1] = (struct iovec){ buf, 100 };
	want(wt_raw_pwritev2(fd, iov, 2, 0, WT), -EFAULT);
	same(fd, 0, 4 * page, 1);
	want(wt_raw_pwrite(fd, bad, page, 4 * page, WT), -EFAULT);
	want(size_of(fd), 4 * page);

	/* The second page of a segment cannot be read. */
	wt_fill(bad - 2 * page, 2 * page, 0, 2);
	ret = wt_raw_pwrite(fd, bad - 2 * page, 3 * page, 0, WT);
	want(ret, 2 * page);
	same(fd, 0, 2 * page, 2);
	same(fd, 2 * page, 2 * page, 1);

	/* A later segment, not aligned to anything, beyond the old end. */
	wt_fill(buf, 1000, 4 * page - 500, 3);
	iov[0] = (struct iovec){ buf, 300 };
	iov[1] = (struct iovec){ buf + 300, 700 };
	iov[2] = (struct iovec){ bad, page };
	want(wt_raw_pwritev2(fd, iov, 3, 4 * page - 500, WT), 1000);
	same(fd, 4 * page - 500, 1000, 3);
	want(size_of(fd), 4 * page + 500);

	/* What was accepted has been written, what was not is gone. */
	must(fsync(fd));
	must(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
	same(fd, 0, 2 * page, 2);
	same(fd, 2 * page, 2 * page - 500, 1);
	same(fd, 4 * page - 500, 1000, 3);
	close(fd);
}

static void limits(void)
{
	int fd = fresh(0);
	struct rlimit old, lim;

	must(getrlimit(RLIMIT_FSIZE, &old));
	lim = (struct rlimit){ 6 * page + 100, old.rlim_max };
	must(setrlimit(RLIMIT_FSIZE, &lim));
	signal(SIGXFSZ, on_signal);
	wt_fill(buf, 8 * page, 0, 4);
	want(wt_raw_pwrite(fd, buf, 8 * page, 0, WT), 6 * page + 100);
	want(signals, 0);
	want(size_of(fd), 6 * page + 100);
	same(fd, 0, 6 * page + 100, 4);
	want(wt_raw_pwrite(fd, buf, page, 6 * page + 100, WT), -EFBIG);
	want(signals, 1);
	want(wt_raw_pwrite(fd, buf, page, 100 * page, WT), -EFBIG);
	want(signals, 2);
	want(size_of(fd), 6 * page + 100);
	must(setrlimit(RLIMIT_FSIZE, &old));
	/* The last byte a file can have: its block ends beyond any offset. */
	want(wt_raw_pwrite(fd, buf, 1, INT64_MAX, WT), -EINVAL);
	want(wt_raw_pwrite(fd, buf, 2, INT64_MAX - 1, WT), -EINVAL);
	want(wt_raw_pwrite(fd, buf, 1, INT64_MAX - 1, WT), 1);
	want(pread(fd, got, 1, INT64_MAX - 1), 1);
	want(got[0], buf[0]);
	must(ftruncate(fd, 6 * page + 100));
	close(fd);
}

static void offsets(void)
{
	int fd = fresh(0), app = must(open(path, O_WRONLY | O_APPEND));

	/* The file's own offset moves by what was written. */
	must(lseek(fd, 100, SEEK_SET));
	wt_fill(buf, 50, 100, 5);
	want(wt_raw_pwrite(fd, buf, 50, -1, WT), 50);
	want(lseek(fd, 0, SEEK_CUR), 150);
	same(fd, 100, 50, 5);
	/* A given one does not move it. */
	want(wt_raw_pwrite(fd, buf, 50, 1000, WT), 50);
	want(lseek(fd, 0, SEEK_CUR), 150);

	/* Appending ignores the position, and leaves the file's at the end. */
	wt_fill(buf, 77, 4 * page, 6);
	want(wt_raw_pwrite(app, buf, 77, -1, WT), 77);
	want(lseek(app, 0, SEEK_CUR), 4 * page + 77);
	wt_fill(buf, 33, 4 * page + 77, 6);
	want(wt_raw_pwrite(app, buf, 33, 5, WT), 33);
	same(fd, 4 * page, 110, 6);
	wt_fill(buf, 10, 4 * page + 110, 6);
	want(wt_raw_pwrite(fd, buf, 10, 0, WT | RWF_APPEND), 10);
	same(fd, 4 * page, 120, 6);
	wt_fill(buf, 10, 0, 7);
	want(wt_raw_pwrite(app, buf, 10, 0, WT | RWF_NOAPPEND), 10);
	same(fd, 0, 10, 7);
	want(size_of(fd), 4 * page + 120);
	close(fd);
	close(app);
}

int main(void)
{
	page = sysconf(_SC_PAGESIZE);
	snprintf(path, sizeof(path), "%s/file", wt_env("TEST_DIR"));
	if (posix_memalign((void **)&buf, page, 16 * page) ||
	    posix_memalign((void **)&got, page, 16 * page))
		fail("no memory");
	bad = mmap(NULL, 3 * page, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (bad == MAP_FAILED)
		fail("mmap: %s", strerrorname_np(errno));
	bad += 2 * page;
	must(mprotect(bad, page, PROT_NONE));

	bad_descriptors();
	bad_values();
	on_read();
	on_direct();
	bad_buffers();
	limits();
	offsets();
	return 0;
}
