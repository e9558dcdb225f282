// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/*
 * libwt-preload.so: makes the writes of an unmodified program write-through on
 * the files whose names match.  `wt run` sets it up by these variables:
 *
 *   WT_MATCH    patterns, a line each; without it, every regular file matches
 *   WT_DSYNC    set: add RWF_DSYNC to every matching write
 *   WT_REQUIRE  set: a write that cannot go through fails with EOPNOTSUPP
 *   WT_STATS    the page of src/stats.h to count in
 *
 * Writes that the C library makes inside itself (stdio, dprintf, aio_write()),
 * io_uring, sendfile, splice, copy_file_range, mmap stores and bare system calls
 * do not come through here.
 *
 * Everything on the way of a write may run in a signal handler, in a vfork()ed
 * child and in any thread: no memory is allocated, no lock is waited for.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/aio_abi.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "glob.h"
#include "internal.h"
#include "stats.h"

/* The functions behind ours: those of the C library or of another preload. */
static struct {
	ssize_t (*write)(int, const void *, size_t);
	ssize_t (*writev)(int, const struct iovec *, int);
	ssize_t (*pwrite64)(int, const void *, size_t, off64_t);
	ssize_t (*pwritev64)(int, const struct iovec *, int, off64_t);
	ssize_t (*pwritev64v2)(int, const struct iovec *, int, off64_t, int);
	int (*close)(int);
	int (*close_range)(unsigned int, unsigned int, int);
	void (*closefrom)(int);
	int (*dup2)(int, int);
	int (*dup3)(int, int, int);
	int (*fclose)(FILE *);
	FILE *(*freopen)(const char *, const char *, FILE *);
	FILE *(*freopen64)(const char *, const char *, FILE *);
	int (*io_submit)(aio_context_t, long, struct iocb **);
} real;

/* start() has found them all, except for callers from before its end. */
#define REAL(f) (real.f ? real.f : (__typeof__(real.f))dlsym(RTLD_NEXT, #f))

static struct {
	const char *patterns; /* see keep(); NULL: every file matches */
	int rwf; /* to add to a matching write */
	bool require;
} config;

static struct wt_stats no_stats;
static struct wt_stats *stats = &no_stats;

static void count(uint64_t *counter, uint64_t n)
{
	__atomic_fetch_add(counter, n, __ATOMIC_RELAXED);
}

/* --- Start ---------------------------------------------------------------- */

static enum state { NEW, STARTING, READY } state;

/*
 * Only a memory file of wt itself is mapped: in another process namespace the
 * name may lead anywhere, and opening some files has effects.
 */
static void map_stats(const char *name)
{
	static const char is[] = "/memfd:" WT_STATS_NAME;
	char target[sizeof(is) - 1];
	void *page;
	int fd;

	if (readlink(name, target, sizeof(target)) != sizeof(target) ||
	    memcmp(target, is, sizeof(target)) != 0)
		return;
	fd = open(name, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return;
	page = mmap(NULL, sizeof(*stats), PROT_READ | PROT_WRITE, MAP_SHARED,
		    fd, 0);
	syscall(SYS_close, fd);
	if (page == MAP_FAILED)
		return;
	if (((struct wt_stats *)page)->magic != WT_STATS_MAGIC) {
		munmap(page, sizeof(*stats));
		return;
	}
	stats = page;
	count(&stats->processes, 1);
}

/*
 * The environment's memory is the program's, and some programs overwrite it.  The
 * copy has each pattern as a string of its own, and an empty one at the end.
 */
static const char *keep(const char *lines)
{
	char *copy, *p;

	if (!lines)
		return NULL;
	p = copy = mmap(NULL, strlen(lines) + 2, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (copy == MAP_FAILED)
		return "\0";
	for (; *lines; lines++) {
		if (*lines != '\n')
			*p++ = *lines;
		else if (p > copy && p[-1])
			*p++ = '\0';
	}
	return copy;
}

static void start(void)
{
	const char *name = getenv("WT_STATS");

#define LOOK_UP(f) (real.f = (__typeof__(real.f))dlsym(RTLD_NEXT, #f))
	LOOK_UP(write);
	LOOK_UP(writev);
	LOOK_UP(pwrite64);
	LOOK_UP(pwritev64);
	LOOK_UP(pwritev64v2);
	LOOK_UP(close);
	LOOK_UP(close_range);
	LOOK_UP(closefrom);
	LOOK_UP(dup2);
	LOOK_UP(dup3);
	LOOK_UP(fclose);
	LOOK_UP(freopen);
	LOOK_UP(freopen64);
	LOOK_UP(io_submit);
#undef LOOK_UP
	/* Few programs have libaio.  Whether it was found is not their concern. */
	dlerror();
	config.patterns = keep(getenv("WT_MATCH"));
	config.rwf = getenv("WT_DSYNC") ? RWF_DSYNC : 0;
	config.require = getenv("WT_REQUIRE");
	if (name)
		map_stats(name);
}

/*
 * Other libraries' constructors may write before ours has run.  False only for
 * a call from inside start(), or beside it.
 */
static bool ready(void)
{
	enum state old = NEW;
	int saved;

	if (__atomic_load_n(&state, __ATOMIC_ACQUIRE) == READY)
		return true;
	if (!__atomic_compare_exchange_n(&state, &old, STARTING, false,
					 __ATOMIC_ACQUIRE, __ATOMIC_ACQUIRE))
		return old == READY;
	saved = errno;
	start();
	errno = saved;
	__atomic_store_n(&state, READY, __ATOMIC_RELEASE);
	return true;
}

__attribute__((constructor)) static void construct(void)
{
	ready();
}

/* --- Which descriptors match ---------------------------------------------- */

/*
 * The verdict on a descriptor is found by its name, which costs six times what
 * fstat() does, and then kept until the descriptor is closed or replaced.  Two
 * things must both be so for it to be used again: the number has not been closed
 * or replaced by a call that is seen here (the stamp), and it still stands for
 * the same inode.  The second catches closes that are not seen, made by bare
 * system calls or inside the C library.
 */
#define CACHED_FDS 16384

static struct cached {
	atomic_uint seq; /* odd while being filled */
	atomic_uint closes;
	atomic_uint_least64_t dev, ino;
	atomic_uint_least64_t verdict; /* stamp << 1 | matches; 0: none */
} cache[CACHED_FDS];

static atomic_uint_least64_t all_closes = 1;

static void forget(int fd)
{
	if (fd >= 0 && fd < CACHED_FDS)
		atomic_fetch_add(&cache[fd].closes, 1);
}

static void forget_all(void)
{
	atomic_fetch_add(&all_closes, 1);
}

/* Both numbers only grow, so their sum never repeats. */
static uint64_t stamp_of(struct cached *c)
{
	return atomic_load(&all_closes) + atomic_load(&c->closes);
}

static bool look_up(struct cached *c, const struct stat *st, uint64_t stamp,
		    bool *matches)
{
	unsigned int seq = atomic_load_explicit(&c->seq, memory_order_acquire);
	uint64_t dev, ino, verdict;

	dev = atomic_load_explicit(&c->dev, memory_order_relaxed);
	ino = atomic_load_explicit(&c->ino, memory_order_relaxed);
	verdict = atomic_load_explicit(&c->verdict, memory_order_relaxed);
	atomic_thread_fence(memory_order_acquire);
	if ((seq & 1) ||
	    atomic_load_explicit(&c->seq, memory_order_relaxed) != seq)
		return false;
	*matches = verdict & 1;
	return dev == st->st_dev && ino == st->st_ino && verdict >> 1 == stamp;
}

/* Whoever is interrupted in here leaves an entry that is merely never used. */
static void fill(struct cached *c, const struct stat *st, uint64_t stamp,
		 bool matches)
{
	unsigned int seq = atomic_load_explicit(&c->seq, memory_order_relaxed);

	if ((seq & 1) ||
	    !atomic_compare_exchange_strong(&c->seq, &seq, seq + 1))
		return;
	atomic_thread_fence(memory_order_release);
	atomic_store_explicit(&c->dev, st->st_dev, memory_order_relaxed);
	atomic_store_explicit(&c->ino, st->st_ino, memory_order_relaxed);
	atomic_store_explicit(&c->verdict, stamp << 1 | matches,
			      memory_order_relaxed);
	atomic_store_explicit(&c->seq, seq + 2, memory_order_release);
}

static bool matches_any(const char *path)
{
	const char *p;

	for (p = config.patterns; *p; p += strlen(p) + 1)
		if (wt_glob_path(p, path))
			return true;
	return false;
}

/*
 * The name the file was opened by, also when it has been unlinked since.  -1 if it
 * cannot be found, as without /proc in a chroot.
 */
static int name_matches(int fd, const struct stat *st)
{
	static const char gone[] = " (deleted)";
	/* Not "self": a thread may have descriptors of its own. */
	char link[] = "/proc/thread-self/fd/..........";
	char path[4096], *p = strchr(link, '.');
	struct stat named;
	ssize_t len;
	int rest;

	/* snprintf() is not safe in signal handlers. */
	for (rest = fd; rest > 9; rest /= 10)
		p++;
	p[1] = '\0';
	for (rest = fd; rest > 9; rest /= 10)
		*p-- = '0' + rest % 10;
	*p = '0' + rest;
	len = readlink(link, path, sizeof(path) - 1);
	if (len < 0)
		return -1;
	path[len] = '\0';
	len -= sizeof(gone) - 1;
	/* A file can be called that, too. */
	if (len > 0 && strcmp(path + len, gone) == 0 &&
	    (stat(path, &named) || named.st_dev != st->st_dev ||
	     named.st_ino != st->st_ino))
		path[len] = '\0';
	return matches_any(path);
}

static bool wanted(int fd)
{
	struct cached *c = NULL;
	uint64_t stamp = 0;
	struct stat st;
	bool matches;
	int found;

	if (fd < 0)
		return false;
	/* Before the look at the file: a close from here on makes it stale. */
	if (fd < CACHED_FDS) {
		c = &cache[fd];
		stamp = stamp_of(c);
	}
	if (fstat(fd, &st) || !S_ISREG(st.st_mode))
		return false;
	if (!config.patterns)
		return true;
	if (c && look_up(c, &st, stamp, &matches))
		return matches;
	found = name_matches(fd, &st);
	/* A write too many that goes through does no harm, one too few may. */
	if (found < 0)
		return true;
	if (c)
		fill(c, &st, stamp, found);
	return found;
}

/* --- Writes --------------------------------------------------------------- */

struct call {
	enum { WRITE, WRITEV, PWRITE, PWRITEV, PWRITEV2 } op;
	int fd;
	const void *buf; /* WRITE, PWRITE; the others have iov */
	size_t len;
	const struct iovec *iov;
	int iovcnt;
	off64_t offset;
	int rwf;
};

static struct iovec whole(const struct call *c)
{
	return (struct iovec){ .iov_base = (void *)c->buf, .iov_len = c->len };
}

static ssize_t result(ssize_t ret)
{
	if (ret >= 0)
		return ret;
	errno = -ret;
	return -1;
}

/* pwritev2() of the same, with more flags; bytes or -errno; clobbers errno. */
static ssize_t with_flags(const struct call *c, int rwf)
{
	struct iovec iov = whole(c);

	if (c->op == WRITE || c->op == PWRITE)
		return wt_sys_pwritev2(c->fd, &iov, 1, c->offset, rwf | c->rwf);
	return wt_sys_pwritev2(c->fd, c->iov, c->iovcnt, c->offset,
			       rwf | c->rwf);
}

/* The program's own call: bytes, or -1 with errno set. */
static ssize_t plain(const struct call *c)
{
	switch (c->op) {
	case WRITE:
		return REAL(write)(c->fd, c->buf, c->len);
	case WRITEV:
		return REAL(writev)(c->fd, c->iov, c->iovcnt);
	case PWRITE:
		return REAL(pwrite64)(c->fd, c->buf, c->len, c->offset);
	case PWRITEV:
		return REAL(pwritev64)(c->fd, c->iov, c->iovcnt, c->offset);
	case PWRITEV2:
		break;
	}
	return REAL(pwritev64v2)(c->fd, c->iov, c->iovcnt, c->offset, c->rwf);
}

/*
 * Calls whose meaning pwritev2() would change: nothing to write, an offset of -1
 * that is an error, and a length that write() takes and an iovec does not.
 */
static bool expressible(const struct call *c)
{
	switch (c->op) {
	case PWRITE:
		if (c->offset < 0)
			return false;
		/* fall through */
	case WRITE:
		return c->len > 0 && c->len <= SIZE_MAX / 4;
	case PWRITEV:
		return c->offset >= 0;
	default:
		return true;
	}
}

/* As wt_pwritev() falls back, but by the call the program made. */
static ssize_t fall_back(const struct call *c, int saved)
{
	enum wt_path path;
	ssize_t ret = -EOPNOTSUPP;
	int err, rwf = c->rwf | config.rwf;

	if (config.rwf)
		ret = with_flags(c, config.rwf);
	if (ret == -EOPNOTSUPP) {
		rwf = c->rwf;
		errno = saved;
		ret = plain(c);
		if (ret < 0)
			ret = -errno;
	}
	if (ret > 0) {
		err = wt_wait_written(c->fd, c->offset, ret, rwf, &path);
		if (err)
			ret = err;
	}
	if (ret >= 0) {
		count(&stats->fallback_calls, 1);
		count(&stats->fallback_bytes, ret);
	}
	return ret;
}

static ssize_t perform(const struct call *c)
{
	int saved = errno;
	ssize_t ret;

	if (!ready() || !wanted(c->fd) || !expressible(c)) {
		count(&stats->untouched_calls, 1);
		errno = saved;
		return plain(c);
	}
	/* The C library's own are cancellation points; a bare call is none. */
	pthread_testcancel();
	ret = with_flags(c, RWF_WRITETHROUGH | config.rwf);
	if (ret == -EOPNOTSUPP && !config.require) {
		ret = fall_back(c, saved);
	} else if (ret > 0) {
		count(&stats->calls, 1);
		count(&stats->bytes, ret);
	} else if (!ret) {
		/* With nothing to write the kernel does not look at the flag. */
		count(&stats->untouched_calls, 1);
	}
	if (ret < 0)
		count(&stats->errors, 1);
	else
		errno = saved;
	return result(ret);
}

ssize_t write(int fd, const void *buf, size_t len)
{
	return perform(&(struct call){
		.op = WRITE, .fd = fd, .buf = buf, .len = len, .offset = -1 });
}

ssize_t writev(int fd, const struct iovec *iov, int iovcnt)
{
	return perform(&(struct call){ .op = WRITEV,
				       .fd = fd,
				       .iov = iov,
				       .iovcnt = iovcnt,
				       .offset = -1 });
}

ssize_t pwrite64(int fd, const void *buf, size_t len, off64_t offset)
{
	return perform(&(struct call){ .op = PWRITE,
				       .fd = fd,
				       .buf = buf,
				       .len = len,
				       .offset = offset });
}

ssize_t pwritev64(int fd, const struct iovec *iov, int iovcnt, off64_t offset)
{
	return perform(&(struct call){ .op = PWRITEV,
				       .fd = fd,
				       .iov = iov,
				       .iovcnt = iovcnt,
				       .offset = offset });
}

ssize_t pwritev64v2(int fd, const struct iovec *iov, int iovcnt, off64_t offset,
		    int rwf)
{
	return perform(&(struct call){ .op = PWRITEV2,
				       .fd = fd,
				       .iov = iov,
				       .iovcnt = iovcnt,
				       .offset = offset,
				       .rwf = rwf });
}

ssize_t pwrite(int fd, const void *buf, size_t len, off_t offset)
{
	return pwrite64(fd, buf, len, offset);
}

ssize_t pwritev(int fd, const struct iovec *iov, int iovcnt, off_t offset)
{
	return pwritev64(fd, iov, iovcnt, offset);
}

ssize_t pwritev2(int fd, const struct iovec *iov, int iovcnt, off_t offset,
		 int rwf)
{
	return pwritev64v2(fd, iov, iovcnt, offset, rwf);
}

ssize_t __write(int fd, const void *buf, size_t len);
ssize_t __write(int fd, const void *buf, size_t len)
{
	return write(fd, buf, len);
}

ssize_t __pwrite64(int fd, const void *buf, size_t len, off64_t offset);
ssize_t __pwrite64(int fd, const void *buf, size_t len, off64_t offset)
{
	return pwrite64(fd, buf, len, offset);
}

/* --- What ends the life of a descriptor ------------------------------------ */

int close(int fd)
{
	forget(fd);
	return REAL(close)(fd);
}

int dup2(int from, int to)
{
	forget(to);
	return REAL(dup2)(from, to);
}

int dup3(int from, int to, int flags)
{
	forget(to);
	return REAL(dup3)(from, to, flags);
}

int close_range(unsigned int first, unsigned int last, int flags)
{
	forget_all();
	return REAL(close_range)(first, last, flags);
}

void closefrom(int first)
{
	forget_all();
	REAL(closefrom)(first);
}

static void forget_stream(FILE *stream)
{
	int saved = errno;

	forget(fileno(stream));
	errno = saved;
}

int fclose(FILE *stream)
{
	forget_stream(stream);
	return REAL(fclose)(stream);
}

FILE *freopen(const char *path, const char *mode, FILE *stream)
{
	forget_stream(stream);
	return REAL(freopen)(path, mode, stream);
}

FILE *freopen64(const char *path, const char *mode, FILE *stream)
{
	forget_stream(stream);
	return REAL(freopen64)(path, mode, stream);
}

int __close(int fd);
int __close(int fd)
{
	return close(fd);
}

int __dup2(int from, int to);
int __dup2(int from, int to)
{
	return dup2(from, to);
}

/* --- libaio ----------------------------------------------------------------- */

/*
 * A completion names its request by the address of the program's iocb, so the
 * flags have to be added in that very iocb, and taken out again.  By then the
 * request may be over, and another thread may have prepared and submitted the
 * same iocb anew, or freed it.  So:
 *
 * - Flags are taken out only where they still are exactly what was put in.
 * - aio_key says whose they are.  It is set to MARK before flags are added, and
 *   the kernel sets it to 0 after it has read the iocb.  A thread that is late
 *   finds MARK, and leaves alone what the kernel has not read yet.
 *
 * If another thread submits the same iocb again without having prepared it, its
 * flags may stay in: they would be added again anyway.
 */
#define MARK 0x7774u

/* Requests that one system call submits, for their records are on the stack. */
#define AT_ONCE 16

struct request {
	struct iocb *iocb;
	struct iocb before; /* the copy that was looked at */
	uint64_t len; /* where path is set; the program may free its iovec */
	int rwf; /* added to its flags */
	enum wt_path path; /* WT_PATH_NONE: nothing was changed */
	bool is_write;
};

/* What was found of a file is good for one call. */
struct found {
	int fd, path, rwf;
};

/* A bad address is for the kernel to report.  False where it will do so. */
static bool copy_memory(int how, void *ours, void *theirs, size_t len)
{
	struct iovec local = { ours, len }, remote = { theirs, len };
	long ret;

	/* Not the process: its first thread may have ended. */
	ret = syscall(how, syscall(SYS_gettid), &local, 1L, &remote, 1L, 0L);
	if (ret >= 0 || errno == EFAULT)
		return ret == (long)len;
	/* Forbidden here: believe the program. */
	if (how == SYS_process_vm_readv)
		memcpy(ours, theirs, len);
	else
		memcpy(theirs, ours, len);
	return true;
}

static bool peek(void *to, const void *from, size_t len)
{
	return copy_memory(SYS_process_vm_readv, to, (void *)from, len);
}

static bool poke(void *to, void *from, size_t len)
{
	return copy_memory(SYS_process_vm_writev, from, to, len);
}

static long submit(aio_context_t ctx, long nr, struct iocb **list)
{
	long ret;

	if (real.io_submit)
		return real.io_submit(ctx, nr, list);
	/* It was loaded later, where it cannot be seen from here. */
	ret = syscall(SYS_io_submit, ctx, nr, list);
	return ret < 0 ? -errno : ret;
}

/*
 * The path of a write to @fd, or -errno.  The kernel is asked first: it refuses
 * some requests in their completions, where nobody could fall back.
 */
static int ask(int fd, int *rwf)
{
	unsigned int flags =
		(config.rwf ? WT_DSYNC : 0) | (config.require ? WT_REQUIRE : 0);
	struct wt_caps caps;
	int err = wt_probe(fd, &caps);

	/* It takes no writes, and says so itself. */
	if (err && config.require)
		return err;
	return wt_async_rwf(flags, &caps, rwf);
}

/* aio_key and aio_rw_flags, to be compared and exchanged as one. */
typedef uint64_t __attribute__((may_alias)) word_t;

static word_t *word_of(struct iocb *iocb)
{
	return (word_t *)((char *)iocb + sizeof(iocb->aio_data));
}

static uint64_t word(uint32_t key, uint32_t flags)
{
	struct iocb iocb = { .aio_key = key, .aio_rw_flags = flags };

	return *word_of(&iocb);
}

/* The kernel takes a vector at any address, of at most IOV_MAX. */
static uint64_t length_of(const struct iocb *iocb)
{
	uint64_t i, next = iocb->aio_buf, len = 0;
	struct iovec iov;

	if (iocb->aio_lio_opcode == IOCB_CMD_PWRITE)
		return iocb->aio_nbytes;
	for (i = 0; i < iocb->aio_nbytes && i < IOV_MAX; i++) {
		if (!peek(&iov, (void *)(uintptr_t)next, sizeof(iov)))
			break;
		len += iov.iov_len;
		next += sizeof(iov);
	}
	return len;
}

/* 0, or the error that the request ends with before the kernel sees it. */
static int mark(struct request *r, struct iocb *const *list,
		struct found *found)
{
	uint32_t key = MARK;

	r->path = WT_PATH_NONE;
	r->is_write = false;
	if (!peek(&r->iocb, list, sizeof(r->iocb)) ||
	    !peek(&r->before, r->iocb, sizeof(r->before)))
		return 0;
	r->is_write = r->before.aio_lio_opcode == IOCB_CMD_PWRITE ||
		      r->before.aio_lio_opcode == IOCB_CMD_PWRITEV;
	if (!r->is_write || !r->before.aio_nbytes ||
	    !wanted(r->before.aio_fildes))
		return 0;
	if (found->fd != (int)r->before.aio_fildes) {
		found->fd = r->before.aio_fildes;
		found->path = ask(found->fd, &found->rwf);
	}
	if (found->path < 0)
		return found->path;
	/* This also tells that it can be written to. */
	if (!poke(&r->iocb->aio_key, &key, sizeof(key)))
		return 0;
	r->path = found->path;
	r->rwf = found->rwf;
	r->len = length_of(&r->before);
	r->iocb->aio_rw_flags = r->before.aio_rw_flags | r->rwf;
	return 0;
}

static void unmark(struct request *r, bool accepted)
{
	uint32_t flags = r->before.aio_rw_flags;
	uint64_t ours = word(0, flags | r->rwf), now;

	if (r->path == WT_PATH_NONE)
		return;
	if (!accepted) {
		if (r->iocb->aio_key == MARK)
			r->iocb->aio_key = r->before.aio_key;
		r->iocb->aio_rw_flags = flags;
		return;
	}
	if (peek(&now, word_of(r->iocb), sizeof(now)) && now == ours)
		__atomic_compare_exchange_n(word_of(r->iocb), &ours,
					    word(0, flags), false,
					    __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
}

static void count_request(const struct request *r)
{
	if (r->path == WT_PATH_WRITETHROUGH) {
		count(&stats->calls, 1);
		count(&stats->bytes, r->len);
	} else if (r->path != WT_PATH_NONE) {
		count(&stats->fallback_calls, 1);
		count(&stats->fallback_bytes, r->len);
	} else if (r->is_write) {
		count(&stats->untouched_calls, 1);
	}
}

int io_submit(aio_context_t ctx, long nr, struct iocb **list)
{
	struct found found = { .fd = -1 };
	struct request requests[AT_ONCE];
	int saved = errno, error = 0, n, i;
	long done = 0, ret = 0;

	if (nr <= 0 || !ready()) {
		ret = submit(ctx, nr, list);
		errno = saved;
		return ret;
	}
	do {
		for (n = 0; n < AT_ONCE && n < nr - done && !error; n++)
			error = mark(&requests[n], list + done + n, &found);
		if (error)
			n--;
		ret = n ? submit(ctx, n, list + done) : 0;
		for (i = n - 1; i >= 0; i--)
			unmark(&requests[i], i < ret);
		for (i = 0; i < ret; i++)
			count_request(&requests[i]);
		if (ret > 0)
			done += ret;
		if (ret == n && error)
			ret = error;
	} while (ret == AT_ONCE && done < nr);

	/* As the kernel: what was submitted, and the error only if nothing was. */
	if (ret < 0 && !done && (error || requests[0].path != WT_PATH_NONE))
		count(&stats->errors, 1);
	errno = saved;
	return done ? done : ret;
}
