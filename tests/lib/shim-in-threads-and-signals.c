// SPDX-License-Identifier: GPL-2.0-only
/*
 * The shim under everything at once: threads appending to a matching and to
 * another file, a thread that keeps opening, closing and replacing descriptors,
 * a timer's signal handler that writes in the middle of all that, forked
 * children, and a thread that is cancelled while it writes.
 * Fails if a record is lost, torn or doubled, if the shim counted another number
 * of matching writes than were made, or if it hangs.
 *
 * debug: no
 * need: disk nullblk,cache,size=512M
 */
#include "libtest.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/time.h>

#define RECORD 32
#define ROUNDS 300
#define WRITERS 3
#define CHILDREN 4

static int matching, other;
static atomic_uint *made; /* shared with the children: matching, others */

static void record(int fd, int which)
{
	char text[RECORD + 1];

	memset(text, 'a' + which, RECORD);
	text[RECORD - 1] = '\n';
	want(write(fd, text, RECORD), RECORD);
	made[which]++;
}

static void on_alarm(int sig)
{
	int saved = errno;

	(void)sig;
	record(matching, 0);
	record(other, 1);
	errno = saved;
}

static void *writer(void *unused)
{
	int i;

	for (i = 0; i < ROUNDS; i++) {
		record(matching, 0);
		record(other, 1);
	}
	return unused;
}

/* Numbers that change their meaning all the time. */
static void *shuffler(void *unused)
{
	int i, fd;

	for (i = 0; i < ROUNDS; i++) {
		fd = must(open("all.m", O_WRONLY | O_APPEND));
		record(fd, 0);
		must(dup2(other, fd));
		record(fd, 1);
		close(fd);
		fd = must(open("all.u", O_WRONLY | O_APPEND));
		record(fd, 1);
		must(dup2(matching, fd));
		record(fd, 0);
		close(fd);
	}
	return unused;
}

static void *endless(void *unused)
{
	int fd = must(open("endless.m", O_WRONLY | O_CREAT, 0600));

	for (;;)
		want(pwrite(fd, "x", 1, 0), 1);
	return unused;
}

static void program(void)
{
	struct itimerval every = { { 0, 2000 }, { 0, 2000 } }, never = { 0 };
	struct sigaction sa = { .sa_handler = on_alarm,
				.sa_flags = SA_RESTART };
	pthread_t threads[WRITERS + 1];
	int i, status;
	pid_t pid;

	made = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (made == MAP_FAILED)
		fail("mmap");
	matching = must(open("all.m", O_RDWR | O_CREAT | O_APPEND, 0600));
	other = must(open("all.u", O_RDWR | O_CREAT | O_APPEND, 0600));
	must(sigaction(SIGALRM, &sa, NULL));
	must(setitimer(ITIMER_REAL, &every, NULL));
	for (i = 0; i < WRITERS; i++)
		want(pthread_create(&threads[i], NULL, writer, NULL), 0);
	want(pthread_create(&threads[i], NULL, shuffler, NULL), 0);
	for (i = 0; i < CHILDREN; i++) {
		must(pid = fork());
		if (!pid) {
			writer(NULL);
			_exit(0);
		}
	}
	for (i = 0; i <= WRITERS; i++)
		pthread_join(threads[i], NULL);
	for (i = 0; i < CHILDREN; i++) {
		must(wait(&status));
		want(status, 0);
	}
	must(setitimer(ITIMER_REAL, &never, NULL));
	want(made[0] == (lt_size(matching) / RECORD), 1);
	want(made[1] == (lt_size(other) / RECORD), 1);
	i = must(open("made", O_WRONLY | O_CREAT, 0600));
	want(syscall(SYS_write, i, made, 2 * sizeof(*made)), 2 * sizeof(*made));
	_exit(0);
}

/* The C library's own pwrite() is a cancellation point. */
static void cancel(void)
{
	pthread_t cancelled;
	void *result;

	want(pthread_create(&cancelled, NULL, endless, NULL), 0);
	while (access("endless.m", F_OK))
		sched_yield();
	want(pthread_cancel(cancelled), 0);
	want(pthread_join(cancelled, &result), 0);
	want(result == PTHREAD_CANCELED, 1);
	_exit(0);
}

static void whole_records(const char *name, char expected)
{
	char got[RECORD];
	int fd = must(open(name, O_RDONLY)), i;

	while (must(read(fd, got, RECORD)) > 0) {
		for (i = 0; i < RECORD - 1; i++)
			want(got[i], expected);
		want(got[i], '\n');
	}
	close(fd);
}

int main(int argc, char **argv)
{
	const char *const match[] = { "--match", "all.m", NULL };
	const char *dir;
	struct lt_counts c;
	unsigned int counted[2];
	int fd;

	if (argc == 2 && !strcmp(argv[1], "program"))
		program();
	if (argc == 2)
		cancel();
	dir = lt_enter_dir();
	c = lt_run_shimmed(match, (const char *[]){ "program", NULL });
	fd = must(open("made", O_RDONLY));
	want(read(fd, counted, sizeof(counted)), sizeof(counted));
	close(fd);
	printf("matching %u, others %u\n", counted[0], counted[1]);
	want(lt_supported() ? c.calls : c.fallback_calls, counted[0]);
	want(lt_supported() ? c.fallback_calls : c.calls, 0);
	want(c.bytes + c.fallback_bytes, (ssize_t)counted[0] * RECORD);
	want(c.errors, 0);
	whole_records("all.m", 'a');
	whole_records("all.u", 'b');

	c = lt_run_shimmed((const char *[]){ "--match", "endless.m", NULL },
			   (const char *[]){ "cancel", NULL });
	want(c.untouched_calls, 0);
	lt_leave_dir(dir);
	return 0;
}
