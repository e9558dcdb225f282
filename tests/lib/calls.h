/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Arguments of write calls, good and bad.  The includer has rnd(n), from 0 to n - 1,
 * and calls make_buffer() once.
 */
#ifndef CALLS_H
#define CALLS_H

#include "libtest.h"

#include <sys/mman.h>

#define LIMIT (1 << 20)

static uint32_t rnd(uint32_t n);

static uint8_t *buffer; /* LIMIT bytes, then a page that cannot be read */

/*
 * May buffers be bad in their second half only?  What such a call leaves behind the
 * bytes it reports differs between two runs without the shim, too.
 */
static bool torn;

static inline void make_buffer(uint64_t seed)
{
	buffer = mmap(NULL, LIMIT + 4096, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (buffer == MAP_FAILED)
		fail("mmap");
	wt_fill(buffer, LIMIT, 0, seed);
	must(mprotect(buffer + LIMIT, 4096, PROT_NONE));
}

static inline uint32_t length(void)
{
	switch (rnd(8)) {
	case 0:
		return 0;
	case 1:
		return 4096 * (1 + rnd(4));
	case 2:
		return rnd(200000);
	default:
		return 1 + rnd(5000);
	}
}

static inline void *memory(uint32_t len)
{
	switch (rnd(16)) {
	case 0:
		return buffer + LIMIT; /* bad */
	case 1:
		return buffer + LIMIT - (torn ? len / 2 : len);
	case 2:
		return NULL;
	case 3:
	case 4:
		return buffer + 4096 * rnd(64);
	default:
		return buffer + rnd(LIMIT / 2);
	}
}

static inline off64_t position(void)
{
	switch (rnd(12)) {
	case 0:
		return -1;
	case 1:
		return -(off64_t)rnd(1000);
	case 2:
		return INT64_MAX - rnd(2);
	case 3:
		return LIMIT - rnd(3000);
	case 4:
		return 4096 * rnd(100);
	default:
		return rnd(400000);
	}
}

/* Their number, also one that is not allowed. */
static inline int vector(struct iovec iov[IOV_MAX + 1])
{
	int i, n = rnd(5);

	for (i = 0; i < n; i++) {
		iov[i].iov_len = length() / (1 + rnd(3));
		iov[i].iov_base = memory(iov[i].iov_len);
	}
	switch (rnd(20)) {
	case 0:
		return -1;
	case 1:
		return IOV_MAX + 1;
	}
	return n;
}

static inline int rwf(void)
{
	static const int flags[] = {
		0,	     0,	       0,
		RWF_DSYNC,   RWF_SYNC, RWF_APPEND,
		RWF_HIPRI,   1 << 30,  RWF_APPEND | RWF_DSYNC,
		RWF_NOAPPEND
	};

	return flags[rnd(sizeof(flags) / sizeof(flags[0]))];
}

#endif
