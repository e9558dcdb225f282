/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Asynchronous requests, by libaio's system calls or by io_uring's: alone, so that
 * nothing between a test and the kernel hides a flag or a result.
 *
 * Errors of a submission are returned as -errno, those of a request come with its
 * completion.  A submission that waits, waits here: nothing is handed to a thread.
 */
#ifndef ASYNC_H
#define ASYNC_H

#include "wttest.h"

#include <linux/aio_abi.h>
#include <linux/io_uring.h>
#include <stdbool.h>
#include <sys/mman.h>

struct async {
	bool uring;
	aio_context_t aio;
	int ring;
	struct io_uring_params params;
	uint8_t *sq, *cq;
	struct io_uring_sqe *sqes;
	unsigned int unsent;
};

static inline uint32_t *async_word(uint8_t *at, uint32_t offset)
{
	return (uint32_t *)(at + offset);
}

static inline void *async_map(const struct async *a, size_t len, off_t what)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_POPULATE, a->ring, what);

	if (p == MAP_FAILED)
		fail("mmap of the ring: %s", strerrorname_np(errno));
	return p;
}

/* A ring with @setup flags: 0 or -errno. */
static inline int async_ring(struct async *a, unsigned int depth,
			     uint32_t setup)
{
	*a = (struct async){ .uring = true };
	a->params.flags = setup;
	a->params.sq_thread_idle = 100;
	a->ring = syscall(SYS_io_uring_setup, depth, &a->params);
	if (a->ring < 0)
		return -errno;
	a->sq = async_map(a, a->params.sq_off.array + a->params.sq_entries * 4,
			  IORING_OFF_SQ_RING);
	a->cq = async_map(a,
			  a->params.cq_off.cqes +
				  a->params.cq_entries *
					  sizeof(struct io_uring_cqe),
			  IORING_OFF_CQ_RING);
	a->sqes = async_map(a, a->params.sq_entries * sizeof(*a->sqes),
			    IORING_OFF_SQES);
	return 0;
}

/* @engine: "aio", "uring", or "iopoll", a ring that polls */
static inline void async_start(struct async *a, const char *engine,
			       unsigned int depth)
{
	if (!strcmp(engine, "uring") || !strcmp(engine, "iopoll")) {
		must(async_ring(a, depth,
				*engine == 'i' ? IORING_SETUP_IOPOLL : 0));
		return;
	}
	if (strcmp(engine, "aio"))
		fail("%s: the engines are aio, uring and iopoll", engine);
	*a = (struct async){};
	must(syscall(SYS_io_setup, depth, &a->aio));
}

/* All requests must have been reaped. */
static inline void async_stop(struct async *a)
{
	if (!a->uring) {
		must(syscall(SYS_io_destroy, a->aio));
		return;
	}
	munmap(a->sqes, a->params.sq_entries * sizeof(*a->sqes));
	munmap(a->sq, a->params.sq_off.array + a->params.sq_entries * 4);
	munmap(a->cq,
	       a->params.cq_off.cqes +
		       a->params.cq_entries * sizeof(struct io_uring_cqe));
	close(a->ring);
}

/* --- io_uring alone --------------------------------------------------------- */

/* The next request, a write: to be changed and then sent by async_enter(). */
static inline struct io_uring_sqe *async_sqe(struct async *a, int fd,
					     uint64_t nr, const void *buf,
					     size_t len, off_t pos, int flags)
{
	uint32_t tail = *async_word(a->sq, a->params.sq_off.tail) + a->unsent++;
	uint32_t i = tail & *async_word(a->sq, a->params.sq_off.ring_mask);

	a->sqes[i] = (struct io_uring_sqe){
		.opcode = IORING_OP_WRITE,
		.fd = fd,
		.off = pos,
		.addr = (uintptr_t)buf,
		.len = len,
		.rw_flags = flags,
		.user_data = nr,
	};
	async_word(a->sq, a->params.sq_off.array)[i] = i;
	return &a->sqes[i];
}

/* Submits all of them: their number or -errno.  Also runs what has ended. */
static inline int async_enter(struct async *a, unsigned int wait_for)
{
	uint32_t *tail = async_word(a->sq, a->params.sq_off.tail);
	uint32_t *kflags = async_word(a->sq, a->params.sq_off.flags);
	unsigned int n = a->unsent, enter = IORING_ENTER_GETEVENTS;
	int ret;

	__atomic_store_n(tail, *tail + n, __ATOMIC_SEQ_CST);
	a->unsent = 0;
	if (a->params.flags & IORING_SETUP_SQPOLL) {
		if (__atomic_load_n(kflags, __ATOMIC_SEQ_CST) &
		    IORING_SQ_NEED_WAKEUP)
			enter |= IORING_ENTER_SQ_WAKEUP;
	}
	ret = syscall(SYS_io_uring_enter, a->ring, n, wait_for, enter, NULL, 0);
	return ret < 0 ? -errno : ret;
}

/* --- Both ------------------------------------------------------------------- */

/* 0 or -errno. */
static inline int async_submit(struct async *a, int fd, uint64_t nr,
			       const void *buf, size_t len, off_t pos,
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
	int ret;

	if (a->uring) {
		async_sqe(a, fd, nr, buf, len, pos, flags);
		ret = async_enter(a, 0);
	} else {
		ret = syscall(SYS_io_submit, a->aio, 1, list);
		if (ret < 0)
			return -errno;
	}
	if (ret >= 0)
		want(ret, 1);
	return ret < 0 ? ret : 0;
}

/* One completion if there is any, or after waiting for it. */
static inline bool async_next(struct async *a, bool wait, uint64_t *nr,
			      ssize_t *res)
{
	struct timespec now = {};
	struct io_event event;
	struct io_uring_cqe *cqe;
	uint32_t head;
	int ret;

	if (!a->uring) {
		ret = must(syscall(SYS_io_getevents, a->aio, wait, 1, &event,
				   wait ? NULL : &now));
		if (!ret)
			return false;
		*nr = event.data;
		*res = event.res;
		return true;
	}
	head = *async_word(a->cq, a->params.cq_off.head);
	while (head == __atomic_load_n(async_word(a->cq, a->params.cq_off.tail),
				       __ATOMIC_ACQUIRE)) {
		/* What has ended may have to be put on the ring by this task. */
		ret = syscall(SYS_io_uring_enter, a->ring, 0, wait,
			      IORING_ENTER_GETEVENTS, NULL, 0);
		if (ret < 0 && errno != EINTR)
			fail("io_uring_enter: %s", strerrorname_np(errno));
		if (!wait &&
		    head == __atomic_load_n(async_word(a->cq,
						       a->params.cq_off.tail),
					    __ATOMIC_ACQUIRE))
			return false;
	}
	cqe = (struct io_uring_cqe *)(a->cq + a->params.cq_off.cqes) +
	      (head & *async_word(a->cq, a->params.cq_off.ring_mask));
	*res = cqe->res;
	*nr = cqe->user_data;
	__atomic_store_n(async_word(a->cq, a->params.cq_off.head), head + 1,
			 __ATOMIC_RELEASE);
	return true;
}

static inline ssize_t async_reap(struct async *a, uint64_t *nr)
{
	ssize_t res;

	async_next(a, true, nr, &res);
	return res;
}

/* One write, from its submission to its completion. */
static inline ssize_t async_write(struct async *a, int fd, const void *buf,
				  size_t len, off_t pos, int flags)
{
	uint64_t nr = 0;
	ssize_t ret = async_submit(a, fd, 4711, buf, len, pos, flags);

	if (ret)
		return ret;
	ret = async_reap(a, &nr);
	want(nr, 4711);
	return ret;
}

#endif
