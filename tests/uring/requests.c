// SPDX-License-Identifier: GPL-2.0-only
/*
 * Write-through by every kind of write request that io_uring has: linked, drained,
 * vectored, with registered buffers and files, by workers, by the kernel's own
 * submission thread.  Its result is that of the system call, and the bytes are in the
 * cache and on the device; a ring that polls for completions refuses it.
 * Fails if a result, a byte or the order of links and drains is another.
 *
 * need: disk nullblk,cache,fua=0,latency=1ms,size=512M
 * timeout: 60
 */
#include "../common/async.h"

#include <sys/stat.h>

#define UNIT 4096
#define SLOTS 8

static struct async ring;
static int fd, direct;
static uint8_t *buf, *got;
static uint64_t seed = 1;

/* Flags of the request, and of a request to a descriptor that has O_DSYNC. */
static const struct kind {
	int flags, open;
} kinds[] = {
	{ RWF_WRITETHROUGH, 0 },
	{ RWF_WRITETHROUGH | RWF_DSYNC, 0 },
	{ RWF_DSYNC, 0 },
	{ 0, O_DSYNC },
};
static const struct kind *kind;

static uint8_t *slot(int i)
{
	return buf + i * UNIT;
}

/* New bytes for @n slots. */
static void fill(int n)
{
	wt_fill(buf, n * UNIT, 0, ++seed);
}

static void same(int n)
{
	want(pread(fd, got, n * UNIT, 0), n * UNIT);
	want(wt_differs(got, n * UNIT, 0, seed), -1);
	want(pread(direct, got, n * UNIT, 0), n * UNIT);
	want(wt_differs(got, n * UNIT, 0, seed), -1);
}

static struct io_uring_sqe *add(int i)
{
	return async_sqe(&ring, fd, i, slot(i), UNIT, i * UNIT, kind->flags);
}

/* Sends what was added, and has the results of @n requests. */
static void results(int n, ssize_t *res)
{
	uint64_t nr;

	want(async_enter(&ring, 0), n);
	for (int i = 0; i < n; i++) {
		ssize_t r = async_reap(&ring, &nr);

		if (nr >= (uint64_t)n)
			fail("completion of request %d", (int)nr);
		res[nr] = r;
	}
}

static void all_written(int n)
{
	ssize_t res[SLOTS];

	results(n, res);
	for (int i = 0; i < n; i++)
		want(res[i], UNIT);
	same(n);
}

static void plain(void)
{
	fill(SLOTS);
	for (int i = 0; i < SLOTS; i++)
		add(i);
	all_written(SLOTS);
}

static void by_worker(void)
{
	fill(SLOTS);
	for (int i = 0; i < SLOTS; i++)
		add(i)->flags = IOSQE_ASYNC;
	all_written(SLOTS);
}

static void vectored(void)
{
	struct iovec iov[SLOTS];
	uint64_t nr;

	fill(SLOTS);
	for (int i = 0; i < SLOTS; i++)
		iov[i] = (struct iovec){ slot(i), UNIT };
	/* The last one is not aligned to anything. */
	iov[SLOTS - 1].iov_len = 1000;
	async_sqe(&ring, fd, 0, iov, SLOTS, 0, kind->flags)->opcode =
		IORING_OP_WRITEV;
	want(async_enter(&ring, 0), 1);
	want(async_reap(&ring, &nr), (SLOTS - 1) * UNIT + 1000);
	same(SLOTS - 1);
	want(pread(fd, got, 1000, (SLOTS - 1) * UNIT), 1000);
	want(wt_differs(got, 1000, (SLOTS - 1) * UNIT, seed), -1);
}

static void registered(void)
{
	struct iovec iov = { buf, SLOTS * UNIT };

	want(syscall(SYS_io_uring_register, ring.ring, IORING_REGISTER_BUFFERS,
		     &iov, 1),
	     0);
	want(syscall(SYS_io_uring_register, ring.ring, IORING_REGISTER_FILES,
		     &fd, 1),
	     0);
	fill(SLOTS);
	for (int i = 0; i < SLOTS; i++) {
		struct io_uring_sqe *sqe = add(i);

		if (i % 2)
			sqe->opcode = IORING_OP_WRITE_FIXED;
		if (i % 4 < 2) {
			sqe->fd = 0;
			sqe->flags = IOSQE_FIXED_FILE;
		}
		if (i >= SLOTS / 2)
			sqe->flags |= IOSQE_ASYNC;
	}
	all_written(SLOTS);
	want(syscall(SYS_io_uring_register, ring.ring,
		     IORING_UNREGISTER_BUFFERS, NULL, 0),
	     0);
	want(syscall(SYS_io_uring_register, ring.ring, IORING_UNREGISTER_FILES,
		     NULL, 0),
	     0);
}

/* Each begins when the one before is complete: the last write is what stays. */
static void linked(void)
{
	ssize_t res[SLOTS];
	struct io_uring_sqe *sqe;

	fill(1);
	for (int i = 1; i < SLOTS; i++)
		wt_fill(slot(i), UNIT, 0, seed + i);
	for (int i = 0; i < SLOTS; i++) {
		sqe = async_sqe(&ring, fd, i, slot(i), UNIT, 0, kind->flags);
		if (i < SLOTS - 1)
			sqe->flags = IOSQE_IO_LINK;
	}
	results(SLOTS, res);
	for (int i = 0; i < SLOTS; i++)
		want(res[i], UNIT);
	seed += SLOTS - 1;
	same(1);

	/* What follows a failure is cancelled, and has written nothing. */
	async_sqe(&ring, fd, 0, (void *)8, UNIT, 0, kind->flags)->flags =
		IOSQE_IO_LINK;
	for (int i = 1; i < SLOTS; i++) {
		sqe = async_sqe(&ring, fd, i, buf, UNIT, 0, kind->flags);
		if (i < SLOTS - 1)
			sqe->flags = IOSQE_IO_LINK;
	}
	results(SLOTS, res);
	want(res[0], -EFAULT);
	for (int i = 1; i < SLOTS; i++)
		want(res[i], -ECANCELED);
	same(1);

	/* A read behind a write has its bytes. */
	fill(1);
	add(0)->flags = IOSQE_IO_LINK;
	sqe = async_sqe(&ring, direct, 1, got, UNIT, 0, 0);
	sqe->opcode = IORING_OP_READ;
	results(2, res);
	want(res[0], UNIT);
	want(res[1], UNIT);
	want(wt_differs(got, UNIT, 0, seed), -1);
}

/* What is drained, and takes no time, begins when all before it has completed. */
static void drained(void)
{
	struct io_uring_sqe *sqe;
	uint64_t nr;

	fill(SLOTS - 1);
	for (int i = 0; i < SLOTS - 1; i++)
		add(i);
	sqe = add(SLOTS - 1);
	memset(sqe, 0, sizeof(*sqe));
	sqe->opcode = IORING_OP_NOP;
	sqe->flags = IOSQE_IO_DRAIN;
	sqe->user_data = SLOTS - 1;
	want(async_enter(&ring, 0), SLOTS);
	for (int i = 0; i < SLOTS - 1; i++) {
		want(async_reap(&ring, &nr), UNIT);
		if (nr >= SLOTS - 1)
			fail("request %d is complete too early", (int)nr);
	}
	want(async_reap(&ring, &nr), 0);
	same(SLOTS - 1);
}

static void past_the_end(void)
{
	struct stat st;

	must(ftruncate(fd, UNIT / 2));
	fill(SLOTS);
	for (int i = 0; i < SLOTS; i++)
		add(i);
	all_written(SLOTS);
	must(fstat(fd, &st));
	want(st.st_size, SLOTS * UNIT);
}

static void refused_by_polling(void)
{
	struct async polling;
	uint64_t nr;
	ssize_t ret;

	must(async_ring(&polling, SLOTS, IORING_SETUP_IOPOLL));
	async_sqe(&polling, fd, 0, buf, UNIT, 0, kind->flags);
	ret = async_enter(&polling, 1);
	want(ret, 1);
	want(async_reap(&polling, &nr), -EOPNOTSUPP);
	async_stop(&polling);
	same(SLOTS);
}

int main(void)
{
	static const uint32_t setups[] = {
		0,
		IORING_SETUP_SQPOLL,
		IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
	};
	char path[4096];

	snprintf(path, sizeof(path), "%s/file", wt_env("TEST_DIR"));
	if (posix_memalign((void **)&buf, UNIT, SLOTS * UNIT) ||
	    posix_memalign((void **)&got, UNIT, SLOTS * UNIT))
		fail("no memory");
	for (size_t s = 0; s < sizeof(setups) / sizeof(*setups); s++)
		for (size_t k = 0; k < sizeof(kinds) / sizeof(*kinds); k++) {
			kind = &kinds[k];
			printf("setup 0x%x, flags 0x%x, open 0x%x\n", setups[s],
			       kind->flags, kind->open);
			fflush(stdout);
			fd = must(open(path,
				       O_RDWR | O_CREAT | O_TRUNC | kind->open,
				       0644));
			fill(SLOTS);
			want(pwrite(fd, buf, SLOTS * UNIT, 0), SLOTS * UNIT);
			must(fsync(fd));
			direct = must(open(path, O_RDONLY | O_DIRECT));
			must(async_ring(&ring, SLOTS, setups[s]));
			plain();
			by_worker();
			vectored();
			registered();
			linked();
			drained();
			past_the_end();
			refused_by_polling();
			async_stop(&ring);
			close(direct);
			close(fd);
		}
	return 0;
}
