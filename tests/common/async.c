// SPDX-License-Identifier: GPL-2.0-only
/*
 * Write-through by asynchronous requests: async aio|uring FILE [LEN]
 *
 * 64 requests of 4 KiB over the start of FILE, eight at a time, each waited for
 * by its completion; then one that must fail and a durable one.  With LEN: one
 * request of so many bytes, and its result is printed.  By system calls alone, so
 * that nothing between the test and the kernel hides a flag.
 */
#include "async.h"

#define UNIT 4096
#define REQUESTS 64
#define DEPTH 8

static struct async engine;
static uint64_t seed;
static int fd;
static uint8_t *bufs;

static void big(size_t len)
{
	uint8_t *buf = malloc(len);

	wt_fill(buf, len, 0, seed);
	printf("%zd\n",
	       async_write(&engine, fd, buf, len, 0, RWF_WRITETHROUGH));
}

int main(int argc, char **argv)
{
	int started = 0, ended = 0, slot[REQUESTS], busy[DEPTH] = {}, null;
	uint8_t done[REQUESTS] = {};
	uint64_t nr;

	if (argc != 3 && argc != 4)
		fail("usage: async aio|uring FILE [LEN]");
	seed = strcmp(argv[1], "aio") ? 3 : 2;
	fd = must(open(argv[2], O_RDWR));
	if (posix_memalign((void **)&bufs, UNIT, UNIT * DEPTH))
		fail("no memory");
	async_start(&engine, argv[1], DEPTH);
	if (argc == 4) {
		big(atol(argv[3]));
		return 0;
	}
	while (ended < REQUESTS) {
		for (int s = 0; s < DEPTH && started < REQUESTS; s++) {
			off_t pos = (off_t)started * UNIT;

			if (busy[s])
				continue;
			wt_fill(bufs + s * UNIT, UNIT, pos, seed);
			busy[s] = 1;
			slot[started] = s;
			want(async_submit(&engine, fd, started++,
					  bufs + s * UNIT, UNIT, pos,
					  RWF_WRITETHROUGH),
			     0);
		}
		want(async_reap(&engine, &nr), UNIT);
		if (nr >= REQUESTS || done[nr])
			fail("completion of request %llu",
			     (unsigned long long)nr);
		done[nr] = 1;
		busy[slot[nr]] = 0;
		ended++;
	}
	wt_fill(bufs, UNIT, 0, seed);
	want(async_write(&engine, fd, bufs, UNIT, 0,
			 RWF_WRITETHROUGH | RWF_DSYNC),
	     UNIT);
	want(async_write(&engine, fd, (void *)8, UNIT, UNIT, RWF_WRITETHROUGH),
	     -EFAULT);
	null = must(open("/dev/null", O_WRONLY));
	want(async_write(&engine, null, bufs, UNIT, 0, RWF_WRITETHROUGH),
	     -EOPNOTSUPP);
	return 0;
}
