// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every combination of flags, by pwritev2(), libaio and io_uring, buffered and direct,
 * against what writethrough(7) and pwritev2(2) say: which of them is refused and why,
 * where the bytes go, and that a refused write has written nothing.
 * Fails if a result, the size or a byte is another.
 *
 * need: disk nullblk,cache,size=512M
 * timeout: 60
 */
#include "../common/async.h"

#include <linux/falloc.h>
#include <sys/stat.h>

#ifndef RWF_ATOMIC
#define RWF_ATOMIC 0x00000040
#endif

#define UNIT 4096
#define SIZE (4 * UNIT)

static const struct {
	const char *name;
	int flag;
} flags[] = {
	{ "HIPRI", RWF_HIPRI },
	{ "DSYNC", RWF_DSYNC },
	{ "SYNC", RWF_SYNC },
	{ "NOWAIT", RWF_NOWAIT },
	{ "APPEND", RWF_APPEND },
	{ "NOAPPEND", RWF_NOAPPEND },
	{ "ATOMIC", RWF_ATOMIC },
	{ "WRITETHROUGH", RWF_WRITETHROUGH },
	/* One that nobody knows. */
	{ "0x400", 0x400 },
};

#define NR_FLAGS (sizeof(flags) / sizeof(*flags))

static const char *const engines[] = { "pwritev2", "aio", "uring" };

static struct async ring[3];
static uint8_t *buf, *got;

/* 1: what is said; 0: it may also be done, with what is said for the same but NOWAIT. */
static ssize_t expected(int engine, int direct, int f, int *only)
{
	*only = 1;
	if (f & 0x400)
		return -EOPNOTSUPP;
	if ((f & RWF_APPEND) && (f & RWF_NOAPPEND))
		return -EINVAL;
	/* XFS has none. */
	if (f & RWF_ATOMIC)
		return -EOPNOTSUPP;
	/* Polling is a property of the ring. */
	if ((f & RWF_HIPRI) && !strcmp(engines[engine], "uring"))
		return -EINVAL;
	/* Write-through that must not wait stays within the file. */
	if ((f & RWF_NOWAIT) && (f & RWF_APPEND)) {
		/* There are blocks behind it, which others may use. */
		*only = !direct &&
			(f & (RWF_WRITETHROUGH | RWF_DSYNC | RWF_SYNC));
		return -EAGAIN;
	}
	return UNIT;
}

static void same(int fd, off_t pos, uint64_t seed)
{
	want(pread(fd, got, UNIT, pos), UNIT);
	want(wt_differs(got, UNIT, pos, seed), -1);
}

static void one(const char *path, int engine, int direct, int f, uint64_t seed)
{
	int fd = must(open(path, O_RDWR | (direct ? O_DIRECT : 0)));
	off_t pos = f & RWF_APPEND ? SIZE : UNIT;
	ssize_t exp, ret;
	struct stat st;
	int only;

	/* A direct write that must not wait finds no page. */
	must(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
	wt_fill(buf, UNIT, pos, seed);
	exp = expected(engine, direct, f, &only);
	for (int i = 0; i < 20; i++) {
		/* It may be refused because the time of the file is due. */
		if (f & RWF_NOWAIT)
			must(futimens(fd, NULL));
		ret = engine ? async_write(&ring[engine], fd, buf, UNIT, UNIT,
					   f) :
			       wt_raw_pwrite(fd, buf, UNIT, UNIT, f);
		if (ret != -EAGAIN)
			break;
	}
	if (ret != exp && (only || ret != UNIT)) {
		printf("%s, %s:", engines[engine],
		       direct ? "direct" : "buffered");
		for (size_t i = 0; i < NR_FLAGS; i++)
			if (f & flags[i].flag)
				printf(" %s", flags[i].name);
		printf("\n");
		want(ret, exp);
	}
	close(fd);

	fd = must(open(path, O_RDWR));
	must(fstat(fd, &st));
	want(st.st_size, ret > 0 && (f & RWF_APPEND) ? SIZE + UNIT : SIZE);
	for (off_t p = 0; p < st.st_size; p += UNIT)
		same(fd, p, ret > 0 && p == pos ? seed : 1);
	if (ret > 0) {
		must(ftruncate(fd, SIZE));
		wt_fill(buf, UNIT, UNIT, 1);
		want(pwrite(fd, buf, UNIT, UNIT), UNIT);
		must(fsync(fd));
		must(fallocate(fd, FALLOC_FL_KEEP_SIZE, SIZE, UNIT));
	}
	close(fd);
}

int main(void)
{
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/file", wt_env("TEST_DIR"));
	if (posix_memalign((void **)&buf, UNIT, SIZE) ||
	    posix_memalign((void **)&got, UNIT, SIZE))
		fail("no memory");
	fd = must(open(path, O_RDWR | O_CREAT, 0644));
	wt_fill(buf, SIZE, 0, 1);
	want(pwrite(fd, buf, SIZE, 0), SIZE);
	must(fsync(fd));
	must(fallocate(fd, FALLOC_FL_KEEP_SIZE, SIZE, UNIT));
	for (int engine = 1; engine < 3; engine++) {
		async_start(&ring[engine], engines[engine], 4);
		/* The first of a filesystem makes what it needs. */
		want(async_write(&ring[engine], fd, buf, UNIT, 0,
				 RWF_WRITETHROUGH),
		     UNIT);
	}
	close(fd);
	for (int engine = 0; engine < 3; engine++)
		for (int direct = 0; direct < 2; direct++)
			for (int set = 0; set < 1 << NR_FLAGS; set++) {
				int f = 0;

				for (size_t i = 0; i < NR_FLAGS; i++)
					if (set & (1 << i))
						f |= flags[i].flag;
				one(path, engine, direct, f, 2 + set);
			}
	return 0;
}
