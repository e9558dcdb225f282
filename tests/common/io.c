// SPDX-License-Identifier: GPL-2.0-only
/*
 * File operations for the tests in shell: opens a file and runs commands on it.
 * Each command prints one line; a failed system call prints -ENAME.  The exit
 * status is 0 unless the command line is wrong or the file cannot be opened.
 */
#include "async.h"

#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/kernel-page-flags.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>

static const char usage_text[] =
	"usage: io [-o OPEN,...] [-e ENGINE [-m MARKS]] FILE COMMAND [: COMMAND]...\n"
	"       io [-o OPEN,...] [-e ENGINE [-m MARKS]] FILE -   a command in each line of stdin,\n"
	"                                    until quit\n"
	"OPEN: rdonly wronly creat trunc append direct sync dsync; nocmtime: writes leave the\n"
	"      file's times alone (only on XFS)\n"
	"commands:\n"
	"  write POS LEN SEED [FLAG,...]  POS - is the file's offset;\n"
	"                                 FLAG: wt dsync sync nowait append\n"
	"                                 noappend\n"
	"  writev POS LEN SEED N FLAG,... LEN bytes in N segments\n"
	"  repeat POS N SEED FLAG,...     1 MiB, as written at 0, N times in one call\n"
	"  try POS LEN SEED [FLAG,...]    write, by ENGINE if there is one, as long\n"
	"                                 as it is -EAGAIN because the file's time is\n"
	"                                 due, but not for ever; FLAG also torn: but\n"
	"                                 for its first page the buffer is not there\n"
	"  verify POS LEN SEED [AT]       content as written at AT (POS)\n"
	"  read POS LEN FLAG,...          only the result\n"
	"  into OTHER TOUCH               from now on read and fetch put what they\n"
	"                                 get into a mapping of that file, whose\n"
	"                                 first TOUCH bytes are there\n"
	"  map LEN                        map LEN bytes, until the end\n"
	"  store POS LEN SEED             by the mapping\n"
	"  load POS LEN SEED              verify by the mapping\n"
	"  fsync | truncate LEN | size | offset\n"
	"  phys POS                       byte on the device, or hole,\n"
	"                                 delalloc, unwritten BYTE, shared BYTE\n"
	"  ondisk DEVICE POS LEN SEED     verify what the device has there, past\n"
	"                                 all caches; must be one extent\n"
	"  extents                        how many\n"
	"  folio POS                      bytes of the folio that holds it in the\n"
	"                                 cache\n"
	"  say TEXT                       for order\n"
	"  wait FIFO                      until somebody writes to it\n"
	"with ENGINE, aio, uring or iopoll, also\n"
	"  submit POS LEN SEED [FLAG,...] a write; numbered from 0; FLAG also async,\n"
	"                                 which is IOSQE_ASYNC\n"
	"  fetch POS LEN                  a read, by io_uring; numbered likewise\n"
	"  cancel NR                      tries to cancel a request; itself one\n"
	"  ended                          how many have ended and are not reaped\n"
	"  reap                           waits for one: its number and result,\n"
	"                                 which also go to the file MARKS\n";

/* No flag of the kernel's: by a worker of io_uring. */
#define BY_WORKER (1 << 30)
/* Nor this: the buffer ends too early. */
#define TORN (1 << 29)
/* Nor this one open()'s: XFS gives it to a file opened by its handle. */
#define NOCMTIME (1 << 28)
#define DEPTH 256

struct word {
	const char *name;
	int value;
};

static const struct word open_words[] = {
	{ "rdonly", O_RDONLY },	  { "wronly", O_WRONLY },
	{ "creat", O_CREAT },	  { "trunc", O_TRUNC },
	{ "append", O_APPEND },	  { "direct", O_DIRECT },
	{ "sync", O_SYNC },	  { "dsync", O_DSYNC },
	{ "nocmtime", NOCMTIME }, {}
};

static const struct word rwf_words[] = { { "wt", RWF_WRITETHROUGH },
					 { "dsync", RWF_DSYNC },
					 { "sync", RWF_SYNC },
					 { "nowait", RWF_NOWAIT },
					 { "append", RWF_APPEND },
					 { "noappend", RWF_NOAPPEND },
					 { "async", BY_WORKER },
					 { "torn", TORN },
					 { "none", 0 },
					 {} };

static int fd;
static uint8_t *map;
static int map_write;
static uint8_t *into;

static struct async engine;
static const char *engine_name;
static unsigned int submitted;
static int marks = -1;

/* Those that have ended and were only counted. */
static struct {
	uint64_t nr;
	ssize_t res;
} ended[DEPTH];
static int nr_ended;

__attribute__((noreturn)) static void usage(const char *what)
{
	fprintf(stderr, "io: %s\n%s", what, usage_text);
	exit(2);
}

static int words(const struct word *table, const char *list)
{
	char *copy = strdup(list), *save = NULL;
	int value = 0;

	for (char *w = strtok_r(copy, ",", &save); w;
	     w = strtok_r(NULL, ",", &save)) {
		const struct word *t = table;

		while (t->name && strcmp(t->name, w))
			t++;
		if (!t->name)
			usage(w);
		value |= t->value;
	}
	free(copy);
	return value;
}

static uint64_t number(const char *text)
{
	char *end;
	uint64_t n;

	if (!text)
		usage("a number is missing");
	n = strtoull(text, &end, 0);
	switch (*end) {
	case 'k':
		n <<= 10;
		end++;
		break;
	case 'm':
		n <<= 20;
		end++;
		break;
	}
	if (*end)
		usage(text);
	return n;
}

static void result(ssize_t ret)
{
	if (ret < 0)
		printf("-%s\n", strerrorname_np(-ret));
	else
		printf("%zd\n", ret);
}

static void *buffer(size_t len)
{
	void *buf;

	if (posix_memalign(&buf, 65536, len ? len : 1))
		fail("no memory");
	return buf;
}

static void do_into(const char *path, size_t touch)
{
	int other = must(open(path, O_RDWR));
	struct stat st;

	must(fstat(other, &st));
	into = mmap(NULL, st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, other,
		    0);
	if (into == MAP_FAILED)
		fail("mmap: %s", strerrorname_np(errno));
	/* No others come along. */
	must(madvise(into, st.st_size, MADV_RANDOM));
	for (size_t i = 0; i < touch; i += 4096)
		((volatile uint8_t *)into)[i] = 1;
	close(other);
	result(0);
}

static void do_read(off_t pos, size_t len, int flags)
{
	struct iovec iov = { into ? into : buffer(len), len };
	ssize_t ret = preadv2(fd, &iov, 1, pos, flags);

	result(ret < 0 ? -errno : ret);
	if (!into)
		free(iov.iov_base);
}

static void do_write(const char *where, size_t len, uint64_t seed, int n,
		     int flags)
{
	uint8_t *buf = buffer(len);
	struct iovec *iov = calloc(n, sizeof(*iov));
	off_t pos = strcmp(where, "-") ? (off_t)number(where) : -1;
	off_t from = pos == -1 ? lseek(fd, 0, SEEK_CUR) : pos;

	wt_fill(buf, len, from, seed);
	for (int i = 0; i < n; i++) {
		iov[i].iov_base = buf + len / n * i;
		iov[i].iov_len = i == n - 1 ? len - len / n * i : len / n;
	}
	result(wt_raw_pwritev2(fd, iov, n, pos, flags));
	free(iov);
	free(buf);
}

static void do_repeat(off_t pos, int n, uint64_t seed, int flags)
{
	uint8_t *buf = buffer(1 << 20);
	struct iovec *iov = calloc(n, sizeof(*iov));

	wt_fill(buf, 1 << 20, 0, seed);
	for (int i = 0; i < n; i++)
		iov[i] = (struct iovec){ buf, 1 << 20 };
	result(wt_raw_pwritev2(fd, iov, n, pos, flags));
	free(iov);
	free(buf);
}

static void differs(const uint8_t *buf, size_t len, uint64_t at, uint64_t seed)
{
	ssize_t i = wt_differs(buf, len, at, seed);

	if (i < 0)
		printf("same\n");
	else
		printf("differs at %zd: 0x%02x, expected 0x%02x\n", i, buf[i],
		       wt_pattern(at + i, seed));
}

static void do_verify(off_t pos, size_t len, uint64_t seed, uint64_t at)
{
	uint8_t *buf = buffer(len);
	size_t done = 0;
	ssize_t ret = 0;

	while (done < len) {
		ret = pread(fd, buf + done, len - done, pos + done);
		if (ret <= 0)
			break;
		done += ret;
	}
	if (ret < 0)
		result(-errno);
	else if (done < len)
		printf("short: %zu of %zu\n", done, len);
	else
		differs(buf, len, at, seed);
	free(buf);
}

static int fiemap(struct fiemap *fm, off_t pos, uint64_t len, int count)
{
	memset(fm, 0, sizeof(*fm));
	fm->fm_start = pos;
	fm->fm_length = len;
	fm->fm_extent_count = count;
	return ioctl(fd, FS_IOC_FIEMAP, fm) < 0 ? -errno : 0;
}

static void do_phys(off_t pos)
{
	struct fiemap *fm = buffer(sizeof(*fm) + sizeof(struct fiemap_extent));
	const struct fiemap_extent *e = fm->fm_extents;
	int ret = fiemap(fm, pos, 1, 1);

	if (ret)
		result(ret);
	else if (!fm->fm_mapped_extents)
		printf("hole\n");
	else if (e->fe_flags & FIEMAP_EXTENT_DELALLOC)
		printf("delalloc\n");
	else if (e->fe_flags & FIEMAP_EXTENT_UNWRITTEN)
		printf("unwritten %llu\n",
		       e->fe_physical + (pos - e->fe_logical));
	else
		printf("%s%llu\n",
		       e->fe_flags & FIEMAP_EXTENT_SHARED ? "shared " : "",
		       e->fe_physical + (pos - e->fe_logical));
	free(fm);
}

static void do_ondisk(const char *device, off_t pos, size_t len, uint64_t seed)
{
	struct fiemap *fm = buffer(sizeof(*fm) + sizeof(struct fiemap_extent));
	const struct fiemap_extent *e = fm->fm_extents;
	uint64_t from, to, phys;
	uint8_t *buf;
	int dev;

	if (fiemap(fm, pos, len, 1) || !fm->fm_mapped_extents ||
	    (e->fe_flags & FIEMAP_EXTENT_DELALLOC) ||
	    e->fe_logical + e->fe_length < pos + len) {
		printf("not one extent\n");
		free(fm);
		return;
	}
	phys = e->fe_physical + (pos - e->fe_logical);
	from = phys & ~4095ULL;
	to = (phys + len + 4095) & ~4095ULL;
	buf = buffer(to - from);
	dev = must(open(device, O_RDONLY | O_DIRECT));
	want(pread(dev, buf, to - from, from), (ssize_t)(to - from));
	close(dev);
	differs(buf + (phys - from), len, pos, seed);
	free(buf);
	free(fm);
}

static void do_extents(void)
{
	struct fiemap fm;
	int ret = fiemap(&fm, 0, FIEMAP_MAX_OFFSET, 0);

	result(ret ? ret : (ssize_t)fm.fm_mapped_extents);
}

static uint64_t number_at(const char *table, uint64_t index)
{
	int f = must(open(table, O_RDONLY));
	uint64_t n;

	want(pread(f, &n, sizeof(n), index * sizeof(n)), sizeof(n));
	close(f);
	return n;
}

static int page_has(uint64_t pfn, int flag)
{
	return number_at("/proc/kpageflags", pfn) >> flag & 1;
}

static void do_folio(off_t pos)
{
	size_t page = sysconf(_SC_PAGESIZE), pages = 1;
	const volatile uint8_t *p =
		mmap(NULL, page, PROT_READ, MAP_SHARED, fd, pos / page * page);
	uint64_t pfn;

	if (p == MAP_FAILED)
		fail("mmap: %s", strerrorname_np(errno));
	(void)*p;
	pfn = number_at("/proc/self/pagemap", (uintptr_t)p / page) &
	      ((1ULL << 55) - 1);
	while (page_has(pfn, KPF_COMPOUND_TAIL))
		pfn--;
	while (page_has(pfn + pages, KPF_COMPOUND_TAIL))
		pages++;
	result(pages * page);
	must(munmap((void *)p, page));
}

static void do_wait(const char *fifo)
{
	char c;
	int f = must(open(fifo, O_RDONLY));

	while (read(f, &c, 1) > 0)
		;
	close(f);
}

/*
 * A write that must not wait is refused when the file's time of modification is an
 * older one: so make it new, which lasts for a tick of the clock.
 */
static void do_try(off_t pos, size_t len, uint64_t seed, int flags)
{
	uint8_t *buf = mmap(NULL, len, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ssize_t ret = -EAGAIN;

	if (buf == MAP_FAILED)
		fail("no memory");
	wt_fill(buf, len, pos, seed);
	if (flags & TORN)
		must(munmap(buf + 4096, len - 4096));
	for (int i = 0; i < 50 && ret == -EAGAIN; i++) {
		must(futimens(fd, NULL));
		ret = engine_name ?
			      async_write(&engine, fd, buf, len, pos,
					  flags & ~TORN) :
			      wt_raw_pwrite(fd, buf, len, pos, flags & ~TORN);
	}
	result(ret);
	must(munmap(buf, flags & TORN ? 4096 : len));
}

/* The buffer stays: the request may go on after this process has reaped it. */
static void do_submit(const char *where, size_t len, uint64_t seed, int flags)
{
	uint8_t *buf = buffer(len);
	off_t pos = strcmp(where, "-") ? (off_t)number(where) : -1;

	wt_fill(buf, len, pos == -1 ? lseek(fd, 0, SEEK_CUR) : pos, seed);
	if (flags & BY_WORKER) {
		async_sqe(&engine, fd, submitted++, buf, len, pos,
			  flags & ~BY_WORKER)
			->flags = IOSQE_ASYNC;
		want(async_enter(&engine, 0), 1);
		result(0);
		return;
	}
	result(async_submit(&engine, fd, submitted++, buf, len, pos, flags));
}

static void do_fetch(off_t pos, size_t len)
{
	async_sqe(&engine, fd, submitted++, into ? into : buffer(len), len, pos,
		  0)
		->opcode = IORING_OP_READ;
	want(async_enter(&engine, 0), 1);
	result(0);
}

static void do_cancel(uint64_t nr)
{
	struct io_uring_sqe *sqe = async_sqe(&engine, -1, submitted++,
					     (void *)(uintptr_t)nr, 0, 0, 0);

	sqe->opcode = IORING_OP_ASYNC_CANCEL;
	want(async_enter(&engine, 0), 1);
	result(0);
}

static void do_ended(void)
{
	while (nr_ended < DEPTH &&
	       async_next(&engine, false, &ended[nr_ended].nr,
			  &ended[nr_ended].res))
		nr_ended++;
	printf("%d\n", nr_ended);
}

static void do_reap(void)
{
	if (!nr_ended)
		async_next(&engine, true, &ended[nr_ended].nr,
			   &ended[nr_ended].res);
	else
		nr_ended--;
	if (marks >= 0)
		must(dprintf(marks, "%llu %zd\n",
			     (unsigned long long)ended[nr_ended].nr,
			     ended[nr_ended].res));
	printf("%llu ", (unsigned long long)ended[nr_ended].nr);
	result(ended[nr_ended].res);
}

static void command(int argc, char **argv)
{
	const char *cmd = argv[0];
	const char *a[6] = {};

	for (int i = 1; i < argc && i < 6; i++)
		a[i] = argv[i];
	if (!strcmp(cmd, "write") && argc >= 4) {
		do_write(a[1], number(a[2]), number(a[3]), 1,
			 words(rwf_words, a[4] ? a[4] : "none"));
	} else if (!strcmp(cmd, "writev") && argc == 6) {
		do_write(a[1], number(a[2]), number(a[3]), number(a[4]),
			 words(rwf_words, a[5]));
	} else if (!strcmp(cmd, "repeat") && argc == 5) {
		do_repeat(number(a[1]), number(a[2]), number(a[3]),
			  words(rwf_words, a[4]));
	} else if (!strcmp(cmd, "verify") && argc >= 4) {
		do_verify(number(a[1]), number(a[2]), number(a[3]),
			  number(a[4] ? a[4] : a[1]));
	} else if (!strcmp(cmd, "read") && argc == 4) {
		do_read(number(a[1]), number(a[2]), words(rwf_words, a[3]));
	} else if (!strcmp(cmd, "into") && argc == 3) {
		do_into(a[1], number(a[2]));
	} else if (!strcmp(cmd, "map") && argc == 2) {
		map = mmap(NULL, number(a[1]), PROT_READ | map_write,
			   MAP_SHARED, fd, 0);
		result(map == MAP_FAILED ? -errno : 0);
	} else if (!strcmp(cmd, "store") && argc == 4 && map) {
		wt_fill(map + number(a[1]), number(a[2]), number(a[1]),
			number(a[3]));
		printf("stored\n");
	} else if (!strcmp(cmd, "load") && argc == 4 && map) {
		differs(map + number(a[1]), number(a[2]), number(a[1]),
			number(a[3]));
	} else if (!strcmp(cmd, "fsync")) {
		result(fsync(fd) < 0 ? -errno : 0);
	} else if (!strcmp(cmd, "truncate") && argc == 2) {
		result(ftruncate(fd, number(a[1])) < 0 ? -errno : 0);
	} else if (!strcmp(cmd, "size")) {
		struct stat st;

		must(fstat(fd, &st));
		result(st.st_size);
	} else if (!strcmp(cmd, "offset")) {
		result(lseek(fd, 0, SEEK_CUR));
	} else if (!strcmp(cmd, "phys") && argc == 2) {
		do_phys(number(a[1]));
	} else if (!strcmp(cmd, "ondisk") && argc == 5) {
		do_ondisk(a[1], number(a[2]), number(a[3]), number(a[4]));
	} else if (!strcmp(cmd, "extents")) {
		do_extents();
	} else if (!strcmp(cmd, "folio") && argc == 2) {
		do_folio(number(a[1]));
	} else if (!strcmp(cmd, "say") && argc == 2) {
		printf("%s\n", a[1]);
	} else if (!strcmp(cmd, "wait") && argc == 2) {
		do_wait(a[1]);
	} else if (!strcmp(cmd, "try") && argc >= 4) {
		do_try(number(a[1]), number(a[2]), number(a[3]),
		       words(rwf_words, a[4] ? a[4] : "none"));
	} else if (!strcmp(cmd, "submit") && argc >= 4 && engine_name) {
		do_submit(a[1], number(a[2]), number(a[3]),
			  words(rwf_words, a[4] ? a[4] : "none"));
	} else if (!strcmp(cmd, "fetch") && argc == 3 && engine_name) {
		do_fetch(number(a[1]), number(a[2]));
	} else if (!strcmp(cmd, "cancel") && argc == 2 && engine_name) {
		do_cancel(number(a[1]));
	} else if (!strcmp(cmd, "ended") && engine_name) {
		do_ended();
	} else if (!strcmp(cmd, "reap") && engine_name) {
		do_reap();
	} else {
		usage(cmd);
	}
	fflush(stdout);
}

static void commands_from_stdin(void)
{
	char *line = NULL, *save, *argv[8];
	size_t size = 0;

	while (getline(&line, &size, stdin) > 0) {
		int argc = 0;

		for (char *w = strtok_r(line, " \n", &save); w && argc < 8;
		     w = strtok_r(NULL, " \n", &save))
			argv[argc++] = w;
		if (!argc)
			usage("an empty line");
		if (!strcmp(argv[0], "quit"))
			break;
		command(argc, argv);
	}
	free(line);
}

int main(int argc, char **argv)
{
	int flags = O_RDWR, opt, i;

	while ((opt = getopt(argc, argv, "+o:e:m:")) != -1) {
		if (opt == 'm') {
			marks = must(open(optarg, O_WRONLY));
			continue;
		}
		if (opt == 'e') {
			engine_name = optarg;
			async_start(&engine, optarg, DEPTH);
			continue;
		}
		if (opt != 'o')
			usage("no such option");
		flags = words(open_words, optarg);
		if (!strstr(optarg, "rdonly") && !(flags & O_WRONLY))
			flags |= O_RDWR;
	}
	if (argc - optind < 2)
		usage("what to do is missing");
	map_write = (flags & O_ACCMODE) == O_RDWR ? PROT_WRITE : 0;
	fd = open(argv[optind], flags & ~NOCMTIME, 0644);
	if (fd < 0) {
		result(-errno);
		return 1;
	}
	if (flags & NOCMTIME)
		fd = wt_open_nocmtime(fd, argv[optind], flags & O_ACCMODE);
	if (!strcmp(argv[optind + 1], "-")) {
		commands_from_stdin();
		return 0;
	}
	for (i = optind + 1; i < argc;) {
		int n = 0;

		while (i + n < argc && strcmp(argv[i + n], ":"))
			n++;
		if (!n)
			usage("an empty command");
		command(n, argv + i);
		i += n + 1;
	}
	return 0;
}
