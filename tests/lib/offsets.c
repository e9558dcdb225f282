// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where wt_pwritev() puts the bytes and which path it says it took: explicit
 * offsets, the file's own offset, O_APPEND, WT_APPEND, every combination of the
 * durable flags, O_DIRECT, and data that is there after all.
 * Fails if a byte, an offset, a size or the path is another one.
 *
 * debug: no
 * need: disk nullblk,cache,size=512M
 */
#include "libtest.h"

static const unsigned int durable[] = { 0, WT_DSYNC, WT_SYNC,
					WT_DSYNC | WT_SYNC };

static void put(int fd, const char *text, int64_t offset, unsigned int flags,
		enum wt_path expected)
{
	struct iovec iov[2];
	enum wt_path path;
	size_t len = strlen(text);

	/* Two segments, so that a vector is a vector. */
	iov[0] = (struct iovec){ (char *)text, len / 2 };
	iov[1] = (struct iovec){ (char *)text + len / 2, len - len / 2 };
	errno = 4242;
	want(wt_pwritev(fd, iov, 2, offset, flags, &path), (ssize_t)len);
	want(errno, 4242);
	if (path != expected)
		fail("path %s, expected %s", wt_path_name(path),
		     wt_path_name(expected));
}

static void holds(int fd, const char *text, off_t offset)
{
	char got[64] = "";

	want(pread(fd, got, sizeof(got) - 1, 0), (ssize_t)strlen(text));
	if (strcmp(got, text))
		fail("holds '%s', expected '%s'", got, text);
	want(lseek(fd, 0, SEEK_CUR), offset);
}

static void test_buffered(enum wt_path path, unsigned int flags, int open_flags)
{
	int fd = must(open("f", O_RDWR | O_CREAT | O_TRUNC | open_flags, 0600));

	put(fd, "abcd", 0, flags, path);
	holds(fd, "abcd", 0);
	put(fd, "ef", 4, flags, path);
	holds(fd, "abcdef", 0);
	put(fd, "AB", -1, flags, path);
	holds(fd, "ABcdef", 2);
	put(fd, "CD", -1, flags, path);
	holds(fd, "ABCDef", 4);
	put(fd, "gh", 1, flags | WT_APPEND, path);
	holds(fd, "ABCDefgh", 4);
	put(fd, "ij", -1, flags | WT_APPEND, path);
	holds(fd, "ABCDefghij", 10);
	close(fd);

	fd = must(open("f", O_RDWR | O_APPEND | open_flags));
	put(fd, "kl", 0, flags, path);
	holds(fd, "ABCDefghijkl", 0);
	put(fd, "mn", -1, flags, path);
	holds(fd, "ABCDefghijklmn", 14);
	close(fd);
}

static void test_direct(bool yes)
{
	enum wt_path path;
	struct iovec iov;
	void *buf;
	int fd = open("d", O_RDWR | O_CREAT | O_DIRECT, 0600);

	if (fd < 0)
		fail("O_DIRECT: %s", strerror(errno));
	buf = aligned_alloc(4096, 4096);
	memset(buf, 'd', 4096);
	iov = (struct iovec){ buf, 4096 };
	want(wt_pwritev(fd, &iov, 1, 0, 0, &path), 4096);
	want(path, yes ? WT_PATH_WRITETHROUGH : WT_PATH_DIRECT);
	want(lt_size(fd), 4096);
	free(buf);
	close(fd);
}

static void test_names(void)
{
	want(strcmp(wt_path_name(WT_PATH_NONE), "none"), 0);
	want(strcmp(wt_path_name(WT_PATH_WRITETHROUGH), "writethrough"), 0);
	want(strcmp(wt_path_name(WT_PATH_DIRECT), "direct"), 0);
	want(strcmp(wt_path_name(WT_PATH_FALLBACK), "fallback"), 0);
	want(strcmp(wt_path_name(99), "none"), 0);
}

int main(void)
{
	const char *dir = lt_enter_dir();
	bool yes = lt_supported();
	enum wt_path path = yes ? WT_PATH_WRITETHROUGH : WT_PATH_FALLBACK;
	size_t i;

	for (i = 0; i < sizeof(durable) / sizeof(durable[0]); i++) {
		test_buffered(path, durable[i], 0);
		test_buffered(path, durable[i], O_SYNC);
	}
	test_direct(yes);
	test_names();
	lt_leave_dir(dir);
	return 0;
}
