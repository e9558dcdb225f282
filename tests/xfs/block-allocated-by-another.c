// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two writers to one new block of a file with an extent size hint: the one that wanted to
 * allocate it and came too late keeps what the other has written.
 *
 *	processor 1				processor 0
 *	finds a hole, is about to allocate
 *						allocates, writes a part of the block, it
 *						is on the disk; drops it from the cache
 *	finds blocks, writes another part
 *
 * Fails if the first part is zeroes then, in the cache or on the disk, or if it never was
 * that way.
 *
 * need: lab qemu
 * need: smp 2
 * need: disk nullblk,cache,size=512M
 * timeout: 120
 */
#include "../common/slow.h"
#include "../common/window.h"

#include <linux/fs.h>
#include <sys/ioctl.h>

#define BLOCK 4096
#define PART 512
#define HINT 65536
#define SLOW_MS 1500
#define ROUNDS 10

static int fd;

/* Its part is the second. */
static void *late_writer(void *arg)
{
	off_t at = *(off_t *)arg;
	uint8_t buf[PART];

	window_on_processor(1);
	wt_fill(buf, PART, at + PART, 2);
	want(wt_raw_pwrite(fd, buf, PART, at + PART, RWF_WRITETHROUGH), PART);
	return NULL;
}

static void drop(off_t at)
{
	unsigned char resident;
	void *page;

	want(posix_fadvise(fd, at, BLOCK, POSIX_FADV_DONTNEED), 0);
	page = mmap(NULL, BLOCK, PROT_READ, MAP_SHARED, fd, at);
	if (page == MAP_FAILED)
		fail("mmap: %s", strerrorname_np(errno));
	must(mincore(page, BLOCK, &resident));
	want(resident & 1, 0);
	must(munmap(page, BLOCK));
}

static void verify(off_t at, const char *where)
{
	uint8_t buf[BLOCK];
	unsigned int i;

	want(pread(fd, buf, BLOCK, at), BLOCK);
	if (wt_differs(buf, PART, at, 1) >= 0)
		fail("%s: the first writer's part is lost", where);
	if (wt_differs(buf + PART, PART, at + PART, 2) >= 0)
		fail("%s: the second writer's part is lost", where);
	for (i = 2 * PART; i < BLOCK; i++)
		want(buf[i], 0);
}

/* True if the one wrote while the other was about to allocate. */
static bool race(off_t at)
{
	struct slow_seen seen;
	struct slow allocate;
	uint8_t buf[PART];
	pthread_t late;
	uint64_t over;

	wt_fill(buf, PART, at, 1);
	slow_start(&allocate, "xfs_iomap_write_direct", NULL, SLOW_MS * MS);
	want(pthread_create(&late, NULL, late_writer, &at), 0);
	do {
		usleep(1000);
		seen = slow_look(&allocate);
	} while (!seen.begun);
	want(wt_raw_pwrite(fd, buf, PART, at, RWF_WRITETHROUGH), PART);
	drop(at);
	over = window_now();
	want(pthread_join(late, NULL), 0);
	seen = slow_seen(&allocate);
	slow_stop(&allocate);
	printf("%zu allocations, the first held for %zu ms; the other is over after %zd\n",
	       (size_t)seen.count, (size_t)(seen.ended - seen.begun) / MS,
	       (ssize_t)(over - seen.begun) / MS);
	verify(at, "in the cache");
	drop(at);
	verify(at, "on the disk");
	return seen.count == 2 && over < seen.ended;
}

int main(void)
{
	const char *dir = wt_env("TEST_DIR");
	struct fsxattr attr;
	unsigned int held = 0;
	int dirfd;

	dirfd = must(open(dir, O_RDONLY | O_DIRECTORY));
	fd = must(openat(dirfd, "file", O_RDWR | O_CREAT, 0644));
	must(ioctl(fd, FS_IOC_FSGETXATTR, &attr));
	attr.fsx_xflags |= FS_XFLAG_EXTSIZE;
	attr.fsx_extsize = HINT;
	must(ioctl(fd, FS_IOC_FSSETXATTR, &attr));
	must(ftruncate(fd, (ROUNDS + 1) * HINT));
	must(fsync(fd));

	window_on_processor(0);
	for (unsigned int i = 0; i < ROUNDS && !held; i++)
		held += race(i * HINT);
	must(close(fd));
	must(close(dirfd));
	if (!held)
		fail("nobody wrote while the other was about to allocate");
	return 0;
}
