// SPDX-License-Identifier: GPL-2.0-only
/* wt stat */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wt.h"

static const char help[] =
	"usage: wt stat [--json] [--reset] PATH\n"
	"\n"
	"Show the counters of the XFS filesystem that holds PATH.\n"
	"\n"
	"  --json     one JSON object: path, device, mode and the counters\n"
	"  --reset    set them to zero afterwards\n";

static const struct {
	const char *name;
	const char *meaning;
} counters[] = {
	{ "calls", "writes that went through" },
	{ "bytes", "bytes they wrote" },
	{ "bios", "requests they sent to the device" },
	{ "fua", "of those, durable by themselves" },
	{ "flushes", "syncs after durable writes" },
	{ "fallbacks",
	  "writes with the flag that were refused: mode off, or a swap file" },
	{ "errors", "writes that ended in an I/O error" },
};

#define NR_COUNTERS (sizeof(counters) / sizeof(counters[0]))

enum { JSON = 256, RESET };

static const struct option options[] = { { "json", no_argument, NULL, JSON },
					 { "reset", no_argument, NULL, RESET },
					 WT_COMMON_OPTIONS };

static int read_counter(const struct wt_fs *fs, size_t i, uint64_t *value)
{
	char text[32], *end;
	int err = wt_fs_read(fs, counters[i].name, text, sizeof(text));

	if (err)
		return err;
	errno = 0;
	*value = strtoull(text, &end, 10);
	return errno || end == text || *end ? -EPROTO : 0;
}

int cmd_stat(int argc, char **argv)
{
	bool json = false, reset = false;
	uint64_t value[NR_COUNTERS];
	json_t *object;
	const char *path;
	struct wt_fs fs;
	char mode[16];
	size_t i;
	int c, err;

	while ((c = wt_option(argc, argv, options, help)) != -1) {
		if (c == JSON)
			json = true;
		else
			reset = true;
	}
	if (argc - optind != 1)
		wt_usage(help, "one PATH is needed");
	path = argv[optind];
	if (wt_fs_open(&fs, path))
		return WT_FAILED;
	err = wt_fs_mode(&fs, mode, sizeof(mode));
	if (err)
		return wt_errno(path, "read mode", -err);
	for (i = 0; i < NR_COUNTERS; i++) {
		err = read_counter(&fs, i, &value[i]);
		if (err)
			return wt_errno(path, counters[i].name, -err);
	}
	if (reset) {
		err = wt_fs_write(&fs, "reset_stats", "1");
		if (err)
			return wt_errno(path, "reset", -err);
	}
	if (json) {
		object = json_pack("{s:s, s:s, s:s}", "path", path, "device",
				   fs.device, "mode", mode);
		for (i = 0; object && i < NR_COUNTERS; i++)
			json_object_set_new(object, counters[i].name,
					    json_integer(value[i]));
		return wt_json(object, stdout);
	}
	printf("%s on %s, mode %s\n", path, fs.device, mode);
	for (i = 0; i < NR_COUNTERS; i++)
		printf("  %-10s %14llu  %s\n", counters[i].name,
		       (unsigned long long)value[i], counters[i].meaning);
	return wt_flush(stdout);
}
