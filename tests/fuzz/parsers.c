// SPDX-License-Identifier: GPL-2.0-only
/*
 * For libFuzzer: what reads text and files that others made.  The input's first byte
 * chooses one of these, and the rest is for it:
 *
 * - the shim's patterns, which are those of fnmatch(3);
 * - sizes on the command line, by another reckoning of them;
 * - the options of `wt run`;
 * - a program that `wt run` is to run, whose headers it reads.
 */
#include "../lib/libtest.h"

#include <fnmatch.h>
#include <getopt.h>
#include <setjmp.h>
#include <sys/mman.h>

/* Wrong usage ends the program: here, the call. */
static jmp_buf out_of_it;
static int status;

#define exit(s) (status = (s), longjmp(out_of_it, 1))
#define execvp(path, argv) (errno = (argv) ? ENOENT : EFAULT)
/* No counting: it forks, and waits for a signal that is also for libFuzzer's thread. */
#define memfd_create(name, flags) (errno = (name) ? ENOMEM : EFAULT, -1)
#define WT_VERSION "fuzz"
#define WT_LIBDIR "/nonexistent"
#include "../../cli/options.c"
#include "../../cli/report.c"
#define help run_help
#define options run_options
#include "../../cli/run.c"
#undef help
#undef options
#undef exit
#undef memfd_create
#include "../../lib/src/glob.c"

/* A string of its own, so that a byte behind it is found out. */
static char *text(const uint8_t **data, size_t *size)
{
	size_t len = strnlen((const char *)*data, *size);
	char *s = strndup((const char *)*data, len);

	if (!s)
		fail("no memory");
	len += len < *size;
	*data += len;
	*size -= len;
	return s;
}

/*
 * The C library is of other opinions on brackets without an end, on classes such as
 * [:digit:], on a slash in brackets and on a backslash at the end.
 */
static bool comparable(const char *pattern)
{
	const char *p;

	for (p = pattern; *p; p++) {
		if (*p == '\\' && !*++p)
			return false;
		if (*p == '[' && p[-(p > pattern)] != '\\') {
			if (strpbrk(p + 1, "[\\/:.="))
				return false;
			p += 1 + strspn(p + 1, "!^");
			p = *p ? strchr(p + 1, ']') : NULL;
			if (!p)
				return false;
		}
	}
	return true;
}

static void pattern(const uint8_t *data, size_t size)
{
	char *p = text(&data, &size), *t = text(&data, &size);
	bool hit = wt_glob(p, t);

	if (comparable(p))
		want(hit, !fnmatch(p, t, 0));
	wt_glob_path(p, t);
	free(p);
	free(t);
}

/* Without what they say. */
static FILE *null;

static void say(bool loud)
{
	static FILE *out, *err;

	if (!null) {
		null = fopen("/dev/null", "w");
		out = stdout;
		err = stderr;
	}
	stdout = loud ? out : null;
	stderr = loud ? err : null;
}

static void size_of(const uint8_t *data, size_t size)
{
	static const char units[] = "kMGTK";
	char *const s = text(&data, &size), *p = s;
	volatile int64_t got = -1;
	const char *unit;
	__int128 n = 0;
	bool good;

	say(false);
	if (!setjmp(out_of_it))
		got = wt_size(run_help, "--x", s, 1, INT64_MAX / 2);
	else
		want(status, WT_USAGE);
	say(true);

	while (*p >= '0' && *p <= '9' && n < INT64_MAX)
		n = n * 10 + *p++ - '0';
	unit = *p ? strchr(units, *p) : NULL;
	good = p > s && (!*p || (unit && !p[1]));
	if (good && unit)
		n <<= 10 * ((unit - units) % 4 + 1);
	if (got != (good && n >= 1 && n <= INT64_MAX / 2 ? (int64_t)n : -1))
		fail("size %s is %lld", s, (long long)got);
	free(s);
}

static void command_line(const uint8_t *data, size_t size)
{
	char *argv[16] = { strdup("run") };
	volatile int ret = WT_FAILED;
	int argc = 1, i;

	while (size && argc < 15)
		argv[argc++] = text(&data, &size);
	/* As the first time: the C library keeps its place. */
	optind = 0;
	say(false);
	if (!setjmp(out_of_it))
		ret = cmd_run(argc, argv);
	else if (status != WT_OK)
		want(status, WT_USAGE);
	say(true);
	want(ret, WT_FAILED);
	for (i = 0; i < 16; i++)
		free(argv[i]);
}

static void program(const uint8_t *data, size_t size)
{
	char path[64];
	int fd = must(memfd_create("program", MFD_CLOEXEC)), next;

	want(write(fd, data, size), size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	say(false);
	next = must(dup(fd));
	close(next);
	check_program(path, "/proc/self/exe", 0);
	say(true);
	/* Nothing is left open. */
	want(dup(fd), next);
	close(next);
	close(fd);
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	setenv("WT_PRELOAD", "/proc/self/exe", 1);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const parsers[])(const uint8_t *,
				       size_t) = { pattern, size_of,
						   command_line, program };

	if (size)
		parsers[*data & 3](data + 1, size - 1);
	return 0;
}
