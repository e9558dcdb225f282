/* SPDX-License-Identifier: GPL-2.0-only */
/* What the subcommands of wt share. */
#ifndef WT_H
#define WT_H

#include <getopt.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* Exit statuses. */
enum { WT_OK = 0, WT_FAILED = 1, WT_USAGE = 2 };

int cmd_mode(int argc, char **argv);
int cmd_probe(int argc, char **argv);
int cmd_run(int argc, char **argv);
int cmd_stat(int argc, char **argv);
int cmd_write(int argc, char **argv);

/* --- options.c --- */

/* Ends each subcommand's table of long options, whose values are above 'v'. */
#define WT_COMMON_OPTIONS                              \
	{ "help", no_argument, NULL, 'h' },            \
		{ "version", no_argument, NULL, 'v' }, \
	{                                              \
		NULL, 0, NULL, 0                       \
	}

/*
 * getopt_long() that answers --help and --version, and ends the program when an
 * option is wrong.  @help starts with the usage lines, which end at a blank one.
 */
int wt_option(int argc, char **argv, const struct option *options,
	      const char *help);

/* Say what is wrong and what is allowed; the program ends with WT_USAGE. */
__attribute__((noreturn, format(printf, 2, 3))) void
wt_usage(const char *help, const char *fmt, ...);

/* Bytes from "4096", "64k", "1M", "2G"; ends the program unless min..max. */
int64_t wt_size(const char *help, const char *option, const char *text,
		int64_t min, int64_t max);

void wt_version(void);

/* --- report.c --- */

/* "wt: PATH: OPERATION: REASON" on stderr; returns WT_FAILED. */
int wt_error(const char *path, const char *operation, const char *reason);
int wt_errno(const char *path, const char *operation, int err);

/* One line on @out; frees @object; WT_OK or, reported, WT_FAILED. */
int wt_json(json_t *object, FILE *out);

/* A full disk behind stdout is an error, too: WT_OK or, reported, WT_FAILED. */
int wt_flush(FILE *out);

/* --- fs.c: the kernel's files for one filesystem --- */

struct wt_fs {
	const char *path; /* as the user gave it */
	char device[256]; /* its name in /sys/fs/xfs */
	int dir; /* of /sys/fs/xfs/DEVICE/writethrough, or -1 */
	const char *lacks; /* if dir is -1: why */
};

/* Never fails: what is missing is in @lacks. */
void wt_fs_find(struct wt_fs *fs, const char *path);

/* As above, but a missing directory is reported: WT_OK or WT_FAILED. */
int wt_fs_open(struct wt_fs *fs, const char *path);

/* 0 or -errno.  @text loses its newline; what does not fit is cut off. */
int wt_fs_read(const struct wt_fs *fs, const char *name, char *text,
	       size_t size);
int wt_fs_write(const struct wt_fs *fs, const char *name, const char *text);

/* The mode in brackets; 0 or -errno. */
int wt_fs_mode(const struct wt_fs *fs, char *mode, size_t size);

#endif
