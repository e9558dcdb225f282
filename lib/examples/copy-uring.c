// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/*
 * Copy a file with several reads and write-through writes in flight.  What fails
 * is what this copy has written: no flush at the end tells of others' errors, and
 * none has to come later to tell of ours.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <liburing.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <writethrough.h>

#define MAX_DEPTH 256
#define MAX_BS (16 << 20)

/* A part of the file: it is read, then written. */
struct part {
	char *buf;
	int64_t offset; /* of buf in the file */
	size_t want, have, done; /* bytes to read, read, written */
	bool reading;
	struct iovec iov;
};

static const char *from, *to;
static int in, out, depth = 8, bs = 1 << 20;
static unsigned int flags;
static struct wt_caps caps;
static int path = WT_PATH_NONE;
static struct io_uring ring;

/* The first failure by place; what is in flight is still waited for. */
static struct {
	int err;
	bool reading;
	int64_t offset;
} failure;

static const char help[] =
	"usage: copy-uring [--depth N] [--bs N] [--dsync] [--require] FROM TO\n"
	"\n"
	"Copy FROM to TO, which is created or replaced, by write-through writes.\n"
	"  --depth N  reads and writes in flight, 1 to 256 (default 8)\n"
	"  --bs N     bytes of each, 1 to 16777216 (default 1048576)\n"
	"  --dsync    make each write durable, as O_DSYNC does\n"
	"  --require  fail where writes cannot go through\n";

__attribute__((noreturn, format(printf, 1, 2))) static void
usage(const char *fmt, ...)
{
	va_list ap;

	fputs("copy-uring: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "\n%.*s", (int)(strstr(help, "\n\n") + 1 - help), help);
	exit(2);
}

/* @err is positive. */
__attribute__((noreturn)) static void fail(const char *name,
					   const char *operation, int err)
{
	fprintf(stderr, "copy-uring: %s: %s: %s\n", name, operation,
		strerror(err));
	exit(1);
}

static int number(const char *option, const char *text, int min, int max)
{
	char *rest;
	long n;

	errno = 0;
	n = strtol(text, &rest, 10);
	if (*text < '0' || *text > '9' || *rest || errno || n < min || n > max)
		usage("%s %s: a number from %d to %d is allowed", option, text,
		      min, max);
	return n;
}

static void open_both(void)
{
	struct stat a, b;
	int err;

	in = open(from, O_RDONLY | O_CLOEXEC);
	if (in < 0 || fstat(in, &a))
		fail(from, "open", errno);
	if (!S_ISREG(a.st_mode)) {
		fprintf(stderr, "copy-uring: %s: open: not a regular file\n",
			from);
		exit(1);
	}
	out = open(to, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
	if (out < 0 || fstat(out, &b))
		fail(to, "open", errno);
	if (a.st_dev == b.st_dev && a.st_ino == b.st_ino) {
		fprintf(stderr, "copy-uring: %s: open: the same file as %s\n",
			to, from);
		exit(1);
	}
	err = wt_probe(out, &caps);
	if (err)
		fail(to, "probe", -err);
	if ((flags & WT_REQUIRE) && !(caps.flags & WT_CAP_WRITETHROUGH))
		fail(to, "write", EOPNOTSUPP);
	if (S_ISREG(b.st_mode) && ftruncate(out, 0))
		fail(to, "truncate", errno);
}

static void start_read(struct part *p)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

	p->reading = true;
	io_uring_prep_read(sqe, in, p->buf + p->have, p->want - p->have,
			   p->offset + p->have);
	io_uring_sqe_set_data(sqe, p);
}

static void start_write(struct part *p)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);
	int ret;

	p->reading = false;
	p->iov = (struct iovec){ p->buf + p->done, p->have - p->done };
	ret = wt_prep_pwritev(sqe, out, &p->iov, 1, p->offset + p->done, flags,
			      &caps);
	if (ret < 0)
		fail(to, "write", -ret);
	/* Which path it is, whenever that changes. */
	if (ret != path)
		fprintf(stderr, "copy-uring: %s: path: %s\n", to,
			wt_path_name(ret));
	path = ret;
	io_uring_sqe_set_data(sqe, p);
}

/* What comes of a completion: true if the part is still in flight. */
static bool go_on(struct part *p, int res)
{
	int64_t at = p->offset + (p->reading ? p->have : p->done);
	bool again = res == -EINTR || res == -EAGAIN;

	/* The operator has switched it off. */
	if (res == -EOPNOTSUPP && path == WT_PATH_WRITETHROUGH && !p->reading)
		again = !wt_probe(out, &caps);
	if (res > 0 && p->reading)
		p->have += res;
	else if (res > 0)
		p->done += res;
	else if (!again && (res || !p->reading)) {
		if (!failure.err || at < failure.offset) {
			failure.err = res ? -res : EIO;
			failure.reading = p->reading;
			failure.offset = at;
		}
		return false;
	}
	if (p->reading && res && p->have < p->want)
		start_read(p);
	else if (p->done < p->have)
		start_write(p);
	else
		return false;
	return true;
}

static int64_t copy(void)
{
	struct part parts[MAX_DEPTH] = { 0 }, *p;
	int64_t next = 0, copied = 0;
	struct io_uring_cqe *cqe;
	bool end = false;
	int ret, in_flight;

	ret = io_uring_queue_init(depth, &ring, 0);
	if (ret < 0)
		fail(to, "set up io_uring", -ret);
	for (in_flight = 0; in_flight < depth; in_flight++, next += bs) {
		p = &parts[in_flight];
		p->buf = malloc(bs);
		if (!p->buf)
			fail(to, "allocate buffers", ENOMEM);
		p->offset = next;
		p->want = bs;
		start_read(p);
	}
	while (in_flight) {
		ret = io_uring_submit_and_wait(&ring, 1);
		if (ret < 0 && ret != -EINTR)
			fail(to, "submit", -ret);
		while (!io_uring_peek_cqe(&ring, &cqe)) {
			p = io_uring_cqe_get_data(cqe);
			ret = cqe->res;
			io_uring_cqe_seen(&ring, cqe);
			if (go_on(p, ret))
				continue;
			copied += p->done;
			end |= p->have < p->want;
			if (end || failure.err) {
				in_flight--;
				continue;
			}
			p->offset = next;
			p->have = p->done = 0;
			next += bs;
			start_read(p);
		}
	}
	io_uring_queue_exit(&ring);
	while (in_flight < depth)
		free(parts[in_flight++].buf);
	return copied;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "depth", required_argument, NULL, 'd' },
		{ "bs", required_argument, NULL, 'b' },
		{ "dsync", no_argument, NULL, 's' },
		{ "require", no_argument, NULL, 'r' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 }
	};
	int64_t copied;
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, "+:h", options, NULL)) != -1) {
		switch (c) {
		case 'd':
			depth = number("--depth", optarg, 1, MAX_DEPTH);
			break;
		case 'b':
			bs = number("--bs", optarg, 1, MAX_BS);
			break;
		case 's':
			flags |= WT_DSYNC;
			break;
		case 'r':
			flags |= WT_REQUIRE;
			break;
		case 'h':
			fputs(help, stdout);
			return fflush(stdout) ? 1 : 0;
		case ':':
			usage("%s: its argument is missing", argv[optind - 1]);
		default:
			usage("%s: no such option, or not with a value",
			      argv[optind - 1]);
		}
	}
	if (argc - optind != 2)
		usage("FROM and TO are needed");
	from = argv[optind];
	to = argv[optind + 1];
	open_both();
	copied = copy();
	if (failure.err) {
		fprintf(stderr, "copy-uring: %s: %s at byte %lld: %s\n",
			failure.reading ? from : to,
			failure.reading ? "read" : "write",
			(long long)failure.offset, strerror(failure.err));
		return 1;
	}
	if (close(out))
		fail(to, "close", errno);
	printf("%s: bytes %lld\n", to, (long long)copied);
	return fflush(stdout) ? 1 : 0;
}
