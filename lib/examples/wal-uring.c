// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/*
 * A write-ahead log on io_uring: several durable writes in flight, each record
 * acknowledged when it and all before it are durable.
 *
 * A record starts at a block of its own, so that no block of an acknowledged one
 * is ever written again, and writes do not wait for each other's blocks.  A crash
 * can leave a later record without an earlier one; neither was acknowledged, and
 * what is behind the first that is missing is cleared before more is appended.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <liburing.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <writethrough.h>

#define BLOCK 4096
#define MAX_DEPTH 256
#define MAX_RECORD 65536 /* with its header and padding */
#define MAX_SIZE (1 << 30)
#define MAGIC 0x314c4157 /* "WAL1" */

struct header {
	uint32_t magic;
	uint32_t len; /* of the data behind it */
	uint64_t seq; /* from 1 */
	uint32_t crc; /* of the fields above and the data */
	uint32_t zero;
};

#define MAX_DATA (MAX_RECORD - sizeof(struct header))

struct slot {
	char *buf;
	struct iovec iov; /* what is still to be written */
	int64_t offset;
	uint64_t seq;
	bool durable;
};

static const char *name; /* of the log */
static int fd;
static unsigned int flags = WT_DSYNC;
static struct wt_caps caps;
static int path = WT_PATH_NONE;

/* Where the log ends. */
static struct {
	int64_t offset;
	uint64_t seq; /* of the last record */
	int64_t tail; /* where zeroes begin: @offset, or behind it after a crash */
} end;

static const char help[] =
	"usage: wal-uring append [--depth N] [--size N] [--require] LOG\n"
	"       wal-uring replay LOG\n"
	"\n"
	"append: append each line of standard input to LOG as a record, and print its\n"
	"number when it is durable.\n"
	"  --depth N  writes in flight, 1 to 256 (default 8)\n"
	"  --size N   bytes to fill a new LOG with, up to 1073741824: appends are then\n"
	"             overwrites, and the cheaper for it (default 0: LOG grows)\n"
	"  --require  fail where writes cannot go through\n"
	"replay: verify LOG and print its records; standard error tells where it ends,\n"
	"and whether something is behind the end.\n";

__attribute__((noreturn, format(printf, 1, 2))) static void
usage(const char *fmt, ...)
{
	va_list ap;

	fputs("wal-uring: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "\n%.*s", (int)(strstr(help, "\n\n") + 1 - help), help);
	exit(2);
}

/* @err is positive. */
__attribute__((noreturn)) static void fail(const char *operation, int err)
{
	fprintf(stderr, "wal-uring: %s: %s: %s\n", name, operation,
		strerror(err));
	exit(1);
}

static long number(const char *option, const char *text, long min, long max)
{
	char *rest;
	long n;

	errno = 0;
	n = strtol(text, &rest, 10);
	if (*text < '0' || *text > '9' || *rest || errno || n < min || n > max)
		usage("%s %s: a number from %ld to %ld is allowed", option,
		      text, min, max);
	return n;
}

/* --- Records ---------------------------------------------------------------- */

static uint32_t crc32c(uint32_t crc, const void *data, size_t len)
{
	const uint8_t *p = data;

	for (crc = ~crc; len; len--, p++) {
		crc ^= *p;
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
	}
	return ~crc;
}

static uint32_t checksum(const struct header *h)
{
	return crc32c(crc32c(0, h, offsetof(struct header, crc)), h + 1,
		      h->len);
}

static size_t on_disk(const struct header *h)
{
	return (sizeof(*h) + h->len + BLOCK - 1) / BLOCK * BLOCK;
}

static size_t must_pread(void *buf, size_t len, int64_t offset)
{
	size_t got = 0;
	ssize_t n;

	while (got < len) {
		n = pread(fd, (char *)buf + got, len - got, offset + got);
		if (n < 0)
			fail("read", errno);
		if (!n)
			break;
		got += n;
	}
	memset((char *)buf + got, 0, len - got);
	return got;
}

/* Find the end, and print the records on the way. */
static void replay(FILE *out)
{
	static char buf[MAX_RECORD];
	struct header *h = (struct header *)buf;
	int64_t offset;
	size_t n;

	for (;;) {
		must_pread(buf, MAX_RECORD, end.offset);
		if (h->magic != MAGIC || h->len > MAX_DATA ||
		    h->seq != end.seq + 1 || h->crc != checksum(h))
			break;
		if (out)
			fprintf(out, "%.*s\n", (int)h->len, (char *)(h + 1));
		end.offset += on_disk(h);
		end.seq = h->seq;
	}
	end.tail = end.offset;
	for (offset = end.offset; (n = must_pread(buf, MAX_RECORD, offset));
	     offset += n)
		if (buf[0] || memcmp(buf, buf + 1, n - 1) != 0)
			end.tail = offset + n;
}

/* --- Appending --------------------------------------------------------------- */

/* Zeroes, durably: a new log, or what is behind the end of an old one. */
static void clear(int64_t from, int64_t to)
{
	static char zeroes[1 << 20];
	struct iovec iov = { .iov_base = zeroes };
	ssize_t n;

	for (; from < to; from += n) {
		iov.iov_len = to - from < (int64_t)sizeof(zeroes) ?
				      (size_t)(to - from) :
				      sizeof(zeroes);
		n = wt_pwritev(fd, &iov, 1, from, flags, NULL);
		if (n < 0)
			fail("clear", -n);
	}
}

/* A log that is durable must be found again, too. */
static void sync_directory(void)
{
	const char *slash = strrchr(name, '/');
	char *dir = slash ? strndup(name, slash - name + 1) : strdup(".");
	int dirfd = dir ? open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

	if (dirfd < 0 || fsync(dirfd))
		fail("sync directory", errno);
	close(dirfd);
	free(dir);
}

static void probe(void)
{
	int err = wt_probe(fd, &caps);

	if (err)
		fail("probe", -err);
}

static void submit(struct io_uring *ring, struct slot *s)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
	int ret = wt_prep_pwritev(sqe, fd, &s->iov, 1, s->offset, flags, &caps);

	if (ret < 0)
		fail("prepare", -ret);
	/* Which path it is, whenever that changes. */
	if (ret != path)
		fprintf(stderr, "wal-uring: %s: path: %s\n", name,
			wt_path_name(ret));
	path = ret;
	io_uring_sqe_set_data(sqe, s);
	ret = io_uring_submit(ring);
	if (ret < 0)
		fail("submit", -ret);
}

static void append(struct io_uring *ring, struct slot *s, const char *line,
		   size_t len)
{
	struct header *h = (struct header *)s->buf;

	if (len > MAX_DATA) {
		fprintf(stderr,
			"wal-uring: %s: record %llu: longer than %zu bytes\n",
			name, (unsigned long long)end.seq + 1, MAX_DATA);
		exit(1);
	}
	memset(s->buf, 0, MAX_RECORD);
	*h = (struct header){ .magic = MAGIC, .len = len, .seq = end.seq + 1 };
	memcpy(h + 1, line, len);
	h->crc = checksum(h);
	*s = (struct slot){ .buf = s->buf,
			    .iov = { s->buf, on_disk(h) },
			    .offset = end.offset,
			    .seq = h->seq };
	end.offset += s->iov.iov_len;
	end.seq = h->seq;
	submit(ring, s);
}

/* Wait for one completion.  What was written in part is submitted again. */
static void complete(struct io_uring *ring, uint64_t acknowledged)
{
	struct io_uring_cqe *cqe;
	struct slot *s;
	int ret;

	do
		ret = io_uring_wait_cqe(ring, &cqe);
	while (ret == -EINTR);
	if (ret < 0)
		fail("wait", -ret);
	s = io_uring_cqe_get_data(cqe);
	ret = cqe->res;
	io_uring_cqe_seen(ring, cqe);
	if (ret == -EOPNOTSUPP && path == WT_PATH_WRITETHROUGH) {
		/* The operator has switched it off. */
		probe();
	} else if (ret <= 0 && ret != -EINTR && ret != -EAGAIN) {
		fprintf(stderr,
			"wal-uring: %s: write record %llu: %s; acknowledged up to %llu\n",
			name, (unsigned long long)s->seq,
			strerror(ret ? -ret : EIO),
			(unsigned long long)acknowledged);
		exit(1);
	}
	if (ret > 0) {
		s->iov.iov_base = (char *)s->iov.iov_base + ret;
		s->iov.iov_len -= ret;
		s->offset += ret;
	}
	s->durable = !s->iov.iov_len;
	if (!s->durable)
		submit(ring, s);
}

/* The next line, if there is one now or, with @wait, whenever it comes. */
static char *next_line(bool wait, size_t *len, bool *eof)
{
	static char buf[2 * MAX_RECORD];
	static size_t start, filled;
	struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };
	char *line, *newline;
	ssize_t n;

	for (;;) {
		line = buf + start;
		newline = memchr(line, '\n', filled - start);
		if (newline || (*eof && filled > start) ||
		    filled - start > MAX_DATA) {
			*len = newline ? (size_t)(newline - line) :
					 filled - start;
			start += *len + !!newline;
			return line;
		}
		if (*eof || (!wait && poll(&in, 1, 0) <= 0))
			return NULL;
		memmove(buf, line, filled - start);
		filled -= start;
		start = 0;
		n = read(STDIN_FILENO, buf + filled, sizeof(buf) - filled);
		if (n < 0 && errno != EINTR)
			fail("read standard input", errno);
		if (n > 0)
			filled += n;
		*eof = !n;
	}
}

static void append_all(unsigned int depth)
{
	struct slot slots[MAX_DEPTH], *oldest;
	uint64_t acknowledged = end.seq, before;
	struct io_uring ring;
	bool eof = false;
	unsigned int i;
	char *line;
	size_t len;
	int ret = io_uring_queue_init(depth, &ring, 0);

	if (ret < 0)
		fail("set up io_uring", -ret);
	for (i = 0; i < depth; i++) {
		slots[i].buf = aligned_alloc(BLOCK, MAX_RECORD);
		if (!slots[i].buf)
			fail("allocate buffers", ENOMEM);
	}
	for (;;) {
		/* A slot belongs to a number until that is acknowledged. */
		while (end.seq - acknowledged < depth) {
			line = next_line(end.seq == acknowledged, &len, &eof);
			if (!line)
				break;
			append(&ring, &slots[(end.seq + 1) % depth], line, len);
		}
		if (end.seq == acknowledged)
			break;
		complete(&ring, acknowledged);
		for (before = acknowledged; acknowledged < end.seq;
		     acknowledged++) {
			oldest = &slots[(acknowledged + 1) % depth];
			if (!oldest->durable)
				break;
			printf("%llu\n", (unsigned long long)oldest->seq);
		}
		if (acknowledged != before && fflush(stdout)) {
			name = "standard output";
			fail("write", errno);
		}
	}
	io_uring_queue_exit(&ring);
	for (i = 0; i < depth; i++)
		free(slots[i].buf);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "depth", required_argument, NULL, 'd' },
		{ "size", required_argument, NULL, 's' },
		{ "require", no_argument, NULL, 'r' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 }
	};
	long depth = 8, size = 0;
	bool appends;
	int c, seen = 0;

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		switch (c) {
		case 'd':
			depth = number("--depth", optarg, 1, MAX_DEPTH);
			break;
		case 's':
			size = number("--size", optarg, 0, MAX_SIZE);
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
		seen = c;
	}
	if (argc - optind != 2)
		usage("a command and one LOG are needed");
	appends = !strcmp(argv[optind], "append");
	if (!appends && strcmp(argv[optind], "replay") != 0)
		usage("%s: append and replay are allowed", argv[optind]);
	if (!appends && seen)
		usage("replay takes no option");
	name = argv[optind + 1];
	fd = open(name, appends ? O_RDWR | O_CREAT | O_CLOEXEC : O_RDONLY,
		  0666);
	if (fd < 0)
		fail("open", errno);
	replay(appends ? NULL : stdout);
	if (!appends) {
		if (fflush(stdout)) {
			name = "standard output";
			fail("write", errno);
		}
		fprintf(stderr, "wal-uring: %s: records %llu, end %lld, %s\n",
			name, (unsigned long long)end.seq,
			(long long)end.offset,
			end.tail == end.offset ? "clean" : "torn");
		return 0;
	}
	probe();
	if (!lseek(fd, 0, SEEK_END)) {
		clear(0, size);
		sync_directory();
	}
	clear(end.offset, end.tail);
	append_all(depth);
	return 0;
}
