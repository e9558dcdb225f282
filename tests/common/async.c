// SPDX-License-Identifier: GPL-2.0-only
/*
 * Write-through by asynchronous requests: async aio|uring FILE [LEN]
 *
 * 64 requests of 4 KiB over the start of FILE, eight at a time, each waited for
 * by its completion; then one that must fail and a durable one.  With LEN: one
 * request of so many bytes, and its result is printed.  By system calls alone, so
 * that nothing between the test and the kernel hides a flag.
 */
#include "wttest.h"

#include <linux/aio_abi.h>
#include <linux/io_uring.h>
#include <sys/mman.h>

#define UNIT 4096
#define REQUESTS 64
#define DEPTH 8

static int fd;
static uint8_t *bufs;

/* Submits one write, or waits for one completion: its result, and its number. */
struct engine {
	void (*start)(void);
	void (*submit)(int fd, int nr, void *buf, size_t len, off_t pos,
		       int flags);
	ssize_t (*reap)(int *nr);
	uint64_t seed;
};

/* --- libaio's system calls -------------------------------------------------- */

static aio_context_t ctx;

static void aio_start(void)
{
	must(syscall(SYS_io_setup, DEPTH, &ctx));
}

static void aio_submit(int fd, int nr, void *buf, size_t len, off_t pos,
		       int flags)
{
	struct iocb iocb = {
		.aio_data = nr,
		.aio_lio_opcode = IOCB_CMD_PWRITE,
		.aio_fildes = fd,
		.aio_buf = (uintptr_t)buf,
		.aio_nbytes = len,
		.aio_offset = pos,
		.aio_rw_flags = flags,
	};
	struct iocb *list[] = { &iocb };
	long ret = syscall(SYS_io_submit, ctx, 1, list);

	if (ret != 1)
		fail("io_submit: %s", strerrorname_np(errno));
}

static ssize_t aio_reap(int *nr)
{
	struct io_event event;

	want(syscall(SYS_io_getevents, ctx, 1, 1, &event, NULL), 1);
	*nr = event.data;
	return event.res;
}

/* --- io_uring --------------------------------------------------------------- */

static int ring;
static struct io_uring_params params;
static uint8_t *sq, *cq;
static struct io_uring_sqe *sqes;

static void *ring_map(size_t len, off_t what)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_POPULATE, ring, what);

	if (p == MAP_FAILED)
		fail("mmap of the ring: %s", strerrorname_np(errno));
	return p;
}

static void uring_start(void)
{
	ring = must(syscall(SYS_io_uring_setup, DEPTH, &params));
	sq = ring_map(params.sq_off.array + params.sq_entries * 4,
		      IORING_OFF_SQ_RING);
	cq = ring_map(params.cq_off.cqes +
			      params.cq_entries * sizeof(struct io_uring_cqe),
		      IORING_OFF_CQ_RING);
	sqes = ring_map(params.sq_entries * sizeof(*sqes), IORING_OFF_SQES);
}

static uint32_t *word(uint8_t *at, uint32_t offset)
{
	return (uint32_t *)(at + offset);
}

static void uring_submit(int fd, int nr, void *buf, size_t len, off_t pos,
			 int flags)
{
	uint32_t tail = *word(sq, params.sq_off.tail);
	uint32_t i = tail & *word(sq, params.sq_off.ring_mask);

	sqes[i] = (struct io_uring_sqe){
		.opcode = IORING_OP_WRITE,
		.fd = fd,
		.off = pos,
		.addr = (uintptr_t)buf,
		.len = len,
		.rw_flags = flags,
		.user_data = nr,
	};
	word(sq, params.sq_off.array)[i] = i;
	__atomic_store_n(word(sq, params.sq_off.tail), tail + 1,
			 __ATOMIC_RELEASE);
	want(syscall(SYS_io_uring_enter, ring, 1, 0, 0, NULL, 0), 1);
}

static ssize_t uring_reap(int *nr)
{
	uint32_t head = *word(cq, params.cq_off.head);
	struct io_uring_cqe *cqe;
	ssize_t res;

	while (head ==
	       __atomic_load_n(word(cq, params.cq_off.tail), __ATOMIC_ACQUIRE))
		must(syscall(SYS_io_uring_enter, ring, 0, 1,
			     IORING_ENTER_GETEVENTS, NULL, 0));
	cqe = (struct io_uring_cqe *)(cq + params.cq_off.cqes) +
	      (head & *word(cq, params.cq_off.ring_mask));
	res = cqe->res;
	*nr = cqe->user_data;
	__atomic_store_n(word(cq, params.cq_off.head), head + 1,
			 __ATOMIC_RELEASE);
	return res;
}

/* ---------------------------------------------------------------------------- */

static void one(const struct engine *e, int fd, void *buf, off_t pos, int flags,
		ssize_t expected)
{
	int nr;

	e->submit(fd, 99, buf, UNIT, pos, flags);
	want(e->reap(&nr), expected);
	want(nr, 99);
}

static void big(const struct engine *e, size_t len)
{
	uint8_t *buf = malloc(len);
	int nr;

	wt_fill(buf, len, 0, e->seed);
	e->submit(fd, 0, buf, len, 0, RWF_WRITETHROUGH);
	printf("%zd\n", e->reap(&nr));
}

int main(int argc, char **argv)
{
	static const struct engine aio = { aio_start, aio_submit, aio_reap, 2 };
	static const struct engine uring = { uring_start, uring_submit,
					     uring_reap, 3 };
	const struct engine *e;
	int started = 0, ended = 0, slot[REQUESTS], busy[DEPTH] = {}, nr, ro;
	uint8_t done[REQUESTS] = {};

	if (argc != 3 && argc != 4)
		fail("usage: async aio|uring FILE [LEN]");
	e = strcmp(argv[1], "aio") ? &uring : &aio;
	fd = must(open(argv[2], O_RDWR));
	if (posix_memalign((void **)&bufs, UNIT, UNIT * DEPTH))
		fail("no memory");
	e->start();
	if (argc == 4) {
		big(e, atol(argv[3]));
		return 0;
	}
	while (ended < REQUESTS) {
		for (int s = 0; s < DEPTH && started < REQUESTS; s++) {
			off_t pos = (off_t)started * UNIT;

			if (busy[s])
				continue;
			wt_fill(bufs + s * UNIT, UNIT, pos, e->seed);
			busy[s] = 1;
			slot[started] = s;
			e->submit(fd, started++, bufs + s * UNIT, UNIT, pos,
				  RWF_WRITETHROUGH);
		}
		want(e->reap(&nr), UNIT);
		if (nr < 0 || nr >= REQUESTS || done[nr])
			fail("completion of request %d", nr);
		done[nr] = 1;
		busy[slot[nr]] = 0;
		ended++;
	}
	wt_fill(bufs, UNIT, 0, e->seed);
	one(e, fd, bufs, 0, RWF_WRITETHROUGH | RWF_DSYNC, UNIT);
	one(e, fd, (void *)8, UNIT, RWF_WRITETHROUGH, -EFAULT);
	ro = must(open("/dev/null", O_WRONLY));
	if (e == &uring)
		one(e, ro, bufs, 0, RWF_WRITETHROUGH, -EOPNOTSUPP);
	return 0;
}
