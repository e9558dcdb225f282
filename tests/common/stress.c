// SPDX-License-Identifier: GPL-2.0-only
/*
 * Several writers write through to stripes of one file that share pages, and
 * verify what they wrote, while others sync, map, punch, clone, truncate and drop
 * caches around them.
 *
 * usage: stress [-t SECONDS] [-w WRITERS] DIR
 */
#include "wttest.h"

#include <linux/falloc.h>
#include <linux/fs.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define STRIPE 1024
#define ROWS 256
#define MAX_LANES 16

static char path[4000];
static int lanes;
static int writers = 4;
static atomic_int stop;
static _Atomic uint64_t writes;
/* The seed each stripe was written with; each has one writer. */
static uint32_t version[MAX_LANES][ROWS];

struct lane {
	int nr;
	void (*write)(int fd, struct lane *l, int row, uint32_t seed);
	uint8_t *map;
	pthread_t thread;
};

/*
 * Lane n has the n-th STRIPE of every row, so that each page has several
 * writers and each writer has all pages.
 */
static off_t where(int lane, int row)
{
	return ((off_t)row * lanes + lane) * STRIPE;
}

static void check_stripe(int fd, const char *how, int lane, int row)
{
	uint8_t buf[STRIPE];
	off_t pos = where(lane, row);
	ssize_t i;

	want(pread(fd, buf, STRIPE, pos), STRIPE);
	i = wt_differs(buf, STRIPE, pos, version[lane][row]);
	if (i >= 0)
		fail("%s: lane %d, row %d: byte %lld is 0x%02x, expected 0x%02x of version %u",
		     how, lane, row, (long long)pos + i, buf[i],
		     wt_pattern(pos + i, version[lane][row]),
		     version[lane][row]);
}

static void by_writethrough(int fd, struct lane *l, int row, uint32_t seed)
{
	uint8_t buf[STRIPE];
	off_t pos = where(l->nr, row);

	wt_fill(buf, STRIPE, pos, seed);
	want(wt_raw_pwrite(fd, buf, STRIPE, pos,
			   RWF_WRITETHROUGH | (seed % 4 ? 0 : RWF_DSYNC)),
	     STRIPE);
}

static void by_plain_write(int fd, struct lane *l, int row, uint32_t seed)
{
	uint8_t buf[STRIPE];
	off_t pos = where(l->nr, row);

	wt_fill(buf, STRIPE, pos, seed);
	want(pwrite(fd, buf, STRIPE, pos), STRIPE);
}

static void by_store(int fd, struct lane *l, int row, uint32_t seed)
{
	off_t pos = where(l->nr, row);

	(void)fd;
	wt_fill(l->map + pos, STRIPE, pos, seed);
}

/* A hole, then data again: in between the stripe reads as zeroes. */
static void by_punch(int fd, struct lane *l, int row, uint32_t seed)
{
	off_t pos = where(l->nr, row);
	int mode = seed % 2 ? FALLOC_FL_PUNCH_HOLE : FALLOC_FL_ZERO_RANGE;

	must(fallocate(fd, mode | FALLOC_FL_KEEP_SIZE, pos, STRIPE));
	version[l->nr][row] = 0;
	check_stripe(fd, "punched", l->nr, row);
	by_writethrough(fd, l, row, seed);
}

static void *lane_thread(void *arg)
{
	struct lane *l = arg;
	int fd = must(open(path, O_RDWR));
	uint32_t seed = 1;
	unsigned int r = l->nr + 1;

	while (!atomic_load(&stop)) {
		int row = rand_r(&r) % ROWS;

		check_stripe(fd, "before", l->nr, row);
		l->write(fd, l, row, ++seed);
		version[l->nr][row] = seed;
		check_stripe(fd, "after", l->nr, row);
		atomic_fetch_add(&writes, 1);
	}
	close(fd);
	return NULL;
}

/* Appends behind the stripes and cuts the file back to them. */
static void *tail_thread(void *arg)
{
	int fd = must(open(path, O_RDWR | O_APPEND));
	off_t end = where(0, ROWS);
	uint8_t buf[3000];
	struct stat st;

	(void)arg;
	for (unsigned int i = 1; !atomic_load(&stop); i++) {
		wt_fill(buf, sizeof(buf), end, i);
		want(wt_raw_pwrite(fd, buf, 1 + i % sizeof(buf), 0,
				   RWF_WRITETHROUGH),
		     1 + i % sizeof(buf));
		want(pread(fd, buf, sizeof(buf), end), 1 + i % sizeof(buf));
		if (wt_differs(buf, 1 + i % sizeof(buf), end, i) >= 0)
			fail("the tail differs");
		must(ftruncate(fd, end));
		must(fstat(fd, &st));
		if (st.st_size != end)
			fail("size %lld after truncate, expected %lld",
			     (long long)st.st_size, (long long)end);
	}
	close(fd);
	return NULL;
}

static void *around_thread(void *arg)
{
	int fd = must(open(path, O_RDWR)), clone, drop;
	char name[4096];

	(void)arg;
	snprintf(name, sizeof(name), "%s.clone", path);
	clone = must(open(name, O_RDWR | O_CREAT | O_TRUNC, 0644));
	drop = open("/proc/sys/vm/drop_caches", O_WRONLY);
	for (int i = 0; !atomic_load(&stop); i++) {
		switch (i % 5) {
		case 0:
			must(fsync(fd));
			break;
		case 1:
			must(ftruncate(clone, 0));
			if (ioctl(clone, FICLONE, fd) && errno != EOPNOTSUPP)
				fail("clone: %s", strerrorname_np(errno));
			break;
		case 2:
			must(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
			break;
		case 3:
			must(sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE));
			break;
		case 4:
			if (drop >= 0 && write(drop, "1", 1) < 0)
				fail("drop_caches: %s", strerrorname_np(errno));
			break;
		}
		usleep(2000);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	struct lane lane[MAX_LANES];
	int seconds = 10, opt, fd;
	pthread_t tail, around;
	uint8_t *map;

	while ((opt = getopt(argc, argv, "t:w:")) != -1) {
		if (opt == 't')
			seconds = atoi(optarg);
		else if (opt == 'w')
			writers = atoi(optarg);
		else
			return 2;
	}
	lanes = writers + 3;
	if (optind != argc - 1 || writers < 1 || lanes > MAX_LANES)
		fail("usage: stress [-t SECONDS] [-w WRITERS] DIR");
	snprintf(path, sizeof(path), "%s/stress", argv[optind]);
	fd = must(open(path, O_RDWR | O_CREAT | O_TRUNC, 0644));
	must(ftruncate(fd, where(0, ROWS)));
	map = mmap(NULL, where(0, ROWS), PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		   0);
	if (map == MAP_FAILED)
		fail("mmap: %s", strerrorname_np(errno));
	for (int i = 0; i < lanes; i++) {
		lane[i].nr = i;
		lane[i].map = map;
		lane[i].write = i < writers	 ? by_writethrough :
				i == writers	 ? by_plain_write :
				i == writers + 1 ? by_store :
						   by_punch;
		must(-pthread_create(&lane[i].thread, NULL, lane_thread,
				     &lane[i]));
	}
	must(-pthread_create(&tail, NULL, tail_thread, NULL));
	must(-pthread_create(&around, NULL, around_thread, NULL));
	sleep(seconds);
	atomic_store(&stop, 1);
	for (int i = 0; i < lanes; i++)
		pthread_join(lane[i].thread, NULL);
	pthread_join(tail, NULL);
	pthread_join(around, NULL);

	for (int cold = 0; cold < 2; cold++) {
		for (int i = 0; i < lanes; i++)
			for (int row = 0; row < ROWS; row++)
				check_stripe(fd, cold ? "cold" : "at the end",
					     i, row);
		must(fsync(fd));
		munmap(map, where(0, ROWS));
		must(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
	}
	printf("%llu writes\n", (unsigned long long)writes);
	return 0;
}
