// SPDX-License-Identifier: GPL-2.0-only
/*
 * A write that cannot be allocated gives back what it has reserved, and only that.
 *
 *	processor 1				processor 0
 *	reserves, is about to allocate
 *						reserves in a hole before, cannot allocate,
 *						gives back
 *	allocates what it has reserved
 *
 * and
 *
 *	reserves, is about to allocate
 *						the same block: finds it reserved, is about
 *						to allocate
 *	cannot allocate, gives back
 *						finds nothing to allocate, reserves anew
 *
 * Fails if the other writer loses its reservation, gets the error, or loses its data, if
 * the kernel complains, or if it never was that way.
 *
 * need: lab qemu
 * need: smp 2
 * need: disk nullblk,cache,size=512M
 * timeout: 120
 */
#include "../common/slow.h"
#include "../common/window.h"

#include <linux/fiemap.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

#define BLOCK 4096
#define EXTENTS 12
/* A hole, extents, and a hole to the end */
#define WRITTEN 65536
#define HOLE (WRITTEN + 2 * EXTENTS * BLOCK)
#define SLOW_MS 1500

static int fd, tag;

static void *first_writer(void *buf)
{
	window_on_processor(1);
	want(wt_raw_pwrite(fd, buf, BLOCK, HOLE, RWF_WRITETHROUGH), BLOCK);
	return NULL;
}

static bool is_reserved(off_t at)
{
	union {
		struct fiemap map;
		/* The last member of the map is as many of these as asked for. */
		uint8_t room[sizeof(struct fiemap) +
			     sizeof(struct fiemap_extent)];
	} f = { .map = { .fm_start = at,
			 .fm_length = BLOCK,
			 .fm_extent_count = 1 } };

	must(ioctl(fd, FS_IOC_FIEMAP, &f.map));
	return f.map.fm_mapped_extents == 1 &&
	       (f.map.fm_extents[0].fe_flags & FIEMAP_EXTENT_DELALLOC);
}

/* A file with more than 10 extents gets no more. */
static void refuse(bool on)
{
	want(pwrite(tag, on ? "1" : "0", 1, 0), 1);
}

static void make_hole(void)
{
	must(ftruncate(fd, HOLE));
	must(ftruncate(fd, HOLE + 65536));
	must(fsync(fd));
}

static void await(const struct slow *slow, pthread_t thread)
{
	while (!slow_look(slow).begun && pthread_tryjoin_np(thread, NULL))
		usleep(1000);
	want(slow_look(slow).begun > 0, true);
}

static void verify(void)
{
	uint8_t buf[BLOCK];

	want(pread(fd, buf, BLOCK, HOLE), BLOCK);
	want(wt_differs(buf, BLOCK, HOLE, 1), -1);
}

static void beside(void)
{
	static uint8_t other[HOLE + BLOCK], block[BLOCK];
	struct slow allocate;
	pthread_t first;
	uint64_t over;

	make_hole();
	wt_fill(block, BLOCK, HOLE, 1);
	slow_start(&allocate, "xfs_bmapi_convert_delalloc", NULL, SLOW_MS * MS);
	want(pthread_create(&first, NULL, first_writer, block), 0);
	await(&allocate, first);
	want(is_reserved(HOLE), true);
	refuse(true);
	want(wt_raw_pwrite(fd, other, HOLE + BLOCK, 0, RWF_WRITETHROUGH),
	     -EFBIG);
	refuse(false);
	want(is_reserved(HOLE), true);
	over = window_now();
	want(pthread_join(first, NULL), 0);
	want(over < slow_seen(&allocate).ended, true);
	slow_stop(&allocate);
	verify();
}

static void *refused_writer(void *over)
{
	static uint8_t buf[BLOCK];

	window_on_processor(1);
	want(wt_raw_pwrite(fd, buf, BLOCK, HOLE, RWF_WRITETHROUGH), -EFBIG);
	refuse(false);
	*(uint64_t *)over = window_now();
	return NULL;
}

static void same_block(void)
{
	struct slow allocate, found;
	struct slow_seen first, second;
	uint8_t block[BLOCK];
	pthread_t refused;
	uint64_t over;

	make_hole();
	wt_fill(block, BLOCK, HOLE, 1);
	slow_start(&allocate, "xfs_bmapi_convert_delalloc", NULL, SLOW_MS * MS);
	/* The first to come there is the one that has found it. */
	slow_start(&found, "xfs_trans_alloc", "xfs_bmapi_convert",
		   2 * SLOW_MS * MS);
	refuse(true);
	want(pthread_create(&refused, NULL, refused_writer, &over), 0);
	await(&allocate, refused);
	want(wt_raw_pwrite(fd, block, BLOCK, HOLE, RWF_WRITETHROUGH), BLOCK);
	want(pthread_join(refused, NULL), 0);
	first = slow_seen(&allocate);
	second = slow_seen(&found);
	printf("found after %zd ms; given back between %zd and %zd; looks then at %zd\n",
	       (ssize_t)(second.begun - first.begun) / MS,
	       (ssize_t)(first.ended - first.begun) / MS,
	       (ssize_t)(over - first.begun) / MS,
	       (ssize_t)(second.ended - first.begun) / MS);
	want(second.begun < first.ended && over < second.ended, true);
	slow_stop(&found);
	slow_stop(&allocate);
	verify();
}

int main(void)
{
	const char *dir = wt_env("TEST_DIR");
	uint8_t buf[BLOCK];
	char name[256];
	int dirfd;

	snprintf(name, sizeof(name),
		 "/sys/fs/xfs/%s/errortag/reduce_max_iextents",
		 basename((char *)wt_env("TEST_DEV")));
	tag = open(name, O_WRONLY);
	if (tag < 0) {
		printf("this kernel has no error tags of XFS\n");
		return 77;
	}
	dirfd = must(open(dir, O_RDONLY | O_DIRECTORY));
	fd = must(openat(dirfd, "file", O_RDWR | O_CREAT, 0644));
	/* Nothing is an append, which would be preallocated for. */
	must(ftruncate(fd, HOLE + 65536));
	wt_fill(buf, BLOCK, 0, 3);
	for (unsigned int i = 0; i < EXTENTS; i++)
		want(pwrite(fd, buf, BLOCK, WRITTEN + 2 * i * BLOCK), BLOCK);
	must(fsync(fd));

	window_on_processor(0);
	beside();
	same_block();
	must(close(fd));
	must(close(dirfd));
	must(close(tag));
	return 0;
}
