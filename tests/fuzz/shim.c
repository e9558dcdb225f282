// SPDX-License-Identifier: GPL-2.0-only
/*
 * For libFuzzer: a sequence of calls, as a program could make them, is made twice, by
 * the system's functions and by those of the shim, each in a directory of its own.
 * Between the shim and the kernel stands kernel(), which can answer as one that has
 * write-through, and sees what it is asked.
 *
 * Wrong is: another result, errno, offset, size or signal than the plain call's;
 * other files at the end; a matching write that did not ask for write-through, or was
 * not waited for when it fell back; another write that did.
 *
 * The input's first byte chooses the shim's options, each call takes what it needs of
 * the rest, and the sequence ends with it.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/resource.h>

#include "../lib/calls.h"

/* --- The shim, with its functions under other names, and its kernel ----------- */

static long kernel(long nr, ...);
static int waited_for(int fd, off_t offset, off_t len, unsigned int flags);

#define __close shim__close
#define __dup2 shim__dup2
#define __pwrite64 shim__pwrite64
#define __write shim__write
#define close shim_close
#define close_range shim_close_range
#define closefrom shim_closefrom
#define dup2 shim_dup2
#define dup3 shim_dup3
#define fclose shim_fclose
#define freopen shim_freopen
#define freopen64 shim_freopen64
#define io_submit shim_io_submit
#define pwrite shim_pwrite
#define pwrite64 shim_pwrite64
#define pwritev shim_pwritev
#define pwritev2 shim_pwritev2
#define pwritev64 shim_pwritev64
#define pwritev64v2 shim_pwritev64v2
#define write shim_write
#define writev shim_writev
#define syscall kernel
#define sync_file_range waited_for
/* clang-format off: the last one needs the others */
#include "../../lib/src/glob.c"
#include "../../lib/src/prep.c"
#include "../../lib/src/probe.c"
#include "../../lib/src/pwritev.c"
#include "../../lib/src/wait.c"
#include "../../lib/src/preload.c"
/* clang-format on */
#undef close
#undef close_range
#undef closefrom
#undef dup2
#undef dup3
#undef fclose
#undef freopen
#undef pwrite
#undef pwrite64
#undef pwritev
#undef pwritev2
#undef pwritev64v2
#undef write
#undef writev
#undef syscall
#undef sync_file_range

static bool has_writethrough; /* kernel() */
static int asked,
	waits; /* for write-through and after a fallback, in this call */

static bool takes_writethrough(int fd)
{
	struct stat st;

	return has_writethrough && !fstat(fd, &st) && S_ISREG(st.st_mode);
}

/* Its requests without the flag; the flag is back when it has read them. */
static long kernel_io_submit(aio_context_t ctx, long n, struct iocb **list)
{
	struct iocb *stripped[64], *iocb, copy;
	int i, k = 0;
	long ret;

	for (i = 0; i < n && i < 64; i++) {
		if (!peek(&iocb, list + i, sizeof(iocb)) ||
		    !peek(&copy, iocb, sizeof(copy)))
			break;
		if (!(copy.aio_rw_flags & RWF_WRITETHROUGH))
			continue;
		asked++;
		if (takes_writethrough(copy.aio_fildes)) {
			iocb->aio_rw_flags &= ~RWF_WRITETHROUGH;
			stripped[k++] = iocb;
		}
	}
	ret = syscall(SYS_io_submit, ctx, n, list);
	while (k--)
		stripped[k]->aio_rw_flags |= RWF_WRITETHROUGH;
	return ret;
}

static long kernel(long nr, ...)
{
	long a[6] = { 0 };
	va_list ap;
	int i, n = 0;

	switch (nr) {
	case SYS_close:
		n = 1;
		break;
	case SYS_io_submit:
		n = 3;
		break;
	case SYS_process_vm_readv:
	case SYS_process_vm_writev:
	case SYS_pwritev2:
		n = 6;
		break;
	}
	va_start(ap, nr);
	for (i = 0; i < n; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	if (nr == SYS_io_submit)
		return kernel_io_submit(a[0], a[1], (struct iocb **)a[2]);
	if (nr == SYS_pwritev2 && (a[5] & RWF_WRITETHROUGH)) {
		asked += !(a[5] & RWF_NOWAIT); /* that is a probe */
		if (takes_writethrough(a[0]))
			a[5] &= ~(long)(RWF_WRITETHROUGH | RWF_NOWAIT);
	}
	return syscall(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
}

static int waited_for(int fd, off_t offset, off_t len, unsigned int flags)
{
	waits++;
	return sync_file_range(fd, offset, len, flags);
}

/* --- The two sides ------------------------------------------------------------ */

/* As libaio's */
static int plain_io_submit(aio_context_t ctx, long n, struct iocb **list)
{
	int saved = errno;
	long ret = syscall(SYS_io_submit, ctx, n, list);

	if (ret < 0)
		ret = -errno;
	errno = saved;
	return ret;
}

static const struct {
	ssize_t (*write)(int, const void *, size_t);
	ssize_t (*pwrite)(int, const void *, size_t, off64_t);
	ssize_t (*writev)(int, const struct iovec *, int);
	ssize_t (*pwritev)(int, const struct iovec *, int, off64_t);
	ssize_t (*pwritev2)(int, const struct iovec *, int, off64_t, int);
	int (*close)(int);
	int (*close_range)(unsigned int, unsigned int, int);
	void (*closefrom)(int);
	int (*dup2)(int, int);
	int (*dup3)(int, int, int);
	int (*fclose)(FILE *);
	FILE *(*freopen)(const char *, const char *, FILE *);
	int (*io_submit)(aio_context_t, long, struct iocb **);
} sides[] = {
	{ write, pwrite, writev, pwritev, pwritev2, close, close_range,
	  closefrom, dup2, dup3, fclose, freopen, plain_io_submit },
	{ shim_write, shim_pwrite64, shim_writev, shim_pwritev64,
	  shim_pwritev64v2, shim_close, shim_close_range, shim_closefrom,
	  shim_dup2, shim_dup3, shim_fclose, shim_freopen, shim_io_submit },
}, *side;

static bool shimmed;

/* What the library's call is, in terms of the kernel's. */
static ssize_t plain_wt_pwritev(int fd, const struct iovec *iov, int n,
				off64_t pos, unsigned int flags)
{
	int plain = wt_rwf_of(flags), saved = errno;
	ssize_t ret;

	if (flags & ~WT_FLAGS)
		return -EINVAL;
	if ((flags & WT_REQUIRE) && !takes_writethrough(fd))
		plain |= 1 << 30; /* refused in the same order */
	ret = wt_raw_pwritev2(fd, iov, n, pos, plain);
	errno = saved;
	return ret;
}

/* --- What a descriptor stands for ----------------------------------------------- */

#define NR_FDS 5 /* those that calls name; there may be some more */
#define MAX_FDS 64
#define NR_OPS 26
static int first_fd;

#define NR_NAMES 4
static const char *const names[NR_NAMES] = { "0.m", "0.u", "1.m", "1.u" };

enum of { NOTHING, MATCHING, OTHER };
static enum of of[MAX_FDS];
/*
 * Closed by a bare system call since the shim has last seen it end.  If the same
 * inode comes back under another name, the shim goes by the old one.
 */
static bool blind[MAX_FDS];

/*
 * libFuzzer keeps inputs that count here what no other has: a number is written to
 * that stood for something else at its last write, and ended by that call.
 */
__attribute__((section(
	"__libfuzzer_extra_counters"))) static uint8_t reuses[NR_OPS][3][3][2];
static struct {
	enum of of;
	ino_t ino;
	uint32_t end;
} last_write[MAX_FDS];
static uint32_t op_now;

static void ended(int fd)
{
	if (fd >= 0 && fd < MAX_FDS) {
		of[fd] = NOTHING;
		blind[fd] = false;
		last_write[fd].end = op_now;
	}
}

static void written(int fd, ino_t ino)
{
	if (fd < 0 || fd >= MAX_FDS)
		return;
	reuses[last_write[fd].end][last_write[fd].of][of[fd]]
	      [last_write[fd].ino == ino]++;
	last_write[fd].of = of[fd];
	last_write[fd].ino = ino;
}

static void began(int fd, enum of what)
{
	if (fd >= 0 && fd < MAX_FDS)
		of[fd] = what;
}

static enum of of_name(const char *name)
{
	return name[2] == 'm' ? MATCHING : OTHER;
}

static enum of of_fd(int fd)
{
	return fd >= 0 && fd < MAX_FDS ? of[fd] : NOTHING;
}

/* --- Calls ------------------------------------------------------------------------- */

static const uint8_t *input;
static size_t left;

static uint32_t rnd(uint32_t n)
{
	uint32_t value = 0, range;

	for (range = 1; range < n && left; range <<= 8, left--)
		value = value << 8 | *input++;
	return value % n;
}

/* Which, not how many: requests of one system call share one. */
static volatile sig_atomic_t signals;

static void on_signal(int sig)
{
	signals = signals | 1 << sig;
}

static int any_fd(void)
{
	return first_fd + rnd(NR_FDS);
}

static long do_open(void)
{
	static const int modes[] = { O_RDWR, O_RDWR, O_WRONLY, O_RDONLY };
	static const int more[] = {
		0,	  O_CREAT, O_CREAT | O_APPEND, O_DSYNC, O_SYNC,
		O_DIRECT, O_TRUNC, O_CREAT | O_EXCL
	};
	const char *name = names[rnd(NR_NAMES)];
	int flags = modes[rnd(4)] | more[rnd(8)] | O_CLOEXEC, fd;

	switch (rnd(8)) {
	case 0:
		fd = creat(name, 0600);
		break;
	case 1:
		fd = open(".", O_RDWR | O_TMPFILE, 0600);
		name = "1.u";
		break;
	case 2:
	case 3:
		fd = openat(AT_FDCWD, name, flags, 0600);
		break;
	default:
		fd = open(name, flags, 0600);
	}
	began(fd, of_name(name));
	return fd;
}

static long do_pipe(void)
{
	int fds[2] = { -1, -1 }, ret = pipe2(fds, O_NONBLOCK | O_CLOEXEC);

	if (!ret && rnd(2)) {
		side->close(fds[0]);
		ended(fds[0]);
	}
	return fds[1];
}

static long do_duplicate(uint32_t op)
{
	int from = any_fd(), to = any_fd(), flags = rnd(4), ret;

	switch (op) {
	case 0:
		ret = dup(from);
		break;
	case 1:
		ret = side->dup2(from, to);
		break;
	case 2:
		ret = side->dup3(from, to,
				 flags == 3 ? 1 :
				 flags	    ? O_CLOEXEC :
					      0);
		break;
	default:
		ret = fcntl(from, flags & 1 ? F_DUPFD : F_DUPFD_CLOEXEC, to);
	}
	if (ret >= 0 && ret != from) {
		if (op == 1 || op == 2)
			ended(ret);
		began(ret, of_fd(from));
	}
	return ret;
}

static long do_close(uint32_t op)
{
	int fd = any_fd(), i, last = fd + rnd(4), flags = rnd(8), ret = 0;
	FILE *f;

	switch (op) {
	case 0:
	case 1:
		ret = side->close(fd);
		ended(fd);
		break;
	case 2:
		flags = flags < 6 ? 0 : flags == 6 ? CLOSE_RANGE_CLOEXEC : 64;
		ret = side->close_range(fd, last, flags);
		for (i = 0; i < MAX_FDS; i++) {
			if (!ret && !flags && i >= fd && i <= last)
				ended(i);
			else
				blind[i] = false;
		}
		break;
	case 3:
		side->closefrom(fd);
		for (i = 0; i < MAX_FDS; i++) {
			blind[i] = false;
			if (i >= fd)
				ended(i);
		}
		break;
	case 4:
		f = fdopen(fd, "r");
		ret = f ? side->fclose(f) : -1;
		if (f)
			ended(fd);
		break;
	default:
		ret = syscall(SYS_close, fd);
		if (fd < MAX_FDS && !ret) {
			of[fd] = NOTHING;
			blind[fd] = true;
		}
	}
	return ret;
}

/* What the shim did of a call that wrote @ret bytes of requests or of one. */
static void check(int fd, enum of what, long ret, bool io_submit, bool library)
{
	int saved = errno, fl = fcntl(fd, F_GETFL);
	struct stat st = { 0 };
	bool wanted;

	fstat(fd, &st);
	errno = saved;
	if (!shimmed || ret <= 0)
		return;
	written(fd, st.st_ino);
	if (blind[fd])
		return;
	wanted = S_ISREG(st.st_mode) &&
		 (library || !config.patterns || what == MATCHING);
	if (library)
		want(asked, 1);
	else if (!io_submit || has_writethrough || !wanted)
		want(asked, wanted ? ret > 0 && io_submit ? ret : 1 : 0);
	if (io_submit || !wanted || has_writethrough ||
	    (fl & (O_DIRECT | O_DSYNC)))
		return;
	if (!waits && !library && !config.rwf)
		fail("a fallback was not waited for");
}

static long do_write(uint32_t op, int fd)
{
	struct iovec iov[IOV_MAX + 1] = { 0 };
	uint32_t len = length();
	const void *buf = memory(len);
	off64_t pos = position();
	enum wt_path path = WT_PATH_NONE;
	volatile size_t too_long = SIZE_MAX;
	struct wt_caps caps;
	int flags, n;
	long ret;

	switch (op) {
	case 0:
	case 1:
		ret = side->write(fd, buf, len);
		break;
	case 2:
		ret = side->pwrite(fd, buf, len, pos);
		break;
	case 3:
		n = vector(iov);
		ret = side->writev(fd, iov, n);
		break;
	case 4:
		n = vector(iov);
		ret = side->pwritev(fd, iov, n, pos);
		break;
	case 5:
		n = vector(iov);
		flags = rwf();
		ret = side->pwritev2(fd, iov, n, pos, flags);
		/* Those wait by themselves. */
		waits += !!(flags & (RWF_DSYNC | RWF_SYNC));
		break;
	case 6:
		ret = side->write(fd, buf, too_long - rnd(5));
		break;
	case 7:
		if (shimmed) {
			memset(&caps, 0x5a, sizeof(caps));
			ret = wt_probe(fd, &caps);
			if (!ret)
				want(!!(caps.flags & WT_CAP_WRITETHROUGH),
				     takes_writethrough(fd));
		}
		return 0;
	default:
		n = vector(iov);
		flags = rnd(17);
		if (!shimmed)
			return plain_wt_pwritev(fd, iov, n, pos, flags);
		ret = wt_pwritev(fd, iov, n, pos, flags, &path);
		want(path == WT_PATH_NONE, ret <= 0);
		if (ret > 0)
			want(path == WT_PATH_WRITETHROUGH,
			     takes_writethrough(fd));
		check(fd, of_fd(fd), ret, false, true);
		return ret;
	}
	check(fd, of_fd(fd), ret, false, false);
	return ret;
}

/* A stream's descriptor changes its file under it. */
static long do_freopen(void)
{
	const char *name = names[rnd(NR_NAMES)];
	int fd = any_fd();
	FILE *f = fdopen(fd, "r");
	long ret;

	if (!f)
		return -1;
	/* With modes that do not fail: then the C library forgets its memory. */
	f = side->freopen(name, rnd(2) ? "a" : "w", f);
	if (!f)
		fail("freopen %s: %s", name, strerror(errno));
	ended(fd);
	fd = fileno(f);
	began(fd, of_name(name));
	asked = waits = 0;
	ret = do_write(0, fd);
	side->fclose(f);
	ended(fd);
	return ret;
}

static aio_context_t context;

static long do_requests(uint64_t *sum)
{
	struct iocb iocbs[40], *list[40];
	struct io_event events[40];
	int n = 1 + rnd(rnd(4) ? 4 : 40), fd = any_fd(), i, done = 0;
	/*
	 * All good, of one descriptor.  With `require` the shim refuses by itself,
	 * and not in the kernel's order when more than one thing is wrong.
	 */
	bool uniform = rnd(4) || config.require;
	uint32_t odd = config.require ? 8 : rnd(8);
	long ret;

	for (i = 0; i < n; i++) {
		iocbs[i] = (struct iocb){
			.aio_data = 4000 + i,
			.aio_key = odd == 7 ? 77 : 0,
			.aio_lio_opcode = IOCB_CMD_PWRITE,
			.aio_fildes = fd,
			.aio_buf = (uintptr_t)buffer + i * 512,
			.aio_nbytes = 512,
			.aio_offset = i * 512,
		};
		list[i] = &iocbs[i];
		if (uniform)
			continue;
		if (rnd(2))
			iocbs[i].aio_fildes = any_fd();
		iocbs[i].aio_nbytes = length();
		iocbs[i].aio_buf = (uintptr_t)memory(iocbs[i].aio_nbytes);
		iocbs[i].aio_offset = position();
		iocbs[i].aio_rw_flags = rwf();
		switch (rnd(16)) {
		case 0:
			iocbs[i].aio_lio_opcode = IOCB_CMD_PREAD;
			iocbs[i].aio_buf = 8;
			break;
		case 1:
			iocbs[i].aio_lio_opcode = IOCB_CMD_NOOP;
			break;
		case 2:
			iocbs[i].aio_reserved2 = 1;
			break;
		case 3:
			iocbs[i].aio_lio_opcode = IOCB_CMD_PWRITEV;
			iocbs[i].aio_nbytes = 1; /* of what may be no iovec */
			break;
		}
	}
	if (odd == 0)
		list[rnd(n)] = NULL;
	if (odd == 1)
		list[rnd(n)] = (struct iocb *)(buffer + LIMIT - 32);
	ret = side->io_submit(odd == 2 ? 0 : context, odd == 3 ? -1 : n, list);
	while (done < ret) {
		i = syscall(SYS_io_getevents, context, ret - done, ret - done,
			    events + done, NULL);
		done += must(i);
	}
	for (i = 0; i < done; i++)
		*sum += (events[i].data + 1) * (uint64_t)events[i].res;
	for (i = 0; i < n; i++)
		*sum = *sum * 31 + (uint32_t)iocbs[i].aio_rw_flags * 7ull +
		       iocbs[i].aio_key;
	/* Some bad requests come far enough to be asked for. */
	if (uniform && ret == n)
		check(fd, of_fd(fd), ret, true, false);
	return ret;
}

/* --- The comparison ------------------------------------------------------------- */

struct outcome {
	uint32_t op;
	int fd, error, signals;
	long ret;
	off_t offset, size;
	uint64_t sum;
};

static struct outcome call(void)
{
	struct outcome o = { .op = rnd(NR_OPS), .fd = any_fd() };
	struct stat st = { 0 };

	op_now = o.op;
	signals = 0;
	asked = waits = 0;
	errno = 4242;
	switch (o.op) {
	case 0:
	case 1:
	case 2:
	case 3:
		o.ret = do_open();
		break;
	case 4:
		o.ret = do_pipe();
		break;
	case 5:
	case 6:
	case 7:
	case 8:
		o.ret = do_duplicate(o.op - 5);
		break;
	case 9:
	case 10:
	case 11:
	case 12:
	case 13:
	case 14:
		o.ret = do_close(o.op - 9);
		break;
	case 15:
		o.ret = lseek(o.fd, position(), SEEK_SET);
		break;
	case 16:
		o.ret = rnd(2) ? ftruncate(o.fd, rnd(LIMIT)) :
				 unlink(names[rnd(NR_NAMES)]);
		break;
	case 17:
		o.ret = do_freopen();
		break;
	case 18:
		o.ret = do_requests(&o.sum);
		o.error = errno;
		break;
	case 19:
		/* The operator */
		if (!config.require)
			has_writethrough = !has_writethrough;
		break;
	default:
		o.ret = do_write(rnd(9), o.fd);
		/* The library's own leaves it alone. */
		o.error = errno;
	}
	if (o.ret < 0 && o.op < 18)
		o.error = errno;
	o.signals = signals;
	if (!fstat(o.fd, &st) && S_ISREG(st.st_mode)) {
		o.offset = lseek(o.fd, 0, SEEK_CUR);
		o.size = st.st_size;
	}
	return o;
}

static void show(const char *who, const struct outcome *o)
{
	fprintf(stderr,
		"%-5s op %u fd %d: %ld, errno %d, offset %ld, size %ld, signals %d, sum %llx\n",
		who, o->op, o->fd, o->ret, o->error, (long)o->offset,
		(long)o->size, o->signals, (unsigned long long)o->sum);
}

static void clean(const char *dir)
{
	int i;

	must(chdir(dir));
	for (i = 0; i < NR_NAMES; i++)
		unlink(names[i]);
	must(chdir(".."));
}

static void same_files(void)
{
	static uint8_t a[LIMIT], b[LIMIT];
	char name[16];
	ssize_t n, m;
	int i, fd;

	for (i = 0; i < NR_NAMES; i++) {
		snprintf(name, sizeof(name), "plain/%s", names[i]);
		fd = open(name, O_RDONLY);
		n = fd < 0 ? -1 : read(fd, a, LIMIT);
		close(fd);
		snprintf(name, sizeof(name), "shim/%s", names[i]);
		fd = open(name, O_RDONLY);
		m = fd < 0 ? -1 : read(fd, b, LIMIT);
		close(fd);
		want(m, n);
		if (n > 0 && !torn && memcmp(a, b, n))
			fail("content of %s", names[i]);
	}
}

static void sequence(const char *dir, bool with_shim, const uint8_t *data,
		     size_t size)
{
	static struct outcome plain[4096];
	struct outcome o;
	int i, options;

	must(chdir(dir));
	must(syscall(SYS_close, must(creat("0.m", 0600))));
	must(link("0.m", "0.u"));
	must(syscall(SYS_close, must(creat("1.u", 0600))));
	shimmed = with_shim;
	side = &sides[with_shim];
	input = data;
	left = size;
	options = rnd(256);
	config.patterns = options & 1 ? NULL : "*.m\0";
	config.rwf = options & 2 ? RWF_DSYNC : 0;
	has_writethrough = options & 4;
	config.require = (options & 12) == 12;
	torn = options & 16;
	memset(of, 0, sizeof(of));
	memset(last_write, 0, sizeof(last_write));
	for (i = 0; left && i < 4096; i++) {
		o = call();
		if (!with_shim) {
			plain[i] = o;
		} else if (memcmp(&o, &plain[i], sizeof(o))) {
			show("plain", &plain[i]);
			show("shim", &o);
			fail("call %d of options 0x%x differs", i, options);
		}
		if (o.ret >= 0 && o.op < 9 && o.ret >= first_fd + 12) {
			side->close(o.ret);
			ended(o.ret);
		}
	}
	side->close_range(first_fd, ~0u, 0);
	memset(blind, 0, sizeof(blind));
	must(chdir(".."));
}

static char dir[PATH_MAX], outside[PATH_MAX];

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const char *parent = getenv("WT_FUZZ_DIR");

	(void)argc;
	(void)argv;
	/* In memory it is faster, and nothing here depends on a disk. */
	snprintf(dir, sizeof(dir), "%s/wt-fuzz-XXXXXX",
		 parent ? parent : "/dev/shm");
	if (!mkdtemp(dir))
		fail("%s: %s", dir, strerror(errno));
	if (!getcwd(outside, sizeof(outside)))
		fail("getcwd");
	must(chdir(dir));
	must(mkdir("plain", 0700));
	must(mkdir("shim", 0700));
	must(chdir(outside));
	make_buffer(1);
	signal(SIGXFSZ, on_signal);
	signal(SIGPIPE, on_signal);
	must(syscall(SYS_io_setup, 64, &context));
	want(ready(), true);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rlimit limit, old;

	must(chdir(dir));
	must(getrlimit(RLIMIT_FSIZE, &old));
	limit = old;
	limit.rlim_cur = LIMIT;
	first_fd = must(dup(0));
	close(first_fd);
	must(setrlimit(RLIMIT_FSIZE, &limit));
	sequence("plain", false, data, size);
	sequence("shim", true, data, size);
	must(setrlimit(RLIMIT_FSIZE, &old));
	same_files();
	clean("plain");
	clean("shim");
	must(chdir(outside));
	return 0;
}
