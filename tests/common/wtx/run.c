// SPDX-License-Identifier: GPL-2.0-only
/*
 * An operation is done on a file and on the model of it.  What is not possible in the
 * state that the files are in is left out, so that any part of a script is a script.
 *
 * A request in flight is one of two kinds.  A buffered write of libaio has been copied
 * when its submission returns: the model has it at once, and whatever comes next may
 * meet it.  What one by io_uring, which may have gone to a worker, a direct one or one
 * that may be refused has done is known when it is reaped; until then nothing touches
 * its pages: settle().
 */
#include "wtx.h"

#include <linux/falloc.h>
#include <linux/fs.h>
#include <mntent.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>

/* Of fs/xfs/libxfs/xfs_fs.h, whose package may be older. */
struct exchange_range {
	int32_t file1_fd;
	uint32_t pad;
	uint64_t file1_offset;
	uint64_t file2_offset;
	uint64_t length;
	uint64_t flags;
};
#define EXCHANGE_RANGE _IOW('X', 129, struct exchange_range)

#define SLOTS 8

struct setting fs;

static struct file {
	char path[4096];
	int fd, fd_direct, fd_dsync, fd_append;
	uint8_t *map;
	/* The model; zeroes behind the end. */
	uint8_t *want;
	int64_t size;
} files[2];

static struct slot {
	bool busy, uring;
	/* Not in the model before it is reaped. */
	bool unsettled;
	bool extends;
	struct op op;
	struct file *f;
	int64_t pos, len, from;
	uint8_t *buf;
	struct iovec iov[4];
} slots[SLOTS];

static struct progress *self;
static struct async aio, ring;
static uint64_t content;
static uint8_t *got, *torn;
static int dir_fd;

__attribute__((format(printf, 1, 2), noreturn)) static void
broken(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(self->why, sizeof(self->why), fmt, ap);
	va_end(ap);
	_exit(1);
}

/* What cannot fail here. */
#define sure(expr)                                                       \
	({                                                               \
		__typeof__(expr) sure_ret = (expr);                      \
		if (sure_ret < 0)                                        \
			broken("%s: %s", #expr, strerrorname_np(errno)); \
		sure_ret;                                                \
	})

static const char *result_text(ssize_t ret)
{
	static char text[32];

	if (ret < 0)
		return strerrorname_np(-ret);
	snprintf(text, sizeof(text), "%zd bytes", ret);
	return text;
}

static int64_t least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t most(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static int64_t page_down(int64_t pos)
{
	return pos - pos % (int64_t)fs.page;
}

static char name_of(const struct file *f)
{
	return 'a' + (f - files);
}

/* --- The model ---------------------------------------------------------------- */

static void model_write(struct file *f, int64_t pos, const void *buf,
			int64_t len)
{
	memmove(f->want + pos, buf, len);
	f->size = most(f->size, pos + len);
}

static void model_zero(struct file *f, int64_t pos, int64_t end)
{
	if (pos < end)
		memset(f->want + pos, 0, end - pos);
}

static void model_truncate(struct file *f, int64_t size)
{
	model_zero(f, size, f->size);
	f->size = size;
}

/* --- Requests in flight ------------------------------------------------------- */

static void compare(struct file *f, const char *how, const uint8_t *have,
		    int64_t pos, int64_t len)
{
	const uint8_t *want = f->want + pos;
	int64_t i = 0, end;

	if (!memcmp(have, want, len))
		return;
	while (have[i] == want[i])
		i++;
	for (end = i; end < len && have[end] != want[end]; end++)
		;
	broken("%c, by %s: bytes %lld to %lld differ, the first is 0x%02x, expected 0x%02x (size %lld)",
	       name_of(f), how, (long long)(pos + i),
	       (long long)(pos + end - 1), have[i], want[i],
	       (long long)f->size);
}

static void check(struct file *f, int64_t pos, int64_t end, uint32_t how);

/* So much of a write's buffer is there. */
static int64_t readable(uint32_t words, int64_t pos, int64_t len)
{
	if (words & TORN_INSIDE)
		return len / 2;
	if (words & TORN)
		return most(page_down(pos + len / 2) - pos, 0);
	return len;
}

/* A write has ended with @ret: is that right? */
static void check_result(const struct op *op, ssize_t ret, int64_t pos,
			 int64_t len)
{
	bool is_torn = op->words & (TORN | TORN_INSIDE);
	int64_t good = readable(op->words, pos, len);
	bool direct = op->words & DIRECT;

	if (direct && (pos % fs.sector || len % fs.sector)) {
		if (ret != -EINVAL)
			broken("a misaligned direct write is %s, not EINVAL",
			       result_text(ret));
		return;
	}
	if (ret == -EAGAIN && (op->words & NOWAIT))
		return;
	if (fs.off && (op->words & WT) && (!direct || fs.dax)) {
		if (ret != -EOPNOTSUPP)
			broken("a write through with the mode off is %s, not EOPNOTSUPP",
			       result_text(ret));
		return;
	}
	/* XFS makes it a buffered one if the blocks are shared. */
	if (ret == -EOPNOTSUPP && fs.off && (op->words & WT) &&
	    (pos % fs.block || len % fs.block))
		return;
	if (ret == good ||
	    (ret == -EFAULT && is_torn && (!good || (op->words & NOWAIT))))
		return;
	/* Ordinary writes need not be whole. */
	if (ret > 0 && ret < good &&
	    (is_torn ||
	     ((op->words & NOWAIT) && !fs.always && !(op->words & WT))))
		return;
	broken("the result is %s, expected %lld", result_text(ret),
	       (long long)good);
}

static void ended(struct slot *s, ssize_t ret)
{
	s->busy = false;
	check_result(&s->op, ret, s->pos, s->len);
	if (s->unsettled && ret > 0)
		model_write(s->f, s->pos, s->buf, ret);
}

static void reap(struct slot *s)
{
	while (s->busy) {
		uint64_t nr = SLOTS;
		ssize_t ret = 0;

		async_next(s->uring ? &ring : &aio, true, &nr, &ret);
		if (nr >= SLOTS || !slots[nr].busy ||
		    slots[nr].uring != s->uring)
			broken("a completion of no request: %llu",
			       (unsigned long long)nr);
		ended(&slots[nr], ret);
	}
}

static void reap_all(void)
{
	for (int i = 0; i < SLOTS; i++)
		reap(&slots[i]);
}

/* Nothing whose effect is not known is in flight to these bytes' pages. */
static void settle(struct file *f, int64_t pos, int64_t end)
{
	for (int i = 0; i < SLOTS; i++) {
		struct slot *s = &slots[i];

		if (s->busy && s->unsettled && s->f == f &&
		    page_down(s->from) < end &&
		    (s->extends || s->pos + s->len > page_down(pos)))
			reap(s);
	}
}

static void settle_all(struct file *f)
{
	settle(f, 0, INT64_MAX);
}

static void settle_size(struct file *f)
{
	for (int i = 0; i < SLOTS; i++)
		if (slots[i].busy && slots[i].unsettled && slots[i].extends &&
		    slots[i].f == f)
			reap(&slots[i]);
}

static struct slot *free_slot(void)
{
	for (int i = 0; i < SLOTS; i++)
		if (!slots[i].busy)
			return &slots[i];
	reap(&slots[self->at % SLOTS]);
	return free_slot();
}

/* --- Comparing ------------------------------------------------------------------ */

static void check_size(struct file *f)
{
	struct stat st;

	for (int i = 0; i < SLOTS; i++)
		if (slots[i].busy && slots[i].unsettled && slots[i].extends &&
		    slots[i].f == f)
			return;
	sure(fstat(f->fd, &st));
	if (st.st_size != f->size)
		broken("%c: the size is %lld, expected %lld", name_of(f),
		       (long long)st.st_size, (long long)f->size);
}

static void check_load(struct file *f, int64_t pos, int64_t end)
{
	if (pos < least(end, f->size))
		compare(f, "mapping", f->map + pos, pos,
			least(end, f->size) - pos);
}

static void check_fd(struct file *f, int fd, const char *how, int64_t pos,
		     int64_t end)
{
	int64_t expected = most(least(end, f->size) - pos, 0);
	ssize_t ret = pread(fd, got, end - pos, pos);

	if (ret != expected)
		broken("%c, by %s: %s at %lld, expected %lld", name_of(f), how,
		       result_text(ret < 0 ? -errno : ret), (long long)pos,
		       (long long)expected);
	compare(f, how, got, pos, ret);
}

static void check(struct file *f, int64_t pos, int64_t end, uint32_t how)
{
	pos = most(pos, 0);
	end = least(end, fs.max_len);
	if (pos >= end)
		return;
	settle(f, pos, end);
	if (how & BY_READ)
		check_fd(f, f->fd, "read", pos, end);
	if (how & BY_LOAD)
		check_load(f, pos, end);
	/*
	 * Not further than the last sector: what is reserved behind the end and not
	 * allocated makes stock XFS fail a direct read with EIO.
	 */
	end = least(end, f->size);
	end += (fs.sector - end % fs.sector) % fs.sector;
	pos -= pos % fs.sector;
	if ((how & BY_DIRECT) && pos < end)
		check_fd(f, f->fd_direct, "direct read", pos, end);
}

/* What is in the last page behind the end, of a file that nobody has stored to since. */
static void check_behind_end(struct file *f)
{
	int64_t end = page_down(f->size + fs.page - 1);

	for (int64_t i = f->size; i < end; i++)
		if (f->map[i])
			broken("%c: byte %lld, behind the end %lld, is 0x%02x",
			       name_of(f), (long long)i, (long long)f->size,
			       f->map[i]);
}

static void check_all(struct file *f)
{
	settle_all(f);
	check_size(f);
	check(f, 0, fs.max_len, BY_READ);
	check(f, 0, fs.max_len, BY_LOAD);
}

/* --- Files ---------------------------------------------------------------------- */

static void open_file(struct file *f, int flags)
{
	f->fd = sure(open(f->path, O_RDWR | flags, 0644));
	f->fd_direct = sure(open(f->path, O_RDWR | O_DIRECT));
	f->fd_dsync = sure(open(f->path, O_RDWR | O_DSYNC));
	f->fd_append = sure(open(f->path, O_RDWR | O_APPEND));
	/* One that stays has entries that write-through must protect anew. */
	f->map = mmap(NULL, fs.max_len + fs.page, PROT_READ | PROT_WRITE,
		      MAP_SHARED, f->fd, 0);
	if (f->map == MAP_FAILED)
		broken("mmap: %s", strerrorname_np(errno));
	/* Where there are large folios, a fault makes them. */
	madvise(f->map, fs.max_len, MADV_HUGEPAGE);
}

static void close_file(struct file *f)
{
	sure(munmap(f->map, fs.max_len + fs.page));
	sure(close(f->fd));
	sure(close(f->fd_direct));
	sure(close(f->fd_dsync));
	sure(close(f->fd_append));
}

/* As the device has it: pages that are mapped or dirty would stay. */
static void check_cold(struct file *f)
{
	close_file(f);
	open_file(f, 0);
	sure(fsync(f->fd));
	sure(-posix_fadvise(f->fd, 0, 0, POSIX_FADV_DONTNEED));
	check_all(f);
	check_behind_end(f);
}

static void set_text(const char *path, const char *text)
{
	int fd = sure(open(path, O_WRONLY));

	sure(write(fd, text, strlen(text)));
	sure(close(fd));
}

/* The directory of the filesystem's files in sysfs. */
static void sys_path(char *path, size_t size, const char *file)
{
	char link[64], target[512] = "";
	struct stat st;

	must(stat(fs.dir, &st));
	snprintf(link, sizeof(link), "/sys/dev/block/%u:%u", major(st.st_dev),
		 minor(st.st_dev));
	must(readlink(link, target, sizeof(target) - 1));
	snprintf(path, size, "/sys/fs/xfs/%s/writethrough/%s", basename(target),
		 file);
}

static void read_mode(void)
{
	char path[1024], text[64] = "";
	int fd;

	sys_path(path, sizeof(path), "mode");
	fd = open(path, O_RDONLY);
	/* A kernel without write-through refuses it as one where it is off. */
	fs.off = fd < 0;
	if (fd < 0)
		return;
	must(read(fd, text, sizeof(text) - 1));
	close(fd);
	fs.off = strstr(text, "[off]");
	fs.always = strstr(text, "[always]");
}

void setting_read(const char *dir)
{
	struct statfs stfs;
	struct statx stx;
	struct fsxattr attr;
	char path[4096];
	int fd;

	fs.dir = dir;
	fs.page = sysconf(_SC_PAGESIZE);
	must(statfs(dir, &stfs));
	fs.block = stfs.f_bsize;
	fs.unit = fs.block;
	snprintf(path, sizeof(path), "%s/wtx.a", dir);
	fd = must(open(path, O_RDWR | O_CREAT, 0644));
	must(statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_DIOALIGN,
		   &stx));
	/* Nobody asks a file that is mapped memory for alignment. */
	fs.dax = stx.stx_attributes & STATX_ATTR_DAX;
	fs.sector = fs.dax ? 1 : stx.stx_dio_offset_align;
	must(ioctl(fd, FS_IOC_FSGETXATTR, &attr));
	/* The realtime device may be allocated in more than blocks. */
	if ((attr.fsx_xflags & FS_XFLAG_REALTIME) && stx.stx_blksize > fs.unit)
		fs.unit = stx.stx_blksize;
	close(fd);
	read_mode();
}

static bool remount(void)
{
	char from[512] = "", options[1024], command[8192];
	struct mntent *m;
	FILE *mounts = setmntent("/proc/self/mounts", "r");

	while ((m = getmntent(mounts)))
		if (!strcmp(m->mnt_dir, fs.dir)) {
			snprintf(from, sizeof(from), "%s", m->mnt_fsname);
			snprintf(options, sizeof(options), "%s", m->mnt_opts);
		}
	endmntent(mounts);
	if (!*from)
		return false;
	snprintf(
		command, sizeof(command),
		"for i in 1 2 3 4 5 6 7 8 9; do umount %s 2>/dev/null && break; sleep 0.1; done; "
		"exec mount -t xfs -o %s %s %s",
		fs.dir, options, from, fs.dir);
	reap_all();
	for (int i = 0; i < 2; i++)
		close_file(&files[i]);
	close(dir_fd);
	if (system(command))
		broken("the filesystem cannot be unmounted and mounted");
	dir_fd = sure(open(fs.dir, O_RDONLY | O_DIRECTORY));
	for (int i = 0; i < 2; i++)
		open_file(&files[i], 0);
	sys_path(command, sizeof(command), "mode");
	if (!access(command, F_OK))
		set_text(command, fs.off ? "off" : fs.always ? "always" : "on");
	for (int i = 0; i < 2; i++) {
		check_all(&files[i]);
		check_behind_end(&files[i]);
	}
	return true;
}

/* --- Writing -------------------------------------------------------------------- */

/* Into up to four segments, odd ones, for direct I/O of whole sectors; one may be empty. */
static int split(struct iovec *iov, uint8_t *buf, int64_t len,
		 const struct op *op)
{
	int64_t unit = op->words & DIRECT ? fs.sector : 1, done = 0;
	int n = op->words & VECTOR ? 4 : 1;

	for (int i = 0; i < n; i++) {
		int64_t part = (len - done) * (i + 3) / 9 / unit * unit;

		if (i == 1 && len % 2)
			part = 0;
		iov[i].iov_base = buf + done;
		iov[i].iov_len = i == n - 1 ? len - done : part;
		done += iov[i].iov_len;
	}
	return n;
}

static void submit(struct slot *s, int fd, int n, const struct op *op,
		   int flags)
{
	struct iocb iocb = {
		.aio_data = s - slots,
		.aio_lio_opcode = IOCB_CMD_PWRITEV,
		.aio_fildes = fd,
		.aio_buf = (uintptr_t)s->iov,
		.aio_nbytes = n,
		.aio_offset = s->pos,
		.aio_rw_flags = flags,
	};
	struct iocb *list[] = { &iocb };
	struct io_uring_sqe *sqe;
	int ret;

	s->busy = true;
	s->uring = op->words & URING;
	if (s->uring) {
		sqe = async_sqe(&ring, fd, s - slots, s->iov, n, s->pos, flags);
		sqe->opcode = IORING_OP_WRITEV;
		if (op->words & WORKER)
			sqe->flags = IOSQE_ASYNC;
		ret = async_enter(&ring, 0);
	} else {
		ret = syscall(SYS_io_submit, aio.aio, 1, list);
		if (ret < 0)
			ret = -errno;
	}
	if (ret != 1)
		broken("the submission is %s", result_text(ret));
}

static int rwf(uint32_t words)
{
	return (words & WT ? RWF_WRITETHROUGH : 0) |
	       (words & DSYNC ? RWF_DSYNC : 0) | (words & SYNC ? RWF_SYNC : 0) |
	       (words & NOWAIT ? RWF_NOWAIT : 0) |
	       (words & APPEND ? RWF_APPEND : 0) |
	       (words & NOAPPEND ? RWF_NOAPPEND : 0);
}

static void do_write(struct file *f, struct op op, int64_t *from, int64_t *end)
{
	bool append = (op.words & APPEND) ||
		      ((op.words & O_APPEND_FD) && !(op.words & NOAPPEND));
	bool direct = op.words & DIRECT, queued = op.words & (AIO | URING);
	int64_t pos = op.pos, len;
	int n, fd = direct		   ? f->fd_direct :
		    op.words & O_DSYNC_FD  ? f->fd_dsync :
		    op.words & O_APPEND_FD ? f->fd_append :
					     f->fd;
	uint8_t *buf;
	struct slot *s;
	ssize_t ret;

	if (append && direct)
		return;
	if (append) {
		settle_size(f);
		pos = f->size;
	}
	len = least(op.len, fs.max_len - pos);
	if (len <= 0)
		return;
	settle(f, pos, pos + len);
	if (pos + len > f->size)
		settle(f, f->size, INT64_MAX);
	s = free_slot();
	buf = s->buf;
	if (op.words & SELF && !queued && op.pos2 + len <= f->size &&
	    (op.pos2 + len <= page_down(pos) ||
	     op.pos2 >= page_down(pos + len + fs.page - 1))) {
		if (direct)
			op.pos2 -= op.pos2 % fs.sector;
		settle(f, op.pos2, op.pos2 + len);
		memcpy(buf, f->want + op.pos2, len);
		buf = f->map + op.pos2;
	} else {
		wt_fill(buf, len, pos, content + self->at);
		if (direct || queued)
			op.words &= ~(TORN | TORN_INSIDE);
		if (op.words & (TORN | TORN_INSIDE)) {
			int64_t good = readable(op.words, pos, len);

			buf = torn + fs.max_len - good;
			memcpy(buf, s->buf, good);
		}
	}
	*from = pos;
	*end = pos + len;
	n = split(s->iov, buf, len, &op);
	s->op = op;
	s->f = f;
	s->pos = pos;
	s->len = len;
	s->from = least(pos, f->size);
	s->extends = pos + len > f->size;
	s->unsettled = (op.words & (URING | DIRECT | NOWAIT)) ||
		       (fs.off && (op.words & WT));
	if (queued) {
		submit(s, fd, n, &op, rwf(op.words));
		if (!s->unsettled)
			model_write(f, pos, s->buf, len);
		else
			*from = *end;
		return;
	}
	ret = wt_raw_pwritev2(fd, s->iov, n, pos, rwf(op.words));
	check_result(&op, ret, pos, len);
	if (ret > 0)
		model_write(f, pos, s->buf, ret);
}

/* --- All others ----------------------------------------------------------------- */

static void do_store(struct file *f, int64_t pos, int64_t end)
{
	end = least(end, f->size);
	if (pos >= end)
		return;
	wt_fill(f->map + pos, end - pos, pos, content + self->at);
	wt_fill(f->want + pos, end - pos, pos, content + self->at);
}

static void do_fallocate(struct file *f, const struct op *op)
{
	static const int modes[NR_KINDS] = {
		[ALLOC_KEEP] = FALLOC_FL_KEEP_SIZE,
		[PUNCH] = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		[ZERO] = FALLOC_FL_ZERO_RANGE,
		[ZERO_KEEP] = FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
		[COLLAPSE] = FALLOC_FL_COLLAPSE_RANGE,
		[INSERT] = FALLOC_FL_INSERT_RANGE,
		[UNSHARE] = FALLOC_FL_UNSHARE_RANGE,
	};
	int64_t pos = op->pos, len = least(op->len, fs.max_len - pos);
	int64_t end = pos + len;

	if (len <= 0)
		return;
	if (op->kind == COLLAPSE &&
	    (pos % fs.unit || len % fs.unit || end >= f->size))
		return;
	if (op->kind == INSERT &&
	    (pos % fs.unit || len % fs.unit || pos >= f->size ||
	     f->size + len > fs.max_len))
		return;
	if (fallocate(f->fd, modes[op->kind], pos, len)) {
		if (errno == EOPNOTSUPP && op->kind == UNSHARE)
			return;
		broken("fallocate: %s", strerrorname_np(errno));
	}
	switch (op->kind) {
	case COLLAPSE:
		memmove(f->want + pos, f->want + end, f->size - end);
		model_truncate(f, f->size - len);
		return;
	case INSERT:
		memmove(f->want + end, f->want + pos, f->size - pos);
		model_zero(f, pos, end);
		f->size += len;
		return;
	case PUNCH:
	case ZERO:
	case ZERO_KEEP:
		model_zero(f, pos, end);
	}
	if (!(modes[op->kind] & FALLOC_FL_KEEP_SIZE))
		f->size = most(f->size, end);
}

/* The range that CLONE and the like may have, or false. */
static bool two_ranges(const struct op *op, int64_t *len, bool aligned)
{
	const struct file *f = &files[op->file], *g = &files[op->file2];

	*len = least(op->len, f->size - op->pos);
	*len = least(*len, fs.max_len - op->pos2);
	if (aligned) {
		if (op->pos % fs.block || op->pos2 % fs.block)
			return false;
		/* The last block only onto a last block, or behind it. */
		if (op->pos + *len != f->size || op->pos2 + *len < g->size)
			*len -= *len % fs.block;
	}
	if (*len <= 0)
		return false;
	return f != g || op->pos + *len <= op->pos2 ||
	       op->pos2 + *len <= op->pos;
}

static void do_clone(const struct op *op)
{
	struct file *f = &files[op->file], *g = &files[op->file2];
	struct file_clone_range range = {
		.src_fd = f->fd,
		.src_offset = op->pos,
		.dest_offset = op->pos2,
	};
	int64_t len;

	if (!two_ranges(op, &len, true))
		return;
	range.src_length = len;
	if (ioctl(g->fd, FICLONERANGE, &range)) {
		if (errno == EOPNOTSUPP)
			return;
		broken("clone: %s", strerrorname_np(errno));
	}
	model_write(g, op->pos2, f->want + op->pos, len);
}

/* The same bytes are written there first, through or not. */
static void do_dedupe(const struct op *op)
{
	struct file *f = &files[op->file], *g = &files[op->file2];
	uint64_t mem[(sizeof(struct file_dedupe_range) +
		      sizeof(struct file_dedupe_range_info)) /
		     sizeof(uint64_t)] = {};
	struct file_dedupe_range *d = (void *)mem;
	int64_t len;

	if (!two_ranges(op, &len, true))
		return;
	len -= len % fs.block;
	if (!len)
		return;
	memcpy(slots[0].buf, f->want + op->pos, len);
	sure(wt_raw_pwrite(g->fd, slots[0].buf, len, op->pos2,
			   fs.off ? 0 : rwf(op->words & WT)));
	model_write(g, op->pos2, slots[0].buf, len);
	d->dest_count = 1;
	d->src_offset = op->pos;
	d->src_length = len;
	d->info[0].dest_fd = g->fd;
	d->info[0].dest_offset = op->pos2;
	sure(ioctl(f->fd, FIDEDUPERANGE, d));
	if (d->info[0].status == -EOPNOTSUPP)
		return;
	/* For DAX a hole differs from zeroes. */
	if (fs.dax && d->info[0].status == FILE_DEDUPE_RANGE_DIFFERS)
		return;
	if (d->info[0].status != FILE_DEDUPE_RANGE_SAME ||
	    (int64_t)d->info[0].bytes_deduped != len)
		broken("dedupe of equal ranges: status %d, %lld of %lld bytes",
		       d->info[0].status, (long long)d->info[0].bytes_deduped,
		       (long long)len);
}

static void do_exchange(const struct op *op)
{
	struct file *f = &files[op->file], *g = &files[op->file2];
	struct exchange_range range = {
		.file1_fd = f->fd,
		.file1_offset = op->pos,
		.file2_offset = op->pos2,
	};
	int64_t len;

	if (!two_ranges(op, &len, true))
		return;
	len = least(len, g->size - op->pos2);
	len -= len % fs.block;
	if (len <= 0)
		return;
	range.length = len;
	if (ioctl(g->fd, EXCHANGE_RANGE, &range)) {
		if (errno == EOPNOTSUPP || errno == ENOTTY)
			return;
		broken("exchange: %s", strerrorname_np(errno));
	}
	memcpy(got, f->want + op->pos, len);
	memcpy(f->want + op->pos, g->want + op->pos2, len);
	memcpy(g->want + op->pos2, got, len);
}

static void do_copy(const struct op *op)
{
	struct file *f = &files[op->file], *g = &files[op->file2];
	off_t from = op->pos, to = op->pos2;
	int64_t len, left;
	ssize_t ret;

	if (!two_ranges(op, &len, false))
		return;
	if (op->kind == SENDFILE)
		sure(lseek(g->fd, to, SEEK_SET));
	for (left = len; left; left -= ret) {
		if (op->kind == COPY)
			ret = copy_file_range(f->fd, &from, g->fd, &to, left,
					      0);
		else
			ret = sendfile(g->fd, f->fd, &from, left);
		if (ret <= 0 || ret > left)
			broken("%s with %lld bytes left",
			       result_text(ret < 0 ? -errno : ret),
			       (long long)left);
	}
	model_write(g, op->pos2, f->want + op->pos, len);
}

static void do_splice(struct file *f, const struct op *op)
{
	static int pipes[2] = { -1, -1 };
	off_t pos = op->pos;
	int64_t end = least(pos + op->len, fs.max_len);
	ssize_t ret, n;

	if (pipes[0] < 0)
		sure(pipe(pipes));
	if (op->kind == SPLICE_OUT)
		end = least(end, f->size);
	while (pos < end) {
		int64_t from = pos;

		if (op->kind == SPLICE_OUT) {
			ret = splice(f->fd, &pos, pipes[1], NULL, end - pos, 0);
			if (ret <= 0)
				broken("splice: %s",
				       result_text(ret < 0 ? -errno : ret));
			for (n = 0; n < ret;)
				n += sure(read(pipes[0], got + n, ret - n));
			compare(f, "splice", got, from, ret);
			continue;
		}
		n = least(end - pos, 16384);
		wt_fill(got, n, pos, content + self->at);
		sure(write(pipes[1], got, n));
		for (ssize_t left = n; left; left -= ret) {
			ret = splice(pipes[0], NULL, f->fd, &pos, left, 0);
			if (ret <= 0)
				broken("splice: %s",
				       result_text(ret < 0 ? -errno : ret));
		}
		model_write(f, from, got, n);
	}
}

static void do_freeze(void)
{
	/* A worker may hold back what it does until the thaw. */
	for (int i = 0; i < 2; i++)
		settle_all(&files[i]);
	if (ioctl(dir_fd, FIFREEZE, 0))
		broken("freeze: %s", strerrorname_np(errno));
	for (int i = 0; i < 2; i++)
		check(&files[i], 0, fs.max_len, BY_READ);
	sure(ioctl(dir_fd, FITHAW, 0));
}

static void set_sync(struct file *f, bool on)
{
	int flags;

	sure(ioctl(f->fd, FS_IOC_GETFLAGS, &flags));
	flags = on ? flags | FS_SYNC_FL : flags & ~FS_SYNC_FL;
	sure(ioctl(f->fd, FS_IOC_SETFLAGS, &flags));
}

static void set_cowextsize(struct file *f, int64_t size)
{
	struct fsxattr attr;

	sure(ioctl(f->fd, FS_IOC_FSGETXATTR, &attr));
	attr.fsx_xflags |= FS_XFLAG_COWEXTSIZE;
	attr.fsx_cowextsize = size;
	/* Without reflink there is none. */
	if (ioctl(f->fd, FS_IOC_FSSETXATTR, &attr) && errno != EINVAL)
		broken("cowextsize: %s", strerrorname_np(errno));
}

/* Stores to what follows the end in its page: nobody may ever read them in the file. */
static void store_behind_end(struct file *f)
{
	int64_t end = page_down(f->size + fs.page - 1);

	if (f->size < end)
		memset(f->map + f->size, 0xee, end - f->size);
}

static void do_op(const struct op *op)
{
	struct file *f = &files[op->file], *g = &files[op->file2];
	int64_t from = op->pos, end = least(op->pos + op->len, fs.max_len);
	bool two = false;

	/* What asks for the layout or the size needs all that can change it. */
	switch (op->kind) {
	case CLONE:
	case DEDUPE:
	case EXCHANGE:
	case COPY:
	case SENDFILE:
		settle_all(g);
		two = true;
		/* fall through */
	case TAIL:
	case TRUNCATE ... UNSHARE:
	case SPLICE_IN ... SPLICE_OUT:
	case REOPEN:
	case COLD:
	case CHECK:
		settle_all(f);
		break;
	case READ:
	case STORE:
		settle(f, from, end);
		settle_size(f);
		break;
	}
	switch (op->kind) {
	case WRITE:
		do_write(f, *op, &from, &end);
		break;
	case REAP:
		reap_all();
		break;
	case STORE:
		do_store(f, from, end);
		break;
	case TAIL:
		/* Where nothing is written back, nothing is zeroed before. */
		if (!fs.dax)
			store_behind_end(f);
		break;
	case MSYNC:
		from = page_down(from);
		if (from < end)
			sure(msync(f->map + from, end - from,
				   op->len % 2 ? MS_SYNC : MS_ASYNC));
		break;
	case TRUNCATE:
		sure(ftruncate(f->fd, op->pos));
		model_truncate(f, op->pos);
		break;
	case ALLOC ... UNSHARE:
		do_fallocate(f, op);
		break;
	case CLONE:
		do_clone(op);
		break;
	case DEDUPE:
		do_dedupe(op);
		break;
	case EXCHANGE:
		do_exchange(op);
		break;
	case COPY:
	case SENDFILE:
		do_copy(op);
		break;
	case SPLICE_IN:
	case SPLICE_OUT:
		do_splice(f, op);
		break;
	case READAHEAD:
		sure(readahead(f->fd, from, op->len));
		break;
	case DONTNEED:
		sure(-posix_fadvise(f->fd, from, op->len, POSIX_FADV_DONTNEED));
		break;
	case DROP:
		set_text("/proc/sys/vm/drop_caches", "1");
		break;
	case FSYNC:
		sure(fsync(f->fd));
		break;
	case FDATASYNC:
		sure(fdatasync(f->fd));
		break;
	case SYNC_RANGE:
		sure(sync_file_range(f->fd, from, op->len,
				     SYNC_FILE_RANGE_WAIT_BEFORE |
					     SYNC_FILE_RANGE_WRITE |
					     SYNC_FILE_RANGE_WAIT_AFTER));
		break;
	case SYNCFS:
		sure(syncfs(dir_fd));
		break;
	case FREEZE:
		do_freeze();
		break;
	case COWEXTSIZE:
		set_cowextsize(f, op->pos);
		break;
	case SYNC_ON:
	case SYNC_OFF:
		set_sync(f, op->kind == SYNC_ON);
		break;
	case REOPEN:
		/* Pages that are mapped would not be dropped. */
		reap_all();
		close_file(f);
		open_file(f, 0);
		sure(-posix_fadvise(f->fd, 0, 0, POSIX_FADV_DONTNEED));
		break;
	case COLD:
		reap_all();
		check_cold(f);
		break;
	case REMOUNT:
		remount();
		break;
	case CHECK:
		check_all(f);
		break;
	}
	/* With what lies beside it, as blocks and pages are shared. */
	check(f, from - fs.block, end + fs.block, op->words);
	check_size(f);
	if (two) {
		check(g, op->pos2 - fs.block, op->pos2 + op->len + fs.block,
		      op->words);
		check_size(g);
	}
}

static void *memory(void)
{
	void *p = mmap(NULL, fs.max_len + fs.page, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		fail("no memory");
	return p;
}

void run(struct progress *p, int make, uint64_t salt)
{
	self = p;
	content = salt << 20 | 1;
	for (int i = 0; i < 2; i++) {
		struct file *f = &files[i];

		snprintf(f->path, sizeof(f->path), "%s/wtx.%c", fs.dir,
			 'a' + i);
		unlink(f->path);
		open_file(f, O_CREAT);
		f->want = memory();
	}
	for (int i = 0; i < SLOTS; i++)
		slots[i].buf = memory();
	got = memory();
	torn = mmap(NULL, 2 * fs.max_len + fs.page, PROT_NONE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (torn == MAP_FAILED ||
	    mprotect(torn, fs.max_len, PROT_READ | PROT_WRITE))
		fail("no memory");
	dir_fd = must(open(fs.dir, O_RDONLY | O_DIRECTORY));
	async_start(&aio, "aio", SLOTS);
	async_start(&ring, "uring", SLOTS);
	for (int i = 0; i < (make ?: p->nr_ops); i++) {
		if (make) {
			script_next(&p->ops[i], files[0].size, files[1].size);
			p->nr_ops = i + 1;
		}
		p->at = i;
		do_op(&p->ops[i]);
	}
	reap_all();
	for (int i = 0; i < 2; i++) {
		check_all(&files[i]);
		check(&files[i], 0, fs.max_len, BY_DIRECT);
		check_cold(&files[i]);
	}
}
