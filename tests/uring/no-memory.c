// SPDX-License-Identifier: GPL-2.0-only
/*
 * Each allocation that the submitter of a write-through write makes fails in turn, by
 * pwritev2(), libaio and io_uring, plain and with RWF_NOWAIT, over holes, preallocated
 * and written blocks, cached or not, blocks that are not allocated yet or that another file
 * shares: the result is the bytes, -ENOMEM or, only with RWF_NOWAIT and without any effect,
 * -EAGAIN.
 * Fails if the result is another, if a byte is neither the old nor the new, if a write
 * that was refused has written, or if what was said to be written is not.
 *
 * need: disk file,size=512M
 * mkfs: -b size=1024
 * need: append kmemleak=on
 * timeout: 120
 */
#include "../common/async.h"

#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#define LEN (4 * 4096 + 1024)
#define POS 1024
#define SIZE (8 * 4096)

static const char *const engines[] = { "pwritev2", "aio", "uring" };
enum state { WRITTEN, CACHED, DELAYED, SHARED, UNWRITTEN, HOLE, NR_STATES };

static const char *const states[] = { "written", "cached",    "delayed",
				      "shared",	 "unwritten", "hole" };
static const int kinds[] = { RWF_WRITETHROUGH, RWF_DSYNC,
			     RWF_WRITETHROUGH | RWF_NOWAIT,
			     RWF_DSYNC | RWF_NOWAIT };

static struct async ring[3];
static uint8_t *buf, *got;
static char path[4096], clone[4096];
static int fail_nth;

/* Faults of all allocations, told to nobody; what it was is given back at the end. */
static struct {
	const char *path;
	const char *value;
	char old[32];
} settings[] = {
	{ "/sys/kernel/debug/failslab/ignore-gfp-wait", "N", "" },
	{ "/sys/kernel/debug/failslab/verbose", "0", "" },
	{ "/sys/kernel/debug/fail_page_alloc/ignore-gfp-wait", "N", "" },
	{ "/sys/kernel/debug/fail_page_alloc/ignore-gfp-highmem", "N", "" },
	{ "/sys/kernel/debug/fail_page_alloc/min-order", "0", "" },
	{ "/sys/kernel/debug/fail_page_alloc/verbose", "0", "" },
};

#define NR_SETTINGS (sizeof(settings) / sizeof(*settings))

static void set(int back)
{
	for (size_t i = 0; i < NR_SETTINGS; i++) {
		const char *v = back ? settings[i].old : settings[i].value;
		int fd;

		if (!back) {
			fd = must(open(settings[i].path, O_RDONLY));
			must(read(fd, settings[i].old,
				  sizeof(settings[i].old) - 1));
			close(fd);
		}
		fd = must(open(settings[i].path, O_WRONLY));
		must(write(fd, v, strlen(v)));
		close(fd);
	}
}

static void give_back(void)
{
	set(1);
}

static void fail_at(int n)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%d", n);

	want(pwrite(fail_nth, text, len, 0), len);
}

/* Has it failed, whatever it was? */
static int failed(void)
{
	char text[16] = "";

	must(pread(fail_nth, text, sizeof(text) - 1, 0));
	fail_at(0);
	return !atoi(text);
}

static int prepare(enum state state)
{
	int fd = must(open(path, O_RDWR | O_CREAT | O_TRUNC, 0644)), other;

	must(ftruncate(fd, SIZE));
	if (state == UNWRITTEN)
		must(fallocate(fd, 0, 0, SIZE));
	if (state < UNWRITTEN) {
		wt_fill(buf, SIZE, 0, 1);
		want(pwrite(fd, buf, SIZE, 0), SIZE);
	}
	if (state == DELAYED)
		return fd;
	must(fsync(fd));
	if (state == SHARED) {
		other = must(open(clone, O_RDWR | O_CREAT | O_TRUNC, 0644));
		must(ioctl(other, FICLONE, fd));
		close(other);
	}
	if (state != CACHED)
		must(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
	return fd;
}

/* @new bytes are the new ones, the others within the write the old ones, or not if !@old. */
static void verify(int fd, enum state state, ssize_t new, int old)
{
	uint64_t seed = state < UNWRITTEN ? 1 : 0;
	struct stat st;

	must(fstat(fd, &st));
	want(st.st_size, SIZE);
	want(pread(fd, got, SIZE, 0), SIZE);
	for (off_t p = 0; p < SIZE; p++) {
		int is_old = got[p] == wt_pattern(p, seed);
		int is_new = got[p] == wt_pattern(p, 2);
		int within = p >= POS && p < POS + LEN;

		if (within && p < POS + new ? !is_new :
		    within && !old	    ? !is_old && !is_new :
					      !is_old)
			fail("byte %lld is 0x%02x after a result of %zd",
			     (long long)p, got[p], new);
	}
}

/* Was there an allocation to fail? */
static int one(int engine, enum state state, int flags, int n)
{
	int fd = prepare(state), hit, sent = 1, untouched;
	ssize_t ret;
	uint64_t nr;

	wt_fill(buf, LEN, POS, 2);
	must(futimens(fd, NULL));
	fail_at(n);
	if (engine) {
		ret = async_submit(&ring[engine], fd, 1, buf, LEN, POS, flags);
		sent = !ret;
	} else {
		ret = wt_raw_pwrite(fd, buf, LEN, POS, flags);
	}
	hit = failed();
	if (engine && sent)
		ret = async_reap(&ring[engine], &nr);

	/* -EAGAIN of io_uring_enter() itself: no memory for the request. */
	if (ret <= 0 && ret != -ENOMEM &&
	    !(ret == -EAGAIN && ((flags & RWF_NOWAIT) || !sent)))
		fail("%s, %s, flags 0x%x, allocation %d: %s", engines[engine],
		     states[state], flags, n,
		     ret ? strerrorname_np(-ret) : "nothing");
	if (ret > 0 && (flags & RWF_NOWAIT))
		want(ret, LEN);
	untouched = ret < 0 && ((flags & RWF_NOWAIT) || !sent);
	for (int cold = 0; cold < 2; cold++) {
		verify(fd, state, ret > 0 ? ret : 0, untouched);
		must(fsync(fd));
		must(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
	}
	close(fd);
	return hit;
}

int main(void)
{
	int fd;

	snprintf(path, sizeof(path), "%s/file", wt_env("TEST_DIR"));
	snprintf(clone, sizeof(clone), "%s/clone", wt_env("TEST_DIR"));
	if (posix_memalign((void **)&buf, 4096, SIZE) ||
	    posix_memalign((void **)&got, 4096, SIZE))
		fail("no memory");
	fail_nth = must(open("/proc/thread-self/fail-nth", O_RDWR));
	memset(buf, 1, SIZE);
	memset(got, 1, SIZE);
	fd = prepare(WRITTEN);
	for (int engine = 1; engine < 3; engine++) {
		async_start(&ring[engine], engines[engine], 4);
		/* The first of a filesystem makes what it needs. */
		want(async_write(&ring[engine], fd, buf, 4096, 0,
				 RWF_WRITETHROUGH),
		     4096);
	}
	close(fd);
	set(0);
	atexit(give_back);
	for (int engine = 0; engine < 3; engine++)
		for (enum state state = 0; state < NR_STATES; state++)
			for (int k = 0; k < 4; k++) {
				int n = 1;

				/* The time of the file may be due: no harm. */
				for (int tries = 0; tries < 5; tries++)
					while (one(engine, state, kinds[k], n))
						n++;
				printf("%s, %s, flags 0x%x: %d allocations\n",
				       engines[engine], states[state], kinds[k],
				       n - 1);
			}
	return 0;
}
