// SPDX-License-Identifier: GPL-2.0-only
/*
 * wt_probe() tells what the file supports and changes nothing: content, size,
 * offset, timestamps, set-user-ID bit, blocks and signals are compared.
 * Fails if the answer is wrong for the kernel that runs, or anything differs.
 *
 * debug: no
 * need: disk nullblk,cache,size=512M
 */
#include "libtest.h"

#include <signal.h>
#include <sys/resource.h>

static volatile sig_atomic_t signals;

static void on_signal(int sig)
{
	(void)sig;
	signals = signals + 1;
}

static void probe(int fd, bool expected)
{
	struct wt_caps caps;
	size_t i;

	memset(&caps, 0xff, sizeof(caps));
	errno = 4242;
	want(wt_probe(fd, &caps), 0);
	want(errno, 4242);
	want(caps.flags,
	     (expected ? WT_CAP_WRITETHROUGH : 0) |
		     (fcntl(fd, F_GETFL) & O_DIRECT ? WT_CAP_DIRECT : 0));
	for (i = 0; i < sizeof(caps.reserved) / sizeof(caps.reserved[0]); i++)
		want(caps.reserved[i], 0);
}

static void same_time(const struct statx_timestamp *a,
		      const struct statx_timestamp *b)
{
	want(a->tv_sec, b->tv_sec);
	want(a->tv_nsec, b->tv_nsec);
}

static void probe_file(const char *name, int flags, mode_t mode, bool expected)
{
	int fd = must(open(name, O_RDWR | flags));
	struct statx before, after;
	char got[16];

	must(fchmod(fd, mode));
	must(lseek(fd, 2, SEEK_SET));
	/* Longer than a tick: an update would show. */
	usleep(20000);
	must(statx(fd, "", AT_EMPTY_PATH, STATX_ALL, &before));
	probe(fd, expected);
	must(fsync(fd));
	must(statx(fd, "", AT_EMPTY_PATH, STATX_ALL, &after));
	same_time(&after.stx_mtime, &before.stx_mtime);
	same_time(&after.stx_ctime, &before.stx_ctime);
	want(after.stx_size, before.stx_size);
	want(after.stx_blocks, before.stx_blocks);
	want(after.stx_mode, before.stx_mode);
	want(lseek(fd, 0, SEEK_CUR), 2);
	close(fd);
	fd = must(open(name, O_RDONLY));
	want(read(fd, got, sizeof(got)), before.stx_size ? 8 : 0);
	want(before.stx_size && memcmp(got, "original", 8), 0);
	close(fd);
}

static void probe_at_limit(const char *name, bool expected)
{
	struct rlimit old, limit;
	sigset_t xfsz, pending, mask;
	int fd;

	must(getrlimit(RLIMIT_FSIZE, &old));
	limit = old;
	limit.rlim_cur = 0;
	must(setrlimit(RLIMIT_FSIZE, &limit));
	signal(SIGXFSZ, on_signal);
	probe_file(name, 0, 0644, expected);
	probe_file(name, O_APPEND, 0644, expected);
	probe_file(name, O_DIRECT, 0644, expected);
	want(signals, 0);
	/* One that was there before must still be. */
	sigemptyset(&xfsz);
	sigaddset(&xfsz, SIGXFSZ);
	must(sigprocmask(SIG_BLOCK, &xfsz, NULL));
	must(raise(SIGXFSZ));
	fd = must(open(name, O_RDWR | O_APPEND));
	probe(fd, expected);
	must(sigpending(&pending));
	want(sigismember(&pending, SIGXFSZ), 1);
	must(sigprocmask(SIG_UNBLOCK, &xfsz, &mask));
	want(sigismember(&mask, SIGXFSZ), 1);
	want(signals, 1);
	must(setrlimit(RLIMIT_FSIZE, &old));
	close(fd);
}

int main(void)
{
	const char *dir = lt_enter_dir();
	bool yes = lt_supported();
	struct wt_caps caps;
	int fd, pipes[2];

	fd = must(open("f", O_RDWR | O_CREAT, 0600));
	want(write(fd, "original", 8), 8);
	must(fsync(fd));
	close(fd);
	close(must(open("empty", O_RDWR | O_CREAT, 0600)));

	probe_file("f", 0, 0644, yes);
	probe_file("f", O_APPEND, 0644, yes);
	probe_file("f", O_DIRECT, 0644, yes);
	probe_file("f", O_SYNC, 04755, yes);
	probe_file("empty", 0, 0644, yes);
	probe_at_limit("f", yes);

	/* No kernel has it there. */
	fd = must(open("/dev/shm", O_RDWR | O_TMPFILE, 0600));
	probe(fd, false);
	close(fd);
	fd = must(open("/dev/null", O_WRONLY));
	probe(fd, false);
	close(fd);
	must(pipe(pipes));
	probe(pipes[1], false);

	want(wt_probe(pipes[0], &caps), -EBADF);
	want(wt_probe(-1, &caps), -EBADF);
	want(wt_probe(pipes[1], NULL), -EFAULT);
	fd = must(open("f", O_RDONLY));
	want(wt_probe(fd, &caps), -EBADF);
	close(fd);
	lt_leave_dir(dir);
	return 0;
}
