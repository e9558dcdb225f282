// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random operations on one file, compared with a model of it in memory.
 *
 * usage: model [-s SEED] [-n OPS] [-b BLOCKSIZE] [-p] [-l LENGTH] DIR
 *
 * -p makes the write-through writes plain ones: what then fails is not the
 * fault of write-through.  A mismatch prints the last operations and the seed
 * that brings them again.
 */
#include "wttest.h"

#include <linux/falloc.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define LOG_LINES 40

static uint64_t rng_state;
static uint64_t max_len = 256 << 10;
static size_t block = 4096, page, sector;
static int fd, fd_append, fd_direct, fd_clone;
static int plain;
static uint8_t *model, *clone, *buf;
static off_t size, clone_size;
static char oplog[LOG_LINES][128];
static uint64_t op;
static uint64_t seed = 1;

__attribute__((format(printf, 1, 2))) static void note(const char *fmt, ...)
{
	char *line = oplog[op % LOG_LINES];
	int n = snprintf(line, sizeof(oplog[0]), "%6llu ",
			 (unsigned long long)op);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line + n, sizeof(oplog[0]) - n, fmt, ap);
	va_end(ap);
}

__attribute__((format(printf, 1, 2), noreturn)) static void
broken(const char *fmt, ...)
{
	uint64_t i = op >= LOG_LINES ? op - LOG_LINES + 1 : 0;
	va_list ap;

	for (; i <= op; i++)
		printf("%s\n", oplog[i % LOG_LINES]);
	printf("seed %llu, operation %llu: ", (unsigned long long)seed,
	       (unsigned long long)op);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	exit(1);
}

static uint64_t rnd(uint64_t n)
{
	rng_state ^= rng_state << 13;
	rng_state ^= rng_state >> 7;
	rng_state ^= rng_state << 17;
	return (rng_state >> 11) % n;
}

static void compare(const char *how, const uint8_t *got,
		    const uint8_t *expected, off_t pos, size_t len)
{
	size_t i = 0, end;

	if (!memcmp(got, expected, len))
		return;
	while (got[i] == expected[i])
		i++;
	end = i;
	while (end < len && got[end] != expected[end])
		end++;
	broken("%s: bytes %lld to %lld differ: 0x%02x, expected 0x%02x (size %lld)",
	       how, (long long)pos + i, (long long)pos + end - 1, got[i],
	       expected[i], (long long)size);
}

/* Positions near block boundaries and the end of the file are the likely ones. */
static off_t position(void)
{
	off_t pos;

	switch (rnd(6)) {
	case 0:
		pos = rnd(max_len / block) * block;
		break;
	case 1:
		pos = size;
		break;
	case 2:
		pos = size - (off_t)rnd(2 * block);
		break;
	case 3:
		pos = rnd(max_len / page) * page + rnd(16) - 8;
		break;
	default:
		pos = rnd(max_len);
	}
	return pos < 0 || pos >= (off_t)max_len ? 0 : pos;
}

static size_t length(off_t pos)
{
	size_t len;

	switch (rnd(5)) {
	case 0:
		len = 1 + rnd(64);
		break;
	case 1:
		len = block * (1 + rnd(8));
		break;
	case 2:
		len = page;
		break;
	case 3:
		len = 1 + rnd(16 * page);
		break;
	default:
		len = 1 + rnd(2 * page);
	}
	return len > max_len - pos ? max_len - pos : len;
}

static void fill_buf(size_t len)
{
	uint64_t x = rng_state | 1;

	for (size_t i = 0; i < len; i++) {
		x = x * 6364136223846793005ULL + 1442695040888963407ULL;
		buf[i] = (x >> 56) | 1;
	}
	rnd(2);
}

static void model_write(off_t pos, size_t len)
{
	/* Beyond the old size the model is zero already. */
	memcpy(model + pos, buf, len);
	if (pos + (off_t)len > size)
		size = pos + len;
}

static void model_truncate(off_t len)
{
	if (len < size)
		memset(model + len, 0, size - len);
	size = len;
}

static void check_size(void)
{
	struct stat st;

	must(fstat(fd, &st));
	if (st.st_size != size)
		broken("size %lld, expected %lld", (long long)st.st_size,
		       (long long)size);
}

static void check_read(int f, const char *how, off_t pos, size_t len)
{
	ssize_t ret, expected = pos >= size ? 0 : size - pos;

	if ((size_t)expected > len)
		expected = len;
	ret = pread(f, buf, len, pos);
	if (ret != expected)
		broken("%s: %zd bytes (%s), expected %zd", how, ret,
		       ret < 0 ? strerrorname_np(errno) : "", expected);
	compare(how, buf, model + pos, pos, ret);
}

static void check_all(const char *how)
{
	check_size();
	check_read(fd, how, 0, max_len);
}

static void do_write(int kind)
{
	static const struct {
		const char *name;
		int flags;
	} kinds[] = {
		{ "write", 0 },
		{ "write dsync", RWF_DSYNC },
		{ "write wt", RWF_WRITETHROUGH },
		{ "write wt", RWF_WRITETHROUGH },
		{ "write wt", RWF_WRITETHROUGH },
		{ "write wt,dsync", RWF_WRITETHROUGH | RWF_DSYNC },
		{ "append wt", RWF_WRITETHROUGH },
	};
	int flags = kinds[kind].flags, n = 1 + rnd(4), f = fd;
	off_t pos = position();
	size_t len, done = 0;
	struct iovec iov[4];
	ssize_t ret;

	if (plain)
		flags &= ~RWF_WRITETHROUGH;
	if (kind == 6) {
		pos = size;
		f = fd_append;
		if (pos == (off_t)max_len)
			return;
	}
	len = length(pos);
	note("%s %lld + %zu, %d segments (size %lld)", kinds[kind].name,
	     (long long)pos, len, n, (long long)size);
	fill_buf(len);
	for (int i = 0; i < n; i++) {
		iov[i].iov_base = buf + done;
		iov[i].iov_len = i == n - 1 ? len - done : rnd(len - done + 1);
		done += iov[i].iov_len;
	}
	ret = wt_raw_pwritev2(f, iov, n, kind == 6 ? 0 : pos, flags);
	if (ret != (ssize_t)len)
		broken("%s: %zd (%s)", kinds[kind].name, ret,
		       ret < 0 ? strerrorname_np(-ret) : "short");
	model_write(pos, len);
}

static void do_direct(int write)
{
	off_t pos = position() / sector * sector;
	size_t len = length(pos) / sector * sector;
	ssize_t ret;

	if (!len)
		len = sector;
	note("direct %s %lld + %zu (size %lld)", write ? "write" : "read",
	     (long long)pos, len, (long long)size);
	if (!write) {
		check_read(fd_direct, "direct read", pos, len);
		return;
	}
	fill_buf(len);
	ret = wt_raw_pwrite(fd_direct, buf, len, pos,
			    plain || rnd(2) ? 0 : RWF_WRITETHROUGH);
	if (ret != (ssize_t)len)
		broken("direct write: %zd (%s)", ret,
		       ret < 0 ? strerrorname_np(-ret) : "short");
	model_write(pos, len);
}

static uint8_t *map_file(off_t len)
{
	uint8_t *map =
		mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (map == MAP_FAILED)
		broken("mmap: %s", strerrorname_np(errno));
	return map;
}

static void do_mmap(int write)
{
	static uint8_t *kept;
	off_t pos = position();
	size_t len = length(pos);

	if (!size)
		return;
	pos %= size;
	if ((off_t)len > size - pos)
		len = size - pos;
	note("mmap %s %lld + %zu (size %lld)", write ? "store" : "load",
	     (long long)pos, len, (long long)size);
	/* A mapping that stays has entries write-through must protect anew. */
	if (!kept || !rnd(50)) {
		if (kept)
			munmap(kept, max_len);
		kept = map_file(max_len);
	}
	if (write) {
		fill_buf(len);
		memcpy(kept + pos, buf, len);
		model_write(pos, len);
		if (!rnd(4))
			must(msync(kept, max_len, MS_SYNC));
	} else {
		compare("mmap load", kept + pos, model + pos, pos, len);
	}
}

static void do_falloc(void)
{
	static const struct {
		const char *name;
		int mode;
	} modes[] = {
		{ "punch", FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE },
		{ "zero", FALLOC_FL_ZERO_RANGE },
		{ "zero keep", FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE },
		{ "falloc", 0 },
		{ "falloc keep", FALLOC_FL_KEEP_SIZE },
		{ "collapse", FALLOC_FL_COLLAPSE_RANGE },
		{ "insert", FALLOC_FL_INSERT_RANGE },
	};
	int i = rnd(7), mode = modes[i].mode;
	off_t pos = position();
	size_t len = length(pos);

	if (mode & (FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_INSERT_RANGE)) {
		pos = pos / block * block;
		len = (len / block + 1) * block;
		if (pos >= size)
			return;
		if ((mode & FALLOC_FL_COLLAPSE_RANGE) &&
		    pos + (off_t)len >= size)
			return;
		if ((mode & FALLOC_FL_INSERT_RANGE) &&
		    size + (off_t)len > (off_t)max_len)
			return;
	}
	note("%s %lld + %zu (size %lld)", modes[i].name, (long long)pos, len,
	     (long long)size);
	if (fallocate(fd, mode, pos, len))
		broken("%s: %s", modes[i].name, strerrorname_np(errno));
	if (mode & FALLOC_FL_COLLAPSE_RANGE) {
		memmove(model + pos, model + pos + len, size - pos - len);
		memset(model + size - len, 0, len);
		size -= len;
		return;
	}
	if (mode & FALLOC_FL_INSERT_RANGE) {
		memmove(model + pos + len, model + pos, size - pos);
		memset(model + pos, 0, len);
		size += len;
		return;
	}
	if (mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE))
		memset(model + pos, 0, len);
	if (!(mode & FALLOC_FL_KEEP_SIZE) && pos + (off_t)len > size)
		size = pos + len;
}

static void do_clone(void)
{
	if (rnd(2)) {
		note("clone to the second file (size %lld)", (long long)size);
		must(ftruncate(fd_clone, 0));
		clone_size = 0;
		if (ioctl(fd_clone, FICLONE, fd)) {
			if (errno == EOPNOTSUPP)
				return;
			broken("clone: %s", strerrorname_np(errno));
		}
		memcpy(clone, model, max_len);
		clone_size = size;
		return;
	}
	note("compare the second file (size %lld)", (long long)clone_size);
	if (pread(fd_clone, buf, max_len, 0) != clone_size)
		broken("the second file has another size");
	compare("second file", buf, clone, 0, clone_size);
}

static void do_drop(void)
{
	int f;

	note("drop caches (size %lld)", (long long)size);
	must(fsync(fd));
	must(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
	f = open("/proc/sys/vm/drop_caches", O_WRONLY);
	if (f >= 0) {
		if (write(f, "1", 1) < 0)
			broken("drop_caches: %s", strerrorname_np(errno));
		close(f);
	}
	check_all("after dropping the cache");
}

static void step(void)
{
	off_t pos;
	size_t len;

	switch (rnd(24)) {
	case 0 ... 10:
		do_write(rnd(7));
		break;
	case 11:
		do_direct(1);
		break;
	case 12:
		do_direct(0);
		break;
	case 13 ... 14:
		do_mmap(1);
		break;
	case 15:
		do_mmap(0);
		break;
	case 16:
		pos = position();
		note("truncate %lld (size %lld)", (long long)pos,
		     (long long)size);
		must(ftruncate(fd, pos));
		model_truncate(pos);
		break;
	case 17 ... 18:
		do_falloc();
		break;
	case 19:
		do_clone();
		break;
	case 20:
		note("fsync");
		must(rnd(2) ? fsync(fd) : fdatasync(fd));
		break;
	case 21:
		note("sync_file_range");
		must(sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE));
		break;
	case 22:
		if (rnd(8) == 0) {
			do_drop();
			break;
		}
		/* fall through */
	default:
		pos = position();
		len = length(pos);
		note("read %lld + %zu (size %lld)", (long long)pos, len,
		     (long long)size);
		check_read(fd, "read", pos, len);
	}
	check_size();
}

int main(int argc, char **argv)
{
	uint64_t ops = 20000;
	char path[4096], path2[4096];
	int opt;

	while ((opt = getopt(argc, argv, "s:n:b:l:p")) != -1) {
		switch (opt) {
		case 's':
			seed = strtoull(optarg, NULL, 0);
			break;
		case 'n':
			ops = strtoull(optarg, NULL, 0);
			break;
		case 'b':
			block = strtoull(optarg, NULL, 0);
			break;
		case 'l':
			max_len = strtoull(optarg, NULL, 0);
			break;
		case 'p':
			plain = 1;
			break;
		default:
			return 2;
		}
	}
	if (optind != argc - 1)
		fail("usage: model [-s SEED] [-n OPS] [-b BLOCKSIZE] [-l LENGTH] [-p] DIR");
	rng_state = seed * 0x9e3779b97f4a7c15ULL + 1;
	page = sysconf(_SC_PAGESIZE);
	sector = block < 512 ? 512 : block < 4096 ? block : 4096;
	snprintf(path, sizeof(path), "%s/model", argv[optind]);
	snprintf(path2, sizeof(path2), "%s/model.clone", argv[optind]);
	fd = must(open(path, O_RDWR | O_CREAT | O_TRUNC, 0644));
	fd_append = must(open(path, O_WRONLY | O_APPEND));
	fd_direct = must(open(path, O_RDWR | O_DIRECT));
	fd_clone = must(open(path2, O_RDWR | O_CREAT | O_TRUNC, 0644));
	model = calloc(1, max_len);
	clone = calloc(1, max_len);
	if (!model || !clone || posix_memalign((void **)&buf, 65536, max_len))
		fail("no memory");

	for (op = 0; op < ops; op++)
		step();
	check_all("at the end");
	do_drop();
	printf("%llu operations, seed %llu\n", (unsigned long long)ops,
	       (unsigned long long)seed);
	return 0;
}
