// SPDX-License-Identifier: GPL-2.0-only
/* wt mode */
#include <stdio.h>
#include <string.h>

#include "wt.h"

static const char help[] =
	"usage: wt mode [--json] PATH [off|on|always]\n"
	"\n"
	"Show or set the mode of the XFS filesystem that holds PATH:\n"
	"\n"
	"  off        no write goes through\n"
	"  on         those that ask for it, and durable ones\n"
	"  always     every buffered write\n"
	"\n"
	"  --json     one JSON object: path, device, mode\n";

enum { JSON = 256 };

static const struct option options[] = { { "json", no_argument, NULL, JSON },
					 WT_COMMON_OPTIONS };

int cmd_mode(int argc, char **argv)
{
	const char *path, *set;
	bool json = false;
	struct wt_fs fs;
	char mode[16];
	int err;

	while (wt_option(argc, argv, options, help) != -1)
		json = true;
	if (argc - optind < 1 || argc - optind > 2)
		wt_usage(help, "one PATH is needed, and at most one mode");
	path = argv[optind];
	set = argv[optind + 1];
	if (set && strcmp(set, "off") && strcmp(set, "on") &&
	    strcmp(set, "always"))
		wt_usage(help, "%s: off, on and always are allowed", set);
	if (wt_fs_open(&fs, path))
		return WT_FAILED;
	if (set) {
		err = wt_fs_write(&fs, "mode", set);
		if (err)
			return wt_errno(path, "set mode", -err);
	}
	err = wt_fs_mode(&fs, mode, sizeof(mode));
	if (err)
		return wt_errno(path, "read mode", -err);
	if (json)
		return wt_json(json_pack("{s:s, s:s, s:s}", "path", path,
					 "device", fs.device, "mode", mode),
			       stdout);
	printf("%s: %s\n", path, mode);
	return wt_flush(stdout);
}
