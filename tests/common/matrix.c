// SPDX-License-Identifier: GPL-2.0-only
/*
 * Writes through to a file in one state of allocation, at every alignment that
 * matters, and compares the file byte for byte afterwards.
 *
 * usage: matrix STATE BLOCKSIZE FLAG[,FLAG] DIR     prints how many it wrote
 *        matrix -v STATE BLOCKSIZE - DIR            compares again, later
 *
 * STATE: empty      nothing there: every write appends or leaves a hole
 *        clean      written, synced, cached
 *        cold       written, synced, not cached
 *        hole       only a size
 *        unwritten  preallocated within the size
 *        prealloc   written and synced, preallocated beyond the end
 *        dirty      delayed allocation: an earlier buffered write not yet sent
 *        shared     reflinked
 *        shareddirty  reflinked, then a buffered write not yet sent
 *        mixed      a block each of: written, hole, unwritten, dirty, shared
 */
#include "wttest.h"

#include <linux/falloc.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

enum { OLD = 1, NEW = 2, DIRTY = 3 };

#define REGION (160 << 10)

static const char *state;
static size_t block;
static off_t base_size;
static uint8_t expected[REGION];
static uint8_t buf[REGION] __attribute__((aligned(4096)));
static uint8_t clone_expected[REGION];

static int is(const char *s)
{
	return !strcmp(state, s);
}

static void put(uint8_t *image, off_t pos, size_t len, uint64_t seed)
{
	wt_fill(image + pos, len, pos, seed);
}

static void plain_write(int fd, off_t pos, size_t len, uint64_t seed)
{
	put(buf, pos, len, seed);
	want(pwrite(fd, buf + pos, len, pos), (ssize_t)len);
	put(expected, pos, len, seed);
}

static void make_clone(int fd, const char *path)
{
	char name[4096];
	int clone;

	snprintf(name, sizeof(name), "%s.clone", path);
	clone = must(open(name, O_RDWR | O_CREAT | O_TRUNC, 0644));
	must(ioctl(clone, FICLONE, fd));
	memcpy(clone_expected, expected, REGION);
	close(clone);
}

static void prepare_mixed(int fd, const char *path)
{
	off_t pos;

	plain_write(fd, 0, base_size, OLD);
	must(fsync(fd));
	/* Whole file shared, then four of five blocks unshared again. */
	make_clone(fd, path);
	for (pos = 0; pos + (off_t)block <= base_size; pos += block) {
		switch (pos / block % 5) {
		case 0:
			plain_write(fd, pos, block, NEW + 10);
			must(sync_file_range(
				fd, pos, block,
				SYNC_FILE_RANGE_WRITE |
					SYNC_FILE_RANGE_WAIT_AFTER));
			break;
		case 1:
			must(fallocate(
				fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				pos, block));
			put(expected, pos, block, 0);
			break;
		case 2:
			must(fallocate(
				fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				pos, block));
			must(fallocate(fd, 0, pos, block));
			put(expected, pos, block, 0);
			break;
		case 3:
			plain_write(fd, pos, block, DIRTY);
			break;
		}
	}
}

/* Sets what the file holds before, and what is expected of it. */
static void prepare(int fd, const char *path)
{
	memset(expected, 0, REGION);
	if (is("empty")) {
		base_size = 0;
	} else if (is("clean") || is("cold") || is("dirty") || is("prealloc") ||
		   is("shared") || is("shareddirty")) {
		plain_write(fd, 0, base_size, OLD);
		if (!is("dirty"))
			must(fsync(fd));
		if (is("cold"))
			must(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
		if (is("prealloc"))
			must(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, REGION));
		if (is("shared") || is("shareddirty"))
			make_clone(fd, path);
		if (is("shareddirty"))
			plain_write(fd, 100, base_size - 200, DIRTY);
	} else if (is("hole")) {
		must(ftruncate(fd, base_size));
	} else if (is("unwritten")) {
		must(fallocate(fd, 0, 0, base_size));
	} else if (is("mixed")) {
		prepare_mixed(fd, path);
	} else {
		fail("%s: no such state", state);
	}
}

static void compare(int fd, const char *how, const char *path,
		    const uint8_t *image, off_t size)
{
	ssize_t ret = pread(fd, buf, REGION, 0);

	if (ret != size)
		fail("%s: %s: %zd bytes, expected %lld", path, how, ret,
		     (long long)size);
	for (ssize_t i = 0; i < ret; i++)
		if (buf[i] != image[i])
			fail("%s: %s: byte %zd is 0x%02x, expected 0x%02x",
			     path, how, i, buf[i], image[i]);
}

static off_t file_size(int fd)
{
	struct stat st;

	must(fstat(fd, &st));
	return st.st_size;
}

static void save(const char *path, const char *suffix, const uint8_t *image,
		 off_t size)
{
	char name[4200];
	int fd;

	snprintf(name, sizeof(name), "%s%s", path, suffix);
	fd = must(open(name, O_WRONLY | O_CREAT | O_TRUNC, 0644));
	want(write(fd, image, size), size);
	close(fd);
}

static void compare_saved(const char *path, const char *suffix,
			  const char *subject)
{
	char name[4200];
	int fd;
	ssize_t size;

	snprintf(name, sizeof(name), "%s%s", path, suffix);
	fd = open(name, O_RDONLY);
	if (fd < 0)
		return;
	size = must(read(fd, expected, REGION));
	close(fd);
	snprintf(name, sizeof(name), "%s%s", path, subject);
	fd = must(open(name, O_RDONLY));
	compare(fd, "later", name, expected, size);
	close(fd);
}

static void one(const char *path, off_t pos, size_t len, int flags, int verify)
{
	static uint8_t data[REGION];
	char name[4096];
	off_t size;
	int fd, direct;

	if (verify) {
		compare_saved(path, ".expected", "");
		compare_saved(path, ".clone.expected", ".clone");
		return;
	}
	fd = must(open(path, O_RDWR | O_CREAT | O_TRUNC, 0644));
	memset(clone_expected, 0, REGION);
	prepare(fd, path);
	size = base_size;

	wt_fill(data, len, pos, NEW);
	want(wt_raw_pwrite(fd, data, len, pos, flags), (ssize_t)len);
	put(expected, pos, len, NEW);
	if (pos + (off_t)len > size)
		size = pos + len;
	if (file_size(fd) != size)
		fail("%s: size %lld, expected %lld", path,
		     (long long)file_size(fd), (long long)size);
	compare(fd, "from the cache", path, expected, size);
	direct = must(open(path, O_RDONLY | O_DIRECT));
	compare(direct, "by a direct read", path, expected, size);
	close(direct);
	must(fsync(fd));
	must(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
	compare(fd, "after dropping the cache", path, expected, size);
	close(fd);
	save(path, ".expected", expected, size);

	snprintf(name, sizeof(name), "%s.clone", path);
	fd = open(name, O_RDONLY);
	if (fd >= 0) {
		compare(fd, "the clone", name, clone_expected, file_size(fd));
		save(path, ".clone.expected", clone_expected, file_size(fd));
		close(fd);
	}
}

int main(int argc, char **argv)
{
	int verify = argc > 1 && !strcmp(argv[1], "-v"), flags, n = 0;
	long page = sysconf(_SC_PAGESIZE);

	argv += verify;
	if (argc - verify != 5)
		fail("usage: matrix [-v] STATE BLOCKSIZE FLAGS DIR");
	state = argv[1];
	block = strtoul(argv[2], NULL, 0);
	flags = strstr(argv[3], "wt") ? RWF_WRITETHROUGH : 0;
	flags |= strstr(argv[3], "dsync") ? RWF_DSYNC : 0;
	/* An end within a block, within a page. */
	base_size = 10 * page + block + 123;

	struct {
		off_t pos;
		size_t len;
	} cases[] = {
		{ 0, block },
		{ block, block },
		{ 0, page },
		{ page, 4 * page },
		{ 1, 1 },
		{ block - 1, 2 },
		{ 100, block },
		{ page - 100, 200 },
		{ page + block / 2, block / 2 },
		{ 3, 5 * page + 7 },
		{ 0, base_size },
		{ 0, base_size - 1 },
		{ 2 * block, 3 * block },
		{ base_size - 123, 123 },
		{ base_size - 10, 10 },
		{ base_size - 10, 100 },
		{ base_size, 1 },
		{ base_size, 3 * page },
		{ base_size + 1, 77 },
		{ base_size + 3 * page + 5, 5 * page },
		{ 0, 30 * page },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char path[4000];

		snprintf(path, sizeof(path), "%s/%s.%lld.%zu", argv[4], state,
			 (long long)cases[i].pos, cases[i].len);
		one(path, cases[i].pos, cases[i].len, flags, verify);
		n++;
	}
	printf("%d\n", n);
	return 0;
}
