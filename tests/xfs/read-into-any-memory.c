// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reads into memory that is not there yet: fresh, in many pieces, only to be written,
 * of a stack that has to grow, a mapping, a part that is not to be written at
 * all.  Buffered and direct, by a call and by a ring.
 * Fails if a read is short, or wrong, or returns another error than EFAULT where no
 * memory is; what one returns is what it is in the stock kernel.
 *
 * need: disk nullblk,cache,size=512M
 * timeout: 60
 */
#include "../common/async.h"

#include <pthread.h>

#define PAGE 4096
#define MIB (1 << 20)
/* Data, a hole, data to an end inside a sector */
#define HOLE (5 * MIB + 512)
#define AGAIN (6 * MIB + 1536)
#define END (7 * MIB + 4711)
#define PIECES 512

static const struct how {
	const char *name, *engine;
	int flags;
} hows[] = {
	{ "buffered", NULL, 0 },	  { "buffered, ring", "uring", 0 },
	{ "direct", NULL, O_DIRECT },	  { "direct, ring", "uring", O_DIRECT },
	{ "polled", "iopoll", O_DIRECT },
};

static const struct how *how;
static const char *what;
static char path[4096];
static int fd;

static uint8_t at(size_t pos)
{
	return pos < HOLE || pos >= AGAIN ? wt_pattern(pos, 1) : 0;
}

static void compare(const uint8_t *buf, size_t len, size_t pos)
{
	for (size_t i = 0; i < len; i++)
		if (buf[i] != at(pos + i))
			fail("%s, %s: byte %zu is %d, not %d", how->name, what,
			     pos + i, buf[i], at(pos + i));
}

static uint8_t *memory(size_t len, int prot)
{
	uint8_t *p = mmap(NULL, len, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		fail("mmap: %s", strerrorname_np(errno));
	/* None is there but by a fault of its own, also where huge pages are. */
	(void)madvise(p, len, MADV_NOHUGEPAGE);
	return p;
}

static ssize_t readv_at(const struct iovec *iov, int n, off_t pos, int flags)
{
	struct async ring;
	uint64_t nr;
	ssize_t ret = 0;

	if (!how->engine) {
		ret = preadv2(fd, iov, n, pos, flags);
		return ret < 0 ? -errno : ret;
	}
	async_start(&ring, how->engine, 1);
	async_sqe(&ring, fd, 1, iov, n, pos, flags)->opcode = IORING_OP_READV;
	want(async_enter(&ring, 0), 1);
	async_next(&ring, true, &nr, &ret);
	async_stop(&ring);
	return ret;
}

static void expect(const struct iovec *iov, int n, off_t pos, ssize_t expected)
{
	ssize_t ret = readv_at(iov, n, pos, 0);

	if (ret != expected)
		fail("%s, %s: %zd, not %zd", how->name, what, ret, expected);
	for (int i = 0; ret > 0; i++) {
		size_t len = (size_t)ret < iov[i].iov_len ? (size_t)ret :
							    iov[i].iov_len;

		compare(iov[i].iov_base, len, pos);
		pos += len;
		ret -= len;
	}
}

static void expect_one(uint8_t *buf, size_t len, off_t pos, ssize_t expected)
{
	struct iovec iov = { buf, len };

	expect(&iov, 1, pos, expected);
}

static void fresh(void)
{
	const size_t len = 8 * MIB;
	uint8_t *p;

	what = "fresh memory";
	for (size_t off = 0; off < PAGE; off += 512) {
		p = memory(len + PAGE, PROT_READ | PROT_WRITE);
		/* Some of it is there, and not at the beginning. */
		p[3 * PAGE] = p[9 * PAGE] = p[len / 2] = 1;
		expect_one(p + off, len, 0, END);
		must(munmap(p, len + PAGE));
	}
	what = "memory that is only to be written";
	p = memory(len, PROT_WRITE);
	want(readv_at(&(struct iovec){ p, len }, 1, 0, 0), END);
	must(mprotect(p, len, PROT_READ));
	compare(p, END, 0);
	must(munmap(p, len));

	what = "a private mapping of the file";
	p = mmap(NULL, 7 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED)
		fail("mmap: %s", strerrorname_np(errno));
	expect_one(p, 5 * MIB, 2 * MIB, 5 * MIB);
	must(munmap(p, 7 * MIB));
}

static void pieces(void)
{
	static struct iovec iov[PIECES];
	uint8_t *p = memory((PIECES + 1) * PAGE, PROT_READ | PROT_WRITE);
	const size_t each = how->flags ? 512 : 24;

	what = "many pieces";
	for (int i = 0; i < PIECES; i++) {
		/* Without O_DIRECT, each in two pages */
		iov[i].iov_base = p + i * PAGE + (how->flags ? 1024 : 4084);
		iov[i].iov_len = each;
	}
	expect(iov, PIECES, HOLE - PIECES / 2 * each, PIECES * each);
	must(munmap(p, (PIECES + 1) * PAGE));
}

/* The memory is a mapping of what is read, which is written back for each try. */
static void itself(void)
{
	uint8_t *p;

	what = "a mapping of what is read";
	p = mmap(NULL, END, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		fail("mmap: %s", strerrorname_np(errno));
	expect_one(p + MIB, MIB, MIB, MIB);
	must(msync(p, END, MS_SYNC));
	must(munmap(p, END));
	/* Where they were, the bytes are. */
	p = memory(8 * MIB, PROT_READ | PROT_WRITE);
	expect_one(p, 8 * MIB, 0, END);
	must(munmap(p, 8 * MIB));
}

/* No more than @mib of it have been used, and the limit is 8 MiB. */
static void __attribute__((noinline)) stack(int mib)
{
	uint8_t *p = __builtin_frame_address(0);

	what = "a stack that grows";
	p = (uint8_t *)((uintptr_t)p / PAGE * PAGE) - (mib + 1) * MIB;
	/* A pin does not make it grow, but over a hole there is none. */
	if (how->flags)
		expect_one(p, MIB / 2, 5 * MIB + 65536, MIB / 2);
	else
		expect_one(p, MIB, 4096, MIB);
}

static void nowhere(void)
{
	uint8_t *p = memory(8 * MIB, PROT_READ | PROT_WRITE);

	/* A direct read is all or nothing. */
	what = "memory that ends";
	must(mprotect(p + 3 * MIB, PAGE, PROT_NONE));
	expect_one(p, 4 * MIB, 0, how->flags ? -EFAULT : 3 * MIB);
	expect_one(p, 4 * MIB, HOLE - 2 * MIB, how->flags ? -EFAULT : 3 * MIB);
	expect_one(p, 3 * MIB, 0, 3 * MIB);
	what = "no memory";
	expect_one(p + 3 * MIB, PAGE, 0, -EFAULT);
	expect_one(p + 3 * MIB, PAGE, AGAIN / 4096 * 4096 - 8192, -EFAULT);
	must(mprotect(p + 3 * MIB, PAGE, PROT_READ));
	expect_one(p + 3 * MIB, PAGE, 0, -EFAULT);
	/* There is nothing to be stored. */
	expect_one(p + 3 * MIB, PAGE, END / 512 * 512 + 512, 0);
	must(munmap(p, 8 * MIB));
}

static void must_not_wait(void)
{
	uint8_t *p = memory(8 * MIB, PROT_READ | PROT_WRITE);
	size_t done = 0;
	ssize_t ret;

	what = "a read that must not wait";
	while (done < END) {
		ret = readv_at(&(struct iovec){ p + done, 8 * MIB - done }, 1,
			       done, RWF_NOWAIT);
		if (ret == -EAGAIN)
			ret = readv_at(&(struct iovec){ p + done, PAGE }, 1,
				       done, 0);
		if (ret <= 0)
			fail("%s, %s: %zd at %zu", how->name, what, ret, done);
		done += ret;
		if (how->flags && done < END)
			want(done % 512, 0);
	}
	want(done, END);
	compare(p, END, 0);
	must(munmap(p, 8 * MIB));
}

static uint8_t *shared;
static bool stop;

static void *taker(void *arg)
{
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		must(madvise(shared, MIB, MADV_DONTNEED));
		sched_yield();
	}
	return arg;
}

/* A buffered read gets on, though its buffer be taken away all the time. */
static void taken_away(void)
{
	pthread_t thread;

	what = "memory that is taken away";
	shared = memory(MIB, PROT_READ | PROT_WRITE);
	stop = false;
	must(-pthread_create(&thread, NULL, taker, NULL));
	for (int i = 0; i < 100; i++)
		want(readv_at(&(struct iovec){ shared, MIB }, 1, 0, 0), MIB);
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	must(-pthread_join(thread, NULL));
	must(munmap(shared, MIB));
}

int main(void)
{
	uint8_t *all = malloc(END);

	snprintf(path, sizeof(path), "%s/file", wt_env("TEST_DIR"));
	fd = must(open(path, O_RDWR | O_CREAT, 0644));
	for (size_t i = 0; i < END; i++)
		all[i] = at(i);
	/* Blocks that are half hole have data. */
	want(pwrite(fd, all, HOLE, 0), HOLE);
	want(pwrite(fd, all + AGAIN, END - AGAIN, AGAIN), END - AGAIN);
	must(fsync(fd));
	must(close(fd));
	free(all);

	for (size_t i = 0; i < sizeof(hows) / sizeof(*hows); i++) {
		how = &hows[i];
		fd = must(open(path, O_RDWR | how->flags));
		fresh();
		pieces();
		itself();
		stack(1 + i);
		nowhere();
		/* A ring that polls does not take that for all. */
		if (!how->engine)
			must_not_wait();
		if (!how->flags)
			taken_away();
		must(close(fd));
	}
	return 0;
}
