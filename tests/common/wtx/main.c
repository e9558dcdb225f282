// SPDX-License-Identifier: GPL-2.0-only
/*
 * usage: wtx [OPTION]... DIR                random sequences on files in DIR
 *        wtx [OPTION]... --replay FILE DIR  those of a script
 *        wtx [OPTION]... --stripes DIR      threads that share pages, each with its own bytes
 *        wtx [OPTION]... --overlap DIR      threads that write to the same bytes
 *        wtx [OPTION]... --direct DIR       the same, direct ones among them
 *
 *   -s SEED     the first sequence's; they are numbered from there (default: 1)
 *   -n NUMBER   of sequences (default: 10)
 *   -o NUMBER   of operations in one (default: 2000)
 *   -t SECONDS  for so long instead of -n; for threads, how long (default: 10)
 *   -l LENGTH   of the files at most (default: 262144)
 *   -w NUMBER   of threads of each kind (default: 1)
 *   -r SECONDS  for reducing a failure (default: 60)
 *
 * The mode of the filesystem, its block size and the like are as they are found.  DIR
 * must be its root for it to be unmounted and mounted in between.
 *
 * A sequence that fails is run again, on fresh files, with parts left out and made
 * simpler, as long as it still fails.  What is left is printed as a script: lines of an
 * operation, a file, positions and lengths in bytes, and words; see script.c.  Lines
 * that begin with # are comments.  The exit status is 1 then.
 */
#include "wtx.h"

#include <getopt.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#define MAX_OPS 100000
/* An operation that takes longer hangs; the debug kernel is slow. */
#define HANG 120

static struct progress *now, *best;
static uint64_t *runs;
static uint64_t salt;

static struct progress *shared(void)
{
	size_t size = sizeof(struct progress) + MAX_OPS * sizeof(struct op);
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		fail("no memory");
	return p;
}

/* Waits for @pid as long as it goes on: false if it hangs. */
static bool wait_for(pid_t pid, int *status)
{
	struct timespec tick = { .tv_nsec = 2000000 };
	time_t since = time(NULL);
	int at = -1;

	while (!must(waitpid(pid, status, WNOHANG))) {
		if (now->at != at) {
			at = now->at;
			since = time(NULL);
		}
		if (time(NULL) > since + HANG)
			return false;
		nanosleep(&tick, NULL);
	}
	return true;
}

static void print(const struct progress *p, const char *how)
{
	printf("# %s\n# block size %zu, mode %s, %s\n", p->why, fs.block,
	       fs.off	 ? "off" :
	       fs.always ? "always" :
			   "on",
	       how);
	for (int i = 0; i < p->nr_ops; i++)
		script_print(stdout, &p->ops[i]);
	fflush(stdout);
}

/* Runs what is in @now, or makes it up from @seed: does it fail? */
static bool fails(int make, uint64_t seed)
{
	pid_t pid;
	int status;

	now->at = 0;
	now->why[0] = 0;
	fflush(stdout);
	pid = must(fork());
	if (!pid) {
		script_seed(seed);
		run(now, make, salt + ++*runs);
		_exit(0);
	}
	*runs += 1;
	if (!wait_for(pid, &status)) {
		snprintf(now->why, sizeof(now->why), "hangs in operation %d",
			 now->at);
		print(now, "not reduced, as it may hang for ever");
		exit(1);
	}
	if (!status)
		return false;
	if (WIFSIGNALED(status))
		snprintf(now->why, sizeof(now->why), "died of signal %d",
			 WTERMSIG(status));
	else if (!now->why[0])
		snprintf(now->why, sizeof(now->why), "died with status %d",
			 WEXITSTATUS(status));
	/* Nothing behind the operation that has failed is needed. */
	if (now->at + 1 < now->nr_ops)
		now->nr_ops = now->at + 1;
	return true;
}

static void copy(struct progress *to, const struct progress *from)
{
	memcpy(to, from, sizeof(*to) + from->nr_ops * sizeof(struct op));
}

/* Is what is in @now a better one? */
static bool keeps_failing(void)
{
	if (!fails(0, 0))
		return false;
	copy(best, now);
	return true;
}

static bool leave_out(int first, int n)
{
	copy(now, best);
	memmove(&now->ops[first], &now->ops[first + n],
		(now->nr_ops - first - n) * sizeof(struct op));
	now->nr_ops -= n;
	return keeps_failing();
}

static bool with(int i, const struct op *op)
{
	if (!memcmp(&best->ops[i], op, sizeof(*op)))
		return false;
	copy(now, best);
	now->ops[i] = *op;
	return keeps_failing();
}

/* Rounder numbers, fewer words. */
static bool simplify(int i)
{
	const int64_t units[] = { fs.page, fs.block, fs.sector };
	bool better = false;
	struct op op;

	for (int w = 0; w < NR_WORDS; w++) {
		op = best->ops[i];
		op.words &= ~(1u << w);
		better |= with(i, &op);
	}
	for (int u = 0; u < 3; u++) {
		int64_t unit = units[u];

		op = best->ops[i];
		op.pos -= op.pos % unit;
		better |= with(i, &op);
		op = best->ops[i];
		op.pos2 -= op.pos2 % unit;
		better |= with(i, &op);
		op = best->ops[i];
		if (op.len > unit)
			op.len = unit;
		better |= with(i, &op);
	}
	op = best->ops[i];
	op.len += (fs.sector - op.len % fs.sector) % fs.sector;
	better |= with(i, &op);
	return better;
}

static void reduce(int seconds)
{
	time_t end = time(NULL) + seconds;
	int chunk = best->nr_ops / 2;
	bool better = true;

	while (better || chunk > 1) {
		better = false;
		chunk = chunk ?: 1;
		for (int i = best->nr_ops - chunk; i > -chunk;) {
			int first = i < 0 ? 0 : i;
			int n = i < 0 ? i + chunk : chunk;

			if (time(NULL) > end)
				return;
			if (first + n <= best->nr_ops && leave_out(first, n))
				better = true;
			i -= chunk;
			if (i > best->nr_ops - chunk)
				i = best->nr_ops - chunk;
		}
		if (chunk > 1) {
			chunk /= 2;
			continue;
		}
		for (int i = 0; i < best->nr_ops; i++) {
			if (time(NULL) > end)
				return;
			better |= simplify(i);
		}
	}
}

static int found(int seconds, uint64_t seed)
{
	int had, tries = 0;
	char how[128];

	printf("sequence %llu fails at operation %d: %s\n",
	       (unsigned long long)seed, now->at, now->why);
	had = now->nr_ops;
	copy(best, now);
	/* It can be a matter of time, when requests are in flight. */
	while (!keeps_failing())
		if (++tries == 5)
			break;
		else
			copy(now, best);
	if (tries == 5) {
		print(best, "not reduced, as it did not fail again");
		return 1;
	}
	reduce(seconds);
	snprintf(how, sizeof(how), "%d of %d operations of the sequence %llu",
		 best->nr_ops, had, (unsigned long long)seed);
	print(best, how);
	return 1;
}

static int replay(const char *path)
{
	FILE *from = fopen(path, "r");
	char *line = NULL;
	size_t size = 0;

	if (!from)
		fail("%s: %s", path, strerrorname_np(errno));
	now->nr_ops = 0;
	while (getline(&line, &size, from) > 0)
		if (now->nr_ops < MAX_OPS &&
		    script_parse(line, &now->ops[now->nr_ops]))
			now->nr_ops++;
	fclose(from);
	free(line);
	if (!now->nr_ops)
		fail("%s: there is nothing in it", path);
	if (fails(0, 0)) {
		print(now, "replayed");
		return 1;
	}
	printf("%d operations\n", now->nr_ops);
	return 0;
}

static int sequences(uint64_t seed, int number, int ops, int seconds,
		     int reduce_seconds)
{
	time_t end = time(NULL) + seconds;
	uint64_t n = 0;

	while (seconds ? time(NULL) < end : n < (uint64_t)number) {
		if (fails(ops, seed + n))
			return found(reduce_seconds, seed + n);
		n++;
	}
	printf("%llu sequences of %d operations from %llu on, block size %zu, mode %s\n",
	       (unsigned long long)n, ops, (unsigned long long)seed, fs.block,
	       fs.off	 ? "off" :
	       fs.always ? "always" :
			   "on");
	printf("count: operations %llu\n", (unsigned long long)n * ops);
	return 0;
}

static void usage(void)
{
	fail("usage: wtx [-s SEED] [-n NUMBER] [-o NUMBER] [-t SECONDS] [-l LENGTH] [-w NUMBER] [-r SECONDS]\n"
	     "           [--replay FILE | --stripes | --overlap | --direct] DIR");
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "replay", required_argument, NULL, 1 },
		{ "stripes", no_argument, NULL, 2 },
		{ "overlap", no_argument, NULL, 3 },
		{ "direct", no_argument, NULL, 4 },
		{},
	};
	int number = 10, ops = 2000, seconds = 0, workers = 1, reducing = 60;
	int opt, how = 0;
	const char *script = NULL;
	uint64_t seed = 1;

	fs.max_len = 256 << 10;
	while ((opt = getopt_long(argc, argv, "s:n:o:t:l:w:r:", options,
				  NULL)) != -1) {
		switch (opt) {
		case 's':
			seed = strtoull(optarg, NULL, 0);
			break;
		case 'n':
			number = atoi(optarg);
			break;
		case 'o':
			ops = atoi(optarg);
			break;
		case 't':
			seconds = atoi(optarg);
			break;
		case 'l':
			fs.max_len = atoll(optarg);
			break;
		case 'w':
			workers = atoi(optarg);
			break;
		case 'r':
			reducing = atoi(optarg);
			break;
		case 1:
			script = optarg;
			/* fall through */
		case 2 ... 4:
			how = opt;
			break;
		default:
			usage();
		}
	}
	if (optind != argc - 1 || ops < 1 || ops > MAX_OPS ||
	    fs.max_len < 65536 || fs.max_len % 65536 || workers < 1)
		usage();
	setting_read(argv[optind]);
	if (how > 1)
		return parallel(how - 2, seconds ?: 10, workers, seed);
	now = shared();
	best = shared();
	runs = mmap(NULL, fs.page, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	salt = time(NULL) * 1000;
	if (script)
		return replay(script);
	return sequences(seed, number, ops, seconds, reducing);
}
