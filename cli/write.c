// SPDX-License-Identifier: GPL-2.0-only
/* wt write */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <writethrough.h>

#include "wt.h"

static const char help[] =
	"usage: wt write [--offset N | --append] [--dsync | --sync] [--bs N]\n"
	"                [--require] [--json] FILE\n"
	"\n"
	"Write standard input to FILE, each write going through to the device.\n"
	"FILE is created if it does not exist, and never truncated.\n"
	"\n"
	"  --offset N   start at byte N of FILE (default 0)\n"
	"  --append     write at the end of FILE\n"
	"  --dsync      make each write durable, as O_DSYNC does\n"
	"  --sync       and all of the file's metadata with it, as O_SYNC does\n"
	"  --bs N       bytes per write (default 1M)\n"
	"  --require    fail where a write cannot go through; otherwise it is\n"
	"               written the stock way and its I/O waited for\n"
	"  --json       one JSON object: path, bytes, calls, and calls by path\n"
	"\n"
	"N may end in k, M, G or T.\n";

enum { OFFSET = 256, APPEND, DSYNC, SYNC, BS, REQUIRE, JSON };

static const struct option options[] = {
	{ "offset", required_argument, NULL, OFFSET },
	{ "append", no_argument, NULL, APPEND },
	{ "dsync", no_argument, NULL, DSYNC },
	{ "sync", no_argument, NULL, SYNC },
	{ "bs", required_argument, NULL, BS },
	{ "require", no_argument, NULL, REQUIRE },
	{ "json", no_argument, NULL, JSON },
	WT_COMMON_OPTIONS
};

struct job {
	const char *path;
	int fd;
	unsigned int flags;
	int64_t offset;
	uint64_t bytes;
	uint64_t calls;
	uint64_t by_path[WT_PATH_FALLBACK + 1];
};

/* As much as there is, up to @size; -errno. */
static ssize_t fill(char *buf, size_t size)
{
	size_t len = 0;
	ssize_t n;

	while (len < size) {
		n = read(STDIN_FILENO, buf + len, size - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			break;
		len += n;
	}
	return len;
}

static int put(struct job *job, char *buf, size_t len)
{
	struct iovec iov = { .iov_base = buf, .iov_len = len };
	enum wt_path path;
	ssize_t n;

	while (iov.iov_len) {
		n = wt_pwritev(job->fd, &iov, 1, job->offset, job->flags,
			       &path);
		if (n == -EINTR)
			continue;
		if (n <= 0)
			return wt_errno(job->path, "write", n ? -n : EIO);
		job->calls++;
		job->by_path[path]++;
		job->bytes += n;
		job->offset += n;
		iov.iov_base = (char *)iov.iov_base + n;
		iov.iov_len -= n;
	}
	return WT_OK;
}

static int report(const struct job *job, bool json)
{
	json_t *object;
	int i;

	if (json) {
		object = json_pack("{s:s, s:I, s:I}", "path", job->path,
				   "bytes", (json_int_t)job->bytes, "calls",
				   (json_int_t)job->calls);
		for (i = WT_PATH_WRITETHROUGH; object && i <= WT_PATH_FALLBACK;
		     i++)
			json_object_set_new(object, wt_path_name(i),
					    json_integer(job->by_path[i]));
		return wt_json(object, stdout);
	}
	printf("%s: bytes %llu, calls %llu", job->path,
	       (unsigned long long)job->bytes, (unsigned long long)job->calls);
	for (i = WT_PATH_WRITETHROUGH; i <= WT_PATH_FALLBACK; i++)
		if (job->by_path[i])
			printf(", %s %llu", wt_path_name(i),
			       (unsigned long long)job->by_path[i]);
	putchar('\n');
	return wt_flush(stdout);
}

int cmd_write(int argc, char **argv)
{
	bool json = false, offset = false;
	struct job job = { 0 };
	size_t size = 1 << 20;
	ssize_t len;
	char *buf;
	int c, status = WT_OK;

	while ((c = wt_option(argc, argv, options, help)) != -1) {
		switch (c) {
		case OFFSET:
			job.offset =
				wt_size(help, "--offset", optarg, 0, INT64_MAX);
			offset = true;
			break;
		case APPEND:
			job.flags |= WT_APPEND;
			break;
		case DSYNC:
			job.flags |= WT_DSYNC;
			break;
		case SYNC:
			job.flags |= WT_SYNC;
			break;
		case BS:
			size = wt_size(help, "--bs", optarg, 1, 1 << 30);
			break;
		case REQUIRE:
			job.flags |= WT_REQUIRE;
			break;
		case JSON:
			json = true;
			break;
		}
	}
	if (argc - optind != 1)
		wt_usage(help, "one FILE is needed");
	if (offset && (job.flags & WT_APPEND))
		wt_usage(help, "--offset and --append: only one is allowed");
	if ((job.flags & WT_DSYNC) && (job.flags & WT_SYNC))
		wt_usage(help, "--dsync and --sync: only one is allowed");
	job.path = argv[optind];
	job.fd = open(job.path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
	if (job.fd < 0)
		return wt_errno(job.path, "open", errno);
	buf = malloc(size);
	if (!buf)
		return wt_errno(job.path, "allocate buffer", ENOMEM);
	do {
		len = fill(buf, size);
		if (len < 0)
			status = wt_errno("standard input", "read", -len);
		else
			status = put(&job, buf, len);
	} while (!status && len == (ssize_t)size);
	free(buf);
	if (close(job.fd) && !status)
		status = wt_errno(job.path, "close", errno);
	return report(&job, json) || status ? WT_FAILED : WT_OK;
}
