/* SPDX-License-Identifier: GPL-2.0-only */
/* What the tests of the library and the shim share. */
#ifndef LIBTEST_H
#define LIBTEST_H

#include "../common/wttest.h"

#include <limits.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <writethrough.h>

/*
 * Is RWF_WRITETHROUGH to be there?  The lab says which kernel runs; asking the
 * library would be asking the accused.
 */
static inline bool lt_supported(void)
{
	const char *kernel = getenv("WT_LAB_KERNEL");

	return kernel && !strcmp(kernel, "patched");
}

/* A fresh directory on the filesystem under test; the working directory, too. */
static inline const char *lt_enter_dir(void)
{
	static char dir[PATH_MAX];
	const char *parent = getenv("TEST_DIR");

	snprintf(dir, sizeof(dir), "%s/lib-XXXXXX", parent ? parent : "/tmp");
	if (!mkdtemp(dir))
		fail("%s: %s", dir, strerror(errno));
	must(chdir(dir));
	return dir;
}

static inline void lt_leave_dir(const char *dir)
{
	char command[PATH_MAX + 16];

	must(chdir("/"));
	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	must(system(command));
}

static inline off_t lt_size(int fd)
{
	struct stat st;

	must(fstat(fd, &st));
	return st.st_size;
}

/* What wt run --stats counted. */
struct lt_counts {
	long long processes, calls, bytes, fallback_calls, fallback_bytes,
		errors, untouched_calls;
};

static inline long long lt_count(const char *json, const char *key)
{
	char quoted[64], *p;

	snprintf(quoted, sizeof(quoted), "\"%s\":", key);
	p = strstr(json, quoted);
	if (!p)
		fail("no %s in: %s", key, json);
	return atoll(p + strlen(quoted));
}

/*
 * Run this very program again as `wt run --stats --json OPTIONS -- self ARGS`.
 * @options and @args end with NULL.  Its exit status must be 0.
 */
static inline struct lt_counts lt_run_shimmed(const char *const *options,
					      const char *const *args)
{
	static char wt[PATH_MAX], self[PATH_MAX], json[65536];
	const char *argv[32] = { wt, "run", "--stats", "--json" };
	struct lt_counts c;
	int n = 4, i, status, out;
	ssize_t len;
	char *line;
	pid_t pid;

	snprintf(wt, sizeof(wt), "%s/bin/wt", wt_env("WT_PROGRAMS"));
	len = must(readlink("/proc/self/exe", self, sizeof(self) - 1));
	self[len] = '\0';
	for (i = 0; options[i]; i++)
		argv[n++] = options[i];
	argv[n++] = "--";
	argv[n++] = self;
	for (i = 0; args[i]; i++)
		argv[n++] = args[i];
	argv[n] = NULL;
	out = must(open("stderr", O_RDWR | O_CREAT | O_TRUNC, 0600));
	must(pid = fork());
	if (!pid) {
		must(dup2(out, 2));
		close(out);
		execv(wt, (char **)argv);
		fail("%s: %s", wt, strerror(errno));
	}
	must(waitpid(pid, &status, 0));
	must(len = pread(out, json, sizeof(json) - 1, 0));
	json[len] = '\0';
	close(out);
	if (status)
		fail("status 0x%x: %s", status, json);
	line = strstr(json, "{\"processes\"");
	if (!line)
		fail("no counts in: %s", json);
	c.processes = lt_count(line, "processes");
	c.calls = lt_count(line, "calls");
	c.bytes = lt_count(line, "bytes");
	c.fallback_calls = lt_count(line, "fallback_calls");
	c.fallback_bytes = lt_count(line, "fallback_bytes");
	c.errors = lt_count(line, "errors");
	c.untouched_calls = lt_count(line, "untouched_calls");
	return c;
}

/*
 * @program(@number, directory) runs plain, under wt run, and under wt run --dsync, each
 * in a fresh directory of that name.  @check gets what was counted, and @same compares
 * a directory with "plain".  The test's main() takes @number and a directory.
 */
static inline void
lt_plain_and_shimmed(const char *number,
		     void (*program)(const char *number, const char *dir),
		     void (*check)(const struct lt_counts *c),
		     void (*same)(const char *dir))
{
	static const char *const options[][6] = {
		{ "--match", "*.m" },
		/* Files that have no name look like "/.../#123 (deleted)". */
		{ "--match", "*.m", "--match", "/*/#*", "--dsync" },
	};
	static const char *const dirs[] = { "shim", "dsync" };
	struct lt_counts c;
	int i, status;
	pid_t pid;

	must(mkdir("plain", 0700));
	must(pid = fork());
	if (!pid)
		program(number, "plain");
	must(waitpid(pid, &status, 0));
	want(status, 0);
	for (i = 0; i < 2; i++) {
		must(mkdir(dirs[i], 0700));
		c = lt_run_shimmed(options[i],
				   (const char *[]){ number, dirs[i], NULL });
		check(&c);
		same(dirs[i]);
	}
	must(system("rm -r plain shim dsync"));
}

#endif
