// SPDX-License-Identifier: GPL-2.0-only
/* wt run: a program with the shim libwt-preload.so before its C library. */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "../lib/src/stats.h"
#include "wt.h"

static const char help[] =
	"usage: wt run [--match GLOB]... [--dsync] [--require] [--stats [--json]]\n"
	"              [--] PROGRAM [ARG]...\n"
	"\n"
	"Run an unmodified program so that its writes to regular files go through\n"
	"to the device before they return, or before libaio completes them.\n"
	"\n"
	"  --match GLOB  only files of this name; a GLOB with a slash is for the\n"
	"                whole path, and its * also matches slashes\n"
	"  --dsync       make each of these writes durable, as O_DSYNC does\n"
	"  --require     where a write cannot go through it fails with EOPNOTSUPP;\n"
	"                otherwise it is written the stock way and its I/O waited for\n"
	"  --stats       print a table of what was written how when it has ended\n"
	"  --json        that as one JSON object\n"
	"\n"
	"The table goes to standard error.  The exit status is that of PROGRAM, or\n"
	"128 and the number of the signal that ended it.\n";

enum { MATCH = 256, DSYNC, REQUIRE, STATS, JSON };

static const struct option options[] = {
	{ "match", required_argument, NULL, MATCH },
	{ "dsync", no_argument, NULL, DSYNC },
	{ "require", no_argument, NULL, REQUIRE },
	{ "stats", no_argument, NULL, STATS },
	{ "json", no_argument, NULL, JSON },
	WT_COMMON_OPTIONS
};

/* --- Where things are ------------------------------------------------------ */

static bool is_file(const char *path, int access_mode)
{
	struct stat st;

	return !stat(path, &st) && S_ISREG(st.st_mode) &&
	       !access(path, access_mode);
}

/* WT_PRELOAD, beside the tool as built or installed, or where LIBDIR was. */
static int find_shim(char *shim, size_t size)
{
	const char *name = getenv("WT_PRELOAD");
	char exe[PATH_MAX], *slash;
	ssize_t len;
	int i;

	if (name) {
		snprintf(shim, size, "%s", name);
	} else {
		len = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
		exe[len < 0 ? 0 : len] = '\0';
		for (i = 0; i < 2; i++) {
			slash = strrchr(exe, '/');
			if (slash)
				*slash = '\0';
		}
		snprintf(shim, size, "%s/lib/libwt-preload.so", exe);
		if (!is_file(shim, R_OK))
			snprintf(shim, size, "%s",
				 WT_LIBDIR "/libwt-preload.so");
	}
	if (!is_file(shim, R_OK))
		return wt_error(shim, "preload",
				"no such shim; WT_PRELOAD can name it");
	/* The dynamic linker has no way to quote them. */
	if (*shim != '/' || strpbrk(shim, " :"))
		return wt_error(
			shim, "preload",
			"must be an absolute path without blanks and colons");
	return WT_OK;
}

/* As execvp() does; false when there is nothing it would run. */
static bool find_program(const char *name, char *path, size_t size)
{
	const char *dirs = getenv("PATH");
	size_t len;

	if (strchr(name, '/')) {
		snprintf(path, size, "%s", name);
		return true;
	}
	for (dirs = dirs ? dirs : "/bin:/usr/bin";; dirs += len + 1) {
		len = strcspn(dirs, ":");
		snprintf(path, size, "%.*s%s%s", (int)len, dirs, len ? "/" : "",
			 name);
		if (is_file(path, X_OK))
			return true;
		if (!dirs[len])
			return false;
	}
}

/* --- Programs that ignore a preload ---------------------------------------- */

static int read_header(const char *path, int *fd, ElfW(Ehdr) * eh)
{
	ssize_t len;

	memset(eh, 0, sizeof(*eh));
	*fd = open(path, O_RDONLY | O_CLOEXEC);
	if (*fd < 0)
		return -errno;
	len = pread(*fd, eh, sizeof(*eh), 0);
	if (len < 0) {
		int error = errno;

		/* a directory */
		close(*fd);
		return -error;
	}
	return 0;
}

static bool has_interpreter(int fd, const ElfW(Ehdr) * eh)
{
	ElfW(Phdr) ph;
	int i;

	for (i = 0; i < eh->e_phnum; i++) {
		if (pread(fd, &ph, sizeof(ph), eh->e_phoff + i * sizeof(ph)) !=
		    sizeof(ph))
			break;
		if (ph.p_type == PT_INTERP)
			return true;
	}
	return false;
}

/* The kernel and the dynamic linker take such programs out of our hands. */
static const char *raised_rights(const char *path, int fd)
{
	struct stat st;

	if (fstat(fd, &st))
		return NULL;
	if ((st.st_mode & S_ISUID) && st.st_uid != getuid())
		return "a set-user-ID program ignores preloaded libraries";
	if ((st.st_mode & S_ISGID) && st.st_gid != getgid())
		return "a set-group-ID program ignores preloaded libraries";
	if (getuid() && getxattr(path, "security.capability", NULL, 0) > 0)
		return "a program with file capabilities ignores preloaded libraries";
	return NULL;
}

/* Reports a program that would run unpreloaded.  What cannot be told is left to exec. */
static int check_program(const char *path, const char *shim, int depth)
{
	ElfW(Ehdr) eh, own;
	const char *reason = NULL;
	char line[PATH_MAX], *p;
	ssize_t len;
	int fd, own_fd;

	if (read_header(shim, &own_fd, &own))
		return wt_errno(shim, "read", errno);
	close(own_fd);
	if (read_header(path, &fd, &eh))
		return WT_OK;
	if (!memcmp(&eh, "#!", 2) && depth < 4) {
		len = pread(fd, line, sizeof(line) - 1, 2);
		close(fd);
		line[len < 0 ? 0 : len] = '\0';
		p = line + strspn(line, " \t");
		p[strcspn(p, " \t\n")] = '\0';
		return check_program(p, shim, depth + 1);
	}
	if (memcmp(eh.e_ident, ELFMAG, SELFMAG) == 0) {
		reason = raised_rights(path, fd);
		if (eh.e_ident[EI_CLASS] != own.e_ident[EI_CLASS] ||
		    eh.e_machine != own.e_machine)
			reason =
				"built for another machine than the preloaded shim";
		else if (!has_interpreter(fd, &eh))
			reason = "a statically linked program loads no library";
	}
	close(fd);
	return reason ? wt_error(path, "preload", reason) : WT_OK;
}

/* --- Environment ----------------------------------------------------------- */

static int set_preload(const char *shim)
{
	const char *old = getenv("LD_PRELOAD");
	char *value;
	int err;

	if (!old || !*old)
		return setenv("LD_PRELOAD", shim, 1);
	/* wt run inside wt run: once is enough. */
	if (!strncmp(old, shim, strlen(shim)) &&
	    (old[strlen(shim)] == '\0' || strchr(": ", old[strlen(shim)])))
		return 0;
	if (asprintf(&value, "%s:%s", shim, old) < 0)
		return -1;
	err = setenv("LD_PRELOAD", value, 1);
	free(value);
	return err;
}

/* Set or, for an outer wt run may have set it, unset. */
static int set_or_unset(const char *name, const char *value)
{
	return value ? setenv(name, value, 1) : unsetenv(name);
}

static int add_pattern(char **patterns, const char *glob)
{
	char *all;

	if (!*glob || strchr(glob, '\n'))
		wt_usage(help, "--match '%s': a pattern of one line is allowed",
			 glob);
	if (strchr(glob, '/') && !strchr("/*?[\\", *glob))
		wt_usage(
			help,
			"--match '%s': a pattern with a slash is for the whole path, so it must begin with / or *",
			glob);
	if (asprintf(&all, "%s%s%s", *patterns ? *patterns : "",
		     *patterns ? "\n" : "", glob) < 0)
		return -1;
	free(*patterns);
	*patterns = all;
	return 0;
}

/* --- Counting ---------------------------------------------------------------*/

/* The shims find the page by the name of our descriptor. */
static struct wt_stats *make_stats(void)
{
	char name[64];
	struct wt_stats *stats;
	int fd = memfd_create(WT_STATS_NAME, MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, sizeof(*stats)))
		return NULL;
	stats = mmap(NULL, sizeof(*stats), PROT_READ | PROT_WRITE, MAP_SHARED,
		     fd, 0);
	if (stats == MAP_FAILED)
		return NULL;
	stats->magic = WT_STATS_MAGIC;
	snprintf(name, sizeof(name), "/proc/%d/fd/%d", (int)getpid(), fd);
	return setenv("WT_STATS", name, 1) ? NULL : stats;
}

#define VALUE(f) ((long long)__atomic_load_n(&stats->f, __ATOMIC_RELAXED))

static int print_stats(struct wt_stats *stats, bool json)
{
	if (json)
		return wt_json(
			json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I}",
				  "processes", VALUE(processes), "calls",
				  VALUE(calls), "bytes", VALUE(bytes),
				  "fallback_calls", VALUE(fallback_calls),
				  "fallback_bytes", VALUE(fallback_bytes),
				  "errors", VALUE(errors), "untouched_calls",
				  VALUE(untouched_calls)),
			stderr);
	fprintf(stderr,
		"wt run: processes %-10lld %9s %16s\n"
		"  written through %22lld %16lld\n"
		"  fallback        %22lld %16lld\n"
		"  failed          %22lld\n"
		"  untouched       %22lld\n",
		VALUE(processes), "calls", "bytes", VALUE(calls), VALUE(bytes),
		VALUE(fallback_calls), VALUE(fallback_bytes), VALUE(errors),
		VALUE(untouched_calls));
	return WT_OK;
}

/* --- Running ---------------------------------------------------------------- */

static int execute(char **argv)
{
	execvp(argv[0], argv);
	return wt_errno(argv[0], "execute", errno);
}

/*
 * Wait for the program and hand on what others send to us.  What the terminal
 * sends it has got itself.
 */
static int wait_for(pid_t pid, const sigset_t *set)
{
	siginfo_t info;
	int status, sig;

	for (;;) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			break;
		sig = sigwaitinfo(set, &info);
		if (sig > 0 && sig != SIGCHLD && info.si_code <= 0)
			kill(pid, sig);
	}
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) :
				     WEXITSTATUS(status);
}

static int run_counted(char **argv, bool json)
{
	static const int handed_on[] = { SIGCHLD, SIGHUP,  SIGINT, SIGQUIT,
					 SIGTERM, SIGUSR1, SIGUSR2 };
	struct wt_stats *stats = make_stats();
	struct sigaction old_chld, dfl = { .sa_handler = SIG_DFL };
	sigset_t set, old;
	pid_t pid;
	size_t i;
	int status;

	if (!stats)
		return wt_errno(argv[0], "count", errno);
	sigemptyset(&set);
	for (i = 0; i < sizeof(handed_on) / sizeof(handed_on[0]); i++)
		sigaddset(&set, handed_on[i]);
	sigprocmask(SIG_BLOCK, &set, &old);
	/* Ignored, it would take the exit status with it. */
	sigaction(SIGCHLD, &dfl, &old_chld);
	pid = fork();
	if (pid < 0)
		return wt_errno(argv[0], "fork", errno);
	if (!pid) {
		sigaction(SIGCHLD, &old_chld, NULL);
		sigprocmask(SIG_SETMASK, &old, NULL);
		_exit(execute(argv));
	}
	status = wait_for(pid, &set);
	print_stats(stats, json);
	return status;
}

int cmd_run(int argc, char **argv)
{
	bool dsync = false, require = false, stats = false, json = false;
	char shim[PATH_MAX + 64], path[PATH_MAX], *patterns = NULL;
	int c;

	while ((c = wt_option(argc, argv, options, help)) != -1) {
		switch (c) {
		case MATCH:
			if (add_pattern(&patterns, optarg))
				return wt_errno(optarg, "match", errno);
			break;
		case DSYNC:
			dsync = true;
			break;
		case REQUIRE:
			require = true;
			break;
		case STATS:
			stats = true;
			break;
		case JSON:
			json = true;
			break;
		}
	}
	if (json && !stats)
		wt_usage(help, "--json: only with --stats");
	argv += optind;
	if (!*argv)
		wt_usage(help, "a PROGRAM is needed");
	if (find_shim(shim, sizeof(shim)))
		return WT_FAILED;
	if (find_program(*argv, path, sizeof(path)) &&
	    check_program(path, shim, 0))
		return WT_FAILED;
	if (set_preload(shim) || set_or_unset("WT_MATCH", patterns) ||
	    set_or_unset("WT_DSYNC", dsync ? "1" : NULL) ||
	    set_or_unset("WT_REQUIRE", require ? "1" : NULL) ||
	    set_or_unset("WT_STATS", NULL))
		return wt_errno(*argv, "set environment", errno);
	free(patterns);
	return stats ? run_counted(argv, json) : execute(argv);
}
