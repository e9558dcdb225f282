// SPDX-License-Identifier: GPL-2.0-only
/*
 * Processes that send asynchronous write-through writes and are killed, or close
 * their rings and files, at any moment: exit-storm ROUNDS DIR
 *
 * All of them write whole pages of one file, each with bytes of its own seed, and
 * append bytes of one seed to a file of their own.
 */
#include "async.h"

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define UNIT 4096
#define PAGES 64
#define WORKERS 4
#define DEPTH 32

static uint8_t *buf, *got;

static int open_file(const char *dir, const char *name, int nr, int flags)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s.%d", dir, name, nr);
	return must(open(path, O_RDWR | O_CREAT | flags, 0644));
}

/* Nobody looks at the results: most of those who sent the requests are gone. */
__attribute__((noreturn)) static void worker(const char *dir, int nr,
					     unsigned int seed)
{
	static const int flags[] = { RWF_WRITETHROUGH, RWF_DSYNC,
				     RWF_WRITETHROUGH | RWF_DSYNC,
				     RWF_WRITETHROUGH | RWF_SYNC };
	int shared = open_file(dir, "shared", 0, 0);
	int own = open_file(dir, "own", nr, 0);
	int in_flight = 0, left = rand_r(&seed) % 200;
	struct async a;
	struct stat st;
	uint64_t id;

	async_start(&a, rand_r(&seed) % 2 ? "aio" : "uring", DEPTH);
	must(fstat(own, &st));
	wt_fill(got, PAGES * UNIT, 0, nr + 2);
	while (left--) {
		int page = rand_r(&seed) % PAGES;
		int how = flags[rand_r(&seed) % 4];
		size_t len = 1 + rand_r(&seed) % 6000;

		if (in_flight == DEPTH) {
			async_reap(&a, &id);
			in_flight--;
		}
		if (rand_r(&seed) % 3 || st.st_size + len > PAGES * UNIT) {
			async_submit(&a, shared, 0, got + page * UNIT, UNIT,
				     page * UNIT, how);
		} else {
			async_submit(&a, own, 0, buf + st.st_size, len,
				     st.st_size, how);
			st.st_size += len;
		}
		in_flight++;
	}
	switch (rand_r(&seed) % 4) {
	case 0:
		if (a.uring)
			close(a.ring);
		break;
	case 1:
		close(shared);
		close(own);
		break;
	case 2:
		execlp("true", "true", NULL);
		break;
	}
	_exit(0);
}

/* Each page has the bytes of one of them; each file the same ones, or holes. */
static void verify(const char *dir)
{
	int fd = open_file(dir, "shared", 0, 0);
	struct stat st;

	want(pread(fd, got, PAGES * UNIT, 0), PAGES * UNIT);
	for (int page = 0; page < PAGES; page++) {
		int seed = 1;

		while (seed <= WORKERS + 1 &&
		       wt_differs(got + page * UNIT, UNIT, page * UNIT, seed) >=
			       0)
			seed++;
		if (seed > WORKERS + 1)
			fail("page %d is of nobody", page);
	}
	close(fd);
	for (int nr = 0; nr < WORKERS; nr++) {
		fd = open_file(dir, "own", nr, 0);
		must(fstat(fd, &st));
		want(pread(fd, got, PAGES * UNIT, 0), st.st_size);
		/* A request that had not begun leaves a hole before the next. */
		for (int i = 0; i < st.st_size; i++)
			if (got[i] && got[i] != buf[i])
				fail("byte %d of process %d's file", i, nr);
		close(fd);
	}
}

int main(int argc, char **argv)
{
	unsigned int seed = 1;
	int rounds, killed = 0, fd;

	if (argc != 3)
		fail("usage: exit-storm ROUNDS DIR");
	rounds = atoi(argv[1]);
	if (posix_memalign((void **)&buf, UNIT, PAGES * UNIT) ||
	    posix_memalign((void **)&got, UNIT, PAGES * UNIT))
		fail("no memory");
	wt_fill(buf, PAGES * UNIT, 0, 1);
	fd = open_file(argv[2], "shared", 0, 0);
	if (rounds)
		want(pwrite(fd, buf, PAGES * UNIT, 0), PAGES * UNIT);
	must(fsync(fd));
	close(fd);
	for (int r = 0; r < rounds; r++) {
		pid_t pids[WORKERS];
		int status;

		/* Appended to from where it ends. */
		if (r % 8 == 0)
			for (int nr = 0; nr < WORKERS; nr++)
				close(open_file(argv[2], "own", nr, O_TRUNC));
		for (int nr = 0; nr < WORKERS; nr++) {
			pids[nr] = must(fork());
			if (!pids[nr])
				worker(argv[2], nr, r * WORKERS + nr + 1);
		}
		usleep(rand_r(&seed) % 20000);
		for (int nr = 0; nr < WORKERS; nr++)
			kill(pids[nr], SIGKILL);
		for (int nr = 0; nr < WORKERS; nr++) {
			want(waitpid(pids[nr], &status, 0), pids[nr]);
			if (WIFSIGNALED(status))
				killed++;
			else if (WEXITSTATUS(status))
				fail("a process failed");
		}
	}
	verify(argv[2]);
	printf("%d of %d killed\n", killed, rounds * WORKERS);
	return 0;
}
