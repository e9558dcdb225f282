// SPDX-License-Identifier: GPL-2.0-only
/*
 * A program's calls return the same under the shim as without it.  The same
 * random calls run plain, shimmed and shimmed with --dsync; each call's result,
 * errno, the descriptor's offset and the file's size are logged, SIGXFSZ and
 * SIGPIPE are counted, and the files compared at the end.
 * Fails at the first call whose log line differs, or if the shim, by its own
 * counters, did nothing.
 *
 * debug: no
 * need: disk nullblk,cache,size=512M
 * timeout: 120
 */
#include "calls.h"

#include <dirent.h>
#include <dlfcn.h>
#include <signal.h>
#include <sys/resource.h>

#define NR_CALLS 800
#define NR_FDS 10

static uint64_t seed, state;
static volatile sig_atomic_t signals;

static uint32_t rnd(uint32_t n)
{
	state = state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (state >> 33) % n;
}

static void on_signal(int sig)
{
	signals = signals + sig;
}

/* --- The program ----------------------------------------------------------- */

/* What is opened again and again: matching and other names, and no files. */
static int reopen(int fd)
{
	static const int modes[] = { O_RDWR, O_RDWR, O_WRONLY, O_RDONLY };
	static const int more[] = { 0,	     0,	     O_APPEND, O_APPEND,
				    O_DSYNC, O_SYNC, O_DIRECT, O_TRUNC };
	const char *kernel = getenv("WT_LAB_KERNEL");
	int pipes[2], new, flags;
	char name[16];

	switch (rnd(12)) {
	case 0:
		must(pipe(pipes));
		close(pipes[rnd(2)]);
		new = fcntl(pipes[0], F_GETFL) < 0 ? pipes[1] : pipes[0];
		must(fcntl(new, F_SETFL, O_NONBLOCK));
		break;
	case 1:
		new = must(open("/dev/null", O_RDWR));
		break;
	case 2:
		must(new = open(".", O_RDWR | O_TMPFILE, 0600));
		break;
	case 3:
		/* Nothing: the number stays closed. */
		close(fd);
		return -1;
	default:
		snprintf(name, sizeof(name), "%u.%c", rnd(3), "mmmu"[rnd(4)]);
		flags = modes[rnd(4)] | more[rnd(8)] | O_CREAT;
		/*
		 * On the machine's own filesystem two plain runs may differ: ext4
		 * refuses what is not aligned, but takes the cache, and then any
		 * memory, when pages cannot be dropped.
		 */
		if (kernel && !strcmp(kernel, "none"))
			flags &= ~O_DIRECT;
		new = must(open(name, flags, 0600));
	}
	if (new != fd) {
		must(dup2(new, fd));
		close(new);
	}
	return 0;
}

static void operation(int i, int fd, FILE *log)
{
	struct iovec iov[IOV_MAX + 1] = { 0 };
	uint32_t len = length(), op = rnd(12), nr = 0;
	const void *buf = memory(len);
	off64_t pos = position();
	struct stat st = { 0 };
	/* volatile: the compiler knows better than to let this pass. */
	volatile size_t too_long = SIZE_MAX;
	int flags = rwf(), n = vector(iov), error;
	long ret;

	errno = 4242;
	switch (op) {
	case 0:
	case 1:
		ret = write(fd, buf, len);
		break;
	case 2:
		ret = pwrite(fd, buf, len, pos);
		break;
	case 3:
		ret = pwrite64(fd, buf, len, pos);
		break;
	case 4:
		ret = writev(fd, iov, n);
		break;
	case 5:
		ret = pwritev(fd, iov, n, pos);
		break;
	case 6:
		ret = pwritev64(fd, iov, n, pos);
		break;
	case 7:
		ret = pwritev2(fd, iov, n, pos, flags);
		break;
	case 8:
		ret = pwritev64v2(fd, iov, n, pos, flags);
		break;
	case 9:
		ret = lseek(fd, pos, SEEK_SET);
		break;
	case 10:
		ret = rnd(2) ? ftruncate(fd, rnd(LIMIT)) :
			       write(fd, buf, too_long - rnd(5));
		break;
	default:
		ret = reopen(fd);
	}
	error = ret < 0 || op < 9 ? errno : 0;
	nr = fstat(fd, &st);
	fprintf(log,
		"%d: op %u fd %d len %u pos %lld n %d flags 0x%x: %ld %s, offset %ld, size %lld %u, signals %d\n",
		i, op, fd, len, (long long)pos, n, flags, ret,
		error == 4242 ? "-" : strerrorname_np(error),
		S_ISREG(st.st_mode) ? (long)lseek(fd, 0, SEEK_CUR) : 0,
		(long long)st.st_size, nr, (int)signals);
}

/* The log is written by stdio, which the shim does not touch. */
static void program(const char *number, const char *dir)
{
	struct rlimit limit = { LIMIT, LIMIT };
	FILE *log;
	int i, fd;

	/* The shim looks for a libaio, which this program has not. */
	if (dlerror())
		fail("what the shim has looked for in vain is told the program");
	seed = state = strtoull(number, NULL, 10);
	must(chdir(dir));
	log = fopen("log", "w");
	if (!log)
		fail("log");
	signal(SIGXFSZ, on_signal);
	signal(SIGPIPE, on_signal);
	torn = seed & 1;
	make_buffer(seed);
	must(setrlimit(RLIMIT_FSIZE, &limit));
	for (fd = 20; fd < 20 + NR_FDS; fd++)
		reopen(fd);
	for (i = 0; i < NR_CALLS; i++)
		operation(i, 20 + rnd(NR_FDS), log);
	if (fclose(log))
		fail("log");
	/* Not exit(): what is counted must not depend on it. */
	_exit(0);
}

/* --- The comparison -------------------------------------------------------- */

static void compare(const char *dir, const char *name)
{
	static char la[1 << 16], lb[1 << 16];
	char pa[PATH_MAX], pb[PATH_MAX];
	FILE *fa, *fb;
	size_t na, nb;
	int line = 0;

	snprintf(pa, sizeof(pa), "plain/%s", name);
	snprintf(pb, sizeof(pb), "%s/%s", dir, name);
	fa = fopen(pa, "r");
	fb = fopen(pb, "r");
	if (!fa || !fb)
		fail("%s is not in both", name);
	if (!strcmp(name, "log")) {
		while (fgets(la, sizeof(la), fa)) {
			if (!fgets(lb, sizeof(lb), fb))
				strcpy(lb, "nothing\n");
			if (strcmp(la, lb))
				fail("plain: %s  %s: %s", la, dir, lb);
			line++;
		}
		want(line, NR_CALLS);
	} else {
		do {
			na = fread(la, 1, sizeof(la), fa);
			nb = fread(lb, 1, sizeof(lb), fb);
			if (na != nb || memcmp(la, lb, na))
				fail("content of %s", pb);
		} while (na);
	}
	fclose(fa);
	fclose(fb);
}

static void same(const char *name)
{
	DIR *dir = opendir("plain");
	struct dirent *d;
	int files = 0;

	compare(name, "log");
	while ((d = readdir(dir)))
		if (*d->d_name != '.') {
			/* What is torn is not compared. */
			if (!(seed & 1))
				compare(name, d->d_name);
			files++;
		}
	closedir(dir);
	want(files > 4, 1);
}

static void check(const struct lt_counts *c)
{
	want(c->processes, 1);
	want(lt_supported() ? c->calls > NR_CALLS / 20 : c->calls == 0, 1);
	want(lt_supported() || c->fallback_calls > NR_CALLS / 20, 1);
	want(c->errors > 0, 1);
	want(c->untouched_calls > 0, 1);
}

int main(int argc, char **argv)
{
	const char *dir;
	char text[16];

	if (argc == 3)
		program(argv[1], argv[2]);
	dir = lt_enter_dir();
	for (seed = 1; seed <= 6; seed++) {
		printf("seed %d\n", (int)seed);
		fflush(stdout);
		snprintf(text, sizeof(text), "%d", (int)seed);
		lt_plain_and_shimmed(text, program, check, same);
	}
	lt_leave_dir(dir);
	return 0;
}
