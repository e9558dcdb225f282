// SPDX-License-Identifier: GPL-2.0-only
/* wt probe */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <writethrough.h>

#include "wt.h"

static const char help[] =
	"usage: wt probe [--json] PATH\n"
	"\n"
	"Tell whether writes to PATH, a file or a directory, can go through.\n"
	"It is found out by trying, without any effect on the file; for a\n"
	"directory, on an unnamed file in it.\n"
	"\n"
	"  --json     one JSON object: path, writethrough, reason\n"
	"\n"
	"Exit status: 0 they can, 1 they cannot or an error, 2 wrong usage.\n";

enum { JSON = 256 };

static const struct option options[] = { { "json", no_argument, NULL, JSON },
					 WT_COMMON_OPTIONS };

/* Only to explain an answer the kernel has given. */
static const char *why_not(const char *path)
{
	static char reason[64];
	struct wt_fs fs;
	char mode[16];

	wt_fs_find(&fs, path);
	if (fs.dir < 0)
		return fs.lacks;
	if (!wt_fs_mode(&fs, mode, sizeof(mode)) && !strcmp(mode, "off")) {
		snprintf(reason, sizeof(reason), "mode of %.40s is off",
			 fs.device);
		return reason;
	}
	return "not for this file";
}

int cmd_probe(int argc, char **argv)
{
	const char *path, *reason = NULL;
	struct wt_caps caps;
	bool json = false, yes;
	struct stat st;
	int fd, err;

	while (wt_option(argc, argv, options, help) != -1)
		json = true;
	if (argc - optind != 1)
		wt_usage(help, "one PATH is needed");
	path = argv[optind];
	if (stat(path, &st))
		return wt_errno(path, "stat", errno);
	if (S_ISDIR(st.st_mode))
		fd = open(path, O_WRONLY | O_TMPFILE | O_CLOEXEC, 0600);
	else
		/* A FIFO or a terminal is not to be waited for. */
		fd = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return wt_errno(path,
				S_ISDIR(st.st_mode) ? "create unnamed file" :
						      "open for writing",
				errno);
	err = wt_probe(fd, &caps);
	close(fd);
	if (err)
		return wt_errno(path, "probe", -err);
	yes = caps.flags & WT_CAP_WRITETHROUGH;
	if (!yes)
		reason = S_ISDIR(st.st_mode) || S_ISREG(st.st_mode) ?
				 why_not(path) :
				 "not a regular file";
	if (json)
		err = wt_json(json_pack("{s:s, s:b, s:s?}", "path", path,
					"writethrough", yes, "reason", reason),
			      stdout);
	else if (yes)
		printf("%s: write-through: yes\n", path);
	else
		printf("%s: write-through: no, %s\n", path, reason);
	if (!err)
		err = wt_flush(stdout);
	return err ? err : yes ? WT_OK : WT_FAILED;
}
