// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which files the shim writes through is decided by the name the descriptor
 * stands for at the time of the write, however the number came to it: after
 * close, dup2, fclose, close_range, a bare close, renaming, unlinking, in vfork
 * children and in threads with descriptors of their own.
 * Each case writes a known number of times to matching (*.m) and other files;
 * fails if the shim counts others.
 *
 * debug: no
 * need: disk nullblk,cache,size=512M
 */
#include "libtest.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>

#define FD 50

/* By a bare call: it is not this that the shim shall notice. */
static int at(int number, const char *name)
{
	int fd = must(open(name, O_RDWR | O_CREAT, 0600));

	if (fd != number) {
		must(syscall(SYS_dup3, fd, number, 0));
		must(syscall(SYS_close, fd));
	}
	return number;
}

/* Twice: the second is served from what the first left. */
static void put(int fd)
{
	want(write(fd, "x", 1), 1);
	want(pwrite(fd, "x", 1, 0), 1);
}

static void by_close(void)
{
	put(at(FD, "a.m"));
	close(FD);
	put(at(FD, "b.u"));
	close(FD);
	put(at(FD, "c.m"));
}

static void by_dup2(void)
{
	put(at(FD, "a.m"));
	at(FD + 1, "b.u");
	must(dup2(FD + 1, FD));
	put(FD);
	must(dup3(at(FD + 1, "c.m"), FD, O_CLOEXEC));
	put(FD);
}

/* The inode stays, so only a look at the name can tell. */
static void by_link(void)
{
	close(at(FD, "a.m"));
	must(link("a.m", "a.u"));
	put(at(FD, "a.m"));
	close(FD);
	put(at(FD, "a.u"));
	at(FD + 1, "a.m");
	must(dup2(FD + 1, FD));
	put(FD);
}

static void by_fclose(void)
{
	FILE *f;

	close(at(FD, "a.m"));
	must(link("a.m", "a.u"));
	put(at(FD, "a.m"));
	f = fdopen(FD, "r+");
	fclose(f);
	put(at(FD, "a.u"));
	f = fdopen(FD, "r+");
	f = freopen("a.m", "r+", f);
	put(fileno(f));
}

static void by_close_range(void)
{
	close(at(FD, "a.m"));
	must(link("a.m", "a.u"));
	put(at(FD, "a.m"));
	must(close_range(FD, FD, 0));
	put(at(FD, "a.u"));
	closefrom(FD);
	put(at(FD, "a.m"));
}

/* Not seen by the shim: the inode tells. */
static void by_system_call(void)
{
	int fd;

	put(at(FD, "a.m"));
	fd = must(open("b.u", O_RDWR | O_CREAT, 0600));
	must(syscall(SYS_dup3, fd, FD, 0));
	put(FD);
	must(syscall(SYS_close, FD));
	want(write(FD, "x", 1), -1);
	put(at(FD, "c.m"));
}

static void by_rename(void)
{
	put(at(FD, "a.u"));
	close(FD);
	must(rename("a.u", "a.m"));
	put(at(FD, "a.m"));
	close(FD);
	must(rename("a.m", "b.m"));
	put(at(FD, "b.m"));
}

static void unlinked(void)
{
	at(FD, "a.m");
	must(unlink("a.m"));
	put(FD);
	put(at(FD, "a.u (deleted)"));
	put(at(FD, "b.m (deleted)"));
	must(unlink("b.m (deleted)"));
	must(dup2(FD, FD + 1));
	close(FD);
	put(FD + 1);
	/* Another file of that name must not mislead. */
	at(FD, "c.m");
	must(unlink("c.m"));
	at(FD + 1, "c.m (deleted)");
	put(FD);
}

static void high_numbers(void)
{
	struct rlimit limit = { 20000, 20000 };

	must(setrlimit(RLIMIT_NOFILE, &limit));
	put(at(16383, "a.m"));
	put(at(16384, "b.u"));
	put(at(16385, "c.m"));
	close(16385);
	put(at(16385, "d.m"));
}

static void no_files(void)
{
	int pipes[2];

	must(pipe(pipes));
	want(write(pipes[1], "x", 1), 1);
	want(write(must(open("/dev/null", O_WRONLY)), "x", 1), 1);
	want(write(9999, "x", 1), -1);
	want(write(-1, "x", 1), -1);
	put(at(FD, "a.m"));
	must(dup2(pipes[1], FD));
	want(write(FD, "x", 1), 1);
}

static void in_vfork(void)
{
	pid_t pid;
	int status;

	at(FD, "a.m");
	at(FD + 1, "b.u");
	put(FD);
	pid = vfork();
	if (!pid) {
		dup2(FD + 1, FD);
		put(FD);
		_exit(0);
	}
	must(pid);
	must(waitpid(pid, &status, 0));
	want(status, 0);
	put(FD);
}

static void *own_descriptors(void *unused)
{
	must(unshare(CLONE_FILES));
	must(dup2(FD + 1, FD));
	put(FD);
	return unused;
}

static void in_unshared_thread(void)
{
	pthread_t thread;

	at(FD, "a.m");
	at(FD + 1, "b.u");
	put(FD);
	want(pthread_create(&thread, NULL, own_descriptors, NULL), 0);
	pthread_join(thread, NULL);
	put(FD);
}

static void in_fork(void)
{
	int i, status;
	pid_t pid;

	put(at(FD, "a.m"));
	for (i = 0; i < 3; i++) {
		must(pid = fork());
		if (!pid) {
			put(FD);
			put(at(FD, "b.u"));
			_exit(0);
		}
		must(waitpid(pid, &status, 0));
		want(status, 0);
	}
	put(FD);
}

static void killed(void)
{
	put(at(FD, "a.m"));
	if (!must(fork())) {
		put(FD);
		raise(SIGKILL);
	}
	wait(NULL);
}

static const struct {
	const char *name;
	void (*run)(void);
	int matching;
	int others;
} cases[] = {
	{ "close", by_close, 4, 2 },
	{ "dup2", by_dup2, 4, 2 },
	{ "hard link", by_link, 4, 2 },
	{ "fclose", by_fclose, 4, 2 },
	{ "close_range", by_close_range, 4, 2 },
	{ "system call", by_system_call, 4, 3 },
	{ "rename", by_rename, 4, 2 },
	{ "unlinked", unlinked, 4, 6 },
	{ "high numbers", high_numbers, 6, 2 },
	{ "no files", no_files, 2, 5 },
	{ "vfork", in_vfork, 4, 2 },
	{ "unshared thread", in_unshared_thread, 4, 2 },
	{ "fork", in_fork, 10, 6 },
	{ "killed", killed, 4, 0 },
};

int main(int argc, char **argv)
{
	const char *const match[] = { "--match", "*.m", NULL };
	const char *dir;
	struct lt_counts c;
	char text[16];
	size_t i;

	if (argc == 2) {
		cases[atoi(argv[1])].run();
		_exit(0);
	}
	dir = lt_enter_dir();
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		printf("%s\n", cases[i].name);
		fflush(stdout);
		snprintf(text, sizeof(text), "%zu", i);
		c = lt_run_shimmed(match, (const char *[]){ text, NULL });
		want(c.processes, 1);
		want(lt_supported() ? c.calls : c.fallback_calls,
		     cases[i].matching);
		want(lt_supported() ? c.fallback_calls : c.calls, 0);
		want(c.untouched_calls, cases[i].others);
		want(c.errors, 0);
		must(system("rm -f ./*.m ./*.u ./*deleted*"));
	}
	lt_leave_dir(dir);
	return 0;
}
