// SPDX-License-Identifier: GPL-2.0-only
/*
 * The programs whose disk is recorded:
 *
 *	crash-load LOG DIR SEED ACTS WORKLOAD sync|aio|uring
 *	crash-load LOG DIR SEED ACTS database JOURNAL SYNCHRONOUS COMMAND...
 *
 * Each writes down what it is about to do, does it, and writes down that it was told it
 * is done.  What a workload does is a line of the table below.
 *
 * The database is one of COMMAND, sqlite3 or what runs it: one transaction after the
 * other, each waited for.
 */
#include "async.h"
#include "crash.h"

#include <linux/falloc.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define DEPTH 4
#define MAX_LEN (96 << 10)
#define MAX_SIZE (384 << 10)

enum {
	APPEND, /* at the end of the file */
	OVERWRITE, /* within it */
	GAP, /* behind its end */
	BUFFERED, /* not durable, anywhere within it */
	DIRECT, /* the same with O_DIRECT */
	SYNC, /* fdatasync or fsync */
	TRUNCATE,
	ZERO, /* a hole punched, or a range zeroed */
	FREEZE, /* writes all metadata to its place */
	FORGET, /* what is clean leaves the page cache */
	ACTS,
};

/* What the files are at first. */
enum { WRITTEN, SPARSE, PREALLOCATED, SHARED, CLONE, KINDS };
#define FILE_IS(kind) (1 << (kind))
#define ANY_FILE ((1 << KINDS) - 1)

static const struct workload {
	const char *name;
	/* Percent of appends, overwrites and gaps; the others only go through. */
	unsigned int durable;
	unsigned int files;
	/* Plain buffered writes that are said to be durable. */
	bool lies;
	uint8_t weight[ACTS];
} workloads[] = {
	{ "appends", 100, FILE_IS(WRITTEN) | FILE_IS(PREALLOCATED),
	  .weight = { [APPEND] = 8, [FREEZE] = 1 } },
	{ "overwrites", 100, FILE_IS(WRITTEN),
	  .weight = { [OVERWRITE] = 12, [FORGET] = 1 } },
	{ "holes", 100, FILE_IS(SPARSE) | FILE_IS(PREALLOCATED),
	  .weight = { [OVERWRITE] = 8, [GAP] = 4, [FREEZE] = 1 } },
	{ "shared", 100, FILE_IS(SHARED) | FILE_IS(CLONE),
	  .weight = { [OVERWRITE] = 12, [APPEND] = 2, [FREEZE] = 1 } },
	{ "fdatasync", 0, ANY_FILE,
	  .weight = { [APPEND] = 4, [OVERWRITE] = 4, [GAP] = 1, [SYNC] = 4 } },
	{ "mixed", 60, ANY_FILE,
	  .weight = { [APPEND] = 8,
		      [OVERWRITE] = 8,
		      [GAP] = 3,
		      [BUFFERED] = 5,
		      [DIRECT] = 3,
		      [SYNC] = 2,
		      [TRUNCATE] = 2,
		      [ZERO] = 2,
		      [FREEZE] = 1,
		      [FORGET] = 1 } },
	{ "lies", 100, ANY_FILE, .lies = true,
	  .weight = { [APPEND] = 4, [OVERWRITE] = 4, [SYNC] = 1 } },
};

static struct crash_log *crash;
static const char *dir;
static uint64_t rnd;

static struct file {
	int fd, dsync, direct;
	/* Where the next append goes */
	uint64_t size;
	/* Of the last write */
	uint64_t seed;
} files[CRASH_FILES];

static struct async engine;
static bool async;
static struct slot {
	bool busy;
	uint32_t nr;
	size_t len;
	uint8_t *buf;
} slots[DEPTH];

/* --- The recording ---------------------------------------------------------- */

static uint32_t starts(enum crash_op op, unsigned int file, bool durable,
		       uint64_t pos, uint64_t len, uint64_t seed)
{
	struct crash_event e = {
		.what = OP_START,
		.op = op,
		.file = file,
		.durable = durable,
		.nr = crash->nr_ops++,
		.pos = pos,
		.len = len,
		.seed = seed,
	};

	crash_add(crash, &e);
	return e.nr;
}

static void ended(uint32_t nr)
{
	struct crash_event e = { .what = OP_END, .nr = nr };

	crash_add(crash, &e);
}

/* --- Files ------------------------------------------------------------------ */

static bool reap(bool wait)
{
	uint64_t i;
	ssize_t res;

	if (!async_next(&engine, wait, &i, &res))
		return false;
	ended(slots[i].nr);
	if (res != (ssize_t)slots[i].len)
		fail("a request of %zu is %zd", slots[i].len, res);
	slots[i].busy = false;
	return true;
}

static void reap_all(void)
{
	for (int i = 0; i < DEPTH; i++)
		while (slots[i].busy)
			reap(true);
}

static struct slot *free_slot(void)
{
	for (;;) {
		while (async && reap(false))
			;
		for (int i = 0; i < DEPTH; i++)
			if (!slots[i].busy)
				return &slots[i];
		reap(true);
	}
}

static void write_to(unsigned int i, int fd, int flags, bool durable,
		     uint64_t pos, uint64_t len)
{
	static uint64_t seed;
	struct slot *slot = free_slot();

	wt_fill(slot->buf, len, pos, ++seed);
	slot->len = len;
	files[i].seed = seed;
	slot->nr = starts(OP_WRITE, i, durable, pos, len, seed);
	/* Alone, it knows where the end is. */
	if (!async && pos == files[i].size && crash_below(&rnd, 2))
		flags |= RWF_APPEND;
	if (files[i].size < pos + len)
		files[i].size = pos + len;
	if (async) {
		slot->busy = true;
		want(async_submit(&engine, fd, slot - slots, slot->buf, len,
				  pos, flags),
		     0);
		return;
	}
	want(wt_raw_pwrite(fd, slot->buf, len, pos, flags), (ssize_t)len);
	ended(slot->nr);
}

/* Each way to ask for a durable write, or one that only goes through. */
static void write_through(const struct workload *w, unsigned int i,
			  uint64_t pos, uint64_t len)
{
	static const struct {
		bool o_dsync;
		int flags;
	} ways[] = {
		{ true, 0 },
		{ true, RWF_WRITETHROUGH },
		{ false, RWF_DSYNC },
		{ false, RWF_DSYNC | RWF_WRITETHROUGH },
		{ false, RWF_SYNC | RWF_WRITETHROUGH },
	};
	unsigned int way = crash_below(&rnd, sizeof(ways) / sizeof(*ways));
	bool durable = crash_below(&rnd, 100) < w->durable;

	/* Stock has no flag. */
	if (w->lies)
		write_to(i, files[i].fd, 0, durable, pos, len);
	else if (!durable)
		write_to(i, files[i].fd, RWF_WRITETHROUGH, false, pos, len);
	else
		write_to(i, ways[way].o_dsync ? files[i].dsync : files[i].fd,
			 ways[way].flags, true, pos, len);
}

static uint64_t length(void)
{
	switch (crash_below(&rnd, 8)) {
	case 0:
		return 1 + crash_below(&rnd, 100);
	case 1:
	case 2:
		return 512 * (1 + crash_below(&rnd, 8));
	case 3:
	case 4:
		return 4096 * (1 + crash_below(&rnd, 4));
	case 5:
		return 1 + crash_below(&rnd, MAX_LEN / 2);
	default:
		return 1 + crash_below(&rnd, 9000);
	}
}

static uint64_t place(uint64_t size)
{
	uint64_t pos = crash_below(&rnd, size);

	switch (crash_below(&rnd, 3)) {
	case 0:
		return pos & ~4095ULL;
	case 1:
		return pos & ~511ULL;
	default:
		return pos;
	}
}

static void sync_file(unsigned int i)
{
	uint32_t nr = starts(OP_SYNC, i, true, 0, 0, 0);

	if (crash_below(&rnd, 2))
		must(fsync(files[i].fd));
	else
		must(fdatasync(files[i].fd));
	ended(nr);
}

static void sync_all(void)
{
	uint32_t nr = starts(OP_SYNC, CRASH_ALL, true, 0, 0, 0);

	must(syncfs(files[0].fd));
	ended(nr);
}

static void truncate_to(unsigned int i, uint64_t size)
{
	uint32_t nr = starts(OP_TRUNCATE, i, false, 0, size, 0);

	must(ftruncate(files[i].fd, size));
	ended(nr);
	files[i].size = size;
}

static void act(const struct workload *w, unsigned int i, int what)
{
	struct file *f = &files[i];
	uint64_t pos, len = length();
	uint32_t nr;

	if (f->size > MAX_SIZE && what != SYNC) {
		truncate_to(i, MAX_SIZE / 4 + crash_below(&rnd, MAX_SIZE / 4));
		return;
	}
	switch (what) {
	case APPEND:
		write_through(w, i, f->size, len);
		break;
	case OVERWRITE:
		pos = place(f->size);
		if (pos + len > f->size)
			len = f->size - pos;
		if (len)
			write_through(w, i, pos, len);
		break;
	case GAP:
		write_through(w, i, f->size + place(32 << 10), len);
		break;
	case BUFFERED:
		write_to(i, f->fd, 0, false, place(f->size + 1), len);
		break;
	case DIRECT:
		pos = place(f->size) & ~4095ULL;
		write_to(i, f->direct, 0, false, pos,
			 4096 * (1 + crash_below(&rnd, 4)));
		break;
	case SYNC:
		sync_file(i);
		break;
	case TRUNCATE:
		truncate_to(i, crash_below(&rnd, f->size + 20000));
		break;
	case ZERO:
		pos = place(f->size);
		nr = starts(OP_ZERO, i, false, pos, len, 0);
		must(fallocate(f->fd,
			       FALLOC_FL_KEEP_SIZE |
				       (crash_below(&rnd, 2) ?
						FALLOC_FL_PUNCH_HOLE :
						FALLOC_FL_ZERO_RANGE),
			       pos, len));
		ended(nr);
		break;
	case FREEZE:
		nr = starts(OP_SYNC, CRASH_ALL, true, 0, 0, 0);
		must(ioctl(f->fd, FIFREEZE, 0));
		ended(nr);
		must(ioctl(f->fd, FITHAW, 0));
		break;
	case FORGET:
		must(-posix_fadvise(f->fd, 0, 0, POSIX_FADV_DONTNEED));
		break;
	}
}

/* The pattern is one of the position and the seed, so the clone looks written. */
static void clone_file(unsigned int i, unsigned int from)
{
	uint32_t nr = starts(OP_WRITE, i, false, 0, MAX_LEN, files[from].seed);

	if (ioctl(files[i].fd, FICLONE, files[from].fd) < 0) {
		/* Without checksums there are no shared blocks. */
		want(-errno, -EOPNOTSUPP);
		wt_fill(slots[0].buf, MAX_LEN, 0, files[from].seed);
		want(wt_raw_pwrite(files[i].fd, slots[0].buf, MAX_LEN, 0, 0),
		     MAX_LEN);
	} else {
		crash->twin[i] = from + 1;
		crash->twin[from] = i + 1;
	}
	ended(nr);
	files[i].size = MAX_LEN;
}

static void fill_files(void)
{
	for (unsigned int i = 0; i < KINDS; i++) {
		struct file *f = &files[i];
		char *path = crash->path[i], *full;
		uint32_t nr;

		snprintf(path, sizeof(crash->path[i]), "file%u", i);
		must(asprintf(&full, "%s/%s", dir, path));
		f->fd = must(open(full, O_RDWR | O_CREAT | O_EXCL, 0644));
		f->dsync = must(open(full, O_RDWR | O_DSYNC));
		f->direct = must(open(full, O_RDWR | O_DIRECT));
		free(full);
		switch (i) {
		case WRITTEN:
		case SHARED:
			write_to(i, f->fd, 0, false, 0, MAX_LEN);
			break;
		case SPARSE:
			truncate_to(i, 2 * MAX_LEN);
			for (int b = 0; b < 8; b++)
				write_to(i, f->fd, 0, false, b * 16384 + 4096,
					 4096);
			break;
		case PREALLOCATED:
			nr = starts(OP_EXTEND, i, false, 0, MAX_LEN, 0);
			must(fallocate(f->fd, 0, 0, MAX_LEN));
			ended(nr);
			must(fallocate(f->fd, FALLOC_FL_KEEP_SIZE, 0,
				       2 * MAX_LEN));
			f->size = MAX_LEN;
			break;
		case CLONE:
			clone_file(i, SHARED);
			break;
		}
	}
}

static void run_files(const char *name, const char *engine_name,
		      unsigned int acts)
{
	const struct workload *w = workloads;
	const struct workload *end =
		workloads + sizeof(workloads) / sizeof(*workloads);
	unsigned int sum = 0;

	while (w < end && strcmp(w->name, name))
		w++;
	if (w == end)
		fail("%s: no such workload", name);
	for (int i = 0; i < DEPTH; i++)
		if (posix_memalign((void **)&slots[i].buf, 4096, MAX_LEN))
			fail("no memory");
	fill_files();
	sync_all();
	ended(starts(OP_BEGIN, 0, false, 0, 0, 0));
	async = strcmp(engine_name, "sync");
	if (async)
		async_start(&engine, engine_name, DEPTH);
	for (int i = 0; i < ACTS; i++)
		sum += w->weight[i];
	while (acts--) {
		unsigned int file, pick = crash_below(&rnd, sum), what = 0;

		do
			file = crash_below(&rnd, KINDS);
		while (!(w->files & FILE_IS(file)));
		while (pick >= w->weight[what])
			pick -= w->weight[what++];
		act(w, file, what);
	}
	if (async)
		reap_all();
}

/* --- A database ------------------------------------------------------------- */

static FILE *to_db, *from_db;

static void ask(const char *fmt, ...)
{
	char line[256] = "";
	va_list ap;

	va_start(ap, fmt);
	vfprintf(to_db, fmt, ap);
	va_end(ap);
	fprintf(to_db, "SELECT 'done';\n");
	fflush(to_db);
	while (strcmp(line, "done\n"))
		if (!fgets(line, sizeof(line), from_db))
			fail("the database has ended");
}

static void run_database(char **argv, unsigned int transactions)
{
	int in[2], out[2], status;
	pid_t pid;

	must(pipe2(in, O_CLOEXEC));
	must(pipe2(out, O_CLOEXEC));
	pid = must(fork());
	if (!pid) {
		must(dup2(in[0], 0));
		must(dup2(out[1], 1));
		must(chdir(dir));
		execvp(argv[2], argv + 2);
		fail("%s: %s", argv[2], strerrorname_np(errno));
	}
	to_db = fdopen(in[1], "w");
	from_db = fdopen(out[0], "r");
	close(in[0]);
	close(out[1]);
	strcpy(crash->path[0], "db");
	/* Checkpoints come often enough to be cut off too. */
	ask(".bail on\n.open db\nPRAGMA journal_mode=%s; PRAGMA synchronous=%s;\n"
	    "PRAGMA wal_autocheckpoint=20;\n"
	    "CREATE TABLE t(n INTEGER PRIMARY KEY, v TEXT);\n"
	    "CREATE TABLE total(k INTEGER, s INTEGER);\n"
	    "INSERT INTO total VALUES(0, 0);\n",
	    argv[0], argv[1]);
	files[0].fd = must(open(dir, O_RDONLY));
	sync_all();
	ended(starts(OP_BEGIN, 0, false, 0, 0, 0));
	for (unsigned int n = 1; n <= transactions; n++) {
		uint32_t nr = starts(OP_COMMIT, 0, true, 0, 0, n);

		ask("BEGIN; INSERT INTO t VALUES(%u, printf('%%.*c', %u, char(%u)));\n"
		    "UPDATE total SET k = k + 1, s = s + %u; COMMIT;\n",
		    n, 1 + n * 37 % 3000, 65 + n % 26, n);
		ended(nr);
	}
	fclose(to_db);
	must(waitpid(pid, &status, 0));
	want(status, 0);
}

int main(int argc, char **argv)
{
	if (argc < 7)
		fail("usage: crash-load LOG DIR SEED ACTS WORKLOAD ENGINE");
	crash = crash_map(argv[1], false);
	dir = argv[2];
	rnd = crash_seed(2, strtoull(argv[3], NULL, 0));
	if (!strcmp(argv[5], "database") && argc > 8)
		run_database(argv + 6, atoi(argv[4]));
	else
		run_files(argv[5], argv[6], atoi(argv[4]));
	return 0;
}
